//! The socket calls, as `socket(7)` and `tcp(7)` describe them, on what TCP offers.

use super::epoll::Watch;
use super::flow::FlowId;
use super::tcp::Established;
use super::{Errno, Kernel, Object, Result};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

/// A TCP socket as the process sees it.
pub(super) struct Socket {
    pub(super) state: State,
    pub(super) options: Options,
    pub(super) nonblocking: bool,
    pub(super) watch: Option<Watch>,
}

pub(super) enum State {
    /// Neither connected nor listening; perhaps bound.
    Fresh { bound: Option<SocketAddrV4> },
    /// Waiting for connections.
    Listening { local: SocketAddrV4 },
    /// One end of a connection, in whatever state that is.
    Connected(FlowId),
}

/// The options that change how a connection behaves.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Options {
    pub(super) no_delay: bool,
    pub(super) reuse_address: bool,
    pub(super) keep_alive: bool,
    pub(super) keep_idle: Option<Duration>,
    pub(super) user_timeout: Option<Duration>,
    /// `SO_LINGER`: only the value zero (reset on close) changes anything.
    pub(super) linger: Option<Duration>,
}

/// A socket option that the simulator knows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum SocketOption {
    NoDelay(bool),
    ReuseAddress(bool),
    KeepAlive(bool),
    KeepIdle(Duration),
    UserTimeout(Duration),
    Linger(Option<Duration>),
    /// Accepted, and without effect here.
    Ignored,
}

impl Kernel {
    pub(crate) fn socket(&mut self, nonblocking: bool) -> i32 {
        let state = State::Fresh { bound: None };
        self.insert_socket(state, Options::default(), nonblocking)
    }

    fn insert_socket(&mut self, state: State, options: Options, nonblocking: bool) -> i32 {
        self.insert(Object::Socket(Socket {
            state,
            options,
            nonblocking,
            watch: None,
        }))
    }

    /// A socket of the process. A dead process has none, so that its destructors send nothing.
    fn socket_at(&mut self, fd: i32) -> Result<&mut Socket> {
        if self.process_is_dead {
            return Err(Errno(libc::EBADF));
        }
        match self.object_at(fd)? {
            Object::Socket(socket) => Ok(socket),
            Object::Epoll(_) | Object::Event(_) => Err(Errno(libc::ENOTSOCK)),
        }
    }

    fn flow_of(&mut self, fd: i32) -> Result<FlowId> {
        match self.socket_at(fd)?.state {
            State::Connected(flow) => Ok(flow),
            State::Fresh { .. } | State::Listening { .. } => Err(Errno(libc::ENOTCONN)),
        }
    }

    pub(crate) fn bind(&mut self, fd: i32, wanted: SocketAddrV4) -> Result<()> {
        let own = wanted.ip().is_unspecified()
            || wanted.ip().is_loopback()
            || *wanted.ip() == self.address;
        if !own {
            return Err(Errno(libc::EADDRNOTAVAIL));
        }
        let State::Fresh { bound: None } = self.socket_at(fd)?.state else {
            return Err(Errno(libc::EINVAL));
        };
        let local = self.tcp.choose_port(wanted)?;
        self.socket_at(fd)?.state = State::Fresh { bound: Some(local) };
        Ok(())
    }

    pub(crate) fn listen(&mut self, fd: i32, backlog: i32) -> Result<()> {
        let local = match self.socket_at(fd)?.state {
            State::Fresh { bound: Some(local) } | State::Listening { local } => local,
            State::Fresh { bound: None } => self
                .tcp
                .choose_port(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0))?,
            State::Connected(_) => return Err(Errno(libc::EINVAL)),
        };
        let id = self.find(fd)?;
        self.tcp
            .listen(local, usize::try_from(backlog).unwrap_or(0), id);
        self.socket_at(fd)?.state = State::Listening { local };
        Ok(())
    }

    /// Takes an established connection off a listener: its descriptor and the peer's address.
    pub(crate) fn accept(&mut self, fd: i32, nonblocking: bool) -> Result<(i32, SocketAddrV4)> {
        let socket = self.socket_at(fd)?;
        let State::Listening { local } = socket.state else {
            return Err(Errno(libc::EINVAL));
        };
        let (listener_nonblocking, options) = (socket.nonblocking, socket.options);
        let Some(Established { flow, peer }) = self.tcp.accept(local.port()) else {
            return Err(self.would_block(listener_nonblocking, "accept on a blocking socket"));
        };
        let accepted = self.insert_socket(State::Connected(flow), options, nonblocking);
        let id = self.find(accepted)?;
        self.tcp.set_owner(flow, id);
        self.tcp.set_options(flow, options);
        Ok((accepted, peer))
    }

    pub(crate) fn connect(&mut self, fd: i32, peer: SocketAddrV4) -> Result<()> {
        let (address, now) = (self.address, self.now);
        let socket = self.socket_at(fd)?;
        let (nonblocking, options) = (socket.nonblocking, socket.options);
        let bound = match socket.state {
            State::Fresh { bound } => bound,
            State::Listening { .. } => return Err(Errno(libc::EISCONN)),
            State::Connected(flow) => return Err(self.tcp.connect_again(flow)),
        };
        // Connecting to 0.0.0.0 means this machine, as on Linux.
        let peer = match peer.ip().is_unspecified() {
            true => SocketAddrV4::new(Ipv4Addr::LOCALHOST, peer.port()),
            false => peer,
        };
        let source = if peer.ip().is_loopback() {
            *peer.ip()
        } else {
            address
        };
        let id = self.find(fd)?;
        let flow = self.tcp.connect(source, bound, peer, options, id, now)?;
        self.socket_at(fd)?.state = State::Connected(flow);
        if nonblocking {
            return Err(Errno(libc::EINPROGRESS));
        }
        Err(self.would_block(false, "connect on a blocking socket"))
    }

    pub(crate) fn receive(&mut self, fd: i32, buffer: &mut [u8], peek: bool) -> Result<usize> {
        if let Object::Event(_) = self.object_at(fd)? {
            let bytes = self.event_read(fd)?.to_ne_bytes();
            let target = buffer.get_mut(..8).ok_or(Errno(libc::EINVAL))?;
            target.copy_from_slice(&bytes);
            return Ok(8);
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
        let flow = self.flow_of(fd)?;
        let (read, write) = match how {
            libc::SHUT_RD => (true, false),
            libc::SHUT_WR => (false, true),
            libc::SHUT_RDWR => (true, true),
            _ => return Err(Errno(libc::EINVAL)),
        };
        self.tcp.shutdown(flow, read, write)?;
        let id = self.find(fd)?;
        self.notify(Some(id));
        Ok(())
    }

    pub(crate) fn local_address(&mut self, fd: i32) -> Result<SocketAddrV4> {
        match self.socket_at(fd)?.state {
            State::Fresh { bound } => {
                Ok(bound.unwrap_or(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)))
            }
            State::Listening { local } => Ok(local),
            State::Connected(flow) => Ok(self.tcp.addresses(flow).0),
        }
    }

    pub(crate) fn peer_address(&mut self, fd: i32) -> Result<SocketAddrV4> {
        let flow = self.flow_of(fd)?;
        match self.tcp.is_connected(flow) {
            true => Ok(self.tcp.addresses(flow).1),
            false => Err(Errno(libc::ENOTCONN)),
        }
    }

    pub(crate) fn is_socket(&mut self, fd: i32) -> Result<()> {
        self.socket_at(fd).map(drop)
    }

    pub(crate) fn is_listening(&mut self, fd: i32) -> Result<bool> {
        Ok(matches!(self.socket_at(fd)?.state, State::Listening { .. }))
    }

    pub(crate) fn option_set(&mut self, fd: i32, option: SocketOption) -> Result<()> {
        let socket = self.socket_at(fd)?;
        let options = &mut socket.options;
        match option {
            SocketOption::NoDelay(on) => options.no_delay = on,
            SocketOption::ReuseAddress(on) => options.reuse_address = on,
            SocketOption::KeepAlive(on) => options.keep_alive = on,
            SocketOption::KeepIdle(idle) => options.keep_idle = Some(idle),
            SocketOption::UserTimeout(limit) => options.user_timeout = Some(limit),
            SocketOption::Linger(linger) => options.linger = linger,
            SocketOption::Ignored => {}
        }
        let options = *options;
        if let State::Connected(flow) = socket.state {
            self.tcp.set_options(flow, options);
        }
        Ok(())
    }

    pub(crate) fn no_delay(&mut self, fd: i32) -> Result<bool> {
        Ok(self.socket_at(fd)?.options.no_delay)
    }

    pub(crate) fn keep_alive(&mut self, fd: i32) -> Result<bool> {
        Ok(self.socket_at(fd)?.options.keep_alive)
    }

    pub(crate) fn reuse_address(&mut self, fd: i32) -> Result<bool> {
        Ok(self.socket_at(fd)?.options.reuse_address)
    }

    pub(crate) fn linger(&mut self, fd: i32) -> Result<Option<Duration>> {
        Ok(self.socket_at(fd)?.options.linger)
    }

    /// `SO_ERROR`: the pending error, which this call clears.
    pub(crate) fn take_error(&mut self, fd: i32) -> Result<i32> {
        match self.socket_at(fd)?.state {
            State::Connected(flow) => Ok(self.tcp.take_error(flow).map_or(0, |Errno(code)| code)),
            State::Fresh { .. } | State::Listening { .. } => Ok(0),
        }
    }

    pub(crate) fn is_nonblocking(&mut self, fd: i32) -> Result<bool> {
        match self.object_at(fd)? {
            Object::Socket(socket) => Ok(socket.nonblocking),
            Object::Event(_) => Ok(true),
            Object::Epoll(_) => Ok(false),
        }
    }

    pub(crate) fn set_nonblocking(&mut self, fd: i32, nonblocking: bool) -> Result<()> {
        if let Object::Socket(socket) = self.object_at(fd)? {
            socket.nonblocking = nonblocking;
        }
        Ok(())
    }

    fn would_block(&mut self, nonblocking: bool, call: &str) -> Errno {
        if !nonblocking {
            self.refuse(call, "use tokio's sockets, which never block their thread");
        }
        Errno(libc::EAGAIN)
    }
}
