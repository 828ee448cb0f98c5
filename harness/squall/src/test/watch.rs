//! What the programs of a run tell, written down as they tell it.
//!
//! A run has a process of its own, so that there is one list. All its machines run on one thread:
//! nobody waits for it.

use squall_observe::{Told, watch};
use squall_simulator::{here, note, now};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Something that was told: when, on which machine, what.
pub(super) type Heard = (Duration, String, Told);

#[derive(Default)]
struct Ears {
    heard: Vec<Heard>,
    /// What was claimed, on which machine, and whether it was so: told once each, however often.
    claimed: BTreeSet<(String, String, String, bool)>,
}

static EARS: Mutex<Option<Ears>> = Mutex::new(None);

/// Begins to listen.
pub(super) fn listen() {
    *ears() = Some(Ears::default());
    watch(hear);
}

/// All that was told since.
pub(super) fn heard() -> Vec<Heard> {
    let ears = ears().take();
    ears.map(|ears| ears.heard).unwrap_or_default()
}

fn ears() -> std::sync::MutexGuard<'static, Option<Ears>> {
    EARS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hear(told: Told) {
    // What is told outside of all machines, by the test itself, belongs to no run.
    let Some(machine) = here() else {
        return;
    };
    if let Told::Always(claim) | Told::Sometimes(claim) | Told::Reached(claim) = &told
        && let Some(ears) = ears().as_mut()
    {
        let once = (
            machine.clone(),
            claim.place.clone(),
            claim.what.clone(),
            claim.holds,
        );
        if !ears.claimed.insert(once) {
            return;
        }
    }
    // What a dead program would tell has not happened.
    if !note(&format!("{told:?}")) {
        return;
    }
    if let Some(ears) = ears().as_mut() {
        ears.heard.push((now(), machine, told));
    }
}
