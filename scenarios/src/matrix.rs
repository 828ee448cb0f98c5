//! The guarantee matrix: every guarantee, on every transport, in every delivery mode, under every
//! class of fault. Each combination of the axes is a separate scenario, written here as its file
//! would be, and played with many seeds.

use crate::apart::Work;
use crate::systems::SYSTEMS;
use serde::{Deserialize, Serialize};
use squall::Scenario;
use squall_guarantees::{Guarantee, Verdict, check};
use squall_reports::matrix::{self, Cell};
use squall_simulator::Crash;
use std::convert::Infallible;

/// The transports, as scenario files name them.
pub(crate) const TRANSPORTS: [&str; 3] = ["websocket", "polling", "upgrade"];

/// The delivery modes: their names, what is promised to the server and to the client, and whether
/// the server keeps sessions whose connection was lost.
pub(crate) const MODES: [(&str, &str, &str, &str); 3] = [
    ("at most once", "at-most-once", "live-only", "off"),
    ("at least once", "at-least-once", "catch-up", "memory"),
    ("exactly once", "exactly-once", "catch-up", "memory"),
];

/// The classes of faults, each with one fault of a scenario file.
pub(crate) const FAULTS: [(&str, &str); 9] = [
    ("none", ""),
    (
        "loss",
        "kind = 'loss'\nvictims = 'clients'\nloss = '0.05..0.3'\nat = '2s..4s'\nfor = '5s..15s'",
    ),
    (
        "partition",
        "kind = 'partition'\nvictims = 'any 1..2 of clients'\nat = '2s..4s'\nfor = '2s..25s'",
    ),
    (
        "kill",
        "kind = 'kill'\nvictims = 'server'\nat = '2s..5s'\nfor = '500ms..5s'",
    ),
    (
        "power loss",
        "kind = 'power-loss'\nvictims = 'server'\nat = '2s..5s'\nfor = '500ms..5s'",
    ),
    (
        "pause",
        "kind = 'pause'\nvictims = 'any of clients'\nat = '2s..5s'\nfor = '2s..20s'",
    ),
    (
        "disk",
        "kind = 'disk-full'\nvictims = 'server'\nat = '2s..5s'\nfor = '2s..8s'",
    ),
    (
        "clock",
        "kind = 'clock-step'\nvictims = 'server'\nback = '1s..60s'\nat = '2s..5s'\nfor = '2s..8s'",
    ),
    (
        "reset",
        "kind = 'reset'\nvictims = 'any of clients'\nat = '2s..8s'",
    ),
];

/// One combination: positions in [`TRANSPORTS`], [`MODES`] and [`FAULTS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// In [`TRANSPORTS`].
    pub(crate) transport: usize,
    /// In [`MODES`].
    pub(crate) mode: usize,
    /// In [`FAULTS`].
    pub(crate) fault: usize,
}

impl Place {
    /// Every combination.
    pub(crate) fn all() -> Vec<Place> {
        let mut places = Vec::new();
        for transport in 0..TRANSPORTS.len() {
            for mode in 0..MODES.len() {
                let of = |fault| Place {
                    transport,
                    mode,
                    fault,
                };
                places.extend((0..FAULTS.len()).map(of));
            }
        }
        places
    }

    /// Its name as a scenario: `matrix-polling-exactly-once-power-loss`.
    pub(crate) fn name(&self) -> String {
        let (mode, ..) = MODES[self.mode];
        let (class, _) = FAULTS[self.fault];
        let words = format!("matrix {} {mode} {class}", TRANSPORTS[self.transport]);
        words.replace(' ', "-")
    }

    /// The place in a report, with nothing found yet.
    pub(crate) fn told(&self) -> matrix::Place {
        matrix::Place {
            transport: TRANSPORTS[self.transport].to_owned(),
            mode: MODES[self.mode].0.to_owned(),
            fault: FAULTS[self.fault].0.to_owned(),
            scenario: self.name(),
            cells: vec![Cell::default(); Guarantee::ALL.len()],
        }
    }

    /// The place with this name.
    pub(crate) fn named(name: &str) -> Option<Place> {
        let mut all = Place::all()
            .into_iter()
            .filter(|_| name.starts_with("matrix-"));
        all.find(|place| place.name() == name)
    }

    /// The scenario file of this place. Nothing is expected of the weaker modes: they show what
    /// they lose.
    pub(crate) fn file(&self) -> String {
        let (_, to_server, to_client, recovery) = MODES[self.mode];
        let (class, fault) = FAULTS[self.fault];
        let fault = match fault {
            "" => String::new(),
            fault => format!("\n[[fault]]\n{fault}\n"),
        };
        let expect = match self.mode == MODES.len() - 1 {
            true => "\n[expect]\nexactly-once = 'held'\n",
            false => "",
        };
        format!(
            "shows = 'A cell of the guarantee matrix: {class}.'\n\n\
             [chat]\n\
             transport = '{}'\n\
             to-server = '{to_server}'\n\
             to-client = '{to_client}'\n\
             recovery = '{recovery}'\n\
             presence = 'on'\n\
             ping-interval = '2s'\n\
             ping-timeout = '2s'\n\
             ack-timeout = '1s'\n\
             connect-timeout = '3s'\n\
             backoff = {{ min = '200ms', max = '2s' }}\n\n\
             [workload]\n\
             messages = '10..15'\n\
             interval = '200ms..800ms'\n{fault}{expect}",
            TRANSPORTS[self.transport]
        )
    }

    /// The scenario of this place.
    ///
    /// # Panics
    /// If the file is wrong, which a test rules out.
    pub(crate) fn scenario(&self) -> Scenario {
        let scenario = Scenario::parse(&self.name(), &self.file(), SYSTEMS);
        scenario.unwrap_or_else(|bad| panic!("{bad}: {:?}", bad.problems))
    }
}

/// A place to be played, by its name.
#[derive(Serialize, Deserialize)]
pub(crate) struct Playing(pub(crate) String);

impl Work for Playing {
    /// The verdicts, in the order of the guarantees; or why the run did not come to its end.
    type Outcome = Result<Vec<Verdict>, String>;
    type Error = Infallible;

    fn play(&self, seeds: &[u64]) -> Result<Vec<Self::Outcome>, Infallible> {
        let place = Place::named(&self.0).expect("a place of the matrix is played");
        let scenario = place.scenario();
        let play = |&seed: &u64| {
            let record = squall::run(&scenario.plan(seed)).map_err(|it| it.to_string())?;
            let verdicts = check(&record.history).into_iter();
            Ok(verdicts.map(|(_, verdict)| verdict).collect())
        };
        Ok(seeds.iter().map(play).collect())
    }

    fn crashed(&self, seed: u64, crash: &Crash) -> Self::Outcome {
        Err(format!("{}, seed {seed}: {crash}", self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_has_a_name_of_its_own() {
        for place in Place::all() {
            assert_eq!(Place::named(&place.name()), Some(place));
        }
        assert_eq!(Place::named("matrix-polling"), None);
    }

    #[test]
    fn every_place_is_a_right_scenario() {
        for place in Place::all() {
            let scenario = Scenario::parse("matrix", &place.file(), SYSTEMS);
            assert!(
                scenario.is_ok(),
                "{:?}",
                scenario.err().map(|bad| bad.problems)
            );
        }
    }
}
