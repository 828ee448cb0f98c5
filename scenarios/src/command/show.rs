//! `squall show`: the text of a scenario.

use super::exit::{Exit, Failure};
use super::output::say_whole;
use super::selection::text_of;

/// Prints a scenario, to be read or to be changed.
///
/// Named scenarios, cells of the matrix (`matrix-polling-exactly-once-kill`), and files, which are
/// checked before.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The name of a scenario (see `squall list`), a cell of the matrix, or a file.
    #[arg(value_name = "SCENARIO|FILE")]
    scenario: String,
}

const EXAMPLES: &str = "\
Examples:
  squall show lossy-link                                    what it is
  squall show lossy-link > mine.toml                        one of your own
  squall show matrix-polling-exactly-once-kill > cell.toml  a cell, saved";

pub(crate) fn show(arguments: &Arguments) -> Result<Exit, Failure> {
    say_whole(&text_of(&arguments.scenario)?);
    Ok(Exit::AsExpected)
}
