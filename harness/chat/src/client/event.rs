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
    /// The message is put on a connection again.
    Retried {
        /// The operation that is retried.
        operation: u64,
        /// How many attempts there have been, including this one.
        attempt: u32,
    },
    /// The message has been sent.
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
        /// The kind of message.
        kind: MessageKind,
        /// The sender's nickname from here on.
        nickname: Option<String>,
        /// The message: its text, or the length and digest of its bytes.
        content: String,
    },
    /// Something is missing that the server should have sent on this connection; the client asks
    /// for it.
    Missed {
        /// Whether messages are missing, or else news of who has come and gone.
        messages: bool,
        /// Whether nothing is lost on such a connection by itself.
        reliable: bool,
    },
    /// The server has sent a message that the client has handled; it is not handled again.
    Repeated {
        /// The id the server's database gave it.
        id: i64,
        /// The message, as [`Delivered`](Self::Delivered) tells it.
        content: String,
        /// Whether nothing comes twice on such a connection by itself.
        reliable: bool,
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
    /// The connection, or the attempt to connect, has ended.
    Disconnected {
        /// Why.
        cause: EndCause,
        /// Why, for people.
        reason: String,
    },
    /// The server shows a user as online. Without a connection, what was last shown may be out of
    /// date; after the next one only the differences are reported.
    Online {
        /// The user's name.
        user: String,
    },
    /// The server no longer shows that user as online.
    Offline {
        /// The user's name.
        user: String,
    },
}
