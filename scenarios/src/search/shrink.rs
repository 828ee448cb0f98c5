//! Makes the world of a story small by editing the document; an edit is kept if the resulting world
//! tells the same story.
//!
//! Lists (faults, clients, hostile peers) lose halves before they lose single members (delta
//! debugging: Zeller and Hildebrandt, 2002); what is left is reset to its defaults, numbers are
//! made small, and times short and round. The passes are repeated until none of them helps. The
//! dice of the world stay at first; if the story no longer shows with them, a few others are tried,
//! because a change to the world shifts what a race depends on: one if the story shows with all
//! dice of the world as it was, and so is no race.
//!
//! Most of the time of a run is spent after the last fault, waiting for what is still to come. If
//! the story shows without most of that, what is tried is played without it, and only what then
//! tells the story is played as it is. In the end, all that can be left out is tried once more with
//! the whole of it.

mod candidate;
mod edits;

use super::document::{Document, ms};
use super::play::Finding;
use super::size::Size;
use super::story::Story;
use super::worlds::play_within;
use super::yardstick::Yardstick;
use candidate::{Candidate, is_smaller};
use squall::parallel::{self, parallel};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A world that was shrunk.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// The world.
    pub world: Document,
    /// The seed with which it tells the story.
    pub seed: u64,
    /// What is wrong in it.
    pub finding: Finding,
    /// How many worlds were played.
    pub plays: u64,
    /// What was tried, in order: the edit, and whether it was kept.
    pub log: Vec<(String, bool)>,
    /// Whether nothing is left to try.
    pub done: bool,
}

/// How hard to try.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// How many worlds at a time.
    pub jobs: usize,
    /// After this time, no further edit is tried.
    pub longest: Duration,
    /// How many other dice are tried for an edit that changes which machines there are.
    pub dice: u64,
}

/// Shrinks a world that tells a story with a seed; none if it does not.
pub fn shrink(
    world: &Document,
    seed: u64,
    story: &Story,
    yardstick: &Yardstick,
    effort: Effort,
    stop: &AtomicBool,
) -> Option<Shrunk> {
    let mut world = world.clone();
    // Expectations belong to the yardstick, and are not shrunk.
    world.remove("expect");
    let telling = Telling {
        story,
        yardstick,
        due: Instant::now() + effort.longest,
        settle: None,
    };
    let finding = telling.of(&world, seed)?;
    let mut shrinking = Shrinking {
        telling,
        effort,
        stop,
        failed: BTreeSet::new(),
        now: Shrunk {
            world,
            seed,
            finding,
            plays: 1,
            log: Vec::new(),
            done: false,
        },
    };
    shrinking.work();
    Some(shrinking.now)
}

/// How it is found out whether a world tells the story.
struct Telling<'s> {
    story: &'s Story,
    yardstick: &'s Yardstick,
    due: Instant,
    /// How long runs settle, in milliseconds; none: as long as the world says.
    settle: Option<u64>,
}

/// Once the time is over, the runs that are under way get this much more.
const LAST: Duration = Duration::from_secs(1);

impl Telling<'_> {
    /// What a world tells with a seed, if it is the story.
    fn of(&self, world: &Document, seed: u64) -> Option<Finding> {
        if let Some(settle) = self.settle {
            let mut short = world.clone();
            short.put("settle", ms(settle));
            self.at_length(&short, seed)?;
        }
        self.at_length(world, seed)
    }

    fn at_length(&self, world: &Document, seed: u64) -> Option<Finding> {
        // A run that ends its process may do so by taking too long.
        let time = match self.story.is_of_a_process() {
            true => Duration::MAX,
            false => self.due.saturating_duration_since(Instant::now()) + LAST,
        };
        let found = play_within(world, seed, self.yardstick, time).ok()??;
        (found.story == *self.story).then_some(found)
    }

    /// The shortest time to settle with which a world still tells the story; none if it needs what
    /// it has.
    fn shortest(&self, world: &Document, seed: u64) -> Option<u64> {
        if world.has("settle") {
            return None;
        }
        let whole = world.scenario().ok()?.plan(seed).settle().as_millis() as u64;
        [16, 8, 4, 2].into_iter().find_map(|part| {
            let mut short = world.clone();
            short.put("settle", ms(whole / part));
            self.at_length(&short, seed).map(|_| whole / part)
        })
    }
}

struct Shrinking<'s> {
    telling: Telling<'s>,
    effort: Effort,
    stop: &'s AtomicBool,
    /// The texts that do not tell the story.
    failed: BTreeSet<String>,
    now: Shrunk,
}

impl Shrinking<'_> {
    fn work(&mut self) {
        self.find_what_is_enough();
        loop {
            let before = self.now.world.clone();
            self.leave_out();
            for pass in edits::PASSES {
                // Each success changes what can be tried next.
                while self.try_all(pass(&self.now.world)) {}
            }
            if self.is_over() {
                return;
            }
            if self.now.world == before {
                break;
            }
        }
        if self.telling.settle.take().is_some() {
            self.failed.clear();
            self.leave_out();
            while self.try_all(edits::with_fewer_messages(&self.now.world)) {}
        }
        self.now.done = !self.is_over();
    }

    /// Finds out how short the runs may be, and whether the story is a race: only then several
    /// other dice are worth trying.
    fn find_what_is_enough(&mut self) {
        let (world, seed) = (&self.now.world, self.now.seed);
        self.telling.settle = self.telling.shortest(world, seed);
        let others = (1..=self.effort.dice).filter(|other| *other != seed);
        let others: Vec<u64> = others.collect();
        self.now.plays += 1 + others.len() as u64;
        let tells = |seed: &u64| self.telling.of(world, *seed).is_some();
        if others.iter().all(tells) {
            self.effort.dice = self.effort.dice.min(1);
        }
    }

    /// Leaves out members of lists.
    fn leave_out(&mut self) {
        for list in ["fault", "hostile", "message"] {
            self.halve(
                |world| world.list(list).len(),
                |world, without| edits::without_members(world, list, without),
            );
        }
        self.halve(|world| edits::clients(world).len(), edits::without_clients);
    }

    fn is_over(&self) -> bool {
        Instant::now() >= self.telling.due || self.stop.load(Ordering::Relaxed)
    }

    /// Leaves out halves of a list, then quarters, and finally single members.
    fn halve(
        &mut self,
        count: impl Fn(&Document) -> usize,
        without: impl Fn(&Document, &[usize]) -> Option<Candidate>,
    ) {
        let mut part = count(&self.now.world);
        while part > 0 && !self.is_over() {
            let members: Vec<usize> = (0..count(&self.now.world)).collect();
            let candidates = members
                .chunks(part)
                .filter_map(|it| without(&self.now.world, it));
            if !self.try_all(candidates.collect()) {
                part /= 2;
            }
            part = part.min(count(&self.now.world));
        }
    }

    /// Keeps the first of these worlds that tells the story; returns whether there is one.
    fn try_all(&mut self, candidates: Vec<Candidate>) -> bool {
        let size = Size::of(&self.now.world, self.now.seed);
        let fresh = candidates.into_iter().filter(|it| {
            let is_new = it.world != self.now.world && !self.failed.contains(&it.world.text());
            is_new && is_smaller(&it.world, self.now.seed, size)
        });
        let fresh: Vec<Candidate> = fresh.collect();
        for some in fresh.chunks(self.effort.jobs.max(1)) {
            if self.is_over() {
                return false;
            }
            let found = self.play_side_by_side(some);
            let kept = found.iter().position(Option::is_some);
            for (number, candidate) in some.iter().enumerate() {
                let is_kept = kept == Some(number);
                self.now.log.push((candidate.edit.clone(), is_kept));
                if is_kept && let Some((seed, finding)) = &found[number] {
                    self.now.world = candidate.world.clone();
                    self.now.seed = *seed;
                    self.now.finding = finding.clone();
                    return true;
                }
                self.failed.insert(candidate.world.text());
            }
        }
        false
    }

    /// Plays each with the current dice, and if necessary with others.
    fn play_side_by_side(&mut self, some: &[Candidate]) -> Vec<Option<(u64, Finding)>> {
        let (seed, dice, telling) = (self.now.seed, self.effort.dice, &self.telling);
        let plays = AtomicU64::new(0);
        let try_out = |candidate: &&Candidate| {
            let others = if candidate.structural { dice } else { 0 };
            let mut seeds = std::iter::once(seed).chain(1..=others);
            seeds.find_map(|seed| {
                plays.fetch_add(1, Ordering::Relaxed);
                Some((seed, telling.of(&candidate.world, seed)?))
            })
        };
        let all_at_once = parallel::Effort {
            jobs: some.len(),
            ..parallel::Effort::default()
        };
        let mut found = Vec::new();
        parallel(some, &all_at_once, try_out, |_, result| found.push(result));
        self.now.plays += plays.into_inner();
        found
    }
}
