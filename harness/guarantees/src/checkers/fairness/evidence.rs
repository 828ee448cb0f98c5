//! What shows that a client had to wait, or was served, more than its share.

use crate::evidence::{Message, Moment, Proof};
use crate::{Nanoseconds, Time, seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// An acknowledgement took too long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlowAcknowledgement {
    /// The message.
    pub message: Message,
    /// Since when it was the sender's turn to send it.
    #[serde(with = "Nanoseconds")]
    pub since: Time,
    /// When it was acknowledged.
    #[serde(with = "Nanoseconds")]
    pub at: Time,
    /// How long it may take.
    #[serde(with = "Nanoseconds")]
    pub bound: Time,
}

impl Proof for SlowAcknowledgement {
    const KIND: &'static str = "slow-acknowledgement";
    const FIELDS: &'static str = "`message`, `since`, `at`, `bound`";

    fn moment(&self) -> Moment {
        let (message, bound) = (self.message.name(), seconds(self.bound));
        let what = format!("was answered about {message} too late: {bound} are allowed");
        Moment::of(self.at, &self.message.sender, what).since(self.since)
    }

    fn contents(&self) -> Vec<&str> {
        vec![&self.message.content]
    }
}

impl fmt::Display for SlowAcknowledgement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (message, since, at) = (&self.message, seconds(self.since), seconds(self.at));
        write!(f, "{message} could be sent from {since} on ")?;
        write!(f, "and was acknowledged at {at}; ")?;
        write!(f, "{} are allowed.", seconds(self.bound))
    }
}

/// More of a client's messages are stored than it was allowed to send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServedTooMuch {
    /// The client.
    pub client: String,
    /// When the one before them was stored.
    #[serde(with = "Nanoseconds")]
    pub from: Time,
    /// When the last of them was stored.
    #[serde(with = "Nanoseconds")]
    pub until: Time,
    /// How many there are.
    pub count: u64,
    /// How many it may send per second, over time.
    pub rate: u32,
    /// How many it may send at once.
    pub burst: u32,
}

impl Proof for ServedTooMuch {
    const KIND: &'static str = "served-too-much";
    const FIELDS: &'static str = "`client`, `from`, `until`, the `count` of messages; the `rate` and `burst` that it is allowed";

    fn moment(&self) -> Moment {
        let count = self.count;
        let what = format!("had {count} messages stored, more than it may send");
        Moment::of(self.until, &self.client, what).since(self.from)
    }
}

impl fmt::Display for ServedTooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, client, rate, burst) = (self.count, &self.client, self.rate, self.burst);
        let (from, until) = (seconds(self.from), seconds(self.until));
        write!(
            f,
            "{count} messages of {client} were stored from {from} to {until}; "
        )?;
        write!(f, "{rate} a second and {burst} at once are allowed.")
    }
}

/// A client is in more rooms than it may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TooManyRooms {
    /// The client.
    pub client: String,
    /// When it joined one too many.
    #[serde(with = "Nanoseconds")]
    pub at: Time,
    /// In how many it was then.
    pub count: u64,
    /// In how many it may be.
    pub allowed: u32,
}

impl Proof for TooManyRooms {
    const KIND: &'static str = "too-many-rooms";
    const FIELDS: &'static str = "`client`, `at`, the `count` of its rooms, how many are `allowed`";

    fn moment(&self) -> Moment {
        let what = format!("was in {} rooms, more than it may be", self.count);
        Moment::of(self.at, &self.client, what)
    }
}

impl fmt::Display for TooManyRooms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, at, count) = (&self.client, seconds(self.at), self.count);
        write!(f, "{client} was in {count} rooms at {at}; ")?;
        write!(f, "{} are allowed.", self.allowed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{message, moment};

    #[test]
    fn each_has_its_moment() {
        let at = Time::from_secs;
        let slow = SlowAcknowledgement {
            message: message("m1"),
            since: at(1),
            at: at(4),
            bound: at(2),
        };
        insta::assert_snapshot!(moment(slow), @"4.000 s alice: was answered about `m1` too late: 2.000 s are allowed");
        let much = ServedTooMuch {
            client: "bob".to_owned(),
            from: at(2),
            until: at(4),
            count: 30,
            rate: 10,
            burst: 3,
        };
        insta::assert_snapshot!(moment(much), @"4.000 s bob: had 30 messages stored, more than it may send");
        let rooms = TooManyRooms {
            client: "bob".to_owned(),
            at: at(4),
            count: 3,
            allowed: 2,
        };
        insta::assert_snapshot!(moment(rooms), @"4.000 s bob: was in 3 rooms, more than it may be");
    }
}
