//! All TCP connections and listeners of a machine: who gets which packet, and whose timer is due.
//!
//! A packet finds its flow by the two endpoints, a timer by its time. What a packet costs does not depend
//! on how many connections the machine has.

use super::flow::{Flow, FlowId, MTU, Owner, instant, interface};
use super::icmp::TooBig;
use super::socket::{Options, Socket, State};
use super::{Errno, Kernel, ObjectId, Result};
use crate::entropy::{Door, Entropy};
use libc::EPOLLIN;
use rustc_hash::FxHashMap;
use smoltcp::iface::SocketSet;
use smoltcp::phy::{self, Checksum, Device, DeviceCapabilities, Medium};
use smoltcp::wire::{IpProtocol, Ipv4Packet, TcpPacket};
use std::collections::{BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};

/// Linux's range of ephemeral ports (`ip_local_port_range`).
const EPHEMERAL_PORTS: std::ops::RangeInclusive<u16> = 32768..=60999;

/// Linux's ceiling for a listener's backlog (`somaxconn`).
const MAX_BACKLOG: usize = 4096;

/// An IP packet on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet(pub(crate) Vec<u8>);

impl Packet {
    /// Where it is going; none if it is not even an IPv4 header.
    pub(crate) fn destination(&self) -> Option<Ipv4Addr> {
        Ipv4Packet::new_checked(&self.0[..])
            .ok()
            .map(|packet| packet.dst_addr())
    }

    /// Whether the kernel answers with it, without the process: it carries no data, and neither opens
    /// nor closes a connection.
    pub(super) fn is_of_the_kernel(&self) -> bool {
        let Ok(ip) = Ipv4Packet::new_checked(&self.0[..]) else {
            return false;
        };
        ip.next_header() == IpProtocol::Tcp
            && TcpPacket::new_checked(ip.payload()).is_ok_and(|tcp| {
                tcp.payload().is_empty() && !tcp.fin() && (!tcp.syn() || tcp.ack())
            })
    }

    /// Where it says that it comes from.
    pub(crate) fn source(&self) -> Option<Ipv4Addr> {
        Ipv4Packet::new_checked(&self.0[..])
            .ok()
            .map(|packet| packet.src_addr())
    }

    fn parse(&self) -> Option<Header> {
        let ip = Ipv4Packet::new_checked(&self.0[..]).ok()?;
        if ip.next_header() != IpProtocol::Tcp {
            return None;
        }
        let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
        Some(Header {
            endpoints: Endpoints {
                local: SocketAddrV4::new(ip.dst_addr(), tcp.dst_port()),
                peer: SocketAddrV4::new(ip.src_addr(), tcp.src_port()),
            },
            opens: tcp.syn() && !tcp.ack(),
        })
    }
}

struct Header {
    endpoints: Endpoints,
    /// A SYN without ACK.
    opens: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Endpoints {
    pub(super) local: SocketAddrV4,
    pub(super) peer: SocketAddrV4,
}

struct Listener {
    local: SocketAddrV4,
    socket: ObjectId,
    backlog: usize,
    /// In the middle of their handshake.
    opening: BTreeSet<FlowId>,
    /// Ready to be accepted.
    queue: VecDeque<FlowId>,
}

/// A connection that a listener has ready.
pub(super) struct Established {
    pub(super) flow: FlowId,
    pub(super) peer: SocketAddrV4,
}

pub(super) struct Tcp {
    flows: Vec<Option<Box<Flow>>>,
    free: Vec<FlowId>,
    by_endpoints: FxHashMap<Endpoints, FlowId>,
    listeners: FxHashMap<u16, Listener>,
    /// Ports that are bound, by sockets which neither listen nor are connected.
    bound: BTreeSet<u16>,
    dirty: VecDeque<FlowId>,
    timers: BTreeSet<(u64, FlowId)>,
    outgoing: Vec<Packet>,
    /// The largest packets to destinations of which a router said that less than usual gets there.
    /// (Linux forgets it after ten minutes.)
    pub(super) path_mtus: FxHashMap<Ipv4Addr, u16>,
    seed: u64,
    next_port: u16,
}

impl Tcp {
    pub(super) fn new(entropy: &mut Entropy) -> Self {
        let seed = entropy.next_u64(Door::Tcp);
        let ports = EPHEMERAL_PORTS.len() as u64;
        Self {
            flows: Vec::new(),
            free: Vec::new(),
            by_endpoints: FxHashMap::default(),
            listeners: FxHashMap::default(),
            bound: BTreeSet::new(),
            dirty: VecDeque::new(),
            timers: BTreeSet::new(),
            outgoing: Vec::new(),
            path_mtus: FxHashMap::default(),
            seed,
            next_port: EPHEMERAL_PORTS.start() + (seed % ports) as u16,
        }
    }

    fn flow(&self, flow: FlowId) -> &Flow {
        self.flows[flow.0]
            .as_deref()
            .expect("a flow lives as long as its owner")
    }

    fn flow_mut(&mut self, flow: FlowId) -> &mut Flow {
        self.flows[flow.0]
            .as_deref_mut()
            .expect("a flow lives as long as its owner")
    }

    pub(super) fn flow_between(&mut self, endpoints: &Endpoints) -> Option<&mut Flow> {
        let flow = *self.by_endpoints.get(endpoints)?;
        self.flows[flow.0].as_deref_mut()
    }

    fn touch(&mut self, id: FlowId) -> &mut Flow {
        if !std::mem::replace(&mut self.flow_mut(id).dirty, true) {
            self.dirty.push_back(id);
        }
        self.flow_mut(id)
    }

    fn insert(&mut self, local: SocketAddrV4, peer: SocketAddrV4, owner: Owner) -> FlowId {
        // Any odd constant spreads the seeds of successive flows.
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mtu = self.path_mtus.get(peer.ip()).copied();
        let mtu = mtu.map_or(MTU, usize::from);
        let flow = Some(Box::new(Flow::new(local, peer, owner, self.seed, mtu)));
        let id = self.free.pop().unwrap_or(FlowId(self.flows.len()));
        match self.flows.get_mut(id.0) {
            Some(slot) => *slot = flow,
            None => self.flows.push(flow),
        }
        self.by_endpoints.insert(Endpoints { local, peer }, id);
        id
    }

    fn remove(&mut self, id: FlowId) {
        if let Some(flow) = self.flows[id.0].take() {
            if let Some(at) = flow.timer {
                self.timers.remove(&(at, id));
            }
            self.by_endpoints.remove(&Endpoints {
                local: flow.local,
                peer: flow.peer,
            });
            self.free.push(id);
        }
    }

    /// The wanted port, or an ephemeral one if that is zero; now bound.
    pub(super) fn choose_port(&mut self, wanted: SocketAddrV4) -> Result<SocketAddrV4> {
        let port = match wanted.port() {
            0 => (0..EPHEMERAL_PORTS.len())
                .find_map(|_| {
                    let port = self.next_ephemeral_port();
                    self.is_free(port).then_some(port)
                })
                .ok_or(Errno(libc::EADDRINUSE))?,
            port => port,
        };
        if !self.is_free(port) {
            return Err(Errno(libc::EADDRINUSE));
        }
        self.bound.insert(port);
        Ok(SocketAddrV4::new(*wanted.ip(), port))
    }

    fn is_free(&self, port: u16) -> bool {
        !self.bound.contains(&port) && !self.listeners.contains_key(&port)
    }

    fn next_ephemeral_port(&mut self) -> u16 {
        let port = self.next_port;
        self.next_port = if port == *EPHEMERAL_PORTS.end() {
            *EPHEMERAL_PORTS.start()
        } else {
            port + 1
        };
        port
    }

    pub(super) fn listen(&mut self, local: SocketAddrV4, backlog: usize, socket: ObjectId) {
        let backlog = backlog.clamp(1, MAX_BACKLOG);
        self.bound.remove(&local.port());
        self.listeners
            .entry(local.port())
            .and_modify(|listener| listener.backlog = backlog)
            .or_insert(Listener {
                local,
                socket,
                backlog,
                opening: BTreeSet::new(),
                queue: VecDeque::new(),
            });
    }

    pub(super) fn accept(&mut self, port: u16) -> Option<Established> {
        let flow = self.listeners.get_mut(&port)?.queue.pop_front()?;
        Some(Established {
            flow,
            peer: self.flow(flow).peer,
        })
    }

    pub(super) fn connect(
        &mut self,
        source: Ipv4Addr,
        bound: Option<SocketAddrV4>,
        peer: SocketAddrV4,
        options: Options,
        socket: ObjectId,
        now: u64,
    ) -> Result<FlowId> {
        let ip = bound
            .map(|bound| *bound.ip())
            .filter(|ip| !ip.is_unspecified())
            .unwrap_or(source);
        let free = |tcp: &Self, port| {
            let local = SocketAddrV4::new(ip, port);
            let taken = tcp.by_endpoints.contains_key(&Endpoints { local, peer });
            (!taken && !tcp.listeners.contains_key(&port)).then_some(local)
        };
        let local = match bound {
            Some(bound) => free(self, bound.port()),
            None => (0..EPHEMERAL_PORTS.len()).find_map(|_| {
                let port = self.next_ephemeral_port();
                free(self, port)
            }),
        };
        let local = local.ok_or(Errno(libc::EADDRNOTAVAIL))?;
        let id = self.insert(local, peer, Owner::Socket(socket));
        self.flow_mut(id).set_options(options);
        if let Err(error) = self.flow_mut(id).connect() {
            self.remove(id);
            return Err(error);
        }
        if let Some(bound) = bound {
            self.bound.remove(&bound.port());
        }
        self.poll(id, now, None);
        Ok(id)
    }

    /// The error of a second `connect` on the same socket.
    pub(super) fn connect_again(&mut self, flow: FlowId) -> Errno {
        match self.flow(flow).is_opening() {
            true => Errno(libc::EALREADY),
            false => Errno(libc::EISCONN),
        }
    }

    pub(super) fn set_owner(&mut self, flow: FlowId, socket: ObjectId) {
        self.flow_mut(flow).owner = Owner::Socket(socket);
    }

    pub(super) fn set_options(&mut self, flow: FlowId, options: Options) {
        self.flow_mut(flow).set_options(options);
    }

    pub(super) fn receive(&mut self, flow: FlowId, buffer: &mut [u8], peek: bool) -> Result<usize> {
        let window_opens = self.flow(flow).may_open_window();
        let read = self.flow_mut(flow).receive(buffer, peek)?;
        if window_opens && read > 0 && !peek {
            self.touch(flow);
        }
        Ok(read)
    }

    pub(super) fn send(&mut self, flow: FlowId, bytes: &[u8]) -> Result<usize> {
        let written = self.flow_mut(flow).send(bytes)?;
        self.touch(flow);
        Ok(written)
    }

    pub(super) fn shutdown(&mut self, flow: FlowId, read: bool, write: bool) -> Result<()> {
        self.touch(flow).shutdown(read, write)
    }

    pub(super) fn addresses(&self, flow: FlowId) -> (SocketAddrV4, SocketAddrV4) {
        (self.flow(flow).local, self.flow(flow).peer)
    }

    pub(super) fn is_connected(&self, flow: FlowId) -> bool {
        !self.flow(flow).is_opening() && !self.flow(flow).is_over()
    }

    pub(super) fn take_error(&mut self, flow: FlowId) -> Option<Errno> {
        self.flow_mut(flow).take_error()
    }

    pub(super) fn readiness(&self, socket: &Socket) -> u32 {
        match &socket.state {
            State::Fresh { .. } => (libc::EPOLLOUT | libc::EPOLLHUP) as u32,
            State::Listening { local } => match self.listeners.get(&local.port()) {
                Some(listener) if !listener.queue.is_empty() => EPOLLIN as u32,
                _ => 0,
            },
            State::Connected(flow) => self.flow(*flow).readiness(),
        }
    }

    /// The process closes a socket. What it leaves behind is brought to an end by the kernel.
    pub(super) fn close(&mut self, socket: &Socket, now: u64) {
        match socket.state {
            State::Fresh { bound: None } => {}
            State::Fresh { bound: Some(local) } => {
                self.bound.remove(&local.port());
            }
            State::Listening { local } => {
                let Some(listener) = self.listeners.remove(&local.port()) else {
                    return;
                };
                // Whoever is in the middle of a handshake learns of it when the handshake goes on.
                listener
                    .opening
                    .into_iter()
                    .for_each(|flow| self.remove(flow));
                for flow in listener.queue {
                    self.flow_mut(flow).abort();
                    self.poll(flow, now, None);
                }
            }
            State::Connected(flow) => {
                self.flow_mut(flow).close();
                self.poll(flow, now, None);
            }
        }
    }

    /// Polls a flow and does what follows from it. Returns the socket to notify.
    fn poll(&mut self, id: FlowId, now: u64, incoming: Option<Packet>) -> Option<ObjectId> {
        let flow = self.flows[id.0].as_deref_mut()?;
        flow.dirty = false;
        let changes = flow.poll(now, incoming, &mut self.outgoing);
        let (owner, over) = (flow.owner, flow.is_over());
        let wanted = if over { None } else { flow.poll_at(now) };
        // Every packet moves the retransmission timer on. A timer that goes off too early only
        // looks again, so it is left where it is.
        if let Some(at) = wanted
            && flow.timer.is_none_or(|set| at < set)
        {
            if let Some(old) = flow.timer.replace(at) {
                self.timers.remove(&(old, id));
            }
            self.timers.insert((at, id));
        }
        match owner {
            Owner::Socket(socket) => changes.notify.then_some(socket),
            Owner::Listener(port) => self.poll_accepted(id, port, changes.established, over),
            Owner::Nobody => {
                if over {
                    self.remove(id);
                }
                None
            }
        }
    }

    /// A connection that nobody has accepted yet was polled.
    fn poll_accepted(
        &mut self,
        id: FlowId,
        port: u16,
        established: bool,
        over: bool,
    ) -> Option<ObjectId> {
        let Some(listener) = self.listeners.get_mut(&port) else {
            self.remove(id);
            return None;
        };
        if established {
            listener.opening.remove(&id);
            listener.queue.push_back(id);
            return Some(listener.socket);
        }
        // Linux lets the program accept a connection that was reset in the queue; one that was
        // never established just disappears.
        if over && listener.opening.remove(&id) {
            self.remove(id);
        }
        None
    }

    /// Takes a packet from the network. Returns the socket to notify.
    fn receive_packet(&mut self, packet: Packet, now: u64) -> Option<ObjectId> {
        if let Some(too_big) = TooBig::read(&packet) {
            self.shrink(&too_big);
            return None;
        }
        let header = packet.parse()?;
        if let Some(&flow) = self.by_endpoints.get(&header.endpoints) {
            return self.poll(flow, now, Some(packet));
        }
        let Endpoints { local, peer } = header.endpoints;
        let listener = self.listeners.get_mut(&local.port()).filter(|listener| {
            header.opens
                && (listener.local.ip().is_unspecified() || listener.local.ip() == local.ip())
        });
        let Some(listener) = listener else {
            // An interface without sockets answers with RST (RFC 9293, 3.10.7.1).
            let mut wire = Wire {
                incoming: Some(packet),
                outgoing: &mut self.outgoing,
                mtu: MTU,
            };
            let mut nobody = interface(*local.ip(), 0, MTU);
            nobody.poll(instant(now), &mut wire, &mut SocketSet::new(Vec::new()));
            return None;
        };
        if listener.opening.len() + listener.queue.len() >= listener.backlog {
            return None;
        }
        let id = self.insert(local, peer, Owner::Listener(local.port()));
        self.listeners.get_mut(&local.port())?.opening.insert(id);
        self.flow_mut(id).listen().ok()?;
        self.poll(id, now, Some(packet))
    }
}

impl Kernel {
    /// A packet arrives from the network.
    pub(crate) fn receive_packet(&mut self, packet: Packet) {
        let watcher = self.tcp.receive_packet(packet, self.now);
        self.notify(watcher);
    }

    /// Lets TCP do what is due by now.
    pub(crate) fn run_timers(&mut self) {
        while let Some(&(at, flow)) = self.tcp.timers.first()
            && at <= self.now
        {
            self.tcp.timers.pop_first();
            self.tcp.flow_mut(flow).timer = None;
            let watcher = self.tcp.poll(flow, self.now, None);
            self.notify(watcher);
        }
    }

    /// Lets TCP send what the process wrote since the last time.
    pub(crate) fn flush(&mut self) {
        while let Some(flow) = self.tcp.dirty.pop_front() {
            let watcher = self.tcp.poll(flow, self.now, None);
            self.notify(watcher);
        }
    }

    /// When TCP wants to run again.
    pub(crate) fn next_timer(&self) -> Option<u64> {
        self.tcp.timers.first().map(|&(at, _)| at)
    }

    /// Moves the packets to be sent to the end of `packets`.
    pub(crate) fn take_outgoing(&mut self, packets: &mut Vec<Packet>) {
        packets.append(&mut self.tcp.outgoing);
    }
}

/// The network card as smoltcp sees it, for the time of one poll: at most one packet comes in.
pub(super) struct Wire<'a> {
    pub(super) incoming: Option<Packet>,
    pub(super) outgoing: &'a mut Vec<Packet>,
    /// The largest packet; it counts when an interface is made.
    pub(super) mtu: usize,
}

impl Device for Wire<'_> {
    type RxToken<'a>
        = Incoming
    where
        Self: 'a;
    type TxToken<'a>
        = Outgoing<'a>
    where
        Self: 'a;

    fn receive(&mut self, _: smoltcp::time::Instant) -> Option<(Incoming, Outgoing<'_>)> {
        self.incoming
            .take()
            .map(|packet| (Incoming(packet), Outgoing(self.outgoing)))
    }

    fn transmit(&mut self, _: smoltcp::time::Instant) -> Option<Outgoing<'_>> {
        Some(Outgoing(self.outgoing))
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        capabilities.max_transmission_unit = self.mtu;
        // What arrives was verified before.
        capabilities.checksum.ipv4 = Checksum::Tx;
        capabilities.checksum.tcp = Checksum::Tx;
        capabilities
    }
}

pub(super) struct Incoming(Packet);

impl phy::RxToken for Incoming {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0.0)
    }
}

pub(super) struct Outgoing<'a>(&'a mut Vec<Packet>);

impl phy::TxToken for Outgoing<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, length: usize, f: F) -> R {
        let mut bytes = vec![0; length];
        let result = f(&mut bytes);
        self.0.push(Packet(bytes));
        result
    }
}
