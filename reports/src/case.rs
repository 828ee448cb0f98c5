//! What a command tried, item by item, in the form that test runners and workflows know.

use crate::Outcome;

/// Something that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What it belongs to: a scenario. Cases of the same suite are adjacent.
    pub suite: String,
    /// What was tried: mostly a guarantee.
    pub name: String,
    /// What became of it.
    pub outcome: Outcome,
    /// What is wrong, in a few words; empty if nothing is.
    pub message: String,
    /// What shows it, and the command that repeats it; may be empty.
    pub details: String,
}

impl Case {
    /// A case in which nothing is wrong.
    pub fn passed(suite: impl Into<String>, name: impl Into<String>) -> Self {
        Case {
            suite: suite.into(),
            name: name.into(),
            outcome: Outcome::AsExpected,
            message: String::new(),
            details: String::new(),
        }
    }

    /// The same case, in which this is wrong.
    pub fn failed(self, message: impl Into<String>, details: impl Into<String>) -> Self {
        Case {
            outcome: Outcome::NotAsExpected,
            message: message.into(),
            details: details.into(),
            ..self
        }
    }

    /// The same case, which was not tried, and why.
    pub fn skipped(self, message: impl Into<String>) -> Self {
        Case {
            outcome: Outcome::NotExercised,
            message: message.into(),
            ..self
        }
    }
}
