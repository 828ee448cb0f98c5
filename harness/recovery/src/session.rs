//! What a server's handlers know about a session.

use crate::adapter::RecoveryAdapter;
use crate::number::Number;
use crate::refusal::Refusal;
use crate::storage::StorageError;
use crate::{Recovery, SocketRef};
use serde::Serialize;
use serde::de::DeserializeOwned;
use socketioxide::extract::{Extension, ExtensionNotFound};
use socketioxide::handler::{FromConnectParts, FromDisconnectParts, FromMessageParts};
use socketioxide::socket::{DisconnectReason, Socket};
use socketioxide_core::{Str, Value};
use std::collections::BTreeSet;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

/// The session of a connection: an extractor for the handlers of a namespace wrapped by
/// [`Recovery::protect`].
#[derive(Clone)]
pub struct Session(Arc<Parts>);

struct Parts {
    recovery: Recovery,
    number: Number,
    namespace: Str,
    id: String,
    private_id: Option<String>,
    recovered: bool,
    refusal: Option<Refusal>,
    position: Option<i64>,
    socket: Weak<Socket<RecoveryAdapter>>,
    superseded: AtomicBool,
    /// See [`Session::leave_out_missed`].
    leaves_out: AtomicBool,
}

impl Session {
    /// The session of a connection without recovery.
    pub(crate) fn plain(socket: &Arc<Socket<RecoveryAdapter>>) -> Self {
        Self(Arc::new(Parts {
            recovery: Recovery::off(),
            number: 0,
            namespace: Str::copy_from_slice(socket.ns()),
            id: socket.id.to_string(),
            private_id: None,
            recovered: false,
            refusal: None,
            position: None,
            socket: Arc::downgrade(socket),
            superseded: AtomicBool::new(false),
            leaves_out: AtomicBool::new(false),
        }))
    }

    /// A session that waits for its client.
    pub(crate) fn waiting(
        recovery: &Recovery,
        number: Number,
        namespace: &Str,
        (id, private_id): (&str, &str),
    ) -> Self {
        Self(Arc::new(Parts {
            recovery: recovery.clone(),
            number,
            namespace: namespace.clone(),
            id: id.to_owned(),
            private_id: Some(private_id.to_owned()),
            recovered: false,
            refusal: None,
            position: None,
            socket: Weak::new(),
            superseded: AtomicBool::new(false),
            leaves_out: AtomicBool::new(false),
        }))
    }

    /// A session in the books.
    pub(crate) fn kept(
        recovery: &Recovery,
        socket: &Arc<Socket<RecoveryAdapter>>,
        number: Number,
        (id, private_id): (&str, &str),
        (claimed, position): (Result<bool, Refusal>, Option<i64>),
    ) -> Self {
        Self(Arc::new(Parts {
            recovery: recovery.clone(),
            number,
            namespace: Str::copy_from_slice(socket.ns()),
            id: id.to_owned(),
            private_id: Some(private_id.to_owned()),
            recovered: claimed == Ok(true),
            refusal: claimed.err(),
            position,
            socket: Arc::downgrade(socket),
            superseded: AtomicBool::new(false),
            leaves_out: AtomicBool::new(false),
        }))
    }

    pub(crate) fn number(&self) -> Number {
        self.0.number
    }

    /// The public id, which stays the same when the session is recovered. The client knows it as
    /// `socket.id`; socketioxide's `socket.id` is that of the connection, which only equals it at
    /// first. The session is in the room of this name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The path of the session's namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.0.namespace
    }

    /// Whether this connection continues a session: its id, rooms and data are what they were, and
    /// the client gets what it has missed. Socket.IO's `socket.recovered`.
    #[must_use]
    pub fn recovered(&self) -> bool {
        self.0.recovered
    }

    /// Why the client did not get the session it asked for, if it asked for one.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        self.0.refusal
    }

    /// The position of the last event that the client says it has handled, on this server or
    /// another one: see [`Elsewhere`](crate::Elsewhere).
    #[must_use]
    pub fn position(&self) -> Option<i64> {
        self.0.position
    }

    /// Whether another connection of the client has the session by now: the client came back before
    /// the server had noticed that this connection was lost.
    #[must_use]
    pub fn superseded(&self) -> bool {
        self.0.superseded.load(Ordering::Relaxed)
    }

    pub(crate) fn supersede(&self) {
        self.0.superseded.store(true, Ordering::Relaxed);
    }

    /// What the client has missed is not sent on this connection: the application sends it in its
    /// own way, because it knows that the client lacks more than was emitted to the session. Call
    /// this in a middleware (so [`Options::skip_middlewares`](crate::Options::skip_middlewares)
    /// must be off); later, it has already been sent.
    pub fn leave_out_missed(&self) {
        self.0.leaves_out.store(true, Ordering::Relaxed);
    }

    /// Whether [`leave_out_missed`](Self::leave_out_missed) was called.
    #[must_use]
    pub fn leaves_out_missed(&self) -> bool {
        self.0.leaves_out.load(Ordering::Relaxed)
    }

    /// The private id, for a client that is not shown the CONNECT packet. It is a secret between
    /// server and client: any client that knows it can take the session over. None without
    /// recovery.
    #[must_use]
    pub fn private_id(&self) -> Option<&str> {
        self.0.private_id.as_deref()
    }

    /// Joins a room. The room is kept, like the session, if the process is killed; a room joined
    /// through the socket is only noticed when the connection is lost.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if this cannot be kept; then the room is not joined.
    pub fn join(&self, room: impl Into<String>) -> Result<(), StorageError> {
        let (room, socket) = (room.into(), self.0.socket.upgrade());
        let Some(mut books) = self.0.recovery.books() else {
            socket.inspect(|socket| socket.join(room));
            return Ok(());
        };
        books.change_rooms(self.0.number, |rooms| {
            rooms.insert(room.clone());
        })?;
        socket.inspect(|socket| socket.join(room));
        Ok(())
    }

    /// Leaves a room; see [`join`](Self::join).
    ///
    /// # Errors
    ///
    /// [`StorageError`] if this could not be kept; the room is left all the same.
    pub fn leave(&self, room: impl Into<String>) -> Result<(), StorageError> {
        let room = room.into();
        let mut books = self.0.recovery.books();
        let socket = self.0.socket.upgrade();
        socket.inspect(|socket| socket.leave(room.clone()));
        match &mut books {
            Some(books) => books.change_rooms(self.0.number, |rooms| {
                rooms.remove(&room);
            }),
            None => Ok(()),
        }
    }

    /// What was last given to [`set_data`](Self::set_data), in this connection or an earlier one of
    /// the session; none if there is nothing, or it is of another type. Socket.IO's `socket.data`.
    #[must_use]
    pub fn data<T: DeserializeOwned>(&self) -> Option<T> {
        let data = self.0.recovery.books()?.data(self.0.number);
        serde_json::from_value(data).ok()
    }

    /// Keeps data with the session, as JSON. Without recovery it is not kept.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if it is not JSON, or could not be kept.
    pub fn set_data<T: Serialize + ?Sized>(&self, data: &T) -> Result<(), StorageError> {
        let data = serde_json::to_value(data).map_err(StorageError::new)?;
        match self.0.recovery.books() {
            Some(mut books) => books.set_data(self.0.number, data),
            None => Ok(()),
        }
    }

    /// Keeps a new session from now on, and not only once it is live: to be called in a middleware,
    /// after [`set_data`](Self::set_data). For servers among several
    /// ([`Elsewhere`](crate::Elsewhere)): as soon as a client knows its session, it may come to
    /// another server with it.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if it could not be kept.
    pub fn keep(&self) -> Result<(), StorageError> {
        match self.0.recovery.books() {
            Some(mut books) => books.write(self.0.number),
            None => Ok(()),
        }
    }

    /// Emits an event to this session, which gets it after its recovery if not before. What
    /// socketioxide's own `socket.emit` sends is lost with the connection: it bypasses the adapter.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the event is not JSON, or could not be kept; then it is not sent.
    pub fn emit<T: Serialize + ?Sized>(&self, event: &str, data: &T) -> Result<(), StorageError> {
        let Some(mut books) = self.0.recovery.books() else {
            // If the connection is closed or its queue full, the event is lost, as without this
            // crate.
            let socket = self.0.socket.upgrade();
            socket.inspect(|socket| drop(socket.emit(event, data)));
            return Ok(());
        };
        let receivers = BTreeSet::from([self.0.number]);
        match self.0.recovery.adapter(&self.0.namespace) {
            Some(adapter) => adapter.send_to(&mut books, &receivers, (event, data), None),
            None => Ok(()),
        }
    }

    /// Detaches the session from the connection, as if that had been lost: the session waits for
    /// its client, whatever becomes of the connection. For clients that cannot close a connection
    /// without disconnecting from the namespace, which would end the session.
    pub fn release(&self) {
        if let Some(socket) = self.0.socket.upgrade() {
            let recovery = &self.0.recovery;
            recovery.leave(&SocketRef::from(socket), DisconnectReason::TransportClose);
        }
    }

    /// Whether the session still exists: it has a connection, or waits for one.
    #[must_use]
    pub fn exists(&self) -> bool {
        let books = self.0.recovery.books();
        books.is_some_and(|books| books.ids_of(self.0.number).is_some())
    }

    /// Registers a disconnect handler. Use this one: a socket has room for one handler, and
    /// `socket.on_disconnect` would take the place of this crate's, so that the session could never
    /// be recovered. A connection that was [superseded](Self::superseded) ends with
    /// [`DisconnectReason::TransportClose`].
    pub fn on_disconnect<F, R>(&self, handler: F)
    where
        F: FnOnce(SocketRef, DisconnectReason) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let session = self.clone();
        let Some(socket) = self.0.socket.upgrade() else {
            return;
        };
        socket.on_disconnect(move |socket: SocketRef, reason: DisconnectReason| {
            let recovery = &session.0.recovery;
            let reason = recovery.reason(&session, reason);
            recovery.leave(&socket, reason);
            handler(socket, reason)
        });
    }
}

impl std::fmt::Debug for Session {
    /// Without the private id, which must not end up in a log file.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Session")
            .field("id", &self.0.id)
            .field("recovered", &self.0.recovered)
            .field("refusal", &self.0.refusal)
            .finish_non_exhaustive()
    }
}

impl FromConnectParts<RecoveryAdapter> for Session {
    type Error = ExtensionNotFound<Session>;

    fn from_connect_parts(
        socket: &Arc<Socket<RecoveryAdapter>>,
        auth: &Option<Value>,
    ) -> Result<Self, Self::Error> {
        Extension::from_connect_parts(socket, auth).map(|Extension(session)| session)
    }
}

impl FromMessageParts<RecoveryAdapter> for Session {
    type Error = ExtensionNotFound<Session>;

    fn from_message_parts(
        socket: &Arc<Socket<RecoveryAdapter>>,
        value: &mut Value,
        ack: &Option<i64>,
    ) -> Result<Self, Self::Error> {
        Extension::from_message_parts(socket, value, ack).map(|Extension(session)| session)
    }
}

impl FromDisconnectParts<RecoveryAdapter> for Session {
    type Error = ExtensionNotFound<Session>;

    fn from_disconnect_parts(
        socket: &Arc<Socket<RecoveryAdapter>>,
        reason: DisconnectReason,
    ) -> Result<Self, Self::Error> {
        Extension::from_disconnect_parts(socket, reason).map(|Extension(session)| session)
    }
}
