//! The scenario file format: TOML text in, a checked [`Scenario`] or all its mistakes out.
//!
//! The format is described field by field in `scenarios/README.md`. Every mistake is told with its
//! place, with what is allowed there and with a remedy; a mistake does not hide the next one. Only
//! broken TOML syntax stops the reading, because nothing after it can be trusted.

mod chat;
mod clients;
mod table;
#[cfg(test)]
mod tests;
mod values;
mod workload;

use crate::group::Group;
use crate::scenario::{Scenario, System};
use chat::chat;
pub(crate) use clients::Clients;
use clients::{clients, overrides};
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};
use squall_guarantees::{Guarantee, counted};
use std::fmt;
use std::ops::Range;
pub(crate) use table::{Placed, Problems, Table, choose_from};
use toml::Spanned;
use toml::de::DeTable;
pub(crate) use values::{Scalar, Value, duration, number_with_unit, setting};
use workload::workload;

/// A scenario file that cannot be used, with all mistakes that were found in it.
#[derive(Debug, thiserror::Error)]
#[error("{source_name} is no usable scenario: {} found", counted(.problems.len() as u64, "mistake"))]
pub struct BadScenario {
    /// The path of the file, or the name of an embedded scenario.
    pub source_name: String,
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
    /// The mistakes with the lines they are in and their remedies, for people. The theme decides
    /// about colours.
    pub fn report(&self, theme: GraphicalTheme) -> String {
        let mut report = String::new();
        GraphicalReportHandler::new_themed(theme)
            .with_width(100)
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

/// Reads a scenario.
pub(crate) fn scenario(name: &str, source: &str, text: &str) -> Result<Scenario, BadScenario> {
    let mut problems = Problems::default();
    let read = match DeTable::parse(text) {
        Ok(document) => read(name, source, &document, &mut problems),
        Err(error) => {
            let what = format!("this is not TOML: {}", error.message());
            let remedy = "See https://toml.io for the syntax; `squall list` shows scenarios to \
                start from.";
            problems.add(error.span().unwrap_or(0..0), what, remedy);
            None
        }
    };
    match read {
        Some(scenario) if problems.0.is_empty() => Ok(scenario),
        _ => Err(bad_scenario(source, text, problems)),
    }
}

fn bad_scenario(source: &str, text: &str, mut problems: Problems) -> BadScenario {
    problems.0.sort_by_key(|mistake| mistake.at.start);
    let problems = problems.0.into_iter().map(|mistake| Problem {
        what: mistake.what,
        at: mistake.at,
        remedy: mistake.remedy,
        text: NamedSource::new(source, text.to_owned()).with_language("toml"),
    });
    BadScenario {
        source_name: source.to_owned(),
        problems: problems.collect(),
    }
}

/// Reads all tables; none if something without a default is missing.
fn read<'t>(
    name: &str,
    source: &str,
    document: &'t Spanned<DeTable<'t>>,
    problems: &mut Problems,
) -> Option<Scenario> {
    let mut top = Table::new("the scenario", document.get_ref(), 0..0);
    let shows = top.need::<String>("shows", problems);
    let group = top.word("group", &Group::ALL, problems);
    let systems = [("chat", System::Chat), ("tutorial", System::Tutorial)];
    let system = top.word("system", &systems, problems);
    let settle = top.get("settle", problems);
    let mut clients = clients(top.table("clients", problems), problems);
    let link = crate::links::read(top.table("link", problems), problems);
    let chat = chat(top.table("chat", problems), problems);
    let system = system.unwrap_or(System::Chat);
    let cluster = crate::cluster::read(top.table("cluster", problems), system, &chat, problems);
    (cluster.iter()).for_each(|cluster| clients.served_by(cluster));
    let overrides = overrides(top.table("client", problems), &clients, problems);
    let workload = workload(
        top.table("workload", problems),
        &clients,
        &overrides,
        problems,
    );
    let faults = crate::faults::read(top.raw("fault"), &clients, problems);
    let middlebox = crate::middlebox::read(top.table("middlebox", problems), &clients, problems);
    let hostile = crate::hostile::read(top.raw("hostile"), &clients, problems);
    let clocks = crate::clocks::read(top.table("clock", problems), &clients, problems);
    let expect = expectations(top.table("expect", problems), problems);
    top.finish(problems);
    Some(Scenario {
        name: name.to_owned(),
        source: source.to_owned(),
        shows: shows?.value,
        group,
        system,
        clients: clients.count,
        names: clients.names,
        rooms: clients.rooms,
        link,
        overrides,
        chat,
        cluster,
        workload,
        faults,
        middlebox,
        hostile,
        clocks,
        expect,
        settle,
    })
}

fn expectations(mut table: Table<'_>, problems: &mut Problems) -> Vec<(Guarantee, bool)> {
    let mut expect = Vec::new();
    for guarantee in Guarantee::ALL {
        let verdict = table.word(
            guarantee.name(),
            &[("held", true), ("violated", false)],
            problems,
        );
        expect.extend(verdict.map(|held| (guarantee, held)));
    }
    table.finish(problems);
    expect
}
