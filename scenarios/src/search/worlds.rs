//! What is done with worlds, separately from one another and from this process: whatever ends the
//! process that plays one is a finding.

use super::document::Document;
use super::draw::draw;
use super::play::{self, Composed, Finding, Played};
use super::yardstick::Yardstick;
use crate::apart::{BOUNDS, PLAYS_MANY, Work, play_apart};
use serde::{Deserialize, Serialize};
use squall::BadScenario;
use squall_simulator::{Crash, ProcessLimits};
use std::time::Duration;

/// Plays a world with a seed, and returns what is wrong by this yardstick, if anything.
///
/// # Errors
/// If the document is not a scenario.
pub fn play(
    world: &Document,
    seed: u64,
    yardstick: &Yardstick,
) -> Result<Option<Finding>, BadScenario> {
    play_within(world, seed, yardstick, BOUNDS.time)
}

/// The same, given up after this time: the finding is then that its process was ended.
///
/// # Errors
/// Like [`play`].
pub(super) fn play_within(
    world: &Document,
    seed: u64,
    yardstick: &Yardstick,
    time: Duration,
) -> Result<Option<Finding>, BadScenario> {
    let trial = Trial {
        world: world.clone(),
        yardstick: yardstick.clone(),
        canary: false,
    };
    let bounds = ProcessLimits {
        time: time.min(BOUNDS.time),
        ..BOUNDS
    };
    let played = play_apart(&trial, &[seed], bounds)?;
    Ok(played.into_iter().find_map(|played| played.finding))
}

/// The world that `explore` plays with a seed, which completes what a document fixes.
///
/// # Errors
/// If the document is not a scenario.
pub fn compose(
    seed: u64,
    fixed: &Document,
    yardstick: &Yardstick,
) -> Result<Document, BadScenario> {
    let composing = Composing {
        fixed: fixed.clone(),
        yardstick: yardstick.clone(),
    };
    let composed = play_apart(&composing, &[seed], BOUNDS)?.into_iter().next();
    Ok(composed.map_or_else(|| draw(seed, fixed), |World(world)| world))
}

/// Worlds that complete what a document fixes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Worlds {
    #[serde(with = "super::document::as_text")]
    pub fixed: Document,
    pub canary: bool,
}

impl Worlds {
    /// Plays those of these seeds in separate processes.
    ///
    /// # Errors
    /// If the document is not a scenario.
    pub(super) fn play_apart(&self, seeds: &[u64]) -> Result<Vec<Outcome>, BadScenario> {
        match PLAYS_MANY {
            true => play_apart(self, seeds, BOUNDS),
            false => seeds.iter().map(|&seed| self.play_alone(seed)).collect(),
        }
    }

    /// Composes a world, and then plays it in a process of its own.
    fn play_alone(&self, seed: u64) -> Result<Outcome, BadScenario> {
        let yardstick = Yardstick::completing(&self.fixed);
        let world = compose(seed, &self.fixed, &yardstick)?;
        let trial = Trial {
            world,
            yardstick,
            canary: self.canary,
        };
        let mut played = play_apart(&trial, &[seed], BOUNDS)?;
        let played = played.pop().expect("one seed has one outcome");
        let Trial { world, .. } = trial;
        Ok(Outcome { world, played })
    }
}

/// The result of a world, with the world.
#[derive(Serialize, Deserialize)]
pub(super) struct Outcome {
    #[serde(with = "super::document::as_text")]
    pub world: Document,
    pub played: Played,
}

impl Work for Worlds {
    type Outcome = Outcome;
    type Error = BadScenario;

    fn play(&self, seeds: &[u64]) -> Result<Vec<Outcome>, BadScenario> {
        let yardstick = Yardstick::completing(&self.fixed);
        let play = |&seed: &u64| {
            let composed = play::compose(seed, &self.fixed, &yardstick, self.canary)?;
            let (world, played) = match composed {
                Composed::Drawn(world, played) => (world, played),
                Composed::Aimed(world) => {
                    let played = play::play(&world, seed, &yardstick, self.canary)?;
                    (world, played)
                }
            };
            Ok(Outcome { world, played })
        };
        seeds.iter().map(play).collect()
    }

    fn crashed(&self, seed: u64, crash: &Crash) -> Outcome {
        let yardstick = Yardstick::completing(&self.fixed);
        // It was a scenario when it crashed.
        let world = compose(seed, &self.fixed, &yardstick);
        let world = world.unwrap_or_else(|_| draw(seed, &self.fixed));
        let played = Played::crashed(&world, seed, crash);
        Outcome { world, played }
    }
}

/// A world as it is.
#[derive(Serialize, Deserialize)]
struct Trial {
    #[serde(with = "super::document::as_text")]
    world: Document,
    yardstick: Yardstick,
    canary: bool,
}

impl Work for Trial {
    type Outcome = Played;
    type Error = BadScenario;

    fn play(&self, seeds: &[u64]) -> Result<Vec<Played>, BadScenario> {
        let seeds = seeds.iter();
        let played = seeds.map(|&seed| play::play(&self.world, seed, &self.yardstick, self.canary));
        played.collect()
    }

    fn crashed(&self, seed: u64, crash: &Crash) -> Played {
        Played::crashed(&self.world, seed, crash)
    }
}

/// A document to complete.
#[derive(Serialize, Deserialize)]
struct Composing {
    #[serde(with = "super::document::as_text")]
    fixed: Document,
    yardstick: Yardstick,
}

#[derive(Serialize, Deserialize)]
struct World(#[serde(with = "super::document::as_text")] Document);

impl Work for Composing {
    type Outcome = World;
    type Error = BadScenario;

    fn play(&self, seeds: &[u64]) -> Result<Vec<World>, BadScenario> {
        let compose = |&seed: &u64| {
            let composed = play::compose(seed, &self.fixed, &self.yardstick, false)?;
            Ok(World(composed.world()))
        };
        seeds.iter().map(compose).collect()
    }

    /// Nothing has happened that a fault could be aimed at.
    fn crashed(&self, seed: u64, _: &Crash) -> World {
        World(draw(seed, &self.fixed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worlds(fixed: &str) -> Worlds {
        Worlds {
            fixed: Document::parse(fixed).expect("TOML"),
            canary: false,
        }
    }

    #[test]
    fn worlds_in_a_process_of_their_own_come_to_what_they_come_to_in_this_one() {
        let (worlds, seeds) = (worlds(""), [1, 2, 3]);
        let told = |played: Result<Vec<Outcome>, BadScenario>| {
            serde_json::to_string(&played.expect("worlds")).expect("JSON")
        };
        let apart = play_apart(&worlds, &seeds, BOUNDS);
        assert_eq!(told(apart), told(worlds.play(&seeds)));
    }

    #[test]
    fn a_world_that_is_played_alone_comes_to_what_it_comes_to_among_others() {
        let worlds = worlds("");
        let told = |outcomes: &[Outcome]| serde_json::to_string(outcomes).expect("JSON");
        let alone = [1, 2].map(|seed| worlds.play_alone(seed).expect("a world"));
        let among = worlds.play(&[1, 2]).expect("worlds");
        assert_eq!(told(&alone), told(&among));
    }

    #[test]
    fn a_document_that_is_no_scenario_is_told_so() {
        let worlds = worlds("shows = 'It.'\n[chat]\nqueue = 1");
        assert!(play_apart(&worlds, &[1], BOUNDS).is_err());
        assert!(play(&worlds.fixed, 1, &Yardstick::of_file(&worlds.fixed)).is_err());
    }

    #[test]
    fn what_ends_the_process_is_a_finding_of_the_world_that_was_played() {
        let crash = Crash::Signalled {
            signal: 11,
            told: "machine server: a segmentation fault at 3.5s".to_owned(),
        };
        let worlds = worlds("");
        let aimed = (1..=6).filter(|&seed| {
            let played = worlds.play(&[seed]).expect("a world").remove(0);
            let crashed = worlds.crashed(seed, &crash);
            assert_eq!(crashed.world, played.world);
            let finding = crashed.played.finding.expect("a finding");
            assert_eq!(finding.story.to_string(), "crash: it was ended by signal #");
            assert!(finding.evidence.contains("machine server"));
            played.world != draw(seed, &worlds.fixed)
        });
        assert!((1..6).contains(&aimed.count()), "both kinds of worlds");
    }
}
