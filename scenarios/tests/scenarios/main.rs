//! What scenario files say, what the seed makes of it, how it is played, and how the named ones
//! turn out.

mod after;
mod base;
mod calibration;
mod coverage;
#[path = "../documents/mod.rs"]
mod documents;
mod endings;
mod hostile;
mod leftovers;
mod library;
mod memory;
mod middlebox;
mod mistakes;
mod packets;
mod plan_files;
mod plans;
mod planted_bugs;
mod polling;
mod servers;
mod stays;
mod workload;

use squall::Scenario;
use squall_cli::SYSTEMS;

/// Some scenarios limit what programs hold.
#[global_allocator]
static MEMORY: squall_simulator::Counting = squall_simulator::Counting(std::alloc::System);

/// The scenario with this text, apart from `shows`.
fn scenario(text: &str) -> Scenario {
    let text = format!("shows = 'Something.'\n{text}");
    match Scenario::parse("test", &text, SYSTEMS) {
        Ok(scenario) => scenario,
        Err(bad) => panic!("{:#?}", bad.problems),
    }
}
