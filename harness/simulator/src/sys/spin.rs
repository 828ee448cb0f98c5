//! Threads that turn in circles: they look at a clock, try to receive or yield, again and again,
//! and never wait.
//!
//! Nothing else happens meanwhile, so what they look for would never come and time would stand
//! still. After so many looks in a row without anything achieved, such a thread has used up its
//! time slice, and others run. A loop that calls nothing cannot be seen; isolation ends it
//! ([`isolated`](crate::isolated)).

use super::here::machine;
use super::{streaks, waiting};
use crate::kernel::threads::Wait;

/// How many looks in a row. A busy server looks at its clock some dozens of times for each message.
const LOOKS: u32 = 20_000;

/// The thread has looked at something. It rests if it does nothing else. Not to be called with the
/// kernel.
pub(super) fn has_looked() {
    if streaks::count_look() >= LOOKS {
        rest();
    }
}

#[cold]
fn rest() {
    if let Some(until) = machine(|kernel| kernel.end_of_slice()) {
        waiting::wait(Wait::Time, Some(until));
    } else {
        streaks::has_waited();
    }
}
