//! The books: which sessions exist, which packets each of them was sent, which may be recovered.
//!
//! Nothing here knows about sockets or clocks. A session is in one of three places:
//!
//! - *joining*: a connection has opened or claimed it, and its middlewares are running. Nothing is
//!   sent to it yet; packets for it are noted.
//! - *live*: packets for it are noted and then sent. If its queue is full, the rest is sent later,
//!   still in order.
//! - *away*: its connection was lost. Packets for it are noted until its time is up.
//!
//! So a session's list of packets is exact: everything meant for it, in order. Whatever follows the
//! offset that its client names is what the client has missed; if part of that is no longer there,
//! the session cannot be recovered.

mod delivery;
mod entry;
mod gone;
mod index;
mod particulars;

use crate::flow::Flow;
use crate::journal::Journal;
use crate::log::{Log, Offset, Sequence};
use crate::number::Number;
use crate::options::Options;
use crate::refusal::Refusal;
use crate::secret;
use crate::storage::{Saved, SavedSession, Storage, StorageError};
pub(crate) use delivery::{Progress, Sent};
use entry::{Entry, Place};
use gone::Gone;
use index::Absent;
use serde_json::Value as Json;
use socketioxide::socket::Sid;
use socketioxide_core::Str;
use std::any::Any;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The random bytes of a private id: 144 bits.
const PRIVATE_ID_BYTES: usize = 18;
/// The number of ended sessions whose reason is kept at least, however few may wait.
const ENDS_KNOWN: usize = 1_000;
/// The longest private id or offset that is accepted.
const CLAIM_MAX: usize = 64;

/// A connection that wants a session.
#[derive(Clone)]
pub(crate) struct Connection {
    pub(crate) socket: Sid,
    /// The place of this connection in the order in which the server heard of them, if known.
    pub(crate) arrival: Option<u64>,
    /// Its socket, while it exists.
    pub(crate) alive: Weak<dyn Any + Send + Sync>,
}

/// How the connection of a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Without a goodbye: its client may come back.
    Lost,
    /// One side said goodbye.
    OnPurpose,
}

pub(crate) struct Books {
    options: Options,
    log: Log,
    journal: Journal,
    /// The highest position kept by the last process.
    position: Option<i64>,
    flow: Flow,
    sessions: BTreeMap<Number, Entry>,
    last: Number,
    by_private_id: HashMap<String, Number>,
    by_socket: HashMap<(Str, Sid), Number>,
    absent: Absent,
    deadlines: BTreeSet<(Instant, Number)>,
    gone: Gone,
}

impl Books {
    /// Opens the books with what the storage knows. `behind` is notified when the storage cannot
    /// keep something.
    pub(crate) fn open(
        options: Options,
        (storage, behind): (Box<dyn Storage>, Arc<Notify>),
        flow: Flow,
        (now, today): (Instant, SystemTime),
    ) -> Result<Self, StorageError> {
        let (journal, saved) = Journal::open(storage, options.bytes_max, behind)?;
        let Saved {
            tag,
            next,
            sessions,
            packets,
            forgotten,
            position,
        } = saved;
        let first = next - packets.len() as Sequence;
        let mut books = Self {
            log: Log::new(tag, first, options.bytes_max),
            gone: Gone::new(
                options.retention(),
                options.sessions_max.max(ENDS_KNOWN),
                now,
            ),
            options,
            journal,
            position,
            flow,
            sessions: BTreeMap::new(),
            last: sessions.last().map_or(0, |session| session.number),
            by_private_id: HashMap::new(),
            by_socket: HashMap::new(),
            absent: Absent::default(),
            deadlines: BTreeSet::new(),
        };
        for session in sessions {
            let since = session.away_since;
            let gone = since.and_then(|since| today.duration_since(since).ok());
            let left = books
                .options
                .max_disconnection
                .checked_sub(gone.unwrap_or_default());
            books.restore(session, now, left)?;
        }
        for (number, sequence) in forgotten {
            books.note(sequence, &[number]);
        }
        for packet in packets {
            let attachments = (!packet.attachments.is_empty()).then(|| packet.attachments.into());
            books.log.push(packet.event, attachments, now);
            books.note(packet.sequence, &packet.receivers);
        }
        Ok(books)
    }

    fn restore(
        &mut self,
        session: SavedSession,
        now: Instant,
        left: Option<Duration>,
    ) -> Result<(), StorageError> {
        let number = session.number;
        // A session that has expired meanwhile is forgotten at the next tick, and refused until
        // then.
        let deadline = now + left.unwrap_or_default();
        let entry = Entry {
            namespace: session.namespace,
            id: session.id,
            private_id: session.private_id,
            rooms: serde_json::from_str(&session.rooms).map_err(StorageError::new)?,
            data: serde_json::from_str(&session.data).map_err(StorageError::new)?,
            since: session.since,
            packets: VecDeque::new(),
            floor: session.floor,
            socket: None,
            arrival: None,
            place: Place::Away { deadline },
        };
        self.absent.insert(&entry.namespace, &entry.rooms, number);
        self.deadlines.insert((deadline, number));
        self.by_private_id.insert(entry.private_id.clone(), number);
        self.sessions.insert(number, entry);
        Ok(())
    }

    /// From now on clients may go to another server, and come from one.
    pub(crate) fn move_about(&mut self) {
        self.log.tells_positions = true;
    }

    /// Whether the session with this private id is here.
    pub(crate) fn has(&self, private_id: &str) -> bool {
        self.by_private_id.contains_key(private_id)
    }

    /// Whether the session with this private id may be another server's.
    pub(crate) fn may_be_anothers(&self, private_id: &str) -> bool {
        let is_one = self.log.gave_out(private_id) || self.log.could_be_anothers(private_id);
        is_one && private_id.len() <= CLAIM_MAX
    }

    /// A session has come from another server, with its client, for which no other has to make
    /// room.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if it cannot be read.
    pub(crate) fn adopt(
        &mut self,
        session: SavedSession,
        (now, today): (Instant, SystemTime),
    ) -> Result<(), StorageError> {
        self.last += 1;
        let session = SavedSession {
            number: self.last,
            since: self.log.next(),
            floor: None,
            ..session
        };
        let number = session.number;
        self.restore(session, now, Some(self.options.max_disconnection))?;
        // If it cannot be kept, the next process does not know it.
        drop(self.save(number, Some(today)));
        Ok(())
    }

    /// Another server has this session from now on.
    pub(crate) fn give_up(&mut self, private_id: &str) {
        if let Some(&number) = self.by_private_id.get(private_id) {
            self.forget(number, Refusal::Superseded);
        }
    }

    /// The namespace of the session with this private id.
    pub(crate) fn namespace_of(&self, private_id: &str) -> Option<Str> {
        let number = self.by_private_id.get(private_id)?;
        Some(self.sessions[number].namespace.clone())
    }

    /// Opens a new session for a connection.
    pub(crate) fn open_session(&mut self, namespace: &Str, connection: Connection) -> Number {
        self.last += 1;
        let number = self.last;
        let socket = connection.socket;
        let private_id = self.log.private_id(&secret::draw(PRIVATE_ID_BYTES));
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
            arrival: connection.arrival,
            place: Place::Joining {
                deadline: None,
                connection: connection.alive,
            },
        };
        self.sessions.insert(number, entry);
        number
    }

    /// The socket of the connection that has the session with this private id, if there is one and
    /// `arrival` came after it: the client has given that connection up without the server
    /// noticing.
    pub(crate) fn superseded_by(
        &self,
        namespace: &Str,
        private_id: &str,
        arrival: Option<u64>,
    ) -> Option<Weak<dyn Any + Send + Sync>> {
        let entry = &self.sessions[self.by_private_id.get(private_id)?];
        let newer = arrival.is_none() || entry.arrival.is_none() || arrival > entry.arrival;
        match &entry.place {
            Place::Joining { connection, .. } | Place::Live { connection, .. }
                if newer && entry.namespace == *namespace =>
            {
                Some(connection.clone())
            }
            _ => None,
        }
    }

    /// Gives a session to a connection whose client knows its private id, if everything that the
    /// client has missed since `offset` is still there. No offset means that the client has not
    /// handled a packet yet.
    pub(crate) fn claim(
        &mut self,
        namespace: &Str,
        connection: Connection,
        (private_id, offset): (&str, Option<&str>),
        now: Instant,
    ) -> Result<Number, Refusal> {
        if private_id.len() > CLAIM_MAX {
            return Err(Refusal::Unknown);
        }
        let known = self.by_private_id.get(private_id).copied();
        let number = known
            .filter(|number| self.sessions[number].namespace == *namespace)
            .ok_or_else(|| self.why_gone(private_id))?;
        let deadline = self.claimable(number)?;
        let checked = match deadline <= now {
            true => Err(Refusal::Expired),
            false => self.check_offset(number, offset),
        };
        let floor = match checked {
            Ok(floor) => floor,
            Err(refusal) => {
                // Its client is about to get another session, and will not ask for this one again.
                self.forget(number, refusal);
                return Err(refusal);
            }
        };
        let entry = self.sessions.get_mut(&number).expect("it is known");
        entry.acknowledge(floor);
        entry.socket = Some(connection.socket);
        entry.arrival = connection.arrival;
        entry.place = Place::Joining {
            deadline: Some(deadline),
            connection: connection.alive,
        };
        self.deadlines.remove(&(deadline, number));
        self.by_socket
            .insert((namespace.clone(), connection.socket), number);
        Ok(number)
    }

    /// Why there is no session with this private id.
    fn why_gone(&self, private_id: &str) -> Refusal {
        // Of one that another server has taken, it is not known what became of it.
        let known = self.gone.get(private_id);
        match known.filter(|why| *why != Refusal::Superseded) {
            Some(why) => why,
            None if self.log.gave_out(private_id) => Refusal::Unknown,
            None if self.log.could_be_anothers(private_id) => Refusal::ServerRestarted,
            None => Refusal::Unknown,
        }
    }

    /// When the session's time to be claimed ends, if no connection has it.
    fn claimable(&mut self, number: Number) -> Result<Instant, Refusal> {
        let entry = &self.sessions[&number];
        match &entry.place {
            Place::Away { deadline } => Ok(*deadline),
            Place::Joining { connection, .. } | Place::Live { connection, .. }
                if connection.strong_count() > 0 =>
            {
                Err(Refusal::Superseded)
            }
            Place::Joining { .. } => {
                let socket = entry.socket;
                self.abandon(number, socket);
                match self.sessions.get(&number).map(|entry| &entry.place) {
                    Some(Place::Away { deadline }) => Ok(*deadline),
                    _ => Err(Refusal::Unknown),
                }
            }
            // No end was reported, so it is unknown whether it was on purpose.
            Place::Live { .. } | Place::Ending { .. } => {
                self.forget(number, Refusal::Unknown);
                Err(Refusal::Unknown)
            }
        }
    }

    /// The last packet that the client has handled, if all later ones are still there.
    fn check_offset(
        &self,
        number: Number,
        offset: Option<&str>,
    ) -> Result<Option<Sequence>, Refusal> {
        let entry = &self.sessions[&number];
        let offset = offset.map(|offset| match offset.len() <= CLAIM_MAX {
            true => self.log.read(offset),
            false => Offset::None,
        });
        let handled = match offset {
            None => None,
            Some(Offset::Ours(sequence)) if sequence >= entry.since => Some(sequence),
            // The client has it from an earlier session, and keeps it until it is sent something in
            // this one.
            Some(Offset::Ours(_)) if entry.floor.is_none() => None,
            Some(Offset::Anothers) => None,
            Some(Offset::Ours(sequence)) => Some(sequence),
            Some(Offset::None) => return Err(Refusal::OffsetUnknown),
        };
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

    /// The connection of a joining session was refused or lost before the session was live.
    pub(crate) fn abandon(&mut self, number: Number, socket: Option<Sid>) {
        let Some(entry) = self.sessions.get_mut(&number) else {
            return;
        };
        let Place::Joining { deadline, .. } = entry.place else {
            return;
        };
        if entry.socket != socket {
            return;
        }
        match deadline {
            Some(deadline) => self.send_away(number, deadline),
            None => self.forget(number, Refusal::Unknown),
        }
    }

    /// Makes a joining session live, and returns its rooms. What it has missed is not sent yet:
    /// [`deliver`](Self::deliver) does that. None if the session belongs to another connection by
    /// now.
    pub(crate) fn enter(&mut self, number: Number, connection: Connection) -> Option<Vec<String>> {
        let entry = self.sessions.get_mut(&number)?;
        if entry.socket != Some(connection.socket) {
            return None;
        }
        self.absent.remove(&entry.namespace, &entry.rooms, number);
        entry.rooms.insert(entry.id.clone());
        entry.place = Place::Live {
            sent: entry.floor,
            waiting: false,
            connection: connection.alive,
        };
        let rooms = entry.rooms.iter().cloned().collect();
        self.save_if_possible(number, None);
        Some(rooms)
    }

    /// The connection of a session has ended. The session waits for its client, unless the end was
    /// on purpose.
    pub(crate) fn leave(
        &mut self,
        namespace: &Str,
        socket: Sid,
        rooms: BTreeSet<String>,
        end: End,
        (now, today): (Instant, SystemTime),
    ) {
        let Some(&number) = self.by_socket.get(&(namespace.clone(), socket)) else {
            return;
        };
        if end == End::OnPurpose {
            return self.forget(number, Refusal::LeftOnPurpose);
        }
        let entry = self.sessions.get_mut(&number).expect("it has a socket");
        match entry.place {
            Place::Joining { .. } => self.abandon(number, Some(socket)),
            Place::Ending { .. } => self.remove(number, Refusal::OffsetTooOld),
            Place::Away { .. } => {}
            Place::Live { .. } => {
                entry.rooms = rooms;
                self.send_away(number, now + self.options.max_disconnection);
                self.save_if_possible(number, Some(today));
                self.make_room();
            }
        }
    }

    /// Whether a connection has this session.
    pub(crate) fn is_connected(&self, number: Number) -> bool {
        let entry = self.sessions.get(&number);
        let place = entry.map(|entry| &entry.place);
        matches!(place, Some(Place::Joining { .. } | Place::Live { .. }))
    }

    fn send_away(&mut self, number: Number, deadline: Instant) {
        let entry = self.sessions.get_mut(&number).expect("it is known");
        entry.place = Place::Away { deadline };
        if let Some(socket) = entry.socket {
            self.by_socket.remove(&(entry.namespace.clone(), socket));
            self.flow.forget(socket, number);
        }
        self.absent.insert(&entry.namespace, &entry.rooms, number);
        self.deadlines.insert((deadline, number));
    }

    fn make_room(&mut self) {
        while self.deadlines.len() > self.options.sessions_max {
            let (_, longest_away) = *self.deadlines.first().expect("there are too many");
            self.forget(longest_away, Refusal::NoRoom);
        }
    }

    fn forget(&mut self, number: Number, why: Refusal) {
        self.remove(number, why);
        self.strike_out(vec![number]);
    }

    /// Forgets sessions in the storage too. One that cannot be deleted there comes back with the
    /// next process, and expires then.
    fn strike_out(&mut self, sessions: Vec<Number>) {
        if !sessions.is_empty() {
            drop(self.journal.forget(sessions));
        }
    }

    fn remove(&mut self, number: Number, why: Refusal) {
        let Some(entry) = self.sessions.remove(&number) else {
            return;
        };
        self.by_private_id.remove(&entry.private_id);
        if let Place::Away { deadline } = entry.place {
            self.deadlines.remove(&(deadline, number));
        } else if let Some(socket) = entry.socket {
            self.by_socket.remove(&(entry.namespace.clone(), socket));
            self.flow.forget(socket, number);
        }
        self.absent.remove(&entry.namespace, &entry.rooms, number);
        self.gone.insert(entry.private_id, why);
    }

    /// Forgets what has waited long enough, and records in the storage that we are alive.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the storage could not be updated.
    pub(crate) fn tick(&mut self, now: Instant, today: SystemTime) -> Result<(), StorageError> {
        let lost: Vec<(Number, Option<Sid>)> = self
            .sessions
            .iter()
            .filter(|(_, entry)| entry.is_lost())
            .map(|(number, entry)| (*number, entry.socket))
            .collect();
        for (number, socket) in lost {
            match self.sessions[&number].place {
                Place::Joining { .. } => self.abandon(number, socket),
                _ => self.forget(number, Refusal::Unknown),
            }
        }
        let mut expired = Vec::new();
        while let Some(&(deadline, number)) = self.deadlines.first()
            && deadline <= now
        {
            self.remove(number, Refusal::Expired);
            expired.push(number);
        }
        self.strike_out(expired);
        self.gone.expire(now);
        self.log.expire(now, self.options.retention());
        self.journal.tick(self.log.first(), today)
    }

    /// Keeps what the storage could not keep when it was asked to. Returns the sessions that may
    /// now be sent more, each with its namespace.
    pub(crate) fn resume(&mut self) -> Vec<(Str, Number)> {
        let receivers = self.journal.resume();
        self.with_namespaces(receivers)
    }

    /// See [`Journal::hold`].
    pub(crate) fn hold(&mut self) {
        self.journal.hold();
    }

    /// See [`Journal::release`]. Returns what [`resume`](Self::resume) does.
    pub(crate) fn release(&mut self) -> Result<Vec<(Str, Number)>, StorageError> {
        let receivers = self.journal.release()?;
        Ok(self.with_namespaces(receivers))
    }

    fn with_namespaces(&self, sessions: Vec<Number>) -> Vec<(Str, Number)> {
        let sessions: BTreeSet<Number> = sessions.into_iter().collect();
        let sessions = sessions.into_iter().filter_map(|number| {
            let entry = self.sessions.get(&number)?;
            Some((entry.namespace.clone(), number))
        });
        sessions.collect()
    }

    /// Whether something waits to be kept.
    pub(crate) fn is_behind(&self) -> bool {
        !self.journal.is_empty()
    }

    /// Keeps a session as it is. If the storage fails for good, the only consequence is that the
    /// next process knows the session as it was last kept, or not at all.
    fn save_if_possible(&mut self, number: Number, away_since: Option<SystemTime>) {
        drop(self.save(number, away_since));
    }

    fn save(&mut self, number: Number, away_since: Option<SystemTime>) -> Result<(), StorageError> {
        let entry = &self.sessions[&number];
        self.journal.save(SavedSession {
            number,
            namespace: entry.namespace.clone(),
            id: entry.id.clone(),
            private_id: entry.private_id.clone(),
            rooms: serde_json::to_string(&entry.rooms).map_err(StorageError::new)?,
            data: entry.data.to_string(),
            since: entry.since,
            floor: entry.floor,
            away_since,
        })
    }
}
