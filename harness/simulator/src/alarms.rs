//! When each of many things (machines, flows) wants attention next: one time for each, changed
//! often.
//!
//! A heap that knows where each of its members is. A plain queue would keep outdated times, and
//! there are more of those than of valid ones. Each parent has four children: that makes it
//! shallower than with two, and the four are adjacent in memory.

/// The earliest alarm comes first; among those at the same time, the one with the lowest number.
#[derive(Default)]
pub(crate) struct Alarms {
    /// A heap in which each parent comes before its children.
    heap: Vec<Alarm>,
    /// Where each number stands in the heap, or [`ABSENT`].
    places: Vec<u32>,
}

/// A time in nanoseconds (the upper half), and its owner: comparing two takes one comparison.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Alarm(u128);

impl Alarm {
    fn new(at: u64, number: u32) -> Self {
        Self(u128::from(at) << 64 | u128::from(number))
    }

    fn at(self) -> u64 {
        (self.0 >> 64) as u64
    }

    fn number(self) -> u32 {
        self.0 as u32
    }
}

const ABSENT: u32 = u32::MAX;

const CHILDREN: usize = 4;

impl Alarms {
    /// The earliest alarm: its time, and its owner.
    pub(crate) fn first(&self) -> Option<(u64, u32)> {
        let first = self.heap.first()?;
        Some((first.at(), first.number()))
    }

    /// Replaces the alarm of a number, or (with `None`) removes it.
    pub(crate) fn set(&mut self, number: u32, at: Option<u64>) {
        let index = number as usize;
        if index >= self.places.len() {
            self.places.resize(index + 1, ABSENT);
        }
        match (self.places[index], at) {
            (ABSENT, None) => {}
            (ABSENT, Some(at)) => {
                let alarm = Alarm::new(at, number);
                self.heap.push(alarm);
                self.rise(self.heap.len() - 1, alarm);
            }
            (place, Some(at)) => {
                let (place, alarm) = (place as usize, Alarm::new(at, number));
                if alarm < self.heap[place] {
                    self.rise(place, alarm);
                } else if alarm > self.heap[place] {
                    self.sink(place, alarm);
                }
            }
            (place, None) => {
                self.places[index] = ABSENT;
                self.fill(place as usize);
            }
        }
    }

    /// Puts the last alarm where one was removed.
    fn fill(&mut self, place: usize) {
        let Some(last) = self.heap.pop() else {
            return;
        };
        if place < self.heap.len() {
            let place = self.rise(place, last);
            self.sink(place, last);
        }
    }

    /// Puts an alarm here, or further to the front while parents come after it. Returns its place.
    fn rise(&mut self, mut place: usize, alarm: Alarm) -> usize {
        while place > 0 {
            let parent = (place - 1) / CHILDREN;
            if self.heap[parent] <= alarm {
                break;
            }
            self.put(place, self.heap[parent]);
            place = parent;
        }
        self.put(place, alarm);
        place
    }

    /// Puts an alarm here, or further to the back while children come before it.
    fn sink(&mut self, mut place: usize, alarm: Alarm) {
        loop {
            let first = CHILDREN * place + 1;
            let end = self.heap.len().min(first + CHILDREN);
            if first >= end {
                break;
            }
            let (mut child, mut earliest) = (first, self.heap[first]);
            for next in first + 1..end {
                if self.heap[next] < earliest {
                    (child, earliest) = (next, self.heap[next]);
                }
            }
            if alarm <= earliest {
                break;
            }
            self.put(place, earliest);
            place = child;
        }
        self.put(place, alarm);
    }

    fn put(&mut self, place: usize, alarm: Alarm) {
        self.heap[place] = alarm;
        self.places[alarm.number() as usize] = place as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::stream;
    use rand::RngExt;
    use std::collections::BTreeMap;

    #[test]
    fn the_first_is_the_earliest_whatever_was_set_anew_or_taken_back() {
        let mut rng = stream(1, "alarms");
        let (mut alarms, mut expected) = (Alarms::default(), BTreeMap::new());
        for _ in 0..10_000 {
            let number = rng.random_range(0..50_u32);
            let at = rng.random_bool(0.8).then(|| rng.random_range(0..1000_u64));
            alarms.set(number, at);
            match at {
                Some(at) => expected.insert(number, at),
                None => expected.remove(&number),
            };
            let first = expected.iter().map(|(&number, &at)| (at, number)).min();
            assert_eq!(alarms.first(), first);
        }
    }
}
