//! Engines: what schedules the machines of a world, keeps its time and carries its packets.
//!
//! There are two, so that no verdict rests on one simulator alone. Both run the same machines with the same
//! kernels; neither knows what a process, a socket or a disk is.

mod native;
#[cfg(feature = "turmoil")]
mod turmoil;

use crate::machine::MachineId;
use crate::machines::Machines;
use crate::world::Error;
use std::fmt;

/// Which engine a world runs on. See [`simulate_on`](crate::simulate_on).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Engine {
    /// A discrete-event simulation: time jumps from event to event, to the nanosecond.
    #[default]
    Native,
    /// [turmoil](https://docs.rs/turmoil): time advances in ticks of one millisecond.
    #[cfg(feature = "turmoil")]
    Turmoil,
}

impl Engine {
    pub(crate) fn start(self) -> Box<dyn Driver> {
        match self {
            Engine::Native => Box::new(native::Native::default()),
            #[cfg(feature = "turmoil")]
            Engine::Turmoil => Box::new(turmoil::Turmoil::new()),
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Engine::Native => "native",
            #[cfg(feature = "turmoil")]
            Engine::Turmoil => "turmoil",
        })
    }
}

/// The interface of an engine. The world tells it what there is and what strikes it; it tells the
/// [`Machines`] when a packet arrives and when a machine may run.
pub(crate) trait Driver {
    /// A machine was added. It has no power yet.
    fn add(&mut self, machine: MachineId);

    /// A machine's power was switched.
    fn set_power(&mut self, machine: MachineId, on: bool);

    /// A direction between two machines was cut, and with it what is held there, or is open again.
    fn set_cut(&mut self, from: MachineId, to: MachineId, cut: bool);

    /// The packets of a direction are held from `now` on, in nanoseconds, or arrive now.
    fn set_held(&mut self, from: MachineId, to: MachineId, held: bool, now: u64);

    /// Something was done to a machine from outside: lets it do what is due now.
    ///
    /// # Errors
    ///
    /// If its program asked for something that is not simulated.
    fn attend(&mut self, machine: MachineId, machines: &mut Machines) -> Result<(), Error>;

    /// Lets everything happen until the limit, in nanoseconds since the world began, and at it.
    ///
    /// # Errors
    ///
    /// If a program asked for something that is not simulated.
    fn run_until(&mut self, limit: u64, machines: &mut Machines) -> Result<(), Error>;
}
