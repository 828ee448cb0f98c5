//! What the kernel does for UDP.

use super::{Datagram, MAX_PAYLOAD_V4, MAX_PAYLOAD_V6, Mailbox};
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

    /// Sends a datagram to the address, or to the socket's peer if there is none.
    pub(in crate::kernel) fn send_datagram(
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
