//! Many worlds: each composed from its seed, played with it, and what they bring to light grouped into stories.
//!
//! What is found depends on the seeds only, not on how many worlds are played at a time or which of them is ready
//! first. Seeds are counted, not listed, so that there may be any number of them.

use super::document::Document;
use super::draw::draw;
use super::play::{Finding, Played, play_whole};
use super::size::Size;
use super::story::Story;
use serde::Serialize;
use squall::BadScenario;
use squall::parallel::{Effort, parallel};
use squall_guarantees::Guarantee;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::atomic::Ordering;

/// Which worlds are played.
#[derive(Clone, Debug)]
pub struct Span {
    /// The seeds.
    pub seeds: RangeInclusive<u64>,
    /// The k-th of n parts of them, counted from 1: of n machines that share the work, which one this is.
    pub shard: (u64, u64),
    /// Whether the first finding is enough.
    pub fail_fast: bool,
}

/// How far an exploration has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// How many worlds have been played.
    pub worlds: u64,
    /// How many stories they have told.
    pub stories: usize,
}

/// What many worlds brought to light.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Exploration {
    /// How many worlds were played.
    pub worlds: u64,
    /// In how many of them each guarantee was put to the test.
    pub exercised: BTreeMap<String, u64>,
    /// The stories, most frequent first.
    pub stories: Vec<Told>,
    /// How often each guarantee was put to the test under each kind of fault.
    #[serde(skip)]
    seen: BTreeMap<(Guarantee, String), u64>,
}

/// A story, and the worlds that tell it.
#[derive(Clone, Debug, Serialize)]
pub struct Told {
    /// What goes wrong.
    #[serde(serialize_with = "in_words")]
    pub story: Story,
    /// The seeds of all worlds that tell it, in order.
    pub seeds: Vec<u64>,
    /// The kinds of faults that struck in every one of them.
    pub always: Vec<String>,
    /// The seed of the smallest world.
    pub seed: u64,
    /// How large that is.
    pub size: Size,
    /// The evidence in that one, in words.
    pub evidence: String,
    /// The smallest world.
    #[serde(skip)]
    pub world: Document,
}

fn in_words<S: serde::Serializer>(story: &Story, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(story)
}

/// Plays the worlds of a span, which complete what a document fixes.
///
/// # Errors
/// If a world is no scenario, which is the document's fault: no world that the seed alone composes is.
pub fn explore(
    fixed: &Document,
    span: &Span,
    effort: &Effort,
    mut progress: impl FnMut(Progress),
) -> Result<Exploration, BadScenario> {
    let mut exploration = Exploration::default();
    let mut wrong = None;
    let play = |&seed: &u64| {
        let world = draw(seed, fixed);
        let played = play_whole(&world, seed);
        (world, played)
    };
    parallel(span.worlds(), effort, play, |seed, (world, played)| {
        // What was under way when this became enough would depend on how many are played at a time.
        if wrong.is_some() || (span.fail_fast && !exploration.stories.is_empty()) {
            return effort.stop.store(true, Ordering::Relaxed);
        }
        match played {
            Ok(played) => exploration.add(seed, world, played),
            Err(bad) => wrong = Some(bad),
        }
        progress(Progress {
            worlds: exploration.worlds,
            stories: exploration.stories.len(),
        });
    });
    exploration.settle();
    wrong.map_or(Ok(exploration), Err)
}

impl Span {
    /// The seeds of its part of the worlds.
    fn worlds(&self) -> impl Iterator<Item = u64> + Send + use<> {
        let (part, parts) = self.shard;
        let last = *self.seeds.end();
        let first = self.seeds.start().checked_add(part - 1);
        std::iter::successors(first, move |seed| seed.checked_add(parts))
            .take_while(move |seed| *seed <= last)
    }
}

impl Exploration {
    fn add(&mut self, seed: u64, world: Document, played: Played) {
        self.worlds += 1;
        for guarantee in &played.exercised {
            *self.exercised.entry(guarantee.to_string()).or_default() += 1;
        }
        for guarantee in played.exercised {
            for kind in &played.struck {
                *self.seen.entry((guarantee, kind.clone())).or_default() += 1;
            }
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

    /// Puts the stories that are told most often first.
    fn settle(&mut self) {
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

    /// How probable it is that a further world shows something that none has shown, where what is looked at is which
    /// guarantee is put to the test under which kind of fault (Good and Turing: the share of what was seen once).
    pub fn unseen(&self) -> f64 {
        let once = self.seen.values().filter(|times| **times == 1).count();
        let all: u64 = self.seen.values().sum();
        if all == 0 {
            1.0
        } else {
            once as f64 / all as f64
        }
    }
}

impl Told {
    /// One more world tells it.
    fn again(&mut self, seed: u64, world: Document, size: Size, finding: Finding) {
        self.seeds.push(seed);
        let struck: BTreeSet<String> = finding.struck.into_iter().collect();
        self.always.retain(|kind| struck.contains(kind));
        if (size, seed) < (self.size, self.seed) {
            self.seed = seed;
            self.size = size;
            self.evidence = finding.evidence;
            self.world = world;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_seed_is_in_one_part_also_the_last_that_there_is() {
        let part = |part| Span {
            seeds: u64::MAX - 6..=u64::MAX,
            shard: (part, 3),
            fail_fast: false,
        };
        let mut seeds: Vec<_> = (1..=3).flat_map(|k| part(k).worlds()).collect();
        seeds.sort_unstable();
        assert!(seeds.into_iter().eq(u64::MAX - 6..=u64::MAX));
    }
}
