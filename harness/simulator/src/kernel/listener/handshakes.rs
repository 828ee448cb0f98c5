//! The handshakes of connections begun by peers.

use super::{FIRST_RETRY, Listener, MAX_BACKLOG, MAX_COOKIES, MIN_REQUESTS, RETRIES, Request};
use crate::kernel::connection::segment::{Header, Segment, flag};
use crate::kernel::errno::Result;
use crate::kernel::flow::MTU;
use crate::kernel::ids::{FlowId, ObjectId};
use crate::kernel::options::Options;
use crate::kernel::packet::Endpoints;
use crate::kernel::ports::Claim;
use crate::kernel::tcp::{Entry, Established, Tcp};
use std::collections::{BTreeSet, VecDeque};
use std::net::SocketAddr;

impl Tcp {
    pub(in crate::kernel) fn listen(
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

    pub(in crate::kernel) fn set_listener_options(&mut self, socket: ObjectId, options: Options) {
        if let Some(listener) = self.listeners.get_mut(&socket) {
            listener.options = options;
        }
    }

    pub(in crate::kernel) fn accept(&mut self, socket: ObjectId) -> Option<Established> {
        let flow = self.listeners.get_mut(&socket)?.queue.pop_front()?;
        let peer = self.addresses(flow).peer;
        Some(Established { flow, peer })
    }

    /// The listener is closed. Peers in the middle of a handshake learn of it when the handshake
    /// continues.
    pub(in crate::kernel) fn close_listener(&mut self, socket: ObjectId, now: u64) {
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

    /// A SYN from an unknown peer. It is dropped, and will be resent, if no more connections can
    /// wait to be accepted.
    pub(in crate::kernel) fn request(
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

    /// Sends or resends the answer to a SYN.
    pub(in crate::kernel) fn answer(&mut self, id: FlowId, now: u64) {
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

    /// The handshake was not completed in time.
    pub(in crate::kernel) fn retry(&mut self, id: FlowId, now: u64) {
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
    pub(in crate::kernel) fn continue_handshake(
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
            // The SYN again, if its sender has not seen an answer; or a new one, which is a new
            // attempt.
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
