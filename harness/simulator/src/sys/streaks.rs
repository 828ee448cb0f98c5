//! What a thread has done in a row without waiting.

use std::cell::Cell;

thread_local! {
    /// How often in a row this thread has looked without success.
    static IN_VAIN: Cell<u32> = const { Cell::new(0) };

    /// How often in a row it has yielded.
    static YIELDS: Cell<u32> = const { Cell::new(0) };
}

/// The thread has waited, or achieved something.
pub(super) fn has_waited() {
    IN_VAIN.set(0);
}

/// The thread begins a wait.
pub(super) fn begin_to_count_yields() {
    YIELDS.set(0);
}

/// The thread has looked without success. Returns how often in a row, including this time.
pub(super) fn count_look() -> u32 {
    IN_VAIN.set(IN_VAIN.get() + 1);
    IN_VAIN.get()
}

/// The thread has yielded. Returns how often in a row, including this time.
pub(super) fn count_yield() -> u32 {
    YIELDS.set(YIELDS.get() + 1);
    YIELDS.get()
}
