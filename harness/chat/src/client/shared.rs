//! What the user's side of a client shares with its supervisor.

use super::outbox::Outbox;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What the user's side shares with the supervisor.
pub(super) struct Shared {
    pub(super) outbox: Mutex<Outbox>,
    /// Something was put into the outbox.
    pub(super) given: Notify,
}

impl Shared {
    pub(super) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
