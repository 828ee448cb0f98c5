//! What tests of several files share.

use crate::scenario::Scenario;
use crate::systems::SYSTEMS;

/// The scenario of this text, but for what it shows.
pub(crate) fn scenario(text: &str) -> Scenario {
    let text = format!("shows = 'Something.'\n{text}");
    match Scenario::parse("test", &text, SYSTEMS) {
        Ok(scenario) => scenario,
        Err(bad) => panic!("{:#?}", bad.problems),
    }
}
