//! Socket.IO's [connection state recovery](https://socket.io/docs/v4/connection-state-recovery) for
//! [socketioxide](https://docs.rs/socketioxide) 0.18: a client that loses its connection for a
//! moment gets its session id, its rooms, its data and all missed packets back. It works with the
//! official clients, which then say `socket.recovered === true`, over WebSocket and HTTP
//! long-polling.
//!
//! ```no_run
//! use squall_recovery::{Memory, Options, Recovery, RecoveryAdapter, Session, SocketRef};
//! use socketioxide::SocketIo;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let recovery = Recovery::new(Options::default(), Memory)?;
//! let (socketio, io) = SocketIo::builder()
//!     .with_adapter::<RecoveryAdapter>(recovery.clone())
//!     .build_svc();
//!
//! io.ns("/", recovery.protect(async |socket: SocketRef, session: Session| {
//!     if !session.recovered() {
//!         session.join("lobby").expect("memory does not fail");
//!     }
//!     socket.on("hello", async |session: Session| {
//!         session.emit("welcome", &session.id()).expect("memory does not fail");
//!     });
//! }));
//!
//! let service = recovery.around_service(socketio); // `recovery.around(layer)` is for axum
//! # drop(service); Ok(()) }
//! ```
//!
//! # Three parts
//!
//! - [`RecoveryAdapter`] gives each broadcast event an offset, as its last argument, and records
//!   whom it is for before it is sent.
//! - [`Recovery::protect`] wraps the handlers of a namespace. It opens a session for each
//!   connection, or gives it the one that the client names in CONNECT's payload: `{"pid": …,
//!   "offset": …}`. Handlers take the [`Session`] as an argument.
//! - [`RecoveryService`] wraps socketioxide's service and puts the private id into its CONNECT
//!   packets, `40{"sid":…,"pid":…}`, which socketioxide cannot do itself.
//!
//! # What holds
//!
//! - A recovered session is whole: same id, rooms, data; every event that was emitted to it, to its
//!   rooms or to everyone and that its client has not handled, in order, once. Otherwise the client
//!   gets a new session, and nothing of the old one; [`Session::refusal`] says why.
//! - This holds again and again: for connections that were quiet for hours, for clients that have
//!   not been sent anything yet (they name the offset of an earlier session, or none), however much
//!   was missed, and on named namespaces.
//! - It holds for a client that is back before the server has noticed its loss, as when a phone
//!   changes networks. Socket.IO's own server refuses it then, and so loses what it has sent into
//!   the dead connection. Here the client's next connection supersedes the old one: the private id
//!   proves that it is the client's, and the order in which the server heard of both proves that it
//!   is the later one. It waits for half a second first, because a client that leaves on purpose
//!   and comes back at once may have its goodbye in flight on the old connection. The client need
//!   not do anything, so this works with the official ones. If a client had two live connections
//!   with one private id, the first would be ended.
//! - Missed packets, like all events that are kept, go out in portions ([`Options::queued_max`])
//!   that leave room in the connection's queue for what else the application sends, and for pings.
//! - A session that either side has ended on purpose is gone.
//! - With a [`Storage`] that lasts ([`Sqlite`]) it holds across restarts, even if the process was
//!   killed or the power failed. After a kill, a session's window counts from the moment of the
//!   kill, to within a twentieth of it.
//! - A storage that fails for a moment (a full disk, an error) delays events and loses none: see
//!   [`Storage`], [`Census::unsaved`].
//! - A client that does not read, and has missed more than is kept for it, loses its connection,
//!   and gets a new session on its next one. It is not disconnected from its namespace: Socket.IO's
//!   own clients would stay away for good then.
//! - Hostile clients cannot make it grow: what is kept is limited by [`Options`], and a client that
//!   would need what was dropped is refused. Once clients have gone and their time is up, nothing
//!   is left ([`Recovery::census`]).
//!
//! # What to know
//!
//! - Use [`Session::id`] for what other clients see, [`Session::emit`] for events to one client,
//!   [`Session::join`] for rooms and [`Session::on_disconnect`] for the disconnect handler. The
//!   methods of the socket with these names bypass the adapter: what they do is not recovered, or
//!   only as their documentation says.
//! - Events with acknowledgement and volatile events are not recovered; nor does Socket.IO's own
//!   server recover them.
//! - Socket.IO's client takes *any* text at the end of an event for an offset. So an event that is
//!   not recovered should not end with a text: a client that names it as its offset is refused.
//! - An application that stores what it emits can be killed in between. So it should say where each
//!   event comes from ([`Recovery::emit_at`]), and when it starts, emit again what came after
//!   [`Recovery::position`]. If it emits several events for one position, to different sessions, it
//!   should do so [together](Recovery::together).
//! - If the process dies while its storage fails, sessions come back as they were last kept, and
//!   what was not kept was never sent.
//! - The common (JSON) parser only.
//! - Each server process has books of its own. Clients can move between servers ([`Elsewhere`]) if
//!   the application knows all events by position.

#![forbid(unsafe_code)]

mod adapter;
mod books;
mod census;
mod elsewhere;
mod flow;
mod handler;
mod journal;
mod log;
mod number;
mod options;
mod refusal;
mod secret;
mod session;
mod storage;
mod wire;
mod wires;

pub use adapter::RecoveryAdapter;
pub use census::Census;
pub use elsewhere::{Elsewhere, Taking, Unreachable};
pub use handler::Protected;
pub use options::Options;
pub use refusal::Refusal;
pub use session::Session;
pub use storage::{Memory, Saved, SavedPacket, SavedSession, Sqlite, Storage, StorageError};
pub use wire::{Around, RecoveryService};

use books::Books;
use flow::Flow;
use serde::Serialize;
use socketioxide_core::Str;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};
use wires::Wires;

/// How long to wait before retrying a storage that has failed.
const RETRY: Duration = Duration::from_millis(200);

/// A socket of a server with recovery.
pub type SocketRef = socketioxide::extract::SocketRef<RecoveryAdapter>;

/// The sessions of one server. Clones share them.
#[derive(Clone)]
pub struct Recovery(Option<Arc<Shared>>);

struct Shared {
    books: Mutex<Books>,
    /// By namespace.
    adapters: Mutex<BTreeMap<String, Weak<RecoveryAdapter>>>,
    options: Options,
    flow: Flow,
    wires: Wires,
    /// How many connections the server has heard of.
    arrivals: AtomicU64,
    keeps_time: AtomicBool,
    elsewhere: Option<Box<dyn Elsewhere>>,
    /// Notified when the storage is behind, and should be retried soon.
    behind: Arc<Notify>,
}

impl Recovery {
    /// Opens the books with what the storage knows from an earlier process.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the storage cannot be read.
    pub fn new(options: Options, storage: impl Storage) -> Result<Self, StorageError> {
        Self::begin(options, storage, None)
    }

    /// The same for a server among several, to which clients may come from another one.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn among(
        options: Options,
        storage: impl Storage,
        elsewhere: impl Elsewhere,
    ) -> Result<Self, StorageError> {
        Self::begin(options, storage, Some(Box::new(elsewhere)))
    }

    fn begin(
        options: Options,
        storage: impl Storage,
        elsewhere: Option<Box<dyn Elsewhere>>,
    ) -> Result<Self, StorageError> {
        let (now, today) = (Instant::now(), SystemTime::now());
        let flow = Flow::default();
        let behind = Arc::new(Notify::new());
        let journal = (Box::new(storage) as Box<dyn Storage>, behind.clone());
        let mut books = Books::open(options.clone(), journal, flow.clone(), (now, today))?;
        if elsewhere.is_some() {
            books.move_about();
        }
        let recovery = Self(Some(Arc::new(Shared {
            books: Mutex::new(books),
            adapters: Mutex::default(),
            options,
            flow,
            wires: Wires::default(),
            arrivals: AtomicU64::new(0),
            keeps_time: AtomicBool::new(false),
            elsewhere,
            behind,
        })));
        recovery.keep_time();
        Ok(recovery)
    }

    /// No recovery: everything behaves as if this crate were not there, as is Socket.IO's default.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Whether recovery is on.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Wraps the handlers of a namespace, middlewares included, so that its sessions can be
    /// recovered.
    #[must_use]
    pub fn protect<H>(&self, handler: H) -> Protected<H> {
        Protected {
            handler,
            recovery: self.clone(),
        }
    }

    /// Emits an event to some sessions of a namespace, which get it after their recovery if not
    /// before. It is kept once, for all of them. It waits while the storage fails for a moment.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the event is not JSON, or cannot be kept; then it is not sent.
    pub fn emit<'a, T: Serialize + ?Sized>(
        &self,
        namespace: &str,
        sessions: impl IntoIterator<Item = &'a Session>,
        event: &str,
        data: &T,
    ) -> Result<(), StorageError> {
        self.emit_from(namespace, sessions, (event, data), None)
    }

    /// Like [`emit`](Self::emit), for an event that comes from a log of the application, such as
    /// the rows of its own database, in ascending order of their `position` there. The process may
    /// be killed between storing a row and emitting it; so when it starts again, it should emit to
    /// the waiting sessions again what comes after [`Recovery::position`].
    ///
    /// # Errors
    ///
    /// As above.
    pub fn emit_at<'a, T: Serialize + ?Sized>(
        &self,
        position: i64,
        namespace: &str,
        sessions: impl IntoIterator<Item = &'a Session>,
        (event, data): (&str, &T),
    ) -> Result<(), StorageError> {
        self.emit_from(namespace, sessions, (event, data), Some(position))
    }

    fn emit_from<'a, T: Serialize + ?Sized>(
        &self,
        namespace: &str,
        sessions: impl IntoIterator<Item = &'a Session>,
        event: (&str, &T),
        position: Option<i64>,
    ) -> Result<(), StorageError> {
        let receivers = sessions.into_iter().map(Session::number).collect();
        match (self.books(), self.adapter(namespace)) {
            (Some(mut books), Some(adapter)) => {
                adapter.send_to(&mut books, &receivers, event, position)
            }
            _ => Ok(()),
        }
    }

    /// Does what `act` does to sessions and events atomically: it is kept together, which for a
    /// disk is one `fsync`, and events are sent once it is. So a process that is killed in between
    /// has kept all of it, or nothing. Changes made meanwhile by other threads wait with it.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if it cannot be kept, now or later. `act` has been done all the same.
    pub fn together<T>(&self, act: impl FnOnce() -> T) -> Result<T, StorageError> {
        let held = Held::new(self);
        let done = act();
        held.release().map(|()| done)
    }

    /// The highest position of [`Recovery::emit_at`] that the storage knows from earlier processes.
    /// Nothing after it was ever sent.
    #[must_use]
    pub fn position(&self) -> Option<i64> {
        self.books()?.position()
    }

    /// What is in the books.
    #[must_use]
    pub fn census(&self) -> Census {
        self.books()
            .map_or_else(Census::default, |books| books.census())
    }

    /// The sessions that wait for their clients, in the order in which they were opened. When a
    /// server starts with a storage that lasts, these are the sessions of its last process.
    #[must_use]
    pub fn waiting(&self) -> Vec<Session> {
        let books = self.books();
        let waiting = books.iter().flat_map(|books| books.waiting());
        waiting
            .map(|(number, namespace, ids)| Session::waiting(self, number, namespace, ids))
            .collect()
    }

    /// Closes the storage, for a server that is shutting down. What happens from now on is not
    /// kept.
    pub fn close(&self) {
        if let Some(mut books) = self.books() {
            books.resume();
            // If this fails, the sessions merely count as away for a moment longer or shorter than
            // they were.
            drop(books.tick(Instant::now(), SystemTime::now()));
            books.close();
        }
    }

    fn books(&self) -> Option<MutexGuard<'_, Books>> {
        let shared = self.0.as_ref()?;
        Some(shared.books.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn skips_middlewares(&self) -> bool {
        self.0
            .as_ref()
            .is_some_and(|shared| shared.options.skip_middlewares)
    }

    fn add_adapter(&self, namespace: impl ToString, adapter: Weak<RecoveryAdapter>) {
        if let Some(shared) = &self.0 {
            let mut adapters = shared
                .adapters
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            adapters.insert(namespace.to_string(), adapter);
        }
    }

    fn adapter(&self, namespace: &str) -> Option<Arc<RecoveryAdapter>> {
        let shared = self.0.as_ref()?;
        let adapters = shared
            .adapters
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        adapters.get(namespace)?.upgrade()
    }

    fn adapters(&self) -> Vec<Arc<RecoveryAdapter>> {
        let adapters = self.0.iter().flat_map(|shared| {
            let adapters = shared.adapters.lock();
            let adapters = adapters.unwrap_or_else(PoisonError::into_inner);
            adapters
                .values()
                .filter_map(Weak::upgrade)
                .collect::<Vec<_>>()
        });
        adapters.collect()
    }

    fn deliver(&self, books: &mut Books, sessions: Vec<(Str, u64)>) {
        for (namespace, session) in sessions {
            if let Some(adapter) = self.adapter(&namespace) {
                adapter.deliver(books, session);
            }
        }
    }

    /// From now on, looks after expired sessions and a storage that is behind, until the server is
    /// gone; where there is no runtime yet, from the first connection on.
    fn keep_time(&self) {
        let (Some(shared), Ok(runtime)) = (&self.0, Handle::try_current()) else {
            return;
        };
        if shared.keeps_time.swap(true, Ordering::Relaxed) {
            return;
        }
        let (weak, pulse) = (Arc::downgrade(shared), shared.options.pulse());
        runtime.spawn(async move {
            while let Some(shared) = weak.upgrade() {
                let behind = shared.behind.clone();
                match Self(Some(shared)).look_after(pulse) {
                    true => sleep(RETRY).await,
                    false => drop(timeout(pulse, behind.notified()).await),
                }
            }
        });
    }

    /// Does what is due; returns whether the storage could not do all of it.
    fn look_after(&self, pulse: Duration) -> bool {
        if let Some(shared) = &self.0 {
            shared
                .wires
                .expire(Instant::now(), shared.options.retention());
        }
        let Some(mut books) = self.books() else {
            return false;
        };
        let sessions = books.resume();
        self.deliver(&mut books, sessions);
        // We count as alive until the next time.
        let alive_until = SystemTime::now() + pulse;
        let told = books.tick(Instant::now(), alive_until);
        told.is_err_and(|error| error.may_pass()) || books.is_behind()
    }
}

/// While this exists, changes wait to be kept together.
struct Held<'a>(Option<&'a Recovery>);

impl<'a> Held<'a> {
    fn new(recovery: &'a Recovery) -> Self {
        recovery.books().iter_mut().for_each(|books| books.hold());
        Self(Some(recovery))
    }

    fn release(mut self) -> Result<(), StorageError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), StorageError> {
        let Some(recovery) = self.0.take() else {
            return Ok(());
        };
        if let Some(mut books) = recovery.books() {
            let sessions = books.release()?;
            recovery.deliver(&mut books, sessions);
        }
        Ok(())
    }
}

impl Drop for Held<'_> {
    /// After a panic: what has been done so far is kept, as it would be without this.
    fn drop(&mut self) {
        drop(self.end());
    }
}
