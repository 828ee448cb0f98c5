//! Runs in a process of their own, some at a time. What their programs leave behind in memory goes with it: a server that is
//! killed with clients connected never gives all of it back. And whatever ends the process ends these runs alone.

use super::called::as_called;
use super::selection::{Given, read_any_one};
use crate::search::canary;
use serde::{Deserialize, Serialize};
use squall::{Scenario, run};
use squall_reports::{Engine, Judged, Summary};
use squall_simulator::{Bounds, Crash, isolated};
use std::iter;
use std::time::Duration;

/// How many runs one process plays: starting it costs as much as a small one.
const RUNS: usize = 16;

/// What one process may use.
const BOUNDS: Bounds = Bounds {
    time: Duration::from_secs(60 * 60),
    memory: 8 << 30,
};

/// What is to be played.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Runs {
    /// How the command line names the scenario.
    source: String,
    seeds: Vec<u64>,
    engine: Engine,
    canary: bool,
}

impl Runs {
    /// The seeds of a scenario from 1 on, by batches.
    pub(super) fn all(
        scenario: &Scenario,
        seeds: u64,
        engine: Engine,
        canary: bool,
    ) -> impl Iterator<Item = Runs> {
        let (source, mut seeds) = (scenario.source.clone(), 1..=seeds);
        iter::from_fn(move || {
            let seeds: Vec<u64> = seeds.by_ref().take(RUNS).collect();
            (!seeds.is_empty()).then(|| Runs {
                source: source.clone(),
                seeds,
                engine,
                canary,
            })
        })
    }

    /// What each of them came to, in the order of the seeds; or why it did not come to its end.
    pub(super) fn play(&self, scenario: &Scenario) -> Vec<Result<Summary, String>> {
        let asked = serde_json::to_vec(self).unwrap_or_default();
        let mut played = match isolated(play_in_process, &asked, BOUNDS) {
            // It cannot be read if the file has changed meanwhile.
            Ok(answer) => {
                serde_json::from_slice(&answer).unwrap_or_else(|_| self.play_here(scenario))
            }
            Err(Crash::NotBegun { .. }) => self.play_here(scenario),
            Err(crash) => match self.seeds[..] {
                [seed] => vec![Err(format!("{}, seed {seed}: {crash}", self.source))],
                _ => self.one_by_one(scenario),
            },
        };
        for summary in played.iter_mut().flatten() {
            summary.command = as_called(&summary.command);
        }
        played
    }

    fn one_by_one(&self, scenario: &Scenario) -> Vec<Result<Summary, String>> {
        let each = self.seeds.iter().map(|&seed| Runs {
            seeds: vec![seed],
            ..self.clone()
        });
        each.flat_map(|run| run.play(scenario)).collect()
    }

    fn play_here(&self, scenario: &Scenario) -> Vec<Result<Summary, String>> {
        let play = |&seed: &u64| {
            let mut record = run(&scenario.plan(seed).on(self.engine))?;
            if self.canary {
                canary::sing(&mut record);
            }
            Ok(Summary::of(&Judged::new(record)))
        };
        let all = self.seeds.iter().map(play);
        all.map(|played: Result<Summary, squall::RunError>| played.map_err(|it| it.to_string()))
            .collect()
    }
}

/// In the process of its own. Of a scenario that cannot be read any more there is no answer.
fn play_in_process(asked: &[u8]) -> Vec<u8> {
    let Ok(runs) = serde_json::from_slice::<Runs>(asked) else {
        return Vec::new();
    };
    match read_any_one(&runs.source) {
        Ok(Given::Scenario(scenario)) => {
            serde_json::to_vec(&runs.play_here(&scenario)).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_in_a_process_of_their_own_come_to_what_they_come_to_in_this_one() {
        let Ok(Given::Scenario(scenario)) = read_any_one("tutorial-undefined-offset") else {
            panic!("it is in the library");
        };
        let all: Vec<Runs> = Runs::all(&scenario, 20, Engine::Native, false).collect();
        assert_eq!(all.len(), 2);
        for runs in all {
            let here: Vec<Summary> = runs.play_here(&scenario).into_iter().flatten().collect();
            let apart = runs.play(&scenario).into_iter().flatten();
            let apart: Vec<Summary> = apart
                .zip(&here)
                .map(|(apart, here)| Summary {
                    command: here.command.clone(),
                    ..apart
                })
                .collect();
            assert_eq!((apart.len(), &apart), (runs.seeds.len(), &here));
        }
    }
}
