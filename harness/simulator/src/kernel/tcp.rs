//! All TCP connections and listeners of a machine: which one gets a packet, and whose timer is due.
//!
//! A packet finds its flow by its two endpoints, a timer by its time. The cost of a packet does not
//! depend on how many connections the machine has.

mod calls;

use super::connection::Outlet;
use super::connection::info::Info;
use super::connection::segment::{Segment, flag};
use super::envelope::{Envelope, Post};
use super::errno::{Errno, Result};
use super::flow::{Changes, Flow, MTU, Owner};
use super::ids::{FlowId, ObjectId};
use super::listener::{Listener, Request};
use super::options::Options;
use super::packet::{Endpoints, Packet};
use super::ports::{Ports, Protocol};
use super::socket::{Socket, State};
use crate::alarms::Alarms;
use libc::EPOLLIN;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};

/// An established connection from a listener.
pub(super) struct Established {
    pub(super) flow: FlowId,
    pub(super) peer: SocketAddr,
}

/// What exists between two endpoints.
pub(super) enum Entry {
    Flow(Box<Flow>),
    /// A handshake begun by the peer and not completed.
    Request(Box<Request>),
}

pub(super) struct Tcp {
    pub(super) ports: Ports,
    pub(super) listeners: FxHashMap<ObjectId, Listener>,
    pub(super) flows: Vec<Option<Entry>>,
    pub(super) outgoing: Vec<Packet>,
    free: Vec<FlowId>,
    by_endpoints: FxHashMap<Endpoints, FlowId>,
    dirty: VecDeque<FlowId>,
    timers: Alarms,
    /// The path MTUs to destinations for which a router has reported less than usual. (Linux
    /// forgets them after ten minutes.)
    pub(super) path_mtus: FxHashMap<IpAddr, u16>,
    /// Closed connections for which a thread waits until the peer has received everything.
    pub(super) lingering: Vec<FlowId>,
    seed: u64,
    requests: u64,
}

impl Tcp {
    /// `seed` determines the ports and the initial sequence numbers.
    pub(super) fn new(seed: u64) -> Self {
        Self {
            ports: Ports::new(Protocol::Tcp, seed),
            listeners: FxHashMap::default(),
            flows: Vec::new(),
            outgoing: Vec::new(),
            free: Vec::new(),
            by_endpoints: FxHashMap::default(),
            dirty: VecDeque::new(),
            timers: Alarms::default(),
            path_mtus: FxHashMap::default(),
            lingering: Vec::new(),
            seed,
            requests: 0,
        }
    }

    fn flow(&self, flow: FlowId) -> &Flow {
        match &self.flows[flow.0] {
            Some(Entry::Flow(flow)) => flow,
            _ => unreachable!("a flow lives as long as its owner"),
        }
    }

    pub(super) fn flow_mut(&mut self, flow: FlowId) -> &mut Flow {
        match &mut self.flows[flow.0] {
            Some(Entry::Flow(flow)) => flow,
            _ => unreachable!("a flow lives as long as its owner"),
        }
    }

    /// The flow between two ends, if their handshake is complete.
    pub(super) fn flow_between(&self, endpoints: &Endpoints) -> Option<FlowId> {
        let &flow = self.by_endpoints.get(endpoints)?;
        matches!(self.flows[flow.0], Some(Entry::Flow(_))).then_some(flow)
    }

    /// The largest IP packet known to reach a destination.
    pub(super) fn mtu_to(&self, destination: IpAddr) -> usize {
        let known = self.path_mtus.get(&destination);
        known.map_or(MTU, |&mtu| usize::from(mtu))
    }

    /// The flow's timer has to be checked again.
    fn touch(&mut self, id: FlowId) {
        if !std::mem::replace(&mut self.flow_mut(id).dirty, true) {
            self.dirty.push_back(id);
        }
    }

    /// Makes a flow do something that may produce packets.
    pub(super) fn with<T>(
        &mut self,
        id: FlowId,
        act: impl FnOnce(&mut Flow, &mut Vec<Packet>) -> T,
    ) -> T {
        self.touch(id);
        let Some(Entry::Flow(flow)) = &mut self.flows[id.0] else {
            unreachable!("a flow lives as long as its owner");
        };
        act(flow, &mut self.outgoing)
    }

    /// The seed of the next flow. Any odd constant spreads the seeds.
    pub(super) fn next_seed(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.seed
    }

    /// Numbers the handshakes begun by peers.
    pub(super) fn next_request(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }

    pub(super) fn insert(&mut self, endpoints: Endpoints, entry: Entry) -> FlowId {
        if let Entry::Flow(flow) = &entry {
            self.ports.connect(flow.claim, endpoints.local.port());
        }
        let id = self.free.pop().unwrap_or(FlowId(self.flows.len()));
        match self.flows.get_mut(id.0) {
            Some(slot) => *slot = Some(entry),
            None => self.flows.push(Some(entry)),
        }
        self.by_endpoints.insert(endpoints, id);
        id
    }

    /// A handshake begun by the peer is complete.
    pub(super) fn complete(&mut self, id: FlowId, flow: Flow, now: u64) {
        self.ports.connect(flow.claim, flow.endpoints.local.port());
        self.flows[id.0] = Some(Entry::Flow(Box::new(flow)));
        self.work(id, now);
    }

    pub(super) fn remove(&mut self, id: FlowId) {
        let endpoints = match self.flows[id.0].take() {
            Some(Entry::Flow(flow)) => {
                self.ports
                    .disconnect(flow.claim, flow.endpoints.local.port());
                flow.endpoints
            }
            Some(Entry::Request(request)) => request.endpoints,
            None => return,
        };
        self.set_timer(id, None);
        self.by_endpoints.remove(&endpoints);
        self.free.push(id);
    }

    /// How many connections there are, not counting incomplete handshakes.
    pub(super) fn connections(&self) -> usize {
        let entries = self.flows.iter().flatten();
        entries
            .filter(|entry| matches!(entry, Entry::Flow(_)))
            .count()
    }

    pub(super) fn set_timer(&mut self, id: FlowId, at: Option<u64>) {
        self.timers.set(id.0 as u32, at);
    }

    /// Begins a connection; from a port chosen here if that of `local` is zero.
    pub(super) fn connect(
        &mut self,
        mut local: SocketAddr,
        peer: SocketAddr,
        options: Options,
        socket: ObjectId,
        now: u64,
    ) -> Result<FlowId> {
        let taken = &self.by_endpoints;
        let is_free = |port| {
            let local = SocketAddr::new(local.ip(), port);
            !taken.contains_key(&Endpoints { local, peer })
        };
        let port = match local.port() {
            0 => self.ports.choose(is_free),
            bound => is_free(bound).then_some(bound),
        };
        local.set_port(port.ok_or(Errno(libc::EADDRNOTAVAIL))?);
        let endpoints = Endpoints { local, peer };
        let seed = self.next_seed();
        let mtu = self.mtu_to(peer.ip());
        let owner = Owner::Socket(socket);
        let flow = Flow::connect(endpoints, owner, options, seed, mtu, now);
        let id = self.insert(endpoints, Entry::Flow(Box::new(flow)));
        self.work(id, now);
        Ok(id)
    }

    pub(super) fn set_owner(&mut self, flow: FlowId, socket: ObjectId) {
        self.flow_mut(flow).owner = Owner::Socket(socket);
    }

    pub(super) fn set_options(&mut self, flow: FlowId, options: Options, now: u64) {
        self.with(flow, |flow, outgoing| {
            flow.set_options(options, now, outgoing)
        });
    }

    /// `TCP_QUICKACK`.
    pub(super) fn set_quick(&mut self, flow: FlowId, quick: bool, now: u64) {
        self.with(flow, |flow, outgoing| flow.set_quick(quick, now, outgoing));
    }

    pub(super) fn receive(
        &mut self,
        id: FlowId,
        buffer: &mut [MaybeUninit<u8>],
        peek: bool,
        now: u64,
    ) -> Result<usize> {
        let before = self.outgoing.len();
        let Some(Entry::Flow(flow)) = &mut self.flows[id.0] else {
            unreachable!("a flow lives as long as its owner");
        };
        let read = flow.receive(now, buffer, peek, &mut self.outgoing)?;
        if self.outgoing.len() > before {
            self.touch(id);
        }
        Ok(read)
    }

    pub(super) fn send(&mut self, flow: FlowId, bytes: &[u8], now: u64) -> Result<usize> {
        self.with(flow, |flow, outgoing| flow.send(now, bytes, outgoing))
    }

    pub(super) fn shutdown(
        &mut self,
        flow: FlowId,
        (read, write): (bool, bool),
        now: u64,
    ) -> Result<()> {
        self.with(flow, |flow, outgoing| {
            flow.shutdown(now, (read, write), outgoing)
        })
    }

    /// The process closes a connection. The kernel finishes it.
    pub(super) fn close(&mut self, flow: FlowId, now: u64) {
        self.with(flow, |flow, outgoing| flow.close(now, outgoing));
        self.work(flow, now);
    }

    /// Ends a connection with a reset.
    pub(super) fn abort(&mut self, flow: FlowId, now: u64) {
        self.with(flow, |flow, outgoing| flow.abort(outgoing));
        self.work(flow, now);
    }

    /// `TCP_INFO`.
    pub(super) fn info(&self, flow: FlowId, now: u64) -> Info {
        self.flow(flow).info(now)
    }

    pub(super) fn waiting_bytes(&self, flow: FlowId) -> usize {
        self.flow(flow).waiting_bytes()
    }

    pub(super) fn addresses(&self, flow: FlowId) -> Endpoints {
        self.flow(flow).endpoints
    }

    pub(super) fn has_peer(&self, flow: FlowId) -> bool {
        self.flow(flow).has_peer()
    }

    pub(super) fn is_opening(&self, flow: FlowId) -> bool {
        self.flow(flow).is_opening()
    }

    pub(super) fn has_failed_to_open(&self, flow: FlowId) -> bool {
        self.flow(flow).has_failed_to_open()
    }

    pub(super) fn take_error(&mut self, flow: FlowId) -> Option<Errno> {
        self.flow_mut(flow).take_error()
    }

    pub(super) fn readiness(&self, id: ObjectId, socket: &Socket) -> u32 {
        match &socket.state {
            State::Idle => (libc::EPOLLOUT | libc::EPOLLHUP) as u32,
            State::Listening => match self.listeners.get(&id) {
                Some(listener) if listener.has_ready() => EPOLLIN as u32,
                _ => 0,
            },
            State::Connected(flow) => self.flow(*flow).readiness(),
            State::Datagrams(mailbox) => mailbox.readiness(),
        }
    }

    /// Passes a segment to a flow. When the flow next has something to do is noted by
    /// [`Tcp::work`]: at once, or after the process's turn.
    fn take(
        &mut self,
        id: FlowId,
        segment: &Segment<'_>,
        now: u64,
        at_once: bool,
    ) -> Option<ObjectId> {
        let changes = self.with(id, |flow, outgoing| flow.take(now, segment, outgoing));
        let watcher = self.follow(id, changes);
        match at_once {
            true => self.work(id, now).or(watcher),
            false => watcher,
        }
    }

    /// Makes a flow send what is due, and sets its timer. Returns the socket to notify.
    pub(super) fn work(&mut self, id: FlowId, now: u64) -> Option<ObjectId> {
        let Some(Entry::Flow(flow)) = &mut self.flows[id.0] else {
            return None;
        };
        flow.dirty = false;
        let (changes, next) = flow.work(now, &mut self.outgoing);
        let next = next.filter(|_| !flow.is_over());
        self.set_timer(id, next);
        self.follow(id, changes)
    }

    /// Acts on a change. Returns the socket to notify.
    fn follow(&mut self, id: FlowId, changes: Changes) -> Option<ObjectId> {
        let flow = self.flow(id);
        match flow.owner {
            Owner::Socket(socket) => changes.notify.then_some(socket),
            // Linux lets the program accept a connection that was reset in the queue.
            Owner::Listener => None,
            Owner::Nobody => {
                let (is_closing, is_over) = (flow.is_closing(), flow.is_over());
                if !is_closing {
                    self.stop_lingering(id);
                }
                if is_over {
                    self.remove(id);
                }
                None
            }
        }
    }

    /// A timer fires. Returns the socket to notify.
    fn run_timer(&mut self, id: FlowId, now: u64) -> Option<ObjectId> {
        match self.flows[id.0] {
            Some(Entry::Flow(_)) => self.work(id, now),
            Some(Entry::Request(_)) => {
                self.set_timer(id, None);
                self.retry(id, now);
                None
            }
            None => unreachable!("what is removed has no timer"),
        }
    }

    /// Takes a segment from the network. Returns the socket to notify.
    fn receive_packet(&mut self, packet: &Packet, now: u64, at_once: bool) -> Option<ObjectId> {
        let ip = packet.ip()?;
        let segment = Segment::read(ip.payload)?;
        let port = |at: usize| u16::from_be_bytes([ip.payload[at], ip.payload[at + 1]]);
        let endpoints = Endpoints {
            local: SocketAddr::new(ip.destination, port(2)),
            peer: SocketAddr::new(ip.source, port(0)),
        };
        let header = &segment.header;
        if let Some(&id) = self.by_endpoints.get(&endpoints) {
            match &self.flows[id.0] {
                Some(Entry::Request(_)) => return self.continue_handshake(id, &segment, now),
                Some(Entry::Flow(flow)) if flow.gives_way(header) => self.remove(id),
                _ => return self.take(id, &segment, now, at_once),
            }
        }
        let local = endpoints.local;
        let listener = (header.has(flag::SYN) && !header.has(flag::ACK | flag::RST))
            .then(|| {
                self.ports
                    .listener(local.ip(), local.port(), endpoints.spread())
            })
            .flatten();
        match listener {
            Some(socket) => self.request(endpoints, socket, *header, now),
            None => self.refuse(endpoints, &segment),
        }
        None
    }

    /// No flow matches: the answer is a reset (RFC 9293, section 3.10.7.1).
    fn refuse(&mut self, endpoints: Endpoints, segment: &Segment<'_>) {
        if let Some(reset) = segment.reset() {
            let mut post = Post {
                envelope: Envelope::new(endpoints),
                outgoing: &mut self.outgoing,
            };
            post.send(&reset, 0, |_| {});
        }
    }
}
