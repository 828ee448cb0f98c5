//! What shows that something had two owners at a time.

use crate::evidence::{Moment, Proof};
use crate::{Nanoseconds, Time, seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Something that should have one owner and had two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "shared", rename_all = "kebab-case")]
pub enum Shared {
    /// A session that was open for two clients at once.
    Session {
        /// The session.
        session: String,
        /// Whose it was.
        owner: String,
        /// Who also got it.
        other: String,
        /// When.
        #[serde(with = "Nanoseconds")]
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
        /// Who also took it.
        other: String,
        /// With which row.
        row: i64,
    },
}

impl Proof for Shared {
    const KIND: &'static str = "shared";
    const FIELDS: &'static str = "`shared`: `session` (with `session`, `owner`, `other`, `at`), `id` (with `id`, `one`, `other`), `client-offset` (with `offset`, `one`, `other`) or `nickname` (with `nickname`, `owner`, `other`, `row`)";
    const VARIETY: &'static [&'static str] = &["shared"];

    fn moment(&self) -> Moment {
        let (at, what) = match self {
            Shared::Session {
                session, other, at, ..
            } => {
                let what = format!("gave session {session} to {other}, too");
                (Some(*at), what)
            }
            Shared::Id { id, .. } => (None, format!("gave the id {id} to two messages")),
            Shared::ClientOffset { offset, .. } => {
                let what = format!("stored two messages under the client's offset {offset}");
                (None, what)
            }
            Shared::Nickname {
                nickname, other, ..
            } => {
                let what = format!("let {other} take the nickname `{nickname}`, too");
                (None, what)
            }
        };
        Moment::of(at, "server", what)
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::moment;

    #[test]
    fn a_session_is_shared_at_a_time_and_what_is_stored_by_the_end() {
        let (alice, bob) = (|| "alice".to_owned(), || "bob".to_owned());
        let session = Shared::Session {
            session: "s1".to_owned(),
            owner: alice(),
            other: bob(),
            at: Time::from_secs(3),
        };
        insta::assert_snapshot!(moment(session), @"3.000 s server: gave session s1 to bob, too");
        let id = Shared::Id {
            id: 4,
            one: "m1".to_owned(),
            other: "m2".to_owned(),
        };
        insta::assert_snapshot!(moment(id), @"at the end server: gave the id 4 to two messages");
        let offset = Shared::ClientOffset {
            offset: "undefined-0".to_owned(),
            one: 4,
            other: 5,
        };
        insta::assert_snapshot!(moment(offset), @"at the end server: stored two messages under the client's offset undefined-0");
        let nickname = Shared::Nickname {
            nickname: "Ace".to_owned(),
            owner: alice(),
            other: bob(),
            row: 5,
        };
        insta::assert_snapshot!(moment(nickname), @"at the end server: let bob take the nickname `Ace`, too");
    }
}
