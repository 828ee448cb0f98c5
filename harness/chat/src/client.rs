//! The chat's client: keeps what the user gives it until it is safely stored, and hands on what
//! arrives, in order and once.
//!
//! rust_socketio speaks the protocol; everything that makes a client reliable is here, because
//! that library's own reconnection has no time-outs and forgets what was emitted meanwhile. For
//! each connection the supervisor makes a new rust_socketio client (`connection`) on whatever carries
//! it (`carriers`), decides what to send and when to give up (`outbox`), what to handle and what is
//! missing (`inbox`), how to get what is large over a slow link (`pieces`), how long to wait before connecting again (`backoff`), and how long for an
//! acknowledgement (`ack_timeout`).
//!
//! How soon a dead server is noticed: the server gives a sign of life every ping interval; a client
//! that has heard nothing for the interval plus the time-out ends the connection. rust_socketio's
//! own detection is not enough: it says nothing when the server closes cleanly, it sleeps while an
//! emit is stuck, and it dies silently with its receive task.
//!
//! What the user says goes into the outbox at once, connected or not; with [`ClientOptions::outbox`]
//! it is on the disk before [`Client::send`] returns, and a client that starts again goes on where the
//! one before it ended.

mod ack_timeout;
mod backoff;
mod carriers;
mod connection;
mod disk;
mod inbox;
mod outbox;
mod pieces;
mod roster;
mod supervisor;

use crate::Observer;
use crate::bugs::Bug;
use crate::cause::{Cause, FailureCause};
use crate::message::{Kind, Message, ROOT};
use crate::storage::{Database, StorageError};
use disk::Disk;
use outbox::Outbox;
use serde::{Deserialize, Serialize};
use squall_recovery::Refusal;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use supervisor::Supervisor;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// How a client is to behave.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The user's name, 1 to 64 bytes.
    pub name: String,
    /// The server: its address or name, and its port: `chat:3000`.
    pub server: String,
    /// The other servers of the same chat. A client whose server is lost, or does not let it in,
    /// tries the next one.
    pub other_servers: Vec<String>,
    /// What shows that the user is who the name says, to a server that wants to know.
    pub token: Option<String>,
    /// The namespace; one of those that the server has.
    pub namespace: String,
    /// The rooms whose messages the client wants, 1 to 64 of them.
    pub rooms: Vec<String>,
    /// How packets travel.
    pub transport: Transport,
    /// What is promised about the user's messages.
    pub to_server: ToServer,
    /// How long to wait for an acknowledgement, and for a connection to take a packet, to begin with. After one
    /// that was overdue the wait for the next is twice as long, up to a minute, until one comes within this time:
    /// a time-out shorter than the round trip would send for ever.
    pub ack_timeout: Duration,
    /// How often a message that was not acknowledged is tried again; none: for ever.
    pub retries: Option<u32>,
    /// The file that keeps what is not acknowledged yet; none: what the program has in memory when
    /// it ends is lost.
    pub outbox: Option<PathBuf>,
    /// How long to wait for a connection that the server has greeted; twice as long in all with
    /// [`Transport::WebsocketOrPolling`], when the first carrier does not answer.
    pub connect_timeout: Duration,
    /// The shortest wait before connecting again.
    pub backoff_min: Duration,
    /// The longest wait before connecting again.
    pub backoff_max: Duration,
    /// A planted mistake.
    pub bug: Option<Bug>,
}

impl Default for ClientOptions {
    /// The defaults of Socket.IO's client for reconnection (1 s to 5 s) and connecting (20 s); a
    /// guest in the room `lobby` on port 3000 of this computer.
    fn default() -> Self {
        Self {
            name: "guest".to_owned(),
            server: "127.0.0.1:3000".to_owned(),
            other_servers: Vec::new(),
            token: None,
            namespace: ROOT.to_owned(),
            rooms: vec!["lobby".to_owned()],
            transport: Transport::Websocket,
            to_server: ToServer::ExactlyOnce,
            ack_timeout: Duration::from_secs(10),
            retries: None,
            outbox: None,
            connect_timeout: Duration::from_secs(20),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(5),
            bug: None,
        }
    }
}

/// How packets travel between client and server (Engine.IO's transports).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// One WebSocket from the start.
    Websocket,
    /// HTTP long-polling.
    Polling,
    /// The handshake over polling, then a WebSocket.
    Upgrade,
    /// One WebSocket from the start, or polling where that is not to be had.
    WebsocketOrPolling,
}

/// What is promised about a message on its way to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToServer {
    /// Sent once. What is in flight when the connection dies is lost.
    AtMostOnce,
    /// Sent until acknowledged, one at a time. Stored twice when an acknowledgement was lost.
    AtLeastOnce,
    /// The same, with a client offset by which the server recognises a message it has.
    ExactlyOnce,
}

/// What the client's observer is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The user gave a message to the client.
    Invoked {
        /// The operation that this begins.
        operation: u64,
        /// The message.
        message: Message,
    },
    /// The message is put on a connection once more.
    Retried {
        /// The operation that is tried again.
        operation: u64,
        /// How many attempts there have been, this one included.
        attempt: u32,
    },
    /// The message is sent.
    Ok {
        /// The operation that this ends.
        operation: u64,
        /// Whether the server acknowledged it (false for a mode that does not ask).
        acknowledged: bool,
    },
    /// The message was not sent, or the server has refused the only attempt: it is not stored, and never will be.
    Failed {
        /// The operation that this ends.
        operation: u64,
        /// Why.
        cause: FailureCause,
        /// Why, for people.
        reason: String,
    },
    /// It is not known whether the message was sent.
    Unknown {
        /// The operation that this ends.
        operation: u64,
        /// Why.
        cause: FailureCause,
        /// Why, for people.
        reason: String,
    },
    /// A message from the server was handled.
    Delivered {
        /// The id the server's database gave it; 0 if it is not stored.
        id: i64,
        /// The room, as it is called in the client's namespace.
        room: String,
        /// The sender's name.
        sender: String,
        /// What it is.
        kind: Kind,
        /// The sender wants to be called this from here on.
        nickname: Option<String>,
        /// The message: words, or the number and the digest of bytes.
        content: String,
    },
    /// The client begins to connect.
    Connecting {
        /// Counts from 1 since the last established connection.
        attempt: u32,
    },
    /// The client has a connection that the server has greeted.
    Connected {
        /// The id of the Socket.IO session.
        session: String,
        /// Whether it is the session that the client had before.
        recovered: bool,
        /// Why it is not, if the client asked for that one.
        refused: Option<Refusal>,
    },
    /// The connection, or the attempt to connect, is over.
    Disconnected {
        /// Why.
        cause: Cause,
        /// Why, for people.
        reason: String,
    },
    /// The server shows a user as online. Without a connection, what was shown last may be out of date;
    /// after the next one only the differences are told.
    Online {
        /// The user's name.
        user: String,
    },
    /// The server does not show that user as online any more.
    Offline {
        /// The user's name.
        user: String,
    },
}

/// How many messages are left in an outbox on the disk, which no client has open.
///
/// # Errors
///
/// [`StorageError::InUse`] if a client has it open, [`StorageError::Sqlite`] if it cannot be read.
pub fn rows_in_outbox(path: &Path) -> Result<usize, StorageError> {
    let kept = Disk::open(path).and_then(|disk| disk.kept());
    let kept = kept.map_err(|source| Database::error(path, source))?;
    Ok(kept.len())
}

/// What the user's side and the supervisor share.
struct Shared {
    outbox: Mutex<Outbox>,
    /// Something was put into the outbox.
    given: Notify,
}

impl Shared {
    fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A user's connection to the chat, however often it has to be made again.
pub struct Client {
    shared: Arc<Shared>,
    observer: Observer<ClientEvent>,
    /// Dropping it tells the supervisor to take its leave.
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

    /// Gives a message to the client, connected or not. What becomes of it, the observer is told
    /// under this operation's number, which the caller chooses.
    pub fn send(&self, operation: u64, message: Message) {
        (self.observer)(ClientEvent::Invoked {
            operation,
            message: message.clone(),
        });
        let done = self.shared.outbox().take(operation, message);
        done.into_iter().for_each(|event| (self.observer)(event));
        self.shared.given.notify_one();
    }

    /// Takes leave of the server, and returns when that is done or has taken too long. Messages
    /// that are not acknowledged yet have failed, or it is unknown what became of them.
    pub async fn disconnect(self) {
        let Self {
            farewell,
            supervisor,
            ..
        } = self;
        drop(farewell);
        // If it panicked, its observer has been told nothing more, and there is nobody to take leave of.
        let _ = supervisor.await;
    }
}
