//! What a server's observer is told.

use crate::cause::EndCause;
use squall_recovery::Refusal;

/// What the server's observer is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// A client was let in.
    SessionOpened {
        /// The id of the Socket.IO session.
        session: String,
        /// The user's name.
        client: String,
        /// Whether it is one that was there before.
        recovered: bool,
        /// Why it is not the one that the client asked for, if it asked for one.
        refused: Option<Refusal>,
    },
    /// A client's session is over.
    SessionClosed {
        /// The id of the Socket.IO session.
        session: String,
        /// The user's name.
        client: String,
        /// Why.
        cause: EndCause,
    },
    /// A message was committed to the database: the server's, or the broker's in a cluster.
    Stored {
        /// The id of its row.
        id: i64,
    },
    /// What the server holds has changed since it was last told. It is looked at once per ping
    /// interval.
    Census(Census),
    /// The server has lost the broker of its cluster, or cannot reach it.
    CutOff {
        /// Why.
        reason: String,
    },
    /// A message could not be stored, a page not read, or the files not be opened, because the disk
    /// is full or fails. The client has been told, or asks again; the server goes on, or tries
    /// again to begin.
    StorageFailed {
        /// What SQLite says.
        reason: String,
    },
}

/// What a server holds. When all clients have left, and nobody can come back any more, it is
/// nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// TCP connections, each of which takes a place.
    pub connections: usize,
    /// Sessions with a connection.
    pub sessions: usize,
    /// Sessions that wait for their clients.
    pub waiting: usize,
    /// Rooms with somebody in them, connected or not.
    pub rooms: usize,
    /// Users who are shown as online.
    pub online: usize,
    /// Messages whose senders wait for an answer of the cluster's broker.
    pub unanswered: usize,
    /// Bytes of what clients want and have not got yet.
    pub given_bytes: usize,
    /// Bytes that wait for clients to read them.
    pub queued_bytes: u64,
    /// Packets that are kept for sessions to which somebody may come back.
    pub kept_packets: usize,
    /// Changes of sessions that the disk could not keep yet.
    pub unsaved: usize,
}
