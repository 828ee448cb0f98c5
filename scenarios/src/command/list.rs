//! `squall list`: the named scenarios.

use super::exit::{Exit, Failure, say};
use crate::library::library;
use anstyle::Style;
use serde_json::json;

/// Lists the named scenarios with what each of them shows.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How to write them.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How wide the list is, in columns, like the reports.
const WIDTH: usize = 100;

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Text,
    /// For programs: a list of objects with name, group, shows and expect.
    Json,
}

pub(crate) fn list(arguments: &Arguments) -> Result<Exit, Failure> {
    say(match arguments.format {
        Format::Text => text(),
        Format::Json => json_text(),
    });
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
        let column = textwrap::Options::new(WIDTH)
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
    format!("{:#}", serde_json::Value::from(scenarios))
}
