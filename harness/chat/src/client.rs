//! The chat's client: keeps what the user gives it until it is safely stored, and passes on what
//! arrives, in order and once.
//!
//! rust_socketio speaks the protocol; everything that makes a client reliable is here, because that
//! library's own reconnection has no timeouts and forgets what was emitted meanwhile. For each
//! connection the supervisor makes a new rust_socketio client (`connection`) over one of its
//! transports (`carriers`). It decides what to send and when to give up (`outbox`), what to handle
//! and what is missing (`inbox`), how to get large contents over a slow link (`pieces`), and how
//! long to wait before reconnecting (`backoff`) and for an acknowledgement (`ack_timeout`).
//!
//! How soon a dead server is noticed: the server gives a sign of life every ping interval; a client
//! that has heard nothing for the interval plus the timeout ends the connection. rust_socketio's
//! own detection is not enough: it stays silent when the server closes cleanly, sleeps while an
//! emit is stuck, and dies silently with its receive task.
//!
//! What the user says goes into the outbox at once, connected or not; with
//! [`ClientOptions::outbox`] it is on the disk before [`Client::send`] returns, and a client that
//! restarts continues where the previous one ended.

mod ack_timeout;
mod backoff;
mod carriers;
mod connection;
mod disk;
mod event;
mod inbox;
mod options;
mod outbox;
mod pieces;
mod roster;
mod shared;
mod supervisor;

pub use event::ClientEvent;
pub use options::{ClientOptions, ToServer, Transport};

use crate::Observer;
use crate::message::Message;
use crate::storage::{Database, StorageError};
use disk::Disk;
use outbox::Outbox;
use shared::Shared;
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};
use supervisor::Supervisor;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// How many messages are left in an outbox on the disk that no client has open.
///
/// # Errors
///
/// [`StorageError::InUse`] if a client has it open, [`StorageError::Sqlite`] if it cannot be read.
pub fn rows_in_outbox(path: &Path) -> Result<usize, StorageError> {
    let kept = Disk::open(path).and_then(|disk| disk.kept());
    let kept = kept.map_err(|source| Database::error(path, source))?;
    Ok(kept.len())
}

/// A user's connection to the chat, however often it has to be remade.
pub struct Client {
    shared: Arc<Shared>,
    observer: Observer<ClientEvent>,
    /// Dropping it tells the supervisor to say goodbye.
    farewell: oneshot::Sender<Infallible>,
    supervisor: JoinHandle<()>,
}

impl Client {
    /// Starts to connect, in a task on the current tokio runtime.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn start(options: ClientOptions, observer: Observer<ClientEvent>) -> Client {
        let (farewell, told) = oneshot::channel();
        let shared = Arc::new(Shared {
            outbox: Mutex::new(Outbox::open(&options)),
            given: Notify::new(),
        });
        let supervisor = Supervisor::new(options, observer.clone(), shared.clone());
        let supervisor = tokio::spawn(supervisor.run(told));
        Client {
            shared,
            observer,
            farewell,
            supervisor,
        }
    }

    /// Gives a message to the client, connected or not. The observer learns its fate under this
    /// operation's number, which the caller chooses.
    pub fn send(&self, operation: u64, message: Message) {
        (self.observer)(ClientEvent::Invoked {
            operation,
            message: message.clone(),
        });
        let done = self.shared.outbox().take(operation, message);
        done.into_iter().for_each(|event| (self.observer)(event));
        self.shared.given.notify_one();
    }

    /// Says goodbye to the server, and returns when that is done or has taken too long. Messages
    /// that are not acknowledged by then have failed, or their fate is unknown.
    pub async fn disconnect(self) {
        let Self {
            farewell,
            supervisor,
            ..
        } = self;
        drop(farewell);
        // If it panicked, its observer has not been told anything more, and there is no server to
        // say goodbye to.
        let _ = supervisor.await;
    }
}
