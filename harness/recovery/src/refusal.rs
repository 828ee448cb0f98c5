//! Why a session is not given back.

use serde::{Deserialize, Serialize};

/// Why a client got a new session although it asked for its old one.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    thiserror::Error,
)]
#[serde(rename_all = "kebab-case")]
pub enum Refusal {
    /// No session has this private id: it is made up, or its session ended so long ago that the
    /// reason has been forgotten.
    #[error("no session has this private id")]
    Unknown,
    /// Another server issued this private id, or this one did before it was restarted without a
    /// storage that lasts.
    #[error("the session was another server's, or has ended with this one's last process")]
    ServerRestarted,
    /// The session may be where other servers keep theirs, and that cannot be reached now. Whoever
    /// sends its client away has it try again later, with its old session.
    #[error("where the session may be cannot be reached")]
    Unreachable,
    /// One side ended the session on purpose.
    #[error("the session was ended on purpose")]
    LeftOnPurpose,
    /// The session has waited longer than `max_disconnection`.
    #[error("the session has expired")]
    Expired,
    /// The session had to make room: too many others have begun to wait since.
    #[error("the session had to make room for others")]
    NoRoom,
    /// The session is in use by a connection that its client made after this one. (The client has
    /// given this connection up; what it said on it before came late.)
    #[error("a later connection of the client has the session")]
    Superseded,
    /// Packets after this offset are no longer there.
    #[error("the packets after this offset are no longer there")]
    OffsetTooOld,
    /// The session was never sent a packet with this offset.
    #[error("the session was never sent a packet with this offset")]
    OffsetUnknown,
}
