//! parking_lot, whose locks share one table of queues for the whole process of the host.
//!
//! (tokio has its locks from there with its feature `parking_lot`, which is a part of `full`.) A queue notes
//! until when its locks may be handed over unfairly: a time of whoever came last, and so of any world, which
//! would decide about all others. The table is made, and made anew when there are more threads, by a
//! thread that parks for the first time. If the clock then shows a time that never comes, no lock is ever
//! handed over fairly, and none depends on another world.

use std::cell::Cell;
use std::time::Duration;

/// Later than the clock of any machine, in time since its start.
const NEVER: Duration = Duration::from_secs(u32::MAX as u64 * 4);

thread_local! {
    static GREETS: Cell<bool> = const { Cell::new(false) };
}

/// What this thread's monotonic clock shows to parking_lot's table.
pub(super) fn clock_at_greeting() -> Option<Duration> {
    GREETS.get().then_some(NEVER)
}

/// Makes the thread known to parking_lot. Before anything else parks it.
pub(super) fn greet() {
    GREETS.set(true);
    // SAFETY: the functions neither panic nor park; the key is the address of a variable of ours.
    unsafe {
        parking_lot_core::park(
            GREETS.with(Cell::as_ptr) as usize,
            || false,
            || {},
            |_, _| {},
            parking_lot_core::DEFAULT_PARK_TOKEN,
            None,
        );
    }
    GREETS.set(false);
}
