//! `squall new`: a scenario file to start from.

use super::exit::{Exit, Failure, note, say};
use super::selection::text_of;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

/// Writes a scenario file with comments, to be changed. It asks nothing, and overwrites nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The file to write; `-` prints it.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Begin with this scenario instead (see `squall list`).
    #[arg(long, value_name = "SCENARIO")]
    from: Option<String>,
}

const EXAMPLES: &str = "\
Examples:
  squall new my-chat.toml                         then change it, and
  squall run my-chat.toml                         play it
  squall new my-chat.toml --from lossy-link       a named one to begin with";

/// The file that it writes.
const TEXT: &str = include_str!("new.toml");

pub(crate) fn new(arguments: &Arguments) -> Result<Exit, Failure> {
    let text = match &arguments.from {
        Some(name) => text_of(name)?,
        None => TEXT.to_owned(),
    };
    if arguments.file.as_os_str() == "-" {
        say(text.trim_end());
        return Ok(Exit::AsExpected);
    }
    let file = arguments.file.display();
    if arguments.file.to_str().is_none() {
        let what = format!("{file} is no name in UTF-8, and no other command could be given it");
        return Err(Failure::new(format!("{what}\n  Take another name.")));
    }
    let new = File::create_new(&arguments.file);
    let written = new.and_then(|mut new| {
        let written = new.write_all(text.as_bytes());
        if written.is_err() {
            // Half a scenario is none.
            let _ = std::fs::remove_file(&arguments.file);
        }
        written
    });
    written.map_err(|error| {
        Failure::new(match error.kind() {
            ErrorKind::AlreadyExists => format!(
                "{file} is there already, and nothing is overwritten\n  Take another name, or remove it first."
            ),
            _ => format!("{file} cannot be written: {error}"),
        })
    })?;
    note(format_args!(
        "{file} is written; `squall check {file}` reads it, `squall run {file}` plays it."
    ));
    Ok(Exit::AsExpected)
}

#[cfg(test)]
mod tests {
    use super::TEXT;
    use crate::systems::SYSTEMS;
    use squall::Scenario;
    use squall_reports::{Judged, Outcome};

    #[test]
    fn what_one_begins_with_is_a_right_scenario_and_goes_as_it_expects() {
        let scenario = Scenario::parse("new.toml", TEXT, SYSTEMS).expect("a right scenario");
        for seed in 1..=3 {
            let record = squall::run(&scenario.plan(seed)).expect("it comes to its end");
            assert_eq!(
                Judged::new(record).outcome,
                Outcome::AsExpected,
                "seed {seed}"
            );
        }
    }

    #[test]
    fn what_is_left_out_of_it_is_right_as_well() {
        let all: String = TEXT
            .lines()
            .map(|line| match line.strip_prefix("#: ") {
                Some(code) => format!("{code}\n"),
                None => format!("{line}\n"),
            })
            .collect();
        assert_ne!(all, TEXT);
        let read = Scenario::parse("new.toml", &all, SYSTEMS);
        assert!(read.is_ok(), "{:?}", read.err().map(|bad| bad.problems));
    }
}
