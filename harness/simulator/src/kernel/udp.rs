//! UDP (RFC 768), and the part of ICMP that it needs: that no socket listens on a port (RFC 1122,
//! 4.1.3.1).
//!
//! A datagram finds its socket by the two endpoints if the socket is connected, and by its port
//! otherwise. Unread datagrams are dropped once they fill the receive buffer, as on Linux.

mod calls;

use super::ancillary::Arrival;
use super::errno::{Errno, Result};
use super::ids::ObjectId;
use super::packet::{Endpoints, Packet};
use super::ports::{Ports, Protocol};
use super::transfer::{How, Received};
use libc::{EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::net::SocketAddr;

/// The cost of a waiting datagram in addition to its payload: Linux's `sk_buff` and the slack
/// around it.
const OVERHEAD: usize = 768;

/// The largest payloads: 65535 bytes less the headers that count towards it.
const MAX_PAYLOAD_V4: usize = 65_507;
const MAX_PAYLOAD_V6: usize = 65_527;

/// A datagram that has arrived.
struct Datagram {
    from: SocketAddr,
    arrival: Arrival,
    payload: Vec<u8>,
}

/// What only UDP sockets have.
#[derive(Default)]
pub(super) struct Mailbox {
    /// Set by `connect`.
    pub(super) endpoints: Option<Endpoints>,
    waiting: VecDeque<Datagram>,
    waiting_bytes: usize,
    error: Option<Errno>,
    read_shut: bool,
    write_shut: bool,
    /// The port was chosen by `connect` or by the first datagram, not by `bind`.
    bound_by_itself: bool,
}

impl Mailbox {
    fn put(&mut self, datagram: Datagram, most: usize) {
        let bytes = datagram.payload.len() + OVERHEAD;
        if self.waiting_bytes < 2 * most {
            self.waiting_bytes += bytes;
            self.waiting.push_back(datagram);
        }
    }

    fn take(&mut self, buffer: &mut [MaybeUninit<u8>], how: How) -> Result<Received> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        let Some(first) = self.waiting.front() else {
            return Err(Errno(libc::EAGAIN));
        };
        let copied = first.payload.len().min(buffer.len());
        buffer[..copied].write_copy_of_slice(&first.payload[..copied]);
        let received = Received {
            copied,
            full: first.payload.len(),
            from: Some(first.from),
            arrival: Some(first.arrival),
        };
        if !how.peek {
            self.waiting_bytes -= received.full + OVERHEAD;
            self.waiting.pop_front();
        }
        Ok(received)
    }

    pub(super) fn take_error(&mut self) -> Option<Errno> {
        self.error.take()
    }

    /// The payload length of the first waiting datagram, in bytes (`FIONREAD`).
    pub(super) fn first_length(&self) -> usize {
        self.waiting.front().map_or(0, |first| first.payload.len())
    }

    /// Linux records the request even when it reports that there is no peer.
    pub(super) fn shutdown(&mut self, read: bool, write: bool) -> Result<()> {
        self.read_shut |= read;
        self.write_shut |= write;
        self.endpoints.map(drop).ok_or(Errno(libc::ENOTCONN))
    }

    /// What `poll(2)` would report.
    pub(super) fn readiness(&self) -> u32 {
        let mut events = EPOLLOUT as u32;
        for (applies, event) in [
            (self.read_shut || !self.waiting.is_empty(), EPOLLIN),
            (self.read_shut, EPOLLRDHUP),
            (self.read_shut && self.write_shut, EPOLLHUP),
            (self.error.is_some(), EPOLLERR),
        ] {
            if applies {
                events |= event as u32;
            }
        }
        events
    }
}

pub(super) struct Udp {
    pub(super) ports: Ports,
    pub(super) outgoing: Vec<Packet>,
    connected: FxHashMap<Endpoints, ObjectId>,
}

impl Udp {
    pub(super) fn new(first_port: u64) -> Self {
        Self {
            ports: Ports::new(Protocol::Udp, first_port),
            outgoing: Vec::new(),
            connected: FxHashMap::default(),
        }
    }

    fn recipient(&self, endpoints: &Endpoints) -> Option<ObjectId> {
        let Endpoints { local, .. } = endpoints;
        self.connected.get(endpoints).copied().or_else(|| {
            self.ports
                .listener(local.ip(), local.port(), endpoints.spread())
        })
    }

    /// A socket's peer has changed, or is gone.
    pub(super) fn reconnect(
        &mut self,
        id: ObjectId,
        port: u16,
        before: Option<Endpoints>,
        after: Option<Endpoints>,
    ) {
        if let Some(before) = before
            && self.connected.get(&before) == Some(&id)
        {
            self.connected.remove(&before);
        }
        if let Some(after) = after {
            self.connected.insert(after, id);
        }
        self.ports.set_listening(port, id, after.is_none());
    }
}
