//! A world that goes on more than once.

use super::World;
use crate::host::child::{self, Child};
use crate::isolation::{Crash, ProcessLimits, conclude};
use crate::sys;
use std::collections::VecDeque;
use std::io;
use std::num::NonZero;
use xxhash_rust::xxh3::xxh3_64_with_seed;

impl World {
    /// Lets copies of this world go on from now, each with other dice, and returns what `go_on`
    /// returns in each of them, in the order of the dice. This world stays as it is.
    ///
    /// A copy is a process of its own, forked from this one ([`ProcessLimits`] says what it may
    /// use), and whatever ends it is a finding like any other. From the moment of the fork all that
    /// is random in it follows from the seed and the number of the dice: what links do to packets,
    /// what disks do, what the machines' programs ask their kernel for. What a program has drawn
    /// before, the state of a generator of its own above all, it keeps; and faults that are planned
    /// strike at the times that they have. The same dice give the same future.
    ///
    /// As many copies run at once as there are processors. They have no other thread of this
    /// process: what is locked by another one at this moment is locked in them for ever, so a
    /// process with one world at a time is the place for this.
    ///
    /// # Errors
    ///
    /// For each copy that does not come to its end. On [`Engine::Turmoil`](crate::Engine), which
    /// has a thread of its own, that is all of them.
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
