//! parking_lot, whose locks share one table of queues for the whole host process.
//!
//! (tokio takes its locks from there with its feature `parking_lot`, which is part of `full`.) A
//! queue notes until when its locks may be handed over unfairly: a time set by the last thread,
//! possibly of another world, that would affect all others. The table is created, and recreated
//! when there are more threads, by a thread that parks for the first time. If the clock then shows
//! a time that never comes, no lock is ever handed over fairly, and none depends on another world.
//!
//! A waiting thread is in a queue of that table, which refers to its thread-locals. Those of a
//! thread that never runs again go away, so it is removed from its queue first.

use super::memory::aside;
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

/// Makes the thread known to parking_lot, before anything else parks it.
pub(super) fn greet() {
    GREETS.set(true);
    // Who makes the table larger has no use of it alone.
    // SAFETY: the functions neither panic nor park; the key is the address of a variable of ours.
    aside(|| unsafe {
        parking_lot_core::park(
            GREETS.with(Cell::as_ptr) as usize,
            || false,
            || {},
            |_, _| {},
            parking_lot_core::DEFAULT_PARK_TOKEN,
            None,
        );
    });
    GREETS.set(false);
}

/// Removes a thread that never runs again from the queue that it waits in, if any: it waits at this
/// word, which is among its thread-locals.
///
/// What parking_lot keeps for a thread is private, except that this word is part of it, and the key
/// of the queue is near it. A number that is not a key names an empty queue.
///
/// # Safety
///
/// The thread-locals must still be there.
pub(super) unsafe fn leave_queue(word: usize) {
    /// The most that parking_lot keeps for a thread, in words.
    const KEPT: usize = 6;
    let middle = word & !(size_of::<usize>() - 1);
    for place in 0..=2 * KEPT {
        let address = middle + place * size_of::<usize>() - KEPT * size_of::<usize>();
        // SAFETY: guaranteed by the caller: before it are other thread-locals or a stack, and after
        // it the control block.
        let key = unsafe { (address as *const usize).read_volatile() };
        if key != 0 {
            // SAFETY: if a living thread waits for this key, it checks again what it waits for.
            unsafe { parking_lot_core::unpark_all(key, parking_lot_core::DEFAULT_UNPARK_TOKEN) };
        }
    }
}
