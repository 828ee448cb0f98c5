//! What the kernel does for UDP.

use super::{Datagram, MAX_PAYLOAD_V4, MAX_PAYLOAD_V6, Mailbox};
use crate::kernel::address::Family;
use crate::kernel::ancillary::{Ancillary, Arrival};
use crate::kernel::errno::{Errno, Result};
use crate::kernel::flow::MTU;
use crate::kernel::icmp::TooBig;
use crate::kernel::ids::ObjectId;
use crate::kernel::options::UDP_BUFFER;
use crate::kernel::packet::{Endpoints, Packet};
use crate::kernel::socket::State;
use crate::kernel::transfer::{How, Received};
use crate::kernel::{Kernel, Object};
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};

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

    /// Sets a socket's only peer, or removes it with `None`.
    pub(in crate::kernel) fn connect_datagrams(
        &mut self,
        fd: i32,
        peer: Option<SocketAddr>,
    ) -> Result<()> {
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

    /// Binds an unbound socket to a free port.
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

    /// Sends a datagram to the address, or to the socket's peer if there is none; or several, if
    /// the payload is that of several.
    pub(in crate::kernel) fn send_datagram(
        &mut self,
        fd: i32,
        payload: &[u8],
        to: Option<SocketAddr>,
        ancillary: Ancillary,
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
        let source = match (ancillary.source, endpoints) {
            (Some(source), _) if !self.addresses.include(source) => {
                let error = if source.is_ipv4() {
                    libc::ENETUNREACH
                } else {
                    libc::EINVAL
                };
                return Err(Errno(error));
            }
            (Some(source), _) => source,
            (None, Some(endpoints)) if endpoints.peer == to => endpoints.local.ip(),
            (None, _) => self.source(fd, to)?,
        };
        let local = SocketAddr::new(source, self.bind_by_itself(fd)?.port());
        let ends = Endpoints { local, peer: to };
        let socket = self.socket_at(fd)?;
        let hops = ancillary.hops.unwrap_or(socket.options.hops(source));
        let class = ancillary.class.unwrap_or(socket.options.class(to.ip()));
        let options = socket.options.datagrams;
        let segments = options.segments(payload, ancillary.segment)?;
        let packets = segments
            .into_iter()
            .map(|segment| Packet::udp(ends, hops, class, segment));
        let packets: Vec<Packet> = packets.collect();
        let is_too_long = packets.iter().any(|packet| packet.0.len() > MTU);
        if is_too_long && !self.addresses.include(to.ip()) {
            if !options.forbids_fragments(to.ip()) {
                self.refuse(
                    format!("sendto with {} bytes for another machine", payload.len()),
                    "send at most 1472 bytes (1452 over IPv6), or forbid fragments of IP packets \
                     (IP_MTU_DISCOVER): they are not simulated",
                );
            }
            return Err(Errno(libc::EMSGSIZE));
        }
        self.udp.outgoing.extend(packets);
        Ok(payload.len())
    }

    /// Refuses destinations that are more than one machine.
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

    /// Takes the next datagram from a socket, or an error noted earlier.
    pub(in crate::kernel) fn receive_datagram(
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
    pub(in crate::kernel) fn receive_udp(&mut self, packet: &Packet) {
        let (Some((endpoints, payload)), Some(ip)) = (packet.datagram(), packet.ip()) else {
            return;
        };
        let Some(id) = self.udp.recipient(&endpoints) else {
            self.udp.outgoing.extend(packet.port_unreachable());
            return;
        };
        let from = endpoints.peer;
        let payload = payload.to_vec();
        let is_own = self.addresses.include(from.ip());
        if let Ok(Object::Socket(socket)) = self.object(id)
            && let State::Datagrams(mailbox) = &mut socket.state
        {
            let room = socket.options.receive_buffer.unwrap_or(UDP_BUFFER);
            let arrival = Arrival {
                to: ip.destination,
                class: ip.class,
                hops: ip.hops,
                is_own,
                wanted: socket.options.datagrams.wanted,
                is_v6: socket.family == Family::V6,
            };
            let datagram = Datagram {
                from,
                arrival,
                payload,
            };
            mailbox.put(datagram, room);
            self.notify(Some(id));
        }
    }

    /// An ICMP packet arrives. Only a connected socket learns that its peer is not listening.
    pub(in crate::kernel) fn receive_icmp(&mut self, packet: &Packet) {
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
