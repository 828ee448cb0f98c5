//! What shows that a user was shown in the wrong state.

use crate::evidence::{Moment, Proof};
use crate::{Nanoseconds, Time, seconds};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A client showed another one as online that was not, or the other way round, for too long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShownWrongly {
    /// The client that showed it.
    pub observer: String,
    /// The user that was shown.
    pub user: String,
    /// Whether the user was online.
    pub online: bool,
    /// Since when it was shown wrongly.
    #[serde(with = "Nanoseconds")]
    pub from: Time,
    /// When that ended: it was put right, the user's state changed, or the observer went.
    #[serde(with = "Nanoseconds")]
    pub until: Time,
    /// How long it may last.
    #[serde(with = "Nanoseconds")]
    pub bound: Time,
}

impl Proof for ShownWrongly {
    const KIND: &'static str = "shown-wrongly";
    const FIELDS: &'static str =
        "`observer`, `user`, `online`: what it was; `from`, `until`, `bound`";

    fn moment(&self) -> Moment {
        let shown = if self.online { "offline" } else { "online" };
        let what = format!("has shown {} as {shown} for too long", self.user);
        Moment::of(self.from + self.bound, &self.observer, what).since(self.from)
    }
}

impl fmt::Display for ShownWrongly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (observer, user) = (&self.observer, &self.user);
        let (shown, was) = match self.online {
            true => ("did not show", "was"),
            false => ("showed", "was not"),
        };
        let (from, until) = (seconds(self.from), seconds(self.until));
        write!(
            f,
            "{observer} {shown} {user} as online from {from} to {until}, "
        )?;
        write!(
            f,
            "though {user} {was}; {} are allowed.",
            seconds(self.bound)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::moment;

    #[test]
    fn its_moment_is_when_it_had_lasted_too_long() {
        let shown = |online| {
            let at = Time::from_secs;
            moment(ShownWrongly {
                observer: "bob".to_owned(),
                user: "alice".to_owned(),
                online,
                from: at(2),
                until: at(9),
                bound: at(4),
            })
        };
        insta::assert_snapshot!(shown(true), @"6.000 s bob: has shown alice as offline for too long");
        insta::assert_snapshot!(shown(false), @"6.000 s bob: has shown alice as online for too long");
    }
}
