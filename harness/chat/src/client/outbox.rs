//! What to send next, and when to give up. A state machine: no clock, no connection; a disk, if its
//! content should outlive the program.
//!
//! Messages leave in the order in which the user gave them. In modes that ask for an
//! acknowledgement, the head of the queue stays there until it is acknowledged, so there is never
//! more than one message in flight, and every retry keeps the order. A message that is still
//! unacknowledged after all its retries is given up, and the next one follows.
//!
//! Typing notices do not queue: they overtake everything else, and are sent at once or never.

use super::disk::{Disk, Failure, Kept, Untold};
use super::{ClientEvent, ClientOptions, ToServer};
use crate::cause::{FailureCause, Rejection};
use crate::message::{Message, MessageKind};
use crate::wire::{Ready, Receipt, Submission};
use std::collections::VecDeque;
use std::path::PathBuf;

/// The messages that are not done yet. It outlives connections.
#[derive(Debug)]
pub(super) struct Outbox {
    mode: ToServer,
    retries: Option<u32>,
    /// The user's name.
    name: String,
    /// Where the queue is kept, if anywhere.
    path: Option<PathBuf>,
    /// The open file; or why it is not open.
    disk: Option<Result<Disk, String>>,
    /// The client's own identity: the name for people, a random number for uniqueness. It has
    /// nothing to do with the socket's id, which changes, and is undefined offline.
    identity: String,
    taken: i64,
    queue: VecDeque<Pending>,
    /// Failures that an earlier program may not have told.
    untold: VecDeque<Untold>,
    /// What the user was told has failed, and is still on the disk.
    told: Vec<i64>,
    /// Whether the head of the queue is in flight.
    waiting: bool,
    /// What the server said when it greeted us, while there is a connection.
    connection: Option<Ready>,
    /// Something that is only worth sending now.
    whisper: Option<Pending>,
}

#[derive(Debug)]
struct Pending {
    operation: u64,
    /// Its number on the disk.
    number: Option<i64>,
    submission: Submission,
    attempts: u32,
}

/// What to do next.
#[derive(Debug)]
pub(super) enum Step {
    /// Put this on the connection; tell the user about the attempt if it is not the first.
    Send(Submission, Option<ClientEvent>),
    /// Put this on the connection, and forget about it.
    Whisper(Submission),
    /// Tell the user; the message is done.
    Done(ClientEvent),
}

impl Outbox {
    /// An outbox containing what an earlier program left on the disk.
    pub(super) fn open(options: &ClientOptions) -> Self {
        let mut outbox = Self {
            mode: options.to_server,
            retries: options.retries,
            name: options.name.clone(),
            path: options.outbox.clone(),
            disk: None,
            identity: format!("{}-{:016x}", options.name, rand::random::<u64>()),
            taken: 0,
            queue: VecDeque::new(),
            untold: VecDeque::new(),
            told: Vec::new(),
            waiting: false,
            connection: None,
            whisper: None,
        };
        outbox.open_disk();
        outbox
    }

    /// Opens the file, if there is to be one and it is not open. What kept it from being opened may
    /// be over by now.
    fn open_disk(&mut self) {
        let Some(path) = self
            .path
            .as_ref()
            .filter(|_| !matches!(self.disk, Some(Ok(_))))
        else {
            return;
        };
        let path = path.clone();
        let disk = Disk::open(&path).and_then(|disk| self.restore(disk));
        self.disk = Some(disk.map_err(|error| format!("{}: {error}", path.display())));
    }

    /// Takes over what an earlier program has left: all of it, or nothing.
    fn restore(&mut self, disk: Disk) -> rusqlite::Result<Disk> {
        let identity = disk.identity(&self.name)?;
        let kept = disk.kept()?;
        let untold = disk.untold()?;
        let last = disk.last_number()?;
        self.identity = identity;
        for Kept {
            number,
            operation,
            message,
        } in kept
        {
            self.taken = number;
            self.queue_up(operation, Some(number), message);
        }
        self.taken = last;
        self.untold = untold.into();
        Ok(disk)
    }

    /// Takes a message from the user. Returns an event if that settles it.
    pub(super) fn take(&mut self, operation: u64, message: Message) -> Option<ClientEvent> {
        let failed = |cause, reason| {
            Some(ClientEvent::Failed {
                operation,
                cause,
                reason,
            })
        };
        if message.kind == MessageKind::Typing {
            if self.connection.is_none() {
                let reason = "there is no connection, and typing does not wait for one";
                return failed(FailureCause::NotConnected, reason.to_owned());
            }
            let submission = Submission::of("", message, None);
            let overtaken = self
                .whisper
                .replace(Pending::new(operation, None, submission));
            let by = "typing was overtaken by more of it";
            return overtaken.map(|earlier| earlier.dropped(FailureCause::Overtaken, by));
        }
        self.open_disk();
        let number = match &self.disk {
            None => None,
            Some(Err(reason)) => {
                let reason = format!("the outbox cannot be opened: {reason}");
                return failed(FailureCause::NotKept, reason);
            }
            Some(Ok(disk)) => match disk.keep(operation, &message) {
                Ok(number) => Some(number),
                Err(error) => {
                    let reason = format!("the outbox cannot be written: {error}");
                    return failed(FailureCause::NotKept, reason);
                }
            },
        };
        // Numbers on the disk are counted there: a message that could not be kept has none.
        self.taken = number.unwrap_or(self.taken + 1);
        self.queue_up(operation, number, message);
        None
    }

    fn queue_up(&mut self, operation: u64, number: Option<i64>, message: Message) {
        let tag = format!("{}-{}", self.identity, self.taken);
        let client_offset = (self.mode == ToServer::ExactlyOnce).then(|| tag.clone());
        let submission = Submission::of(&tag, message, client_offset);
        self.queue
            .push_back(Pending::new(operation, number, submission));
    }

    /// There is a connection that the server has greeted.
    pub(super) fn connected(&mut self, ready: &Ready) {
        self.connection = Some(ready.clone());
    }

    /// What to do next: with something only worth sending now, or with the head of the queue;
    /// nothing if that is in flight.
    pub(super) fn next(&mut self) -> Option<Step> {
        self.forget_told();
        if let Some(Untold {
            number,
            operation,
            failure,
        }) = self.untold.pop_front()
        {
            self.told.push(number);
            return Some(Step::Done(failure.told_of(operation)));
        }
        if let Some(whisper) = &mut self.whisper
            && whisper.attempts == 0
        {
            whisper.attempts = 1;
            return Some(Step::Whisper(whisper.submission.clone()));
        }
        if self.waiting {
            return None;
        }
        let head = self.queue.front_mut()?;
        let refused = (self.connection.as_ref()).and_then(|ready| ready.refuses(&head.submission));
        if let Some(Rejection { cause, reason }) = refused {
            return self
                .end_head(|head| head.dropped(cause, reason))
                .map(Step::Done);
        }
        if self.retries.is_some_and(|retries| head.attempts > retries) {
            let attempts = head.attempts;
            let reason = format!("not acknowledged after {attempts} attempts");
            let cause = FailureCause::RetriesUsedUp { attempts };
            return self
                .end_head(|head| head.dropped(cause, reason))
                .map(Step::Done);
        }
        // A message that may not be sent twice is removed from the disk before it is sent. If that
        // fails, it is retried with whatever happens next.
        if self.mode == ToServer::AtMostOnce
            && let (Some(Ok(disk)), Some(number)) = (&self.disk, head.number)
        {
            disk.forget(number).ok()?;
            head.number = None;
        }
        head.attempts += 1;
        let (operation, attempt) = (head.operation, head.attempts);
        let retried = (attempt > 1).then_some(ClientEvent::Retried { operation, attempt });
        let submission = head.submission.clone();
        self.waiting = true;
        Some(Step::Send(submission, retried))
    }

    /// The connection has taken the message. In modes without acknowledgement, it is done.
    pub(super) fn emitted(&mut self) -> Option<ClientEvent> {
        if self.mode != ToServer::AtMostOnce {
            return None;
        }
        self.end_head(|head| head.sent(false))
    }

    /// The connection has taken what was only worth sending then.
    pub(super) fn whispered(&mut self) -> Option<ClientEvent> {
        let whisper = self.whisper.take_if(|whisper| whisper.attempts > 0)?;
        Some(whisper.sent(false))
    }

    /// Whether the receipt is for the head, and says that the server cannot store it for now.
    pub(super) fn is_put_off(&self, receipt: &Receipt) -> bool {
        let head = self.queue.front();
        receipt.retry && head.is_some_and(|head| head.submission.tag == receipt.tag)
    }

    /// The server's receipt has come; one for a message other than the head, or one that puts it
    /// off, is ignored.
    pub(super) fn acknowledged(&mut self, receipt: Receipt) -> Option<ClientEvent> {
        if receipt.retry || self.queue.front()?.submission.tag != receipt.tag {
            return None;
        }
        self.end_head(|head| match receipt.refusal {
            Some(Rejection { cause, reason }) => head.refused(cause, reason),
            None => head.sent(true),
        })
    }

    /// The acknowledgement did not come in time: the head may be sent again.
    pub(super) fn timed_out(&mut self) {
        self.waiting = false;
    }

    /// The connection is lost. A message that may not be sent twice is done.
    pub(super) fn disconnected(&mut self, reason: &str) -> Vec<ClientEvent> {
        self.connection = None;
        let mut done = Vec::new();
        let whisper = self.whisper.take();
        let cause = FailureCause::NotConnected;
        done.extend(whisper.map(|whisper| whisper.dropped(cause, "the connection was lost")));
        if self.waiting && self.mode == ToServer::AtMostOnce {
            let reason = format!("the connection was lost while the message was sent: {reason}");
            done.extend(self.end_head(|head| head.dropped(cause, reason)));
        }
        self.timed_out();
        done
    }

    /// The user leaves: what was never put on a connection has failed, the fate of the rest is
    /// unknown. What is on the disk stays there for another time.
    pub(super) fn abandon(&mut self) -> Vec<ClientEvent> {
        self.forget_told();
        let left = std::mem::take(&mut self.queue);
        let left = left.into_iter().filter(|pending| pending.number.is_none());
        let reason = "the client disconnected before the message was acknowledged";
        left.map(|pending| pending.dropped(FailureCause::Left, reason))
            .collect()
    }

    fn end_head(&mut self, event: impl FnOnce(Pending) -> ClientEvent) -> Option<ClientEvent> {
        self.waiting = false;
        let head = self.queue.pop_front()?;
        let number = head.number;
        let event = event(head);
        if let (Some(Ok(disk)), Some(number)) = (&self.disk, number) {
            // If either fails, the message is sent again another time, and recognised.
            if let Some(failure) = Failure::of(&event) {
                let kept = disk.fail(number, &failure);
                self.told.extend(kept.is_ok().then_some(number));
            } else {
                let _ = disk.forget(number);
            }
        }
        Some(event)
    }

    /// Forgets what has failed, now that the user has been told. If that is impossible, it is told
    /// once more by the next program.
    fn forget_told(&mut self) {
        if let Some(Ok(disk)) = &self.disk {
            self.told.retain(|&number| disk.told(number).is_err());
        }
    }
}

impl Ready {
    /// Why the server would refuse a message, if that is known. A packet that is too long would
    /// cost the connection, again and again.
    fn refuses(&self, message: &Submission) -> Option<Rejection> {
        let too_large = |what, bytes: u64, limit: u64| Rejection {
            cause: FailureCause::TooLarge { bytes, limit },
            reason: format!("{what}{bytes} bytes, and the server takes at most {limit}"),
        };
        let (length, most) = (message.content.len(), self.content_max);
        if length > most {
            return Some(too_large("", length as u64, most as u64));
        }
        let (length, most) = (message.packet_length(), self.max_payload);
        (length > most).then(|| too_large("a packet of ", length, most))
    }
}

impl Pending {
    fn new(operation: u64, number: Option<i64>, submission: Submission) -> Self {
        Pending {
            operation,
            number,
            submission,
            attempts: 0,
        }
    }

    fn sent(self, acknowledged: bool) -> ClientEvent {
        let operation = self.operation;
        ClientEvent::Ok {
            operation,
            acknowledged,
        }
    }

    /// What the user is told about a message that is not sent any more. One that was put on a
    /// connection may be stored.
    fn dropped(self, cause: FailureCause, reason: impl Into<String>) -> ClientEvent {
        let never_sent = self.attempts == 0;
        self.ended(never_sent, cause, reason.into())
    }

    /// What the user is told about a message whose last attempt the server has refused. Earlier
    /// attempts may be stored all the same, or still be in flight.
    fn refused(self, cause: FailureCause, reason: String) -> ClientEvent {
        let sent_once = self.attempts == 1;
        self.ended(sent_once, cause, reason)
    }

    fn ended(self, has_failed: bool, cause: FailureCause, reason: String) -> ClientEvent {
        let operation = self.operation;
        match has_failed {
            true => ClientEvent::Failed {
                operation,
                cause,
                reason,
            },
            false => ClientEvent::Unknown {
                operation,
                cause,
                reason,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Content;

    fn outbox(mode: ToServer, retries: Option<u32>, messages: u64) -> Outbox {
        let mut outbox = Outbox::open(&ClientOptions {
            name: "ann".to_owned(),
            to_server: mode,
            retries,
            ..ClientOptions::default()
        });
        for operation in 1..=messages {
            outbox.take(
                operation,
                Message::to_room("lobby", format!("message {operation}")),
            );
        }
        outbox
    }

    fn ready() -> Ready {
        Ready {
            session: "session".to_owned(),
            catch_up: true,
            live: false,
            recovered: false,
            refused: None,
            private_id: None,
            ping_interval_ms: 1,
            ping_timeout_ms: 1,
            content_max: 100,
            max_payload: 1_000,
        }
    }

    fn typing() -> Message {
        Message {
            kind: MessageKind::Typing,
            ..Message::to_others("…")
        }
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
    fn a_failure_that_the_program_did_not_live_to_tell_is_told_by_the_next_one_and_only_once() {
        let path = format!("outbox-failed-{:016x}.db", rand::random::<u64>());
        let options = ClientOptions {
            name: "ann".to_owned(),
            to_server: ToServer::AtLeastOnce,
            outbox: Some(std::env::temp_dir().join(path)),
            ..ClientOptions::default()
        };
        let mut outbox = Outbox::open(&options);
        outbox.take(7, Message::to_room("lobby", "x".repeat(101)));
        outbox.connected(&ready());
        let failed =
            |event: &ClientEvent| matches!(event, ClientEvent::Failed { operation: 7, .. });
        assert!(matches!(outbox.next(), Some(Step::Done(event)) if failed(&event)));
        // The program ends before its user has read that.
        drop(outbox);
        let mut next = Outbox::open(&options);
        next.connected(&ready());
        assert!(matches!(next.next(), Some(Step::Done(event)) if failed(&event)));
        assert!(next.next().is_none(), "it is not sent again");
        drop(next);
        let mut last = Outbox::open(&options);
        last.connected(&ready());
        assert!(last.next().is_none(), "it is not told again");
        std::fs::remove_file(options.outbox.expect("it has one")).expect("it is there");
    }

    /// Seed 20849 of the worlds: the disk failed while the program began, and all was refused.
    #[test]
    fn a_file_that_could_not_be_opened_is_opened_with_the_next_message() {
        let directory = std::env::temp_dir().join(format!("late-{:016x}", rand::random::<u64>()));
        let options = ClientOptions {
            name: "ann".to_owned(),
            to_server: ToServer::AtLeastOnce,
            outbox: Some(directory.join("outbox.db")),
            ..ClientOptions::default()
        };
        let mut outbox = Outbox::open(&options);
        let not_kept = |event: &ClientEvent| {
            let cause = FailureCause::NotKept;
            matches!(event, ClientEvent::Failed { cause: told, .. } if *told == cause)
        };
        let message = |text: &str| Message::to_room("lobby", text.to_owned());
        assert!(outbox.take(1, message("m1")).as_ref().is_some_and(not_kept));
        std::fs::create_dir(&directory).expect("it is new");
        assert!(outbox.take(2, message("m2")).is_none());
        outbox.connected(&ready());
        assert_eq!(send(&mut outbox).content, Content::Text("m2".to_owned()));
        drop(outbox);
        std::fs::remove_dir_all(directory).expect("it is there");
    }

    #[test]
    fn what_may_not_be_sent_twice_is_gone_from_the_disk_before_it_is_sent() {
        let sent_again = |mode| {
            let path = format!("outbox-{mode:?}-{:016x}.db", rand::random::<u64>());
            let path = std::env::temp_dir().join(path);
            let options = ClientOptions {
                name: "ann".to_owned(),
                to_server: mode,
                outbox: Some(path.clone()),
                ..ClientOptions::default()
            };
            let mut outbox = Outbox::open(&options);
            for operation in 1..=2 {
                let message = Message::to_room("lobby", format!("message {operation}"));
                assert!(outbox.take(operation, message).is_none());
            }
            send(&mut outbox);
            // The program ends before it learns what has become of it.
            drop(outbox);
            let mut next = Outbox::open(&options);
            let again = send(&mut next).content;
            drop(next);
            std::fs::remove_file(path).expect("it is there");
            again
        };
        let text = |number| Content::Text(format!("message {number}"));
        assert_eq!(sent_again(ToServer::AtMostOnce), text(2));
        assert_eq!(sent_again(ToServer::ExactlyOnce), text(1));
        assert_eq!(sent_again(ToServer::AtLeastOnce), text(1));
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
        assert_eq!(send(&mut outbox).content, "message 2".into());
    }

    #[test]
    fn a_message_that_is_put_off_is_neither_sent_nor_failed_and_can_be_sent_again() {
        let mut outbox = outbox(ToServer::ExactlyOnce, None, 1);
        let first = send(&mut outbox);
        let put_off = Receipt {
            tag: first.tag.clone(),
            refusal: Some("the disk is full".to_owned().into()),
            retry: true,
            ..Receipt::default()
        };
        assert!(outbox.is_put_off(&put_off));
        assert_eq!(outbox.acknowledged(put_off), None);
        assert!(outbox.next().is_none());
        outbox.timed_out();
        assert_eq!(send(&mut outbox).content, "message 1".into());
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
            matches!(lost[..], [ClientEvent::Unknown { operation: 1, .. }]),
            "{lost:?}"
        );
        assert_eq!(send(&mut outbox).content, "message 2".into());
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

    #[test]
    fn typing_overtakes_what_waits_and_is_done_when_it_is_sent() {
        let mut outbox = outbox(ToServer::ExactlyOnce, None, 2);
        outbox.connected(&ready());
        send(&mut outbox);
        assert_eq!(outbox.take(7, typing()), None);
        assert!(matches!(outbox.next(), Some(Step::Whisper(_))));
        let ok = ClientEvent::Ok {
            operation: 7,
            acknowledged: false,
        };
        assert_eq!(outbox.whispered(), Some(ok));
    }

    #[test]
    fn typing_does_not_wait_for_a_connection() {
        let mut outbox = outbox(ToServer::ExactlyOnce, None, 0);
        let failed = outbox.take(7, typing());
        assert!(
            matches!(failed, Some(ClientEvent::Failed { operation: 7, .. })),
            "{failed:?}"
        );
        assert!(outbox.next().is_none());
    }

    #[test]
    fn what_the_server_would_not_take_fails_and_the_next_goes_on() {
        let mut outbox = outbox(ToServer::ExactlyOnce, None, 0);
        outbox.connected(&ready());
        outbox.take(1, Message::to_all("x".repeat(101)));
        outbox.take(2, Message::to_all("x".repeat(100)));
        let step = outbox.next();
        assert!(
            matches!(
                step,
                Some(Step::Done(ClientEvent::Failed { operation: 1, .. }))
            ),
            "{step:?}"
        );
        send(&mut outbox);
    }
}
