//! What a checker says: held, violated (with the smallest evidence), or not exercised.

use crate::{Evidence, Time};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a checker says about one guarantee in one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// The run put the guarantee to the test, and it held.
    Held(Exercise),
    /// It did not hold.
    Violated(Box<Violation>),
    /// The run never put it to the test. This is not a pass;
    /// [`exercised_when`](crate::Guarantee::exercised_when) says what was missing.
    NotExercised,
}

impl Verdict {
    /// The verdict in a word or two: `held`, `violated`, `not exercised`.
    pub fn word(&self) -> &'static str {
        match self {
            Verdict::Held(_) => "held",
            Verdict::Violated(_) => "violated",
            Verdict::NotExercised => "not exercised",
        }
    }
}

/// What a guarantee was tested on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exercise {
    /// How many times it could have been violated.
    pub count: u64,
    /// The same in words: `312 deliveries to 3 receivers`.
    pub what: String,
}

impl fmt::Display for Exercise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

/// How a guarantee was violated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// How many violations the run has in all; for the total order, how many rooms have none.
    pub count: u64,
    /// The earliest of them.
    pub evidence: Evidence,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.evidence)?;
        match self.count.saturating_sub(1) {
            0 => Ok(()),
            more => write!(f, " And {}.", counted(more, "more violation")),
        }
    }
}

/// Collects a checker's findings: counts them all and keeps the earliest.
#[derive(Default)]
pub(crate) struct Findings {
    count: u64,
    earliest: Option<(Time, Evidence)>,
}

impl Findings {
    /// One more violation, seen at this time. Of two at the same time the first one told is kept.
    pub(crate) fn add(&mut self, at: Time, evidence: impl FnOnce() -> Evidence) {
        self.count += 1;
        if self
            .earliest
            .as_ref()
            .is_none_or(|(earliest, _)| at < *earliest)
        {
            self.earliest = Some((at, evidence()));
        }
    }

    /// The verdict, given how many times the guarantee was put to the test, also in words.
    pub(crate) fn verdict(self, count: u64, what: impl Into<String>) -> Verdict {
        match self.earliest {
            Some((_, evidence)) => Verdict::Violated(Box::new(Violation {
                count: self.count,
                evidence,
            })),
            None if count == 0 => Verdict::NotExercised,
            None => Verdict::Held(Exercise {
                count,
                what: what.into(),
            }),
        }
    }
}

/// A number with its noun: `1 delivery`, `3 deliveries`, `0 messages`.
pub fn counted(count: u64, noun: &str) -> String {
    match (count, noun.strip_suffix('y')) {
        (1, _) => format!("1 {noun}"),
        (_, Some(stem)) => format!("{count} {stem}ies"),
        (_, None) => format!("{count} {noun}s"),
    }
}
