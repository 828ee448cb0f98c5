//! What the programs of a run tell, written down as they tell it.
//!
//! A run has its own process, so there is one list. All its machines run on one thread: nobody
//! waits for the lock.

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
    /// What was claimed, on which machine, and whether it was true: reported once each, however
    /// often claimed.
    claimed: BTreeSet<(String, String, String, bool)>,
}

static EARS: Mutex<Option<Ears>> = Mutex::new(None);

/// Begins to listen.
pub(super) fn listen() {
    *ears() = Some(Ears::default());
    watch(hear);
}

/// Everything that was told since.
pub(super) fn heard() -> Vec<Heard> {
    let ears = ears().take();
    ears.map(|ears| ears.heard).unwrap_or_default()
}

fn ears() -> std::sync::MutexGuard<'static, Option<Ears>> {
    EARS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn hear(told: Told) {
    // What the test itself tells, outside all machines, belongs to no run.
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
    // What a dead program would tell never happened.
    if !note(&format!("{told:?}")) {
        return;
    }
    if let Some(ears) = ears().as_mut() {
        ears.heard.push((now(), machine, told));
    }
}
