//! What happens when a client knocks, comes in, says something and leaves: socketioxide's handlers.
//!
//! They do their work before they return a future, which is ready at once. socketioxide runs the
//! future of each event in a task of its own, and between tasks there is no order; what a handler
//! does before it returns happens in the order in which the packets came.
//!
//! Nothing is believed: a payload of the wrong shape, a room that the sender is not in, a text that
//! is too long, one message too many get a `refused` event, and an acknowledgement that says so if
//! one was asked for.

use super::exchange::{Exchange, SessionNumber};
use super::session::Allowance;
use super::{ServerEvent, ServerOptions, presence};
use crate::Observer;
use crate::bugs::Bug;
use crate::cause::{Cause, Rejection};
use crate::frame;
use crate::message::Kind;
use crate::storage::StorageError;
use crate::wire::{self, Login, PieceRequest, Receipt, Refused, Submission, SyncRequest};
use bytes::Bytes;
use socketioxide::extract::{AckSender, TryData};
use socketioxide::socket::DisconnectReason;
use squall_recovery::{Recovery as Sessions, RecoveryAdapter, Session, SocketRef};
use std::convert::Infallible;
use std::future::{pending, ready};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;
use tokio::time::sleep;

/// What the handlers of all sockets share.
pub(super) struct Shared {
    /// Nothing once the server has ended: handlers that are still running find a closed door.
    pub(super) exchange: Mutex<Option<Exchange>>,
    pub(super) options: ServerOptions,
    pub(super) observer: Observer<ServerEvent>,
    pub(super) failure: mpsc::UnboundedSender<StorageError>,
}

/// Closes the database and the sessions when the server's future is dropped, whoever still holds a
/// reference.
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

    /// The same with something that can fail. That ends the server, unless it may succeed later.
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
                // Nobody listens once the server has begun to end.
                let _ = self.failure.send(error);
                None
            }
        }
    }

    /// Decides whether a client is let in; what it is told otherwise goes into Socket.IO's
    /// CONNECT_ERROR packet.
    pub(super) fn admit(
        &self,
        socket: &SocketRef,
        session: &Session,
        login: Result<Login, String>,
    ) -> Result<(), String> {
        let login = login.map_err(|error| {
            format!(
                "auth: expected {{\"name\": text, \"rooms\": [text], \"server_offset\": number}}: {error}"
            )
        })?;
        let state = self.with(|exchange| (exchange.is_open(), exchange.highest_known()));
        let (open, highest) = state.ok_or("the server is shutting down")?;
        if !open {
            return Err("this server has lost its broker; try another one".to_owned());
        }
        login.check(&self.options.limits, highest)?;
        if self.with(|exchange| exchange.lacks_a_page(session, login.server_offset)) == Some(true) {
            session.leave_out_missed();
        }
        socket.extensions.insert(login);
        Ok(())
    }

    /// Lets a client in. All handlers are registered before the client hears of it.
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
        let client = login.name.clone();
        state.on_disconnect(move |socket: SocketRef, reason: DisconnectReason| {
            let cause = match session.superseded() {
                true => Cause::Superseded,
                false => cause(&socket, reason),
            };
            shared.leave(number, &session, &client, cause);
            ready(())
        });
        let (shared, session) = (self.clone(), state.clone());
        let client = login.name.clone();
        socket.on(wire::GIVE_UP, move || {
            session.release();
            shared.leave(number, &session, &client, Cause::Closed);
            ready(())
        });
        // The socket may be gone already, and its disconnection handled before there was a handler.
        if !socket.connected() {
            return;
        }
        let (session, name) = (state.id().to_owned(), login.name.clone());
        if let Some(client) = self.with(|exchange| exchange.supersede(&state)).flatten() {
            (self.observer)(ServerEvent::SessionClosed {
                session: session.clone(),
                client,
                cause: Cause::Superseded,
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
        if behind == Some(true) {
            self.catch_up(number, offset);
        }
        // On several threads it may have gone just now, before there was a session to close.
        if !socket.connected() {
            self.leave(number, &state, &name, Cause::Closed);
        }
    }

    fn leave(&self, number: SessionNumber, session: &Session, client: &str, cause: Cause) {
        if self.with(|exchange| exchange.close(number)) == Some(true) {
            let (session, client) = (session.id().to_owned(), client.to_owned());
            (self.observer)(ServerEvent::SessionClosed {
                session,
                client,
                cause,
            });
        }
    }

    fn receive(
        self: &Arc<Self>,
        number: SessionNumber,
        socket: &SocketRef,
        message: Result<Submission, String>,
        reply: Reply,
    ) {
        let allowance = self.with(|exchange| exchange.count_message(number));
        let (tag, refusal) = match (allowance, &message) {
            // Whoever floods a server does not listen to it.
            (Some(Allowance::Exhausted), _) => return send_away(socket, Cause::Overflow),
            (_, Err(error)) => (String::new(), Err(error.clone().into())),
            (Some(Allowance::Granted), Ok(message)) => {
                let checked = self.attempt(|exchange| exchange.check(number, message));
                (message.tag.clone(), checked.unwrap_or(Ok(())))
            }
            (_, Ok(message)) => {
                let most = self.options.limits.rate;
                let reason = format!("at most {most} messages a second allowed");
                (message.tag.clone(), Err(Rejection::for_now(reason)))
            }
        };
        match (message, refusal) {
            (Ok(message), Ok(())) => self.accept(number, message, reply),
            (_, Err(refusal)) => {
                let reason = format!("{}: {}", wire::CHAT_MESSAGE, refusal.reason);
                let refusal = Some(refusal);
                reply.send(&Receipt {
                    tag,
                    refusal: refusal.filter(|_| self.options.bug != Some(Bug::RefusalAcknowledged)),
                    // Whoever has sent too many may send this one a little later.
                    retry: allowance == Some(Allowance::Refused),
                    ..Receipt::default()
                });
                refuse(socket, reason);
            }
            (Err(_), Ok(())) => unreachable!("what cannot be understood is refused"),
        }
    }

    fn accept(self: &Arc<Self>, number: SessionNumber, message: Submission, reply: Reply) {
        if message.kind == Kind::Typing {
            if self.options.bug == Some(Bug::TypingRepeated) {
                self.repeat_typing(number, message.clone());
            }
            self.attempt(|exchange| exchange.relay_typing(number, message));
            return;
        }
        match self.options.bug {
            Some(Bug::FavouredClient) if number > 1 => self.receive_late(number, message, reply),
            Some(Bug::AckBeforeCommit) => self.acknowledge_before_commit(number, message, reply),
            Some(Bug::BroadcastBeforeCommit) => {
                self.broadcast_before_commit(number, message, reply);
            }
            _ => {
                self.attempt(|exchange| exchange.receive(number, message, reply));
            }
        }
    }

    fn sync(
        self: &Arc<Self>,
        number: SessionNumber,
        socket: &SocketRef,
        request: Result<SyncRequest, String>,
    ) {
        let highest = self.lock().as_ref().map_or(0, Exchange::highest_known);
        let checked = request.and_then(|SyncRequest { offset }| {
            wire::check_offset(offset, highest).map(|()| offset)
        });
        match checked {
            Ok(offset) => self.catch_up(number, offset),
            Err(error) => refuse(socket, format!("{}: {error}", wire::SYNC)),
        }
    }

    fn catch_up(self: &Arc<Self>, number: SessionNumber, offset: i64) {
        if self.options.bug == Some(Bug::LastInsteadOfHighestOffset) {
            return self.catch_up_beside_live(number, offset);
        }
        self.attempt(|exchange| exchange.sync(number, offset));
    }

    /// Disconnects every client.
    pub(super) fn send_away(&self, cause: Cause) {
        // The lock is released before the loop: disconnecting calls the handler, which takes it.
        let sockets = self.lock().as_ref().map(Exchange::sockets);
        for socket in sockets.unwrap_or_default() {
            send_away(&socket, cause);
        }
    }

    /// Answers a request for more of a large content. It counts like a message.
    fn send_piece(
        &self,
        number: SessionNumber,
        socket: &SocketRef,
        request: Result<PieceRequest, String>,
    ) {
        match (
            self.with(|exchange| exchange.count_message(number)),
            request,
        ) {
            (Some(Allowance::Granted), Ok(request)) => {
                self.attempt(|exchange| exchange.send_piece(number, request));
            }
            (Some(Allowance::Exhausted), _) => send_away(socket, Cause::Overflow),
            (_, Err(error)) => refuse(socket, format!("{}: {error}", wire::PIECE)),
            (Some(Allowance::Refused) | None, Ok(_)) => {}
        }
    }

    /// Answers who is online. A question counts like a message.
    fn tell_who(&self, number: SessionNumber, socket: &SocketRef) {
        match self.with(|exchange| exchange.count_message(number)) {
            Some(Allowance::Granted) => {
                self.with(|exchange| exchange.tell_whole_roster(number));
            }
            Some(Allowance::Exhausted) => send_away(socket, Cause::Overflow),
            Some(Allowance::Refused) | None => {}
        }
    }

    /// Tells who comes and goes, for ever, if clients are told.
    pub(super) async fn tell_roster(&self) -> Infallible {
        if !self.options.presence {
            return pending().await;
        }
        loop {
            sleep(presence::NEWS).await;
            self.with(Exchange::tell_news_of_roster);
        }
    }

    /// Gives every session a sign of life, for ever, and tells what the server holds if that has changed.
    pub(super) async fn beat(&self, connections: impl Fn() -> usize) -> Infallible {
        let mut told = None;
        loop {
            sleep(self.options.ping_interval).await;
            let census = self.with(|exchange| {
                exchange.beat();
                exchange.census(connections())
            });
            if let Some(census) = census.filter(|census| told != Some(*census)) {
                told = Some(census);
                (self.observer)(ServerEvent::Census(census));
            }
        }
    }
}

/// Disconnects a client; its session ends with this cause.
fn send_away(socket: &SocketRef, cause: Cause) {
    socket.extensions.insert(Meant(cause));
    // An error says that it is gone already, or that its queue has no place for the goodbye: who goes on flooding
    // is sent away by the next packet, and a server that shuts down closes all connections after this.
    let _ = socket.clone().disconnect();
}

/// Why this server has disconnected a client.
#[derive(Clone, Copy)]
struct Meant(Cause);

/// What socketioxide's reasons mean.
fn cause(socket: &SocketRef, reason: DisconnectReason) -> Cause {
    use DisconnectReason as Reason;
    match reason {
        Reason::TransportClose | Reason::TransportError => Cause::Closed,
        Reason::HeartbeatTimeout => Cause::Silent { after: None },
        Reason::PacketParsingError | Reason::MultipleHttpPollingError => Cause::Malformed,
        Reason::ClientNSDisconnect => Cause::PeerMeant,
        Reason::ServerNSDisconnect => {
            let meant = socket.extensions.get::<Meant>();
            meant.map_or(Cause::Meant, |Meant(cause)| cause)
        }
        Reason::ClosingServer => Cause::Stopping,
    }
}

/// How the sender of a message is answered.
pub(super) enum Reply {
    /// As Socket.IO means it.
    Acknowledgement(AckSender<RecoveryAdapter>),
    /// With an event, because rust_socketio cannot be told of a binary event's acknowledgement.
    Event(SocketRef),
}

impl Reply {
    /// Answers. A receipt that finds no room in the queue is lost; the client will ask again.
    pub(super) fn send(self, receipt: &Receipt) {
        let _ = match self {
            Reply::Acknowledgement(ack) => ack.send(receipt).map_err(drop),
            Reply::Event(socket) => socket.emit(wire::RECEIPT, receipt).map_err(drop),
        };
    }
}

/// Tells a client that it has sent something wrong. If even that does not fit into its queue, it
/// has sent a lot of it.
fn refuse(socket: &SocketRef, reason: String) {
    let _ = socket.emit(wire::REFUSED, &Refused { reason });
}
