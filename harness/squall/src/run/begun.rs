//! A run under way: lets its time pass, and strikes with each fault that has waited when its event
//! has happened.
//!
//! The world is stopped at each millisecond while a fault waits. So it strikes at the nanosecond
//! that the scenario says if that is a millisecond or more after the event, and otherwise at the
//! end of the event's millisecond.

use super::hardships;
use super::waiting::{Waiting, in_its_turn};
use crate::deeds::Deeds;
use crate::faults::PlannedFault;
use crate::log::Log;
use crate::plan::Plan;
use indexmap::IndexMap;
use squall_simulator::{Error, FaultId, MachineId, World};
use std::borrow::Cow;
use std::time::Duration;

/// A run that has begun, or is somewhere along the way.
#[derive(Clone)]
pub(super) struct Begun<'p> {
    /// The plan, with all faults whose times are known so far.
    pub(super) plan: Cow<'p, Plan>,
    pub(super) waiting: Waiting,
    pub(super) machines: IndexMap<String, MachineId>,
    pub(super) log: Log,
    pub(super) deeds: Deeds,
    /// What has begun of each fault.
    pub(super) faults: Vec<Vec<FaultId>>,
}

impl Begun<'_> {
    /// Lets time pass up to and including `when`.
    ///
    /// # Errors
    /// If a machine did something that the simulator cannot do.
    pub(super) fn run_until(&mut self, world: &mut World, when: Duration) -> Result<(), Error> {
        while !self.waiting.is_over() && world.now() < when {
            let millisecond = Duration::from_millis(world.now().as_millis() as u64 + 1);
            world.run_until(millisecond.min(when))?;
            let due = self.waiting.due(&self.log.told(), &self.plan);
            for fault in due {
                self.strike(world, fault);
            }
        }
        world.run_until(when)
    }

    fn strike(&mut self, world: &mut World, fault: PlannedFault) {
        let fault = fault.not_before(world.now());
        let Some(fault) = in_its_turn(&self.plan, fault) else {
            return;
        };
        self.plan.to_mut().faults.push(fault);
        let begun = hardships::strike_with(world, &self.machines, &self.plan, self.faults.len());
        self.faults.push(begun);
    }
}
