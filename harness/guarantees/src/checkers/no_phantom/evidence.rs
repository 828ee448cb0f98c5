//! What shows that a message is a phantom.

use crate::evidence::{Message, Moment, Proof};
use crate::{Nanoseconds, Time, seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A message appeared that was not sent that way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Phantom {
    /// The message, with the sender and the room that the server claims.
    pub message: Message,
    /// Where it appeared.
    pub place: Place,
    /// What is wrong with it.
    pub flaw: Flaw,
}

/// Where a message appeared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Place {
    /// A receiver handled it.
    Receiver {
        /// Who.
        receiver: String,
        /// When.
        #[serde(with = "Nanoseconds")]
        at: Time,
    },
    /// It is in the database.
    Database,
}

/// What is wrong with a message that appeared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Flaw {
    /// Nobody sent it.
    NeverSent,
    /// It was sent only later, at `message.sent_at`.
    NotYetSent,
    /// Somebody else sent it.
    OtherSender {
        /// Who really sent it.
        sender: String,
    },
    /// It was sent to another room.
    OtherRoom {
        /// The room it was really sent to.
        room: String,
    },
    /// The receiver is not entitled to the room, or was not when the message was stored.
    NotEntitled,
    /// It was for everyone but its sender.
    OwnEcho,
    /// It is of a kind that must not be stored.
    NotToBeStored,
    /// It was sent as something else: a message, a join, a leave, a nickname.
    OtherKind,
    /// It brings another nickname than its sender asked for.
    OtherNickname {
        /// The one asked for, if any.
        nickname: Option<String>,
    },
}

impl Proof for Phantom {
    const KIND: &'static str = "phantom";
    const FIELDS: &'static str = "`message` as the server reports it; `place`: `kind` is `receiver` (with `receiver`, `at`) or `database`; `flaw`: `kind` is `never-sent`, `not-yet-sent`, `other-sender` (with `sender`), `other-room` (with `room`), `not-entitled`, `own-echo`, `not-to-be-stored`, `other-kind` or `other-nickname` (with `nickname`)";
    const VARIETY: &'static [&'static str] = &["flaw", "place"];

    fn moment(&self) -> Moment {
        let (message, flaw) = (self.message.name(), &self.flaw);
        match &self.place {
            Place::Receiver { receiver, at } => {
                Moment::of(*at, receiver, format!("handled {message}, {flaw}"))
            }
            Place::Database => Moment::of(None, "database", format!("has {message}, {flaw}")),
        }
    }

    fn contents(&self) -> Vec<&str> {
        vec![&self.message.content]
    }
}

impl fmt::Display for Phantom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (message, flaw) = (&self.message, &self.flaw);
        match &self.place {
            Place::Receiver { receiver, at } => {
                write!(f, "{receiver} handled {message} at {}, ", seconds(*at))?;
            }
            Place::Database => write!(f, "The database has {message}, ")?,
        }
        write!(f, "{flaw}.")
    }
}

impl fmt::Display for Flaw {
    /// As the end of a sentence that says who has the message.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Flaw::NeverSent => f.write_str("but nobody sent it"),
            Flaw::NotYetSent => f.write_str("before it was sent"),
            Flaw::OtherSender { sender } => write!(f, "but {sender} sent it"),
            Flaw::OtherRoom { room } => write!(f, "but it was sent to room {room}"),
            Flaw::NotEntitled => f.write_str("but is not entitled to the room"),
            Flaw::OwnEcho => f.write_str("but it was for everybody but its sender"),
            Flaw::NotToBeStored => f.write_str("but it must not be stored"),
            Flaw::OtherKind => f.write_str("but it was sent as something else"),
            Flaw::OtherNickname { nickname } => match nickname {
                Some(nickname) => write!(f, "but its sender asked for the nickname {nickname}"),
                None => f.write_str("but its sender asked for no nickname"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{message, moment};

    #[test]
    fn its_moment_is_that_of_the_delivery_or_the_end() {
        let at = |place, flaw| {
            let message = message("m1");
            moment(Phantom {
                message,
                place,
                flaw,
            })
        };
        let bob = Place::Receiver {
            receiver: "bob".to_owned(),
            at: Time::from_secs(2),
        };
        insta::assert_snapshot!(at(bob, Flaw::NotEntitled), @"2.000 s bob: handled `m1`, but is not entitled to the room");
        insta::assert_snapshot!(at(Place::Database, Flaw::NeverSent), @"at the end database: has `m1`, but nobody sent it");
    }
}
