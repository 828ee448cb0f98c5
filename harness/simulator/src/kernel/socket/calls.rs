//! The socket calls, as `socket(7)` and `tcp(7)` describe them, on top of TCP and UDP.

use super::{Socket, State};
use crate::kernel::address::{Family, reachable};
use crate::kernel::ancillary::Sending;
use crate::kernel::blocking::Way;
use crate::kernel::epoll::Watches;
use crate::kernel::errno::{Errno, Result};
use crate::kernel::ids::{FlowId, ObjectId};
use crate::kernel::options::Options;
use crate::kernel::ports::{Claim, Protocol};
use crate::kernel::tcp::Established;
use crate::kernel::transfer::{How, Received};
use crate::kernel::{Kernel, Object};
use std::mem::MaybeUninit;
use std::net::{IpAddr, SocketAddr};

impl Kernel {
    pub(crate) fn socket(&mut self, family: Family, protocol: Protocol, nonblocking: bool) -> i32 {
        let state = match protocol {
            Protocol::Tcp => State::Idle,
            Protocol::Udp => State::Datagrams(Box::default()),
        };
        let options = Options::new();
        self.insert_socket(family, state, options, nonblocking)
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
            connecting: false,
            watches: Watches::default(),
        }))
    }

    /// A socket of the process. A dead process has none, so its destructors send nothing.
    pub(in crate::kernel) fn socket_at(&mut self, fd: i32) -> Result<&mut Socket> {
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
            State::Datagrams(_) => Err(Errno(libc::EOPNOTSUPP)),
            State::Idle | State::Listening => Err(Errno(libc::ENOTCONN)),
        }
    }

    pub(crate) fn bind(&mut self, fd: i32, wanted: SocketAddr) -> Result<()> {
        let addresses = self.addresses;
        let socket = self.socket_at(fd)?;
        let wanted = socket.read_address(wanted)?;
        let can_be_bound = matches!(socket.state, State::Idle | State::Datagrams(_));
        if socket.bound.is_some() || !can_be_bound {
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

    /// Binds an unbound socket.
    pub(in crate::kernel) fn bind_to(&mut self, fd: i32, wanted: SocketAddr) -> Result<SocketAddr> {
        let id = self.find(fd)?;
        let socket = self.socket_at(fd)?;
        let claim = Claim::new(wanted.ip(), &socket.options);
        let ports = match socket.is_tcp() {
            true => &mut self.tcp.ports,
            false => &mut self.udp.ports,
        };
        let bound = ports.bind(claim, wanted.port(), id)?;
        self.socket_at(fd)?.bound = Some(bound);
        Ok(bound)
    }

    pub(crate) fn listen(&mut self, fd: i32, backlog: i32) -> Result<()> {
        let socket = self.socket_at(fd)?;
        match socket.state {
            State::Idle | State::Listening => {}
            State::Connected(_) => return Err(Errno(libc::EINVAL)),
            State::Datagrams(_) => return Err(Errno(libc::EOPNOTSUPP)),
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

    /// Takes an established connection from a listener: its descriptor and the peer's address.
    pub(crate) fn accept(&mut self, fd: i32, nonblocking: bool) -> Result<(i32, SocketAddr)> {
        let id = self.find(fd)?;
        let socket = self.socket_at(fd)?;
        match socket.state {
            State::Listening => {}
            State::Datagrams(_) => return Err(Errno(libc::EOPNOTSUPP)),
            State::Idle | State::Connected(_) => return Err(Errno(libc::EINVAL)),
        }
        let (family, options) = (socket.family, socket.options);
        let listener_nonblocking = socket.nonblocking;
        let Some(Established { flow, peer }) = self.tcp.accept(id) else {
            return Err(self.would_block(listener_nonblocking, fd, Way::Receive));
        };
        let accepted = self.insert_socket(family, State::Connected(flow), options, nonblocking);
        let id = self.find(accepted)?;
        self.tcp.set_owner(flow, id);
        self.tcp.set_options(flow, options, self.now);
        let peer = self.socket_at(accepted)?.show_address(peer);
        Ok((accepted, peer))
    }

    /// `connect(2)`; without a peer, ends what an earlier call began.
    pub(crate) fn connect(&mut self, fd: i32, peer: Option<SocketAddr>) -> Result<()> {
        let socket = self.socket_at(fd)?;
        let peer = peer.map(|peer| socket.read_address(peer)).transpose()?;
        let peer = peer.map(reachable);
        match (&socket.state, peer) {
            (State::Idle, Some(peer)) => self.open(fd, peer),
            (State::Listening, _) => Err(Errno(libc::EISCONN)),
            (&State::Connected(flow), Some(_)) => self.connect_again(fd, flow),
            (State::Idle | State::Connected(_), None) => {
                self.refuse("connect with AF_UNSPEC on a TCP socket", "close the socket");
                Err(Errno(libc::EOPNOTSUPP))
            }
            (State::Datagrams(_), peer) => self.connect_datagrams(fd, peer),
        }
    }

    /// Begins a connection.
    fn open(&mut self, fd: i32, peer: SocketAddr) -> Result<()> {
        if peer.port() == 0 {
            // Linux would send a SYN there, but nothing can ever listen.
            return Err(Errno(libc::ECONNREFUSED));
        }
        let ip = self.source(fd, peer)?;
        let id = self.find(fd)?;
        let socket = self.socket_at(fd)?;
        let (nonblocking, options) = (socket.nonblocking, socket.options);
        let source = SocketAddr::new(ip, socket.bound.map_or(0, |bound| bound.port()));
        let flow = self.tcp.connect(source, peer, options, id, self.now)?;
        let socket = self.socket_at(fd)?;
        socket.state = State::Connected(flow);
        socket.connecting = true;
        self.would_block(nonblocking, fd, Way::Send);
        Err(Errno(libc::EINPROGRESS))
    }

    /// The address from which packets of a socket to this peer are sent.
    ///
    /// # Errors
    ///
    /// `ENETUNREACH` if it is of the other family, `EINVAL` if it is a loopback address and the
    /// peer's is not.
    pub(in crate::kernel) fn source(&mut self, fd: i32, peer: SocketAddr) -> Result<IpAddr> {
        let addresses = self.addresses;
        let socket = self.socket_at(fd)?;
        socket.can_reach(peer.ip())?;
        let source = socket
            .bound
            .map(|bound| bound.ip())
            .filter(|ip| !ip.is_unspecified())
            .unwrap_or_else(|| addresses.source_for(peer.ip()));
        match source {
            _ if source.is_ipv4() != peer.is_ipv4() => Err(Errno(libc::ENETUNREACH)),
            _ if source.is_loopback() && !addresses.include(peer.ip()) => Err(Errno(libc::EINVAL)),
            _ => Ok(source),
        }
    }

    /// A second `connect` reports how the first one went.
    fn connect_again(&mut self, fd: i32, flow: FlowId) -> Result<()> {
        if self.tcp.is_opening(flow) {
            return Err(Errno(libc::EALREADY));
        }
        if !self.tcp.has_failed_to_open(flow) {
            let is_news = std::mem::take(&mut self.socket_at(fd)?.connecting);
            return is_news.then_some(()).ok_or(Errno(libc::EISCONN));
        }
        let error = self.tcp.take_error(flow);
        self.tcp.close(flow, self.now);
        self.socket_at(fd)?.state = State::Idle;
        Err(error.unwrap_or(Errno(libc::ECONNABORTED)))
    }

    pub(crate) fn receive(
        &mut self,
        fd: i32,
        buffer: &mut [MaybeUninit<u8>],
        how: How,
    ) -> Result<usize> {
        match self.object_at(fd)? {
            Object::Event(_) => {
                let bytes = self.event_read(fd)?.to_ne_bytes();
                let target = buffer.get_mut(..8).ok_or(Errno(libc::EINVAL))?;
                target.write_copy_of_slice(&bytes);
                return Ok(8);
            }
            Object::Signal(_) => return self.read_signal(fd, buffer),
            Object::Pipe(_) => return self.read_pipe(fd, buffer, how),
            Object::File(_) => return self.read_into(fd, None, buffer),
            Object::Socket(_) | Object::Epoll(_) | Object::Unix(_) => {}
        }
        self.receive_from(fd, buffer, how)
            .map(|received| received.copied)
    }

    /// As [`Kernel::receive`], but from sockets only, and with all details.
    pub(crate) fn receive_from(
        &mut self,
        fd: i32,
        buffer: &mut [MaybeUninit<u8>],
        how: How,
    ) -> Result<Received> {
        let socket = match self.socket_at(fd) {
            Ok(socket) => socket,
            Err(Errno(libc::ENOTSOCK)) => return self.receive_unix(fd, buffer, how),
            Err(error) => return Err(error),
        };
        let never_blocks = socket.nonblocking || how.at_once;
        let result = if socket.is_tcp() {
            let flow = self.flow_of(fd)?;
            let read = self.tcp.receive(flow, buffer, how.peek, self.now);
            read.map(Received::of_stream)
        } else {
            self.receive_datagram(fd, buffer, how)
        };
        match result {
            Err(Errno(libc::EAGAIN)) => Err(self.would_block(never_blocks, fd, Way::Receive)),
            result => result.inspect(|received| self.hardware.cpu.charge_bytes(received.copied)),
        }
    }

    pub(crate) fn send(&mut self, fd: i32, bytes: &[u8]) -> Result<usize> {
        match self.object_at(fd)? {
            Object::Event(_) => {
                let value = bytes.try_into().map_err(|_| Errno(libc::EINVAL))?;
                self.event_write(fd, u64::from_ne_bytes(value))?;
                Ok(8)
            }
            Object::Pipe(_) => self.write_pipe(fd, bytes, false),
            Object::File(_) => self.write_file(fd, None, bytes),
            Object::Socket(_) | Object::Signal(_) | Object::Epoll(_) | Object::Unix(_) => {
                self.send_to(fd, bytes, None, Sending::default())
            }
        }
    }

    /// As [`Kernel::send`], but to sockets only, and optionally to an address, which a connection
    /// ignores.
    pub(crate) fn send_to(
        &mut self,
        fd: i32,
        bytes: &[u8],
        to: Option<SocketAddr>,
        sending: Sending,
    ) -> Result<usize> {
        let socket = match self.socket_at(fd) {
            Ok(socket) => socket,
            Err(Errno(libc::ENOTSOCK)) => return self.send_unix(fd, bytes, sending.at_once),
            Err(error) => return Err(error),
        };
        let never_blocks = socket.nonblocking || sending.at_once;
        let result = match socket.state {
            State::Connected(flow) => self.tcp.send(flow, bytes, self.now),
            State::Idle | State::Listening => return Err(Errno(libc::EPIPE)),
            State::Datagrams(_) => {
                let to = to.map(|to| socket.read_address(to)).transpose()?;
                self.send_datagram(fd, bytes, to.map(reachable), sending.ancillary)
            }
        };
        match result {
            Err(Errno(libc::EAGAIN)) => Err(self.would_block(never_blocks, fd, Way::Send)),
            result => result.inspect(|&bytes| self.hardware.cpu.charge_bytes(bytes)),
        }
    }

    /// How many bytes can be read without waiting (`FIONREAD`).
    pub(crate) fn waiting_bytes(&mut self, fd: i32) -> Result<usize> {
        match self.object_at(fd)? {
            Object::Pipe(_) => return self.waiting_in_pipe(fd),
            Object::File(_) => return self.rest_of_file(fd),
            _ => {}
        }
        match &self.socket_at(fd)?.state {
            &State::Connected(flow) => Ok(self.tcp.waiting_bytes(flow)),
            State::Datagrams(mailbox) => Ok(mailbox.first_length()),
            State::Idle | State::Listening => Err(Errno(libc::EINVAL)),
        }
    }

    /// Whether a descriptor receives datagrams.
    pub(crate) fn has_datagrams(&mut self, fd: i32) -> bool {
        self.socket_at(fd).is_ok_and(|socket| !socket.is_tcp())
    }

    pub(crate) fn shutdown(&mut self, fd: i32, how: i32) -> Result<()> {
        let (read, write) = match how {
            libc::SHUT_RD => (true, false),
            libc::SHUT_WR => (false, true),
            libc::SHUT_RDWR => (true, true),
            _ => return Err(Errno(libc::EINVAL)),
        };
        if self.is_unix(fd) {
            return self.shutdown_unix(fd, read, write);
        }
        let id = self.find(fd)?;
        match &mut self.socket_at(fd)?.state {
            State::Idle => return Err(Errno(libc::ENOTCONN)),
            State::Datagrams(mailbox) => mailbox.shutdown(read, write)?,
            &mut State::Connected(flow) => {
                if self.tcp.is_opening(flow) {
                    self.tcp.close(flow, self.now);
                    self.socket_at(fd)?.state = State::Idle;
                } else {
                    self.tcp.shutdown(flow, (read, write), self.now)?;
                }
            }
            State::Listening if read => {
                self.tcp.close_listener(id, self.now);
                let socket = self.socket_at(fd)?;
                socket.state = State::Idle;
                let port = socket.bound.map_or(0, |bound| bound.port());
                self.tcp.ports.set_listening(port, id, false);
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
            (State::Datagrams(mailbox), Some(_)) if let Some(endpoints) = mailbox.endpoints => {
                endpoints.local
            }
            (_, Some(bound)) => bound,
            (_, None) => SocketAddr::new(socket.any_address(), 0),
        };
        Ok(self.socket_at(fd)?.show_address(local))
    }

    pub(crate) fn peer_address(&mut self, fd: i32) -> Result<SocketAddr> {
        let peer = match &self.socket_at(fd)?.state {
            State::Datagrams(mailbox) => mailbox.endpoints,
            &State::Connected(flow) => self.tcp.has_peer(flow).then(|| self.tcp.addresses(flow)),
            State::Idle | State::Listening => None,
        };
        let peer = peer.ok_or(Errno(libc::ENOTCONN))?.peer;
        Ok(self.socket_at(fd)?.show_address(peer))
    }

    /// `SO_ERROR`: the pending error, which this call clears.
    pub(in crate::kernel) fn take_error(&mut self, fd: i32) -> Result<i32> {
        let error = match &mut self.socket_at(fd)?.state {
            &mut State::Connected(flow) => self.tcp.take_error(flow),
            State::Datagrams(mailbox) => mailbox.take_error(),
            State::Idle | State::Listening => None,
        };
        Ok(error.map_or(0, |Errno(code)| code))
    }

    pub(crate) fn is_nonblocking(&mut self, fd: i32) -> Result<bool> {
        match self.object_at(fd)? {
            Object::Socket(socket) => Ok(socket.nonblocking),
            Object::Pipe(end) => Ok(end.nonblocking),
            Object::Unix(socket) => Ok(socket.nonblocking),
            Object::Event(_) | Object::Signal(_) => Ok(true),
            Object::Epoll(_) | Object::File(_) => Ok(false),
        }
    }

    pub(crate) fn set_nonblocking(&mut self, fd: i32, nonblocking: bool) -> Result<()> {
        match self.object_at(fd)? {
            Object::Socket(socket) => socket.nonblocking = nonblocking,
            Object::Pipe(end) => end.nonblocking = nonblocking,
            Object::Unix(socket) => socket.nonblocking = nonblocking,
            Object::Event(_) | Object::Signal(_) | Object::Epoll(_) | Object::File(_) => {}
        }
        Ok(())
    }

    /// The last descriptor of a socket is closed. The kernel finishes what it leaves behind.
    pub(in crate::kernel) fn close_socket(&mut self, id: ObjectId, socket: &Socket) {
        match &socket.state {
            State::Idle => {}
            State::Listening => self.tcp.close_listener(id, self.now),
            &State::Connected(flow) => self.tcp.close(flow, self.now),
            State::Datagrams(mailbox) => {
                let port = socket.bound.map_or(0, |bound| bound.port());
                self.udp.reconnect(id, port, mailbox.endpoints, None);
            }
        }
        let ports = match socket.is_tcp() {
            true => &mut self.tcp.ports,
            false => &mut self.udp.ports,
        };
        if let Some(bound) = socket.bound {
            ports.release(bound.port(), id);
        }
    }
}
