//! What the observers of a run are told, in the order of virtual time.

use indexmap::IndexMap;
use rustc_hash::FxHashMap;
use squall_guarantees::{ClientId, Event, EventKind, Held};
use squall_simulator::{aside, hand_over, note, note_value, now};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What the observers were told so far. All machines of a world write into the same one.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<Mutex<Told>>);

/// What was told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// What happened to clients, or on the server about them.
    pub(crate) events: Vec<Event>,
    /// When each row was committed to the authoritative database.
    pub(crate) stored: FxHashMap<i64, Duration>,
    /// What each server held whenever it was counted.
    pub(crate) counted: IndexMap<String, Vec<Count>>,
}

/// What was held, and when.
pub(crate) type Count = (Duration, Vec<(Held, u64)>);

impl Log {
    /// Records what happened to a client just now, and adds it to the digest.
    pub fn add(&self, client: ClientId, kind: EventKind) {
        // A dead program's words never happened.
        let words = || format!("client {}: {kind:?}", client.0);
        if !note_value(&(client, &kind), words) {
            return;
        }
        let (at, kind) = (now(), hand_over(kind));
        aside(|| self.told().events.push(Event { at, client, kind }));
    }

    /// Records that a row was committed just now. If a disk loses one, another row may get its id.
    pub fn stored(&self, id: i64) {
        if note(&format!("row {id} stored")) {
            aside(|| self.told().stored.insert(id, now()));
        }
    }

    /// Records what a server holds now; the census is what goes into the digest.
    pub fn counted(&self, server: &str, census: impl Debug, held: Vec<(Held, u64)>) {
        if note(&format!("{server} holds {census:?}")) {
            let held = hand_over(held);
            aside(|| {
                let mut told = self.told();
                let counts = told.counted.entry(server.to_owned()).or_default();
                counts.push((now(), held));
            });
        }
    }

    /// Everything that was recorded.
    pub(crate) fn take(&self) -> Told {
        std::mem::take(&mut *self.told())
    }

    /// What was recorded, to be read in place.
    pub(crate) fn told(&self) -> MutexGuard<'_, Told> {
        // A program that panicked elsewhere has not left a half-written event behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
