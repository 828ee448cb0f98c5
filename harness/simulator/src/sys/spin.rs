//! Spinning threads: they read a clock, try to receive, or yield, again and again, and never wait.
//!
//! Nothing else happens in the meantime, so what they look for would never come and time would
//! stand still. After many attempts in a row without any result, such a thread has used up its time
//! slice, and others run. A loop that makes no calls cannot be detected; isolation ends it
//! ([`isolated`](crate::isolated)).

use super::here::machine;
use super::{streaks, waiting};
use crate::kernel::threads::Wait;

/// How many attempts in a row. A busy server reads its clock a few dozen times for each message.
const LOOKS: u32 = 20_000;

/// The thread has looked at something. It rests if it keeps doing nothing else. Not to be called
/// while holding the kernel.
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
