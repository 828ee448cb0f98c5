//! The local ports of one protocol: which sockets have bound which address and port, and which
//! ports are free.
//!
//! The rules are Linux's: two sockets may share a port if their addresses do not overlap, if both
//! set `SO_REUSEADDR` (and, for TCP sockets, none is listening), or if both set `SO_REUSEPORT`.

use super::errno::{Errno, Result};
use super::ids::ObjectId;
use super::options::Options;
use rustc_hash::FxHashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::ops::Range;

/// Linux's range of ephemeral ports (`ip_local_port_range`).
const EPHEMERAL_PORTS: Range<u16> = 32768..61000;

/// The protocols with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Tcp,
    Udp,
}

/// A claim on a port, for one or more addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    ip: IpAddr,
    /// The IPv6 wildcard, which includes IPv4.
    dual_stack: bool,
    reuse_address: bool,
    reuse_port: bool,
}

impl Claim {
    pub(super) fn new(ip: IpAddr, options: &Options) -> Self {
        Self {
            ip,
            dual_stack: ip == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && !options.only_v6,
            reuse_address: options.reuse_address,
            reuse_port: options.reuse_port,
        }
    }

    fn overlaps(&self, other: &Claim) -> bool {
        self.fit(other.ip).is_some() || other.fit(self.ip).is_some()
    }

    /// How well the claim matches an address: exactly, as the wildcard of its family, or as that of
    /// both.
    fn fit(&self, ip: IpAddr) -> Option<u8> {
        match self.ip {
            own if own == ip => Some(3),
            own if own.is_unspecified() && own.is_ipv4() == ip.is_ipv4() => Some(2),
            _ if self.dual_stack => Some(1),
            _ => None,
        }
    }
}

/// A socket that has bound a port.
#[derive(Clone, Copy, Debug)]
struct Binding {
    claim: Claim,
    socket: ObjectId,
    /// Whether it receives packets from unknown peers: a TCP listener, or a UDP socket without a
    /// peer.
    listening: bool,
}

/// The users of a port.
#[derive(Default)]
struct Port {
    bindings: Vec<Binding>,
    /// The claims of connections, and how many connections have each: a server's are all the same.
    connections: Vec<(Claim, usize)>,
}

pub(super) struct Ports {
    protocol: Protocol,
    ports: FxHashMap<u16, Port>,
    /// The ephemeral ports that no other program has taken.
    ephemeral: Range<u16>,
    next: u16,
    /// How often none of them was available.
    refused: u64,
}

impl Ports {
    /// `first` decides where the search for a free port begins.
    pub(super) fn new(protocol: Protocol, first: u64) -> Self {
        let offset = first % EPHEMERAL_PORTS.len() as u64;
        Self {
            protocol,
            ports: FxHashMap::default(),
            ephemeral: EPHEMERAL_PORTS,
            next: EPHEMERAL_PORTS.start + offset as u16,
            refused: 0,
        }
    }

    /// Other programs take all but this many ephemeral ports, or release them. Ports in use stay
    /// with their users.
    pub(super) fn leave(&mut self, free: Option<u16>) {
        let all = EPHEMERAL_PORTS;
        let free = free.map_or(all.len(), |free| all.len().min(free.into()));
        self.ephemeral = all.start..all.start + free as u16;
    }

    /// How often an ephemeral port was requested and none was available.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// Binds a socket to the wanted port, or to a free one if it is zero.
    ///
    /// # Errors
    ///
    /// `EADDRINUSE` if another socket has it, or if none is free.
    pub(super) fn bind(&mut self, claim: Claim, port: u16, socket: ObjectId) -> Result<SocketAddr> {
        let port = match port {
            0 => self
                .find_ephemeral(|ports, port| !ports.ports.contains_key(&port))
                .ok_or(Errno(libc::EADDRINUSE))?,
            port if self.conflicts(&claim, port, socket) => return Err(Errno(libc::EADDRINUSE)),
            port => port,
        };
        self.ports.entry(port).or_default().bindings.push(Binding {
            claim,
            socket,
            listening: self.protocol == Protocol::Udp,
        });
        Ok(SocketAddr::new(claim.ip, port))
    }

    fn conflicts(&self, claim: &Claim, port: u16, socket: ObjectId) -> bool {
        let Some(port) = self.ports.get(&port) else {
            return false;
        };
        let excludes = |other: &Claim, listening: bool| {
            let exclusive = listening && self.protocol == Protocol::Tcp;
            let shared = claim.reuse_address && other.reuse_address && !exclusive
                || claim.reuse_port && other.reuse_port;
            claim.overlaps(other) && !shared
        };
        let mut bindings = port.bindings.iter();
        let mut connections = port.connections.iter();
        bindings.any(|other| other.socket != socket && excludes(&other.claim, other.listening))
            || connections.any(|(other, _)| excludes(other, false))
    }

    /// From now on, the socket receives packets from unknown peers to its port.
    ///
    /// # Errors
    ///
    /// `EADDRINUSE` if another listener has the port and may not share it.
    pub(super) fn listen(&mut self, claim: Claim, port: u16, socket: ObjectId) -> Result<()> {
        if self.conflicts(&claim, port, socket) {
            return Err(Errno(libc::EADDRINUSE));
        }
        self.set_listening(port, socket, true);
        Ok(())
    }

    /// Sets whether the socket receives packets from unknown peers to its port.
    pub(super) fn set_listening(&mut self, port: u16, socket: ObjectId, listening: bool) {
        let bindings = self.ports.get_mut(&port).map(|port| &mut port.bindings);
        for binding in bindings.into_iter().flatten() {
            if binding.socket == socket {
                binding.listening = listening;
            }
        }
    }

    /// A bound socket is closed.
    pub(super) fn release(&mut self, port: u16, socket: ObjectId) {
        if let Some(users) = self.ports.get_mut(&port) {
            users.bindings.retain(|binding| binding.socket != socket);
            self.forget_if_unused(port);
        }
    }

    /// A connection begins to use a port.
    pub(super) fn connect(&mut self, claim: Claim, port: u16) {
        let connections = &mut self.ports.entry(port).or_default().connections;
        match connections.iter_mut().find(|(other, _)| *other == claim) {
            Some((_, count)) => *count += 1,
            None => connections.push((claim, 1)),
        }
    }

    /// A connection has ended.
    pub(super) fn disconnect(&mut self, claim: Claim, port: u16) {
        let Some(users) = self.ports.get_mut(&port) else {
            return;
        };
        if let Some(place) = users
            .connections
            .iter()
            .position(|(other, _)| *other == claim)
        {
            users.connections[place].1 -= 1;
            if users.connections[place].1 == 0 {
                users.connections.swap_remove(place);
            }
        }
        self.forget_if_unused(port);
    }

    fn forget_if_unused(&mut self, port: u16) {
        let unused = |port: &Port| port.bindings.is_empty() && port.connections.is_empty();
        if self.ports.get(&port).is_some_and(unused) {
            self.ports.remove(&port);
        }
    }

    /// The socket that receives a packet to this address and port from an unknown peer. If several
    /// match equally well, they share by `spread` if they set `SO_REUSEPORT`; otherwise the last
    /// one gets everything.
    pub(super) fn listener(&self, ip: IpAddr, port: u16, spread: u64) -> Option<ObjectId> {
        let bindings = &self.ports.get(&port)?.bindings;
        let fit = |binding: &Binding| binding.claim.fit(ip).filter(|_| binding.listening);
        let best = bindings.iter().filter_map(fit).max()?;
        let of_the_best = || {
            let is_best = |binding: &&Binding| fit(binding) == Some(best);
            bindings.iter().filter(is_best)
        };
        let share = of_the_best().all(|binding| binding.claim.reuse_port);
        let last = of_the_best().count() - 1;
        let chosen = if share {
            spread as usize % (last + 1)
        } else {
            last
        };
        of_the_best().nth(chosen).map(|binding| binding.socket)
    }

    /// A port that is not bound, and for which `is_free` holds.
    pub(super) fn choose(&mut self, is_free: impl Fn(u16) -> bool) -> Option<u16> {
        self.find_ephemeral(|ports, port| {
            let bound = ports.ports.get(&port);
            bound.is_none_or(|port| port.bindings.is_empty()) && is_free(port)
        })
    }

    fn find_ephemeral(&mut self, is_free: impl Fn(&Self, u16) -> bool) -> Option<u16> {
        let found = (0..self.ephemeral.len()).find_map(|_| {
            let port = match self.ephemeral.contains(&self.next) {
                true => self.next,
                false => self.ephemeral.start,
            };
            self.next = port + 1;
            is_free(self, port).then_some(port)
        });
        self.refused += u64::from(found.is_none());
        found
    }
}
