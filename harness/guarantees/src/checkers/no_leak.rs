//! No leak: once clients have gone and windows have passed, nothing of them is left.
//!
//! The side that counts says how many there may be, given who is still there. And at no time is
//! more held than the holder's limits allow. Does not look at a run in which nothing was counted.

use crate::evidence::{Moment, Proof};
use crate::index::Index;
use crate::verdict::Findings;
use crate::{Held, Leftover, Verdict, counted, seconds};
use schemars::JsonSchema;
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
    for peak in &index.history.peaks {
        if peak.count > peak.expected_at_most {
            findings.add(peak.at, || TooMuchHeld(peak.clone()));
        }
    }
    findings.verdict(|counts| format!("{} of what is left", counted(counts, "count")))
}

/// More was held at a time than is allowed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct TooMuchHeld(pub Leftover);

impl Proof for TooMuchHeld {
    const KIND: &'static str = "too-much-held";
    const FIELDS: &'static str =
        "`holder`, `what` it held, its `count`, `expected_at_most`: the limit, `at`";

    fn moment(&self) -> Moment {
        let TooMuchHeld(peak) = self;
        let what = format!("held {} {}", peak.count, peak.what.words());
        Moment::of(peak.at, &peak.holder, what)
    }
}

impl fmt::Display for TooMuchHeld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TooMuchHeld(peak) = self;
        let (count, what, at) = (peak.count, peak.what.words(), seconds(peak.at));
        write!(f, "{} held {count} {what} at {at}, ", peak.holder)?;
        write!(f, "and {} at most are allowed.", peak.expected_at_most)
    }
}

/// Something is left of clients that have gone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    use super::{Leak, TooMuchHeld};
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
        let peak = TooMuchHeld(leak.0.clone());
        insta::assert_snapshot!(moment(leak), @"9.000 s server: still held 2 rooms");
        insta::assert_snapshot!(moment(peak), @"9.000 s server: held 2 rooms");
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
    fn is_violated_by_what_is_held_beyond_a_limit_at_any_time() {
        let held = |count| {
            let chat = chat(["alice"]).left(Held::Sessions, 1, 1);
            chat.peak(Held::Places, count, 8).verdict(NoLeak)
        };
        insta::assert_snapshot!(held(8), @"held: 1 count of what is left");
        insta::assert_snapshot!(held(9), @"violated: server held 9 places at 9.000 s, and 8 at most are allowed.");
    }

    #[test]
    fn is_not_exercised_when_nobody_counts() {
        insta::assert_snapshot!(chat(["alice"]).verdict(NoLeak), @"not exercised");
    }
}
