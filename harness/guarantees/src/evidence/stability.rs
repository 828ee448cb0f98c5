//! What shows that a connection or a session ended without a cause.

use crate::{Cause, Time, nanoseconds, seconds};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A connection or a session that ended though nobody meant it and nothing had disturbed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Uncaused {
    /// Who says that it is over: a client's name or `server`.
    pub teller: String,
    /// Whose it was.
    pub client: String,
    /// The session.
    pub session: String,
    /// When.
    #[serde(with = "nanoseconds")]
    pub at: Time,
    /// Why, as the teller says it to people.
    pub reason: String,
    /// Why, as a value.
    pub cause: Cause,
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
