//! A record with the verdicts on it, compared with what its scenario expects.

use crate::Record;
use serde::Serialize;
use squall_guarantees::{Guarantee, Verdict, check};
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// The guarantee.
    pub guarantee: Guarantee,
    /// Whether the scenario expects it to hold (`true`) or to be violated (`false`); none if the
    /// scenario does not name it.
    pub expected_held: Option<bool>,
    /// What the checker says.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Whether a run went as its scenario expects. The worse is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Every expectation was met.
    AsExpected,
    /// No expectation was disappointed, but one was never put to the test.
    NotExercised,
    /// A guarantee was violated against the expectation, or held against it, or a machine panicked.
    NotAsExpected,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Outcome::AsExpected => "as expected",
            Outcome::NotExercised => "not exercised",
            Outcome::NotAsExpected => "not as expected",
        })
    }
}

impl Judged {
    /// Checks the record's history. Costs O(n log n) in the number of its events.
    pub fn new(record: Record) -> Self {
        let expected_held = |guarantee| {
            let mut expectations = record.expectations.iter();
            expectations
                .find(|named| named.guarantee == guarantee)
                .map(|named| named.held)
        };
        let judgements: Vec<Judgement> = check(&record.history)
            .into_iter()
            .map(|(guarantee, verdict)| Judgement {
                guarantee,
                expected_held: expected_held(guarantee),
                verdict,
            })
            .collect();
        let of_guarantees = judgements.iter().map(Judgement::outcome).max();
        let outcome = match &record.panics[..] {
            [] => of_guarantees.unwrap_or(Outcome::AsExpected),
            [_, ..] => Outcome::NotAsExpected,
        };
        Judged {
            record,
            judgements,
            outcome,
        }
    }
}

impl Judgement {
    /// Whether the expectation was met. A guarantee that the scenario does not name is shown in
    /// reports and disappoints nobody.
    pub fn outcome(&self) -> Outcome {
        match (self.expected_held, &self.verdict) {
            (None, _) | (Some(true), Verdict::Held(_)) | (Some(false), Verdict::Violated(_)) => {
                Outcome::AsExpected
            }
            (Some(_), Verdict::NotExercised) => Outcome::NotExercised,
            (Some(true), Verdict::Violated(_)) | (Some(false), Verdict::Held(_)) => {
                Outcome::NotAsExpected
            }
        }
    }

    /// The expectation in a word: `held`, `violated`, or `-` without one.
    pub fn expected_word(&self) -> &'static str {
        match self.expected_held {
            Some(true) => "held",
            Some(false) => "violated",
            None => "-",
        }
    }

    /// What the verdict rests on: what was exercised, the evidence, or what was missing.
    pub fn grounds(&self) -> String {
        match &self.verdict {
            Verdict::Held(exercise) => exercise.to_string(),
            Verdict::Violated(violation) => violation.to_string(),
            Verdict::NotExercised => format!("needs {}", self.guarantee.exercised_when()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;
    use crate::{Expectation, Panic};
    use squall_guarantees::Guarantee::{AtMostOnce, Detection, Ordering};
    use std::time::Duration;

    /// In the record of these tests ordering holds, at-most-once is violated, and
    /// detection is not exercised once its silences are taken away.
    fn outcome_when_expecting(guarantee: Guarantee, held: bool) -> Outcome {
        let mut record = record();
        record.history.silences.clear();
        record.expectations = vec![Expectation { guarantee, held }];
        Judged::new(record).outcome
    }

    #[test]
    fn a_run_is_as_expected_when_every_expectation_is_met() {
        assert_eq!(outcome_when_expecting(Ordering, true), Outcome::AsExpected);
        assert_eq!(
            outcome_when_expecting(AtMostOnce, false),
            Outcome::AsExpected
        );
    }

    #[test]
    fn a_run_is_not_as_expected_when_a_verdict_is_the_other_one() {
        assert_eq!(
            outcome_when_expecting(Ordering, false),
            Outcome::NotAsExpected
        );
        assert_eq!(
            outcome_when_expecting(AtMostOnce, true),
            Outcome::NotAsExpected
        );
    }

    #[test]
    fn an_expectation_that_is_not_exercised_is_no_pass() {
        assert_eq!(
            outcome_when_expecting(Detection, true),
            Outcome::NotExercised
        );
        assert_eq!(
            outcome_when_expecting(Detection, false),
            Outcome::NotExercised
        );
    }

    #[test]
    fn a_violated_guarantee_that_the_scenario_does_not_name_does_not_count() {
        let mut record = record();
        record.expectations.clear();
        assert_eq!(Judged::new(record).outcome, Outcome::AsExpected);
    }

    #[test]
    fn a_panic_is_never_expected() {
        let mut record = record();
        record.expectations.clear();
        record.panics.push(Panic {
            at: Duration::from_secs(1),
            machine: "server".to_owned(),
            message: "index out of bounds".to_owned(),
            backtrace: String::new(),
        });
        assert_eq!(Judged::new(record).outcome, Outcome::NotAsExpected);
    }
}
