//! Wraps the handlers of a namespace: a session is opened or claimed before the first middleware,
//! and live before the connect handler.

use crate::adapter::{PACE, RecoveryAdapter};
use crate::books::{Books, Connection, End};
use crate::number::Number;
use crate::refusal::Refusal;
use crate::session::Session;
use crate::wire::Arrival;
use crate::{Recovery, SocketRef, Unreachable, log};
use serde::Deserialize;
use socketioxide::SocketError;
use socketioxide::handler::ConnectHandler;
use socketioxide::handler::connect::ConnectMiddleware;
use socketioxide::socket::{DisconnectReason, Sid, Socket};
use socketioxide_core::adapter::{BroadcastOptions, CoreAdapter};
use socketioxide_core::{Str, Value};
use std::collections::BTreeSet;
use std::fmt::Display;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

/// How long a goodbye may still be in flight on the old connection when the next one is greeted:
/// longer than TCP delays what was sent shortly before, or takes to retransmit it. A client that
/// reconnects before its loss was noticed waits this long.
const GOODBYE: Duration = Duration::from_millis(500);

/// The handlers of a namespace whose sessions can be recovered; see [`Recovery::protect`].
#[derive(Clone)]
pub struct Protected<H> {
    pub(crate) handler: H,
    pub(crate) recovery: Recovery,
}

type Admission<'a> = Pin<Box<dyn Future<Output = Result<(), Box<dyn Display + Send>>> + Send + 'a>>;

impl<H, T> ConnectHandler<RecoveryAdapter, T> for Protected<H>
where
    H: ConnectHandler<RecoveryAdapter, T>,
    T: Send + Sync + 'static,
{
    fn call(&self, socket: Arc<Socket<RecoveryAdapter>>, auth: Option<Value>) {
        let session = socket.extensions.get::<Session>();
        match session.is_none_or(|session| self.recovery.enter(&session, &socket)) {
            true => self.handler.call(socket, auth),
            // While the session was joining, its client has made another connection.
            false => end(socket),
        }
    }

    fn call_middleware<'a>(
        &'a self,
        socket: Arc<Socket<RecoveryAdapter>>,
        auth: &'a Option<Value>,
    ) -> Admission<'a> {
        Box::pin(async move {
            self.recovery.hear_out(&socket, auth.as_ref()).await;
            let fetched = self.recovery.fetch(auth.as_ref()).await;
            let session = self.recovery.open(&socket, auth.as_ref(), fetched);
            socket.extensions.insert(session.clone());
            if session.recovered() && self.recovery.skips_middlewares() {
                return Ok(());
            }
            let mut admitting = Admitting(&self.recovery, Some((session.number(), socket.id)));
            self.handler.call_middleware(socket, auth).await?;
            admitting.1 = None;
            Ok(())
        })
    }

    fn with<M, U>(self, middleware: M) -> impl ConnectHandler<RecoveryAdapter, T>
    where
        M: ConnectMiddleware<RecoveryAdapter, U> + Send + Sync + 'static,
        T: Send + Sync + 'static,
        U: Send + Sync + 'static,
    {
        Protected {
            handler: self.handler.with(middleware),
            recovery: self.recovery,
        }
    }
}

/// Gives a session back if its connection is refused.
struct Admitting<'a>(&'a Recovery, Option<(Number, Sid)>);

impl Drop for Admitting<'_> {
    fn drop(&mut self) {
        if let (Some(mut books), Some((session, socket))) = (self.0.books(), self.1) {
            books.abandon(session, Some(socket));
        }
    }
}

/// What a returning client adds to its `auth`: `{"pid": …, "offset": …}`.
#[derive(Debug, Default, Deserialize)]
struct Claim {
    pid: Option<String>,
    offset: Option<String>,
}

impl Claim {
    /// Anything other than two texts is not a claim.
    fn read(auth: Option<&Value>) -> Option<(String, Option<String>)> {
        let text = auth?.as_str()?;
        let claim: Self = serde_json::from_str(text).ok()?;
        claim.pid.map(|pid| (pid, claim.offset))
    }
}

impl Recovery {
    /// Before a connection takes a session from another one, waits for what its client may have
    /// said last on the old one. A client that disconnects and reconnects at once has its goodbye
    /// in flight on the old connection while it opens the new one, and nothing orders the two.
    async fn hear_out(&self, socket: &Arc<Socket<RecoveryAdapter>>, auth: Option<&Value>) {
        let Some((private_id, _)) = Claim::read(auth) else {
            return;
        };
        let (namespace, arrival) = (
            Str::copy_from_slice(socket.ns()),
            connection(socket).arrival,
        );
        let supersedes = || {
            let books = self.books();
            books.is_some_and(|books| {
                (books.superseded_by(&namespace, &private_id, arrival)).is_some()
            })
        };
        let until = Instant::now() + GOODBYE;
        while Instant::now() < until && supersedes() {
            sleep(PACE).await;
        }
    }

    /// Takes the session that a client claims from the server that has it, if that is another one.
    async fn fetch(&self, auth: Option<&Value>) -> Result<(), Unreachable> {
        let elsewhere = self.0.as_ref().and_then(|shared| shared.elsewhere.as_ref());
        let (Some(elsewhere), Some((private_id, _))) = (elsewhere, Claim::read(auth)) else {
            return Ok(());
        };
        let Some((may_be_anothers, is_here)) = self.books().map(|books| {
            let may_be_anothers = books.may_be_anothers(&private_id);
            (may_be_anothers, books.has(&private_id))
        }) else {
            return Ok(());
        };
        if !may_be_anothers {
            return Ok(());
        }
        // Also where it is here: another server may have had it since, unheard.
        match elsewhere.take(&private_id).await {
            Ok(Some(session)) => {
                self.give_up(&private_id);
                if let Some(mut books) = self.books() {
                    // One that cannot be read is none: its client gets a new one.
                    drop(books.adopt(session, (Instant::now(), SystemTime::now())));
                }
                Ok(())
            }
            Err(Unreachable) if !is_here => Err(Unreachable),
            Ok(None) | Err(Unreachable) => Ok(()),
        }
    }

    /// Opens a session for a connection, or gives it the one that its client claims, which may have
    /// been fetched.
    fn open(
        &self,
        socket: &Arc<Socket<RecoveryAdapter>>,
        auth: Option<&Value>,
        fetched: Result<(), Unreachable>,
    ) -> Session {
        self.keep_time();
        let Some(mut books) = self.books() else {
            return Session::plain(socket);
        };
        let (namespace, connection) = (Str::copy_from_slice(socket.ns()), connection(socket));
        let claim = Claim::read(auth);
        let given_up = claim.as_ref().and_then(|(private_id, _)| {
            self.take_from(&mut books, &namespace, private_id, connection.arrival)
        });
        let position = claim
            .as_ref()
            .and_then(|(_, offset)| log::position(offset.as_ref()?));
        let claimed = claim.map(|(private_id, offset)| {
            let claim = (private_id.as_str(), offset.as_deref());
            books.claim(&namespace, connection.clone(), claim, Instant::now())
        });
        let (number, claimed): (Number, Result<bool, Refusal>) = match claimed {
            Some(Ok(number)) => (number, Ok(true)),
            Some(Err(refusal)) => {
                let refusal = fetched.map_or(Refusal::Unreachable, |()| refusal);
                (books.open_session(&namespace, connection), Err(refusal))
            }
            None => (books.open_session(&namespace, connection), Ok(false)),
        };
        let ids = books.ids_of(number).expect("it has just been opened");
        let session = Session::kept(self, socket, number, ids, (claimed, position));
        drop(books);
        if let Some(given_up) = given_up {
            end(given_up);
        }
        session
    }

    /// Takes the session with this private id from a connection that its client has given up
    /// without the server noticing: the client that knows the private id and connected later owns
    /// it. Returns the old connection's socket, which is to be disconnected.
    fn take_from(
        &self,
        books: &mut Books,
        namespace: &Str,
        private_id: &str,
        arrival: Option<u64>,
    ) -> Option<Arc<Socket<RecoveryAdapter>>> {
        let socket = books.superseded_by(namespace, private_id, arrival)?;
        let socket = socket
            .upgrade()?
            .downcast::<Socket<RecoveryAdapter>>()
            .ok()?;
        if let Some(session) = socket.extensions.get::<Session>() {
            session.supersede();
        }
        let now = (Instant::now(), SystemTime::now());
        books.leave(namespace, socket.id, rooms(&socket), End::Lost, now);
        Some(socket)
    }

    /// Another server [has taken](crate::Elsewhere::take) the session with this private id. If a
    /// connection still has it here, that has been given up by its client, and ends.
    pub fn give_up(&self, private_id: &str) {
        let Some(mut books) = self.books() else {
            return;
        };
        let given_up = books
            .namespace_of(private_id)
            .and_then(|namespace| self.take_from(&mut books, &namespace, private_id, None));
        books.give_up(private_id);
        drop(books);
        if let Some(given_up) = given_up {
            end(given_up);
        }
    }

    /// Makes a session live: atomically, it is back in its rooms and given what it has missed.
    /// Returns whether it still belongs to this connection.
    fn enter(&self, session: &Session, socket: &Arc<Socket<RecoveryAdapter>>) -> bool {
        let Some(mut books) = self.books() else {
            return true;
        };
        let Some(rooms) = books.enter(session.number(), connection(socket)) else {
            return false;
        };
        let recovery = self.clone();
        socket.on_disconnect(move |socket: SocketRef, reason: DisconnectReason| {
            recovery.leave(&socket, reason);
            ready(())
        });
        socket.join(rooms);
        if session.leaves_out_missed() {
            books.leave_out_missed(session.number());
        }
        if let Some(adapter) = self.adapter(socket.ns()) {
            adapter.deliver(&mut books, session.number());
        }
        drop(books);
        // The socket may be gone already, and its disconnection handled before a handler was
        // registered.
        if !socket.connected() {
            self.leave(socket, DisconnectReason::TransportClose);
        }
        true
    }

    /// A connection has ended.
    pub(crate) fn leave(&self, socket: &Socket<RecoveryAdapter>, reason: DisconnectReason) {
        let Some(mut books) = self.books() else {
            return;
        };
        let namespace = Str::copy_from_slice(socket.ns());
        let now = (Instant::now(), SystemTime::now());
        books.leave(&namespace, socket.id, rooms(socket), kind(reason), now);
    }

    /// Why a session's connection ended. A connection that no longer has its session
    /// ([`Recovery::lose`], [`Session::superseded`]) was lost: that socketioxide disconnected it is
    /// how, not why.
    pub(crate) fn reason(&self, session: &Session, told: DisconnectReason) -> DisconnectReason {
        let lost = || (self.books()).is_some_and(|books| !books.is_connected(session.number()));
        match told {
            DisconnectReason::ServerNSDisconnect if session.superseded() || lost() => {
                DisconnectReason::TransportClose
            }
            told => told,
        }
    }

    /// Cuts a connection off: its client sees it lost. Returns what [`lose`](Self::lose) does.
    pub(crate) fn cut(&self, socket: Sid) -> bool {
        if let Some(shared) = &self.0 {
            shared.wires.cut(socket, Instant::now());
        }
        self.lose(socket)
    }

    /// A connection is lost, in all its namespaces, but socketioxide has not noticed. Returns
    /// whether it has now; otherwise the queue is full, and the heartbeat will end the connection.
    pub(crate) fn lose(&self, socket: Sid) -> bool {
        // A server that is shutting down has no runtime any more, and no client to tell.
        if Handle::try_current().is_err() {
            return true;
        }
        let mut noticed = true;
        for adapter in self.adapters() {
            let local = adapter.get_local();
            let rooms = local.socket_rooms(socket);
            let rooms = rooms.into_iter().map(Into::into).collect();
            let now = (Instant::now(), SystemTime::now());
            if let Some(mut books) = self.books() {
                books.leave(local.path(), socket, rooms, End::Lost, now);
            }
            // Without the lock: this calls the disconnect handler.
            let told = local.disconnect_socket(BroadcastOptions::new(socket));
            let full = |errors: Vec<_>| matches!(errors[..], [SocketError::InternalChannelFull]);
            noticed &= !told.is_err_and(full);
        }
        noticed
    }
}

/// Whether a session has ended, or just its connection: the session has if either side said
/// goodbye. (The others are Socket.IO's `RECOVERABLE_DISCONNECT_REASONS`, and what cannot be
/// understood: a client whose connection breaks between the two halves of a binary event, which
/// polling carries in a request each, leaves such a thing behind.)
fn kind(reason: DisconnectReason) -> End {
    use DisconnectReason::{
        ClientNSDisconnect, ClosingServer, HeartbeatTimeout, MultipleHttpPollingError,
        PacketParsingError, ServerNSDisconnect, TransportClose, TransportError,
    };
    match reason {
        ClientNSDisconnect | ServerNSDisconnect => End::OnPurpose,
        TransportClose
        | TransportError
        | HeartbeatTimeout
        | PacketParsingError
        | MultipleHttpPollingError
        | ClosingServer => End::Lost,
    }
}

/// Ends a connection that has no session any more; not right now, because that calls the disconnect
/// handler. If its queue is full, waits until there is room for the goodbye.
fn end(socket: Arc<Socket<RecoveryAdapter>>) {
    tokio::spawn(async move {
        while let Err(SocketError::InternalChannelFull) = socket.clone().disconnect() {
            sleep(PACE).await;
        }
    });
}

fn rooms(socket: &Socket<RecoveryAdapter>) -> BTreeSet<String> {
    socket.rooms().into_iter().map(Into::into).collect()
}

fn connection(socket: &Arc<Socket<RecoveryAdapter>>) -> Connection {
    let alive: Weak<Socket<RecoveryAdapter>> = Arc::downgrade(socket);
    let arrival = socket.req_parts().extensions.get::<Arrival>();
    Connection {
        socket: socket.id,
        arrival: arrival.map(|Arrival(number)| *number),
        alive,
    }
}
