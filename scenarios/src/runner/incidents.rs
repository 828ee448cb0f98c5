//! What machines on the way did, in the order of virtual time. Unlike what clients and servers are
//! told, it decides no verdict and is no part of the digest.

use squall_reports::Incident;
use squall_simulator::now;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was told so far. All machines of a world write into the same one.
#[derive(Clone, Default)]
pub(super) struct Incidents(Arc<Mutex<Vec<Incident>>>);

impl Incidents {
    /// Writes down what the machine did just now.
    pub(super) fn add(&self, machine: &str, what: &str) {
        let (machine, what) = (machine.to_owned(), what.to_owned());
        let at = now();
        self.list().push(Incident { at, machine, what });
    }

    /// All that was written down.
    pub(super) fn take(&self) -> Vec<Incident> {
        std::mem::take(&mut *self.list())
    }

    fn list(&self) -> MutexGuard<'_, Vec<Incident>> {
        // A program that panicked elsewhere has not left a half-written incident behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
