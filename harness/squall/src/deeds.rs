//! What the middlebox did, in the order of virtual time. Unlike what clients and servers are told,
//! it decides no verdict and is no part of the digest.

use crate::cast::MIDDLEBOX;
use crate::middlebox;
use squall_middlebox::{Deed, Observer};
use squall_reports::Incident;
use squall_simulator::now;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What was reported so far.
#[derive(Clone, Default)]
pub(crate) struct Deeds(Arc<Mutex<Vec<(Duration, Deed)>>>);

impl Deeds {
    /// Records what is done, when it is done.
    pub(crate) fn observer(&self) -> Observer {
        let deeds = self.clone();
        Arc::new(move |deed| deeds.list().push((now(), deed)))
    }

    /// How often it misbehaved as planned: not counting that a server could not be reached.
    pub(crate) fn planned(&self) -> u64 {
        let deeds = self.list();
        let planned = deeds.iter().filter(|(_, deed)| *deed != Deed::Unreachable);
        planned.count() as u64
    }

    /// All of it, for the record.
    pub(crate) fn told(&self) -> Vec<Incident> {
        let deeds = self.list();
        let told = deeds.iter().map(|&(at, deed)| Incident {
            at,
            machine: MIDDLEBOX.to_owned(),
            what: middlebox::told(deed).to_owned(),
        });
        told.collect()
    }

    fn list(&self) -> MutexGuard<'_, Vec<(Duration, Deed)>> {
        // A program that panicked elsewhere has not left a half-written deed behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
