//! The named scenarios: the files in `scenarios/library`, embedded in the command.

use crate::scenario::Scenario;

/// One embedded file: its name without `.toml`, and its text.
macro_rules! embedded {
    ($($name:literal),+ $(,)?) => {
        [$(($name, include_str!(concat!("../library/", $name, ".toml")))),+]
    };
}

/// Every named scenario, in the order in which they are listed and run.
const LIBRARY: [(&str, &str); 14] = embedded![
    "ordering-websocket",
    "ordering-polling",
    "at-most-once-partition",
    "at-least-once-lost-ack",
    "exactly-once-lost-ack",
    "exactly-once-partition",
    "exactly-once-server-killed",
    "exactly-once-server-power-loss",
    "catch-up-after-partition",
    "offline-buffering",
    "heartbeat-detects-silence",
    "reconnection-new-id",
    "lossy-link",
    "one-way-partition",
];

/// Every named scenario, in the order in which they are listed and run.
///
/// # Panics
/// If an embedded file is wrong, which a test rules out.
pub fn library() -> Vec<Scenario> {
    LIBRARY
        .iter()
        .map(|(name, text)| match Scenario::parse(name, text) {
            Ok(scenario) => scenario,
            Err(bad) => panic!("{bad}: {:?}", bad.problems),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_embedded_scenario_is_right_and_expects_something() {
        for scenario in library() {
            assert!(
                !scenario.expect.is_empty(),
                "{} expects nothing",
                scenario.name
            );
        }
    }

    #[test]
    fn every_file_of_the_folder_is_embedded() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/library");
        let mut files: Vec<_> = std::fs::read_dir(folder)
            .expect("the folder of the library")
            .map(|file| file.expect("a file").path().file_stem().unwrap().to_owned())
            .collect();
        files.sort();
        let mut embedded: Vec<_> = LIBRARY.iter().map(|(name, _)| *name).collect();
        embedded.sort_unstable();
        assert_eq!(files, embedded);
    }
}
