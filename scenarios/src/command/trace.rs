//! The hidden `squall trace`: one run with everything that went into its digest, as JSON. `squall
//! check-determinism` uses it to repeat a run in a fresh process.

use super::engine::On;
use super::exit::{Exit, Failure, say};
use super::selection::Selection;
use squall;

/// Prints everything that went into the digest of a run, as JSON.
#[derive(Debug, clap::Args)]
#[command(hide = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// The seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    on: On,
}

pub(crate) fn trace(arguments: &Arguments) -> Result<Exit, Failure> {
    squall_simulator::plays_one_world();
    for scenario in arguments.selection.read()? {
        let plan = scenario.plan(arguments.seed).on(arguments.on.engine);
        let traced = squall::trace(&plan).map_err(Failure::new)?;
        say(serde_json::to_string(&traced).map_err(Failure::new)?);
    }
    Ok(Exit::AsExpected)
}
