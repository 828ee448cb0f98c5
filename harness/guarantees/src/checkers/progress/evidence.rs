//! What shows that a receiver, or a sender, made no progress.

use crate::evidence::{Message, Moment, Proof};
use crate::{Nanoseconds, NanosecondsOrNull, Time, seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A receiver that wanted to be there, with a network that was whole for it, and made no progress.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NoProgress {
    /// Who.
    pub receiver: String,
    /// Since when it wanted to be there and nothing disturbed it.
    #[serde(with = "Nanoseconds")]
    pub since: Time,
    /// By when it should have made progress.
    #[serde(with = "Nanoseconds")]
    pub due: Time,
    /// What was missing.
    pub missing: Missing,
}

/// What a receiver without progress did not get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "missing", rename_all = "kebab-case")]
pub enum Missing {
    /// A connection.
    Connection {
        /// Since when it had none at the end of the run; none if it never had one.
        #[serde(with = "NanosecondsOrNull")]
        since: Option<Time>,
    },
    /// Messages that it is entitled to.
    Messages {
        /// How many were due.
        due: u64,
        /// How many of them it handled in time.
        handled: u64,
        /// The first that it did not.
        first: Message,
    },
}

impl Proof for NoProgress {
    const KIND: &'static str = "no-progress";
    const FIELDS: &'static str = "`receiver`, `since`, `due`; `missing`: `connection` (with `since`, `null`: from the beginning) or `messages` (with how many were `due` and `handled`, and the `first` that was not)";
    const VARIETY: &'static [&'static str] = &["missing"];

    fn moment(&self) -> Moment {
        let what = match &self.missing {
            Missing::Connection { .. } => {
                "should have been connected by now, and is not".to_owned()
            }
            Missing::Messages { first, .. } => {
                format!("should have got as far as {} by now", first.name())
            }
        };
        Moment::of(self.due, &self.receiver, what).since(self.since)
    }

    fn contents(&self) -> Vec<&str> {
        match &self.missing {
            Missing::Messages { first, .. } => vec![&first.content],
            Missing::Connection { .. } => Vec::new(),
        }
    }
}

impl fmt::Display for NoProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (receiver, since, due) = (&self.receiver, seconds(self.since), seconds(self.due));
        write!(
            f,
            "Nothing disturbed {receiver} from {since} on, and by {due} it "
        )?;
        match &self.missing {
            Missing::Connection { since: None } => {
                write!(f, "should have got in; it never did.")
            }
            Missing::Connection { since: Some(since) } => {
                let since = seconds(*since);
                write!(
                    f,
                    "should have been back; from {since} on it was not connected."
                )
            }
            Missing::Messages {
                due,
                handled,
                first,
            } => {
                write!(f, "should have handled {first}; ")?;
                write!(
                    f,
                    "in time it handled {handled} of the {due} that were due."
                )
            }
        }
    }
}

/// A stored message's sender was never told what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NeverAnswered {
    /// The message.
    pub message: Message,
    /// When it should have been told at the latest.
    #[serde(with = "Nanoseconds")]
    pub due: Time,
}

impl Proof for NeverAnswered {
    const KIND: &'static str = "never-answered";
    const FIELDS: &'static str =
        "`message`, `due`: the latest time at which its sender should have been told";

    fn moment(&self) -> Moment {
        let message = self.message.name();
        let what = format!("should have been told by now what became of {message}, and never is");
        Moment::of(self.due, &self.message.sender, what)
    }

    fn contents(&self) -> Vec<&str> {
        vec![&self.message.content]
    }
}

impl fmt::Display for NeverAnswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (message, due) = (&self.message, seconds(self.due));
        write!(f, "{message}: its sender should have been told by {due} ")?;
        write!(f, "what became of it, and never was.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{message, moment};

    #[test]
    fn each_has_its_moment() {
        let at = Time::from_secs;
        let missing = |missing| {
            moment(NoProgress {
                receiver: "bob".to_owned(),
                since: at(1),
                due: at(5),
                missing,
            })
        };
        insta::assert_snapshot!(missing(Missing::Connection { since: None }), @"5.000 s bob: should have been connected by now, and is not");
        let messages = Missing::Messages {
            due: 2,
            handled: 1,
            first: message("m1"),
        };
        insta::assert_snapshot!(missing(messages), @"5.000 s bob: should have got as far as `m1` by now");
        let never = NeverAnswered {
            message: message("m1"),
            due: at(4),
        };
        insta::assert_snapshot!(moment(never), @"4.000 s alice: should have been told by now what became of `m1`, and never is");
    }
}
