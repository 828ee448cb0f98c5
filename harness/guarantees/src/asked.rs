//! How much a verdict was asked: how many cases were judged, how many were not, and why.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How many cases of a guarantee a run had, and what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Asked {
    /// Cases about which the verdict says something: right or wrong.
    pub judged: u64,
    /// Cases in which nothing was promised.
    #[serde(default)]
    pub excused: Vec<(Excuse, u64)>,
    /// Cases about which nothing can be said.
    #[serde(default)]
    pub not_judged: Vec<(NotJudged, u64)>,
}

/// Why nothing was promised in a case.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Excuse {
    /// The program that should have done it was not running at the end.
    NotRunning,
    /// The user had left on purpose.
    Left,
    /// The user was told that the message failed; just-failure judges whether rightly so.
    ToldFailed,
    /// The program stood still for the whole time.
    StoodStill,
    /// A fault touched it.
    Disturbed,
    /// The link's properties explain it.
    LinkExplains,
    /// The server no longer keeps what the client missed, and said so.
    OffsetTooOld,
    /// Too many sessions were waiting, and the server said so.
    NoRoom,
    /// It is stored more than once, and so has no single place in the order; exactly-once judges
    /// whether rightly so.
    StoredAgain,
    /// It was under way on a connection that its sender gave up, and the sender was not waiting for
    /// an acknowledgement.
    UnderWay,
}

/// Why nothing can be said about a case.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum NotJudged {
    /// The run ended before it was due.
    EndedTooSoon,
    /// The fault that touched it never ended.
    FaultNeverEnded,
    /// The link cannot carry this much within the run.
    LinkTooSlow,
    /// It came late, after a connection broke on a link that loses packets throughout.
    LossesNeverEnd,
    /// Its sender had others to send first, and was still sending at the end.
    StillSending,
    /// Its sender's program ended at the very moment the message was given to it: nobody can say
    /// whether it got it.
    EndedWhileGiven,
    /// Nobody knows when it was stored.
    StoredAtUnknown,
    /// No cause was given.
    CauseUnknown,
    /// Nothing is known about what the link carries.
    LinkUnknown,
    /// It is too close to a time limit to say on which side it falls.
    TooClose,
}

impl Excuse {
    /// Every excuse.
    pub const ALL: [Excuse; 10] = [
        Excuse::NotRunning,
        Excuse::Left,
        Excuse::ToldFailed,
        Excuse::StoodStill,
        Excuse::Disturbed,
        Excuse::LinkExplains,
        Excuse::OffsetTooOld,
        Excuse::NoRoom,
        Excuse::StoredAgain,
        Excuse::UnderWay,
    ];

    /// The excuse in words, to follow a number and a colon.
    pub fn words(self) -> &'static str {
        match self {
            Excuse::NotRunning => "its program was not running",
            Excuse::Left => "its user had left",
            Excuse::ToldFailed => "was told that it failed",
            Excuse::StoodStill => "its program stood still",
            Excuse::Disturbed => "a fault touched it",
            Excuse::LinkExplains => "the link explains it",
            Excuse::OffsetTooOld => "too much was missed",
            Excuse::NoRoom => "too many were waiting",
            Excuse::StoredAgain => "stored again",
            Excuse::UnderWay => "still under way when its connection was given up",
        }
    }
}

impl NotJudged {
    /// The reason in words, to follow a number and a colon.
    pub fn words(self) -> &'static str {
        match self {
            NotJudged::EndedTooSoon => "the run ended before it was due",
            NotJudged::FaultNeverEnded => "the fault never ended",
            NotJudged::LinkTooSlow => "the link cannot carry so much",
            NotJudged::LossesNeverEnd => "the losses of the link never end",
            NotJudged::StillSending => "still sending at the end",
            NotJudged::EndedWhileGiven => "its sender's program ended while it was given",
            NotJudged::StoredAtUnknown => "nobody knows when it was stored",
            NotJudged::CauseUnknown => "nobody said why",
            NotJudged::LinkUnknown => "nobody said what the link carries",
            NotJudged::TooClose => "too close to the limit of time",
        }
    }
}

impl Asked {
    /// How many cases were excused.
    pub fn excused(&self) -> u64 {
        self.excused.iter().map(|(_, count)| count).sum()
    }

    /// How many cases could not be judged.
    pub fn not_judged(&self) -> u64 {
        self.not_judged.iter().map(|(_, count)| count).sum()
    }

    /// Whether more than five in a hundred cases were excused or could not be judged, so that a
    /// report says so next to the verdict.
    pub fn is_partial(&self) -> bool {
        let left_out = self.excused() + self.not_judged();
        left_out * 20 > self.judged + left_out
    }

    /// Whether more than five in a hundred cases could not be judged: too many to call the rest a
    /// proof.
    pub fn leaves_much_open(&self) -> bool {
        self.not_judged() * 20 > self.judged + self.not_judged()
    }

    /// What was left out, if more than a few in a hundred: follows the verdict's grounds.
    pub fn remark(&self) -> Option<String> {
        self.is_partial().then(|| format!("({})", self.left_out()))
    }

    pub(crate) fn excuse(&mut self, reason: Excuse) {
        count(&mut self.excused, reason);
    }

    pub(crate) fn leave_open(&mut self, reason: NotJudged) {
        count(&mut self.not_judged, reason);
    }

    fn left_out(&self) -> String {
        let excused = group("excused", &self.excused, Excuse::words);
        let not_judged = group("not judged", &self.not_judged, NotJudged::words);
        let groups: Vec<String> = excused.into_iter().chain(not_judged).collect();
        groups.join("; ")
    }
}

/// Counts one more case for this reason. The list is in the order of the reasons, whichever came
/// first.
fn count<R: Ord + Copy>(reasons: &mut Vec<(R, u64)>, reason: R) {
    match reasons.binary_search_by_key(&reason, |&(reason, _)| reason) {
        Ok(place) => reasons[place].1 += 1,
        Err(place) => reasons.insert(place, (reason, 1)),
    }
}

fn group<R: Copy>(
    what: &str,
    reasons: &[(R, u64)],
    words: fn(R) -> &'static str,
) -> Option<String> {
    let all: u64 = reasons.iter().map(|(_, count)| count).sum();
    match reasons {
        [] => None,
        [(reason, _)] => Some(format!("{all} {what}: {}", words(*reason))),
        _ => {
            let each = reasons.iter();
            let each = each.map(|&(reason, count)| format!("{} ({count})", words(reason)));
            let each: Vec<String> = each.collect();
            Some(format!("{all} {what}: {}", each.join(", ")))
        }
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} judged", self.judged)?;
        match &*self.left_out() {
            "" => Ok(()),
            left_out => write!(f, "; {left_out}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(judged: u64, excused: u64) -> Asked {
        let mut asked = Asked {
            judged,
            ..Asked::default()
        };
        (0..excused).for_each(|_| asked.excuse(Excuse::NotRunning));
        asked
    }

    #[test]
    fn says_what_was_left_out_by_reason_in_a_fixed_order() {
        let mut asked = asked(30, 2);
        asked.leave_open(NotJudged::StillSending);
        asked.leave_open(NotJudged::FaultNeverEnded);
        asked.leave_open(NotJudged::StillSending);
        insta::assert_snapshot!(asked, @"30 judged; 2 excused: its program was not running; 3 not judged: the fault never ended (1), still sending at the end (2)");
        insta::assert_snapshot!(asked.remark().unwrap(), @"(2 excused: its program was not running; 3 not judged: the fault never ended (1), still sending at the end (2))");
    }

    #[test]
    fn remarks_on_more_than_five_in_a_hundred_only() {
        assert_eq!(asked(95, 5).remark(), None);
        assert!(asked(94, 6).remark().is_some());
        assert_eq!(asked(7, 0).to_string(), "7 judged");
        assert_eq!(Asked::default().remark(), None);
    }

    #[test]
    fn leaves_much_open_with_more_than_five_in_a_hundred_that_could_not_be_judged() {
        let open = |judged, excused, not_judged| {
            let mut asked = asked(judged, excused);
            (0..not_judged).for_each(|_| asked.leave_open(NotJudged::StillSending));
            asked.leaves_much_open()
        };
        assert!(!open(95, 0, 5));
        assert!(open(94, 0, 6));
        // One in twenty is five in a hundred; one in nineteen is more.
        assert!(!open(19, 0, 1));
        assert!(open(18, 0, 1));
        // Excused cases have been looked at.
        assert!(!open(19, 100, 1));
        assert!(open(18, 100, 1));
        assert!(!open(0, 0, 0));
        assert!(open(0, 0, 1));
    }

    #[test]
    fn every_reason_reads_on_after_a_number_and_no_two_read_the_same() {
        use Excuse::*;
        use NotJudged::*;
        let excuses = [
            NotRunning,
            Left,
            ToldFailed,
            StoodStill,
            Disturbed,
            LinkExplains,
            OffsetTooOld,
            NoRoom,
        ];
        insta::assert_snapshot!(excuses.map(Excuse::words).join(", "), @"its program was not running, its user had left, was told that it failed, its program stood still, a fault touched it, the link explains it, too much was missed, too many were waiting");
        let open = [
            EndedTooSoon,
            FaultNeverEnded,
            LinkTooSlow,
            LossesNeverEnd,
            StillSending,
            EndedWhileGiven,
            StoredAtUnknown,
            CauseUnknown,
            LinkUnknown,
            TooClose,
        ];
        insta::assert_snapshot!(open.map(NotJudged::words).join(", "), @"the run ended before it was due, the fault never ended, the link cannot carry so much, the losses of the link never end, still sending at the end, its sender's program ended while it was given, nobody knows when it was stored, nobody said why, nobody said what the link carries, too close to the limit of time");
    }

    #[test]
    fn what_could_not_be_judged_counts_as_left_out_as_well() {
        let mut open = asked(10, 0);
        open.leave_open(NotJudged::LinkTooSlow);
        assert_eq!((open.excused(), open.not_judged()), (0, 1));
        assert!(open.is_partial());
    }
}
