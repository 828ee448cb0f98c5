//! The memory of a machine: what its program has asked an allocator for and not given back.
//!
//! It is looked at when the program waits, not in the middle of a turn: what an optimised build
//! does not ask for, because it gives it back at once, makes no difference then.

use std::time::Duration;

/// What the program of one machine holds.
#[derive(Default)]
pub(crate) struct Memory {
    /// Below zero where it gave back what others had asked for.
    held: i64,
    most: Option<(u64, Duration)>,
    /// Whether what is asked for is somebody else's.
    aside: bool,
}

impl Memory {
    /// A program starts, and holds nothing.
    pub(crate) fn begin(&mut self) {
        self.held = 0;
    }

    /// It has asked for so many bytes, or given them back.
    pub(crate) fn change(&mut self, bytes: i64) {
        if !self.aside {
            self.held += bytes;
        }
    }

    /// From now on, what is asked for is somebody else's, or its own again. Returns what it was.
    pub(crate) fn set_aside(&mut self, aside: bool) -> bool {
        std::mem::replace(&mut self.aside, aside)
    }

    /// It waits.
    pub(crate) fn end_turn(&mut self, now: Duration) {
        let held = u64::try_from(self.held).unwrap_or_default();
        if self.most.is_none_or(|(most, _)| held > most) {
            self.most = Some((held, now));
        }
    }

    /// The most that its programs have held when they waited, in bytes, and when that was; none if
    /// none has waited.
    pub(crate) fn most(&self) -> Option<(u64, Duration)> {
        self.most
    }
}
