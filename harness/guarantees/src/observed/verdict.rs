//! What a checker says, and how it comes to it.

use super::Observed;
use crate::{Nanoseconds, Time, counted};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Decides one guarantee.
pub trait Checker {
    /// Its name, in reports and during shrinking: unique within a test.
    fn name(&self) -> String;

    /// What it says of a run.
    fn check(&self, history: &Observed) -> Verdict;
}

/// What a checker says of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// It was put to the test, and it held.
    Held {
        /// In how many cases.
        judged: u64,
        /// What was not judged: the reason, and how often.
        left_out: BTreeMap<String, u64>,
    },
    /// It did not hold.
    Violated {
        /// When that was known.
        #[serde(with = "Nanoseconds")]
        at: Time,
        /// The earliest violation, in a sentence.
        why: String,
        /// Which of [`Observed::told`] belong to it.
        told: Vec<usize>,
        /// How many violations there are in all.
        count: u64,
        /// How many cases were judged, held or not.
        judged: u64,
    },
    /// It was not put to the test. That is not a pass.
    NotExercised {
        /// What was missing.
        why: String,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Held { judged, left_out } => {
                write!(f, "held in {}", counted(*judged, "case"))?;
                left_out
                    .iter()
                    .try_for_each(|(why, count)| write!(f, "; {count} not judged: {why}"))
            }
            Verdict::Violated { why, count, .. } => {
                write!(f, "violated: {why}")?;
                match count.saturating_sub(1) {
                    0 => Ok(()),
                    more => write!(f, " And {}.", counted(more, "more violation")),
                }
            }
            Verdict::NotExercised { why } => write!(f, "not put to the test: {why}"),
        }
    }
}

/// Collects what a checker finds.
#[derive(Default)]
pub(super) struct Findings {
    judged: u64,
    violations: u64,
    left_out: BTreeMap<String, u64>,
    earliest: Option<(Time, String, Vec<usize>)>,
}

impl Findings {
    pub(super) fn held(&mut self) {
        self.judged += 1;
    }

    /// One more case about which nothing can be said, or in which nothing was promised.
    pub(super) fn leave_out(&mut self, why: &str) {
        *self.left_out.entry(why.to_owned()).or_default() += 1;
    }

    /// One more violation. Of two at the same time the first reported is kept.
    pub(super) fn violated(&mut self, at: Time, told: Vec<usize>, why: impl FnOnce() -> String) {
        self.judged += 1;
        self.violations += 1;
        if self
            .earliest
            .as_ref()
            .is_none_or(|(earliest, ..)| at < *earliest)
        {
            self.earliest = Some((at, why(), told));
        }
    }

    /// The resulting verdict; `missing` says what was not seen, if nothing was judged.
    pub(super) fn verdict(self, missing: impl FnOnce() -> String) -> Verdict {
        let (judged, left_out) = (self.judged, self.left_out);
        match self.earliest {
            Some((at, why, mut told)) => {
                told.sort_unstable();
                told.dedup();
                Verdict::Violated {
                    at,
                    why,
                    told,
                    count: self.violations,
                    judged,
                }
            }
            None if judged > 0 => Verdict::Held { judged, left_out },
            None if left_out.is_empty() => Verdict::NotExercised { why: missing() },
            None => {
                let reasons = left_out.iter();
                let reasons = reasons.map(|(why, count)| format!("{count} not judged: {why}"));
                let reasons: Vec<String> = reasons.collect();
                let why = reasons.join("; ");
                Verdict::NotExercised { why }
            }
        }
    }
}

/// A closure as a checker; [`that`] makes one.
pub struct That<F> {
    name: String,
    check: F,
}

/// A guarantee of your own: what must be true of a run, or else why it is not.
///
/// ```
/// use squall_guarantees::observed::{Checker, Observed, that};
///
/// let quiet = that("nobody says anything", |run: &Observed| match run.told.len() {
///     0 => Ok(()),
///     some => Err(format!("{some} things were told")),
/// });
/// assert_eq!(quiet.name(), "nobody says anything");
/// ```
pub fn that<F: Fn(&Observed) -> Result<(), String>>(name: &str, check: F) -> That<F> {
    That {
        name: name.to_owned(),
        check,
    }
}

impl<F> fmt::Debug for That<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("That")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl<F: Fn(&Observed) -> Result<(), String>> Checker for That<F> {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn check(&self, history: &Observed) -> Verdict {
        let mut findings = Findings::default();
        match (self.check)(history) {
            Ok(()) => findings.held(),
            Err(why) => findings.violated(history.ended_at, Vec::new(), || why),
        }
        findings.verdict(String::new)
    }
}

/// A length of time: a number of seconds, or a [`Duration`].
pub trait InSeconds {
    /// The same as a duration. Negative numbers are zero.
    fn duration(self) -> Duration;
}

impl InSeconds for Duration {
    fn duration(self) -> Duration {
        self
    }
}

impl InSeconds for i32 {
    fn duration(self) -> Duration {
        Duration::from_secs(self.max(0) as u64)
    }
}

impl InSeconds for u64 {
    fn duration(self) -> Duration {
        Duration::from_secs(self)
    }
}

impl InSeconds for f64 {
    fn duration(self) -> Duration {
        Duration::try_from_secs_f64(self).unwrap_or_default()
    }
}
