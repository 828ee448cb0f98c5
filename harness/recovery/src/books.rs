//! The books: which sessions there are, which packets each of them was sent, who may come back.
//!
//! Nothing here knows a socket or a clock. A session is in one of three places:
//!
//! - *joining*: a connection has opened or claimed it, and its middlewares are running. It is sent
//!   nothing yet; what is meant for it is noted.
//! - *live*: what is meant for it is noted and sent, in this order. If its queue is full, the rest is
//!   sent later, still in order.
//! - *away*: its connection was lost. What is meant for it is noted until its time is over.
//!
//! So a session's list of packets is exact: what was meant for it, in order. Whatever follows the
//! offset that its client names is what the client has missed, and if a part of that is no longer
//! there, the session cannot be recovered.

mod delivery;
mod entry;
mod index;
mod particulars;

use crate::log::{Log, Sequence};
use crate::options::Options;
use crate::secret;
use crate::storage::{LoadedSession, Saved, SavedSession, Storage, StorageError};
pub(crate) use delivery::{Progress, Sent};
use entry::{Entry, Place};
use index::Absent;
use serde_json::Value as Json;
use socketioxide::socket::Sid;
use socketioxide_core::Str;
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Weak;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// The random bytes of a private id: 144 bits.
const PRIVATE_ID_BYTES: usize = 18;
/// The longest private id or offset that is looked at.
const CLAIM_MAX: usize = 64;

/// Counts sessions in the order in which they were opened.
pub(crate) type Number = u64;

/// Why a client got a new session although it asked for its old one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// No session has this private id: it is invented, it has been used up, its session was ended
    /// on purpose or forgotten, or the server was restarted without a storage that lasts.
    #[error("no session has this private id")]
    Unknown,
    /// The session is in use by another connection. (A client that comes back before the server has
    /// noticed that it was gone gets this, as with Socket.IO's own server.)
    #[error("the session is in use by another connection")]
    InUse,
    /// The session has waited longer than `max_disconnection`.
    #[error("the session has expired")]
    Expired,
    /// Packets after this offset are no longer there.
    #[error("the packets after this offset are no longer there")]
    OffsetTooOld,
    /// The session was never sent a packet with this offset.
    #[error("the session was never sent a packet with this offset")]
    OffsetUnknown,
}

pub(crate) struct Books {
    options: Options,
    log: Log,
    storage: Box<dyn Storage>,
    sessions: BTreeMap<Number, Entry>,
    last: Number,
    by_private_id: HashMap<String, Number>,
    by_socket: HashMap<(Str, Sid), Number>,
    absent: Absent,
    deadlines: BTreeSet<(Instant, Number)>,
}

impl Books {
    /// Opens the books, with what the storage knows. Sessions that were connected when the last
    /// process ended have been away since it was last known to be alive.
    pub(crate) fn open(
        options: Options,
        mut storage: Box<dyn Storage>,
        now: Instant,
        today: SystemTime,
    ) -> Result<Self, StorageError> {
        let Saved {
            tag,
            next,
            sessions,
            packets,
            alive,
        } = storage.load()?;
        let first = next - packets.len() as Sequence;
        let mut books = Self {
            log: Log::new(tag, first, options.bytes_max),
            options,
            storage,
            sessions: BTreeMap::new(),
            last: sessions.last().map_or(0, |session| session.number),
            by_private_id: HashMap::new(),
            by_socket: HashMap::new(),
            absent: Absent::default(),
            deadlines: BTreeSet::new(),
        };
        for session in sessions {
            let since = session.away_since.or(alive);
            let gone = since.and_then(|since| today.duration_since(since).ok());
            let left = books
                .options
                .max_disconnection
                .checked_sub(gone.unwrap_or_default());
            books.restore(session, now, left)?;
        }
        for packet in packets {
            let attachments = (!packet.attachments.is_empty()).then(|| packet.attachments.into());
            books.log.push(packet.event.into(), attachments, now);
            books.note(packet.sequence, &packet.receivers);
        }
        Ok(books)
    }

    fn restore(
        &mut self,
        session: LoadedSession,
        now: Instant,
        left: Option<Duration>,
    ) -> Result<(), StorageError> {
        let number = session.number;
        // Whoever has expired meanwhile is forgotten at the next tick, and refused until then.
        let deadline = now + left.unwrap_or_default();
        let entry = Entry {
            namespace: session.namespace.into(),
            id: session.id,
            private_id: session.private_id,
            rooms: serde_json::from_str(&session.rooms).map_err(StorageError::new)?,
            data: serde_json::from_str(&session.data).map_err(StorageError::new)?,
            since: session.since,
            packets: VecDeque::new(),
            floor: session.floor,
            socket: None,
            place: Place::Away { deadline },
        };
        self.absent.insert(&entry.namespace, &entry.rooms, number);
        self.deadlines.insert((deadline, number));
        self.by_private_id.insert(entry.private_id.clone(), number);
        self.sessions.insert(number, entry);
        Ok(())
    }

    /// Opens a new session for a connection.
    pub(crate) fn open_session(
        &mut self,
        namespace: &Str,
        socket: Sid,
        connection: Weak<dyn Any + Send + Sync>,
    ) -> Number {
        self.last += 1;
        let number = self.last;
        let private_id = secret::draw(PRIVATE_ID_BYTES);
        self.by_private_id.insert(private_id.clone(), number);
        self.by_socket.insert((namespace.clone(), socket), number);
        let entry = Entry {
            namespace: namespace.clone(),
            id: socket.to_string(),
            private_id,
            rooms: BTreeSet::new(),
            data: Json::Null,
            since: self.log.next(),
            packets: VecDeque::new(),
            floor: None,
            socket: Some(socket),
            place: Place::Joining {
                deadline: None,
                connection,
            },
        };
        self.sessions.insert(number, entry);
        number
    }

    /// Gives a session to the connection whose client knows its private id, if everything that the
    /// client has missed since `offset` is still there. Without an offset, its client has not handled
    /// a packet yet.
    pub(crate) fn claim(
        &mut self,
        namespace: &Str,
        socket: Sid,
        connection: Weak<dyn Any + Send + Sync>,
        (private_id, offset): (&str, Option<&str>),
        now: Instant,
    ) -> Result<Number, Refusal> {
        if private_id.len() > CLAIM_MAX {
            return Err(Refusal::Unknown);
        }
        let known = self.by_private_id.get(private_id).copied();
        let number = known
            .filter(|number| self.sessions[number].namespace == *namespace)
            .ok_or(Refusal::Unknown)?;
        let deadline = self.claimable(number)?;
        let checked = match deadline <= now {
            true => Err(Refusal::Expired),
            false => self.check_offset(number, offset),
        };
        let floor = match checked {
            Ok(floor) => floor,
            Err(refusal) => {
                // Its client is about to get another session, and will not ask for this one again.
                self.forget(number);
                return Err(refusal);
            }
        };
        let entry = self.sessions.get_mut(&number).expect("it is known");
        entry.acknowledge(floor);
        entry.socket = Some(socket);
        entry.place = Place::Joining {
            deadline: Some(deadline),
            connection,
        };
        self.deadlines.remove(&(deadline, number));
        self.by_socket.insert((namespace.clone(), socket), number);
        Ok(number)
    }

    /// Until when the session may be claimed, if nobody has it.
    fn claimable(&mut self, number: Number) -> Result<Instant, Refusal> {
        match &self.sessions[&number].place {
            Place::Away { deadline } => Ok(*deadline),
            Place::Joining { connection, .. } | Place::Live { connection, .. }
                if connection.strong_count() > 0 =>
            {
                Err(Refusal::InUse)
            }
            Place::Joining { .. } => {
                self.abandon(number);
                match self.sessions.get(&number).map(|entry| &entry.place) {
                    Some(Place::Away { deadline }) => Ok(*deadline),
                    _ => Err(Refusal::Unknown),
                }
            }
            // Its end was not told, so nobody knows whether it was on purpose.
            Place::Live { .. } | Place::Ending { .. } => {
                self.forget(number);
                Err(Refusal::Unknown)
            }
        }
    }

    /// The last packet that the client has handled, if all that follow are there.
    fn check_offset(
        &self,
        number: Number,
        offset: Option<&str>,
    ) -> Result<Option<Sequence>, Refusal> {
        let entry = &self.sessions[&number];
        let handled = offset
            .map(|offset| {
                let known = offset.len() <= CLAIM_MAX;
                let sequence = self.log.sequence(offset).filter(|_| known);
                sequence.ok_or(Refusal::OffsetUnknown)
            })
            .transpose()?;
        if handled < entry.floor {
            return Err(Refusal::OffsetTooOld);
        }
        if handled > entry.floor && entry.packets.binary_search(&handled.unwrap_or(0)).is_err() {
            return Err(Refusal::OffsetUnknown);
        }
        match entry.packets.get(entry.after(handled)) {
            Some(&missed) if missed < self.log.first() => Err(Refusal::OffsetTooOld),
            _ => Ok(handled),
        }
    }

    /// The connection of a joining session was turned away, or lost, before it was live.
    pub(crate) fn abandon(&mut self, number: Number) {
        let Some(entry) = self.sessions.get_mut(&number) else {
            return;
        };
        let Place::Joining { deadline, .. } = entry.place else {
            return;
        };
        match deadline {
            Some(deadline) => self.send_away(number, deadline),
            None => self.forget(number),
        }
    }

    /// Makes a joining session live, and names its rooms. What it has missed is not sent yet:
    /// [`deliver`](Self::deliver) does that.
    pub(crate) fn enter(
        &mut self,
        number: Number,
        connection: Weak<dyn Any + Send + Sync>,
    ) -> Vec<String> {
        let Some(entry) = self.sessions.get_mut(&number) else {
            return Vec::new();
        };
        self.absent.remove(&entry.namespace, &entry.rooms, number);
        entry.rooms.insert(entry.id.clone());
        entry.place = Place::Live {
            sent: entry.floor,
            waiting: false,
            connection,
        };
        let rooms = entry.rooms.iter().cloned().collect();
        // If this fails, the next process knows the session as it was, or not at all.
        let _ = self.save(number, None);
        rooms
    }

    /// The connection of a session is lost. It waits for its client, unless it was ended on purpose.
    pub(crate) fn leave(
        &mut self,
        namespace: &Str,
        socket: Sid,
        rooms: BTreeSet<String>,
        on_purpose: bool,
        (now, today): (Instant, SystemTime),
    ) {
        let Some(&number) = self.by_socket.get(&(namespace.clone(), socket)) else {
            return;
        };
        if on_purpose {
            return self.forget(number);
        }
        let entry = self.sessions.get_mut(&number).expect("it has a socket");
        match entry.place {
            Place::Joining { .. } => self.abandon(number),
            Place::Ending { .. } => self.remove(number),
            Place::Away { .. } => {}
            Place::Live { .. } => {
                entry.rooms = rooms;
                self.send_away(number, now + self.options.max_disconnection);
                // If this fails, the storage goes on believing that the session is connected: it
                // will be away since the process was last alive, which is no worse.
                let _ = self.save(number, Some(today));
                self.make_room();
            }
        }
    }

    /// Whether a session waits for its client.
    pub(crate) fn is_away(&self, number: Number) -> bool {
        let entry = self.sessions.get(&number);
        entry.is_some_and(|entry| matches!(entry.place, Place::Away { .. }))
    }

    fn send_away(&mut self, number: Number, deadline: Instant) {
        let entry = self.sessions.get_mut(&number).expect("it is known");
        entry.place = Place::Away { deadline };
        if let Some(socket) = entry.socket {
            self.by_socket.remove(&(entry.namespace.clone(), socket));
        }
        self.absent.insert(&entry.namespace, &entry.rooms, number);
        self.deadlines.insert((deadline, number));
    }

    fn make_room(&mut self) {
        while self.deadlines.len() > self.options.sessions_max {
            let (_, longest_away) = *self.deadlines.first().expect("there are too many");
            self.forget(longest_away);
        }
    }

    fn forget(&mut self, number: Number) {
        self.remove(number);
        // If this fails, the session comes back with the next process, and expires there.
        let _ = self.storage.forget(&[number]);
    }

    fn remove(&mut self, number: Number) {
        let Some(entry) = self.sessions.remove(&number) else {
            return;
        };
        self.by_private_id.remove(&entry.private_id);
        if let Place::Away { deadline } = entry.place {
            self.deadlines.remove(&(deadline, number));
        } else if let Some(socket) = entry.socket {
            self.by_socket.remove(&(entry.namespace.clone(), socket));
        }
        self.absent.remove(&entry.namespace, &entry.rooms, number);
    }

    /// Forgets what has waited long enough, and tells the storage that we are alive.
    pub(crate) fn tick(&mut self, now: Instant, today: SystemTime) -> Result<(), StorageError> {
        let lost: Vec<Number> = self
            .sessions
            .iter()
            .filter(|(_, entry)| entry.is_lost())
            .map(|(number, _)| *number)
            .collect();
        for number in lost {
            match self.sessions[&number].place {
                Place::Joining { .. } => self.abandon(number),
                _ => self.forget(number),
            }
        }
        let mut expired = Vec::new();
        while let Some(&(deadline, number)) = self.deadlines.first()
            && deadline <= now
        {
            self.remove(number);
            expired.push(number);
        }
        if !expired.is_empty() {
            self.storage.forget(&expired)?;
        }
        self.log.expire(now, self.retention());
        self.storage.tick(self.log.first(), today)
    }

    fn save(&mut self, number: Number, away_since: Option<SystemTime>) -> Result<(), StorageError> {
        let entry = &self.sessions[&number];
        let rooms = serde_json::to_string(&entry.rooms).map_err(StorageError::new)?;
        self.storage.save(SavedSession {
            number,
            namespace: &entry.namespace,
            id: &entry.id,
            private_id: &entry.private_id,
            rooms: &rooms,
            data: &entry.data.to_string(),
            since: entry.since,
            floor: entry.floor,
            away_since,
        })
    }
}
