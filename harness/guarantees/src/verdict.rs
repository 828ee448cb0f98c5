//! What a checker says: held, violated (with the smallest evidence), or not exercised.

use crate::counted::counted;
use crate::{Asked, Evidence, Excuse, NotJudged, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a checker says about one guarantee in one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// The run put the guarantee to the test, and it held.
    Held(Exercise),
    /// It did not hold.
    Violated(Box<Violation>),
    /// The run never put it to the test. This is not a pass;
    /// [`exercised_when`](crate::Guarantee::exercised_when) says what was missing.
    NotExercised(Asked),
}

impl Verdict {
    /// The verdict in a word or two: `held`, `violated`, `not exercised`.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Held(_) => "held",
            Verdict::Violated(_) => "violated",
            Verdict::NotExercised(_) => "not exercised",
        }
    }

    /// Whether the run put the guarantee to the test.
    pub fn is_exercised(&self) -> bool {
        !matches!(self, Verdict::NotExercised(_))
    }

    /// How many cases it covers, and how many it leaves out.
    pub fn asked(&self) -> &Asked {
        match self {
            Verdict::Held(exercise) => &exercise.asked,
            Verdict::Violated(violation) => &violation.asked,
            Verdict::NotExercised(asked) => asked,
        }
    }
}

/// What a guarantee was tested on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Exercise {
    /// How many times it could have been violated.
    pub count: u64,
    /// The same in words: `312 deliveries to 3 receivers`.
    pub what: String,
    /// How much was asked, and what was left out.
    #[serde(default)]
    pub asked: Asked,
}

impl fmt::Display for Exercise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        remark(f, &self.asked)
    }
}

/// How a guarantee was violated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Violation {
    /// How many violations the run has in all; for the total order, how many rooms lack one.
    pub count: u64,
    /// The earliest of them.
    pub evidence: Evidence,
    /// The next ones, in the order of time: all of them, or as many as a report has room for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<Evidence>,
    /// How much was asked, and what was left out.
    #[serde(default)]
    pub asked: Asked,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.evidence)?;
        match self.count.saturating_sub(1) {
            0 => {}
            more => write!(f, " And {}.", counted(more, "more violation"))?,
        }
        remark(f, &self.asked)
    }
}

fn remark(f: &mut fmt::Formatter<'_>, asked: &Asked) -> fmt::Result {
    match asked.remark() {
        Some(remark) => write!(f, " {remark}"),
        None => Ok(()),
    }
}

/// How many violations of a guarantee are kept: the earliest. The others are counted.
const KEPT: usize = 1_000;

/// Collects a checker's findings: counts what was asked, and keeps the violations.
#[derive(Default)]
pub(crate) struct Findings {
    asked: Asked,
    count: u64,
    /// In the order of time.
    found: Vec<(Time, Evidence)>,
}

impl Findings {
    /// One more violation, seen at this time. Of two at the same time the first reported is the
    /// first.
    pub(crate) fn add<E: Into<Evidence>>(&mut self, at: Time, evidence: impl FnOnce() -> E) {
        self.asked.judged += 1;
        self.count += 1;
        let place = self.found.partition_point(|(earlier, _)| *earlier <= at);
        if place < KEPT {
            self.found.insert(place, (at, evidence().into()));
            self.found.truncate(KEPT);
        }
    }

    /// One more case in which the guarantee held.
    pub(crate) fn held(&mut self) {
        self.asked.judged += 1;
    }

    /// One more case in which nothing was promised.
    pub(crate) fn excuse(&mut self, reason: Excuse) {
        self.asked.excuse(reason);
    }

    /// One more case about which nothing can be said.
    pub(crate) fn leave_open(&mut self, reason: NotJudged) {
        self.asked.leave_open(reason);
    }

    /// The verdict, with what was judged in words, given how many cases there were.
    pub(crate) fn verdict(self, what: impl FnOnce(u64) -> String) -> Verdict {
        let Self {
            asked,
            count,
            found,
        } = self;
        let mut found = found.into_iter().map(|(_, evidence)| evidence);
        match found.next() {
            Some(evidence) => Verdict::Violated(Box::new(Violation {
                count,
                evidence,
                further: found.collect(),
                asked,
            })),
            None if asked.judged == 0 => Verdict::NotExercised(asked),
            None => Verdict::Held(Exercise {
                count: asked.judged,
                what: what(asked.judged),
                asked,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Guarantee::AcknowledgementTruth;
    use crate::index::Index;
    use crate::testing::{Chat, chat};
    use crate::{History, Leak};

    fn acknowledged<const N: usize>(stored: [&str; N]) -> Chat {
        chat(["alice"])
            .sent(10, "alice", ["m1", "m2", "m3"])
            .acknowledged(20, "m1")
            .acknowledged(21, "m2")
            .acknowledged(22, "m3")
            .stored(stored)
    }

    fn verdict(history: &History) -> Verdict {
        AcknowledgementTruth.check(&Index::new(history))
    }

    #[test]
    fn every_verdict_has_its_word_and_says_how_much_it_was_asked() {
        let told = |chat: Chat| {
            let verdict = verdict(&chat.history());
            let (word, exercised) = (verdict.word(), verdict.is_exercised());
            format!("{word}, exercised: {exercised}, {}", verdict.asked())
        };
        insta::assert_snapshot!(told(acknowledged(["m1", "m2", "m3"])), @"held, exercised: true, 3 judged");
        insta::assert_snapshot!(told(acknowledged(["m1"])), @"violated, exercised: true, 3 judged");
        insta::assert_snapshot!(told(chat(["alice"])), @"not exercised, exercised: false, 0 judged");
    }

    #[test]
    fn tells_the_earliest_violation_and_how_many_more_there_are() {
        let told = |chat: Chat| match verdict(&chat.history()) {
            Verdict::Violated(violation) => format!("{} of them: {violation}", violation.count),
            other => other.word().to_owned(),
        };
        insta::assert_snapshot!(told(acknowledged(["m1", "m2"])), @"1 of them: `m3` (from alice to room lobby, sent at 0.012 s) was acknowledged at 0.022 s and is not in the database.");
        insta::assert_snapshot!(told(acknowledged(["m2"])), @"2 of them: `m1` (from alice to room lobby, sent at 0.010 s) was acknowledged at 0.020 s and is not in the database. And 1 more violation.");
        insta::assert_snapshot!(told(acknowledged([])), @"3 of them: `m1` (from alice to room lobby, sent at 0.010 s) was acknowledged at 0.020 s and is not in the database. And 2 more violations.");
    }

    #[test]
    fn of_two_violations_at_one_time_the_first_told_is_kept() {
        let leak = |holder: &str| {
            let history = chat(["alice"]).left(crate::Held::Rooms, 1, 0).history();
            let mut leftover = history.leftovers[0].clone();
            leftover.holder = holder.to_owned();
            Evidence::from(Leak(leftover))
        };
        let at = Time::from_secs(9);
        let mut findings = Findings::default();
        findings.add(at, || leak("one"));
        findings.add(at, || leak("other"));
        findings.add(at - Time::from_nanos(1), || leak("the earliest"));
        findings.add(at, || leak("the last"));
        let Verdict::Violated(violation) = findings.verdict(|_| String::new()) else {
            panic!("four violations");
        };
        assert_eq!(violation.evidence, leak("the earliest"));
        let further = ["one", "other", "the last"].map(leak);
        assert_eq!(violation.further, further);
        let mut findings = Findings::default();
        findings.add(at, || leak("one"));
        findings.add(at, || leak("other"));
        let Verdict::Violated(violation) = findings.verdict(|_| String::new()) else {
            panic!("two violations");
        };
        assert_eq!((violation.count, violation.evidence), (2, leak("one")));
    }

    #[test]
    fn of_very_many_violations_the_earliest_are_kept_and_all_are_counted() {
        let many = 2 * KEPT as u64;
        let mut findings = Findings::default();
        for at in (0..many).rev().map(Time::from_secs) {
            let history = chat(["alice"]).left(crate::Held::Rooms, 1, 0).history();
            let leftover = crate::Leftover {
                at,
                ..history.leftovers[0].clone()
            };
            findings.add(at, || Leak(leftover));
        }
        let Verdict::Violated(violation) = findings.verdict(|_| String::new()) else {
            panic!("many violations");
        };
        assert_eq!((violation.count, violation.further.len()), (many, KEPT - 1));
        let last = violation.further.last().and_then(Evidence::proof::<Leak>);
        assert_eq!(last.map(|Leak(it)| it.at.as_secs()), Some(KEPT as u64 - 1));
    }

    #[test]
    fn numbers_have_their_nouns() {
        let told = [0, 1, 2].map(|count| counted(count, "delivery"));
        assert_eq!(told.join(", "), "0 deliveries, 1 delivery, 2 deliveries");
        let told = [0, 1, 2].map(|count| counted(count, "message"));
        assert_eq!(told.join(", "), "0 messages, 1 message, 2 messages");
    }
}
