//! What the observers of a run are told, in the order of virtual time.

use squall_guarantees::{ClientId, Event, EventKind};
use squall_simulator::{note, now};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the observers were told so far. All machines of a world write into the same one.
#[derive(Clone, Default)]
pub(super) struct Log(Arc<Mutex<Vec<Event>>>);

impl Log {
    /// Writes down what happened just now, and makes it a part of the digest.
    pub(super) fn add(&self, client: ClientId, kind: EventKind) {
        // What a dead program would say has not happened.
        if !note(&format!("client {}: {kind:?}", client.0)) {
            return;
        }
        let at = now();
        self.events().push(Event { at, client, kind });
    }

    /// All that was written down.
    pub(super) fn take(&self) -> Vec<Event> {
        std::mem::take(&mut *self.events())
    }

    /// What was written down, to be read in place.
    pub(super) fn events(&self) -> MutexGuard<'_, Vec<Event>> {
        // A program that panicked elsewhere has not left a half-written event behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
