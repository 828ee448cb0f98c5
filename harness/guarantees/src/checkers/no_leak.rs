//! No leak: once clients have gone and windows have passed, nothing of them is left.
//!
//! The side that counts says how many there may be, given who is still there. Does not look at a
//! run in which nothing was counted.

use crate::evidence::{Moment, Proof};
use crate::index::Index;
use crate::verdict::Findings;
use crate::{Held, Leftover, Verdict, counted, seconds};
use serde::{Deserialize, Serialize};
use std::fmt;

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    for leftover in &index.history.leftovers {
        if leftover.count > leftover.expected_at_most {
            findings.add(leftover.at, || Leak(leftover.clone()));
        } else {
            findings.held();
        }
    }
    findings.verdict(|counts| format!("{} of what is left", counted(counts, "count")))
}

/// Something is left of clients that have gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Leak(pub Leftover);

impl Proof for Leak {
    const KIND: &'static str = "leak";
    const FIELDS: &'static str =
        "`holder`, `what` it still holds, its `count`, `expected_at_most`, `at`";

    fn moment(&self) -> Moment {
        let Leak(left) = self;
        let what = format!("still held {} {}", left.count, left.what.words());
        Moment::of(left.at, &left.holder, what)
    }
}

impl fmt::Display for Leak {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Leak(left) = self;
        let (holder, count, at) = (&left.holder, left.count, seconds(left.at));
        match left.what {
            Held::IdlePackets => {
                write!(f, "{holder} carried {count} packets until {at} ")?;
                write!(f, "while nobody said anything, and ")?;
                write!(f, "{} at most are signs of life.", left.expected_at_most)
            }
            what => {
                write!(f, "{holder} held {count} {} at {at}, ", what.words())?;
                write!(f, "and {} at most were to be left.", left.expected_at_most)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Leak;
    use crate::Guarantee::NoLeak;
    use crate::Held;
    use crate::testing::{chat, moment};
    use crate::{Leftover, Time};

    #[test]
    fn is_violated_when_it_was_counted() {
        let leak = Leak(Leftover {
            holder: "server".to_owned(),
            what: Held::Rooms,
            count: 2,
            expected_at_most: 1,
            at: Time::from_secs(9),
        });
        insta::assert_snapshot!(moment(leak), @"9.000 s server: still held 2 rooms");
    }

    #[test]
    fn holds_when_no_more_is_left_than_may_be() {
        let chat = chat(["alice"])
            .left(Held::Sessions, 1, 1)
            .left(Held::WaitingSessions, 0, 0);
        insta::assert_snapshot!(chat.verdict(NoLeak), @"held: 2 counts of what is left");
    }

    #[test]
    fn is_violated_by_what_is_left_of_who_has_gone() {
        let chat = chat(["alice"])
            .left(Held::Sessions, 1, 1)
            .left(Held::WaitingSessions, 2, 0);
        insta::assert_snapshot!(chat.verdict(NoLeak), @"violated: server held 2 waiting sessions at 60.000 s, and 0 at most were to be left.");
    }

    #[test]
    fn is_not_exercised_when_nobody_counts() {
        insta::assert_snapshot!(chat(["alice"]).verdict(NoLeak), @"not exercised");
    }
}
