//! The named scenarios: the files in `scenarios/library`, embedded in the command by `build.rs`.

use crate::systems::SYSTEMS;
use squall::Scenario;

/// Every embedded file: its name without `.toml`, and its text.
const LIBRARY: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/library.rs"));

/// Every named scenario, in the order in which they are listed and run: by group, then by name.
///
/// # Panics
/// If an embedded file is wrong, which a test rules out.
pub fn library() -> Vec<Scenario> {
    let mut library: Vec<Scenario> = LIBRARY
        .iter()
        .map(|(name, text)| match Scenario::parse(name, text, SYSTEMS) {
            Ok(scenario) => scenario,
            Err(bad) => panic!("{bad}: {:?}", bad.problems),
        })
        .collect();
    // A stable sort: within a group the names stay sorted.
    library.sort_by_key(|scenario| scenario.group);
    library
}

/// The names of all of them, in alphabetical order.
pub(crate) fn names() -> impl Iterator<Item = &'static str> + Clone {
    LIBRARY.iter().map(|(name, _)| *name)
}

/// The text of a named scenario, if there is one with this name.
pub(crate) fn text(name: &str) -> Option<&'static str> {
    let mut texts = LIBRARY.iter();
    texts.find(|(this, _)| *this == name).map(|(_, text)| *text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_scenario_can_be_played_without_asking() {
        for scenario in library() {
            assert_eq!(scenario.size().excess(), None, "{}", scenario.name);
        }
    }

    #[test]
    fn every_embedded_scenario_has_a_group_and_expects_something() {
        for scenario in library() {
            assert!(scenario.group.is_some(), "{} has no group", scenario.name);
            assert!(
                !scenario.expect.is_empty(),
                "{} expects nothing",
                scenario.name
            );
        }
    }
}
