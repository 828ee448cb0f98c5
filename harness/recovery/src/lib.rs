//! Socket.IO's [connection state recovery](https://socket.io/docs/v4/connection-state-recovery) for
//! [socketioxide](https://docs.rs/socketioxide) 0.18: a client that loses its connection for a moment
//! gets its session id, its rooms, its data and all missed packets back. It works with the official
//! clients, which then say `socket.recovered === true`, over WebSocket and HTTP long-polling.
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
//! - [`RecoveryAdapter`] gives each broadcast event an offset, its last argument, and writes down whom it
//!   was for, before it is sent.
//! - [`Recovery::protect`] wraps the handlers of a namespace. It opens a session for each connection, or
//!   gives it the one that the client names in CONNECT's payload: `{"pid": …, "offset": …}`. Handlers
//!   take the [`Session`] as an argument.
//! - [`RecoveryService`] stands around socketioxide's service and puts the private id into its CONNECT
//!   packets, `40{"sid":…,"pid":…}`, which socketioxide cannot do itself.
//!
//! # What holds
//!
//! - A recovered session is whole: same id, rooms, data; every event that was emitted to it, to its
//!   rooms or to everybody and that its client has not handled, in order, once. Otherwise the client
//!   gets a new session, and nothing of the old one; [`Session::refusal`] says why.
//! - It holds again and again, for connections that were quiet for hours, for clients that were not sent
//!   anything yet, and on named namespaces.
//! - A session that either side has ended on purpose is gone.
//! - With a [`Storage`] that lasts ([`Sqlite`]) it holds across restarts, also when the process was killed
//!   or the power failed.
//! - Hostile clients cannot make it grow: what is kept is limited by [`Options`], and a client that would
//!   need what was dropped is refused.
//!
//! # What to know
//!
//! - Use [`Session::id`] for what others are told, [`Session::emit`] for events to one client,
//!   [`Session::join`] for rooms and [`Session::on_disconnect`] for the disconnect handler. The methods
//!   of the socket with these names do not pass the adapter: what they do is not recovered, or only as
//!   their documentation says.
//! - Events with acknowledgement and volatile events are not recovered, as with Socket.IO's own server.
//! - Socket.IO's client takes *any* text at the end of an event for an offset. An event that is not
//!   recovered should therefore not end with a text: a client that names it as its offset is refused.
//! - The common (JSON) parser only. One server process only: the books are not shared.

#![forbid(unsafe_code)]

mod adapter;
mod books;
mod handler;
mod log;
mod options;
mod secret;
mod session;
mod storage;
mod wire;

pub use adapter::RecoveryAdapter;
pub use books::Refusal;
pub use handler::Protected;
pub use options::Options;
pub use session::Session;
pub use storage::{
    LoadedPacket, LoadedSession, Memory, Saved, SavedPacket, SavedSession, Sqlite, Storage,
    StorageError,
};
pub use wire::{Around, RecoveryService};

use books::Books;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::SystemTime;
use tokio::time::{Instant, sleep};

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
    keeps_time: AtomicBool,
}

impl Recovery {
    /// Opens the books with what the storage knows from an earlier process.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the storage cannot be read.
    pub fn new(options: Options, storage: impl Storage) -> Result<Self, StorageError> {
        let (now, today) = (Instant::now(), SystemTime::now());
        let books = Books::open(options.clone(), Box::new(storage), now, today)?;
        Ok(Self(Some(Arc::new(Shared {
            books: Mutex::new(books),
            adapters: Mutex::default(),
            options,
            keeps_time: AtomicBool::new(false),
        }))))
    }

    /// No recovery: everything behaves as if this crate were not there, which is Socket.IO's default.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Whether there is any recovery.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Wraps the handlers of a namespace, middlewares included, so that its sessions can be recovered.
    #[must_use]
    pub fn protect<H>(&self, handler: H) -> Protected<H> {
        Protected {
            handler,
            recovery: self.clone(),
        }
    }

    /// Emits an event to some sessions of a namespace, which get it after their recovery if not before.
    /// It is kept once, for all of them.
    ///
    /// # Errors
    ///
    /// [`StorageError`] if the event is not JSON, or could not be kept; then it is not sent.
    pub fn emit<'a, T: Serialize + ?Sized>(
        &self,
        namespace: &str,
        sessions: impl IntoIterator<Item = &'a Session>,
        event: &str,
        data: &T,
    ) -> Result<(), StorageError> {
        let receivers = sessions.into_iter().map(Session::number).collect();
        match (self.books(), self.adapter(namespace)) {
            (Some(mut books), Some(adapter)) => {
                adapter.send_to(&mut books, &receivers, event, data)
            }
            _ => Ok(()),
        }
    }

    /// The sessions that wait for their clients, in the order in which they were opened. When a server
    /// starts with a storage that lasts, these are the sessions of its last process.
    #[must_use]
    pub fn waiting(&self) -> Vec<Session> {
        let books = self.books();
        let waiting = books.iter().flat_map(|books| books.waiting());
        waiting
            .map(|(number, namespace, ids)| Session::waiting(self, number, namespace, ids))
            .collect()
    }

    /// Closes the storage, for a server that ends. What happens from now on is not kept.
    pub fn close(&self) {
        if let Some(mut books) = self.books() {
            // Should this fail, the sessions have been away for a moment longer than they were.
            let _ = books.tick(Instant::now(), SystemTime::now());
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

    /// Looks after expired sessions from now on, until the server is gone. Called where there is a
    /// runtime.
    fn keep_time(&self) {
        let Some(shared) = &self.0 else {
            return;
        };
        if shared.keeps_time.swap(true, Ordering::Relaxed) {
            return;
        }
        let (weak, pause) = (Arc::downgrade(shared), shared.options.tick);
        tokio::spawn(async move {
            while let Some(shared) = weak.upgrade() {
                let recovery = Self(Some(shared));
                let now = (Instant::now(), SystemTime::now());
                // What could not be forgotten now is tried again by the next process.
                let _ = recovery.books().map(|mut books| books.tick(now.0, now.1));
                drop(recovery);
                sleep(pause).await;
            }
        });
    }
}
