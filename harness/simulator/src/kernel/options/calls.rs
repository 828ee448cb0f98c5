//! The calls that read and set options of sockets.

use super::{
    ALGORITHM_NAME, ALGORITHMS, MIN_RECEIVE_BUFFER, MIN_SEND_BUFFER, TCP_RECEIVE_BUFFER,
    TCP_SEND_BUFFER, buffer, hops, told_buffer, within,
};
use crate::kernel::Kernel;
use crate::kernel::address::Family;
use crate::kernel::connection::info::Info;
use crate::kernel::errno::{Errno, Result};
use crate::kernel::socket::{Socket, State};
use libc::{IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, IPPROTO_UDP, SOL_SOCKET, c_int};
use std::time::Duration;

impl Kernel {
    /// `setsockopt(2)` with an integer.
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
            // The buffer sizes of a connection are fixed when it begins.
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
            (IPPROTO_IP, libc::IP_PKTINFO) => options.datagrams.wanted.address = on,
            (IPPROTO_IP, libc::IP_RECVTOS) => options.datagrams.wanted.class = on,
            (IPPROTO_IP, libc::IP_RECVTTL) => options.datagrams.wanted.hops = on,
            (IPPROTO_IP, libc::IP_MTU_DISCOVER) => {
                options.datagrams.discovery = within(value, 0..=5)?;
            }
            (IPPROTO_IPV6, libc::IPV6_RECVPKTINFO) => options.datagrams.wanted.address_v6 = on,
            (IPPROTO_IPV6, libc::IPV6_RECVTCLASS) => options.datagrams.wanted.class_v6 = on,
            (IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT) => options.datagrams.wanted.hops_v6 = on,
            (IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER) => {
                options.datagrams.discovery_v6 = within(value, 0..=5)?;
            }
            (IPPROTO_IPV6, libc::IPV6_DONTFRAG) => options.datagrams.never_fragment = on,
            (IPPROTO_UDP, libc::UDP_SEGMENT) => {
                options.datagrams.segment = within(value, 0..=c_int::from(u16::MAX))? as u16;
            }
            (IPPROTO_UDP, libc::UDP_GRO) => options.datagrams.merges = on,
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

    /// `getsockopt(2)` of an integer.
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
            (IPPROTO_IP, libc::IP_PKTINFO) => options.datagrams.wanted.address.into(),
            (IPPROTO_IP, libc::IP_RECVTOS) => options.datagrams.wanted.class.into(),
            (IPPROTO_IP, libc::IP_RECVTTL) => options.datagrams.wanted.hops.into(),
            (IPPROTO_IP, libc::IP_MTU_DISCOVER) => options.datagrams.discovery,
            (IPPROTO_IPV6, libc::IPV6_RECVPKTINFO) => options.datagrams.wanted.address_v6.into(),
            (IPPROTO_IPV6, libc::IPV6_RECVTCLASS) => options.datagrams.wanted.class_v6.into(),
            (IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT) => options.datagrams.wanted.hops_v6.into(),
            (IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER) => options.datagrams.discovery_v6,
            (IPPROTO_IPV6, libc::IPV6_DONTFRAG) => options.datagrams.never_fragment.into(),
            (IPPROTO_UDP, libc::UDP_SEGMENT) => options.datagrams.segment.into(),
            (IPPROTO_UDP, libc::UDP_GRO) => options.datagrams.merges.into(),
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

    /// `TCP_CONGESTION`: a name, padded with zeros.
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

    /// `TCP_INFO`: for a socket without a connection, only its state.
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

    pub(in crate::kernel) fn unknown_option(
        &mut self,
        call: &str,
        level: c_int,
        name: c_int,
    ) -> Errno {
        let call = format!("{call} of level {level}, name {name}");
        self.refuse(call, "do without this socket option");
        Errno(libc::ENOPROTOOPT)
    }
}

impl Socket {
    /// Whether options of this level apply to this socket at all.
    fn has_level(&self, level: c_int) -> bool {
        match level {
            IPPROTO_TCP => self.is_tcp(),
            IPPROTO_UDP => !self.is_tcp(),
            IPPROTO_IPV6 => self.family == Family::V6,
            _ => true,
        }
    }
}
