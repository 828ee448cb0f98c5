//! Why something ended, as values: decisions depend on these, and never on the accompanying words,
//! which are for people.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Why a connection, an attempt to make one, or a session ended, as known to the side that reports
/// it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// This side's own user or program ended it on purpose.
    Meant,
    /// The peer said goodbye. Programs do so in trouble as well as when their user intends it.
    PeerMeant,
    /// Nothing was heard from the peer for longer than a silence may last.
    Silent {
        /// How long that is, where this side measured it.
        after: Option<Duration>,
    },
    /// No connection could be made in the time allowed.
    GaveUp {
        /// The time allowed; none if the operating system set it.
        after: Option<Duration>,
    },
    /// The peer was heard, but something sent to it was not accepted or not acknowledged in time.
    /// The next attempt needs a new connection.
    Unanswered {
        /// The time allowed.
        after: Duration,
    },
    /// The connection was closed or reset, or dropped by a peer that intends to come back.
    Closed,
    /// The peer answered with a refusal, or in another protocol.
    Refused,
    /// The server is shutting down, or cannot serve any more.
    Stopping,
    /// The same session came back on another connection.
    Superseded,
    /// The peer sent far more than allowed.
    Overflow,
    /// What the peer sent does not make sense.
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

/// Why a message failed, or why its fate is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureCause {
    /// It was sent as often as allowed without being acknowledged.
    RetriesUsedUp {
        /// How often it was sent.
        attempts: u32,
    },
    /// It is larger than the server accepts.
    TooLarge {
        /// Its size, or that of a packet with it.
        bytes: u64,
        /// The server's limit.
        limit: u64,
    },
    /// Its sender may not send it: not in that room, under that nickname, or with a name like that.
    NotAllowed,
    /// The server could not store it at the time. It may be able to later, so nothing fails for
    /// this reason alone.
    NotStored,
    /// There was no connection for something that is only worth sending now, or the only connection
    /// on which it may be sent was lost.
    NotConnected,
    /// It was waiting its turn, and its user has said something of the same kind since.
    Overtaken,
    /// The outbox's file cannot be read or written.
    NotKept,
    /// Its user has left.
    Left,
}

/// Why something was refused: as a value, and in words that include the remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rejection {
    pub(crate) cause: FailureCause,
    pub(crate) reason: String,
}

impl Rejection {
    /// A refusal of something that may be accepted later.
    pub(crate) fn for_now(reason: String) -> Self {
        let cause = FailureCause::NotStored;
        Self { cause, reason }
    }
}

/// Most refusals are for what is not allowed.
impl From<String> for Rejection {
    fn from(reason: String) -> Self {
        let cause = FailureCause::NotAllowed;
        Self { cause, reason }
    }
}

/// How a connection ended: as a value, and in words.
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
