//! `squall merge`: the findings of several machines, as a single machine would have found them.

use super::exit::{Exit, Failure};
use super::exploration_files::{read_exploration, write};
use super::explore::say_exploration;
use super::format::TextOrJson;
use crate::search;
use std::path::PathBuf;

/// Merges what several machines have found into what one would have found.
///
/// The order makes no difference, and the result is the same to the byte as if one machine had
/// played all worlds.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The directories that `squall explore --out` has written, or the `exploration.json` in them.
    #[arg(required = true, value_name = "DIR")]
    explorations: Vec<PathBuf>,
    /// A directory for the smallest world of each story, as a scenario file, for
    /// `exploration.json`, and for a page.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    format: TextOrJson,
}

const EXAMPLES: &str = "\
Examples:
  squall merge found-1 found-2 found-3   in words
  squall merge found-*/ --out found      and the worlds into found/

Exit codes:
  0  nothing was found    1  something was    4  they cannot be merged";

pub(crate) fn merge(arguments: &Arguments) -> Result<Exit, Failure> {
    let explorations = arguments.explorations.iter();
    let explorations: Result<Vec<_>, Failure> =
        explorations.map(|path| read_exploration(path)).collect();
    let merged = search::merge(explorations?).map_err(Failure::new)?;
    say_exploration(&merged, arguments.format)?;
    if let Some(directory) = &arguments.out {
        write(&merged, directory)?;
    }
    Ok(match merged.stories.is_empty() {
        true => Exit::AsExpected,
        false => Exit::NotAsExpected,
    })
}
