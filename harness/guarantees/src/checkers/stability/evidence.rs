//! What shows that a connection or a session ended without a cause.

use crate::evidence::{Moment, Proof};
use crate::{EndCause, Nanoseconds, Time, seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A connection or a session that ended though nobody meant it to and nothing had disturbed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Uncaused {
    /// Who says that it is over: a client's name or `server`.
    pub teller: String,
    /// Whose it was.
    pub client: String,
    /// The session.
    pub session: String,
    /// When.
    #[serde(with = "Nanoseconds")]
    pub at: Time,
    /// Why, as reported to people.
    pub reason: String,
    /// Why, as a value.
    pub cause: EndCause,
}

impl Proof for Uncaused {
    const KIND: &'static str = "uncaused";
    const FIELDS: &'static str = "`teller`, `client`, `session`, `at`, the `reason` that was reported, and the `cause` that it would need";
    const VARIETY: &'static [&'static str] = &["cause"];

    fn moment(&self) -> Moment {
        let what = format!("lost session {} without a cause", self.session);
        Moment::of(self.at, &self.client, what)
    }
}

impl fmt::Display for Uncaused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            teller,
            client,
            session,
            at,
            reason,
            cause: _,
        } = self;
        let at = seconds(*at);
        write!(
            f,
            "{teller} told at {at} that the session {session} of {client} was over "
        )?;
        write!(
            f,
            "({reason}); nothing had disturbed it and nobody meant it."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::moment;

    #[test]
    fn its_moment_is_when_it_was_told_and_the_clients_whoever_tells_it() {
        let uncaused = Uncaused {
            teller: "server".to_owned(),
            client: "bob".to_owned(),
            session: "s1".to_owned(),
            at: Time::from_secs(3),
            reason: "heartbeat".to_owned(),
            cause: EndCause::TimedOut,
        };
        insta::assert_snapshot!(moment(uncaused), @"3.000 s bob: lost session s1 without a cause");
    }
}
