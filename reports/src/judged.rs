//! A record with its verdicts, compared with what its scenario expects.

use crate::{Expected, InjectedFault, Record};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_guarantees::{Asked, Guarantee, Verdict, check};
use std::fmt;

/// A record, judged. Every renderer takes this, so that the guarantees are checked once.
#[derive(Clone, Debug, PartialEq)]
pub struct Judged {
    /// What the run left behind.
    pub record: Record,
    /// Every guarantee's verdict, in the order of [`Guarantee::ALL`].
    pub judgements: Vec<Judgement>,
    /// Whether the run went as its scenario expects.
    pub outcome: Outcome,
}

/// The verdict on one guarantee, and what the scenario expects of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// The guarantee.
    pub guarantee: Guarantee,
    /// What the scenario expects of it; none if the scenario does not name it, and then it must
    /// hold if it is exercised.
    pub expected: Option<Expected>,
    /// What the checker says.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Whether a run went as its scenario expects. The worse is the greater.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Every expectation was met, and nothing else was violated.
    AsExpected,
    /// The scenario expects nothing of any guarantee, so nothing can be said about it.
    NothingExpected,
    /// No expectation was disappointed, but one was never exercised, a fault struck nothing, or
    /// something that the scenario should show was not seen.
    NotExercised,
    /// A guarantee was unexpectedly violated, or unexpectedly held, or a machine panicked.
    NotAsExpected,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::AsExpected => "as expected",
            Outcome::NothingExpected => "nothing expected",
            Outcome::NotExercised => "not exercised",
            Outcome::NotAsExpected => "not as expected",
        })
    }
}

impl Judged {
    /// Checks the record's history. Costs O(n log n) in the number of its events.
    pub fn new(record: Record) -> Self {
        let named = record.expectations.iter();
        let named: Vec<_> = named.map(|it| (it.guarantee, it.expected)).collect();
        let judgements: Vec<Judgement> = check(&record.history)
            .into_iter()
            .map(|(guarantee, verdict)| Judgement {
                guarantee,
                expected: Expected::of(guarantee, &named),
                verdict,
            })
            .collect();
        let of_guarantees = judgements.iter().map(Judgement::outcome);
        let of_panics = record.panics.iter().map(|_| Outcome::NotAsExpected);
        let of_faults = record.idle_faults().map(|_| Outcome::NotExercised);
        let of_sights = record.unseen().map(|_| Outcome::NotExercised);
        let of_scenario = match &record.expectations[..] {
            [] => Outcome::NothingExpected,
            [_, ..] => Outcome::AsExpected,
        };
        let outcomes = of_guarantees.chain(of_panics).chain(of_faults);
        let outcomes = outcomes.chain(of_sights);
        let outcome = outcomes.fold(of_scenario, Outcome::max);
        Judged {
            record,
            judgements,
            outcome,
        }
    }

    /// The parts of the outcome that are not shown next to a guarantee that the scenario names, in
    /// sentences.
    pub fn warnings(&self) -> Vec<String> {
        let nothing = self.record.expectations.is_empty();
        let nothing = nothing.then(|| {
            "The scenario expects nothing: write [expect], and what is to hold.".to_owned()
        });
        let unnamed = self.unnamed_violations().map(|this| {
            let guarantee = this.guarantee;
            format!("The scenario does not name {guarantee}, and it was violated.")
        });
        let idle = self.record.idle_faults().map(|fault| {
            let InjectedFault { label, what, .. } = fault;
            format!("{label} struck nothing: {what}.")
        });
        let unseen = self
            .record
            .unseen()
            .map(|sight| format!("The scenario is to show {sight}, and there were none."));
        (nothing.into_iter().chain(unnamed))
            .chain(idle)
            .chain(unseen)
            .collect()
    }

    /// The guarantees that were violated although the scenario does not name them.
    pub fn unnamed_violations(&self) -> impl Iterator<Item = &Judgement> {
        let violated = |this: &&Judgement| matches!(this.verdict, Verdict::Violated(_));
        self.judgements
            .iter()
            .filter(|this| this.expected.is_none())
            .filter(violated)
    }

    /// The judgements that a report tells one by one: those that were exercised, or should have
    /// been.
    pub(crate) fn told(&self) -> impl Iterator<Item = &Judgement> {
        self.judgements.iter().filter(|this| !this.is_idle())
    }

    /// The names of all others, for one line.
    pub(crate) fn unexercised(&self) -> String {
        let idle = self.judgements.iter().filter(|this| this.is_idle());
        let names: Vec<String> = idle.map(|this| this.guarantee.to_string()).collect();
        names.join(", ")
    }
}

impl Judgement {
    /// Whether the scenario names it.
    pub(crate) fn is_named(&self) -> bool {
        !matches!(self.expected, None | Some(Expected::Anything))
    }

    /// Whether there is nothing to say about it: not exercised, and not named by the scenario.
    fn is_idle(&self) -> bool {
        !self.is_named() && self.verdict == Verdict::NotExercised(Asked::default())
    }

    /// Whether the expectation was met. A guarantee that the scenario does not name need not be
    /// exercised; but if it is, it must hold. One that is to hold is not proved by a few cases if
    /// many others could not be judged.
    pub fn outcome(&self) -> Outcome {
        match (self.expected, &self.verdict) {
            (Some(Expected::Anything), _) => Outcome::AsExpected,
            (Some(Expected::Held), Verdict::Held(exercise))
                if exercise.asked.leaves_much_open() =>
            {
                Outcome::NotExercised
            }
            (None, Verdict::NotExercised(_))
            | (None | Some(Expected::Held | Expected::Either), Verdict::Held(_))
            | (Some(Expected::Violated | Expected::Either), Verdict::Violated(_)) => {
                Outcome::AsExpected
            }
            (Some(_), Verdict::NotExercised(_)) => Outcome::NotExercised,
            (None | Some(Expected::Held), Verdict::Violated(_))
            | (Some(Expected::Violated), Verdict::Held(_)) => Outcome::NotAsExpected,
        }
    }

    /// The expectation in a word, or `-` if there is none.
    pub fn expected_word(&self) -> &'static str {
        self.expected.map_or("-", Expected::word)
    }

    /// What the verdict rests on: what was exercised, the evidence, or what was missing.
    pub fn grounds(&self) -> String {
        match &self.verdict {
            Verdict::Held(exercise) => exercise.to_string(),
            Verdict::Violated(violation) => violation.to_string(),
            Verdict::NotExercised(asked) => {
                let needs = format!("needs {}", self.guarantee.exercised_when());
                [Some(needs), asked.remark()]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join(" ")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Expected::{Either, Held, Violated};
    use crate::testing::record;
    use crate::{Expectation, Panic, Sight};
    use squall_guarantees::Guarantee::{AtMostOnce, Detection, Ordering, TotalOrder};
    use squall_guarantees::{Asked, Exercise, NotJudged};
    use std::time::Duration;

    /// In the record of these tests ordering holds, at-most-once is violated, and detection is not
    /// exercised, as its silences are removed. Of the others, anything is expected.
    fn expecting(guarantee: Guarantee, expected: Expected) -> Record {
        let mut record = record();
        record.history.silences.clear();
        let others = check(&record.history)
            .into_iter()
            .filter(|(other, verdict)| *other != guarantee && verdict.is_exercised())
            .map(|(other, _)| (other, Expected::Either));
        record.expectations = others
            .chain([(guarantee, expected)])
            .map(|(guarantee, expected)| Expectation {
                guarantee,
                expected,
            })
            .collect();
        record
    }

    fn outcome_when_expecting(guarantee: Guarantee, expected: Expected) -> Outcome {
        Judged::new(expecting(guarantee, expected)).outcome
    }

    #[test]
    fn a_run_is_as_expected_when_every_expectation_is_met() {
        for (guarantee, expected) in [
            (Ordering, Held),
            (AtMostOnce, Violated),
            (Ordering, Either),
            (AtMostOnce, Either),
        ] {
            let outcome = outcome_when_expecting(guarantee, expected);
            assert_eq!(outcome, Outcome::AsExpected, "{guarantee} {expected:?}");
        }
    }

    #[test]
    fn a_run_is_not_as_expected_when_a_verdict_is_the_other_one() {
        for (guarantee, expected) in [(Ordering, Violated), (AtMostOnce, Held)] {
            let outcome = outcome_when_expecting(guarantee, expected);
            assert_eq!(outcome, Outcome::NotAsExpected, "{guarantee}");
        }
    }

    #[test]
    fn what_is_to_hold_is_not_exercised_by_a_few_cases_beside_many_that_could_not_be_judged() {
        let outcome = |not_judged, expected| {
            let asked = Asked {
                judged: 19,
                not_judged: vec![(NotJudged::FaultNeverEnded, not_judged)],
                ..Asked::default()
            };
            let judgement = Judgement {
                guarantee: Ordering,
                expected: Some(expected),
                verdict: Verdict::Held(Exercise {
                    count: 19,
                    what: String::new(),
                    asked,
                }),
            };
            judgement.outcome()
        };
        assert_eq!(outcome(1, Held), Outcome::AsExpected);
        assert_eq!(outcome(2, Held), Outcome::NotExercised);
        assert_eq!(outcome(2, Either), Outcome::AsExpected);
    }

    #[test]
    fn an_expectation_that_is_not_exercised_is_no_pass() {
        for expected in [Held, Violated, Either] {
            let outcome = outcome_when_expecting(Detection, expected);
            assert_eq!(outcome, Outcome::NotExercised, "{expected:?}");
        }
    }

    #[test]
    fn a_violation_of_what_the_scenario_does_not_name_is_a_finding() {
        let mut record = expecting(Ordering, Held);
        record
            .expectations
            .retain(|named| named.guarantee != AtMostOnce);
        let judged = Judged::new(record);
        let unnamed: Vec<_> = (judged.unnamed_violations())
            .map(|this| this.guarantee)
            .collect();
        assert_eq!(unnamed, [AtMostOnce]);
        assert_eq!(judged.outcome, Outcome::NotAsExpected);
    }

    #[test]
    fn what_the_scenario_does_not_name_may_hold_or_not_be_exercised() {
        let judgement = |verdict| Judgement {
            guarantee: Detection,
            expected: None,
            verdict,
        };
        let ordering = Judged::new(expecting(Ordering, Held)).judgements[0].clone();
        assert_eq!(judgement(ordering.verdict).outcome(), Outcome::AsExpected);
        assert_eq!(
            judgement(Verdict::NotExercised(Asked::default())).outcome(),
            Outcome::AsExpected
        );
    }

    #[test]
    fn what_is_promised_only_with_another_need_not_hold_where_that_one_need_not_unless_it_is_named()
    {
        let expected = |named: &[(Guarantee, Expected)]| Expected::of(TotalOrder, named);
        assert_eq!(expected(&[(Ordering, Held)]), None);
        for given_up in [Violated, Either] {
            let anything = expected(&[(Ordering, given_up)]);
            assert_eq!(anything, Some(Expected::Anything));
            let named = expected(&[(Ordering, given_up), (TotalOrder, Held)]);
            assert_eq!(named, Some(Held));
        }
    }

    #[test]
    fn where_anything_is_expected_no_verdict_is_a_finding() {
        let judged = Judged::new(expecting(AtMostOnce, Violated));
        let mut judgements = judged.judgements.into_iter();
        let violated = judgements.find(|it| it.guarantee == AtMostOnce);
        let mut judgement = violated.expect("every guarantee is judged");
        for (expected, outcome) in [
            (None, Outcome::NotAsExpected),
            (Some(Expected::Anything), Outcome::AsExpected),
        ] {
            judgement.expected = expected;
            assert_eq!(judgement.outcome(), outcome, "{expected:?}");
            assert!(!judgement.is_named());
        }
        judgement.verdict = Verdict::NotExercised(Asked::default());
        assert_eq!(judgement.outcome(), Outcome::AsExpected);
    }

    #[test]
    fn a_run_of_which_nothing_is_expected_is_no_success() {
        let mut record = record();
        record.history.events.clear();
        record.history.database.clear();
        record.history.silences.clear();
        record.expectations.clear();
        assert_eq!(Judged::new(record).outcome, Outcome::NothingExpected);
    }

    #[test]
    fn a_fault_that_struck_nothing_is_not_exercised() {
        for (hits, outcome) in [
            (Some(0), Outcome::NotExercised),
            (Some(1), Outcome::AsExpected),
            (None, Outcome::AsExpected),
        ] {
            let mut record = expecting(Ordering, Held);
            record.faults[0].hits = hits;
            assert_eq!(Judged::new(record).outcome, outcome, "{hits:?}");
        }
    }

    #[test]
    fn what_a_scenario_is_to_show_must_be_seen() {
        for (sight, outcome) in [
            (Sight::Retries, Outcome::AsExpected),
            (Sight::Recoveries, Outcome::NotExercised),
        ] {
            let mut record = expecting(Ordering, Held);
            record.exercises = vec![sight];
            let judged = Judged::new(record);
            assert_eq!(judged.outcome, outcome, "{sight}");
            let told = !judged.warnings().is_empty();
            assert_eq!(told, outcome == Outcome::NotExercised, "{sight}");
        }
    }

    #[test]
    fn a_panic_is_never_expected() {
        let mut record = expecting(Ordering, Held);
        record.panics.push(Panic {
            at: Duration::from_secs(1),
            machine: "server".to_owned(),
            message: "index out of bounds".to_owned(),
            backtrace: String::new(),
        });
        assert_eq!(Judged::new(record).outcome, Outcome::NotAsExpected);
    }
}
