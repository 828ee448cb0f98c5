//! `squall check`: reads scenario files and says what is wrong with them. Nothing is played.

use super::exit::{Exit, Failure, complain, is_quiet, say_text};
use super::format::TextOrJson;
use super::output::say_whole;
use super::selection::{Given, Unread, read_given};
use schemars::JsonSchema;
use serde::Serialize;
use squall_guarantees::counted;
use squall_reports::document;
use std::borrow::Cow;

/// Reads scenario files, or plans, and says what is wrong in them. Nothing is played.
///
/// As JSON: in `files` a list of objects with file, kind (scenario or plan), and in `mistakes` a
/// list of objects with line and column (from 1 on), what is wrong, and the remedy.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The files, or names of scenarios.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<String>,
    #[command(flatten)]
    format: TextOrJson,
}

const EXAMPLES: &str = "\
Examples:
  squall check my-chat.toml                       all mistakes, with their places
  squall check *.toml --format json               the same for an editor

Exit codes:
  0  all can be played    4  one cannot";

pub(crate) fn check(arguments: &Arguments) -> Result<Exit, Failure> {
    let read = arguments.files.iter().map(|file| (file, read_given(file)));
    let read: Vec<_> = read.collect();
    if arguments.format.is_text() {
        for (file, it) in &read {
            match it {
                Ok(given) if !is_quiet() => say_text(format_args!("{file}: {}", words(given))),
                Ok(_) => {}
                Err(unread) => complain(unread.told()),
            }
        }
    } else {
        let files = read.iter().map(|(file, it)| of(file, it)).collect();
        say_whole(&document::write(Checked { files }));
    }
    match read.iter().all(|(_, it)| it.is_ok()) {
        true => Ok(Exit::AsExpected),
        false => Ok(Exit::Failed),
    }
}

/// What it is, in a few words.
fn words(given: &Given) -> String {
    match given {
        Given::Plan(plan) => format!("a plan of {}, seed {}", plan.scenario, plan.seed),
        Given::Scenario(scenario) => {
            let size = scenario.size();
            let upto = |least: u64, most: u64, what| match least == most {
                true => counted(most, what),
                false => format!("up to {}", counted(most, what)),
            };
            let clients = upto(scenario.clients.min().into(), size.clients, "client");
            let messages = counted(size.messages, "message");
            let faults = counted(scenario.faults.len() as u64, "fault");
            let expected = match scenario.expect.len() {
                0 => "nothing expected".to_owned(),
                count => counted(count as u64, "guarantee"),
            };
            format!("a scenario with {clients}, at most {messages}, {faults}, {expected}")
        }
    }
}

/// What was read, for programs.
#[derive(Serialize, JsonSchema)]
pub(super) struct Checked<'a> {
    files: Vec<ReadFile<'a>>,
}

/// What is wrong in a file.
#[derive(Serialize, JsonSchema)]
struct ReadFile<'a> {
    file: &'a str,
    /// `scenario` or `plan`; null if that cannot be said.
    kind: Option<&'static str>,
    mistakes: Vec<Mistake<'a>>,
}

/// One thing that is wrong.
#[derive(Serialize, JsonSchema)]
struct Mistake<'a> {
    /// From 1 on; null if it is about the whole file.
    line: Option<usize>,
    /// From 1 on; null if it is about the whole file.
    column: Option<usize>,
    /// What is wrong.
    what: Cow<'a, str>,
    /// What to do about it.
    remedy: Option<&'a str>,
}

fn of<'a>(file: &'a str, read: &'a Result<Given, Unread>) -> ReadFile<'a> {
    let kind = match read {
        Ok(Given::Scenario(_)) => Some("scenario"),
        Ok(Given::Plan(_)) => Some("plan"),
        Err(Unread::Bad(bad)) => Some(bad.kind),
        Err(Unread::Other(_)) => None,
    };
    let mistakes = match read {
        Ok(_) => Vec::new(),
        Err(Unread::Bad(bad)) => {
            let problems = bad.problems.iter();
            let problem = |it: &'a squall::Problem| {
                let (line, column) = it.place();
                Mistake {
                    line: Some(line),
                    column: Some(column),
                    what: it.what.as_str().into(),
                    remedy: Some(&it.remedy),
                }
            };
            problems.map(problem).collect()
        }
        Err(Unread::Other(what)) => vec![Mistake {
            line: None,
            column: None,
            what: anstream::adapter::strip_str(what).to_string().into(),
            remedy: None,
        }],
    };
    ReadFile {
        file,
        kind,
        mistakes,
    }
}
