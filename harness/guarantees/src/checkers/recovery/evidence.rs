//! What shows that a session was not recovered as it should have been.

use crate::evidence::{Message, Moment, Proof};
use crate::{Nanoseconds, RecoveryRefused, Time, seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A session that was recovered badly or wrongly, or wrongly not recovered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BadRecovery {
    /// Whose connection it was.
    pub client: String,
    /// The session.
    pub session: String,
    /// When the client connected, or handled a message.
    #[serde(with = "Nanoseconds")]
    pub at: Time,
    /// What was wrong.
    pub mistake: Mistake,
}

/// What can be wrong with a recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "mistake", rename_all = "kebab-case")]
pub enum Mistake {
    /// The session had waited too long.
    Expired {
        /// Since when.
        #[serde(with = "Nanoseconds")]
        closed_at: Time,
    },
    /// One of the two sides had ended the session.
    EndedOnPurpose,
    /// The server had ended, and keeps no sessions.
    LostWithServer {
        /// When.
        #[serde(with = "Nanoseconds")]
        stopped_at: Time,
    },
    /// It is another client's.
    Foreign {
        /// Whose.
        owner: String,
    },
    /// There was no such session.
    Unknown,
    /// The client had another one.
    OtherSession {
        /// Which.
        had: String,
    },
    /// Client and server do not say the same.
    OneSided,
    /// It was waiting, and the client got a new one.
    Refused {
        /// Since when it was waiting.
        #[serde(with = "Nanoseconds")]
        since: Time,
    },
    /// It could not come back, and the client was given another reason, or none.
    WrongReason {
        /// What had become of it.
        truth: String,
        /// What the client was told.
        told: Option<RecoveryRefused>,
    },
    /// A message for it was left out.
    Missing {
        /// Which.
        message: Message,
    },
    /// A message was handled again, or after a later one.
    Again {
        /// Which.
        message: Message,
    },
}

impl Proof for BadRecovery {
    const KIND: &'static str = "bad-recovery";
    const FIELDS: &'static str = "`client`, `session`, `at`; `mistake`: `expired` (with `closed_at`), `ended-on-purpose`, `lost-with-server` (with `stopped_at`), `foreign` (with `owner`), `unknown`, `other-session` (with `had`), `one-sided`, `refused` (with `since`), `wrong-reason` (with the `truth` and what was `told`), `missing` or `again` (both with `message`)";
    const VARIETY: &'static [&'static str] = &["mistake"];

    fn moment(&self) -> Moment {
        Moment::of(self.at, &self.client, self.in_short())
    }

    fn contents(&self) -> Vec<&str> {
        match &self.mistake {
            Mistake::Missing { message } | Mistake::Again { message } => vec![&message.content],
            _ => Vec::new(),
        }
    }
}

impl BadRecovery {
    /// What was wrong, in a few words, as a predicate of the client.
    fn in_short(&self) -> String {
        let session = &self.session;
        match &self.mistake {
            Mistake::Expired { .. } => format!("recovered session {session}, which had expired"),
            Mistake::EndedOnPurpose => {
                format!("recovered session {session}, which had been ended on purpose")
            }
            Mistake::LostWithServer { .. } => {
                format!("recovered session {session}, which was lost with its server")
            }
            Mistake::Foreign { owner } => {
                format!("recovered session {session}, which is {owner}'s")
            }
            Mistake::Unknown => format!("recovered session {session}, which nobody had before"),
            Mistake::OtherSession { had } => {
                format!("recovered session {session}, but had session {had} before")
            }
            Mistake::OneSided => {
                format!("recovered session {session}, as only one of the two sides says")
            }
            Mistake::Refused { .. } => {
                format!("was given a new session, although session {session} was waiting")
            }
            Mistake::WrongReason { .. } => {
                format!("was not told rightly why session {session} is gone")
            }
            Mistake::Missing { message } => format!(
                "recovered session {session} and never handled `{}`",
                message.content
            ),
            Mistake::Again { message } => format!(
                "recovered session {session} and handled `{}` again, or after a later one",
                message.content
            ),
        }
    }
}

impl fmt::Display for BadRecovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (client, session, at) = (&self.client, &self.session, seconds(self.at));
        match &self.mistake {
            Mistake::Missing { message } => {
                write!(f, "{client} recovered session {session} and went on, ")?;
                return write!(f, "but never handled {message}.");
            }
            Mistake::Again { message } => {
                write!(
                    f,
                    "{client} recovered session {session} and at {at} handled again, "
                )?;
                return write!(f, "or after a later one, {message}.");
            }
            Mistake::WrongReason { truth, told } => {
                write!(
                    f,
                    "{client} asked for session {session} at {at}, which was {truth}, "
                )?;
                return match told {
                    Some(told) => write!(f, "and was told that {}.", told.words()),
                    None => write!(f, "and was not told why it did not get it."),
                };
            }
            Mistake::Refused { since } => {
                write!(f, "{client} was given a new session at {at}, ")?;
                let since = seconds(*since);
                return write!(
                    f,
                    "although session {session} had been waiting since {since}."
                );
            }
            _ => write!(f, "{client} recovered session {session} at {at}, ")?,
        }
        match &self.mistake {
            Mistake::Expired { closed_at } => {
                write!(
                    f,
                    "which had expired: it was closed at {}.",
                    seconds(*closed_at)
                )
            }
            Mistake::EndedOnPurpose => f.write_str("which had been ended on purpose."),
            Mistake::LostWithServer { stopped_at } => {
                write!(
                    f,
                    "which was lost with its server at {}.",
                    seconds(*stopped_at)
                )
            }
            Mistake::Foreign { owner } => write!(f, "which is {owner}'s."),
            Mistake::Unknown => f.write_str("which nobody had before."),
            Mistake::OtherSession { had } => write!(f, "but had session {had} before."),
            _ => f.write_str("as one side says and the other does not."),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{message, moment};

    #[test]
    fn its_moment_is_when_the_client_came_back() {
        let bad = |mistake| {
            let (client, session) = ("bob".to_owned(), "s1".to_owned());
            moment(BadRecovery {
                client,
                session,
                at: Time::from_secs(2),
                mistake,
            })
        };
        insta::assert_snapshot!(bad(Mistake::Refused { since: Time::from_secs(1) }), @"2.000 s bob: was given a new session, although session s1 was waiting");
        insta::assert_snapshot!(bad(Mistake::Missing { message: message("m1") }), @"2.000 s bob: recovered session s1 and never handled `m1`");
    }
}
