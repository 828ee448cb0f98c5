//! What can wrongly become of a message, as several guarantees see it.

use super::{Ending, Message, Moment, Proof, some};
use crate::{Lack, Nanoseconds, NanosecondsList, Time, seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A message is not in the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotStored {
    /// The message.
    pub message: Message,
    /// What its sender was told.
    pub ending: Ending,
}

impl Proof for NotStored {
    const KIND: &'static str = "not-stored";
    const FIELDS: &'static str = "`message`; `ending`: `kind` is `acknowledged`, `sent`, `failed`, `unknown` (each with `at`) or `open`";

    fn moment(&self) -> Moment {
        let what = format!("lacks {}, which {}", self.message.name(), self.ending);
        Moment::of(self.ending.at(), "database", what)
    }

    fn contents(&self) -> Vec<&str> {
        vec![&self.message.content]
    }
}

impl fmt::Display for NotStored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let NotStored { message, ending } = self;
        write!(f, "{message} {ending} and is not in the database.")
    }
}

/// A stored message never reached a receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NotHandled {
    /// The message.
    pub message: Message,
    /// Who should have handled it.
    pub receiver: String,
    /// By when.
    #[serde(with = "Nanoseconds")]
    pub due: Time,
}

impl Proof for NotHandled {
    const KIND: &'static str = "not-handled";
    const FIELDS: &'static str =
        "`message`, `receiver`, `due`: the latest time at which it should have been handled";

    fn moment(&self) -> Moment {
        let message = self.message.name();
        let what = format!("should have handled {message} by now, and never does");
        Moment::of(self.due, &self.receiver, what)
    }

    fn contents(&self) -> Vec<&str> {
        vec![&self.message.content]
    }
}

impl fmt::Display for NotHandled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (message, receiver, due) = (&self.message, &self.receiver, seconds(self.due));
        write!(
            f,
            "{receiver} never handled {message}; it was due by {due}."
        )
    }
}

/// A stored message reached a receiver too late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HandledLate {
    /// The message.
    pub message: Message,
    /// Who handled it.
    pub receiver: String,
    /// When it was handled.
    #[serde(with = "Nanoseconds")]
    pub handled_at: Time,
    /// The latest moment at which it should have been handled.
    #[serde(with = "Nanoseconds")]
    pub due: Time,
}

impl Proof for HandledLate {
    const KIND: &'static str = "handled-late";
    const FIELDS: &'static str = "`message`, `receiver`, `handled_at`, `due`";

    fn moment(&self) -> Moment {
        let (message, due) = (self.message.name(), seconds(self.due));
        let what = format!("handled {message} too late: it was due by {due}");
        Moment::of(self.handled_at, &self.receiver, what)
    }

    fn contents(&self) -> Vec<&str> {
        vec![&self.message.content]
    }
}

impl fmt::Display for HandledLate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (message, receiver) = (&self.message, &self.receiver);
        let (handled_at, due) = (seconds(self.handled_at), seconds(self.due));
        write!(f, "{receiver} handled {message} only at {handled_at}; ")?;
        write!(f, "it was due by {due}.")
    }
}

/// A receiver handled a message more than once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HandledTwice {
    /// The message.
    pub message: Message,
    /// Who handled it.
    pub receiver: String,
    /// Each time it was handled, ascending.
    #[serde(with = "NanosecondsList")]
    pub handled_at: Vec<Time>,
}

impl Proof for HandledTwice {
    const KIND: &'static str = "handled-twice";
    const FIELDS: &'static str = "`message`, `receiver`, `handled_at`: every time";

    fn moment(&self) -> Moment {
        let what = format!("handled {} again", self.message.name());
        Moment::of(self.handled_at.get(1).copied(), &self.receiver, what)
    }

    fn contents(&self) -> Vec<&str> {
        vec![&self.message.content]
    }
}

impl fmt::Display for HandledTwice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (message, receiver) = (&self.message, &self.receiver);
        let times: Vec<String> = self.handled_at.iter().map(|&at| seconds(at)).collect();
        let (count, times) = (times.len(), some(&times, ", "));
        write!(f, "{receiver} handled {message} {count} times: at {times}.")
    }
}

/// What a receiver had handled was sent to it again, unasked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SentAgain {
    /// The message.
    pub message: Message,
    /// Who was sent it, and left it out.
    pub receiver: String,
    /// When it came again.
    #[serde(with = "Nanoseconds")]
    pub at: Time,
}

impl Proof for SentAgain {
    const KIND: &'static str = "sent-again";
    const FIELDS: &'static str = "`message`, `receiver`, `at`";

    fn moment(&self) -> Moment {
        let what = format!("was sent {} again", self.message.name());
        Moment::of(self.at, &self.receiver, what)
    }

    fn contents(&self) -> Vec<&str> {
        vec![&self.message.content]
    }
}

impl fmt::Display for SentAgain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (receiver, message, at) = (&self.receiver, &self.message, seconds(self.at));
        write!(f, "{receiver} had handled {message}, ")?;
        write!(f, "and was sent it again at {at}, unasked.")
    }
}

/// A client noticed that it lacked something, and asked for it, though nothing had kept it from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HadToAsk {
    /// Who had to ask.
    pub receiver: String,
    /// For what.
    pub lack: Lack,
    /// When it noticed.
    #[serde(with = "Nanoseconds")]
    pub at: Time,
    /// Since when it had been connected, undisturbed.
    #[serde(with = "Nanoseconds")]
    pub connected_since: Time,
}

impl Proof for HadToAsk {
    const KIND: &'static str = "had-to-ask";
    const FIELDS: &'static str =
        "`receiver`, `lack`: `messages` or `news`, `at`, `connected_since`";
    const VARIETY: &'static [&'static str] = &["lack"];

    fn moment(&self) -> Moment {
        let what = format!("notices that it lacks {}, and asks", self.lack.words());
        Moment::of(self.at, &self.receiver, what)
    }
}

impl fmt::Display for HadToAsk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HadToAsk { receiver, lack, .. } = self;
        let (lack, at) = (lack.words(), seconds(self.at));
        let since = seconds(self.connected_since);
        write!(f, "{receiver} lacked {lack} and had to ask at {at}, ")?;
        write!(
            f,
            "connected since {since}, undisturbed and with room in its queue."
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{message, moment};

    #[test]
    fn each_has_its_moment() {
        let (at, receiver) = (Time::from_secs, || "bob".to_owned());
        insta::assert_snapshot!(moment(NotStored { message: message("m1"), ending: Ending::Acknowledged(at(2)) }), @"2.000 s database: lacks `m1`, which was acknowledged at 2.000 s");
        insta::assert_snapshot!(moment(NotHandled { message: message("m1"), receiver: receiver(), due: at(9) }), @"9.000 s bob: should have handled `m1` by now, and never does");
        insta::assert_snapshot!(moment(HandledLate { message: message("m1"), receiver: receiver(), handled_at: at(9), due: at(8) }), @"9.000 s bob: handled `m1` too late: it was due by 8.000 s");
        insta::assert_snapshot!(moment(HandledTwice { message: message("m1"), receiver: receiver(), handled_at: vec![at(2), at(3)] }), @"3.000 s bob: handled `m1` again");
        insta::assert_snapshot!(moment(HadToAsk { receiver: receiver(), lack: Lack::News, at: at(4), connected_since: at(3) }), @"4.000 s bob: notices that it lacks news of who has come and gone, and asks");
        insta::assert_snapshot!(moment(SentAgain { message: message("m1"), receiver: receiver(), at: at(4) }), @"4.000 s bob: was sent `m1` again");
    }
}
