//! No leak: when clients have gone and windows have passed, nothing of them is left.
//!
//! Whoever counts says how many there may be, given who is still there. Does not look at a run in
//! which nobody counted.

use crate::index::Index;
use crate::verdict::Findings;
use crate::{Evidence, Verdict, counted};

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    for leftover in &index.history.leftovers {
        if leftover.count > leftover.expected_at_most {
            findings.add(leftover.at, || Evidence::Leak(leftover.clone()));
        } else {
            findings.held();
        }
    }
    findings.verdict(|counts| format!("{} of what is left", counted(counts, "count")))
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::NoLeak;
    use crate::Held;
    use crate::testing::chat;

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
