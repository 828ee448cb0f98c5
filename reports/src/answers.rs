//! What became of a violation in other runs of the same plan.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What became of the violation in one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// It is there, in the same way.
    Violated,
    /// The guarantee held.
    Held,
    /// The guarantee was not put to the test, or violated in another way.
    Otherwise,
}

/// What became of the violation in several runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answers {
    /// The same was violated in the same way.
    pub violated: u64,
    /// The guarantee held.
    pub held: u64,
    /// It was not put to the test, or was violated in another way.
    pub otherwise: u64,
}

impl Answer {
    /// The answer in a word.
    pub fn word(self) -> &'static str {
        match self {
            Answer::Violated => "violated",
            Answer::Held => "held",
            Answer::Otherwise => "neither",
        }
    }
}

impl Answers {
    /// Adds one more answer.
    pub fn add(&mut self, answer: Answer) {
        match answer {
            Answer::Violated => self.violated += 1,
            Answer::Held => self.held += 1,
            Answer::Otherwise => self.otherwise += 1,
        }
    }

    /// How many runs there were.
    pub fn all(self) -> u64 {
        self.violated + self.held + self.otherwise
    }

    /// `held 19 of 20, violated 1 of 20`, the more frequent first.
    pub fn words(self) -> String {
        let all = self.all();
        let mut parts = [
            (self.violated, "violated"),
            (self.held, "held"),
            (self.otherwise, "neither"),
        ];
        parts.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
        let there = parts.iter().filter(|(count, _)| *count > 0);
        let words: Vec<String> = there
            .map(|(count, what)| format!("{what} {count} of {all}"))
            .collect();
        match words.is_empty() {
            true => "not tried".to_owned(),
            false => words.join(", "),
        }
    }
}
