//! What shows that something belonged to two at a time.

use crate::{Time, nanoseconds, seconds};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Something that is to be one's own and was somebody else's too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "shared", rename_all = "kebab-case")]
pub enum Shared {
    /// A session that was open for two clients at once.
    Session {
        /// The session.
        session: String,
        /// Whose it was.
        owner: String,
        /// Who got it as well.
        other: String,
        /// When.
        #[serde(with = "nanoseconds")]
        at: Time,
    },
    /// An id that two messages have.
    Id {
        /// The id.
        id: i64,
        /// One of them.
        one: String,
        /// The other.
        other: String,
    },
    /// A client's offset that two rows have.
    ClientOffset {
        /// The offset.
        offset: String,
        /// One of them.
        one: i64,
        /// The other.
        other: i64,
    },
    /// A nickname that two users of a namespace have.
    Nickname {
        /// The nickname.
        nickname: String,
        /// Who had it.
        owner: String,
        /// Who took it as well.
        other: String,
        /// With which row.
        row: i64,
    },
}

impl fmt::Display for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Shared::Session {
                session,
                owner,
                other,
                at,
            } => {
                let at = seconds(*at);
                write!(f, "Session {session} was opened for {other} at {at}, ")?;
                write!(f, "while it was open for {owner}.")
            }
            Shared::Id { id, one, other } => {
                write!(
                    f,
                    "The messages `{one}` and `{other}` have both the id {id}."
                )
            }
            Shared::Nickname {
                nickname,
                owner,
                other,
                row,
            } => {
                write!(f, "{other} took the nickname `{nickname}` with row {row}, ")?;
                write!(f, "while it was {owner}'s.")
            }
            Shared::ClientOffset { offset, one, other } => {
                write!(
                    f,
                    "The rows {one} and {other} have both the client's offset {offset}."
                )
            }
        }
    }
}
