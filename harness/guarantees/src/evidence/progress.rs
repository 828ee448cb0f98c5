//! What shows that a receiver got nowhere.

use super::Message;
use crate::{Time, nanoseconds, seconds};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A receiver that wanted to be there, with a network that was whole for it, and got nowhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoProgress {
    /// Who.
    pub receiver: String,
    /// Since when it wanted to be there and nothing disturbed it.
    #[serde(with = "nanoseconds")]
    pub since: Time,
    /// By when it should have got on.
    #[serde(with = "nanoseconds")]
    pub due: Time,
    /// What was missing.
    pub missing: Missing,
}

/// What a receiver without progress did not get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "missing", rename_all = "kebab-case")]
pub enum Missing {
    /// A connection.
    Connection {
        /// Since when it had none at the end of the run; none if it never had one.
        #[serde(with = "nanoseconds::option")]
        since: Option<Time>,
    },
    /// Messages that it is entitled to.
    Messages {
        /// How many were due.
        due: u64,
        /// How many of them it handled in time.
        handled: u64,
        /// The first that was not.
        first: Message,
    },
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
