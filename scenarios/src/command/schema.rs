//! `squall schema`: what a scenario file can contain, for editors.

use super::exit::{Exit, Failure};
use super::output::say_whole;

/// Prints the JSON Schema (draft-07) of scenario files, for editors.
///
/// An editor with a server for TOML (Taplo, Even Better TOML, tombi) completes and checks a file
/// whose first line is `#:schema ./scenario.schema.json`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {}

const EXAMPLES: &str = "\
Examples:
  squall schema > scenario.schema.json            beside your scenarios";

/// A test keeps it equal to what the code reads.
const SCHEMA: &str = include_str!("../../scenario.schema.json");

pub(crate) fn schema() -> Result<Exit, Failure> {
    say_whole(SCHEMA);
    Ok(Exit::AsExpected)
}
