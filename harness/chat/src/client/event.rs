//! What a client's observer is told.

use crate::cause::{EndCause, FailureCause};
use crate::message::{Message, MessageKind};
use squall_recovery::Refusal;

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
    /// The message was not sent, or the server has refused the only attempt: it is not stored, and
    /// never will be.
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
        kind: MessageKind,
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
        cause: EndCause,
        /// Why, for people.
        reason: String,
    },
    /// The server shows a user as online. Without a connection, what was shown last may be out of
    /// date; after the next one only the differences are told.
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
