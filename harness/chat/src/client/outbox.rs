//! What is sent next, and when to give up. A pure state machine: no clock, no connection.
//!
//! Messages leave in the order in which the user gave them. In the modes that ask for an
//! acknowledgement, the head of the queue stays there until it is acknowledged, so there is never
//! more than one message under way and order survives every retry.

use super::{ClientEvent, ToServer};
use crate::bugs::Bug;
use crate::wire::{Receipt, Submission};
use std::collections::VecDeque;

/// One message that the user gave to the client.
#[derive(Debug)]
pub(super) struct Operation {
    /// The caller's number for it.
    pub(super) operation: u64,
    /// The room.
    pub(super) room: String,
    /// The message.
    pub(super) content: String,
}

/// The messages that are not done yet. It outlives connections.
#[derive(Debug)]
pub(super) struct Outbox {
    mode: ToServer,
    retries: Option<u32>,
    bug: Option<Bug>,
    /// The client's own identity: the name for people, a random number for uniqueness. It has
    /// nothing to do with the socket's id, which changes, and does not exist offline.
    identity: String,
    taken: u64,
    queue: VecDeque<Pending>,
    /// Whether the head of the queue is under way.
    waiting: bool,
}

#[derive(Debug)]
struct Pending {
    operation: u64,
    submission: Submission,
    attempts: u32,
}

/// What to do next.
#[derive(Debug)]
pub(super) enum Step {
    /// Put this on the connection; tell the user about the attempt if it is not the first.
    Send(Submission, Option<ClientEvent>),
    /// Tell the user; the message is done.
    Done(ClientEvent),
}

impl Outbox {
    pub(super) fn new(name: &str, mode: ToServer, retries: Option<u32>, bug: Option<Bug>) -> Self {
        let identity = format!("{name}-{:016x}", rand::random::<u64>());
        let (taken, queue, waiting) = (0, VecDeque::new(), false);
        Self {
            mode,
            retries,
            bug,
            identity,
            taken,
            queue,
            waiting,
        }
    }

    /// Takes a message from the user.
    pub(super) fn take(
        &mut self,
        Operation {
            operation,
            room,
            content,
        }: Operation,
    ) {
        self.taken += 1;
        let tag = format!("{}-{}", self.identity, self.taken);
        let client_offset = (self.mode == ToServer::ExactlyOnce).then(|| tag.clone());
        let submission = Submission {
            tag,
            room,
            content,
            client_offset,
        };
        self.queue.push_back(Pending {
            operation,
            submission,
            attempts: 0,
        });
    }

    /// What to do next with the head of the queue; nothing if it is empty or under way.
    pub(super) fn next(&mut self) -> Option<Step> {
        if self.waiting {
            return None;
        }
        let head = self.queue.front_mut()?;
        let operation = head.operation;
        if head.attempts > 0 && self.bug == Some(Bug::ForgetRetry) {
            return self.finish(ClientEvent::Ok {
                operation,
                acknowledged: false,
            });
        }
        if self.retries.is_some_and(|retries| head.attempts > retries) {
            let reason = format!("not acknowledged after {} attempts", head.attempts);
            return self.finish(ClientEvent::Unknown { operation, reason });
        }
        head.attempts += 1;
        let attempt = head.attempts;
        let retried = (attempt > 1).then_some(ClientEvent::Retried { operation, attempt });
        let submission = head.submission.clone();
        self.waiting = true;
        Some(Step::Send(submission, retried))
    }

    /// The connection has taken the message. Where nobody asks for an acknowledgement, it is done.
    pub(super) fn emitted(&mut self) -> Option<ClientEvent> {
        if self.mode != ToServer::AtMostOnce {
            return None;
        }
        self.end_head(|operation| ClientEvent::Ok {
            operation,
            acknowledged: false,
        })
    }

    /// Whether the receipt is for the head, which the server cannot store for now.
    pub(super) fn is_put_off(&self, receipt: &Receipt) -> bool {
        let head = self.queue.front();
        receipt.retry && head.is_some_and(|head| head.submission.tag == receipt.tag)
    }

    /// The server's receipt has come; one for another message than the head, or one that puts it off, is
    /// ignored.
    pub(super) fn acknowledged(&mut self, receipt: Receipt) -> Option<ClientEvent> {
        if receipt.retry || self.queue.front()?.submission.tag != receipt.tag {
            return None;
        }
        self.end_head(|operation| match receipt.error {
            Some(reason) => ClientEvent::Failed { operation, reason },
            None => ClientEvent::Ok {
                operation,
                acknowledged: true,
            },
        })
    }

    /// The acknowledgement did not come in time: the head may be sent again.
    pub(super) fn timed_out(&mut self) {
        self.waiting = false;
    }

    /// The connection is lost. A message that may not be sent twice is done.
    pub(super) fn disconnected(&mut self, reason: &str) -> Option<ClientEvent> {
        if !self.waiting || self.mode != ToServer::AtMostOnce {
            self.waiting = false;
            return None;
        }
        let reason = format!("the connection was lost while the message was sent: {reason}");
        self.end_head(|operation| ClientEvent::Unknown { operation, reason })
    }

    /// The user leaves: what was never put on a connection has failed, the rest is unknown.
    pub(super) fn abandon(&mut self) -> Vec<ClientEvent> {
        let give_up = |Pending {
                           operation,
                           attempts,
                           ..
                       }| {
            let reason = "the client disconnected before the message was acknowledged".to_owned();
            match attempts {
                0 => ClientEvent::Failed { operation, reason },
                _ => ClientEvent::Unknown { operation, reason },
            }
        };
        self.queue.drain(..).map(give_up).collect()
    }

    fn finish(&mut self, event: ClientEvent) -> Option<Step> {
        self.end_head(|_| event).map(Step::Done)
    }

    fn end_head(&mut self, event: impl FnOnce(u64) -> ClientEvent) -> Option<ClientEvent> {
        self.waiting = false;
        self.queue.pop_front().map(|head| event(head.operation))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outbox(mode: ToServer, retries: Option<u32>, messages: u64) -> Outbox {
        let mut outbox = Outbox::new("ann", mode, retries, None);
        for operation in 1..=messages {
            let (room, content) = ("lobby".to_owned(), format!("message {operation}"));
            outbox.take(Operation {
                operation,
                room,
                content,
            });
        }
        outbox
    }

    fn send(outbox: &mut Outbox) -> Submission {
        match outbox.next() {
            Some(Step::Send(submission, _)) => submission,
            other => panic!("expected something to send, got {other:?}"),
        }
    }

    fn receipt(submission: &Submission) -> Receipt {
        Receipt {
            tag: submission.tag.clone(),
            id: Some(1),
            ..Receipt::default()
        }
    }

    #[test]
    fn one_message_at_a_time_is_under_way() {
        let mut outbox = outbox(ToServer::ExactlyOnce, None, 2);
        let first = send(&mut outbox);
        assert!(outbox.next().is_none());
        let ok = ClientEvent::Ok {
            operation: 1,
            acknowledged: true,
        };
        assert_eq!(outbox.acknowledged(receipt(&first)), Some(ok));
        assert_eq!(send(&mut outbox).content, "message 2");
    }

    #[test]
    fn a_message_that_is_put_off_is_neither_sent_nor_failed_and_can_be_sent_again() {
        let mut outbox = outbox(ToServer::ExactlyOnce, None, 1);
        let first = send(&mut outbox);
        let put_off = Receipt {
            tag: first.tag.clone(),
            error: Some("the disk is full".to_owned()),
            retry: true,
            ..Receipt::default()
        };
        assert!(outbox.is_put_off(&put_off));
        assert_eq!(outbox.acknowledged(put_off), None);
        assert!(outbox.next().is_none());
        outbox.timed_out();
        assert_eq!(send(&mut outbox).content, "message 1");
    }

    #[test]
    fn a_late_receipt_of_another_message_completes_nothing() {
        let mut outbox = outbox(ToServer::AtLeastOnce, None, 2);
        let first = send(&mut outbox);
        outbox.acknowledged(receipt(&first));
        send(&mut outbox);
        assert_eq!(outbox.acknowledged(receipt(&first)), None);
    }

    #[test]
    fn a_retry_carries_the_same_client_offset() {
        let mut outbox = outbox(ToServer::ExactlyOnce, None, 1);
        let first = send(&mut outbox);
        outbox.timed_out();
        let again = send(&mut outbox);
        assert!(first.client_offset.is_some());
        assert_eq!(first.client_offset, again.client_offset);
    }

    #[test]
    fn two_clients_of_one_name_use_different_client_offsets() {
        let mut one = outbox(ToServer::ExactlyOnce, None, 1);
        let mut other = outbox(ToServer::ExactlyOnce, None, 1);
        assert_ne!(send(&mut one).client_offset, send(&mut other).client_offset);
    }

    #[test]
    fn after_the_last_retry_the_outcome_is_unknown() {
        let mut outbox = outbox(ToServer::AtLeastOnce, Some(1), 1);
        send(&mut outbox);
        outbox.timed_out();
        send(&mut outbox);
        outbox.timed_out();
        let step = outbox.next();
        assert!(
            matches!(
                step,
                Some(Step::Done(ClientEvent::Unknown { operation: 1, .. }))
            ),
            "{step:?}"
        );
        assert!(outbox.next().is_none());
    }

    #[test]
    fn at_most_once_never_sends_again_what_was_under_way() {
        let mut outbox = outbox(ToServer::AtMostOnce, None, 2);
        send(&mut outbox);
        let lost = outbox.disconnected("cable");
        assert!(
            matches!(lost, Some(ClientEvent::Unknown { operation: 1, .. })),
            "{lost:?}"
        );
        assert_eq!(send(&mut outbox).content, "message 2");
    }

    #[test]
    fn leaving_tells_apart_what_was_tried_and_what_was_not() {
        let mut outbox = outbox(ToServer::ExactlyOnce, None, 2);
        send(&mut outbox);
        let left = outbox.abandon();
        assert!(
            matches!(left[0], ClientEvent::Unknown { operation: 1, .. }),
            "{left:?}"
        );
        assert!(
            matches!(left[1], ClientEvent::Failed { operation: 2, .. }),
            "{left:?}"
        );
    }
}
