//! What middleboxes did, in the order of virtual time. Unlike what clients and servers are told,
//! it decides no verdict and is no part of the digest.

use crate::middlebox;
use squall_middlebox::{Deed, Observer};
use squall_reports::Incident;
use squall_simulator::now;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What was reported so far.
#[derive(Clone, Default)]
pub(crate) struct Deeds(Arc<Mutex<Vec<(Duration, String, Deed)>>>);

impl Deeds {
    /// Records what this middlebox does, when it is done.
    pub(crate) fn observer(&self, middlebox: &str) -> Observer {
        let (deeds, middlebox) = (self.clone(), middlebox.to_owned());
        Arc::new(move |deed| deeds.list().push((now(), middlebox.clone(), deed)))
    }

    /// How often this middlebox misbehaved as planned: not counting that a server could not be
    /// reached.
    pub(crate) fn planned(&self, middlebox: &str) -> u64 {
        let deeds = self.list();
        let planned = deeds
            .iter()
            .filter(|(_, name, deed)| name == middlebox && *deed != Deed::Unreachable);
        planned.count() as u64
    }

    /// All of it, for the record.
    pub(crate) fn told(&self) -> Vec<Incident> {
        let deeds = self.list();
        let told = deeds.iter().map(|(at, middlebox, deed)| Incident {
            at: *at,
            machine: middlebox.clone(),
            what: middlebox::told(*deed).to_owned(),
        });
        told.collect()
    }

    fn list(&self) -> MutexGuard<'_, Vec<(Duration, String, Deed)>> {
        // A program that panicked elsewhere has not left a half-written deed behind.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
