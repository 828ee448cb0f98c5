//! What a world wants of an engine.

use crate::error::Error;
use crate::ids::MachineId;
use crate::machines::Machines;

/// The interface of an engine. The world tells it what there is and what strikes it; it tells the
/// [`Machines`] when a packet arrives and when a machine may run.
pub(crate) trait Driver {
    /// A machine was added. Whether it has power, the [`Machines`] know.
    fn add(&mut self, machine: MachineId);

    /// Why a copy of this process could not go on with it: it has only the thread of the world.
    /// None if it can.
    fn no_fork(&self) -> Option<&'static str> {
        None
    }

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
