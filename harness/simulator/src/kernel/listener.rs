//! Listeners: the handshakes in progress, and the connections waiting to be accepted.
//!
//! A SYN is answered, but nothing is built for it. What is kept is a [`Request`]: the SYN and the
//! seed of the answer, a few hundred bytes. If the handshake is completed, the same steps are
//! repeated and lead to the same connection. So a flood of SYNs from forged addresses costs little,
//! and since the oldest request gives way, it does not lock out other peers. A request that gave
//! way is not answered again, but its handshake can still be completed, as with Linux's SYN
//! cookies, which keep in the answer what we keep here.

mod handshakes;

use super::connection::segment::Header;
use super::flow::Flow;
use super::ids::{FlowId, ObjectId};
use super::options::Options;
use super::packet::{Endpoints, Packet};
use std::collections::{BTreeSet, VecDeque};

/// Linux's ceiling for a listener's backlog (`somaxconn`).
const MAX_BACKLOG: usize = 4096;

/// How many handshakes may be in progress, however small the backlog is.
const MIN_REQUESTS: usize = 256;

/// How many requests that gave way can still complete their handshakes: 2 MB of them.
const MAX_COOKIES: usize = 4096;

/// When the answer to a SYN is resent: after a second, then at intervals that double, five times
/// (`tcp_synack_retries`).
const FIRST_RETRY: u64 = 1_000_000_000;
const RETRIES: u32 = 5;

pub(super) struct Listener {
    options: Options,
    backlog: usize,
    /// Requests in the middle of their handshake, with the number of their SYN; oldest first.
    requests: BTreeSet<(u64, FlowId)>,
    /// The same for those that gave way.
    cookies: BTreeSet<(u64, FlowId)>,
    /// Ready to be accepted.
    queue: VecDeque<FlowId>,
}

impl Listener {
    pub(super) fn has_ready(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Linux compares with "greater than": one more fits than was asked for.
    fn is_full(&self) -> bool {
        self.queue.len() > self.backlog
    }

    fn forget(&mut self, request: (u64, FlowId)) {
        self.requests.remove(&request);
        self.cookies.remove(&request);
    }
}

/// An answered SYN.
pub(super) struct Request {
    pub(super) endpoints: Endpoints,
    listener: ObjectId,
    number: u64,
    syn: Header,
    /// The seed of the connection to be, from which the initial sequence number is derived.
    seed: u64,
    answered_at: u64,
    retries: u32,
}

impl Request {
    /// The connection as it was after the SYN had been answered. The answer goes to `outgoing`.
    fn rebuild(&self, options: Options, mtu: usize, outgoing: &mut Vec<Packet>) -> Flow {
        let when = (self.answered_at, self.retries + 1);
        Flow::answer(
            self.endpoints,
            options,
            self.seed,
            mtu,
            when,
            &self.syn,
            outgoing,
        )
    }
}
