//! The socket options, as `socket(7)`, `ip(7)`, `ipv6(7)` and `tcp(7)` describe them.

use super::connection::info::Info;
use super::connection::{Algorithm, Wishes};
use super::packet::HOPS;
use super::socket::{Family, Socket, State};
use super::{Errno, Kernel, Result};
use libc::{IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP, SOL_SOCKET, c_int};
use std::net::IpAddr;
use std::time::Duration;

/// Bytes of datagrams that may wait to be read (`rmem_default`).
pub(super) const UDP_BUFFER: usize = 104 * 1024;

/// What a program is told of the buffers of a connection whose sizes it has not set: they grow (`tcp_wmem`,
/// `tcp_rmem`).
const TCP_SEND_BUFFER: c_int = 16_384;
const TCP_RECEIVE_BUFFER: c_int = 131_072;

/// The largest buffer a program can ask for (`rmem_max`, `wmem_max`), and the smallest it gets.
const MAX_BUFFER: c_int = 212_992;
const MIN_SEND_BUFFER: usize = 2304;
const MIN_RECEIVE_BUFFER: usize = 1152;

/// The names of `TCP_CONGESTION`, and how long they are in memory (`TCP_CA_NAME_MAX`).
const ALGORITHMS: [(&str, Algorithm); 2] = [("cubic", Algorithm::Cubic), ("reno", Algorithm::Reno)];
const ALGORITHM_NAME: usize = 16;

/// What a program can set. Accepted sockets inherit it from their listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) no_delay: bool,
    /// Hold back what does not fill a segment (`TCP_CORK`).
    pub(super) cork: bool,
    /// `TCP_CONGESTION`.
    pub(super) algorithm: Algorithm,
    /// Acknowledgements wait for no answer, as far as a program has asked for that (`TCP_QUICKACK`).
    pub(super) quick_ack: bool,
    pub(super) reuse_address: bool,
    pub(super) reuse_port: bool,
    pub(super) only_v6: bool,
    pub(super) broadcast: bool,
    pub(super) keep_alive: bool,
    /// When keep-alive probes begin (`tcp_keepalive_time`), in seconds.
    pub(super) keep_idle: c_int,
    /// The time between them (`tcp_keepalive_intvl`), in seconds, and how many there are.
    pub(super) keep_interval: c_int,
    pub(super) keep_count: c_int,
    /// In milliseconds; zero stands for the system's own limits.
    pub(super) user_timeout: c_int,
    /// `SO_LINGER`: zero resets on close; any other time is how long that may wait.
    pub(super) linger: Option<Duration>,
    /// How long a call that receives, or sends, may wait (`SO_RCVTIMEO`, `SO_SNDTIMEO`).
    pub(super) time_limits: [Option<Duration>; 2],
    pub(super) ttl: u8,
    pub(super) hop_limit: u8,
    /// Remembered, and without effect: no link looks at them.
    pub(super) type_of_service: c_int,
    pub(super) traffic_class: c_int,
    /// Payload in bytes. Linux counts its bookkeeping too, so it tells a program twice as much.
    /// None stands for the system's own sizes.
    pub(super) send_buffer: Option<usize>,
    pub(super) receive_buffer: Option<usize>,
}

impl Options {
    pub(super) fn new() -> Self {
        Self {
            no_delay: false,
            cork: false,
            algorithm: Algorithm::default(),
            quick_ack: true,
            reuse_address: false,
            reuse_port: false,
            only_v6: false,
            broadcast: false,
            keep_alive: false,
            keep_idle: 7200,
            keep_interval: 75,
            keep_count: 9,
            user_timeout: 0,
            linger: None,
            time_limits: [None; 2],
            ttl: HOPS,
            hop_limit: HOPS,
            type_of_service: 0,
            traffic_class: 0,
            send_buffer: None,
            receive_buffer: None,
        }
    }
}

impl Options {
    /// What the sender of a connection has to mind.
    pub(super) fn wishes(&self) -> Wishes {
        Wishes {
            no_delay: self.no_delay,
            cork: self.cork,
            patience: self.user_timeout as u64 * 1_000_000,
            is_abandoned: false,
        }
    }

    /// The hops of a packet from this address.
    pub(super) fn hops(&self, source: IpAddr) -> u8 {
        match source {
            IpAddr::V4(_) => self.ttl,
            IpAddr::V6(_) => self.hop_limit.max(1),
        }
    }
}

impl Kernel {
    /// `setsockopt(2)` with a number.
    pub(crate) fn set_option(
        &mut self,
        fd: i32,
        level: c_int,
        name: c_int,
        value: c_int,
    ) -> Result<()> {
        if self.is_unix(fd) {
            return Err(self.unknown_option("setsockopt on a Unix socket", level, name));
        }
        let socket = self.socket_at(fd)?;
        if !socket.has_level(level) {
            return Err(Errno(libc::ENOPROTOOPT));
        }
        let on = value != 0;
        let is_bound = socket.bound.is_some();
        let has_flow = matches!(socket.state, State::Connected(_));
        let options = &mut socket.options;
        match (level, name) {
            (SOL_SOCKET, libc::SO_REUSEADDR) => options.reuse_address = on,
            (SOL_SOCKET, libc::SO_REUSEPORT) => options.reuse_port = on,
            (SOL_SOCKET, libc::SO_BROADCAST) => options.broadcast = on,
            (SOL_SOCKET, libc::SO_KEEPALIVE) => options.keep_alive = on,
            // What fits into the buffers of a connection is agreed on when it begins.
            (SOL_SOCKET, libc::SO_SNDBUF | libc::SO_RCVBUF) if has_flow => {}
            (SOL_SOCKET, libc::SO_SNDBUF) => {
                options.send_buffer = Some(buffer(value, MIN_SEND_BUFFER));
            }
            (SOL_SOCKET, libc::SO_RCVBUF) => {
                options.receive_buffer = Some(buffer(value, MIN_RECEIVE_BUFFER));
            }
            (IPPROTO_TCP, libc::TCP_NODELAY) => options.no_delay = on,
            (IPPROTO_TCP, libc::TCP_CORK) => options.cork = on,
            (IPPROTO_TCP, libc::TCP_QUICKACK) => {
                options.quick_ack = on;
                if let State::Connected(flow) = socket.state {
                    self.tcp.set_quick(flow, on, self.now);
                }
                return Ok(());
            }
            (IPPROTO_TCP, libc::TCP_KEEPIDLE) => options.keep_idle = within(value, 1..=32767)?,
            (IPPROTO_TCP, libc::TCP_KEEPINTVL) => {
                options.keep_interval = within(value, 1..=32767)?;
            }
            (IPPROTO_TCP, libc::TCP_KEEPCNT) => options.keep_count = within(value, 1..=127)?,
            (IPPROTO_TCP, libc::TCP_USER_TIMEOUT) => {
                options.user_timeout = within(value, 0..=c_int::MAX)?;
            }
            (IPPROTO_IP, libc::IP_TTL) => options.ttl = hops(value, 1)?,
            (IPPROTO_IP, libc::IP_TOS) => options.type_of_service = value & 0xff,
            (IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS) => options.hop_limit = hops(value, 0)?,
            (IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                options.traffic_class = within(value, -1..=255)?.max(0);
            }
            (IPPROTO_IPV6, libc::IPV6_V6ONLY) if is_bound || has_flow => {
                return Err(Errno(libc::EINVAL));
            }
            (IPPROTO_IPV6, libc::IPV6_V6ONLY) => options.only_v6 = on,
            _ => return Err(self.unknown_option("setsockopt", level, name)),
        }
        self.apply_options(fd)
    }

    /// `getsockopt(2)` of a number.
    pub(crate) fn option(&mut self, fd: i32, level: c_int, name: c_int) -> Result<c_int> {
        if self.is_unix(fd) {
            return self.unix_option(fd, level, name);
        }
        if (level, name) == (SOL_SOCKET, libc::SO_ERROR) {
            return self.take_error(fd);
        }
        let socket = self.socket_at(fd)?;
        if !socket.has_level(level) {
            return Err(Errno(libc::EOPNOTSUPP));
        }
        let is_tcp = socket.is_tcp();
        let options = &socket.options;
        Ok(match (level, name) {
            (SOL_SOCKET, libc::SO_TYPE) if is_tcp => libc::SOCK_STREAM,
            (SOL_SOCKET, libc::SO_TYPE) => libc::SOCK_DGRAM,
            (SOL_SOCKET, libc::SO_PROTOCOL) if is_tcp => IPPROTO_TCP,
            (SOL_SOCKET, libc::SO_PROTOCOL) => IPPROTO_UDP,
            (SOL_SOCKET, libc::SO_DOMAIN) => match socket.family {
                Family::V4 => libc::AF_INET,
                Family::V6 => libc::AF_INET6,
            },
            (SOL_SOCKET, libc::SO_ACCEPTCONN) => matches!(socket.state, State::Listening).into(),
            (SOL_SOCKET, libc::SO_REUSEADDR) => options.reuse_address.into(),
            (SOL_SOCKET, libc::SO_REUSEPORT) => options.reuse_port.into(),
            (SOL_SOCKET, libc::SO_BROADCAST) => options.broadcast.into(),
            (SOL_SOCKET, libc::SO_KEEPALIVE) => options.keep_alive.into(),
            (SOL_SOCKET, libc::SO_SNDBUF) => {
                told_buffer(options.send_buffer, is_tcp, TCP_SEND_BUFFER)
            }
            (SOL_SOCKET, libc::SO_RCVBUF) => {
                told_buffer(options.receive_buffer, is_tcp, TCP_RECEIVE_BUFFER)
            }
            (IPPROTO_TCP, libc::TCP_NODELAY) => options.no_delay.into(),
            (IPPROTO_TCP, libc::TCP_CORK) => options.cork.into(),
            (IPPROTO_TCP, libc::TCP_QUICKACK) => options.quick_ack.into(),
            (IPPROTO_TCP, libc::TCP_KEEPIDLE) => options.keep_idle,
            (IPPROTO_TCP, libc::TCP_KEEPINTVL) => options.keep_interval,
            (IPPROTO_TCP, libc::TCP_KEEPCNT) => options.keep_count,
            (IPPROTO_TCP, libc::TCP_USER_TIMEOUT) => options.user_timeout,
            (IPPROTO_IP, libc::IP_TTL) => options.ttl.into(),
            (IPPROTO_IP, libc::IP_TOS) => options.type_of_service,
            (IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS) => options.hop_limit.into(),
            (IPPROTO_IPV6, libc::IPV6_TCLASS) => options.traffic_class,
            (IPPROTO_IPV6, libc::IPV6_V6ONLY) => options.only_v6.into(),
            _ => return Err(self.unknown_option("getsockopt", level, name)),
        })
    }

    /// `SO_LINGER`.
    pub(crate) fn set_linger(&mut self, fd: i32, linger: Option<Duration>) -> Result<()> {
        self.socket_at(fd)?.options.linger = linger;
        self.apply_options(fd)
    }

    pub(crate) fn linger(&mut self, fd: i32) -> Result<Option<Duration>> {
        Ok(self.socket_at(fd)?.options.linger)
    }

    /// `TCP_CONGESTION`.
    pub(crate) fn set_congestion(&mut self, fd: i32, name: &[u8]) -> Result<()> {
        let socket = self.socket_at(fd)?;
        if !socket.is_tcp() {
            return Err(Errno(libc::ENOPROTOOPT));
        }
        let name = name.split(|&byte| byte == 0).next().unwrap_or(name);
        let known = ALGORITHMS
            .iter()
            .find(|(known, _)| known.as_bytes() == name);
        let &(_, algorithm) = known.ok_or(Errno(libc::ENOENT))?;
        socket.options.algorithm = algorithm;
        self.apply_options(fd)
    }

    /// `TCP_CONGESTION`: a name, and zeros.
    pub(crate) fn congestion(&mut self, fd: i32) -> Result<[u8; ALGORITHM_NAME]> {
        let socket = self.socket_at(fd)?;
        if !socket.is_tcp() {
            return Err(Errno(libc::EOPNOTSUPP));
        }
        let algorithm = socket.options.algorithm;
        let mut told = [0; ALGORITHM_NAME];
        for (name, _) in ALGORITHMS.iter().filter(|(_, other)| *other == algorithm) {
            told[..name.len()].copy_from_slice(name.as_bytes());
        }
        Ok(told)
    }

    /// `TCP_INFO`: of a socket without a connection, not more than its state.
    pub(crate) fn tcp_info(&mut self, fd: i32) -> Result<Info> {
        let now = self.now;
        let socket = self.socket_at(fd)?;
        let state = match socket.state {
            State::Connected(flow) => return Ok(self.tcp.info(flow, now)),
            State::Idle => 7,
            State::Listening => 10,
            State::Datagrams(_) => return Err(Errno(libc::EOPNOTSUPP)),
        };
        Ok(Info {
            state,
            ..Info::default()
        })
    }

    fn apply_options(&mut self, fd: i32) -> Result<()> {
        let id = self.find(fd)?;
        let socket = self.socket_at(fd)?;
        let options = socket.options;
        match socket.state {
            State::Connected(flow) => self.tcp.set_options(flow, options, self.now),
            State::Listening => self.tcp.set_listener_options(id, options),
            State::Idle | State::Datagrams(_) => {}
        }
        Ok(())
    }

    pub(super) fn unknown_option(&mut self, call: &str, level: c_int, name: c_int) -> Errno {
        let call = format!("{call} of level {level}, name {name}");
        self.refuse(call, "leave this socket option away");
        Errno(libc::ENOPROTOOPT)
    }
}

impl Socket {
    /// Whether the options of a level are options of this socket at all.
    fn has_level(&self, level: c_int) -> bool {
        match level {
            IPPROTO_TCP => self.is_tcp(),
            IPPROTO_UDP => !self.is_tcp(),
            IPPROTO_IPV6 => self.family == Family::V6,
            _ => true,
        }
    }
}

/// The payload that Linux would make room for.
fn buffer(wanted: c_int, least: usize) -> usize {
    (wanted.clamp(0, MAX_BUFFER) as usize).max(least)
}

/// What a program is told of a buffer: twice what is for its bytes, as Linux counts what it keeps beside them.
fn told_buffer(set: Option<usize>, is_tcp: bool, of_tcp: c_int) -> c_int {
    match set {
        Some(size) => 2 * size as c_int,
        None if is_tcp => of_tcp,
        None => 2 * UDP_BUFFER as c_int,
    }
}

fn within(value: c_int, allowed: std::ops::RangeInclusive<c_int>) -> Result<c_int> {
    match allowed.contains(&value) {
        true => Ok(value),
        false => Err(Errno(libc::EINVAL)),
    }
}

/// A number of hops; -1 stands for the default.
fn hops(value: c_int, least: c_int) -> Result<u8> {
    match value {
        -1 => Ok(HOPS),
        value => within(value, least..=255).map(|hops| hops as u8),
    }
}
