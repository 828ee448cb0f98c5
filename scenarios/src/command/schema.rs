//! `squall schema`: what a scenario file can contain, for editors.

use super::exit::{Exit, Failure};
use super::output::say_whole;

/// Prints the JSON Schema (draft-07) of scenario files, for editors; or of the logs that `squall
/// judge` reads.
///
/// An editor with a server for TOML (Taplo, Even Better TOML, tombi) completes and checks a file
/// whose first line is `#:schema ./scenario.schema.json`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Of what.
    #[arg(value_enum, default_value = "scenario")]
    of: Of,
}

/// What has a schema.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Of {
    Scenario,
    Log,
}

const EXAMPLES: &str = "\
Examples:
  squall schema > scenario.schema.json            beside your scenarios
  squall schema log > log.schema.json             of each line of a log";

/// Tests keep them equal to what the code reads.
const SCHEMA: &str = include_str!("../../scenario.schema.json");
const LOG: &str = include_str!("../../log.schema.json");

pub(crate) fn schema(arguments: &Arguments) -> Result<Exit, Failure> {
    say_whole(match arguments.of {
        Of::Scenario => SCHEMA,
        Of::Log => LOG,
    });
    Ok(Exit::AsExpected)
}
