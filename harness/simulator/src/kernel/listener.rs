//! Listeners: the handshakes in progress, and the connections that wait to be accepted.
//!
//! A SYN is answered, but nothing is built for it. What is kept is a [`Request`]: the SYN and the seed of the
//! answer, a few hundred bytes. Should the handshake be completed, the same steps are taken again and lead to
//! the same connection. So a flood of SYNs from forged addresses costs little, and since the oldest request
//! gives way, it does not lock out the others. Who gave way is not answered again, but his handshake can still be
//! completed, as with Linux's SYN cookies, which keep in the answer what we keep here.

use super::connection::segment::{Header, Segment, flag};
use super::flow::{Flow, FlowId, MTU};
use super::options::Options;
use super::packet::{Endpoints, Packet};
use super::ports::Claim;
use super::tcp::{Entry, Established, Tcp};
use super::{ObjectId, Result};
use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

/// Linux's ceiling for a listener's backlog (`somaxconn`).
const MAX_BACKLOG: usize = 4096;

/// How many handshakes may be in progress however small the backlog is.
const MIN_REQUESTS: usize = 256;

/// How many of those that gave way can still complete their handshakes: 2 MB of them.
const MAX_COOKIES: usize = 4096;

/// When the answer to a SYN is sent again: after a second, then after twice as long, five times
/// (`tcp_synack_retries`).
const FIRST_RETRY: u64 = 1_000_000_000;
const RETRIES: u32 = 5;

pub(super) struct Listener {
    options: Options,
    backlog: usize,
    /// In the middle of their handshake, with the number of their SYN: the oldest first.
    requests: BTreeSet<(u64, FlowId)>,
    /// The same, of those that gave way.
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

/// A SYN that was answered.
pub(super) struct Request {
    pub(super) endpoints: Endpoints,
    listener: ObjectId,
    number: u64,
    syn: Header,
    /// The seed of the connection to be: from it follows the initial sequence number.
    seed: u64,
    answered_at: u64,
    retries: u32,
}

impl Tcp {
    pub(super) fn listen(
        &mut self,
        local: SocketAddr,
        backlog: i32,
        options: Options,
        socket: ObjectId,
    ) -> Result<()> {
        // A negative backlog is a very large one, as in Linux.
        let backlog =
            usize::try_from(backlog).map_or(MAX_BACKLOG, |wanted| wanted.min(MAX_BACKLOG));
        if let Some(listener) = self.listeners.get_mut(&socket) {
            listener.backlog = backlog;
            return Ok(());
        }
        let claim = Claim::new(local.ip(), &options);
        self.ports.listen(claim, local.port(), socket)?;
        let listener = Listener {
            options,
            backlog,
            requests: BTreeSet::new(),
            cookies: BTreeSet::new(),
            queue: VecDeque::new(),
        };
        self.listeners.insert(socket, listener);
        Ok(())
    }

    pub(super) fn set_listener_options(&mut self, socket: ObjectId, options: Options) {
        if let Some(listener) = self.listeners.get_mut(&socket) {
            listener.options = options;
        }
    }

    pub(super) fn accept(&mut self, socket: ObjectId) -> Option<Established> {
        let flow = self.listeners.get_mut(&socket)?.queue.pop_front()?;
        let peer = self.addresses(flow).peer;
        Some(Established { flow, peer })
    }

    /// Nobody listens any more. Who is in the middle of a handshake learns of it when the handshake goes on.
    pub(super) fn close_listener(&mut self, socket: ObjectId, now: u64) {
        let Some(listener) = self.listeners.remove(&socket) else {
            return;
        };
        for (_, request) in listener.requests.into_iter().chain(listener.cookies) {
            self.remove(request);
        }
        for flow in listener.queue {
            self.abort(flow, now);
        }
    }

    /// A SYN from somebody unknown. It is dropped, to be sent again, when no connection more can wait to be
    /// accepted.
    pub(super) fn request(
        &mut self,
        endpoints: Endpoints,
        socket: ObjectId,
        syn: Header,
        now: u64,
    ) {
        let Some(listener) = self
            .listeners
            .get_mut(&socket)
            .filter(|listener| !listener.is_full())
        else {
            return;
        };
        let most = listener.backlog.max(MIN_REQUESTS);
        if listener.requests.len() >= most
            && let Some(oldest) = listener.requests.pop_first()
        {
            listener.cookies.insert(oldest);
            let too_many = listener.cookies.len() > MAX_COOKIES;
            let forgotten = too_many.then(|| listener.cookies.pop_first()).flatten();
            self.set_timer(oldest.1, None);
            if let Some((_, forgotten)) = forgotten {
                self.remove(forgotten);
            }
        }
        let request = Request {
            endpoints,
            listener: socket,
            number: self.next_request(),
            syn,
            seed: self.next_seed(),
            answered_at: now,
            retries: 0,
        };
        let number = request.number;
        let id = self.insert(endpoints, Entry::Request(Box::new(request)));
        if let Some(listener) = self.listeners.get_mut(&socket) {
            listener.requests.insert((number, id));
        }
        self.answer(id, now);
    }

    /// Sends the answer to a SYN, the first time or again.
    pub(super) fn answer(&mut self, id: FlowId, now: u64) {
        let mtu = self.mtu_of(id);
        let Some(Entry::Request(request)) = &mut self.flows[id.0] else {
            return;
        };
        request.answered_at = now;
        let due = now + (FIRST_RETRY << request.retries);
        let Some(listener) = self.listeners.get(&request.listener) else {
            return;
        };
        request.rebuild(listener.options, mtu, &mut self.outgoing);
        self.set_timer(id, Some(due));
    }

    /// Nobody completed the handshake in time.
    pub(super) fn retry(&mut self, id: FlowId, now: u64) {
        let Some(Entry::Request(request)) = &mut self.flows[id.0] else {
            return;
        };
        request.retries += 1;
        if request.retries > RETRIES {
            self.drop_request(id);
        } else {
            self.answer(id, now);
        }
    }

    fn mtu_of(&self, request: FlowId) -> usize {
        match &self.flows[request.0] {
            Some(Entry::Request(request)) => self.mtu_to(request.endpoints.peer.ip()),
            _ => MTU,
        }
    }

    fn drop_request(&mut self, id: FlowId) {
        if let Some(Entry::Request(request)) = &self.flows[id.0]
            && let Some(listener) = self.listeners.get_mut(&request.listener)
        {
            listener.forget((request.number, id));
        }
        self.remove(id);
    }

    /// A packet for a connection whose handshake is not complete. Returns the socket to notify.
    pub(super) fn continue_handshake(
        &mut self,
        id: FlowId,
        segment: &Segment<'_>,
        now: u64,
    ) -> Option<ObjectId> {
        let mtu = self.mtu_of(id);
        let Some(Entry::Request(request)) = &mut self.flows[id.0] else {
            return None;
        };
        if segment.header.has(flag::SYN) && !segment.header.has(flag::RST) {
            // The SYN again, as its sender has seen no answer; or a new one, which is an attempt anew.
            request.syn = segment.header;
            self.answer(id, now);
            return None;
        }
        let listener = self.listeners.get_mut(&request.listener)?;
        if listener.is_full() {
            return None;
        }
        let (socket, number) = (request.listener, request.number);
        let mut flow = request.rebuild(listener.options, mtu, &mut Vec::new());
        let changes = flow.take(now, segment, &mut self.outgoing);
        if flow.is_opening() {
            // The last packet of the handshake is still to come.
            return None;
        }
        if !changes.established {
            self.drop_request(id);
            return None;
        }
        listener.forget((number, id));
        listener.queue.push_back(id);
        self.complete(id, flow, now);
        Some(socket)
    }
}

impl Request {
    /// The connection as it was when the SYN had been answered. The answer goes to `outgoing`.
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
