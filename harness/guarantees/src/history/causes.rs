//! Why something ended, as values: each side knows its own reasons by their spelling, and says here
//! what they mean. What the checkers excuse follows from these and never from a text.

use crate::nanoseconds;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Why a connection, an attempt to connect or a session is over, as the side that tells it knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndCause {
    /// Nobody has said.
    #[default]
    Unknown,
    /// This side's own user or program ended it on purpose.
    Meant,
    /// The peer said goodbye. That proves nothing about what the peer's *user* meant: programs say
    /// goodbye in distress as well.
    PeerMeant,
    /// Nothing was heard from the peer for as long as a heartbeat may take.
    TimedOut,
    /// An attempt to connect took longer than is allowed.
    GaveUp {
        /// How long it was allowed to take, where that is known.
        #[serde(default, with = "nanoseconds::option")]
        after: Option<Duration>,
    },
    /// The peer was heard, but did not take or acknowledge something in the time allowed for it.
    Unanswered {
        /// The time allowed.
        #[serde(with = "nanoseconds")]
        after: Duration,
    },
    /// The connection was closed or reset under it.
    Closed,
    /// The peer answered that it will not have it.
    Refused,
    /// The server shuts down.
    Stopping,
    /// The same session came back on another connection.
    Superseded,
    /// A queue was full, or there were too many of them.
    Overflow,
    /// What the peer sent cannot be understood.
    Malformed,
}

/// Why a user was told that a message failed, or that nobody can tell what became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureCause {
    /// Nobody has said.
    #[default]
    Unknown,
    /// It was tried as often as is allowed, and never acknowledged.
    RetriesUsedUp {
        /// How often it was put on a connection.
        attempts: u32,
    },
    /// It is larger than is allowed.
    TooLarge {
        /// Its size.
        bytes: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The sender may not do that: not in the room, a nickname of somebody else.
    NotAllowed,
    /// There was no connection to send it on, and the mode keeps nothing for later.
    NotConnected,
    /// The server answered that it could not.
    Refused,
    /// It waited for its turn, and its user has said something of the kind since.
    Overtaken,
    /// It was to be kept on the client's disk first, and could not be.
    NotKept,
    /// Its user has left.
    Left,
}

/// Why a client that asked for the session it had before did not get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveryRefused {
    /// The window was over.
    Expired,
    /// The server knows no such session.
    UnknownSession,
    /// The server does not keep any more what the client has missed.
    OffsetTooOld,
    /// The server never sent what the client says to have had last.
    OffsetUnknown,
    /// The server has started anew since, and sessions end with it.
    ServerRestarted,
    /// The client had left on purpose.
    LeftOnPurpose,
    /// An older attempt of a client that has its session already.
    Superseded,
    /// Too many sessions were waiting.
    NoRoom,
}

impl RecoveryRefused {
    /// The reason in words, to go after "told that".
    pub(crate) fn words(self) -> &'static str {
        match self {
            RecoveryRefused::Expired => "it had expired",
            RecoveryRefused::UnknownSession => "there is no such session",
            RecoveryRefused::OffsetTooOld => "too much was missed",
            RecoveryRefused::OffsetUnknown => "it was never sent what it had last",
            RecoveryRefused::ServerRestarted => "it had ended with its server",
            RecoveryRefused::LeftOnPurpose => "it had been ended on purpose",
            RecoveryRefused::Superseded => "a later connection has it",
            RecoveryRefused::NoRoom => "too many were waiting",
        }
    }
}
