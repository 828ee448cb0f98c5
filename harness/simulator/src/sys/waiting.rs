//! How a thread of a machine waits while others run.

use super::handlers::{Interruption, handle};
use super::here::machine;
use super::myself::{Thread, myself};
use super::streaks;
use crate::kernel::threads::{Outcome, Wait};

/// Makes the calling thread of a machine wait while others run. A waiter then checks whether its
/// wait has ended: a signal handler ends the wait, too.
///
/// # Panics
///
/// If there is no thread that could wait: in [`World::inside`](crate::World::inside) no other runs.
/// There, waiting for a time keeps the machine busy for that long.
pub(super) fn wait(wait: Wait, until: Option<u64>) -> Outcome {
    wait_or_signal(wait, until).unwrap_or(Outcome::Woken)
}

/// The same for a call that a signal interrupts.
///
/// # Errors
///
/// What interrupted it, after the handlers have run.
///
/// # Panics
///
/// As [`wait`].
pub(super) fn wait_or_signal(wait: Wait, until: Option<u64>) -> Result<Outcome, Interruption> {
    let outcome = pass(wait, until);
    match (handle(), outcome) {
        (Some(interruption), Outcome::Interrupted) => Err(interruption),
        // Another thread has taken the signal.
        (None, Outcome::Interrupted) => Err(Interruption::OfAnother),
        (_, outcome) => Ok(outcome),
    }
}

fn pass(wait: Wait, until: Option<u64>) -> Outcome {
    streaks::has_waited();
    streaks::begin_to_count_yields();
    let pass = |myself: &Thread| {
        machine(|kernel| kernel.threads.wait(myself.id, wait.clone(), until));
        myself.give_back()
    };
    myself(pass).unwrap_or_else(|| {
        let until =
            until.unwrap_or_else(|| panic!("nothing ends a wait inside of a machine: {wait:?}"));
        machine(|kernel| kernel.be_busy_until(until));
        Outcome::TimedOut
    })
}

/// The running thread loses the processor to the others.
pub(super) fn preempt() {
    myself(|myself| {
        machine(|kernel| kernel.threads.preempt(myself.id));
        myself.give_back();
    });
    handle();
}

/// Lets the others that can run go first.
pub(super) fn step_back() {
    myself(|myself| {
        machine(|kernel| kernel.threads.step_back(myself.id));
        myself.give_back();
    });
    handle();
}
