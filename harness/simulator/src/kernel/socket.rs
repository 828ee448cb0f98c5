//! The socket calls, as `socket(7)` and `tcp(7)` describe them, on what TCP and UDP offer.

use super::address::reachable;
use super::epoll::Watch;
use super::flow::FlowId;
use super::options::Options;
use super::ports::Claim;
use super::tcp::Established;
use super::{Errno, Kernel, Object, ObjectId, Result};
use std::net::SocketAddr;

/// The address family of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    /// With IPv4 as well, unless `IPV6_V6ONLY` is set.
    V6,
}

/// A socket as the process sees it.
pub(super) struct Socket {
    pub(super) family: Family,
    /// Where it was bound to, by `bind` or because a call needed it.
    pub(super) bound: Option<SocketAddr>,
    pub(super) state: State,
    pub(super) options: Options,
    pub(super) nonblocking: bool,
    pub(super) watch: Option<Watch>,
}

pub(super) enum State {
    /// TCP, neither connected nor listening.
    Idle,
    /// Waiting for connections.
    Listening,
    /// One end of a connection, in whatever state that is.
    Connected(FlowId),
}

impl Socket {
    pub(super) fn is_tcp(&self) -> bool {
        true
    }
}

impl Kernel {
    /// A TCP socket.
    pub(crate) fn socket(&mut self, family: Family, nonblocking: bool) -> i32 {
        self.insert_socket(family, State::Idle, Options::new(true), nonblocking)
    }

    fn insert_socket(
        &mut self,
        family: Family,
        state: State,
        options: Options,
        nonblocking: bool,
    ) -> i32 {
        self.insert(Object::Socket(Socket {
            family,
            bound: None,
            state,
            options,
            nonblocking,
            watch: None,
        }))
    }

    /// A socket of the process. A dead process has none, so that its destructors send nothing.
    pub(super) fn socket_at(&mut self, fd: i32) -> Result<&mut Socket> {
        if self.process_is_dead {
            return Err(Errno(libc::EBADF));
        }
        match self.object_at(fd)? {
            Object::Socket(socket) => Ok(socket),
            _ => Err(Errno(libc::ENOTSOCK)),
        }
    }

    fn flow_of(&mut self, fd: i32) -> Result<FlowId> {
        match self.socket_at(fd)?.state {
            State::Connected(flow) => Ok(flow),
            State::Idle | State::Listening => Err(Errno(libc::ENOTCONN)),
        }
    }

    pub(crate) fn bind(&mut self, fd: i32, wanted: SocketAddr) -> Result<()> {
        let addresses = self.addresses;
        let socket = self.socket_at(fd)?;
        let wanted = socket.read_address(wanted)?;
        if socket.bound.is_some() || !matches!(socket.state, State::Idle) {
            return Err(Errno(libc::EINVAL));
        }
        if !addresses.include(wanted.ip()) {
            return Err(Errno(libc::EADDRNOTAVAIL));
        }
        if socket.can_reach(wanted.ip()).is_err() {
            return Err(Errno(libc::EINVAL));
        }
        self.bind_to(fd, wanted).map(drop)
    }

    /// Binds a socket that is not bound.
    fn bind_to(&mut self, fd: i32, wanted: SocketAddr) -> Result<SocketAddr> {
        let id = self.find(fd)?;
        let claim = Claim::new(wanted.ip(), &self.socket_at(fd)?.options);
        let bound = self.tcp.ports.bind(claim, wanted.port(), id)?;
        self.socket_at(fd)?.bound = Some(bound);
        Ok(bound)
    }

    pub(crate) fn listen(&mut self, fd: i32, backlog: i32) -> Result<()> {
        let socket = self.socket_at(fd)?;
        if let State::Connected(_) = socket.state {
            return Err(Errno(libc::EINVAL));
        }
        let local = match socket.bound {
            Some(bound) => bound,
            None => {
                let any = SocketAddr::new(socket.any_address(), 0);
                self.bind_to(fd, any)?
            }
        };
        let id = self.find(fd)?;
        let options = self.socket_at(fd)?.options;
        self.tcp.listen(local, backlog, options, id)?;
        self.socket_at(fd)?.state = State::Listening;
        Ok(())
    }

    /// Takes an established connection off a listener: its descriptor and the peer's address.
    pub(crate) fn accept(&mut self, fd: i32, nonblocking: bool) -> Result<(i32, SocketAddr)> {
        let id = self.find(fd)?;
        let socket = self.socket_at(fd)?;
        let State::Listening = socket.state else {
            return Err(Errno(libc::EINVAL));
        };
        let (family, options) = (socket.family, socket.options);
        let listener_nonblocking = socket.nonblocking;
        let Some(Established { flow, peer }) = self.tcp.accept(id) else {
            return Err(self.would_block(listener_nonblocking, "accept on a blocking socket"));
        };
        let accepted = self.insert_socket(family, State::Connected(flow), options, nonblocking);
        let id = self.find(accepted)?;
        self.tcp.set_owner(flow, id);
        self.tcp.set_options(flow, options);
        let peer = self.socket_at(accepted)?.show_address(peer);
        Ok((accepted, peer))
    }

    pub(crate) fn connect(&mut self, fd: i32, peer: SocketAddr) -> Result<()> {
        let (addresses, now) = (self.addresses, self.now);
        let socket = self.socket_at(fd)?;
        let peer = reachable(socket.read_address(peer)?);
        match socket.state {
            State::Idle => {}
            State::Listening => return Err(Errno(libc::EISCONN)),
            State::Connected(flow) => return self.connect_again(fd, flow),
        }
        let socket = self.socket_at(fd)?;
        socket.can_reach(peer.ip())?;
        let (nonblocking, options, bound) = (socket.nonblocking, socket.options, socket.bound);
        let source = bound
            .map(|bound| bound.ip())
            .filter(|ip| !ip.is_unspecified())
            .unwrap_or_else(|| addresses.source_for(peer.ip()));
        if source.is_ipv4() != peer.ip().is_ipv4() {
            return Err(Errno(libc::ENETUNREACH));
        }
        let source = SocketAddr::new(source, bound.map_or(0, |bound| bound.port()));
        let id = self.find(fd)?;
        let flow = self.tcp.connect(source, peer, options, id, now)?;
        self.socket_at(fd)?.state = State::Connected(flow);
        if nonblocking {
            return Err(Errno(libc::EINPROGRESS));
        }
        Err(self.would_block(false, "connect on a blocking socket"))
    }

    /// A second `connect` tells how the first one went.
    fn connect_again(&mut self, fd: i32, flow: FlowId) -> Result<()> {
        if self.tcp.is_opening(flow) {
            return Err(Errno(libc::EALREADY));
        }
        if !self.tcp.has_failed_to_open(flow) {
            return Err(Errno(libc::EISCONN));
        }
        let error = self.tcp.take_error(flow);
        self.tcp.close(flow, self.now);
        self.socket_at(fd)?.state = State::Idle;
        Err(error.unwrap_or(Errno(libc::ECONNABORTED)))
    }

    pub(crate) fn receive(&mut self, fd: i32, buffer: &mut [u8], peek: bool) -> Result<usize> {
        match self.object_at(fd)? {
            Object::Event(_) => {
                let bytes = self.event_read(fd)?.to_ne_bytes();
                let target = buffer.get_mut(..8).ok_or(Errno(libc::EINVAL))?;
                target.copy_from_slice(&bytes);
                return Ok(8);
            }
            Object::Signal(_) => return self.read_signal(fd, buffer),
            Object::Socket(_) | Object::Epoll(_) => {}
        }
        let nonblocking = self.socket_at(fd)?.nonblocking;
        let flow = self.flow_of(fd)?;
        match self.tcp.receive(flow, buffer, peek) {
            Err(Errno(libc::EAGAIN)) => {
                Err(self.would_block(nonblocking, "read from a blocking socket"))
            }
            result => result.inspect(|&bytes| self.hardware.cpu.charge_bytes(bytes)),
        }
    }

    pub(crate) fn send(&mut self, fd: i32, bytes: &[u8]) -> Result<usize> {
        if let Object::Event(_) = self.object_at(fd)? {
            let value = bytes.try_into().map_err(|_| Errno(libc::EINVAL))?;
            self.event_write(fd, u64::from_ne_bytes(value))?;
            return Ok(8);
        }
        let nonblocking = self.socket_at(fd)?.nonblocking;
        let flow = match self.flow_of(fd) {
            Err(Errno(libc::ENOTCONN)) => return Err(Errno(libc::EPIPE)),
            flow => flow?,
        };
        match self.tcp.send(flow, bytes) {
            Err(Errno(libc::EAGAIN)) => {
                Err(self.would_block(nonblocking, "write to a blocking socket"))
            }
            result => result.inspect(|&bytes| self.hardware.cpu.charge_bytes(bytes)),
        }
    }

    pub(crate) fn shutdown(&mut self, fd: i32, how: i32) -> Result<()> {
        let (read, write) = match how {
            libc::SHUT_RD => (true, false),
            libc::SHUT_WR => (false, true),
            libc::SHUT_RDWR => (true, true),
            _ => return Err(Errno(libc::EINVAL)),
        };
        let id = self.find(fd)?;
        match self.socket_at(fd)?.state {
            State::Idle => return Err(Errno(libc::ENOTCONN)),
            State::Connected(flow) => self.tcp.shutdown(flow, read, write)?,
            State::Listening if read => {
                self.tcp.close_listener(id, self.now);
                self.socket_at(fd)?.state = State::Idle;
            }
            State::Listening => {}
        }
        self.notify(Some(id));
        Ok(())
    }

    pub(crate) fn local_address(&mut self, fd: i32) -> Result<SocketAddr> {
        let socket = self.socket_at(fd)?;
        let local = match (&socket.state, socket.bound) {
            (State::Connected(flow), _) => {
                let flow = *flow;
                self.tcp.addresses(flow).local
            }
            (_, Some(bound)) => bound,
            (_, None) => SocketAddr::new(socket.any_address(), 0),
        };
        Ok(self.socket_at(fd)?.show_address(local))
    }

    pub(crate) fn peer_address(&mut self, fd: i32) -> Result<SocketAddr> {
        let flow = self.flow_of(fd)?;
        if !self.tcp.has_peer(flow) {
            return Err(Errno(libc::ENOTCONN));
        }
        let peer = self.tcp.addresses(flow).peer;
        Ok(self.socket_at(fd)?.show_address(peer))
    }

    /// `SO_ERROR`: the pending error, which this call clears.
    pub(super) fn take_error(&mut self, fd: i32) -> Result<i32> {
        match self.socket_at(fd)?.state {
            State::Connected(flow) => Ok(self.tcp.take_error(flow).map_or(0, |Errno(code)| code)),
            State::Idle | State::Listening => Ok(0),
        }
    }

    pub(crate) fn is_nonblocking(&mut self, fd: i32) -> Result<bool> {
        match self.object_at(fd)? {
            Object::Socket(socket) => Ok(socket.nonblocking),
            Object::Event(_) | Object::Signal(_) => Ok(true),
            Object::Epoll(_) => Ok(false),
        }
    }

    pub(crate) fn set_nonblocking(&mut self, fd: i32, nonblocking: bool) -> Result<()> {
        if let Object::Socket(socket) = self.object_at(fd)? {
            socket.nonblocking = nonblocking;
        }
        Ok(())
    }

    /// The last descriptor of a socket is closed. What it leaves behind is brought to an end by the kernel.
    pub(super) fn close_socket(&mut self, id: ObjectId, socket: &Socket) {
        match socket.state {
            State::Idle => {}
            State::Listening => self.tcp.close_listener(id, self.now),
            State::Connected(flow) => self.tcp.close(flow, self.now),
        }
        if let Some(bound) = socket.bound {
            self.tcp.ports.release(bound.port(), id);
        }
    }

    fn would_block(&mut self, nonblocking: bool, call: &str) -> Errno {
        if !nonblocking {
            self.refuse(call, "use tokio's sockets, which never block their thread");
        }
        Errno(libc::EAGAIN)
    }
}
