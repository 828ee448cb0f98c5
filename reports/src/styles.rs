//! The colours of the text reports, and how wide they are.

use crate::Outcome;
use anstyle::{AnsiColor, Style};
use squall_guarantees::Verdict;

/// How the parts of a text look. The caller knows whether it writes to a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Styles {
    /// What is as it should be.
    pub good: Style,
    /// What is not as it should be.
    pub bad: Style,
    /// What was not put to the test.
    pub unsure: Style,
    /// Titles.
    pub heading: Style,
    /// Times and other things that should not catch the eye.
    pub faint: Style,
    /// How wide paragraphs are, in columns.
    pub width: usize,
}

/// The default width of a text: in files and pipes.
const WIDTH: usize = 100;

impl Styles {
    /// No styling at all: for files and pipes.
    pub fn plain() -> Self {
        Styles {
            good: Style::new(),
            bad: Style::new(),
            unsure: Style::new(),
            heading: Style::new(),
            faint: Style::new(),
            width: WIDTH,
        }
    }

    /// The colours for a terminal.
    pub fn coloured() -> Self {
        Styles {
            good: AnsiColor::Green.on_default(),
            bad: AnsiColor::Red.on_default().bold(),
            unsure: AnsiColor::Yellow.on_default(),
            heading: Style::new().bold(),
            faint: Style::new().dimmed(),
            width: WIDTH,
        }
    }

    /// The same for paragraphs of this width.
    pub fn within(self, width: usize) -> Self {
        Styles { width, ..self }
    }

    pub(crate) fn of_outcome(&self, outcome: Outcome) -> Style {
        match outcome {
            Outcome::AsExpected => self.good,
            Outcome::NothingExpected | Outcome::NotExercised => self.unsure,
            Outcome::NotAsExpected => self.bad,
        }
    }

    /// The style of a verdict for which there was no expectation.
    pub(crate) fn of_verdict(&self, verdict: &Verdict) -> Style {
        match verdict {
            Verdict::Held(_) | Verdict::NotExercised(_) => self.faint,
            Verdict::Violated(_) => self.unsure,
        }
    }
}
