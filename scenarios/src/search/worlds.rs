//! What there is to do with a seed: the world it composes is played, apart from others.

use super::document::Document;
use super::draw::draw;
use super::play::{Finding, Played, play_composed};
use super::size::Size;
use super::story::Story;
use super::yardstick::Yardstick;
use crate::apart::Work;
use serde::{Deserialize, Serialize};
use squall::BadScenario;
use squall_simulator::Crash;

/// The worlds that complete what a document fixes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Worlds {
    #[serde(with = "super::document::as_text")]
    pub fixed: Document,
    pub canary: bool,
}

/// What a world came to, with the world.
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
            let (world, played) = play_composed(seed, &self.fixed, &yardstick, self.canary)?;
            Ok(Outcome { world, played })
        };
        seeds.iter().map(play).collect()
    }

    /// Whether that was with an aimed fault is not known.
    fn crashed(&self, seed: u64, crash: &Crash) -> Outcome {
        let world = draw(seed, &self.fixed);
        let told = crash.to_string();
        let finding = Finding {
            story: Story::crashed(told.lines().next().unwrap_or_default()),
            evidence: told,
            struck: Vec::new(),
        };
        let size = Size::of(&world, seed).unwrap_or_default();
        let played = Played::stuck(finding, size);
        Outcome { world, played }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apart::{BOUNDS, play_apart};

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
    fn a_document_that_is_no_scenario_is_told_so() {
        let worlds = worlds("shows = 'It.'\n[chat]\nqueue = 1");
        assert!(play_apart(&worlds, &[1], BOUNDS).is_err());
    }

    #[test]
    fn what_ends_the_process_is_a_finding_of_its_world() {
        let crash = Crash::Signalled {
            signal: 11,
            told: "machine server: a segmentation fault at 3.5s".to_owned(),
        };
        let played = worlds("").crashed(7, &crash).played;
        let finding = played.finding.expect("a finding");
        assert_eq!(finding.story.to_string(), "crash: it was ended by signal #");
        assert!(finding.evidence.contains("machine server"));
    }
}
