//! The one place where messages change hands: a turn of them at a time (`turns`) is stored, then
//! sent to everyone who is live, then acknowledged. Nothing here awaits, and everything runs under
//! one lock, so the order of ids is the order of broadcasts, and a session joins the live stream at
//! exactly the point where its catch-up ends.
//!
//! A session is *live* or it is not. It is not while it catches up, and it ceases to be when its
//! queue is full: from then on it gets nothing until it asks (`sync`), and the next beat tells it
//! to. So a full queue delays but never loses. In [`ToClient::LiveOnly`] there is nothing to ask
//! for, and what does not fit is lost, as that mode says.
//!
//! A crash between storing and broadcasting leaves a message that was never sent. Receivers that
//! were connected have lost their connection to the same crash, and get it when they come back: by
//! catching up, or because the next server sends it to the waiting sessions (`expect_clients`).
//!
//! Sessions are kept in order of arrival and every emit goes to one socket: socketioxide's own
//! broadcast iterates over a hash set, and does not report whose queue was full.

mod broker;
mod following;
mod sessions;
mod turns;

pub(super) use turns::refuse_message;

use super::given::Given;
use super::histogram::Histogram;
use super::presence::Presence;
use super::recovery::Kept;
use super::session::{
    Allowance, ChatSession, Fanout, SessionNumber, Welcome, changed, emit_at, line,
};
use super::{Census, ServerEvent, ServerOptions, ToClient};
use crate::Observer;
use crate::cause::Rejection;
use crate::limits::Limits;
use crate::message::{MessageKind, full_name, is_open, nickname_taken};
use crate::storage::{Database, Inserted, NewMessage, StorageError, StoredMessage};
use crate::wire::{self, Beat, Login, PieceRequest, Ready, Receipt, Stopping, Submission, Synced};
use broker::Broker;
use sessions::Sessions;
use socketioxide::TransportType;
use squall_recovery::{Recovery, SocketRef};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};

/// The state of a server.
pub(super) struct Exchange {
    /// All messages; in a cluster, a copy of the broker's.
    database: Database,
    broker: Option<Broker>,
    highest: i64,
    to_client: ToClient,
    page: usize,
    limits: Limits,
    observer: Observer<ServerEvent>,
    sessions: Sessions,
    arrivals: SessionNumber,
    /// What lets clients come back to their sessions.
    recovery: Recovery,
    /// The sessions that wait for their clients, by id.
    waiting: HashMap<String, SessionNumber>,
    /// Who is online, if clients are told.
    presence: Option<Presence>,
    /// The sessions that want something, in order of their turns.
    turns: VecDeque<SessionNumber>,
    /// The sessions that have missed something, and do not ask for it.
    behind: BTreeSet<SessionNumber>,
    /// How many bytes there are in the queues of client requests.
    given_bytes: usize,
    /// How long it took to store messages.
    commits: Histogram,
}

/// The rooms that a session is in without asking: that of all users, and its own.
const OWN_ROOMS: usize = 2;

/// Whether a page was sent to a session that did not ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pushed {
    /// No session waits for one.
    Nothing,
    /// A session does, but has not read the last one yet.
    Later,
    /// A session is about to be sent one.
    Some,
}

impl Exchange {
    pub(super) fn new(
        database: Database,
        recovery: Recovery,
        options: &ServerOptions,
        observer: Observer<ServerEvent>,
    ) -> Result<Self, StorageError> {
        Ok(Self {
            observer,
            highest: database.highest_id()?,
            database,
            broker: (options.cluster.as_ref()).map(|cluster| Broker::new(cluster.adapter)),
            to_client: options.to_client,
            page: options.catch_up_page.max(1),
            limits: options.limits,
            sessions: Sessions::default(),
            arrivals: 0,
            recovery,
            waiting: HashMap::new(),
            presence: options.presence.then(Presence::default),
            turns: VecDeque::new(),
            behind: BTreeSet::new(),
            given_bytes: 0,
            commits: Histogram::default(),
        })
    }

    /// Takes over the sessions of the last server, whose clients may come back, and sends them what
    /// that server stored but did not live to send.
    pub(super) fn expect_clients(&mut self) -> Result<(), StorageError> {
        let sent = self.recovery.position().unwrap_or_default();
        let mut all_sent = self.highest;
        for state in self.recovery.waiting() {
            let Some(mut kept) = state.data::<Kept>() else {
                continue;
            };
            let upto = kept.upto.max(sent).min(self.highest);
            // It may also have died before it noted that a user joined or left.
            self.bring_up_to(upto, &state, &mut kept)?;
            all_sent = all_sent.min(upto);
            let number = self.next_number();
            self.waiting.insert(state.id().to_owned(), number);
            let session = ChatSession::waiting(state, kept, upto, &self.limits);
            self.sessions.insert(number, session);
        }
        let unsent = self.database.log_after(all_sent, usize::MAX)?;
        let recovery = self.recovery.clone();
        recovery.together(|| {
            unsent
                .into_iter()
                .try_for_each(|stored| self.broadcast(stored))
        })??;
        self.tell_no_more_than_was_for_them()
    }

    /// A session that waits has been sent everything up to an id, which may be that of a message
    /// for others. A beat with it would make its client ask for what it does not lack.
    fn tell_no_more_than_was_for_them(&mut self) -> Result<(), StorageError> {
        for &number in self.waiting.values() {
            if let Some(session) = self.sessions.get_mut(number) {
                let (name, rooms) = (&session.name, session.rooms());
                session.head = self.database.last_for(name, rooms, session.head)?;
            }
        }
        Ok(())
    }

    /// Takes over a session that its client has brought from another server, and emits to it what
    /// the client has missed: the other server has not told us what it has sent, but the client
    /// says what it has handled. If more than `most` was said since, returns up to where the client
    /// has handled everything; it has to catch up from there, page by page.
    pub(super) fn take_over(
        &mut self,
        state: &squall_recovery::Session,
        most: usize,
    ) -> Result<Option<i64>, StorageError> {
        let number = self.waiting.get(state.id()).copied();
        let number = number.or_else(|| self.sessions.find(state.id()));
        let is_here = number.is_some_and(|number| {
            let session = self.sessions.get(number);
            session.is_some_and(|session| session.state.exists())
        });
        let kept = state
            .data::<Kept>()
            .filter(|_| !is_here && state.recovered());
        let Some(mut kept) = kept else {
            return Ok(None);
        };
        // What it was when it was here before, if it was.
        if let Some(number) = number {
            self.remove_if_over(number);
        }
        // An earlier one is of the session that the client had before.
        let handled = state.position().unwrap_or_default().max(kept.upto);
        let missed = (self.database).log_after(handled, most.saturating_add(1))?;
        let too_much = missed.len() > most;
        kept.live &= !too_much;
        let known = if too_much { i64::MAX } else { handled };
        self.bring_up_to(known, state, &mut kept)?;
        let mut session = ChatSession::waiting(state.clone(), kept, handled, &self.limits);
        if !too_much {
            let recovery = self.recovery.clone();
            recovery.together(|| {
                let mut missed = missed.iter();
                missed.try_for_each(|stored| session.goes_through(stored, &recovery))
            })??;
        }
        let number = self.next_number();
        self.waiting.insert(state.id().to_owned(), number);
        self.sessions.insert(number, session);
        Ok(too_much.then_some(handled))
    }

    /// Changes the rooms of a kept session by what its user has joined and left up to an id.
    fn bring_up_to(
        &self,
        upto: i64,
        state: &squall_recovery::Session,
        kept: &mut Kept,
    ) -> Result<(), StorageError> {
        let memberships = self.database.memberships(&kept.name, upto)?;
        changed(&mut kept.rooms, state.namespace(), memberships);
        Ok(())
    }

    /// The highest id in use.
    pub(super) fn highest(&self) -> i64 {
        self.highest
    }

    /// A number for a session that is about to be opened.
    pub(super) fn next_number(&mut self) -> SessionNumber {
        self.arrivals += 1;
        self.arrivals
    }

    /// Whether a returning client lacks what made it live: the last page of its catch-up was in
    /// flight when the connection was lost. Pages are not emitted to sessions, so nothing repeats
    /// this one; the client continues its catch-up, which also brings what came later.
    pub(super) fn lacks_a_page(&self, state: &squall_recovery::Session, offset: i64) -> bool {
        let session = self.recovered(state);
        session.is_some_and(|session| session.live && offset < session.live_since())
    }

    /// Whether a client that returns to its session over polling has missed more than it can read
    /// at once: all of that would be in one answer (see [`fits_into_a_segment`]), and in the same
    /// one on each further connection. It continues its catch-up, in pages that fit.
    pub(super) fn would_be_torn(
        &self,
        (state, transport): (&squall_recovery::Session, TransportType),
        login: &Login,
    ) -> bool {
        let polls = login.pages && matches!(transport, TransportType::Polling);
        let Some(session) = self.recovered(state).filter(|_| polls) else {
            return false;
        };
        let (offset, page) = (login.server_offset, self.page + 1);
        let missed = (self.database).after(offset, &session.name, session.rooms(), page);
        missed.is_ok_and(|missed| missed.len() == page || !fits_into_a_segment(&missed))
    }

    /// The session that a client has come back to, if it catches up.
    fn recovered(&self, state: &squall_recovery::Session) -> Option<&ChatSession> {
        if !state.recovered() || self.to_client == ToClient::LiveOnly {
            return None;
        }
        let waiting = self.waiting.get(state.id()).copied();
        let number = waiting.or_else(|| self.sessions.find(state.id()));
        number.and_then(|number| self.sessions.get(number))
    }

    /// Notes who a newcomer is before its client is greeted, so that another server can go on with
    /// the session if this one cannot.
    pub(super) fn announce(
        &self,
        (socket, state): (&SocketRef, &squall_recovery::Session),
        login: &Login,
    ) -> Result<(), StorageError> {
        let memberships = self.database.memberships(&login.name, i64::MAX)?;
        let connection = (socket.clone(), state.clone());
        let mut newcomer = ChatSession::new(connection, login.clone(), memberships, &self.limits);
        if let Some(Welcome(Some(rooms))) = socket.extensions.get::<Welcome>() {
            newcomer.stay_within(&rooms);
        }
        newcomer.keep()?;
        Ok(state.keep()?)
    }

    /// Greets a client. It gets messages from now on, unless it has to catch up first; returns
    /// whether it has to.
    pub(super) fn open(
        &mut self,
        number: SessionNumber,
        (socket, state): (SocketRef, squall_recovery::Session),
        login: Login,
        options: &ServerOptions,
    ) -> Result<bool, StorageError> {
        // First what can fail: a client that is greeted has a session.
        let memberships = self.database.memberships(&login.name, i64::MAX)?;
        let welcome = socket.extensions.get::<Welcome>();
        let before = self.waiting.remove(state.id());
        let before = before.and_then(|number| self.sessions.remove(number));
        let live = match &before {
            Some(session) => session.live && !state.leaves_out_missed(),
            None => self.to_client == ToClient::LiveOnly,
        };
        let ready = Ready {
            session: state.id().to_owned(),
            catch_up: self.to_client == ToClient::CatchUp,
            live,
            recovered: state.recovered(),
            refused: state.refusal(),
            private_id: state.private_id().map(ToOwned::to_owned),
            ping_interval_ms: options.ping_interval.as_millis() as u64,
            ping_timeout_ms: options.ping_timeout.as_millis() as u64,
            content_max: self.limits.content,
            max_payload: options.max_payload,
        };
        // There is room for it: the recovery layer leaves half of the queue to others. If it fails
        // nevertheless, the connection is already lost, and we are about to learn of it.
        drop(socket.emit(wire::READY, &ready));
        let line_of_its_own = line(&socket).cloned();
        let superseded = before.as_ref().and_then(|session| session.socket.as_ref());
        if let Some(line) = superseded.and_then(line) {
            line.leaves();
        }
        let (pieces, pages) = (login.pieces, login.pages);
        let mut session = match before {
            Some(session) => session.resumed(socket, state),
            None => ChatSession::new((socket, state), login, memberships, &self.limits),
        };
        match live && !session.live {
            true => session.go_live(self.highest),
            false => session.live = live,
        }
        (session.pieces, session.pages) = (pieces, pages);
        if let Some(Welcome(Some(rooms))) = welcome {
            session.stay_within(&rooms);
        }
        session.keep()?;
        if let Some(presence) = &mut self.presence {
            presence.came(&session.namespace, &session.name);
            session.emit_event(wire::ROSTER, &presence.whole(&session.namespace));
        }
        if !session.given.is_empty() {
            self.turns.push_back(number);
        }
        self.sessions.insert(number, session);
        if let Some(line) = line_of_its_own {
            line.enters();
        }
        Ok(!live)
    }

    /// Closes the database.
    pub(super) fn shut(self) -> Result<(), StorageError> {
        self.database.close()
    }

    /// The connection of a session has ended, and with it the session, unless its client may come
    /// back. Returns whether there was a connection.
    pub(super) fn close(&mut self, number: SessionNumber) -> bool {
        let Some(session) = self.sessions.get_mut(number) else {
            return false;
        };
        let socket = session.socket.take();
        if let Some(line) = socket.as_ref().and_then(line) {
            line.leaves();
        }
        let connected = socket.is_some();
        if let (Some(presence), true) = (&mut self.presence, connected) {
            presence.went(&session.namespace, &session.name);
        }
        if session.state.exists() {
            self.waiting.insert(session.state.id().to_owned(), number);
        }
        self.remove_if_over(number);
        connected
    }

    /// Forgets a session that has no connection, cannot be recovered, and whose last words have
    /// been heard.
    fn remove_if_over(&mut self, number: SessionNumber) {
        let over = self.sessions.get(number).is_some_and(|session| {
            session.socket.is_none() && session.given.is_empty() && !session.state.exists()
        });
        if over {
            self.sessions.remove(number);
        }
    }

    /// Tells every client that the server is about to end its connection, and returns the sessions
    /// that have one: id and client.
    pub(super) fn part(&mut self) -> Vec<(String, String)> {
        let connected = self
            .sessions
            .iter()
            .filter(|session| session.socket.is_some());
        let mut parting = Vec::new();
        for session in connected {
            session.emit_event(wire::STOPPING, &Stopping {});
            parting.push((session.state.id().to_owned(), session.client().to_owned()));
        }
        parting
    }

    /// Ends the connections of all clients. Returns what [`part`](Self::part) does.
    pub(super) fn let_go(&mut self) -> Vec<(String, String)> {
        let parting = self.part();
        for number in self.sessions.numbers() {
            let session = self.sessions.get(number);
            let socket = session.and_then(|session| session.socket.clone());
            // It waits from now on, not from when its connection has ended.
            session.inspect(|session| session.state.release());
            self.close(number);
            if let Some(line) = socket.as_ref().and_then(line) {
                line.end();
            }
        }
        parting
    }

    /// The client of this session has made another connection. If the session still has a
    /// connection, that has ended: then this returns the client's name.
    pub(super) fn supersede(&mut self, state: &squall_recovery::Session) -> Option<String> {
        if !state.recovered() || self.waiting.contains_key(state.id()) {
            return None;
        }
        let number = self.sessions.find(state.id())?;
        let client = self.sessions.get(number)?.client().to_owned();
        self.close(number).then_some(client)
    }

    /// How many bytes wait for clients to read them, not counting those from the recovery layer.
    pub(super) fn queued(&self) -> u64 {
        self.sessions.iter().map(ChatSession::queued).sum()
    }

    /// How many bytes there are of what clients have asked for and not received yet.
    pub(super) fn given_bytes(&self) -> usize {
        self.given_bytes
    }

    /// How long it took to store messages.
    pub(super) fn commits(&self) -> Histogram {
        self.commits
    }

    /// Counts one more message of a session that is still there.
    pub(super) fn count_message(&mut self, number: SessionNumber, bytes: usize) -> Allowance {
        let session = self.sessions.get_mut(number);
        session.map_or(Allowance::Refused, |session| session.count_message(bytes))
    }

    /// Says what is wrong with a message, if anything. A stored message is always right: it may be
    /// a retry by a user who has left the room since, for example.
    pub(super) fn check(
        &self,
        number: SessionNumber,
        submission: &Submission,
    ) -> Result<Result<(), Rejection>, StorageError> {
        let Some(session) = self.sessions.get(number) else {
            return Ok(Ok(()));
        };
        let Err(refusal) = self.check_new(session, submission)? else {
            return Ok(Ok(()));
        };
        let stored = self
            .database
            .find_same(&message(session, submission.clone()))?;
        Ok(stored.map(|_| ()).ok_or(refusal))
    }

    fn check_new(
        &self,
        session: &ChatSession,
        submission: &Submission,
    ) -> Result<Result<(), Rejection>, StorageError> {
        if let Err(refusal) = submission.check(&self.limits) {
            return Ok(Err(refusal));
        }
        if submission.kind == MessageKind::Join && !session.may_enter(&submission.room) {
            return Ok(Err("this room is not for this user".to_owned().into()));
        }
        let room = full_name(&session.namespace, &submission.room);
        let member = session.rooms().contains_key(&room);
        let may = match submission.kind {
            MessageKind::Join => member || session.rooms().len() < self.limits.rooms + OWN_ROOMS,
            MessageKind::Message | MessageKind::Typing => {
                member || is_open(&submission.room, &self.limits)
            }
            MessageKind::Leave => member,
        };
        if !may {
            let most = self.limits.rooms;
            let reason = match submission.kind {
                MessageKind::Join => format!("rooms: at most {most} allowed; leave one first"),
                _ => "the sender is not in this room; join it first".to_owned(),
            };
            return Ok(Err(reason.into()));
        }
        if let Some(nickname) = &submission.nickname
            && self.database.is_taken(nickname, &room, &session.name)?
        {
            return Ok(Err(nickname_taken(nickname).into()));
        }
        Ok(Ok(()))
    }

    /// Stores a message, unless it is there already. Returns the receipt, and the message if it is
    /// new; none if the sender has left. The observer must be told once it is committed.
    pub(super) fn insert(
        &mut self,
        number: SessionNumber,
        submission: Submission,
    ) -> Result<Option<(Receipt, Option<StoredMessage>)>, StorageError> {
        let Some(session) = self.sessions.get(number) else {
            return Ok(None);
        };
        let (tag, client_offset) = (submission.tag.clone(), submission.client_offset.clone());
        let message = message(session, submission);
        let (id, refusal, new) = match self.database.insert(&message) {
            Ok(Inserted::New(id)) => (Some(id), None, Some(StoredMessage { id, message })),
            Ok(Inserted::Duplicate(id)) => (Some(id), None, None),
            Err(error @ StorageError::OffsetReused(_)) => {
                (None, Some(error.to_string().into()), None)
            }
            Err(error) => return Err(error),
        };
        let receipt = Receipt {
            tag,
            id,
            client_offset,
            refusal,
            retry: false,
        };
        Ok(Some((receipt, new)))
    }

    /// A message is committed.
    pub(super) fn tell_stored(&self, StoredMessage { id, .. }: &StoredMessage) {
        (self.observer)(ServerEvent::Stored { id: *id });
    }

    /// Tells everyone who is there that a user is typing.
    pub(super) fn relay_typing(
        &mut self,
        number: SessionNumber,
        submission: Submission,
    ) -> Result<(), StorageError> {
        let Some(session) = self.sessions.get(number) else {
            return Ok(());
        };
        let message = message(session, submission);
        self.tell_typing(Some(number), &message);
        self.tell_servers(StoredMessage { id: 0, message });
        Ok(())
    }

    fn tell_typing(&self, sender: Option<SessionNumber>, message: &NewMessage) {
        for (number, place) in self.sessions.receivers(message) {
            if Some(number) != sender {
                self.sessions[place].emit_typing(message);
            }
        }
    }

    /// Sends a message that was just stored to everyone who is live in its room. A sender who joins
    /// with it is in the room before it is sent, one who leaves with it until after: with all its
    /// sessions, because a message may arrive late, on a connection that its client has given up
    /// for another.
    fn broadcast(&mut self, stored: StoredMessage) -> Result<(), StorageError> {
        let StoredMessage { id, message } = &stored;
        self.highest = self.highest.max(*id);
        if message.kind == MessageKind::Join {
            self.sessions.sender_enters(message, *id)?;
        }
        if self.recovery.is_on() {
            // All its receivers and deliveries are kept, or none of them.
            let recovery = self.recovery.clone();
            recovery.together(|| self.publish(&stored))??;
        } else {
            self.send(&stored);
        }
        if message.kind == MessageKind::Leave {
            self.sessions.sender_leaves(message)?;
        }
        Ok(())
    }

    /// Sends a message to each of its receivers separately.
    fn send(&mut self, stored: &StoredMessage) {
        let mut link = Fanout::of(stored);
        // What a channel brings out of order may be older than a member's join.
        let is_late = stored.id < self.highest;
        for (number, place) in self.sessions.receivers(&stored.message) {
            let session = &mut self.sessions[place];
            if !session.live || (is_late && session.has_joined_after(stored)) {
                continue;
            }
            // A session that cannot take a message now falls out of the live stream and has to ask
            // for it; without catch-up that is impossible.
            session.live = session.emit_link(&mut link) || self.to_client == ToClient::LiveOnly;
            if !session.live && !session.pages {
                self.behind.insert(number);
            }
        }
    }

    /// Sends a message to all its receivers, connected or not, together: it is kept once. It is not
    /// a link of a chain, because what a session is sent this way has no gaps.
    fn publish(&mut self, stored: &StoredMessage) -> Result<(), StorageError> {
        let mut places = self.sessions.receivers(&stored.message);
        places.retain(|&(_, place)| {
            let session = &self.sessions[place];
            session.live && session.head < stored.id
        });
        for &(_, place) in &places {
            self.sessions[place].head = stored.id;
        }
        let mut receivers: BTreeMap<(&str, bool), Vec<&squall_recovery::Session>> = BTreeMap::new();
        for &(_, place) in &places {
            let session = &self.sessions[place];
            let how = (&*session.namespace, session.pieces);
            let there = receivers.entry(how).or_default();
            there.push(&session.state);
        }
        for ((namespace, pieces), sessions) in receivers {
            emit_at(&self.recovery, stored, (namespace, pieces), sessions)?;
        }
        Ok(())
    }

    /// Sends a session one page of what comes after `offset`; with the last page it becomes live. A
    /// page that cannot be read is not sent, and the client asks again.
    pub(super) fn sync(&mut self, number: SessionNumber, offset: i64) -> Result<(), StorageError> {
        let Some(session) = self.sessions.get_mut(number) else {
            return Ok(());
        };
        if self.to_client == ToClient::LiveOnly {
            return Ok(());
        }
        session.live = false;
        session.head = offset;
        let transport = session
            .socket
            .as_ref()
            .map(|socket| socket.transport_type());
        // A client that does not ask is not one of ours, and can read an answer in several
        // segments.
        let polls = session.pages && matches!(transport, Some(TransportType::Polling));
        let mut page =
            self.database
                .after(offset, &session.name, session.rooms(), self.page + 1)?;
        let read = page.len();
        page.truncate(self.page);
        while !self.limits.fits(&page) || polls && !fits_into_a_segment(&page) {
            page.pop();
        }
        let complete = page.len() == read;
        let sent = page.iter().all(|message| session.emit(message));
        // What did not fit comes later.
        let upto = match complete && sent {
            true => self.highest,
            false => session.head,
        };
        let synced = Synced {
            previous: session.head,
            upto,
            live: complete && sent,
        };
        // If this event does not fit into the queue, the client must not be considered live: it
        // would not know, and would ask again.
        if session.emit_event(wire::SYNCED, &synced) && synced.live {
            session.go_live(self.highest);
        }
        if !session.live && !session.pages {
            self.behind.insert(number);
        }
        session.keep()
    }

    /// Whether a session has missed something, and does not ask for it.
    pub(super) fn is_anybody_behind(&self) -> bool {
        !self.behind.is_empty()
    }

    /// Sends the next page to sessions that do not ask for it, as soon as they have read the last
    /// one: so their queues keep room for other traffic and pings. One whose queue took nothing of
    /// it, though it seemed to be empty, gets it again after the next beat, not at once: a peer
    /// that reads nothing would keep the server busy with that alone.
    pub(super) fn push_pages(&mut self) -> Pushed {
        let behind = std::mem::take(&mut self.behind);
        let mut pushed = Pushed::Nothing;
        for number in behind {
            let session = self.sessions.get_mut(number);
            let Some(session) = session.filter(|it| it.socket.is_some() && !it.live) else {
                continue;
            };
            match session.queued() {
                0 => {
                    let offset = session.head;
                    if session.pushed.replace(offset) == Some(offset) {
                        self.behind.insert(number);
                        continue;
                    }
                    self.give(number, Given::Sync(offset));
                    pushed = Pushed::Some;
                }
                _ => {
                    self.behind.insert(number);
                    pushed = pushed.max(Pushed::Later);
                }
            }
        }
        pushed
    }

    /// Sends a session the next part of a large content.
    pub(super) fn send_piece(
        &self,
        number: SessionNumber,
        request: PieceRequest,
    ) -> Result<(), StorageError> {
        if let Some(session) = self.sessions.get(number) {
            session.emit_piece(request, self.database.message(request.id)?);
        }
        Ok(())
    }

    /// What this server holds, besides its connections and the places that these have taken.
    pub(super) fn census(&self) -> Census {
        let all = self.sessions.iter().count();
        let connected = self
            .sessions
            .iter()
            .filter(|session| session.socket.is_some());
        let sessions = connected.count();
        let kept = self.recovery.census();
        Census {
            sessions,
            waiting: all - sessions,
            rooms: self.sessions.rooms(),
            online: self.presence.as_ref().map_or(0, Presence::count),
            unanswered: self.unanswered(),
            given_bytes: self.given_bytes,
            queued_bytes: self.queued(),
            kept_packets: kept.packets,
            kept_bytes: kept.bytes,
            unsaved: kept.unsaved,
            ..Census::default()
        }
    }

    /// Tells every session that the server is there, and how far its stream has got.
    pub(super) fn beat(&mut self) {
        self.forget_expired();
        for &number in &self.behind {
            if let Some(session) = self.sessions.get_mut(number) {
                session.pushed = None;
            }
        }
        for session in self.sessions.iter() {
            let beat = Beat {
                head: session.live.then_some(session.head),
                roster: (self.presence.as_ref())
                    .map(|presence| presence.version(&session.namespace)),
            };
            // A full queue means that the session has something to read anyway.
            session.emit_event(wire::BEAT, &beat);
            session.settle();
        }
    }

    /// Tells everyone who has come and gone since the last time. A session that cannot take it now
    /// sees from the next beat that something is missing.
    pub(super) fn tell_news_of_roster(&mut self) {
        let Some(presence) = &mut self.presence else {
            return;
        };
        let news = presence.news();
        for session in self.sessions.iter() {
            if let Some(news) = news.get(&session.namespace) {
                session.emit_event(wire::ROSTER, news);
            }
        }
    }

    /// Tells a session everyone who is online.
    pub(super) fn tell_whole_roster(&self, number: SessionNumber) {
        if let (Some(presence), Some(session)) = (&self.presence, self.sessions.get(number)) {
            session.emit_event(wire::ROSTER, &presence.whole(&session.namespace));
        }
    }

    /// Forgets the sessions that can no longer be recovered.
    fn forget_expired(&mut self) {
        let (sessions, given_bytes) = (&mut self.sessions, &mut self.given_bytes);
        self.waiting.retain(|_, number| {
            let waits = sessions.get(*number);
            let waits = waits.is_some_and(|session| session.state.exists());
            if !waits {
                let gone = sessions.remove(*number);
                *given_bytes -= gone.map_or(0, |session| session.given_bytes);
            }
            waits
        });
    }
}

impl Limits {
    /// Whether a page is small enough; a single message always is.
    fn fits(&self, page: &[StoredMessage]) -> bool {
        let bytes: usize = page.iter().map(|row| row.message.content.len()).sum();
        page.len() <= 1 || bytes <= self.page_bytes
    }
}

/// Whether a page is small enough to come in one segment, including the headers around it; a single
/// message always counts as such. rust_socketio takes each segment of a polling body for a whole
/// one, and a page is one body: a longer one would be torn again each time it is requested.
fn fits_into_a_segment(page: &[StoredMessage]) -> bool {
    /// The room in an Ethernet frame besides the headers of IP, TCP and HTTP, and the packets
    /// around the page.
    const ROOM: usize = 1_000;
    /// What a message takes besides its names and content.
    const AROUND: usize = 120;
    let bytes = page.iter().map(|row| {
        let NewMessage {
            sender,
            room,
            content,
            nickname,
            ..
        } = &row.message;
        let nickname = nickname.as_ref().map_or(0, String::len);
        // In base64, or with characters that JSON escapes, content takes more room.
        AROUND + sender.len() + room.len() + nickname + content.len() * 4 / 3
    });
    page.len() <= 1 || bytes.sum::<usize>() <= ROOM
}

/// What is stored for a session's submission.
fn message(session: &ChatSession, submission: Submission) -> NewMessage {
    let Submission {
        room,
        echo,
        kind,
        nickname,
        content,
        client_offset,
        ..
    } = submission;
    NewMessage {
        client_offset,
        sender: session.name.clone(),
        room: full_name(&session.namespace, &room),
        echo,
        kind,
        nickname,
        content,
        sent_at_ms: unix_milliseconds(),
    }
}

fn unix_milliseconds() -> i64 {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MessageKind;

    fn row(content: &str) -> StoredMessage {
        let message = NewMessage {
            client_offset: None,
            sender: "alice".to_owned(),
            room: "lobby".to_owned(),
            echo: true,
            kind: MessageKind::Message,
            nickname: None,
            content: content.into(),
            sent_at_ms: 0,
        };
        StoredMessage { id: 1, message }
    }

    #[test]
    fn a_page_for_who_polls_is_several_small_messages_or_one_that_is_not() {
        let fits = |contents: &[&str]| {
            let page: Vec<_> = contents.iter().map(|content| row(content)).collect();
            fits_into_a_segment(&page)
        };
        let (half, whole) = ("x".repeat(300), "x".repeat(1_000));
        assert!(fits(&["hello"; 7]) && !fits(&["hello"; 8]));
        assert!(fits(&[&*half]) && !fits(&[&*half, &*half]));
        assert!(fits(&[&*whole]) && !fits(&[&*whole, "hello"]));
    }
}
