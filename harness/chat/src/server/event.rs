//! What a server's observer is told.

use crate::cause::EndCause;
use squall_recovery::Refusal;

/// What the server's observer is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// A client was admitted.
    SessionOpened {
        /// The id of the Socket.IO session.
        session: String,
        /// The user's name, or that of the user's device.
        client: String,
        /// Whether it is an earlier session.
        recovered: bool,
        /// Why it is not the one that the client asked for, if it asked for one.
        refused: Option<Refusal>,
    },
    /// A client's session has ended.
    SessionClosed {
        /// The id of the Socket.IO session.
        session: String,
        /// The user's name, or that of the user's device.
        client: String,
        /// Why.
        cause: EndCause,
    },
    /// A message was committed to the database: the server's, or the broker's in a cluster.
    Stored {
        /// The id of its row.
        id: i64,
    },
    /// What the server holds has changed since it was last reported. It is checked once per ping
    /// interval.
    Census(Census),
    /// The server has lost the broker of its cluster, or cannot reach it.
    CutOff {
        /// Why.
        reason: String,
    },
    /// A message could not be stored, a page not read, or the files not opened, because the disk is
    /// full or fails. The client has been told, or will ask again; the server carries on, or
    /// retries its start.
    StorageFailed {
        /// What SQLite says.
        reason: String,
    },
}

/// What a server holds. When all clients have left, and none can come back any more, this is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// TCP connections, each of which occupies a place.
    pub connections: usize,
    /// The places that they have taken among those of their addresses.
    pub places: usize,
    /// Sessions with a connection.
    pub sessions: usize,
    /// Sessions that wait for their clients.
    pub waiting: usize,
    /// Rooms with a user in them, connected or not.
    pub rooms: usize,
    /// Users who are shown as online.
    pub online: usize,
    /// Messages whose senders wait for an answer from the cluster's broker.
    pub unanswered: usize,
    /// Bytes of what clients have asked for and not received yet.
    pub given_bytes: usize,
    /// Bytes that wait for clients to read them.
    pub queued_bytes: u64,
    /// Packets that are kept for sessions that may be recovered.
    pub kept_packets: usize,
    /// Bytes in these packets.
    pub kept_bytes: usize,
    /// Changes of sessions that the disk has not been able to keep yet.
    pub unsaved: usize,
}
