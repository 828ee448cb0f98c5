//! What happens when a client connects, is admitted, says something and leaves: socketioxide's
//! handlers.
//!
//! They put a client's requests into its session's queue (`exchange::turns`), in the order in which
//! its packets come: before they return a future, which is ready at once. socketioxide runs the
//! future of each event in a separate task, and tasks run in no particular order.
//!
//! Nothing is trusted: a malformed payload, a room that the sender is not in, a text that is too
//! long, one message too many get a `refused` event, and an acknowledgement that says so if one was
//! requested.

use super::exchange::{Exchange, Pushed, refuse_message};
use super::given::Given;
use super::lines::Lines;
use super::moves::Moves;
use super::recovery::Kept;
use super::reply::{Meant, Reply, refuse, send_away};
use super::session::{Allowance, SessionNumber, Welcome};
use super::{Census, ServerEvent, ServerOptions, presence};
use crate::Observer;
use crate::admission::Guest;
use crate::cause::{EndCause, Rejection};
use crate::cluster::PATIENCE;
use crate::frame;
use crate::limits::Limits;
use crate::storage::StorageError;
use crate::wire::{self, Login, PieceRequest, Submission, SyncRequest};
use bytes::Bytes;
use socketioxide::extract::{AckSender, TryData};
use socketioxide::socket::DisconnectReason;
use squall_recovery::{Recovery as Sessions, RecoveryAdapter, Refusal, Session, SocketRef};
use std::convert::Infallible;
use std::future::{pending, ready};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

/// How often to check whether a client that is sent pages has read the last one.
const PACE: Duration = Duration::from_millis(5);

/// Why nobody comes back to the session of another user, as who has changed accounts would:
/// Socket.IO's own clients go on naming it.
const ANOTHERS: &str = "auth: pid: this session is another user's; connect with a new socket";

/// What the handlers of all sockets share.
pub(super) struct Shared {
    /// None once the server has ended: handlers that are still running find a closed door.
    pub(super) exchange: Mutex<Option<Exchange>>,
    pub(super) options: ServerOptions,
    pub(super) observer: Observer<ServerEvent>,
    pub(super) failure: mpsc::UnboundedSender<StorageError>,
    /// A client has asked for something.
    pub(super) given: Notify,
    pub(super) lines: Lines,
    /// What distinguishes this server from the others around a Redis.
    pub(super) number: u64,
    pub(super) sessions: Sessions,
    /// None if sessions stay here.
    pub(super) moves: Option<Moves>,
}

/// Why a client is not admitted.
#[derive(Debug, thiserror::Error)]
pub(super) enum Denial {
    /// It should not try again as it is.
    #[error("{0}")]
    Refused(String),
    /// The server cannot admit anybody now. Socket.IO's own clients take a refusal as final, so its
    /// connection ends instead.
    #[error("this server has lost its broker; try another one")]
    NotNow,
}

impl From<String> for Denial {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

/// Closes the database and the sessions when the server's future is dropped, even if there are
/// other references.
pub(super) struct Doorway(pub(super) Arc<Shared>, pub(super) Sessions);

impl Drop for Doorway {
    fn drop(&mut self) {
        let exchange = self.0.lock().take();
        drop(exchange);
        self.1.close();
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<Exchange>> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something with the exchange, if the server is still there.
    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Exchange) -> T) -> Option<T> {
        self.lock().as_mut().map(act)
    }

    /// The same with something that can fail. A failure ends the server, unless it may succeed
    /// later.
    pub(super) fn attempt<T>(
        &self,
        act: impl FnOnce(&mut Exchange) -> Result<T, StorageError>,
    ) -> Option<T> {
        match self.with(act)? {
            Ok(value) => Some(value),
            Err(error) if error.may_pass() => {
                let reason = error.to_string();
                (self.observer)(ServerEvent::StorageFailed { reason });
                None
            }
            Err(error) => {
                // There is no receiver once the server has begun to end.
                let _ = self.failure.send(error);
                None
            }
        }
    }

    /// Decides whether a client is admitted; if not, the reason goes into Socket.IO's CONNECT_ERROR
    /// packet.
    pub(super) fn admit(
        &self,
        socket: &SocketRef,
        session: &Session,
        login: Result<Login, String>,
    ) -> Result<(), Denial> {
        let mut login = login.map_err(|error| {
            format!(
                "auth: expected {{\"name\": text, \"rooms\": [text], \"server_offset\": number}}: {error}"
            )
        })?;
        let state = self.with(|exchange| (exchange.is_open(), exchange.highest_known()));
        let highest = match state {
            Some((true, highest)) => highest,
            Some((false, _)) | None => return Err(Denial::NotNow),
        };
        if session.refusal() == Some(Refusal::Unreachable) {
            return Err(Denial::NotNow);
        }
        login.check(&self.options.limits, highest)?;
        if let Some(authenticate) = &self.options.authenticate {
            let mut guest = Guest {
                namespace: socket.ns().to_owned(),
                name: login.name.clone(),
                token: login.token.take(),
                rooms: None,
            };
            let admitted = authenticate.decide(&mut guest);
            admitted.map_err(|why| format!("auth: {why}"))?;
            let may = |room: &&String| guest.rooms.as_ref().is_none_or(|may| may.contains(*room));
            if let Some(room) = login.rooms.iter().find(|room| !may(room)) {
                return Err(format!("auth: rooms: `{room}` is not for this user").into());
            }
            login.name = guest.name;
            socket.extensions.insert(Welcome(guest.rooms));
        }
        let kept = session.data::<Kept>().filter(|_| session.recovered());
        if kept.is_some_and(|kept| kept.name != login.name) {
            return Err(ANOTHERS.to_owned().into());
        }
        let taken_over =
            self.attempt(|exchange| exchange.take_over(session, self.options.recovery_packets));
        if let Some(handled) = taken_over.ok_or(Denial::NotNow)? {
            login.server_offset = login.server_offset.max(handled);
        }
        let fetches_what_it_missed = |exchange: &mut Exchange| {
            let handled = login.handled_up_to();
            handled.is_some_and(|offset| exchange.lacks_a_page(session, offset))
                || exchange.would_be_torn((session, socket.transport_type()), &login)
        };
        if self.with(fetches_what_it_missed) == Some(true) {
            session.leave_out_missed();
        }
        if self.moves.is_some() && !session.recovered() {
            let announced = self.attempt(|exchange| exchange.announce((socket, session), &login));
            announced.ok_or(Denial::NotNow)?;
        }
        socket.extensions.insert(login);
        Ok(())
    }

    /// Waits until another server could take this session: its client is told that it can come back
    /// to it, on whichever server.
    pub(super) async fn be_found(&self, session: &Session) -> Result<(), Denial> {
        let (Some(moves), Some(private_id)) = (&self.moves, session.private_id()) else {
            return Ok(());
        };
        let found = timeout(PATIENCE, moves.found(private_id)).await;
        found.map_err(|_| Denial::NotNow)
    }

    /// Admits a client. All handlers are registered before the client hears of it.
    pub(super) fn enter(self: &Arc<Self>, socket: SocketRef, state: Session) {
        let Some(login) = socket.extensions.remove::<Login>() else {
            return;
        };
        let Some(number) = self.with(Exchange::next_number) else {
            return;
        };
        let shared = self.clone();
        socket.on(
            wire::CHAT_MESSAGE,
            move |socket: SocketRef,
                  TryData(message): TryData<Submission>,
                  ack: AckSender<RecoveryAdapter>| {
                let message = message.map_err(|error| error.to_string());
                shared.receive(number, &socket, message, Reply::Acknowledgement(ack));
                ready(())
            },
        );
        let shared = self.clone();
        socket.on(
            wire::BINARY_MESSAGE,
            move |socket: SocketRef, TryData(bytes): TryData<Bytes>| {
                let frame = bytes.map_err(|error| error.to_string());
                let message = frame.and_then(|frame| frame::decode(&frame));
                shared.receive(number, &socket, message, Reply::Event(socket.clone()));
                ready(())
            },
        );
        let shared = self.clone();
        socket.on(
            wire::SYNC,
            move |socket: SocketRef, TryData(request): TryData<SyncRequest>| {
                shared.sync(number, &socket, request.map_err(|error| error.to_string()));
                ready(())
            },
        );
        let shared = self.clone();
        socket.on(
            wire::PIECE,
            move |socket: SocketRef, TryData(request): TryData<PieceRequest>| {
                shared.send_piece(number, &socket, request.map_err(|error| error.to_string()));
                ready(())
            },
        );
        let shared = self.clone();
        socket.on(wire::WHO, move |socket: SocketRef| {
            shared.tell_who(number, &socket);
            ready(())
        });
        let (shared, session) = (self.clone(), state.clone());
        let client = login.client().to_owned();
        state.on_disconnect(move |socket: SocketRef, reason: DisconnectReason| {
            let cause = match session.superseded() {
                true => EndCause::Superseded,
                false => cause(&socket, reason),
            };
            shared.leave(number, &session, &client, cause);
            ready(())
        });
        let (shared, session) = (self.clone(), state.clone());
        let client = login.client().to_owned();
        socket.on(wire::GIVE_UP, move || {
            session.release();
            shared.leave(number, &session, &client, EndCause::Closed);
            ready(())
        });
        // The socket may be gone already, and its disconnection handled before a handler was
        // registered.
        if !socket.connected() {
            return;
        }
        let (session, name) = (state.id().to_owned(), login.client().to_owned());
        if let Some(client) = self.with(|exchange| exchange.supersede(&state)).flatten() {
            (self.observer)(ServerEvent::SessionClosed {
                session: session.clone(),
                client,
                cause: EndCause::Superseded,
            });
        }
        let (client, recovered) = (name.clone(), state.recovered());
        (self.observer)(ServerEvent::SessionOpened {
            session,
            client,
            recovered,
            refused: state.refusal(),
        });
        let offset = login.server_offset;
        let connection = (socket.clone(), state.clone());
        let behind =
            self.attempt(|exchange| exchange.open(number, connection, login, &self.options));
        // The first page comes with the greeting.
        if behind == Some(true) {
            self.attempt(|exchange| exchange.sync(number, offset));
        }
        self.see_to_who_is_behind();
        // With several threads it may have gone just now, before there was a session to close.
        if !socket.connected() {
            self.leave(number, &state, &name, EndCause::Closed);
        }
    }

    fn leave(&self, number: SessionNumber, session: &Session, client: &str, cause: EndCause) {
        if self.with(|exchange| exchange.close(number)) == Some(true) {
            let (session, client) = (session.id().to_owned(), client.to_owned());
            (self.observer)(ServerEvent::SessionClosed {
                session,
                client,
                cause,
            });
        }
    }

    /// A message has come. Whether it may be said at all is decided here, on arrival; the rest when
    /// its turn comes.
    fn receive(
        self: &Arc<Self>,
        number: SessionNumber,
        socket: &SocketRef,
        message: Result<Submission, String>,
        reply: Reply,
    ) {
        let bytes = (message.as_ref()).map_or(0, |message| message.content.len());
        let (tag, refusal, retry) = match (self.count(number, socket, bytes), message) {
            (Allowance::Exhausted, _) => return,
            (_, Err(error)) => (String::new(), error.into(), false),
            (Allowance::Granted, Ok(message)) => return self.accept(number, message, reply),
            // A sender of too many may send this one a little later.
            (Allowance::Refused, Ok(message)) => {
                let Limits { rate, bytes, .. } = self.options.limits;
                let reason = format!("at most {rate} messages a second allowed, and {bytes} bytes");
                (message.tag, Rejection::for_now(reason), true)
            }
        };
        refuse_message(socket, tag, refusal, retry, reply);
    }

    /// Counts a client's request, with a content of this many bytes. A client that goes far beyond
    /// what is allowed is disconnected.
    fn count(&self, number: SessionNumber, socket: &SocketRef, bytes: usize) -> Allowance {
        let counted = self.with(|exchange| exchange.count_message(number, bytes));
        let allowance = counted.unwrap_or(Allowance::Refused);
        if allowance == Allowance::Exhausted {
            // A client that floods a server does not listen to it.
            send_away(socket, EndCause::Overflow);
        }
        allowance
    }

    fn accept(self: &Arc<Self>, number: SessionNumber, message: Submission, reply: Reply) {
        self.give(number, Given::Message(message, reply));
    }

    /// Puts a client's request into its queue.
    pub(super) fn give(&self, number: SessionNumber, given: Given) {
        self.with(|exchange| exchange.give(number, given));
        self.given.notify_one();
    }

    /// Carries out what clients ask for, turn by turn, forever. Between turns other tasks run:
    /// those that read the next requests, and those that write to clients.
    pub(super) async fn work(&self) -> Infallible {
        loop {
            while self.take_turn() {
                yield_now().await;
            }
            match self.with(Exchange::push_pages) {
                Some(Pushed::Some) => {}
                Some(Pushed::Later) => drop(timeout(PACE, self.given.notified()).await),
                Some(Pushed::Nothing) | None => self.given.notified().await,
            }
        }
    }

    /// Lets more be sent to sessions that have missed something and do not ask for it.
    pub(super) fn see_to_who_is_behind(&self) {
        if self.with(|exchange| exchange.is_anybody_behind()) == Some(true) {
            self.given.notify_one();
        }
    }

    /// Carries out what is in the queues now.
    pub(super) fn finish(&self) {
        while self.take_turn() {}
    }

    /// Returns whether there was anything to do.
    fn take_turn(&self) -> bool {
        let there_was = self.with(|exchange| exchange.has_work()) == Some(true);
        if there_was {
            self.attempt(Exchange::take_turn);
        }
        there_was
    }

    fn sync(
        self: &Arc<Self>,
        number: SessionNumber,
        socket: &SocketRef,
        request: Result<SyncRequest, String>,
    ) {
        let allowance = self.count(number, socket, 0);
        let highest = self.lock().as_ref().map_or(0, Exchange::highest_known);
        let checked = request.and_then(|SyncRequest { offset }| {
            wire::check_offset(offset, highest).map(|()| offset)
        });
        match (allowance, checked) {
            (Allowance::Granted, Ok(offset)) => self.catch_up(number, offset),
            (Allowance::Refused, Ok(_)) => {
                let most = self.options.limits.rate;
                refuse(
                    socket,
                    format!("{}: at most {most} a second allowed", wire::SYNC),
                );
            }
            (Allowance::Exhausted, _) => {}
            (_, Err(error)) => refuse(socket, format!("{}: {error}", wire::SYNC)),
        }
    }

    fn catch_up(self: &Arc<Self>, number: SessionNumber, offset: i64) {
        self.give(number, Given::Sync(offset));
    }

    /// Tells every client that the server is shutting down, and that it may come back. Clients are
    /// not disconnected from their namespaces: Socket.IO's own clients take that as final.
    pub(super) fn part(&self) {
        self.tell_parting(self.with(Exchange::part));
    }

    /// The same for a server that cannot serve for now: it ends their connections, and they may
    /// come back to another one.
    pub(super) fn let_go(&self) {
        self.tell_parting(self.with(Exchange::let_go));
    }

    fn tell_parting(&self, parting: Option<Vec<(String, String)>>) {
        let parting = parting.unwrap_or_default();
        for (session, client) in parting {
            let cause = EndCause::Stopping;
            (self.observer)(ServerEvent::SessionClosed {
                session,
                client,
                cause,
            });
        }
    }

    /// Answers a request for more of a large content. It counts as a message.
    fn send_piece(
        &self,
        number: SessionNumber,
        socket: &SocketRef,
        request: Result<PieceRequest, String>,
    ) {
        match (self.count(number, socket, 0), request) {
            (Allowance::Granted, Ok(request)) => self.give(number, Given::Piece(request)),
            (Allowance::Exhausted, _) | (Allowance::Refused, Ok(_)) => {}
            (_, Err(error)) => refuse(socket, format!("{}: {error}", wire::PIECE)),
        }
    }

    /// Answers who is online. The question counts as a message.
    fn tell_who(&self, number: SessionNumber, socket: &SocketRef) {
        if self.count(number, socket, 0) == Allowance::Granted {
            self.give(number, Given::Who);
        }
    }

    /// Reports who comes and goes, forever, if clients are told.
    pub(super) async fn tell_roster(&self) -> Infallible {
        if !self.options.presence {
            return pending().await;
        }
        loop {
            sleep(presence::NEWS).await;
            self.with(Exchange::tell_news_of_roster);
        }
    }

    /// Gives every session a sign of life, forever, and reports what the server holds if that has
    /// changed.
    pub(super) async fn beat(&self, connections: impl Fn() -> (usize, usize)) -> Infallible {
        let mut told = None;
        loop {
            sleep(self.options.ping_interval).await;
            let census = self.with(|exchange| {
                exchange.beat();
                let (connections, places) = connections();
                Census {
                    connections,
                    places,
                    ..exchange.census()
                }
            });
            if let Some(census) = census.filter(|census| told != Some(*census)) {
                told = Some(census);
                (self.observer)(ServerEvent::Census(census));
            }
            self.see_to_who_is_behind();
        }
    }
}

/// What socketioxide's reasons mean.
fn cause(socket: &SocketRef, reason: DisconnectReason) -> EndCause {
    use DisconnectReason as Reason;
    match reason {
        Reason::TransportClose | Reason::TransportError => EndCause::Closed,
        Reason::HeartbeatTimeout => EndCause::Silent { after: None },
        Reason::PacketParsingError | Reason::MultipleHttpPollingError => EndCause::Malformed,
        Reason::ClientNSDisconnect => EndCause::PeerMeant,
        Reason::ServerNSDisconnect => {
            let meant = socket.extensions.get::<Meant>();
            meant.map_or(EndCause::Meant, |Meant(cause)| cause)
        }
        Reason::ClosingServer => EndCause::Stopping,
    }
}
