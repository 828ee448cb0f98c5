//! The one place where messages change hands: stored, then sent to everyone who is live, then
//! acknowledged, in one go. Nothing here awaits, and everything runs under one lock, so the order
//! of ids is the order of broadcasts, and a session joins the live stream at exactly the point
//! where its catch-up ends.
//!
//! A session is *live* or it is not. It is not while it catches up, and it ceases to be when its
//! queue is full: from then on it gets nothing until it asks (`sync`), and the next beat tells it
//! that it should. So a full queue delays and never loses. In [`ToClient::LiveOnly`] there is
//! nothing to ask for, and what does not fit is lost, as that mode says.
//!
//! A crash between storing and broadcasting leaves a message that nobody was sent. Those who were
//! connected have lost their connection to the same crash, and get it when they come back.
//!
//! Sessions are kept in the order of their arrival and every emit goes to one socket: socketioxide's
//! own broadcast walks a hash set, and does not tell whose queue was full.

use super::ToClient;
use crate::bugs::Bug;
use crate::storage::{Database, Inserted, NewMessage, StorageError, StoredMessage};
use crate::wire::{self, Beat, Delivery, Login, Ready, Receipt, Submission, Synced, limits};
use socketioxide::extract::{AckSender, SocketRef};
use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The state of a server.
pub(super) struct Exchange {
    database: Database,
    highest: i64,
    to_client: ToClient,
    page: usize,
    bug: Option<Bug>,
    sessions: BTreeMap<SessionNumber, Session>,
    arrivals: SessionNumber,
}

/// Counts the sessions of one server in the order of their arrival.
pub(super) type SessionNumber = u64;

struct Session {
    socket: SocketRef,
    name: String,
    rooms: Vec<String>,
    live: bool,
    /// The id of the last message in this session's stream.
    head: i64,
    /// [`Bug::ShuffledBroadcast`]: a message that waits for one by another sender.
    held: Option<StoredMessage>,
}

impl Exchange {
    pub(super) fn new(
        database: Database,
        to_client: ToClient,
        page: usize,
        bug: Option<Bug>,
    ) -> Result<Self, StorageError> {
        let highest = database.highest_id()?;
        let (sessions, arrivals) = (BTreeMap::new(), 0);
        Ok(Self {
            database,
            highest,
            to_client,
            page,
            bug,
            sessions,
            arrivals,
        })
    }

    /// The highest id there is.
    pub(super) fn highest(&self) -> i64 {
        self.highest
    }

    /// A number for a session that is about to be opened.
    pub(super) fn next_number(&mut self) -> SessionNumber {
        self.arrivals += 1;
        self.arrivals
    }

    /// Greets a client. It gets messages from now on, unless it has to catch up first.
    pub(super) fn open(
        &mut self,
        number: SessionNumber,
        socket: SocketRef,
        login: Login,
        (ping_interval, ping_timeout): (Duration, Duration),
    ) {
        let ready = Ready {
            session: socket.id.to_string(),
            catch_up: self.to_client == ToClient::CatchUp,
            ping_interval_ms: ping_interval.as_millis() as u64,
            ping_timeout_ms: ping_timeout.as_millis() as u64,
        };
        // Should this fail, the connection is lost already and its end is on its way to us.
        let _ = socket.emit(wire::READY, &ready);
        let Login {
            name,
            rooms,
            offset,
        } = login;
        let live = self.to_client == ToClient::LiveOnly;
        let session = Session {
            socket,
            name,
            rooms,
            live,
            head: offset,
            held: None,
        };
        self.sessions.insert(number, session);
    }

    /// Closes the database.
    pub(super) fn shut(self) -> Result<(), StorageError> {
        self.database.close()
    }

    /// Forgets a session; says whether it was known.
    pub(super) fn close(&mut self, number: SessionNumber) -> bool {
        self.sessions.remove(&number).is_some()
    }

    /// The sockets of all sessions, in the order of arrival.
    pub(super) fn sockets(&self) -> Vec<SocketRef> {
        self.sessions
            .values()
            .map(|session| session.socket.clone())
            .collect()
    }

    /// Stores a message, sends it to everyone who is live in its room, acknowledges it: in this
    /// order, and without a pause. A message that could not be stored for now is acknowledged as
    /// such, and nobody else hears of it.
    pub(super) fn receive(
        &mut self,
        number: SessionNumber,
        submission: Submission,
        ack: AckSender,
    ) -> Result<(), StorageError> {
        let tag = submission.tag.clone();
        let stored = self.store(number, submission);
        let receipt = match &stored {
            Ok(receipt) => receipt.clone(),
            Err(error) if error.may_pass() => Some(Receipt {
                tag,
                error: Some(error.to_string()),
                retry: true,
                ..Receipt::default()
            }),
            Err(_) => None,
        };
        if let Some(receipt) = receipt {
            // A receipt that finds no room in the queue is lost; the client will ask again.
            let _ = ack.send(&receipt);
        }
        stored.map(|_| ())
    }

    /// Stores a message and sends it to everyone who is live in its room, unless it is there
    /// already. Nothing if the sender has left.
    pub(super) fn store(
        &mut self,
        number: SessionNumber,
        submission: Submission,
    ) -> Result<Option<Receipt>, StorageError> {
        let Some(session) = self.sessions.get(&number) else {
            return Ok(None);
        };
        let Submission {
            tag,
            room,
            content,
            client_offset,
        } = submission;
        let message = NewMessage {
            client_offset: client_offset
                .clone()
                .filter(|_| self.bug != Some(Bug::NoDeduplication)),
            sender: session.name.clone(),
            room,
            content,
            sent_at_ms: unix_milliseconds(),
        };
        let (id, error) = match self.database.insert(&message) {
            Ok(Inserted::New(id)) => {
                self.broadcast(id, message);
                (Some(id), None)
            }
            Ok(Inserted::Duplicate(id)) => (Some(id), None),
            Err(error @ StorageError::OffsetReused(_)) => (None, Some(error.to_string())),
            Err(error) => return Err(error),
        };
        Ok(Some(Receipt {
            tag,
            id,
            client_offset,
            error,
            retry: false,
        }))
    }

    /// Says what is wrong with a message, if anything is.
    pub(super) fn check(&self, number: SessionNumber, message: &Submission) -> Result<(), String> {
        self.sessions
            .get(&number)
            .map_or(Ok(()), |session| message.check(&session.rooms))
    }

    fn broadcast(&mut self, id: i64, message: NewMessage) {
        self.highest = id;
        let NewMessage {
            client_offset,
            sender,
            room,
            content,
            sent_at_ms,
        } = message;
        let message = StoredMessage {
            id,
            client_offset,
            sender,
            room,
            content,
            sent_at_ms,
        };
        let everybody = self.bug == Some(Bug::LeakRoom);
        for (number, session) in &mut self.sessions {
            if !session.live || !(everybody || session.rooms.contains(&message.room)) {
                continue;
            }
            if self.bug == Some(Bug::ShuffledBroadcast) && number % 2 == 0 {
                session.emit_shuffled(&message);
                continue;
            }
            // Whoever cannot take a message now falls out of the live stream and has to ask for
            // it; without catch-up there is nobody to ask.
            session.live = session.emit(&message) || self.to_client == ToClient::LiveOnly;
        }
    }

    /// Sends a session one page of what comes after `offset`; with the last page it is live. A page that
    /// cannot be read is not sent, and the client asks again.
    pub(super) fn sync(&mut self, number: SessionNumber, offset: i64) -> Result<(), StorageError> {
        let Some(session) = self.sessions.get_mut(&number) else {
            return Ok(());
        };
        if self.to_client == ToClient::LiveOnly {
            return Ok(());
        }
        session.live = false;
        session.head = offset;
        session.held = None;
        let mut page = match self.bug {
            Some(Bug::SkipCatchUp) => Vec::new(),
            _ => self.database.after(offset, &session.rooms, self.page + 1)?,
        };
        let complete = page.len() <= self.page && fits(&page);
        page.truncate(self.page);
        while !fits(&page) {
            page.pop();
        }
        if self.bug == Some(Bug::CatchUpBackwards) {
            page = under_wrong_ids(page);
        }
        let sent = page.iter().all(|message| session.emit(message));
        let upto = if complete { self.highest } else { session.head };
        let synced = Synced {
            previous: session.head,
            upto,
            live: complete && sent,
        };
        // If this event does not fit into the queue, the client must not be taken for live: it
        // would not know, and would ask again.
        session.live = session.socket.emit(wire::SYNCED, &synced).is_ok() && synced.live;
        Ok(())
    }

    /// Sends the messages after `offset` one by one while live messages go out:
    /// [`Bug::LastInsteadOfHighestOffset`].
    pub(super) fn join_too_early(
        &mut self,
        number: SessionNumber,
        offset: i64,
    ) -> Result<Vec<StoredMessage>, StorageError> {
        let Some(session) = self.sessions.get_mut(&number) else {
            return Ok(Vec::new());
        };
        session.live = true;
        self.database.after(offset, &session.rooms, usize::MAX)
    }

    /// Sends one message to one session: [`Bug::LastInsteadOfHighestOffset`].
    pub(super) fn send_late(&mut self, number: SessionNumber, message: &StoredMessage) {
        if let Some(session) = self.sessions.get_mut(&number) {
            session.emit(message);
        }
    }

    /// Ends such a catch-up.
    pub(super) fn end_late(&mut self, number: SessionNumber, offset: i64) {
        if let Some(session) = self.sessions.get(&number) {
            let synced = Synced {
                previous: offset,
                upto: offset,
                live: true,
            };
            let _ = session.socket.emit(wire::SYNCED, &synced);
        }
    }

    /// Tells every session that the server is there, and how far its stream has come.
    pub(super) fn beat(&self) {
        for session in self.sessions.values() {
            let beat = Beat {
                head: session.live.then_some(session.head),
            };
            // A full queue means that the session has things to read already.
            let _ = session.socket.emit(wire::BEAT, &beat);
        }
    }
}

impl Session {
    /// Puts a message into the socket's queue, as the next link of the session's chain. Says
    /// whether there was room.
    fn emit(&mut self, message: &StoredMessage) -> bool {
        let delivery = Delivery {
            id: message.id,
            previous: self.head,
            room: message.room.clone(),
            sender: message.sender.clone(),
            content: message.content.clone(),
            sent_at_ms: message.sent_at_ms,
        };
        let accepted = self.socket.emit(wire::CHAT_MESSAGE, &delivery).is_ok();
        if accepted {
            self.head = message.id;
        }
        accepted
    }

    /// [`Bug::ShuffledBroadcast`]: holds a message back until the next one; if that is by another
    /// sender, the two change places (and ids, so that the receiver has no suspicion).
    fn emit_shuffled(&mut self, message: &StoredMessage) {
        let Some(held) = self.held.take() else {
            self.held = Some(message.clone());
            return;
        };
        let mut pair = [held, message.clone()];
        if pair[0].sender != pair[1].sender {
            pair = under_wrong_ids(pair.to_vec())
                .try_into()
                .expect("two remain two");
        }
        self.live = pair.iter().all(|message| self.emit(message));
    }
}

/// The same ids in the same order, with the messages in the opposite order.
fn under_wrong_ids(messages: Vec<StoredMessage>) -> Vec<StoredMessage> {
    let ids: Vec<i64> = messages.iter().map(|message| message.id).collect();
    let backwards = messages.into_iter().rev();
    ids.into_iter()
        .zip(backwards)
        .map(|(id, message)| StoredMessage { id, ..message })
        .collect()
}

/// Whether a page is small enough; a single message always is.
fn fits(page: &[StoredMessage]) -> bool {
    let bytes: usize = page.iter().map(|message| message.content.len()).sum();
    page.len() <= 1 || bytes <= limits::PAGE_BYTES
}

fn unix_milliseconds() -> i64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
