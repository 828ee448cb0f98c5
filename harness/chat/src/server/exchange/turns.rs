//! What clients have asked for and not received yet: a queue for each session, and turns in which
//! all of them make progress.
//!
//! A turn takes one request of each session in rotation until it has enough, stores the messages
//! among them in one transaction, and then does the rest. So many requests share one commit, and a
//! session with a thousand requests only delays itself: a message of another session is in the next
//! turn or, behind a crowd, in the one after it.
//!
//! A request that changes what its session may do (it joins, it leaves), or that shows what is
//! stored (a page), is the last one of its session in a turn, because what follows depends on it.

use super::Exchange;
use crate::cause::Rejection;
use crate::message::{MessageKind, full_name};
use crate::server::given::Given;
use crate::server::reply::{Reply, refuse};
use crate::server::session::SessionNumber;
use crate::storage::{StorageError, StoredMessage};
use crate::wire::{self, Receipt, Submission};
use squall_recovery::SocketRef;
use tokio::time::Instant;

/// The most requests in a turn. What they send to other clients must fit into the queue of a
/// socket, of which this is a quarter by default.
const TURN: usize = 32;

/// How many bytes a turn sends before it is long enough: what waits for the next one should not
/// wait for much of what a crowd is sent.
const SENT_IN_TURN: usize = 4 * 1024 * 1024;

/// The most bytes that wait in the queue of a session, not counting its first request.
const WAITING: usize = 1024 * 1024;

/// The most bytes that wait in all of these queues together, counted in the same way.
const ALL_WAITING: usize = 64 * 1024 * 1024;

/// A message whose turn it is.
struct Said {
    number: SessionNumber,
    outcome: Outcome,
    reply: Reply,
}

enum Outcome {
    Refused(String, Rejection),
    /// The receipt, and the message unless it was there already.
    Stored(Receipt, Option<StoredMessage>),
}

impl Exchange {
    /// Takes a client's request. If too much waits already, a message is refused for now, and
    /// anything else is lost: its client asks again.
    pub(in crate::server) fn give(&mut self, number: SessionNumber, given: Given) {
        let Some(session) = self.sessions.get_mut(number) else {
            return;
        };
        let too_much = session.given_bytes + given.bytes() > WAITING
            || self.given_bytes + given.bytes() > ALL_WAITING;
        if !session.given.is_empty() && too_much {
            if let (Given::Message(submission, reply), Some(socket)) = (given, &session.socket) {
                let refusal = Rejection::for_now("too much of this client waits".to_owned());
                refuse_message(socket, submission.tag, refusal, true, reply);
            }
            return;
        }
        if session.given.is_empty() {
            self.turns.push_back(number);
        }
        self.given_bytes += given.bytes();
        session.given_bytes += given.bytes();
        session.given.push_back(given);
    }

    /// Whether any client has a request waiting.
    pub(in crate::server) fn has_work(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Carries out the next request of as many sessions as a turn has room for.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if part of it could not be done. If it [may pass](StorageError::may_pass),
    /// the clients concerned have been told.
    pub(in crate::server) fn take_turn(&mut self) -> Result<(), StorageError> {
        let turn = self.next_turn();
        let numbers: Vec<SessionNumber> = turn.iter().map(|(number, _)| *number).collect();
        let (mut messages, mut rest) = (Vec::new(), Vec::new());
        for (number, given) in turn {
            match given {
                Given::Message(submission, reply) if submission.kind != MessageKind::Typing => {
                    messages.push((number, submission, reply));
                }
                other => rest.push((number, other)),
            }
        }
        let said = self.say_all(messages);
        let done = self.do_all(rest);
        for number in numbers {
            self.remove_if_over(number);
        }
        said.and(done)
    }

    fn next_turn(&mut self) -> Vec<(SessionNumber, Given)> {
        let (mut turn, mut resting) = (Vec::new(), Vec::new());
        let mut sent = 0;
        while turn.len() < TURN
            && sent < SENT_IN_TURN
            && let Some(number) = self.turns.pop_front()
        {
            let Some(session) = self.sessions.get_mut(number) else {
                continue;
            };
            let Some(given) = session.given.pop_front() else {
                continue;
            };
            self.given_bytes -= given.bytes();
            session.given_bytes -= given.bytes();
            let last = session.given.is_empty();
            if let Given::Message(Submission { room, content, .. }, _) = &given {
                let room = full_name(&session.namespace, room);
                sent += content.len() * self.sessions.members(&room);
            }
            match (last, given.stands_alone()) {
                (true, _) => {}
                (false, true) => self.turns.push_back(number),
                (false, false) => resting.push(number),
            }
            turn.push((number, given));
        }
        self.turns.extend(resting);
        turn
    }

    /// Stores messages, sends them to everyone who is live in their rooms, and acknowledges them,
    /// in this order and without a pause, unless they are there already or are not allowed. In a
    /// cluster, this happens when they have come back from the broker. What could not be stored for
    /// now is acknowledged as such, and no other client hears of it.
    fn say_all(
        &mut self,
        messages: Vec<(SessionNumber, Submission, Reply)>,
    ) -> Result<(), StorageError> {
        if messages.is_empty() {
            return Ok(());
        }
        let mut said = Vec::new();
        let mut unsaid = messages.into_iter();
        // A single insert is a transaction anyway.
        let many = unsaid.len() > 1 && self.broker.is_none();
        let began = Instant::now();
        let stored = match many {
            true => self.database.begin(),
            false => Ok(()),
        };
        let stored = stored.and_then(|()| {
            for (number, submission, reply) in unsaid.by_ref() {
                let tag = submission.tag.clone();
                match self.say(number, submission, reply) {
                    Ok(one) => said.extend(one),
                    Err((error, reply)) => {
                        said.push(Said {
                            number,
                            outcome: Outcome::Refused(tag, Rejection::for_now(String::new())),
                            reply,
                        });
                        return Err(error);
                    }
                }
            }
            match many {
                true => self.database.commit(),
                false => Ok(()),
            }
        });
        if let Err(error) = stored {
            self.database.roll_back();
            self.put_off(said, unsaid.collect(), &error);
            return Err(error);
        }
        self.commits.note(began.elapsed());
        let recovery = self.recovery.clone();
        let sent = recovery.together(|| self.tell_all(&mut said));
        for Said {
            number,
            outcome,
            reply,
        } in said
        {
            match outcome {
                Outcome::Stored(receipt, _) => reply.send(&receipt),
                Outcome::Refused(tag, refusal) => self.refuse(number, tag, refusal, reply),
            }
        }
        sent?
    }

    /// Stores a message, or says why not. None if there is nothing to say about it: the broker has
    /// it, or its sender is not there any more.
    fn say(
        &mut self,
        number: SessionNumber,
        submission: Submission,
        reply: Reply,
    ) -> Result<Option<Said>, (StorageError, Reply)> {
        let checked = match self.check(number, &submission) {
            Ok(checked) => checked,
            Err(error) => return Err((error, reply)),
        };
        if let Err(refusal) = checked {
            let outcome = Outcome::Refused(submission.tag, refusal);
            return Ok(Some(Said {
                number,
                outcome,
                reply,
            }));
        }
        let Some((submission, reply)) = self.hand_on(number, submission, reply) else {
            return Ok(None);
        };
        match self.insert(number, submission) {
            Ok(inserted) => Ok(inserted.map(|(receipt, new)| Said {
                number,
                outcome: Outcome::Stored(receipt, new),
                reply,
            })),
            Err(error) => Err((error, reply)),
        }
    }

    /// Sends out what has now been stored.
    fn tell_all(&mut self, said: &mut [Said]) -> Result<(), StorageError> {
        let new = said.iter_mut().filter_map(|said| match &mut said.outcome {
            Outcome::Stored(_, new) => new.take(),
            Outcome::Refused(..) => None,
        });
        let new: Vec<StoredMessage> = new.collect();
        new.iter().for_each(|stored| self.tell_stored(stored));
        new.into_iter()
            .try_for_each(|stored| self.broadcast(stored))
    }

    /// None of this is stored; it may be later.
    fn put_off(
        &self,
        said: Vec<Said>,
        unsaid: Vec<(SessionNumber, Submission, Reply)>,
        error: &StorageError,
    ) {
        if !error.may_pass() {
            return;
        }
        let put_off = |tag: String, reply: Reply| {
            reply.send(&Receipt {
                tag,
                refusal: Some(Rejection::for_now(error.to_string())),
                retry: true,
                ..Receipt::default()
            });
        };
        for Said { outcome, reply, .. } in said {
            match outcome {
                Outcome::Refused(tag, _) => put_off(tag, reply),
                Outcome::Stored(receipt, _) => put_off(receipt.tag, reply),
            }
        }
        for (_, submission, reply) in unsaid {
            put_off(submission.tag, reply);
        }
    }

    fn do_all(&mut self, rest: Vec<(SessionNumber, Given)>) -> Result<(), StorageError> {
        if rest.is_empty() {
            return Ok(());
        }
        let recovery = self.recovery.clone();
        recovery.together(|| {
            let each = rest.into_iter();
            let done = each.map(|(number, given)| self.do_alone(number, given));
            // All of it is done, and the first error returned.
            done.fold(Ok(()), Result::and)
        })?
    }

    fn do_alone(&mut self, number: SessionNumber, given: Given) -> Result<(), StorageError> {
        match given {
            Given::Message(submission, reply) => self.hear_typing(number, submission, reply),
            Given::Sync(offset) => self.sync(number, offset),
            Given::Piece(request) => self.send_piece(number, request),
            Given::Who => {
                self.tell_whole_roster(number);
                Ok(())
            }
        }
    }

    /// Passes on that a user is typing, and acknowledges it: a client with retries would repeat it.
    fn hear_typing(
        &mut self,
        number: SessionNumber,
        submission: Submission,
        reply: Reply,
    ) -> Result<(), StorageError> {
        let tag = submission.tag.clone();
        if let Err(refusal) = self.check(number, &submission)? {
            self.refuse(number, tag, refusal, reply);
            return Ok(());
        }
        self.relay_typing(number, submission)?;
        if let Reply::Acknowledgement(_) = reply {
            reply.send(&Receipt {
                tag,
                ..Receipt::default()
            });
        }
        Ok(())
    }

    fn refuse(&self, number: SessionNumber, tag: String, refusal: Rejection, reply: Reply) {
        let session = self.sessions.get(number);
        if let Some(socket) = session.and_then(|session| session.socket.as_ref()) {
            refuse_message(socket, tag, refusal, false, reply);
        }
    }
}

/// Tells the sender of a message that it is not stored, and why; `retry` says that it may be later.
pub(in crate::server) fn refuse_message(
    socket: &SocketRef,
    tag: String,
    refusal: Rejection,
    retry: bool,
    reply: Reply,
) {
    let reason = format!("{}: {}", wire::CHAT_MESSAGE, refusal.reason);
    reply.send(&Receipt {
        tag,
        refusal: Some(refusal),
        retry,
        ..Receipt::default()
    });
    refuse(socket, reason);
}
