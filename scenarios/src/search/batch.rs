//! Some worlds, played in a process of their own. What their programs leave behind in memory goes with it: a server that is
//! killed with clients connected never gives all of it back, and an exploration is long. And whatever ends the process
//! is a finding of the world that did it.

use super::document::Document;
use super::draw::draw;
use super::play::{Finding, Played, play_composed};
use super::size::Size;
use super::story::Story;
use super::yardstick::Yardstick;
use serde::{Deserialize, Serialize};
use squall::BadScenario;
use squall_simulator::{Bounds, Crash, isolated};
use std::iter;
use std::time::Duration;

/// How many worlds are played in one process: starting it costs as much as a small world.
const WORLDS: usize = 16;

/// What one process may use.
const BOUNDS: Bounds = Bounds {
    time: Duration::from_secs(15 * 60),
    memory: 8 << 30,
};

/// What is to be played.
#[derive(Serialize, Deserialize)]
struct Batch {
    #[serde(with = "super::document::as_text")]
    fixed: Document,
    seeds: Vec<u64>,
    canary: bool,
}

/// What a world came to, with the world.
#[derive(Serialize, Deserialize)]
struct Outcome {
    #[serde(with = "super::document::as_text")]
    world: Document,
    played: Played,
}

/// Takes seeds by batches.
pub(super) fn batches<S: Iterator<Item = u64>>(mut seeds: S) -> impl Iterator<Item = Vec<u64>> {
    iter::from_fn(move || {
        let batch: Vec<u64> = seeds.by_ref().take(WORLDS).collect();
        (!batch.is_empty()).then_some(batch)
    })
}

/// Plays the worlds of these seeds, which complete what a document fixes, as
/// [`play_composed`] does each.
///
/// # Errors
/// If the document is no scenario.
pub(super) fn play_all(
    fixed: &Document,
    seeds: &[u64],
    canary: bool,
) -> Result<Vec<(Document, Played)>, BadScenario> {
    let batch = Batch {
        fixed: fixed.clone(),
        seeds: seeds.to_vec(),
        canary,
    };
    let batch = serde_json::to_vec(&batch).unwrap_or_default();
    match isolated(play_in_process, &batch, BOUNDS) {
        Ok(answer) => match serde_json::from_slice::<Vec<Outcome>>(&answer) {
            Ok(outcomes) => Ok(outcomes
                .into_iter()
                .map(|outcome| (outcome.world, outcome.played))
                .collect()),
            // What is wrong with the document is told here, where somebody can hear it.
            Err(_) => play_here(fixed, seeds, canary),
        },
        Err(Crash::NotBegun { .. }) => play_here(fixed, seeds, canary),
        Err(crash) => match seeds {
            [seed] => Ok(vec![crashed(fixed, *seed, &crash)]),
            _ => {
                let each = seeds.iter();
                let each = each.map(|seed| play_all(fixed, &[*seed], canary));
                Ok(each.collect::<Result<Vec<_>, _>>()?.concat())
            }
        },
    }
}

/// In the process of its own. An answer that cannot be read says that the document is no scenario.
fn play_in_process(batch: &[u8]) -> Vec<u8> {
    let Ok(batch) = serde_json::from_slice::<Batch>(batch) else {
        return Vec::new();
    };
    let Ok(played) = play_here(&batch.fixed, &batch.seeds, batch.canary) else {
        return Vec::new();
    };
    let outcomes = played.into_iter();
    let outcomes: Vec<Outcome> = outcomes
        .map(|(world, played)| Outcome { world, played })
        .collect();
    serde_json::to_vec(&outcomes).unwrap_or_default()
}

fn play_here(
    fixed: &Document,
    seeds: &[u64],
    canary: bool,
) -> Result<Vec<(Document, Played)>, BadScenario> {
    let yardstick = Yardstick::completing(fixed);
    let all = seeds.iter();
    all.map(|&seed| play_composed(seed, fixed, &yardstick, canary))
        .collect()
}

/// The finding of a world that has ended its process. Whether that was with an aimed fault is not known.
fn crashed(fixed: &Document, seed: u64, crash: &Crash) -> (Document, Played) {
    let world = draw(seed, fixed);
    let told = crash.to_string();
    let finding = Finding {
        story: Story::crashed(told.lines().next().unwrap_or_default()),
        evidence: told,
        struck: Vec::new(),
    };
    let size = Size::of(&world, seed).unwrap_or_default();
    let played = Played::stuck(finding, size);
    (world, played)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worlds_in_a_process_of_their_own_come_to_what_they_come_to_in_this_one() {
        let (fixed, seeds) = (Document::default(), [1, 2, 3]);
        let told = |played: Vec<(Document, Played)>| {
            let told = played.into_iter();
            let told = told.map(|(world, played)| (world, serde_json::to_string(&played)));
            told.map(|(world, played)| (world, played.expect("JSON")))
                .collect::<Vec<_>>()
        };
        let (apart, here) = (
            play_all(&fixed, &seeds, false),
            play_here(&fixed, &seeds, false),
        );
        let (apart, here) = (apart.expect("worlds"), here.expect("worlds"));
        assert_eq!(told(apart), told(here));
    }

    #[test]
    fn a_document_that_is_no_scenario_is_told_so() {
        let fixed = Document::parse("shows = 'It.'\n[chat]\nqueue = 1").expect("TOML");
        assert!(play_all(&fixed, &[1], false).is_err());
    }

    #[test]
    fn what_ends_the_process_is_a_finding_of_its_world() {
        let crash = Crash::Signalled {
            signal: 11,
            told: "machine server: a segmentation fault at 3.5s".to_owned(),
        };
        let (_, played) = crashed(&Document::default(), 7, &crash);
        let finding = played.finding.expect("a finding");
        assert_eq!(finding.story.to_string(), "crash: it was ended by signal #");
        assert!(finding.evidence.contains("machine server"));
    }

    #[test]
    fn all_seeds_are_in_a_batch_and_none_twice() {
        let all: Vec<u64> = batches(1..=40).flatten().collect();
        assert_eq!(all, (1..=40).collect::<Vec<_>>());
        assert_eq!(batches(1..=40).count(), 3);
        let none = std::ops::RangeInclusive::new(1, 0);
        assert_eq!(batches(none).count(), 0);
    }
}
