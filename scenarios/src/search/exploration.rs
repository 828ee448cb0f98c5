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
use squall_guarantees::Guarantee;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Which worlds are played, and until when.
#[derive(Clone, Debug)]
pub struct Span {
    /// The seeds.
    pub seeds: RangeInclusive<u64>,
    /// The k-th of n parts of them, counted from 1: of n machines that share the work, which one this is.
    pub shard: (u64, u64),
    /// How many worlds at a time.
    pub jobs: usize,
    /// No world is begun when so much time has passed.
    pub longest: Option<Duration>,
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

/// Plays the worlds of a span, which complete what a document fixes, until `stop` is set.
///
/// # Errors
/// If a world is no scenario, which is the document's fault: no world that the seed alone composes is.
pub fn explore(
    fixed: &Document,
    span: &Span,
    stop: &AtomicBool,
    mut progress: impl FnMut(Progress),
) -> Result<Exploration, BadScenario> {
    let (first, last) = (*span.seeds.start(), *span.seeds.end());
    let (part, parts) = span.shard;
    let began = Instant::now();
    let next = AtomicU64::new(0);
    // `None` once the seeds are used up.
    let take = || {
        let late = span
            .longest
            .is_some_and(|longest| began.elapsed() >= longest);
        if late || stop.load(Ordering::Relaxed) {
            return None;
        }
        let turn = next.fetch_add(1, Ordering::Relaxed);
        let seed = turn.checked_mul(parts)?.checked_add(part - 1 + first)?;
        (seed <= last).then_some(seed)
    };
    let mut exploration = Exploration::default();
    let mut wrong = None;
    std::thread::scope(|scope| {
        let (results, played) = mpsc::sync_channel(span.jobs * 4);
        for _ in 0..span.jobs {
            let results = results.clone();
            scope.spawn(|| {
                let results = results;
                while let Some(seed) = take() {
                    let world = draw(seed, fixed);
                    let played = play_whole(&world, seed);
                    if results.send((seed, world, played)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(results);
        for (seed, world, played) in played {
            match played {
                Ok(played) => exploration.add(seed, world, played),
                Err(bad) => {
                    wrong.get_or_insert(bad);
                    stop.store(true, Ordering::Relaxed);
                }
            }
            if span.fail_fast && !exploration.stories.is_empty() {
                stop.store(true, Ordering::Relaxed);
            }
            progress(Progress {
                worlds: exploration.worlds,
                stories: exploration.stories.len(),
            });
        }
    });
    exploration.settle();
    wrong.map_or(Ok(exploration), Err)
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

    /// Brings everything into an order that does not hang on which world was ready first.
    fn settle(&mut self) {
        self.stories
            .iter_mut()
            .for_each(|told| told.seeds.sort_unstable());
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
