//! A world with several continuations.

use super::World;
use crate::host::child::{self, Child};
use crate::isolation::{Crash, ProcessLimits, conclude};
use crate::sys;
use std::collections::VecDeque;
use std::io;
use std::num::NonZero;
use xxhash_rust::xxh3::xxh3_64_with_seed;

impl World {
    /// Continues copies of this world from now on, each with different dice, and returns what
    /// `go_on` returns in each of them, in the order of the dice. This world stays as it is.
    ///
    /// A copy is a separate process, forked from this one ([`ProcessLimits`] limits what it may
    /// use), and whatever ends it is a finding like any other. From the fork on, everything random
    /// in it follows from the seed and the number of the dice: what links do to packets, what disks
    /// do, what the machines' programs request from their kernels. What a program has drawn before,
    /// above all the state of its own generators, it keeps; and planned faults strike at their
    /// planned times. The same dice give the same future.
    ///
    /// As many copies run at once as there are processors. They have no other thread of this
    /// process: a lock held by another thread at this moment stays locked in them for ever, so use
    /// this in a process with one world at a time.
    ///
    /// # Errors
    ///
    /// For each copy that does not finish. On [`Engine::Turmoil`](crate::Engine), which has its own
    /// thread, that is all of them.
    pub fn fork(
        &mut self,
        dice: impl IntoIterator<Item = u64>,
        bounds: ProcessLimits,
        mut go_on: impl FnMut(&mut World, u64) -> Vec<u8>,
    ) -> Vec<Result<Vec<u8>, Crash>> {
        let at_once = std::thread::available_parallelism().map_or(1, NonZero::get);
        let mut running: VecDeque<io::Result<Child>> = VecDeque::new();
        let mut ended = Vec::new();
        let mut wait = |child: io::Result<Child>| ended.push(conclude(child.map(Child::wait)));
        for dice in dice {
            if running.len() == at_once
                && let Some(earliest) = running.pop_front()
            {
                wait(earliest);
            }
            running.push_back(self.copy(dice, bounds, &mut go_on));
        }
        running.into_iter().for_each(wait);
        ended
    }

    fn copy(
        &mut self,
        dice: u64,
        bounds: ProcessLimits,
        go_on: impl FnOnce(&mut World, u64) -> Vec<u8>,
    ) -> io::Result<Child> {
        if let Some(why) = self.driver.no_fork() {
            return Err(io::Error::other(why));
        }
        let seed = xxh3_64_with_seed(&dice.to_le_bytes(), self.machines.seed());
        let part = || sys::part_from_parent(seed);
        child::start(bounds.into(), part, || {
            if let Err(error) = self.machines.part_from_parent(seed) {
                panic!("the copy cannot have memory of its own: {error}");
            }
            go_on(self, dice)
        })
    }
}
