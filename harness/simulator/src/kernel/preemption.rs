//! Pre-emption: a thread loses the processor although it could continue.
//!
//! Without it, a thread of a process runs until it waits, and then the one that became ready first.
//! A real operating system may take the processor away at any moment, so code that is correct only
//! as long as no other thread intervenes would go unnoticed. Here the seed decides, as in *A
//! Randomized Scheduler with Probabilistic Guarantees of Finding Bugs* (Burckhardt, Kothari,
//! Musuvathi, Nagarakatte; ASPLOS 2010): each thread has a random priority, and the ready thread
//! with the highest one runs; at a few random calls the running thread gets the lowest. The
//! probability of finding a race that needs that few switches does not depend on how long the
//! program is, only on how many calls it makes.

use super::ids::ThreadId;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// Calls are drawn from the first 2^n, for an n in this range.
const FEWEST: u32 = 3;
const MOST: u32 = 16;

/// When the threads of a process lose the processor, and in which order they get it.
pub(crate) struct Preemption {
    dice: ChaCha8Rng,
    /// At which calls, last first.
    at: Vec<u64>,
    calls: u64,
    priorities: Vec<(ThreadId, i64)>,
    lowest: i64,
}

impl Preemption {
    /// `times` is how often in the life of a process.
    pub(crate) fn new(times: u32, mut dice: ChaCha8Rng) -> Self {
        // Programs with few calls are struck as well as those with many.
        let draw = |_| {
            let calls = 1 << dice.random_range(FEWEST..=MOST);
            dice.random_range(1..=calls)
        };
        let mut at: Vec<u64> = (0..times).map(draw).collect();
        at.sort_unstable_by(|one, other| other.cmp(one));
        Self {
            dice,
            at,
            calls: 0,
            priorities: Vec::new(),
            lowest: 0,
        }
    }

    /// A thread makes a call. Returns whether it loses the processor.
    pub(super) fn count_call(&mut self) -> bool {
        self.calls += 1;
        let due = self.at.last().is_some_and(|&at| at <= self.calls);
        if due {
            self.at.pop();
        }
        due
    }

    /// From now on, this thread runs only when no other can.
    pub(super) fn lower(&mut self, thread: ThreadId) {
        self.lowest -= 1;
        let lowest = self.lowest;
        *self.priority(thread) = lowest;
    }

    /// The place of the one that runs next.
    pub(super) fn choose(&mut self, ready: impl Iterator<Item = ThreadId>) -> Option<usize> {
        let mut best = None;
        for (place, thread) in ready.enumerate() {
            let priority = *self.priority(thread);
            if best.is_none_or(|(_, highest)| priority > highest) {
                best = Some((place, priority));
            }
        }
        best.map(|(place, _)| place)
    }

    fn priority(&mut self, thread: ThreadId) -> &mut i64 {
        let known = self.priorities.iter().position(|(of, _)| *of == thread);
        let place = known.unwrap_or_else(|| {
            let priority = self.dice.random_range(1..=i64::MAX);
            self.priorities.push((thread, priority));
            self.priorities.len() - 1
        });
        &mut self.priorities[place].1
    }
}
