//! Threads that wait for the end of a connection that they have closed.

use super::Linger;
use crate::kernel::ids::FlowId;
use crate::kernel::socket::State;
use crate::kernel::tcp::{Entry, Tcp};
use crate::kernel::{Kernel, Object};
use crate::time::nanos;
use std::time::Duration;

impl Kernel {
    /// What closing this descriptor may have to wait for.
    pub(in crate::kernel) fn linger_of_close(&self, fd: i32) -> Option<Linger> {
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
    pub(in crate::kernel) fn is_closing(&self, id: FlowId) -> bool {
        matches!(&self.flows[id.0], Some(Entry::Flow(flow)) if flow.is_closing())
    }

    /// Whether a thread may still have to wait for this connection.
    pub(in crate::kernel) fn is_lingering(&self, id: FlowId) -> bool {
        self.lingering.contains(&id)
    }

    /// The peer has received everything, or never will.
    pub(in crate::kernel) fn stop_lingering(&mut self, id: FlowId) {
        self.lingering.retain(|&lingering| lingering != id);
    }
}
