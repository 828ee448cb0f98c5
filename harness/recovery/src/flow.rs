//! Which packets are in the queues of connections: put there, but not yet seen on the wire.
//!
//! socketioxide does not report how full a queue is, and a full one loses what the application
//! sends, and at the next ping the connection itself. We watch what passes the wire (`wire`), so we
//! know how much of a queue is ours, and leave the rest to others.

use crate::log::Sequence;
use crate::number::Number;
use socketioxide::socket::Sid;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// By connection: each has one queue, whatever its namespaces. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flow(Arc<Mutex<HashMap<Sid, Queue>>>);

/// The packets in the queue of a connection.
#[derive(Debug, Default)]
struct Queue {
    packets: BTreeMap<Sequence, Queued>,
    bytes: usize,
}

#[derive(Clone, Copy, Debug)]
struct Queued {
    session: Number,
    bytes: usize,
}

impl Queue {
    fn retain(&mut self, keep: impl Fn(Sequence, Number) -> bool) {
        let bytes = &mut self.bytes;
        self.packets.retain(|&packet, queued| {
            let kept = keep(packet, queued.session);
            *bytes -= if kept { 0 } else { queued.bytes };
            kept
        });
    }
}

impl Flow {
    fn lock(&self) -> MutexGuard<'_, HashMap<Sid, Queue>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of packets of this layer in the queue of a connection, and their bytes.
    pub(crate) fn queued(&self, socket: Sid) -> (usize, usize) {
        let all = self.lock();
        let queue = all.get(&socket);
        queue.map_or((0, 0), |queue| (queue.packets.len(), queue.bytes))
    }

    /// A packet for a session was put into a queue.
    pub(crate) fn put(&self, socket: Sid, session: Number, (packet, bytes): (Sequence, usize)) {
        let mut all = self.lock();
        let queue = all.entry(socket).or_default();
        queue.bytes += bytes;
        queue.packets.insert(packet, Queued { session, bytes });
    }

    /// A packet passes the wire; so everything queued before it for the same session has passed
    /// too.
    pub(crate) fn passes(&self, socket: Sid, packet: Sequence) {
        let mut all = self.lock();
        let Some(queue) = all.get_mut(&socket) else {
            return;
        };
        let Some(&Queued { session, .. }) = queue.packets.get(&packet) else {
            return;
        };
        queue.retain(|other, whose| other > packet || whose != session);
        if queue.packets.is_empty() {
            all.remove(&socket);
        }
    }

    /// A session has left its connection.
    pub(crate) fn forget(&self, socket: Sid, session: Number) {
        let mut all = self.lock();
        if let Some(queue) = all.get_mut(&socket) {
            queue.retain(|_, whose| whose != session);
            if queue.packets.is_empty() {
                all.remove(&socket);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_has_left_the_queue_and_with_it_what_was_before_it() {
        let (flow, socket) = (Flow::default(), Sid::ZERO);
        for packet in 1..=4 {
            flow.put(socket, packet % 2, (packet, 10));
        }
        flow.passes(socket, 3);
        assert_eq!(flow.queued(socket), (2, 20), "those of the other session");
        flow.passes(socket, 9);
        assert_eq!(flow.queued(socket), (2, 20), "nobody has put it there");
        flow.forget(socket, 0);
        assert!(flow.lock().is_empty());
    }
}
