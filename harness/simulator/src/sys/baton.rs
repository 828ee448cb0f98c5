//! The baton: of all threads of a world exactly one runs at a time, the one that was let through its gate.

use super::real;
use crate::kernel::threads::Outcome;
use std::sync::atomic::{AtomicU32, Ordering};

const CLOSED: u32 = 0;
const WOKEN: u32 = 1;
const TIMED_OUT: u32 = 2;

/// Where one thread waits for the baton. Waiting is the host's: it takes no virtual time.
///
/// What the thread that opens a gate did before happens before what the thread that passes it does next.
#[derive(Default)]
pub(crate) struct Gate(AtomicU32);

impl Gate {
    /// Gives the baton to the thread that waits here, and tells it how its wait has ended.
    pub(super) fn open(&self, outcome: Outcome) {
        let message = match outcome {
            Outcome::Woken => WOKEN,
            Outcome::TimedOut => TIMED_OUT,
        };
        self.0.store(message, Ordering::Release);
        real::wake(&self.0);
    }

    /// Waits for the baton.
    pub(super) fn pass(&self) -> Outcome {
        loop {
            match self.0.swap(CLOSED, Ordering::Acquire) {
                CLOSED => real::wait(&self.0, CLOSED, None),
                WOKEN => return Outcome::Woken,
                _ => return Outcome::TimedOut,
            }
        }
    }
}
