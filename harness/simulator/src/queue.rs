//! Future events (arrivals of packets, faults), in the order of virtual time. Events at the same
//! nanosecond happen in the order in which they were planned.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A priority queue by `(time, sequence number)`. The events themselves are not moved.
pub(crate) struct Queue<E> {
    heap: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Vec<Option<E>>,
    free: Vec<usize>,
    planned: u64,
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self {
            heap: BinaryHeap::new(),
            events: Vec::new(),
            free: Vec::new(),
            planned: 0,
        }
    }
}

impl<E> Queue<E> {
    /// Plans an event for a time in nanoseconds.
    pub(crate) fn plan(&mut self, at: u64, event: E) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        self.events[place] = Some(event);
        self.heap.push(Reverse((at, self.planned, place)));
        self.planned += 1;
    }

    /// The next event and its time.
    pub(crate) fn peek(&self) -> Option<(u64, &E)> {
        let Reverse((at, _, place)) = self.heap.peek()?;
        self.events[*place].as_ref().map(|event| (*at, event))
    }

    /// Takes the next event, unless it is later than `limit`.
    pub(crate) fn next_until(&mut self, limit: u64) -> Option<(u64, E)> {
        if self.heap.peek()?.0.0 > limit {
            return None;
        }
        let Reverse((at, _, place)) = self.heap.pop()?;
        self.free.push(place);
        self.events[place].take().map(|event| (at, event))
    }
}

#[cfg(test)]
mod tests {
    use super::Queue;

    #[test]
    fn events_come_in_the_order_of_time_and_then_of_planning() {
        let mut queue = Queue::default();
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
        let mut queue = Queue::default();
        queue.plan(6, ());
        assert_eq!(queue.next_until(5), None);
        assert_eq!(queue.next_until(6), Some((6, ())));
    }
}
