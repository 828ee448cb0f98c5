//! Why something ended, as values: what is decided follows from these, and never from the words
//! that stand beside them for people.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Why a connection, an attempt to make one, or a session is over, as the side that tells it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// This side's own user or program ended it on purpose.
    Meant,
    /// The peer said goodbye. Programs do so in distress as well as when their user means it.
    PeerMeant,
    /// Nothing was heard from the peer for as long as a silence may be.
    Silent {
        /// How long that is, where this side has measured it.
        after: Option<Duration>,
    },
    /// A connection was not to be had in the time allowed for it.
    GaveUp {
        /// The time allowed; none if it was the operating system's.
        after: Option<Duration>,
    },
    /// The peer was heard, but something that was said was not taken or not acknowledged in time.
    /// The next attempt needs a new connection.
    Unanswered {
        /// The time allowed.
        after: Duration,
    },
    /// The connection was closed or reset under it, or let go by a peer that means to come back.
    Closed,
    /// The peer answered that it will not have it, or answered in another protocol.
    Refused,
    /// The server shuts down, or cannot serve any more.
    Stopping,
    /// The same session came back on another connection.
    Superseded,
    /// The peer sent far more than it may.
    Overflow,
    /// What the peer sent cannot be understood.
    Malformed,
}

impl fmt::Display for EndCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EndCause::Meant => f.write_str("ended on purpose"),
            EndCause::PeerMeant => f.write_str("the other side said goodbye"),
            EndCause::Silent { after: Some(time) } => write!(f, "silent for {time:?}"),
            EndCause::Silent { after: None } => f.write_str("silent for too long"),
            EndCause::GaveUp { after: Some(time) } => write!(f, "given up after {time:?}"),
            EndCause::GaveUp { after: None } => f.write_str("given up by the operating system"),
            EndCause::Unanswered { after } => write!(f, "no answer within {after:?}"),
            EndCause::Closed => f.write_str("the connection was lost"),
            EndCause::Refused => f.write_str("refused by the other side"),
            EndCause::Stopping => f.write_str("the server shuts down"),
            EndCause::Superseded => f.write_str("the session came back on another connection"),
            EndCause::Overflow => f.write_str("far more was sent than is allowed"),
            EndCause::Malformed => f.write_str("what was sent cannot be understood"),
        }
    }
}

/// Why a message failed, or why nobody can tell what became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureCause {
    /// It was put on a connection as often as is allowed, and not acknowledged.
    RetriesUsedUp {
        /// How often that was.
        attempts: u32,
    },
    /// It is larger than the server takes.
    TooLarge {
        /// Its size, or that of a packet with it.
        bytes: u64,
        /// What the server takes.
        limit: u64,
    },
    /// Its sender may not send it: not in that room, under that nickname, or with that name for
    /// something.
    NotAllowed,
    /// The server could not store it at the time. It may be able to later, so nothing fails for
    /// this alone.
    NotStored,
    /// There was no connection for what is worth sending only now, or the only one it may be sent
    /// on was lost.
    NotConnected,
    /// It waited for its turn, and its user has said something of the kind since.
    Overtaken,
    /// The outbox's file cannot be read or written.
    NotKept,
    /// Its user has left.
    Left,
}

/// Why something was refused: as a value, and in words with the remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rejection {
    pub(crate) cause: FailureCause,
    pub(crate) reason: String,
}

impl Rejection {
    /// Of what may be accepted later.
    pub(crate) fn for_now(reason: String) -> Self {
        let cause = FailureCause::NotStored;
        Self { cause, reason }
    }
}

/// Most of what is refused is not allowed.
impl From<String> for Rejection {
    fn from(reason: String) -> Self {
        let cause = FailureCause::NotAllowed;
        Self { cause, reason }
    }
}

/// How a connection came to its end: as a value, and in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct End {
    pub(crate) cause: EndCause,
    pub(crate) reason: String,
}

impl End {
    pub(crate) fn new(cause: EndCause, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { cause, reason }
    }
}
