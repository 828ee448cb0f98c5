//! How many defects were found, by what, after how many runs; and what became of the others.

use crate::corpus::{Class, Mutation};
use std::fmt::{self, Display, Formatter};
use std::time::Duration;

/// What became of one mutation.
pub(crate) struct Result<'a> {
    pub(crate) mutation: &'a Mutation,
    pub(crate) fate: Fate,
    /// How many runs of scenarios it took, not counting the matrix.
    pub(crate) runs: u32,
    pub(crate) took: Duration,
}

pub(crate) enum Fate {
    /// By this play, through these guarantees (empty for machines that panicked), in this world if
    /// it was one.
    Found {
        by: String,
        violated: Vec<String>,
        world: Option<u64>,
    },
    /// This many scenarios reach its line (the matrix counts as one), and none sees a difference: a
    /// checker is missing, or a coincidence.
    Unseen { subjects: usize },
    /// No play reaches its line: a fault or a feature is missing.
    Unreached,
    /// Time ran out before everything was tried.
    Unfinished,
    /// The source has changed since.
    Stale(String),
}

impl Fate {
    fn word(&self) -> &'static str {
        match self {
            Fate::Found { .. } => "found",
            Fate::Unseen { .. } => "unseen",
            Fate::Unreached => "unreached",
            Fate::Unfinished => "unfinished",
            Fate::Stale(_) => "stale",
        }
    }
}

impl Display for Result<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (name, runs) = (&self.mutation.name, self.runs);
        let class = class(self.mutation.class);
        let (word, seconds) = (self.fate.word(), self.took.as_secs());
        write!(f, "| {name} | {class} | {word} | ")?;
        match &self.fate {
            Fate::Found { by, violated, .. } if violated.is_empty() => f.write_str(by)?,
            Fate::Found { by, violated, .. } => write!(f, "{by}: {}", violated.join(", "))?,
            Fate::Unseen { subjects } => write!(f, "{subjects} scenarios come to it")?,
            Fate::Unreached | Fate::Unfinished => {}
            Fate::Stale(why) => f.write_str(why)?,
        }
        write!(f, " | {runs} | {seconds} s | {} |", self.mutation.shows)
    }
}

/// The head of the table.
pub(crate) const HEAD: &str = "\
| mutation | class | fate | by | runs | time | what a user sees |
|---|---|---|---|---:|---:|---|";

fn class(class: Class) -> &'static str {
    match class {
        Class::Easy => "easy",
        Class::Hard => "hard",
    }
}

/// The number in front of a word, in its singular, such as 3 in `1 fault, 3 clients`.
pub(crate) fn counts_of(text: &str, noun: &str) -> Option<u64> {
    let mut words = text
        .split([' ', ','])
        .filter(|word| !word.is_empty())
        .peekable();
    while let Some(word) = words.next() {
        if words
            .peek()
            .is_some_and(|next| next.trim_end_matches('s') == noun)
        {
            return word.parse().ok();
        }
    }
    None
}

/// The score by class, not counting stale mutations.
pub(crate) fn summary(results: &[Result<'_>]) -> String {
    let count = |which: &[Class]| {
        let counted = results
            .iter()
            .filter(|it| which.contains(&it.mutation.class) && !matches!(it.fate, Fate::Stale(_)));
        let found = counted
            .clone()
            .filter(|it| matches!(it.fate, Fate::Found { .. }))
            .count();
        let all = counted.count();
        let percent = (100 * found).checked_div(all).unwrap_or_default();
        format!("{found} of {all} ({percent} %)")
    };
    format!(
        "easy: {}; hard: {}; all: {}",
        count(&[Class::Easy]),
        count(&[Class::Hard]),
        count(&[Class::Easy, Class::Hard]),
    )
}
