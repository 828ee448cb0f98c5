//! Why something ended, as values: each side has its own wording for its reasons, and says here
//! what they mean. What the checkers excuse follows from these and never from a text.

use crate::{Nanoseconds, NanosecondsOrNull};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Why a connection, an attempt to connect or a session is over, as the reporting side knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EndCause {
    /// Not given.
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
        #[serde(default, with = "NanosecondsOrNull")]
        after: Option<Duration>,
    },
    /// The peer was heard, but did not take or acknowledge something in the time allowed.
    Unanswered {
        /// The time allowed.
        #[serde(with = "Nanoseconds")]
        after: Duration,
    },
    /// The connection was closed or reset underneath.
    Closed,
    /// The peer refused it.
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

/// Why a user was told that a message failed, or that its fate is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureCause {
    /// Not given.
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
    /// The sender may not do that: it is not in the room, or the nickname is somebody else's.
    NotAllowed,
    /// There was no connection to send it on, and the mode keeps nothing for later.
    NotConnected,
    /// The server answered that it could not.
    Refused,
    /// It was waiting for its turn, and its user has since said something of the same kind.
    Overtaken,
    /// It was to be kept on the client's disk first, which was not possible.
    NotKept,
    /// Its user has left.
    Left,
}

/// Why a client that asked for the session it had before did not get it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveryRefused {
    /// The window had passed.
    Expired,
    /// The server knows no such session.
    UnknownSession,
    /// The server no longer keeps what the client has missed.
    OffsetTooOld,
    /// The server never sent what the client claims to have had last.
    OffsetUnknown,
    /// The server has restarted since, and sessions end with it.
    ServerRestarted,
    /// The client had left on purpose.
    LeftOnPurpose,
    /// An older attempt by a client that already has its session.
    Superseded,
    /// Too many sessions were waiting.
    NoRoom,
}

impl RecoveryRefused {
    /// The reason in words, to follow "told that".
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
