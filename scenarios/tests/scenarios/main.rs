//! What scenario files say, what the seed makes of it, and how it is played.

mod after;
mod endings;
mod hostile;
mod leftovers;
mod middlebox;
mod mistakes;
mod packets;
mod plan_files;
mod plans;
mod polling;
mod servers;
mod stays;
mod workload;

use squall::Scenario;
use squall_cli::SYSTEMS;

/// The scenario with this text, apart from `shows`.
fn scenario(text: &str) -> Scenario {
    let text = format!("shows = 'Something.'\n{text}");
    match Scenario::parse("test", &text, SYSTEMS) {
        Ok(scenario) => scenario,
        Err(bad) => panic!("{:#?}", bad.problems),
    }
}
