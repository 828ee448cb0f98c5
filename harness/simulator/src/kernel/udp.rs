//! UDP (RFC 768), and of ICMP what UDP needs: that nobody listens on a port (RFC 1122, 4.1.3.1).
//!
//! A datagram finds its socket by the two endpoints if that is connected, by its port otherwise. Datagrams
//! that are not read in time are dropped once they fill the receive buffer, as on Linux.

use super::flow::MTU;
use super::icmp::TooBig;
use super::options::UDP_BUFFER;
use super::packet::{Endpoints, Packet};
use super::ports::{Ports, Protocol};
use super::socket::{How, Received, State};
use super::{Errno, Kernel, Object, ObjectId, Result};
use libc::{EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};

/// What a waiting datagram costs beside its payload: Linux's `sk_buff` and the slack around it.
const OVERHEAD: usize = 768;

/// The largest payloads: 65535 bytes less the headers that count.
const MAX_PAYLOAD_V4: usize = 65_507;
const MAX_PAYLOAD_V6: usize = 65_527;

/// A datagram that has arrived.
struct Datagram {
    from: SocketAddr,
    payload: Vec<u8>,
}

/// What a UDP socket has that others have not.
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

    /// The payload of the first datagram that waits, in bytes (`FIONREAD`).
    pub(super) fn first_length(&self) -> usize {
        self.waiting.front().map_or(0, |first| first.payload.len())
    }

    /// Linux notes the wish also when it says that there is no peer.
    pub(super) fn shutdown(&mut self, read: bool, write: bool) -> Result<()> {
        self.read_shut |= read;
        self.write_shut |= write;
        self.endpoints.map(drop).ok_or(Errno(libc::ENOTCONN))
    }

    /// What `poll(2)` would say.
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

    /// A socket has another peer than before, or none.
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

impl Kernel {
    fn mailbox(&mut self, id: ObjectId) -> Option<&mut Mailbox> {
        match self.object(id) {
            Ok(Object::Socket(socket)) => match &mut socket.state {
                State::Datagrams(mailbox) => Some(mailbox),
                _ => None,
            },
            _ => None,
        }
    }

    /// Gives a socket its only peer, or with `None` takes it away.
    pub(super) fn connect_datagrams(&mut self, fd: i32, peer: Option<SocketAddr>) -> Result<()> {
        let id = self.find(fd)?;
        let bound = self.socket_at(fd)?.bound;
        let endpoints = match peer {
            None => None,
            Some(peer) => {
                self.check_destination(fd, peer.ip())?;
                let source = self.source(fd, peer)?;
                let port = self.bind_by_itself(fd)?.port();
                let local = SocketAddr::new(source, port);
                Some(Endpoints { local, peer })
            }
        };
        let Some(mailbox) = self.mailbox(id) else {
            return Err(Errno(libc::EINVAL));
        };
        let before = std::mem::replace(&mut mailbox.endpoints, endpoints);
        let gives_port_back = endpoints.is_none() && std::mem::take(&mut mailbox.bound_by_itself);
        let port = self.socket_at(fd)?.bound.map_or(0, |bound| bound.port());
        self.udp.reconnect(id, port, before, endpoints);
        if let Some(bound) = bound.filter(|_| gives_port_back) {
            self.udp.ports.release(bound.port(), id);
            self.socket_at(fd)?.bound = None;
        }
        Ok(())
    }

    /// Binds a socket that is not bound yet to a free port.
    fn bind_by_itself(&mut self, fd: i32) -> Result<SocketAddr> {
        let socket = self.socket_at(fd)?;
        if let Some(bound) = socket.bound {
            return Ok(bound);
        }
        let any = SocketAddr::new(socket.any_address(), 0);
        let bound = self.bind_to(fd, any).map_err(|_| Errno(libc::EAGAIN))?;
        let id = self.find(fd)?;
        if let Some(mailbox) = self.mailbox(id) {
            mailbox.bound_by_itself = true;
        }
        Ok(bound)
    }

    /// Sends a datagram to the address, or to the socket's peer if there is none.
    pub(super) fn send_datagram(
        &mut self,
        fd: i32,
        payload: &[u8],
        to: Option<SocketAddr>,
    ) -> Result<usize> {
        let id = self.find(fd)?;
        let Some(mailbox) = self.mailbox(id) else {
            return Err(Errno(libc::EINVAL));
        };
        let endpoints = mailbox.endpoints;
        if mailbox.write_shut {
            return Err(Errno(libc::EPIPE));
        }
        let to = to.or(endpoints.map(|endpoints| endpoints.peer));
        let to = to.ok_or(Errno(libc::EDESTADDRREQ))?;
        if to.port() == 0 {
            return Err(Errno(libc::EINVAL));
        }
        let most = if to.is_ipv4() {
            MAX_PAYLOAD_V4
        } else {
            MAX_PAYLOAD_V6
        };
        if payload.len() > most {
            return Err(Errno(libc::EMSGSIZE));
        }
        self.check_destination(fd, to.ip())?;
        if let Some(error) = self.mailbox(id).and_then(Mailbox::take_error) {
            return Err(error);
        }
        let source = match endpoints {
            Some(endpoints) if endpoints.peer == to => endpoints.local.ip(),
            _ => self.source(fd, to)?,
        };
        let local = SocketAddr::new(source, self.bind_by_itself(fd)?.port());
        let hops = self.socket_at(fd)?.options.hops(source);
        let packet = Packet::udp(Endpoints { local, peer: to }, hops, payload);
        if packet.0.len() > MTU && !self.addresses.include(to.ip()) {
            self.refuse(
                format!("sendto with {} bytes for another machine", payload.len()),
                "send at most 1472 bytes (1452 over IPv6): fragments of IP packets are not simulated",
            );
            return Err(Errno(libc::EMSGSIZE));
        }
        self.udp.outgoing.push(packet);
        Ok(payload.len())
    }

    /// Refuses what goes to more than one machine.
    fn check_destination(&mut self, fd: i32, ip: IpAddr) -> Result<()> {
        let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
        if broadcast && !self.socket_at(fd)?.options.broadcast {
            return Err(Errno(libc::EACCES));
        }
        if broadcast || ip.is_multicast() {
            let what = if broadcast { "broadcast" } else { "multicast" };
            self.refuse(
                format!("sendto with a {what} address"),
                "send to each machine by its own address",
            );
            return Err(Errno(libc::ENETUNREACH));
        }
        Ok(())
    }

    /// Takes the next datagram off a socket, or an error that was noted before.
    pub(super) fn receive_datagram(
        &mut self,
        fd: i32,
        buffer: &mut [MaybeUninit<u8>],
        how: How,
    ) -> Result<Received> {
        let id = self.find(fd)?;
        let Some(mailbox) = self.mailbox(id) else {
            return Err(Errno(libc::EINVAL));
        };
        let received = mailbox.take(buffer, how)?;
        let socket = self.socket_at(fd)?;
        Ok(Received {
            from: received.from.map(|from| socket.show_address(from)),
            ..received
        })
    }

    /// A UDP packet arrives.
    pub(super) fn receive_udp(&mut self, packet: &Packet) {
        let Some((endpoints, payload)) = packet.datagram() else {
            return;
        };
        let Some(id) = self.udp.recipient(&endpoints) else {
            self.udp.outgoing.extend(packet.port_unreachable());
            return;
        };
        let from = endpoints.peer;
        let payload = payload.to_vec();
        if let Ok(Object::Socket(socket)) = self.object(id)
            && let State::Datagrams(mailbox) = &mut socket.state
        {
            let room = socket.options.receive_buffer.unwrap_or(UDP_BUFFER);
            mailbox.put(Datagram { from, payload }, room);
            self.notify(Some(id));
        }
    }

    /// An ICMP packet arrives. Only a connected socket learns that its peer does not listen.
    pub(super) fn receive_icmp(&mut self, packet: &Packet) {
        if let Some(too_big) = TooBig::read(packet) {
            return self.tcp.shrink(&too_big, self.now);
        }
        let id = packet
            .unreachable()
            .and_then(|endpoints| self.udp.connected.get(&endpoints).copied());
        if let Some(mailbox) = id.and_then(|id| self.mailbox(id)) {
            mailbox.error = Some(Errno(libc::ECONNREFUSED));
            self.notify(id);
        }
    }
}
