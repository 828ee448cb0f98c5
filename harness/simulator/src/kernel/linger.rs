//! `SO_LINGER` with a time (`socket(7)`): who closes a connection waits until the peer has acknowledged all that
//! was sent, and the end of it. When the time is over first, the kernel brings the connection to its end as
//! ever. The wait blocks a thread, even if the socket never does otherwise.

use super::flow::FlowId;
use super::socket::State;
use super::tcp::{Entry, Tcp};
use super::{Kernel, Object};
use crate::network::nanos;
use std::time::Duration;

/// What the last `close` of a connection waits for, and until when at the most, in the machine's own time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Linger {
    pub(crate) flow: FlowId,
    pub(crate) until: u64,
}

impl Kernel {
    /// For what closing this descriptor may have to wait.
    pub(super) fn linger_of_close(&self, fd: i32) -> Option<Linger> {
        let slot = self.objects[self.descriptors.get(&fd)?.0].as_ref()?;
        let Object::Socket(socket) = &slot.object else {
            return None;
        };
        let time = socket
            .options
            .linger
            .filter(|time| *time > Duration::ZERO)?;
        match socket.state {
            State::Connected(flow) if slot.descriptors == 1 => Some(Linger {
                flow,
                until: self.time_of_process().saturating_add(nanos(time)),
            }),
            _ => None,
        }
    }

    /// A thread begins to wait for the end of a connection that it has closed.
    pub(crate) fn begin_to_linger(&mut self, linger: Linger) {
        self.tcp.lingering.push(linger.flow);
    }
}

impl Tcp {
    /// Whether a connection waits for the peer to acknowledge its end.
    pub(super) fn is_closing(&self, id: FlowId) -> bool {
        matches!(&self.flows[id.0], Some(Entry::Flow(flow)) if flow.is_closing())
    }

    /// Whether somebody may still have to wait for this connection.
    pub(super) fn is_lingering(&self, id: FlowId) -> bool {
        self.lingering.contains(&id)
    }

    /// The peer has everything, or will never have it.
    pub(super) fn stop_lingering(&mut self, id: FlowId) {
        self.lingering.retain(|&lingering| lingering != id);
    }
}
