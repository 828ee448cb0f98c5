//! What a world needs from an engine.

use crate::error::Error;
use crate::ids::MachineId;
use crate::machines::Machines;

/// The interface of an engine. The world tells it what exists and what strikes it; it tells the
/// [`Machines`] when a packet arrives and when a machine may run.
pub(crate) trait Driver {
    /// A machine was added. The [`Machines`] know whether it has power.
    fn add(&mut self, machine: MachineId);

    /// Why a copy of this process could not continue with it: the copy has only the world's thread.
    /// None if it can.
    fn no_fork(&self) -> Option<&'static str> {
        None
    }

    /// The direction between two machines was cut, losing what is held there, or is open again.
    fn set_cut(&mut self, from: MachineId, to: MachineId, cut: bool);

    /// From `now` on, in nanoseconds, the packets of a direction are held, or arrive.
    fn set_held(&mut self, from: MachineId, to: MachineId, held: bool, now: u64);

    /// Something was done to a machine from outside: makes it do what is due now.
    ///
    /// # Errors
    ///
    /// If its program asked for something that is not simulated.
    fn attend(&mut self, machine: MachineId, machines: &mut Machines) -> Result<(), Error>;

    /// Makes everything happen up to and including the limit, in nanoseconds since the world began.
    ///
    /// # Errors
    ///
    /// If a program asked for something that is not simulated.
    fn run_until(&mut self, limit: u64, machines: &mut Machines) -> Result<(), Error>;
}
