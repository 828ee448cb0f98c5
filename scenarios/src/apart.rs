//! Runs in separate processes, several per process. What their programs leave behind in memory goes
//! away with the process: a server that is killed with clients connected never gives all of it
//! back, and an exploration is long. And whatever ends a process is a finding of the run that
//! caused it.

use serde::Serialize;
use serde::de::DeserializeOwned;
use squall_simulator::{Crash, ProcessLimits, isolated};
use std::iter;
use std::time::Duration;

/// Whether a process can play several runs. Without the flag, what tokio's `select!` does in one of
/// them depends on those before it.
pub(crate) const PLAYS_MANY: bool = cfg!(tokio_unstable);

/// How many runs one process plays: starting it costs as much as a small one.
const RUNS: usize = 16;

/// What one process may use: far more than any run that a computer can play needs.
pub(crate) const BOUNDS: ProcessLimits = ProcessLimits {
    time: Duration::from_secs(60 * 60),
    memory: 8 << 30,
};

/// For runs that may be larger than that.
pub(crate) const WITHOUT_BOUNDS: ProcessLimits = ProcessLimits {
    time: Duration::MAX,
    memory: u64::MAX,
};

/// What is to be done with each of several seeds.
pub(crate) trait Work: Serialize + DeserializeOwned {
    /// Its result.
    type Outcome: Serialize + DeserializeOwned;
    /// Why it cannot be done with any seed.
    type Error;

    /// Does it in this process, and returns the outcomes in the order of the seeds.
    fn play(&self, seeds: &[u64]) -> Result<Vec<Self::Outcome>, Self::Error>;

    /// The result for a seed that has ended its process.
    fn crashed(&self, seed: u64, crash: &Crash) -> Self::Outcome;
}

/// Takes seeds in batches, each for one process.
pub(crate) fn batches(mut seeds: impl Iterator<Item = u64>) -> impl Iterator<Item = Vec<u64>> {
    iter::from_fn(move || {
        let batch: Vec<u64> = seeds.by_ref().take(RUNS).collect();
        (!batch.is_empty()).then_some(batch)
    })
}

/// Does in a separate process what [`Work::play`] does. If that process ends early, each seed gets
/// a process of its own.
///
/// # Errors
/// If it cannot be done with any seed.
pub(crate) fn play_apart<W: Work>(
    work: &W,
    seeds: &[u64],
    bounds: ProcessLimits,
) -> Result<Vec<W::Outcome>, W::Error> {
    let one_by_one = || {
        let each = seeds.iter().map(|&seed| play_apart(work, &[seed], bounds));
        Ok(each
            .collect::<Result<Vec<_>, _>>()?
            .into_iter()
            .flatten()
            .collect())
    };
    if seeds.len() > 1 && !PLAYS_MANY {
        return one_by_one();
    }
    let input = serde_json::to_vec(&(work, seeds)).unwrap_or_default();
    match isolated(play_in_process::<W>, &input, bounds) {
        // What is wrong with the work itself is reported here, where it can be seen.
        Ok(answer) => serde_json::from_slice(&answer).or_else(|_| work.play(seeds)),
        Err(Crash::NotBegun { .. }) => work.play(seeds),
        Err(crash) => match seeds {
            [seed] => Ok(vec![work.crashed(*seed, &crash)]),
            _ => one_by_one(),
        },
    }
}

/// Runs in the separate process. If there is nothing wrong with the work, the answer can be read.
fn play_in_process<W: Work>(input: &[u8]) -> Vec<u8> {
    let Ok((work, seeds)) = serde_json::from_slice::<(W, Vec<u64>)>(input) else {
        return Vec::new();
    };
    match work.play(&seeds) {
        Ok(outcomes) => serde_json::to_vec(&outcomes).unwrap_or_default(),
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[test]
    fn all_seeds_are_in_a_batch_and_none_twice() {
        let all: Vec<u64> = batches(1..=40).flatten().collect();
        assert_eq!(all, (1..=40).collect::<Vec<_>>());
        assert_eq!(batches(1..=40).count(), 3);
        assert_eq!(batches(std::iter::empty()).count(), 0);
    }

    /// Squares its seed; one of them ends the process.
    #[derive(Serialize, Deserialize)]
    struct Square {
        ends_with: u64,
    }

    impl Work for Square {
        type Outcome = Result<u64, String>;
        type Error = String;

        fn play(&self, seeds: &[u64]) -> Result<Vec<Self::Outcome>, String> {
            if seeds.contains(&0) {
                return Err("there is no seed 0".to_owned());
            }
            let square = |&seed: &u64| {
                if seed == self.ends_with {
                    std::process::exit(3);
                }
                Ok(seed * seed)
            };
            Ok(seeds.iter().map(square).collect())
        }

        fn crashed(&self, seed: u64, crash: &Crash) -> Self::Outcome {
            Err(format!(
                "{seed}: {}",
                crash.to_string().lines().next().unwrap_or_default()
            ))
        }
    }

    #[test]
    fn outcomes_come_back_in_the_order_of_the_seeds() {
        let played = play_apart(&Square { ends_with: 0 }, &[3, 1, 2], BOUNDS);
        assert_eq!(played, Ok(vec![Ok(9), Ok(1), Ok(4)]));
    }

    #[test]
    fn a_seed_that_ends_its_process_takes_no_other_with_it() {
        let played = play_apart(&Square { ends_with: 2 }, &[1, 2, 3], WITHOUT_BOUNDS);
        let ended = Err("2: it ended with exit code 3".to_owned());
        assert_eq!(played, Ok(vec![Ok(1), ended, Ok(9)]));
    }

    #[test]
    fn what_is_wrong_with_the_work_itself_is_told() {
        let played = play_apart(&Square { ends_with: 7 }, &[1, 0], BOUNDS);
        assert_eq!(played, Err("there is no seed 0".to_owned()));
    }
}
