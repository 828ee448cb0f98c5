//! What shows that too much took too long.

use crate::evidence::{Message, Moment, Proof};
use crate::{Nanoseconds, Time, seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A percentile is above its limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TooSlow {
    /// What took time: the word of a [`Measure`](crate::Measure).
    pub what: String,
    /// Which percentile: the word of a [`Share`](crate::Share).
    pub share: String,
    /// How long that many of the times may be.
    #[serde(with = "Nanoseconds")]
    pub within: Time,
    /// How many times were taken.
    pub count: u64,
    /// The one that is the percentile.
    pub wait: Wait,
}

/// Who waited for how long, for what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Wait {
    /// Who waited.
    pub client: String,
    /// For what, unless for a connection.
    pub message: Option<Message>,
    /// Since when.
    #[serde(with = "Nanoseconds")]
    pub since: Time,
    /// Until when.
    #[serde(with = "Nanoseconds")]
    pub until: Time,
}

impl Wait {
    /// How long it took.
    pub(super) fn takes(&self) -> Time {
        self.until.saturating_sub(self.since)
    }
}

impl TooSlow {
    /// For what it waited.
    fn awaited(&self) -> String {
        match &self.wait.message {
            Some(message) => format!("the {} of {}", self.what, message.name()),
            None => "a connection".to_owned(),
        }
    }
}

impl Proof for TooSlow {
    const KIND: &'static str = "too-slow";
    const FIELDS: &'static str = "`what` took time, the `share`, its limit `within`, the `count` of times; \
         the `wait` at that place: its `client`, `message`, `since`, `until`";
    const VARIETY: &'static [&'static str] = &["what", "share"];

    fn moment(&self) -> Moment {
        let (awaited, takes) = (self.awaited(), seconds(self.wait.takes()));
        let what = format!("has waited {takes} for {awaited}");
        Moment::of(self.wait.until, &self.wait.client, what).since(self.wait.since)
    }

    fn contents(&self) -> Vec<&str> {
        let message = self.wait.message.iter();
        message.map(|message| message.content.as_str()).collect()
    }
}

impl fmt::Display for TooSlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, share, count) = (&self.what, &self.share, self.count);
        let (takes, within) = (seconds(self.wait.takes()), seconds(self.within));
        let (client, awaited) = (&self.wait.client, self.awaited());
        let (since, until) = (seconds(self.wait.since), seconds(self.wait.until));
        write!(f, "{what}.{share} is {takes}, of {count} in all; ")?;
        write!(f, "{within} are allowed. ")?;
        write!(
            f,
            "That is {client}, who waited for {awaited} from {since} to {until}."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{message, moment};

    #[test]
    fn each_has_its_moment() {
        let at = Time::from_secs;
        let slow = |message| TooSlow {
            what: "delivery".to_owned(),
            share: "p99".to_owned(),
            within: at(1),
            count: 300,
            wait: Wait {
                client: "bob".to_owned(),
                message,
                since: at(2),
                until: at(4),
            },
        };
        insta::assert_snapshot!(moment(slow(Some(message("m1")))), @"4.000 s bob: has waited 2.000 s for the delivery of `m1`");
        insta::assert_snapshot!(moment(slow(None)), @"4.000 s bob: has waited 2.000 s for a connection");
    }
}
