//! What events of `tracing` mean, for the programs of a run.

use squall_observe::{Meaning, explain, subscribe};
use std::sync::Arc;

/// What was said.
#[derive(Default)]
pub(super) struct Explained {
    /// None if nothing was.
    pub(super) meanings: Option<Vec<Arc<Meaning>>>,
    pub(super) own_subscribers: bool,
}

impl Explained {
    /// Says it to the programs, before they begin. What each process is to begin with, if anything.
    pub(super) fn explain(&self) -> Option<fn()> {
        let meanings = self.meanings.as_ref()?;
        explain(meanings.clone());
        let subscribes: fn() = || {
            subscribe();
        };
        (!self.own_subscribers).then_some(subscribes)
    }

    /// The messages of the events, and why nothing was told with them; none if something was.
    pub(super) fn told(&self) -> Vec<(String, Option<String>)> {
        let meanings = self.meanings.iter().flatten();
        let told = meanings.map(|it| (it.message().to_owned(), it.why_nothing()));
        told.collect()
    }
}
