//! `squall list`: the named scenarios.

use super::exit::{Exit, Failure, say};
use super::format::TextOrJson;
use super::screen::paragraph;
use crate::library::library;
use anstyle::Style;
use schemars::JsonSchema;
use serde::Serialize;
use squall_guarantees::Guarantee;
use squall_reports::{Expected, document};
use std::collections::BTreeMap;

/// Lists the named scenarios with what each of them shows.
///
/// As JSON: in `scenarios` a list of objects with name, group, shows and expect.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    format: TextOrJson,
}

pub(crate) fn list(arguments: &Arguments) -> Result<Exit, Failure> {
    say(arguments.format.written(text, json_text).trim_end());
    Ok(Exit::AsExpected)
}

fn text() -> String {
    let bold = Style::new().bold();
    let mut text = String::new();
    let mut heading = None;
    for scenario in library() {
        if scenario.group != heading
            && let Some(group) = scenario.group
        {
            let gap = if text.is_empty() { "" } else { "\n" };
            text += &format!("{gap}{bold}{group}{bold:#}\n");
            heading = scenario.group;
        }
        let column = textwrap::Options::new(paragraph())
            .initial_indent("      ")
            .subsequent_indent("      ")
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        let shows = textwrap::fill(&scenario.shows, column);
        text += &format!("  {}\n{shows}\n", scenario.name);
    }
    text + "\n`squall run NAME` runs one, `squall run --all` all of them."
}

/// All of them, for programs.
#[derive(Serialize, JsonSchema)]
pub(super) struct Listed {
    scenarios: Vec<Named>,
}

/// A named scenario.
#[derive(Serialize, JsonSchema)]
struct Named {
    name: String,
    /// What the scenarios of its group have in common.
    group: Option<String>,
    /// What it shows, in a sentence.
    shows: String,
    /// What it expects of each guarantee that it names.
    expect: BTreeMap<Guarantee, Expected>,
}

fn json_text() -> String {
    let scenarios = library().into_iter().map(|scenario| Named {
        name: scenario.name,
        group: scenario.group.map(|group| group.to_string()),
        expect: scenario.expect.iter().copied().collect(),
        shows: scenario.shows,
    });
    let scenarios = scenarios.collect();
    document::write(Listed { scenarios })
}
