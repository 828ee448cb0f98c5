//! Planted mistakes of the server that take more than a line. See [`Bug`](crate::Bug).

use super::given::Given;
use super::handlers::Shared;
use super::reply::{Reply, send_away};
use super::session::SessionNumber;
use crate::bugs::{Bug, on};
use crate::cause::EndCause;
use crate::message::MessageKind;
use crate::wire::{Receipt, Submission};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;

/// How long an acknowledged message is only in memory.
const COMMIT_DELAY: Duration = Duration::from_millis(500);
/// How long all but the first sender wait.
const DISFAVOUR: Duration = Duration::from_secs(3);
/// When a user seems to be typing again.
const TYPING_AGAIN: Duration = Duration::from_secs(5);
/// The pause between two messages of a catch-up that runs alongside the live stream.
const CATCH_UP_PAUSE: Duration = Duration::from_millis(20);

impl Shared {
    /// What a server with a mistake does with an allowed message; returns it if the mistake does
    /// not concern it.
    pub(super) fn mistake(
        self: &Arc<Self>,
        number: SessionNumber,
        message: Submission,
        reply: Reply,
    ) -> Option<(Submission, Reply)> {
        if message.kind == MessageKind::Typing {
            if on(Bug::TypingRepeated) {
                self.repeat_typing(number, message.clone());
            }
            return Some((message, reply));
        }
        if on(Bug::MessagesKept) {
            std::mem::forget(message.clone());
        }
        if number > 1 && on(Bug::FavouredClient) {
            self.receive_late(number, message, reply);
        } else if on(Bug::AckBeforeCommit) {
            self.acknowledge_before_commit(number, message, reply);
        } else if on(Bug::BroadcastBeforeCommit) {
            self.broadcast_before_commit(number, message, reply);
        } else {
            return Some((message, reply));
        }
        None
    }

    /// [`Bug::StopMeansForGood`](crate::Bug::StopMeansForGood).
    pub(super) fn disconnect_all(&self) {
        // The lock is released before the loop: disconnecting calls the handler, which takes it.
        let sockets = self.with(|exchange| exchange.sockets());
        for socket in sockets.unwrap_or_default() {
            send_away(&socket, EndCause::Stopping);
        }
    }

    /// [`Bug::AckBeforeCommit`](crate::Bug::AckBeforeCommit).
    fn acknowledge_before_commit(
        self: &Arc<Self>,
        number: SessionNumber,
        message: Submission,
        reply: Reply,
    ) {
        let (tag, client_offset) = (message.tag.clone(), message.client_offset.clone());
        reply.send(&Receipt {
            tag,
            id: Some(0),
            client_offset,
            ..Receipt::default()
        });
        let shared = self.clone();
        tokio::spawn(async move {
            sleep(COMMIT_DELAY).await;
            shared.attempt(|exchange| exchange.store(number, message));
        });
    }

    /// [`Bug::BroadcastBeforeCommit`](crate::Bug::BroadcastBeforeCommit).
    fn broadcast_before_commit(
        self: &Arc<Self>,
        number: SessionNumber,
        message: Submission,
        reply: Reply,
    ) {
        self.attempt(|exchange| exchange.broadcast_unstored(number, message.clone()));
        let shared = self.clone();
        tokio::spawn(async move {
            sleep(COMMIT_DELAY).await;
            let inserted = shared.attempt(|exchange| {
                let inserted = exchange.insert(number, message)?;
                if let Some((_, Some(new))) = &inserted {
                    exchange.tell_stored(new);
                }
                Ok(inserted)
            });
            if let Some((receipt, _)) = inserted.flatten() {
                reply.send(&receipt);
            }
        });
    }

    /// [`Bug::FavouredClient`](crate::Bug::FavouredClient).
    fn receive_late(self: &Arc<Self>, number: SessionNumber, message: Submission, reply: Reply) {
        let shared = self.clone();
        tokio::spawn(async move {
            sleep(DISFAVOUR).await;
            shared.give(number, Given::Message(message, reply));
        });
    }

    /// [`Bug::TypingRepeated`](crate::Bug::TypingRepeated).
    fn repeat_typing(self: &Arc<Self>, number: SessionNumber, message: Submission) {
        let shared = self.clone();
        tokio::spawn(async move {
            sleep(TYPING_AGAIN).await;
            shared.attempt(|exchange| exchange.relay_typing(number, message));
        });
    }

    /// [`Bug::LastInsteadOfHighestOffset`](crate::Bug::LastInsteadOfHighestOffset).
    pub(super) fn catch_up_beside_live(self: &Arc<Self>, number: SessionNumber, offset: i64) {
        let shared = self.clone();
        tokio::spawn(async move {
            let missed = shared.attempt(|exchange| exchange.join_too_early(number, offset));
            for message in missed.unwrap_or_default() {
                shared.with(|exchange| exchange.send_late(number, &message));
                sleep(CATCH_UP_PAUSE).await;
            }
            shared.with(|exchange| exchange.end_late(number, offset));
        });
    }
}
