//! `squall plan`: what the seed makes of a scenario, as a playable file.

use super::engine::On;
use super::exit::{Exit, Failure};
use super::output::say_whole;
use super::selection::read_one;

/// Writes the plan of a scenario and a seed: everything that a run will do, with nothing left open.
///
/// `squall run PLAN.toml` plays it: the same run, with the same digest. What stands in it can be
/// changed: each value has a random stream of its own, so that changing one moves no other.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The name of a scenario (see `squall list`), or a file.
    #[arg(value_name = "SCENARIO|FILE")]
    scenario: String,
    /// The seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    on: On,
}

const EXAMPLES: &str = "\
Examples:
  squall plan lossy-link --seed 17 > p.toml       the plan
  squall run p.toml                               the run of --seed 17";

pub(crate) fn plan(arguments: &Arguments) -> Result<Exit, Failure> {
    let scenario = read_one(&arguments.scenario)?;
    let plan = scenario.plan(arguments.seed).on(arguments.on.engine);
    say_whole(&plan.to_toml());
    Ok(Exit::AsExpected)
}
