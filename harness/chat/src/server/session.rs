//! A client that was admitted, as the server sees it.

use super::gauge::Gauge;
use super::given::Given;
use super::lines::Line;
use super::recovery::Kept;
use crate::frame;
use crate::limits::{FLOOD, Limits};
use crate::message::{Content, EVERYBODY, MessageKind, full_name, local_name, room_of};
use crate::storage::{NewMessage, StorageError, StoredMessage};
use crate::wire::{self, Delivery, Login, Particulars, Piece, PieceRequest, Typing, WHOLE};
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use squall_recovery::{Recovery, SocketRef};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;
use tokio::time::Instant;

/// Counts the sessions of one server in order of arrival.
pub(super) type SessionNumber = u64;

/// The rooms that the user of a socket may be in, if not all.
#[derive(Clone)]
pub(super) struct Welcome(pub(super) Option<BTreeSet<String>>);

/// The line of a socket; none if socketioxide is not behind our door.
pub(super) fn line(socket: &SocketRef) -> Option<&Arc<Line>> {
    socket.req_parts().extensions.get::<Arc<Line>>()
}

/// One session of one client.
pub(super) struct ChatSession {
    /// None while it waits for its client.
    pub(super) socket: Option<SocketRef>,
    /// What the client can come back to.
    pub(super) state: squall_recovery::Session,
    pub(super) name: String,
    /// Which of the user's devices it is, if there are several.
    device: Option<String>,
    pub(super) namespace: String,
    /// Once the session exists, only changed together with the index of rooms in
    /// `exchange::sessions`.
    rooms: BTreeMap<String, i64>,
    pub(super) live: bool,
    /// Whether its client asks for large contents piece by piece.
    pub(super) pieces: bool,
    /// Whether its client asks for each page of a catch-up. Otherwise they come unasked.
    pub(super) pages: bool,
    /// After which message the last page came unasked, in this beat.
    pub(super) pushed: Option<i64>,
    /// The id of the last message in this session's stream.
    pub(super) head: i64,
    /// The highest id in use when it became live.
    live_since: i64,
    /// Its client's requests, in order of arrival.
    pub(super) given: VecDeque<Given>,
    /// How many bytes these take.
    pub(super) given_bytes: usize,
    allowed: Gauge,
    endured: Gauge,
    bytes: Gauge,
}

/// What a session may do with another message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Allowance {
    /// Send it.
    Granted,
    /// Nothing: it has sent too many.
    Refused,
    /// Leave: the session has sent far too many.
    Exhausted,
}

impl ChatSession {
    /// A session in the rooms that the client asks for, changed by what it has joined and left.
    pub(super) fn new(
        (socket, state): (SocketRef, squall_recovery::Session),
        login: Login,
        memberships: BTreeMap<String, (i64, MessageKind)>,
        limits: &Limits,
    ) -> Self {
        let Login {
            name,
            device,
            rooms,
            server_offset: offset,
            pieces,
            pages,
            ..
        } = login;
        let namespace = socket.ns().to_owned();
        let own = [EVERYBODY.to_owned(), room_of(&name)];
        let asked = rooms.into_iter().chain(own);
        let mut rooms: BTreeMap<String, i64> = asked
            .map(|room| (full_name(&namespace, &room), 0))
            .collect();
        changed(&mut rooms, &namespace, memberships);
        let kept = Kept {
            name,
            device,
            rooms,
            live: false,
            upto: 0,
            pieces,
        };
        let waiting = Self::waiting(state, kept, offset, limits);
        Self {
            socket: Some(socket),
            pages,
            ..waiting
        }
    }

    /// A session that waits for its client, and has been sent everything up to `head`.
    pub(super) fn waiting(
        state: squall_recovery::Session,
        Kept {
            name,
            device,
            rooms,
            live,
            upto,
            pieces,
        }: Kept,
        head: i64,
        limits: &Limits,
    ) -> Self {
        let now = Instant::now();
        let (rate, burst, bytes) = (limits.rate, limits.burst, limits.bytes);
        Self {
            socket: None,
            namespace: state.namespace().to_owned(),
            state,
            name,
            device,
            rooms,
            live,
            pieces,
            pages: false,
            pushed: None,
            head,
            live_since: upto,
            given: VecDeque::new(),
            given_bytes: 0,
            allowed: Gauge::new(rate, burst, now),
            endured: Gauge::new(rate.saturating_mul(FLOOD), burst.saturating_mul(FLOOD), now),
            bytes: Gauge::new(bytes, bytes.saturating_mul(2), now),
        }
    }

    /// The session with its client's next connection.
    pub(super) fn resumed(self, socket: SocketRef, state: squall_recovery::Session) -> Self {
        Self {
            socket: Some(socket),
            state,
            ..self
        }
    }

    /// Its client, as observers are told of it.
    pub(super) fn client(&self) -> &str {
        self.device.as_ref().unwrap_or(&self.name)
    }

    /// From now on it gets everything that is for it, as there was nothing more for it up to the
    /// highest id in use.
    pub(super) fn go_live(&mut self, highest: i64) {
        self.live = true;
        self.live_since = highest;
    }

    /// The highest id in use when it became live: its client has handled everything for it up to
    /// there, or has not got the page that said so.
    pub(super) fn live_since(&self) -> i64 {
        self.live_since
    }

    /// Notes what the next server needs to know, if sessions are kept.
    pub(super) fn keep(&self) -> Result<(), StorageError> {
        let kept = Kept {
            name: self.name.clone(),
            device: self.device.clone(),
            rooms: self.rooms.clone(),
            live: self.live,
            upto: self.live_since,
            pieces: self.pieces,
        };
        Ok(self.state.set_data(&kept)?)
    }

    /// Puts a small event into the socket's queue; returns whether there is a socket, with room in
    /// its queue.
    pub(super) fn emit_event(&self, event: &str, data: &impl Serialize) -> bool {
        let Some(socket) = &self.socket else {
            return false;
        };
        let line = line(socket);
        let fits = line.is_none_or(|line| line.has_place());
        let taken = fits && socket.emit(event, data).is_ok();
        if let (Some(line), true) = (line, taken) {
            line.takes_event(length(event, data));
        }
        taken
    }

    /// The same for an event of this many bytes, for which its client's budget must have room.
    fn emit_sized(&self, event: &str, data: &impl Serialize, bytes: usize) -> bool {
        let Some(socket) = &self.socket else {
            return false;
        };
        let (line, bytes) = (line(socket), bytes as u64);
        let fits = line.is_none_or(|line| line.has_place() && line.has_room(bytes));
        let taken = fits && socket.emit(event, data).is_ok();
        if let (Some(line), true) = (line, taken) {
            line.takes(bytes);
        }
        taken
    }

    /// It is only in these rooms, that of all users and its own, whatever it joined before.
    pub(super) fn stay_within(&mut self, rooms: &BTreeSet<String>) {
        let own = [EVERYBODY.to_owned(), room_of(&self.name)];
        self.rooms.retain(|room, _| {
            let room = local_name(room).to_owned();
            own.contains(&room) || rooms.contains(&room)
        });
    }

    /// Whether its user may be in a room.
    pub(super) fn may_enter(&self, room: &str) -> bool {
        let socket = self.socket.as_ref();
        let welcome = socket.and_then(|socket| socket.extensions.get::<Welcome>());
        let rooms = welcome.and_then(|Welcome(rooms)| rooms);
        rooms.is_none_or(|rooms| rooms.contains(room))
    }

    /// To be called once per ping interval: see [`Line::settle`].
    pub(super) fn settle(&self) {
        if let Some(line) = self.socket.as_ref().and_then(line) {
            line.settle();
        }
    }

    /// How many bytes wait for its client to read them.
    pub(super) fn queued(&self) -> u64 {
        let line = self.socket.as_ref().and_then(line);
        line.map_or(0, |line| line.queued())
    }

    /// Counts one more message of this session, with a content of this many bytes.
    pub(super) fn count_message(&mut self, bytes: usize) -> Allowance {
        let now = Instant::now();
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        if !self.endured.admits(1, now) {
            return Allowance::Exhausted;
        }
        match self.allowed.admits(1, now) && self.bytes.admits(bytes, now) {
            true => Allowance::Granted,
            false => Allowance::Refused,
        }
    }

    /// The rooms that it is in by full name, with the id from which their messages are for it.
    pub(super) fn rooms(&self) -> &BTreeMap<String, i64> {
        &self.rooms
    }

    /// It is now in a room, whose messages from this id on are for it.
    pub(super) fn enter(&mut self, room: String, since: i64) {
        self.rooms.insert(room, since);
    }

    /// It is not in that room any more.
    pub(super) fn leave(&mut self, room: &str) {
        self.rooms.remove(room);
    }

    /// Something was said while its client was on its way here from another server.
    pub(super) fn goes_through(
        &mut self,
        stored: &StoredMessage,
        recovery: &Recovery,
    ) -> Result<(), StorageError> {
        let StoredMessage { id, message } = stored;
        let own = message.sender == self.name && message.namespace() == self.namespace;
        if own && message.kind == MessageKind::Join {
            self.enter(message.room.clone(), *id);
        }
        if self.live && self.is_for(message) {
            emit_at(
                recovery,
                stored,
                (&self.namespace, self.pieces),
                [&self.state],
            )?;
            self.head = *id;
        }
        if own && message.kind == MessageKind::Leave {
            self.leave(&message.room);
        }
        Ok(())
    }

    /// Whether a message is for this session.
    pub(super) fn is_for(&self, message: &NewMessage) -> bool {
        let in_room = self.rooms.contains_key(&message.room);
        let own = self.name == message.sender;
        in_room && (message.echo || !own)
    }

    /// Whether the session entered the message's room with a later message.
    pub(super) fn has_joined_after(&self, stored: &StoredMessage) -> bool {
        let since = self.rooms.get(&stored.message.room);
        since.is_some_and(|since| stored.id < *since)
    }

    /// Puts a message into the socket's queue, as the next link of the session's chain. Returns
    /// whether there was room.
    pub(super) fn emit(&mut self, stored: &StoredMessage) -> bool {
        self.emit_link(&mut Fanout::of(stored))
    }

    /// Puts a piece of a message's content into the socket's queue, if the message is for this
    /// session. If it does not fit, the client asks for it again.
    pub(super) fn emit_piece(&self, request: PieceRequest, stored: Option<StoredMessage>) {
        let PieceRequest { id, from, most } = request;
        let is_mine = |stored: &StoredMessage| {
            let since = self.rooms.get(&stored.message.room);
            since.is_none_or(|since| id >= *since) && self.is_for(&stored.message)
        };
        let stored = stored.filter(is_mine);
        let content = stored
            .as_ref()
            .map_or(&[][..], |stored| stored.message.content.as_bytes());
        let rest = content.get(from..).unwrap_or_default();
        let piece = &rest[..rest.len().min(most).min(WHOLE * 2)];
        let header = Piece {
            id,
            from,
            total: content.len(),
            content: Content::Binary(Vec::new()),
        };
        let frame = Bytes::from(frame::encode(&header, piece));
        self.emit_sized(wire::PIECE, &frame, frame.len());
    }

    /// The same for a message that others get as well.
    pub(super) fn emit_link(&mut self, link: &mut Fanout<'_>) -> bool {
        let accepted = match link.after(self.head, self.pieces) {
            Written::Text(json) => self.emit_sized(wire::CHAT_MESSAGE, json, json.get().len()),
            Written::Binary(frame) => self.emit_sized(wire::BINARY_MESSAGE, frame, frame.len()),
        };
        if accepted {
            self.head = link.stored.id;
        }
        accepted
    }

    /// Tells the client that a user is typing, if there is room for that right now.
    pub(super) fn emit_typing(&self, message: &NewMessage) {
        let typing = Typing {
            room: local_name(&message.room).to_owned(),
            sender: message.sender.clone(),
            content: message.content.clone(),
        };
        self.emit_event(wire::TYPING, &typing);
    }
}

/// Emits a message to sessions of one namespace, connected or not: it is kept for them. `pieces`
/// says whether their clients ask for a large content piece by piece.
pub(super) fn emit_at<'a>(
    recovery: &Recovery,
    stored: &StoredMessage,
    (namespace, pieces): (&str, bool),
    sessions: impl IntoIterator<Item = &'a squall_recovery::Session>,
) -> Result<(), StorageError> {
    let delivery = delivery(stored, 0, pieces);
    let emitted = match &framed(&delivery) {
        // One argument: socketioxide would make several of an array.
        None => {
            let event = (wire::CHAT_MESSAGE, &(&delivery,));
            recovery.emit_at(stored.id, namespace, sessions, event)
        }
        Some(frame) => {
            let event = (wire::BINARY_MESSAGE, frame);
            recovery.emit_at(stored.id, namespace, sessions, event)
        }
    };
    Ok(emitted?)
}

/// How many bytes an event has on the wire.
fn length(event: &str, data: &impl Serialize) -> u64 {
    /// Counts what is written to it.
    struct Count(u64);

    impl io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let mut count = Count(0);
    // What cannot be written has not been sent either.
    let _ = serde_json::to_writer(&mut count, &(event, data));
    "42".len() as u64 + count.0
}

/// Changes a session's rooms by what its user has joined and left.
pub(super) fn changed(
    rooms: &mut BTreeMap<String, i64>,
    namespace: &str,
    memberships: BTreeMap<String, (i64, MessageKind)>,
) {
    for (room, (id, kind)) in memberships {
        if full_name(namespace, local_name(&room)) != room {
            continue;
        }
        match kind {
            MessageKind::Join => rooms.insert(room, id),
            _ => rooms.remove(&room),
        };
    }
}

/// A message on its way to many sessions. Most of them had the same message before it, so what is
/// serialised for one of those serves all of them.
pub(super) struct Fanout<'a> {
    stored: &'a StoredMessage,
    /// As last serialised: after which message, and whether its content may be left out.
    written: Option<((i64, bool), Written)>,
}

/// The payload of an event.
enum Written {
    Text(Box<RawValue>),
    Binary(Bytes),
}

impl<'a> Fanout<'a> {
    pub(super) fn of(stored: &'a StoredMessage) -> Self {
        let written = None;
        Self { stored, written }
    }

    fn after(&mut self, previous: i64, pieces: bool) -> &Written {
        let how = (previous, pieces);
        let same = self.written.take_if(|(before, _)| *before == how);
        let (_, written) = self.written.insert(same.unwrap_or_else(|| {
            let delivery = delivery(self.stored, previous, pieces);
            (how, Written::new(&delivery))
        }));
        written
    }
}

impl Written {
    fn new(delivery: &Delivery) -> Self {
        match framed(delivery) {
            None => Written::Text(to_raw_value(delivery).expect("its keys are texts")),
            Some(frame) => Written::Binary(frame),
        }
    }
}

/// A message to be delivered after another one; with `pieces`, a large content is left out.
pub(super) fn delivery(
    StoredMessage { id, message }: &StoredMessage,
    previous: i64,
    pieces: bool,
) -> Delivery {
    let content = &message.content;
    let length = Some(content.len()).filter(|&length| pieces && length > WHOLE);
    Delivery {
        content: match length {
            Some(_) => content.emptied(),
            None => content.clone(),
        },
        id: *id,
        room: local_name(&message.room).to_owned(),
        sender: message.sender.clone(),
        sent_at_ms: message.sent_at_ms,
        particulars: Particulars {
            previous: (previous != *id - 1).then_some(previous),
            kind: message.kind,
            nickname: message.nickname.clone(),
            length,
        },
    }
}

/// The frame of a message with binary content.
pub(super) fn framed(delivery: &Delivery) -> Option<Bytes> {
    match &delivery.content {
        Content::Binary(bytes) if delivery.particulars.length.is_none() => {
            Some(frame::encode(delivery, bytes).into())
        }
        // A content that has to be requested is only announced.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stored(kind: MessageKind) -> StoredMessage {
        StoredMessage {
            id: 9,
            message: NewMessage {
                client_offset: None,
                content: "hello".into(),
                sender: "ann".to_owned(),
                room: "lobby".to_owned(),
                echo: true,
                kind,
                nickname: None,
                sent_at_ms: 0,
            },
        }
    }

    fn json<'a>(link: &'a mut Fanout<'_>, previous: i64) -> &'a str {
        match link.after(previous, false) {
            Written::Text(json) => json.get(),
            Written::Binary(_) => panic!("words are no frame"),
        }
    }

    #[test]
    fn a_message_names_the_one_that_its_receiver_had_before_it() {
        let stored = stored(MessageKind::Message);
        let mut link = Fanout::of(&stored);
        for previous in [3, 3, 7, 8, 3] {
            let delivery: Delivery = serde_json::from_str(json(&mut link, previous)).unwrap();
            assert_eq!((delivery.id, delivery.previous()), (9, previous));
        }
    }

    #[test]
    fn what_a_message_is_goes_without_saying_if_it_is_only_that() {
        for (kind, said) in [(MessageKind::Message, false), (MessageKind::Join, true)] {
            let stored = stored(kind);
            let mut link = Fanout::of(&stored);
            let json = json(&mut link, 3);
            assert_eq!(json.contains("kind"), said);
            let delivery: Delivery = serde_json::from_str(json).unwrap();
            assert_eq!(delivery.particulars.kind, kind);
        }
    }
}
