//! The mistakes in a scenario file: collected while it is read, and shown with their places.

use super::controls::without_controls;
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};
use squall_guarantees::counted;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// How many mistakes of a file are told: a file that is something else has thousands.
const TOLD: usize = 50;

/// A scenario's or a plan's file that cannot be used, with the mistakes that were found in it.
#[derive(Debug, thiserror::Error)]
#[error("{source_name} is no usable {kind}: {}", how_many(*.found, .problems.len()))]
pub struct BadScenario {
    /// The path of the file, or the name of an embedded scenario.
    pub source_name: String,
    /// What it should have been: a `scenario` or a `plan`.
    pub kind: &'static str,
    /// How many mistakes were found.
    pub found: usize,
    /// The mistakes, in the order of the text; the first of them, if there are many.
    pub problems: Vec<Problem>,
}

/// `3 mistakes found`.
fn how_many(found: usize, told: usize) -> String {
    let words = format!("{} found", counted(found as u64, "mistake"));
    match told < found {
        true => format!("{words}, of which these are the first {told}"),
        false => words,
    }
}

/// One mistake in a scenario file, ready to be shown with the lines it is in.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Problem {
    /// What is wrong.
    pub what: String,
    /// Where: bytes of the text.
    pub at: Range<usize>,
    /// What is allowed, and what to do.
    pub remedy: String,
    text: NamedSource<Arc<String>>,
}

impl BadScenario {
    /// The mistakes with the lines they are in and their remedies, for people, in this many
    /// columns. The theme decides about colours.
    pub fn report(&self, theme: GraphicalTheme, width: usize) -> String {
        let mut report = String::new();
        GraphicalReportHandler::new_themed(theme)
            .with_width(width)
            .with_word_splitter(textwrap::WordSplitter::NoHyphenation)
            .render_report(&mut report, self)
            .expect("a String takes every text");
        report
    }
}

impl miette::Diagnostic for BadScenario {
    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn miette::Diagnostic> + 'a>> {
        Some(Box::new(
            self.problems
                .iter()
                .map(|problem| problem as &dyn miette::Diagnostic),
        ))
    }
}

impl miette::Diagnostic for Problem {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(&self.remedy))
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.text)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = LabeledSpan::new_primary_with_span(Some("here".into()), self.at.clone());
        Some(Box::new(std::iter::once(label)))
    }
}

impl Problem {
    /// Its line and column, counted from 1; a column is a character.
    pub fn place(&self) -> (usize, usize) {
        let text = self.text.inner();
        let before = &text[..text.floor_char_boundary(self.at.start)];
        let line = before.matches('\n').count() + 1;
        let begun = before.rfind('\n').map_or(0, |end| end + 1);
        (line, before[begun..].chars().count() + 1)
    }
}

/// The mistakes found so far.
#[derive(Default)]
pub struct Problems(pub(crate) Vec<Mistake>);

/// One mistake: what is wrong, at which bytes of the text, and what to do instead.
pub(crate) struct Mistake {
    pub what: String,
    pub at: Range<usize>,
    pub remedy: String,
}

impl Problems {
    /// Notes a mistake: where in the text it is, what is wrong, and what to do instead.
    pub fn add(&mut self, at: Range<usize>, what: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Mistake {
            what: what.into(),
            at,
            remedy: remedy.into(),
        });
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is reported about a file in which these were found.
    pub fn into_bad_scenario(
        mut self,
        kind: &'static str,
        source: &str,
        text: &str,
    ) -> BadScenario {
        self.0.sort_by_key(|mistake| mistake.at.start);
        let found = self.0.len();
        let text = Arc::new(without_controls(text));
        let problems = self.0.into_iter().take(TOLD).map(|mistake| Problem {
            what: without_controls(&mistake.what),
            at: mistake.at,
            remedy: mistake.remedy,
            text: NamedSource::new(source, Arc::clone(&text)).with_language("toml"),
        });
        BadScenario {
            source_name: source.to_owned(),
            kind,
            found,
            problems: problems.collect(),
        }
    }
}
