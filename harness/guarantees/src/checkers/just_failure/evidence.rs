//! What shows that a message was reported as failed, or tried, without justification.

use crate::evidence::{Message, Moment, Proof};
use crate::{Nanoseconds, Time, counted, seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A message that was reported as failed, and should not have been.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnjustFailure {
    /// The message.
    pub message: Message,
    /// When its user was told.
    #[serde(with = "Nanoseconds")]
    pub at: Time,
    /// Why, as the user was told.
    pub reason: String,
    /// Why that is wrong.
    pub injustice: Injustice,
}

/// Why a failure should not have been reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "injustice", rename_all = "kebab-case")]
pub enum Injustice {
    /// The message is in the database.
    Stored,
    /// There were attempts left.
    AttemptsLeft {
        /// How many there had been.
        attempts: u32,
        /// How many are allowed; none if any number.
        allowed: Option<u32>,
    },
    /// It is no larger than is allowed.
    SmallEnough {
        /// Its size.
        bytes: u64,
        /// What is allowed.
        limit: u64,
    },
    /// The sender was always in the room.
    Allowed,
    /// The sender may be in more rooms than it ever was at a time.
    RoomForMore {
        /// In how many it was.
        rooms: u32,
        /// In how many it may be.
        most: u32,
    },
    /// The sender had a connection.
    Connected,
    /// It is of a kind that is kept until it is sent.
    Lasting,
    /// Nobody else had taken a nickname.
    Free,
    /// Its user had not left.
    Stayed,
    /// No disk and no server was disturbed while it was being sent.
    NothingInTheWay,
}

impl Proof for UnjustFailure {
    const KIND: &'static str = "unjust-failure";
    const FIELDS: &'static str = "`message`, `at`, `reason`; `injustice`: `stored`, `attempts-left` (with `attempts`, `allowed`), `small-enough` (with `bytes`, `limit`), `allowed`, `room-for-more` (with `rooms`, `most`), `connected`, `lasting`, `free`, `stayed` or `nothing-in-the-way`";
    const VARIETY: &'static [&'static str] = &["injustice"];

    fn moment(&self) -> Moment {
        let what = format!("was told that {} failed, unjustly", self.message.name());
        Moment::of(self.at, &self.message.sender, what)
    }

    fn contents(&self) -> Vec<&str> {
        vec![&self.message.content]
    }
}

impl fmt::Display for UnjustFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (message, at, reason) = (&self.message, seconds(self.at), &self.reason);
        write!(f, "{message} was told as failed at {at} ({reason}), ")?;
        match self.injustice {
            Injustice::Stored => f.write_str("and is in the database."),
            Injustice::AttemptsLeft {
                attempts,
                allowed: Some(allowed),
            } => write!(f, "after {attempts} of {allowed} attempts."),
            Injustice::AttemptsLeft {
                attempts,
                allowed: None,
            } => {
                let attempts = counted(u64::from(attempts), "attempt");
                write!(f, "after {attempts}, though any number is allowed.")
            }
            Injustice::SmallEnough { bytes, limit } => {
                write!(f, "though it has {bytes} bytes and {limit} are allowed.")
            }
            Injustice::Allowed => f.write_str("though its sender was in the room all the time."),
            Injustice::RoomForMore { rooms, most } => {
                let rooms = counted(u64::from(rooms), "room");
                write!(f, "though its sender was in {rooms} at most, ")?;
                write!(f, "and {most} are allowed.")
            }
            Injustice::Connected => f.write_str("though its sender was connected."),
            Injustice::Lasting => f.write_str("though it is to be kept until it is sent."),
            Injustice::Free => f.write_str("though nobody else had taken a nickname."),
            Injustice::Stayed => f.write_str("though its user had not left."),
            Injustice::NothingInTheWay => {
                f.write_str("though neither a disk nor a server was disturbed meanwhile.")
            }
        }
    }
}

/// A message was tried more often than is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TooManyAttempts {
    /// The message.
    pub message: Message,
    /// When it was tried.
    #[serde(with = "Nanoseconds")]
    pub at: Time,
    /// How often it had been tried by then.
    pub attempt: u32,
    /// How often it may be.
    pub allowed: u32,
}

impl Proof for TooManyAttempts {
    const KIND: &'static str = "too-many-attempts";
    const FIELDS: &'static str =
        "`message`, `at`, the number of the `attempt`, how many are `allowed`";

    fn moment(&self) -> Moment {
        let what = format!("tried {} for time {}", self.message.name(), self.attempt);
        Moment::of(self.at, &self.message.sender, what)
    }

    fn contents(&self) -> Vec<&str> {
        vec![&self.message.content]
    }
}

impl fmt::Display for TooManyAttempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (message, at) = (&self.message, seconds(self.at));
        let (attempt, allowed) = (self.attempt, self.allowed);
        write!(f, "{message} was tried at {at} for time {attempt}; ")?;
        write!(f, "{allowed} are allowed.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{message, moment};

    #[test]
    fn each_has_its_moment() {
        let at = Time::from_secs;
        let unjust = UnjustFailure {
            message: message("m1"),
            at: at(3),
            reason: "no luck".to_owned(),
            injustice: Injustice::Stored,
        };
        insta::assert_snapshot!(moment(unjust), @"3.000 s alice: was told that `m1` failed, unjustly");
        let many = TooManyAttempts {
            message: message("m1"),
            at: at(4),
            attempt: 4,
            allowed: 3,
        };
        insta::assert_snapshot!(moment(many), @"4.000 s alice: tried `m1` for time 4");
    }
}
