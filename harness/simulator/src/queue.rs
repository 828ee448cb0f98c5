//! The events to come, in the order of virtual time. Events of the same nanosecond happen in the
//! order in which they were planned.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A priority queue by `(time, sequence number)`.
pub(crate) struct Queue<E> {
    heap: BinaryHeap<Reverse<Entry<E>>>,
    planned: u64,
}

struct Entry<E> {
    at: u64,
    sequence: u64,
    event: E,
}

impl<E> Queue<E> {
    pub(crate) fn new() -> Self {
        Self {
            heap: BinaryHeap::new(),
            planned: 0,
        }
    }

    /// Plans an event for a time in nanoseconds.
    pub(crate) fn plan(&mut self, at: u64, event: E) {
        let sequence = self.planned;
        self.planned += 1;
        self.heap.push(Reverse(Entry {
            at,
            sequence,
            event,
        }));
    }

    /// The next event and its time.
    pub(crate) fn peek(&self) -> Option<(u64, &E)> {
        self.heap
            .peek()
            .map(|Reverse(entry)| (entry.at, &entry.event))
    }

    /// Takes the next event, unless it is later than `limit`.
    pub(crate) fn next_until(&mut self, limit: u64) -> Option<(u64, E)> {
        if self.peek()?.0 > limit {
            return None;
        }
        self.heap
            .pop()
            .map(|Reverse(entry)| (entry.at, entry.event))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.sequence).cmp(&(other.at, other.sequence))
    }
}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.sequence) == (other.at, other.sequence)
    }
}

impl<E> Eq for Entry<E> {}

#[cfg(test)]
mod tests {
    use super::Queue;

    #[test]
    fn events_come_in_the_order_of_time_and_then_of_planning() {
        let mut queue = Queue::new();
        for (at, event) in [(5, 'c'), (1, 'a'), (5, 'd'), (2, 'b')] {
            queue.plan(at, event);
        }
        let order: String = std::iter::from_fn(|| queue.next_until(5))
            .map(|(_, e)| e)
            .collect();
        assert_eq!(order, "abcd");
    }

    #[test]
    fn nothing_is_taken_beyond_the_limit() {
        let mut queue = Queue::new();
        queue.plan(6, ());
        assert_eq!(queue.next_until(5), None);
        assert_eq!(queue.next_until(6), Some((6, ())));
    }
}
