//! What shows that a silence was not noticed in time, or that one was noticed where there was none.

use crate::evidence::{Moment, Proof};
use crate::{Nanoseconds, NanosecondsOrNull, Time, seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A silence was not noticed in time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Undetected {
    /// Who should have noticed: a client's name or `server`.
    pub observer: String,
    /// Who was silent: a client's name or `server`.
    pub silent: String,
    /// The session in question, as far as the observer knows it.
    pub session: String,
    /// When the silence began.
    #[serde(with = "Nanoseconds")]
    pub since: Time,
    /// How long it may take to notice.
    #[serde(with = "Nanoseconds")]
    pub bound: Time,
    /// When it was noticed; none if never.
    #[serde(with = "NanosecondsOrNull")]
    pub noticed_at: Option<Time>,
}

impl Proof for Undetected {
    const KIND: &'static str = "undetected";
    const FIELDS: &'static str =
        "`observer`, `silent`, `session`, `since`, `bound`, `noticed_at` (`null`: never)";

    fn moment(&self) -> Moment {
        let rest = match self.noticed_at {
            Some(at) => format!("does so only at {}", seconds(at)),
            None => "never does".to_owned(),
        };
        let silent = &self.silent;
        let what = format!("should have noticed the silence of {silent} by now, and {rest}");
        Moment::of(self.since + self.bound, &self.observer, what).since(self.since)
    }
}

impl fmt::Display for Undetected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (observer, silent, session) = (&self.observer, &self.silent, &self.session);
        let (since, due) = (seconds(self.since), seconds(self.since + self.bound));
        write!(f, "{observer} had to notice the silence of {silent} ")?;
        write!(f, "that began at {since} by {due} (session {session}), ")?;
        match self.noticed_at {
            Some(at) => write!(f, "but did so only at {}.", seconds(at)),
            None => write!(f, "but never did."),
        }
    }
}

/// A client reported a silence while it heard something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HastyDetection {
    /// The client.
    pub client: String,
    /// When it had heard something.
    #[serde(with = "Nanoseconds")]
    pub heard_at: Time,
    /// When it reported the silence.
    #[serde(with = "Nanoseconds")]
    pub at: Time,
    /// How long the silence has to be.
    #[serde(with = "Nanoseconds")]
    pub bound: Time,
}

impl Proof for HastyDetection {
    const KIND: &'static str = "hasty-detection";
    const FIELDS: &'static str =
        "`client`, `heard_at`, `at`, `bound`: how long the silence has to be";

    fn moment(&self) -> Moment {
        let heard_at = seconds(self.heard_at);
        let what = format!("told of a silence, though it had heard something at {heard_at}");
        Moment::of(self.at, &self.client, what).since(self.heard_at)
    }
}

impl fmt::Display for HastyDetection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, at, heard_at) = (&self.client, seconds(self.at), seconds(self.heard_at));
        write!(f, "{client} told of a silence at {at}, ")?;
        write!(f, "and had heard something at {heard_at}; ")?;
        write!(f, "a silence has to be {} long.", seconds(self.bound))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::moment;

    #[test]
    fn each_has_its_moment() {
        let at = Time::from_secs;
        let undetected = |noticed_at| {
            moment(Undetected {
                observer: "bob".to_owned(),
                silent: "server".to_owned(),
                session: "s1".to_owned(),
                since: at(2),
                bound: at(4),
                noticed_at,
            })
        };
        insta::assert_snapshot!(undetected(None), @"6.000 s bob: should have noticed the silence of server by now, and never does");
        insta::assert_snapshot!(undetected(Some(at(9))), @"6.000 s bob: should have noticed the silence of server by now, and does so only at 9.000 s");
        let hasty = HastyDetection {
            client: "bob".to_owned(),
            heard_at: at(3),
            at: at(4),
            bound: at(4),
        };
        insta::assert_snapshot!(moment(hasty), @"4.000 s bob: told of a silence, though it had heard something at 3.000 s");
    }
}
