//! For the tests of this crate: plans in a few lines.

use crate::SYSTEMS;
use squall::{Plan, Scenario};

/// The plan of the scenario with this text, apart from `shows`, for this seed.
///
/// # Panics
///
/// If it is no scenario.
pub(crate) fn plan(text: &str, seed: u64) -> Plan {
    let text = format!("shows = 'Something.'\n{text}");
    let scenario = Scenario::parse("test.toml", &text, SYSTEMS);
    scenario.expect("a scenario").plan(seed)
}
