//! The mistakes in a scenario file: collected while it is read, and shown with their places.

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};
use squall_guarantees::counted;
use std::fmt;
use std::ops::Range;

/// A scenario's or a plan's file that cannot be used, with all mistakes that were found in it.
#[derive(Debug, thiserror::Error)]
#[error("{source_name} is no usable {kind}: {} found", counted(.problems.len() as u64, "mistake"))]
pub struct BadScenario {
    /// The path of the file, or the name of an embedded scenario.
    pub source_name: String,
    /// What it should have been: a `scenario` or a `plan`.
    pub kind: &'static str,
    /// The mistakes, in the order of the text.
    pub problems: Vec<Problem>,
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
    text: NamedSource<String>,
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
        let problems = self.0.into_iter().map(|mistake| Problem {
            what: mistake.what,
            at: mistake.at,
            remedy: mistake.remedy,
            text: NamedSource::new(source, text.to_owned()).with_language("toml"),
        });
        BadScenario {
            source_name: source.to_owned(),
            kind,
            problems: problems.collect(),
        }
    }
}
