//! What shows that a client does not come back as it should.

use crate::evidence::{Moment, Proof, some};
use crate::{Nanoseconds, NanosecondsOrNull, Time, seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A new connection got an id that was used before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SessionReused {
    /// The session's id.
    pub session: String,
    /// Who had it first.
    pub earlier_client: String,
    /// When.
    #[serde(with = "Nanoseconds")]
    pub earlier_at: Time,
    /// Who got it again.
    pub client: String,
    /// When.
    #[serde(with = "Nanoseconds")]
    pub at: Time,
}

impl Proof for SessionReused {
    const KIND: &'static str = "session-reused";
    const FIELDS: &'static str = "`session`, `earlier_client`, `earlier_at`, `client`, `at`";

    fn moment(&self) -> Moment {
        let (session, earlier) = (&self.session, &self.earlier_client);
        let what = format!("was given session {session}, which {earlier} had before");
        Moment::of(self.at, &self.client, what)
    }
}

impl fmt::Display for SessionReused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, session, earlier) = (&self.client, &self.session, &self.earlier_client);
        let (at, earlier_at) = (seconds(self.at), seconds(self.earlier_at));
        write!(f, "{client} was given session {session} at {at}, ")?;
        write!(f, "which {earlier} had been given at {earlier_at}.")
    }
}

/// A client tried again too early, too late or never.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BackOff {
    /// The client.
    pub client: String,
    /// When its connection, or its attempt to connect, ended.
    #[serde(with = "Nanoseconds")]
    pub disconnected_at: Time,
    /// When it tried again; none if it ran on and never did.
    #[serde(with = "NanosecondsOrNull")]
    pub connecting_at: Option<Time>,
    /// The shortest wait allowed.
    #[serde(with = "Nanoseconds")]
    pub min: Time,
    /// The longest wait allowed.
    #[serde(with = "Nanoseconds")]
    pub max: Time,
}

impl Proof for BackOff {
    const KIND: &'static str = "back-off";
    const FIELDS: &'static str =
        "`client`, `disconnected_at`, `connecting_at` (`null`: never), `min`, `max`";

    fn moment(&self) -> Moment {
        let Some(at) = self.connecting_at else {
            let due = self.disconnected_at + self.max;
            let what = "should have tried again by now, and never does";
            return Moment::of(due, &self.client, what).since(self.disconnected_at);
        };
        let wait = at.saturating_sub(self.disconnected_at);
        let when = if wait < self.min { "early" } else { "late" };
        let what = format!("tried again too {when}, after {}", seconds(wait));
        Moment::of(at, &self.client, what).since(self.disconnected_at)
    }
}

impl fmt::Display for BackOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, disconnected_at) = (&self.client, seconds(self.disconnected_at));
        write!(f, "{client} was disconnected at {disconnected_at} and ")?;
        match self.connecting_at {
            Some(at) => {
                let wait = seconds(at.saturating_sub(self.disconnected_at));
                write!(f, "tried again at {}, after {wait}; ", seconds(at))?;
            }
            None => write!(f, "ran on without trying again; ")?,
        }
        let (min, max) = (seconds(self.min), seconds(self.max));
        write!(f, "the wait must be {min} to {max}.")
    }
}

/// Clients that lose their connections come back after identical waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoJitter {
    /// How long each wait was.
    #[serde(with = "Nanoseconds")]
    pub wait: Time,
    /// How many there were.
    pub count: u64,
    /// Whose they were, in name order.
    pub clients: Vec<String>,
    /// When the last of them ended.
    #[serde(with = "Nanoseconds")]
    pub at: Time,
}

impl Proof for NoJitter {
    const KIND: &'static str = "no-jitter";
    const FIELDS: &'static str = "`wait`, how often it was the same (`count`), `clients`, `at`";

    fn moment(&self) -> Moment {
        let wait = seconds(self.wait);
        Moment {
            at: Some(self.at),
            who: self.clients.clone(),
            what: format!("always waited {wait} before connecting again"),
            since: None,
        }
    }
}

impl fmt::Display for NoJitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, clients, wait) = (self.count, some(&self.clients, ", "), seconds(self.wait));
        write!(
            f,
            "All {count} waits of {clients} after a connection were {wait} long: "
        )?;
        write!(
            f,
            "who loses the same server comes back at the same moment."
        )
    }
}

/// Waits before reconnecting do not grow, however often that fails.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoGrowth {
    /// The longest of those that should have grown.
    #[serde(with = "Nanoseconds")]
    pub longest: Time,
    /// How many there were.
    pub count: u64,
    /// Whose they were, in name order.
    pub clients: Vec<String>,
    /// When the last of them ended.
    #[serde(with = "Nanoseconds")]
    pub at: Time,
}

impl Proof for NoGrowth {
    const KIND: &'static str = "no-growth";
    const FIELDS: &'static str = "the `longest` of the waits that should grow, how many there were (`count`), `clients`, `at`";

    fn moment(&self) -> Moment {
        let longest = seconds(self.longest);
        Moment {
            at: Some(self.at),
            who: self.clients.clone(),
            what: format!("never waited longer than {longest} before connecting again"),
            since: None,
        }
    }
}

impl fmt::Display for NoGrowth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, clients) = (self.count, some(&self.clients, ", "));
        write!(f, "None of {count} waits of {clients} after a failure ")?;
        write!(f, "was longer than {}: ", seconds(self.longest))?;
        write!(f, "a server that is away is asked all the time.")
    }
}

/// An attempt to connect was not given up in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LongAttempt {
    /// The client.
    pub client: String,
    /// When it began.
    #[serde(with = "Nanoseconds")]
    pub from: Time,
    /// When it ended; none if never.
    #[serde(with = "NanosecondsOrNull")]
    pub ended_at: Option<Time>,
    /// How long it may take.
    #[serde(with = "Nanoseconds")]
    pub bound: Time,
}

impl Proof for LongAttempt {
    const KIND: &'static str = "long-attempt";
    const FIELDS: &'static str = "`client`, `from`, `ended_at` (`null`: never), `bound`";

    fn moment(&self) -> Moment {
        let what = "should have given up by now to connect";
        Moment::of(self.from + self.bound, &self.client, what).since(self.from)
    }
}

impl fmt::Display for LongAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, from, bound) = (&self.client, seconds(self.from), seconds(self.bound));
        write!(f, "{client} began to connect at {from}, ")?;
        match self.ended_at {
            Some(at) => write!(f, "which ended only at {}; ", seconds(at))?,
            None => write!(f, "which never ended; ")?,
        }
        write!(f, "{bound} are allowed.")
    }
}

/// A client waited too long for an acknowledgement, though the last one had come in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LongPatience {
    /// The client.
    pub client: String,
    /// When the last acknowledgement came.
    #[serde(with = "Nanoseconds")]
    pub answered_at: Time,
    /// When the client gave up waiting for the next one.
    #[serde(with = "Nanoseconds")]
    pub at: Time,
    /// How long it had waited for it.
    #[serde(with = "Nanoseconds")]
    pub waited: Time,
    /// How long it should have waited at most.
    #[serde(with = "Nanoseconds")]
    pub bound: Time,
}

impl Proof for LongPatience {
    const KIND: &'static str = "long-patience";
    const FIELDS: &'static str = "`client`, `answered_at`, `at`, `waited`, `bound`";

    fn moment(&self) -> Moment {
        let waited = seconds(self.waited);
        let what = format!("gave up an acknowledgement only after {waited}");
        Moment::of(self.at, &self.client, what).since(self.at.saturating_sub(self.waited))
    }
}

impl fmt::Display for LongPatience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, at, waited) = (&self.client, seconds(self.at), seconds(self.waited));
        let (answered_at, bound) = (seconds(self.answered_at), seconds(self.bound));
        write!(
            f,
            "{client} gave up an acknowledgement at {at}, after {waited}, "
        )?;
        write!(
            f,
            "though the one before had come in time, at {answered_at}; "
        )?;
        write!(f, "{bound} are allowed.")
    }
}

/// A client waited for an acknowledgement after an overdue one, and waited too short or too long a
/// time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WrongPatience {
    /// The client.
    pub client: String,
    /// When it gave up.
    #[serde(with = "Nanoseconds")]
    pub at: Time,
    /// How long it had waited.
    #[serde(with = "Nanoseconds")]
    pub waited: Time,
    /// The least time it should have waited.
    #[serde(with = "Nanoseconds")]
    pub least: Time,
    /// The most time it should have waited.
    #[serde(with = "Nanoseconds")]
    pub most: Time,
}

impl Proof for WrongPatience {
    const KIND: &'static str = "wrong-patience";
    const FIELDS: &'static str =
        "`client`, `at`, `waited`; `least` and `most`: the bounds of the wait that was due";

    fn moment(&self) -> Moment {
        let (waited, is_short) = (seconds(self.waited), self.waited < self.least);
        let how = if is_short { "short" } else { "long" };
        let what = format!("waited too {how} for an acknowledgement, {waited}");
        Moment::of(self.at, &self.client, what).since(self.at.saturating_sub(self.waited))
    }
}

impl fmt::Display for WrongPatience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, at, waited) = (&self.client, seconds(self.at), seconds(self.waited));
        let (least, most) = (seconds(self.least), seconds(self.most));
        write!(
            f,
            "{client} gave up an acknowledgement at {at}, after {waited}; "
        )?;
        write!(f, "the wait must be {least} to {most}.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::moment;

    fn at(seconds: u64) -> Time {
        Time::from_secs(seconds)
    }

    fn bob() -> String {
        "bob".to_owned()
    }

    #[test]
    fn each_has_its_moment() {
        let reused = SessionReused {
            session: "s1".to_owned(),
            earlier_client: "alice".to_owned(),
            earlier_at: at(1),
            client: bob(),
            at: at(2),
        };
        insta::assert_snapshot!(moment(reused), @"2.000 s bob: was given session s1, which alice had before");
        let attempt = LongAttempt {
            client: bob(),
            from: at(2),
            ended_at: None,
            bound: at(4),
        };
        insta::assert_snapshot!(moment(attempt), @"6.000 s bob: should have given up by now to connect");
        let patience = LongPatience {
            client: bob(),
            answered_at: at(1),
            at: at(9),
            waited: at(8),
            bound: at(2),
        };
        insta::assert_snapshot!(moment(patience), @"9.000 s bob: gave up an acknowledgement only after 8.000 s");
    }

    #[test]
    fn a_wait_is_too_early_too_late_or_never_over() {
        let back_off = |connecting_at| {
            moment(BackOff {
                client: bob(),
                disconnected_at: at(2),
                connecting_at,
                min: at(2),
                max: at(4),
            })
        };
        insta::assert_snapshot!(back_off(Some(at(3))), @"3.000 s bob: tried again too early, after 1.000 s");
        insta::assert_snapshot!(back_off(Some(at(9))), @"9.000 s bob: tried again too late, after 7.000 s");
        insta::assert_snapshot!(back_off(None), @"6.000 s bob: should have tried again by now, and never does");
        let patience = |waited| {
            moment(WrongPatience {
                client: bob(),
                at: at(9),
                waited,
                least: at(2),
                most: at(8),
            })
        };
        insta::assert_snapshot!(patience(at(1)), @"9.000 s bob: waited too short for an acknowledgement, 1.000 s");
        insta::assert_snapshot!(patience(at(9)), @"9.000 s bob: waited too long for an acknowledgement, 9.000 s");
    }

    #[test]
    fn what_many_waits_show_is_told_of_all_whose_they_are() {
        let clients = || vec!["alice".to_owned(), bob()];
        let jitter = NoJitter {
            wait: at(1),
            count: 5,
            clients: clients(),
            at: at(9),
        };
        insta::assert_snapshot!(moment(jitter), @"9.000 s alice, bob: always waited 1.000 s before connecting again");
        let growth = NoGrowth {
            longest: at(1),
            count: 12,
            clients: clients(),
            at: at(9),
        };
        insta::assert_snapshot!(moment(growth), @"9.000 s alice, bob: never waited longer than 1.000 s before connecting again");
    }
}
