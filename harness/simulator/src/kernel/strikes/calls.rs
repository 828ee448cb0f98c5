//! How a strike happens at one of the process's calls.

use super::{Armed, Fallen, Strike};
use crate::kernel::Kernel;

impl Kernel {
    /// The process begins a system call. Returns true if it is struck down there.
    #[inline]
    pub(crate) fn begin_call(&mut self) -> bool {
        let strikes = &mut self.hardware.strikes;
        if !strikes.at_work || self.process_is_dead {
            return false;
        }
        strikes.calls += 1;
        !strikes.armed.is_empty() && self.strike()
    }

    /// Makes whatever is due strike, in the order of planning. A dead process cannot be struck any
    /// more.
    #[cold]
    fn strike(&mut self) -> bool {
        let call = self.hardware.strikes.calls;
        while !self.process_is_dead {
            let armed = &mut self.hardware.strikes.armed;
            let Some(place) = armed.iter().position(|armed| armed.at <= call) else {
                return false;
            };
            let Armed {
                fault, strike, rng, ..
            } = armed.remove(place);
            let mut fallen = Fallen {
                fault,
                strike,
                call,
                troubles: self.hardware.disk.troubles(),
                unsynced: self.hardware.disk.unsynced(),
                sent: Vec::new(),
            };
            if let Strike::Disk(change) = strike {
                self.hardware.disk.change(change, || rng);
            }
            self.process_is_dead = strike.ends_process();
            // A turn that takes time sends its packets at its end, which never comes.
            if strike.takes_power() && self.hardware.cpu.charged() == 0 {
                self.take_departing(&mut fallen.sent);
            }
            self.hardware.strikes.fallen.push(fallen);
        }
        true
    }
}
