//! When each machine wants to run next: one time per machine, changed at every turn.
//!
//! A binary heap that knows where each machine stands in it. A plain queue of wake-ups would keep the
//! overtaken ones, and there are more of those than of the others.

use crate::machine::MachineId;

#[derive(Default)]
pub(crate) struct Wakes {
    /// `(time, machine)`, the earliest first; a heap of which each parent is before its children.
    heap: Vec<(u64, u32)>,
    /// Where a machine stands in the heap.
    places: Vec<Option<usize>>,
}

impl Wakes {
    /// The earliest wake-up, and of machines that want the same time the one that came first.
    pub(crate) fn first(&self) -> Option<(u64, MachineId)> {
        self.heap
            .first()
            .map(|&(at, machine)| (at, MachineId(machine)))
    }

    /// Plans a machine's wake-up anew, or (with `None`) takes it back.
    pub(crate) fn set(&mut self, machine: MachineId, wake: Option<u64>) {
        let index = machine.0 as usize;
        if index >= self.places.len() {
            self.places.resize(index + 1, None);
        }
        match (self.places[index], wake) {
            (None, None) => {}
            (None, Some(at)) => {
                self.heap.push((at, machine.0));
                self.rise(self.heap.len() - 1);
            }
            (Some(place), Some(at)) => {
                let before = std::mem::replace(&mut self.heap[place].0, at);
                if at < before {
                    self.rise(place);
                } else if at > before {
                    self.sink(place);
                }
            }
            (Some(place), None) => {
                self.places[index] = None;
                self.heap.swap_remove(place);
                if place < self.heap.len() {
                    let place = self.rise(place);
                    self.sink(place);
                }
            }
        }
    }

    /// Moves an entry towards the front until its parent is before it. Returns its place.
    fn rise(&mut self, mut place: usize) -> usize {
        let entry = self.heap[place];
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.heap[parent] <= entry {
                break;
            }
            self.put(place, self.heap[parent]);
            place = parent;
        }
        self.put(place, entry);
        place
    }

    /// Moves an entry towards the back until it is before its children.
    fn sink(&mut self, mut place: usize) {
        let entry = self.heap[place];
        loop {
            let left = 2 * place + 1;
            let children = left..self.heap.len().min(left + 2);
            let Some(child) = children.min_by_key(|&child| self.heap[child]) else {
                break;
            };
            if entry <= self.heap[child] {
                break;
            }
            self.put(place, self.heap[child]);
            place = child;
        }
        self.put(place, entry);
    }

    fn put(&mut self, place: usize, entry: (u64, u32)) {
        self.heap[place] = entry;
        self.places[entry.1 as usize] = Some(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::stream;
    use rand::RngExt;
    use std::collections::BTreeMap;

    #[test]
    fn the_first_is_the_earliest_whatever_was_planned_anew_or_taken_back() {
        let mut rng = stream(1, "wakes");
        let (mut wakes, mut expected) = (Wakes::default(), BTreeMap::new());
        for _ in 0..10_000 {
            let machine = rng.random_range(0..50_u32);
            let wake = rng.random_bool(0.8).then(|| rng.random_range(0..1000_u64));
            wakes.set(MachineId(machine), wake);
            match wake {
                Some(at) => expected.insert(machine, at),
                None => expected.remove(&machine),
            };
            let first = expected
                .iter()
                .map(|(&machine, &at)| (at, MachineId(machine)))
                .min();
            assert_eq!(wakes.first(), first);
        }
    }
}
