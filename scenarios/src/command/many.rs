//! One scenario with many seeds: the work for each of them, done in separate processes.

use super::exit::Failure;
use super::selection::{Given, read_any_one};
use crate::apart::Work;
use crate::search::canary;
use serde::{Deserialize, Serialize};
use squall::run;
use squall_reports::{Engine, Judged, Summary};
use squall_simulator::Crash;

/// How the scenario is played.
#[derive(Serialize, Deserialize)]
pub(super) struct Many {
    /// Its name on the command line.
    pub source: String,
    pub engine: Engine,
    pub canary: bool,
}

/// Why a run did not finish.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Unfinished {
    /// Whether it ended its process: that is a finding, anything else is a failure of ours.
    pub crashed: bool,
    pub told: String,
}

impl Work for Many {
    /// What we need to know about a run.
    type Outcome = Result<Summary, Unfinished>;
    type Error = Failure;

    fn play(&self, seeds: &[u64]) -> Result<Vec<Self::Outcome>, Failure> {
        let scenario = match read_any_one(&self.source)? {
            Given::Scenario(scenario) => scenario,
            Given::Plan(_) => {
                let changed =
                    "was a scenario, and is a plan now: leave it alone while it is played";
                return Err(Failure::new(format_args!("{} {changed}", self.source)));
            }
        };
        let play = |&seed: &u64| {
            let mut record =
                run(&scenario.plan(seed).on(self.engine)).map_err(|error| Unfinished {
                    crashed: false,
                    told: error.to_string(),
                })?;
            if self.canary {
                canary::sing(&mut record);
            }
            Ok(Summary::of(&Judged::new(record)))
        };
        Ok(seeds.iter().map(play).collect())
    }

    fn crashed(&self, seed: u64, crash: &Crash) -> Self::Outcome {
        Err(Unfinished {
            crashed: true,
            told: format!("{}, seed {seed}: {crash}", self.source),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apart::{BOUNDS, play_apart};

    #[test]
    fn runs_in_a_process_of_their_own_come_to_what_they_come_to_in_this_one() {
        let many = Many {
            source: "tutorial-undefined-offset".to_owned(),
            engine: Engine::Native,
            canary: false,
        };
        let seeds = [1, 2, 3];
        let Ok(apart) = play_apart(&many, &seeds, BOUNDS) else {
            panic!("it is in the library");
        };
        assert_eq!(Some(apart), many.play(&seeds).ok());
    }
}
