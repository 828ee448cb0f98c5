//! `squall list`: the named scenarios.

use super::exit::{Exit, Failure, say};
use super::format::TextOrJson;
use super::screen::paragraph;
use crate::library::library;
use anstyle::Style;
use serde_json::json;
use squall_reports::json::VERSION;

/// Lists the named scenarios with what each of them shows.
///
/// As JSON: in `scenarios` a list of objects with name, group, shows and expect.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    format: TextOrJson,
}

pub(crate) fn list(arguments: &Arguments) -> Result<Exit, Failure> {
    say(arguments.format.written(text, json_text));
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

fn json_text() -> String {
    let scenarios: Vec<_> = library()
        .into_iter()
        .map(|scenario| {
            let expect: serde_json::Map<_, _> = scenario
                .expect
                .iter()
                .map(|(guarantee, expected)| (guarantee.name().to_owned(), expected.word().into()))
                .collect();
            json!({
                "name": scenario.name,
                "group": scenario.group.map(|group| group.to_string()),
                "shows": scenario.shows,
                "expect": expect,
            })
        })
        .collect();
    format!("{:#}", json!({ "squall": VERSION, "scenarios": scenarios }))
}
