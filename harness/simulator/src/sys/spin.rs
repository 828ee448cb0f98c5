//! Threads that turn in circles: they look at a clock, try to receive or yield, again and again, and never wait.
//!
//! Nothing else happens meanwhile, so what they look for would never come and time would stand still. After so many
//! looks in a row without anything achieved, such a thread has used up its time slice, and others run. A loop that
//! calls nothing cannot be seen; isolation ends it ([`isolated`](crate::isolated)).

use super::threads;
use crate::kernel::threads::Wait;
use std::cell::Cell;

/// How many looks in a row. A busy server looks at its clock some dozens of times for each message.
const LOOKS: u32 = 20_000;

thread_local! {
    /// How often in a row this thread has looked in vain.
    static IN_VAIN: Cell<u32> = const { Cell::new(0) };
}

/// The thread has waited, or achieved something.
pub(super) fn has_waited() {
    IN_VAIN.set(0);
}

/// The thread has looked at something. It rests if it does nothing else. Not to be called with the kernel.
pub(super) fn has_looked() {
    let looks = IN_VAIN.get() + 1;
    IN_VAIN.set(looks);
    if looks >= LOOKS {
        rest();
    }
}

#[cold]
fn rest() {
    if let Some(until) = super::machine(|kernel| kernel.end_of_slice()) {
        threads::wait(Wait::Time, Some(until));
    } else {
        has_waited();
    }
}
