//! Around the handlers of a namespace: a session is opened or claimed before the first middleware, and
//! live before the connect handler.

use crate::adapter::RecoveryAdapter;
use crate::books::{Number, Refusal};
use crate::session::Session;
use crate::{Recovery, SocketRef};
use serde::Deserialize;
use socketioxide::handler::ConnectHandler;
use socketioxide::handler::connect::ConnectMiddleware;
use socketioxide::socket::{DisconnectReason, Sid, Socket};
use socketioxide_core::adapter::{BroadcastOptions, CoreAdapter};
use socketioxide_core::{Str, Value};
use std::any::Any;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::SystemTime;
use tokio::runtime::Handle;
use tokio::time::Instant;

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
        if let Some(session) = socket.extensions.get::<Session>() {
            self.recovery.enter(&session, &socket);
        }
        self.handler.call(socket, auth);
    }

    fn call_middleware<'a>(
        &'a self,
        socket: Arc<Socket<RecoveryAdapter>>,
        auth: &'a Option<Value>,
    ) -> Admission<'a> {
        Box::pin(async move {
            let session = self.recovery.open(&socket, auth.as_ref());
            socket.extensions.insert(session.clone());
            if session.recovered() && self.recovery.skips_middlewares() {
                return Ok(());
            }
            let mut admitted = Admitting(&self.recovery, Some(session.number()));
            self.handler.call_middleware(socket, auth).await?;
            admitted.1 = None;
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

/// Gives a session back if its connection is not let in.
struct Admitting<'a>(&'a Recovery, Option<Number>);

impl Drop for Admitting<'_> {
    fn drop(&mut self) {
        if let (Some(mut books), Some(session)) = (self.0.books(), self.1) {
            books.abandon(session);
        }
    }
}

/// What a client that comes back adds to its `auth`: `{"pid": …, "offset": …}`.
#[derive(Debug, Default, Deserialize)]
struct Claim {
    pid: Option<String>,
    offset: Option<String>,
}

impl Claim {
    /// Anything else than two texts is no claim.
    fn read(auth: Option<&Value>) -> Option<(String, Option<String>)> {
        let text = auth?.as_str()?;
        let claim: Self = serde_json::from_str(text).ok()?;
        claim.pid.map(|pid| (pid, claim.offset))
    }
}

impl Recovery {
    /// Opens a session for a connection, or gives it the one that its client claims.
    fn open(&self, socket: &Arc<Socket<RecoveryAdapter>>, auth: Option<&Value>) -> Session {
        self.keep_time();
        let Some(mut books) = self.books() else {
            return Session::plain(socket);
        };
        let (namespace, connection) = (Str::copy_from_slice(socket.ns()), weak(socket));
        let claimed = Claim::read(auth).map(|(pid, offset)| {
            let claim = (pid.as_str(), offset.as_deref());
            books.claim(
                &namespace,
                socket.id,
                connection.clone(),
                claim,
                Instant::now(),
            )
        });
        let (number, claimed): (Number, Result<bool, Refusal>) = match claimed {
            Some(Ok(number)) => (number, Ok(true)),
            other => {
                let number = books.open_session(&namespace, socket.id, connection);
                (
                    number,
                    other.map_or(Ok(false), |refused| refused.map(|_| true)),
                )
            }
        };
        let ids = books.ids_of(number).expect("it has just been opened");
        Session::kept(self, socket, number, ids, claimed)
    }

    /// Makes a session live: in its rooms again, and given what it has missed, in one breath.
    fn enter(&self, session: &Session, socket: &Arc<Socket<RecoveryAdapter>>) {
        let Some(mut books) = self.books() else {
            return;
        };
        let recovery = self.clone();
        socket.on_disconnect(move |socket: SocketRef, reason: DisconnectReason| {
            recovery.leave(&socket, reason);
            ready(())
        });
        socket.join(books.enter(session.number(), weak(socket)));
        if let Some(adapter) = self.adapter(socket.ns()) {
            adapter.deliver(&mut books, session.number());
        }
        drop(books);
        // The socket may be gone already, and its disconnection handled before there was a handler.
        if !socket.connected() {
            self.leave(
                &SocketRef::from(socket.clone()),
                DisconnectReason::TransportClose,
            );
        }
    }

    /// A connection is lost.
    pub(crate) fn leave(&self, socket: &SocketRef, reason: DisconnectReason) {
        let Some(mut books) = self.books() else {
            return;
        };
        let rooms: BTreeSet<String> = socket.rooms().into_iter().map(Into::into).collect();
        let namespace = Str::copy_from_slice(socket.ns());
        let now = (Instant::now(), SystemTime::now());
        books.leave(&namespace, socket.id, rooms, on_purpose(reason), now);
    }
}

impl Recovery {
    /// Why a session's connection ended. One that [`Recovery::lose`] has ended is away already: that
    /// socketioxide disconnected it is how, and not why.
    pub(crate) fn reason(&self, number: Number, told: DisconnectReason) -> DisconnectReason {
        let away = || self.books().is_some_and(|books| books.is_away(number));
        match told {
            DisconnectReason::ServerNSDisconnect if away() => DisconnectReason::TransportClose,
            told => told,
        }
    }

    /// A connection is lost, in all its namespaces, though socketioxide has not noticed.
    pub(crate) fn lose(&self, socket: Sid) {
        // A server that is being torn down has no runtime any more, and nobody to tell.
        if Handle::try_current().is_err() {
            return;
        }
        for adapter in self.adapters() {
            let local = adapter.get_local();
            let rooms = local.socket_rooms(socket);
            let rooms = rooms.into_iter().map(Into::into).collect();
            let now = (Instant::now(), SystemTime::now());
            if let Some(mut books) = self.books() {
                books.leave(local.path(), socket, rooms, false, now);
            }
            // Without the lock: this calls the disconnect handler. A full queue waits for the heartbeat.
            let _ = local.disconnect_socket(BroadcastOptions::new(socket));
        }
    }
}

/// Whether a session is over, and not just its connection: one side has said so, or has spoken
/// nonsense. (Socket.IO's `RECOVERABLE_DISCONNECT_REASONS` are the others.)
fn on_purpose(reason: DisconnectReason) -> bool {
    use DisconnectReason::{
        ClientNSDisconnect, ClosingServer, HeartbeatTimeout, MultipleHttpPollingError,
        PacketParsingError, ServerNSDisconnect, TransportClose, TransportError,
    };
    match reason {
        ClientNSDisconnect | ServerNSDisconnect | PacketParsingError => true,
        TransportClose
        | TransportError
        | HeartbeatTimeout
        | MultipleHttpPollingError
        | ClosingServer => false,
    }
}

fn weak(socket: &Arc<Socket<RecoveryAdapter>>) -> Weak<dyn Any + Send + Sync> {
    let weak: Weak<Socket<RecoveryAdapter>> = Arc::downgrade(socket);
    weak
}
