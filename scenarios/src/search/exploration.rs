//! Many worlds: each composed from its seed and played with it, with what they bring to light
//! grouped into stories.
//!
//! The findings depend only on the seeds, not on how many worlds are played at a time or which of
//! them finishes first. Seeds are counted, not listed, so there may be any number of them. The
//! findings of several machines are merged into what a single one would have found
//! ([`merge`](super::merge)), and an exploration that was ended early can continue where it
//! stopped.

use super::document::Document;
use super::play::{Finding, Played};
use super::reached::Limit;
use super::size::Size;
use super::story::Story;
use super::stretch::Stretch;
use super::worlds::{Outcome, Worlds};
use crate::apart::batches;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::BadScenario;
use squall::parallel::{Effort, parallel};
use squall_guarantees::Guarantee;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

/// Which worlds are played, and how.
#[derive(Clone, Debug)]
pub struct Span {
    /// Their seeds.
    pub stretch: Stretch,
    /// Whether to stop at the first finding.
    pub fail_fast: bool,
    /// Whether one world in a hundred is made to report falsely that a message was handled twice:
    /// an exploration that does not find that would not find anything as rare.
    pub canary: bool,
}

/// The progress of an exploration.
#[derive(Clone, Debug)]
pub struct Progress {
    /// The seed of the world that was played last.
    pub seed: u64,
    /// What is wrong in it: the story, and the evidence in words.
    pub found: Option<(Story, String)>,
    /// How many worlds have been played.
    pub worlds: u64,
    /// How many stories they have told.
    pub stories: usize,
}

/// What many worlds brought to light.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Exploration {
    /// The version of Squall that played them.
    pub squall: String,
    /// Which seeds were played.
    pub stretches: Vec<Stretch>,
    /// How many worlds were played.
    pub worlds: u64,
    /// In how many of them each guarantee was put to the test.
    pub exercised: BTreeMap<String, u64>,
    /// Under which kinds of faults each guarantee was put to the test.
    pub seen: BTreeMap<String, BTreeMap<String, Sighting>>,
    /// In how many worlds each limit was reached.
    #[serde(default)]
    pub reached: BTreeMap<Limit, u64>,
    /// The stories, most frequent first.
    pub stories: Vec<Told>,
}

/// What was seen in some worlds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sighting {
    /// In how many of them.
    pub worlds: u64,
    /// The lowest of their seeds.
    pub first: u64,
}

/// A story, and the worlds that tell it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Told {
    /// What goes wrong.
    pub story: Story,
    /// The seeds of all worlds that tell it, in order.
    pub seeds: Vec<u64>,
    /// The kinds of faults that struck in all of them.
    pub always: Vec<String>,
    /// The seed of the smallest world.
    pub seed: u64,
    /// How large that is.
    pub size: Size,
    /// The evidence in that world, in words.
    pub evidence: String,
    /// The smallest world, as a scenario file.
    #[serde(with = "super::document::as_text")]
    #[schemars(with = "String")]
    pub world: Document,
}

/// Plays the worlds of a span, which complete what a document fixes.
///
/// # Errors
/// If a world is not a scenario, which is the document's fault: every world that the seed alone
/// composes is one.
pub fn explore(
    fixed: &Document,
    span: &Span,
    effort: &Effort,
    mut progress: impl FnMut(Progress),
) -> Result<Exploration, BadScenario> {
    let mut exploration = Exploration {
        squall: env!("CARGO_PKG_VERSION").to_owned(),
        ..Exploration::default()
    };
    let mut wrong = None;
    let worlds = Worlds {
        fixed: fixed.clone(),
        canary: span.canary,
    };
    let play = |seeds: &Vec<u64>| worlds.play_apart(seeds);
    parallel(
        batches(span.stretch.left()),
        effort,
        play,
        |seeds, played| {
            let played = match played {
                Ok(played) => played,
                Err(bad) => {
                    wrong = Some(bad);
                    return effort.stop.store(true, Ordering::Relaxed);
                }
            };
            for (seed, Outcome { world, played }) in seeds.into_iter().zip(played) {
                // At this point, what else is being played depends on how many are played at a
                // time.
                if wrong.is_some() || (span.fail_fast && !exploration.stories.is_empty()) {
                    return effort.stop.store(true, Ordering::Relaxed);
                }
                let found = played.finding.as_ref();
                let found = found.map(|it| (it.story.clone(), it.evidence.clone()));
                exploration.add(seed, world, played);
                progress(Progress {
                    seed,
                    found,
                    worlds: exploration.worlds,
                    stories: exploration.stories.len(),
                });
            }
        },
    );
    exploration.stretches = vec![Stretch {
        played: span.stretch.played + exploration.worlds,
        ..span.stretch
    }];
    exploration.settle();
    wrong.map_or(Ok(exploration), Err)
}

impl Exploration {
    fn add(&mut self, seed: u64, world: Document, played: Played) {
        self.worlds += 1;
        for guarantee in &played.exercised {
            let guarantee = guarantee.to_string();
            let seen = self.seen.entry(guarantee.clone()).or_default();
            for kind in &played.struck {
                let once = Sighting::of(seed);
                let all = seen
                    .entry(kind.clone())
                    .or_insert(Sighting { worlds: 0, ..once });
                all.add(once);
            }
            *self.exercised.entry(guarantee).or_default() += 1;
        }
        for limit in played.reached {
            *self.reached.entry(limit).or_default() += 1;
        }
        let Some(finding) = played.finding else {
            return;
        };
        let size = played.size;
        let known = self
            .stories
            .iter_mut()
            .find(|told| told.story == finding.story);
        match known {
            Some(told) => told.again(seed, world, size, finding),
            None => self.stories.push(Told {
                story: finding.story,
                seeds: vec![seed],
                always: finding.struck,
                seed,
                size,
                evidence: finding.evidence,
                world,
            }),
        }
    }

    /// Sorts the most frequent stories to the front.
    pub(super) fn settle(&mut self) {
        self.stories.sort_by(|one, other| {
            let more = other.seeds.len().cmp(&one.seeds.len());
            more.then_with(|| one.story.cmp(&other.story))
        });
    }

    /// The guarantees that no world put to the test.
    pub fn unexercised(&self) -> impl Iterator<Item = Guarantee> {
        let never = |it: &Guarantee| !self.exercised.contains_key(&it.to_string());
        Guarantee::ALL.into_iter().filter(never)
    }

    /// The limits that no world came to.
    pub fn unreached(&self) -> impl Iterator<Item = Limit> {
        let never = |limit: &Limit| !self.reached.contains_key(limit);
        Limit::ALL.into_iter().filter(never)
    }

    /// In how many worlds a guarantee was put to the test under a kind of fault.
    pub(super) fn asked_under(&self, guarantee: Guarantee, kind: &str) -> u64 {
        let kinds = self.seen.get(guarantee.name());
        kinds
            .and_then(|kinds| kinds.get(kind))
            .map_or(0, |it| it.worlds)
    }

    /// The kinds of faults under which something was put to the test, in alphabetical order.
    pub(super) fn kinds(&self) -> BTreeSet<&str> {
        let kinds = self.seen.values().flat_map(BTreeMap::keys);
        kinds.map(String::as_str).collect()
    }

    /// How complete it is, as far as can be said about what has not been seen. It counts which
    /// guarantee is put to the test under which kind of fault.
    pub fn completeness(&self) -> Completeness {
        let sightings = || self.seen.values().flat_map(BTreeMap::values);
        let times = |times: u64| sightings().filter(|it| it.worlds == times).count() as f64;
        let (seen, all) = (
            sightings().count(),
            sightings().map(|it| it.worlds).sum::<u64>(),
        );
        let (once, twice) = (times(1), times(2));
        Completeness {
            seen: seen as u64,
            unseen: once * (once - 1.0).max(0.0) / (2.0 * (twice + 1.0)),
            new: match all {
                0 => 1.0,
                all => once / all as f64,
            },
            last_new: sightings().map(|it| it.first).max(),
        }
    }
}

/// How complete an exploration is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Completeness {
    /// How many kinds of things it has seen.
    pub seen: u64,
    /// How many more there are at least, estimated from those that were seen once and twice (Chao
    /// 1984, corrected for small numbers).
    pub unseen: f64,
    /// The probability that a further world shows something new: the share of what was seen once
    /// (Good 1953).
    pub new: f64,
    /// The last seed that showed something new.
    pub last_new: Option<u64>,
}

impl Sighting {
    fn of(seed: u64) -> Self {
        Sighting {
            worlds: 1,
            first: seed,
        }
    }

    /// Adds what was seen in other worlds.
    pub(super) fn add(&mut self, other: Sighting) {
        self.worlds += other.worlds;
        self.first = self.first.min(other.first);
    }
}

impl Told {
    /// Another world tells it.
    fn again(&mut self, seed: u64, world: Document, size: Size, finding: Finding) {
        self.add(Told {
            story: finding.story,
            seeds: vec![seed],
            always: finding.struck,
            seed,
            size,
            evidence: finding.evidence,
            world,
        });
    }

    /// Other worlds tell it too.
    pub(super) fn add(&mut self, other: Told) {
        let is_smaller = (other.size, other.seed) < (self.size, self.seed);
        let mut seeds = std::mem::take(&mut self.seeds);
        seeds.extend(&other.seeds);
        seeds.sort_unstable();
        let mut always = std::mem::take(&mut self.always);
        always.retain(|kind| other.always.contains(kind));
        if is_smaller {
            *self = other;
        }
        (self.seeds, self.always) = (seeds, always);
    }

    /// How many further worlds without this story show with 99 % confidence that it is fixed, if it
    /// occurs as often as it did.
    pub fn worlds_to_be_sure(&self, worlds: u64) -> u64 {
        let share = self.seeds.len() as f64 / worlds as f64;
        (0.01_f64.ln() / (1.0 - share).ln()).ceil().max(1.0) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_seen_once_says_how_much_is_unseen() {
        let mut exploration = Exploration::default();
        assert_eq!(exploration.completeness().new, 1.0);
        let seen = [("a", 1, 7), ("b", 1, 9), ("c", 2, 3), ("d", 6, 1)];
        let seen = seen.map(|(kind, worlds, first)| (kind.to_owned(), Sighting { worlds, first }));
        exploration.seen.insert("ordering".to_owned(), seen.into());
        let expected = Completeness {
            seen: 4,
            unseen: 0.5,
            new: 0.2,
            last_new: Some(9),
        };
        assert_eq!(exploration.completeness(), expected);
    }
}
