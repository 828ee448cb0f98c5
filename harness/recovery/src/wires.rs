//! Connections that are cut off: nothing passes any more, as if the network had lost them.
//!
//! socketioxide can only take leave of a client, and Socket.IO's own clients stay away for good
//! after that. A client whose connection was lost comes back.

use futures_util::task::AtomicWaker;
use socketioxide::socket::Sid;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;
use tokio::time::Instant;

/// The connections of a server, over whatever transport. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wires(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// Their WebSockets. Anybody may ask for one in the name of another connection.
    open: HashMap<Sid, Vec<Arc<Wire>>>,
    /// Those that were cut, and when.
    cut: HashMap<Sid, Instant>,
}

/// That a WebSocket carries a connection.
#[derive(Debug)]
pub(crate) struct Carried {
    wires: Wires,
    socket: Sid,
    wire: Arc<Wire>,
}

impl Drop for Carried {
    fn drop(&mut self) {
        let mut known = self.wires.lock();
        if let Some(wires) = known.open.get_mut(&self.socket) {
            wires.retain(|wire| !Arc::ptr_eq(wire, &self.wire));
            if wires.is_empty() {
                known.open.remove(&self.socket);
            }
        }
    }
}

/// A WebSocket.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    cut: AtomicBool,
    reader: AtomicWaker,
}

impl Wire {
    /// Whether it was cut off; if not yet, this will be woken.
    pub(crate) fn watch(&self, reader: &Waker) -> bool {
        self.reader.register(reader);
        self.is_cut()
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.reader.wake();
    }
}

impl Wires {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A WebSocket carries this connection, until what is returned is dropped.
    pub(crate) fn carries(&self, socket: Sid, wire: &Arc<Wire>) -> Carried {
        let mut known = self.lock();
        if known.cut.contains_key(&socket) {
            wire.cut();
        }
        known.open.entry(socket).or_default().push(wire.clone());
        Carried {
            wires: self.clone(),
            socket,
            wire: wire.clone(),
        }
    }

    /// Cuts a connection off.
    pub(crate) fn cut(&self, socket: Sid, now: Instant) {
        let mut known = self.lock();
        known.cut.insert(socket, now);
        let wires = known.open.get(&socket).into_iter().flatten();
        wires.for_each(|wire| wire.cut());
    }

    pub(crate) fn is_cut(&self, socket: Sid) -> bool {
        self.lock().cut.contains_key(&socket)
    }

    /// Forgets what was cut off so long ago that socketioxide has noticed.
    pub(crate) fn expire(&self, now: Instant, age: Duration) {
        let recent = |_: &Sid, cut: &mut Instant| now.duration_since(*cut) < age;
        self.lock().cut.retain(recent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_was_cut_stays_so_until_it_is_forgotten() {
        let (wires, wire, later) = (Wires::default(), Arc::default(), Arc::default());
        let (socket, now) = (Sid::new(), Instant::now());
        let carried = wires.carries(socket, &wire);
        assert!(!wire.is_cut() && !wires.is_cut(socket));
        wires.cut(socket, now);
        let also = wires.carries(socket, &later);
        assert!(wire.is_cut() && later.is_cut() && wires.is_cut(socket));
        drop((carried, also));
        let age = Duration::from_secs(1);
        wires.expire(now + age / 2, age);
        assert!(wires.is_cut(socket));
        wires.expire(now + age, age);
        let known = wires.lock();
        assert!(known.open.is_empty() && known.cut.is_empty());
    }
}
