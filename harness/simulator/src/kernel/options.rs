//! The socket options, as `socket(7)`, `ip(7)`, `ipv6(7)` and `tcp(7)` describe them.

mod calls;

use super::ancillary::DatagramOptions;
use super::connection::{Algorithm, Wishes};
use super::errno::{Errno, Result};
use super::packet::HOPS;
use libc::c_int;
use std::net::IpAddr;
use std::time::Duration;

/// Bytes of datagrams that may wait to be read (`rmem_default`).
pub(super) const UDP_BUFFER: usize = 104 * 1024;

/// The buffer sizes reported for a connection whose program has not set them: they grow
/// (`tcp_wmem`, `tcp_rmem`).
const TCP_SEND_BUFFER: c_int = 16_384;
const TCP_RECEIVE_BUFFER: c_int = 131_072;

/// The largest buffer that a program can request (`rmem_max`, `wmem_max`), and the smallest it
/// gets.
const MAX_BUFFER: c_int = 212_992;
const MIN_SEND_BUFFER: usize = 2304;
const MIN_RECEIVE_BUFFER: usize = 1152;

/// The names for `TCP_CONGESTION`, and their length in memory (`TCP_CA_NAME_MAX`).
const ALGORITHMS: [(&str, Algorithm); 2] = [("cubic", Algorithm::Cubic), ("reno", Algorithm::Reno)];
const ALGORITHM_NAME: usize = 16;

/// What a program can set. Accepted sockets inherit it from their listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) no_delay: bool,
    /// Hold back segments that are not full (`TCP_CORK`).
    pub(super) cork: bool,
    /// `TCP_CONGESTION`.
    pub(super) algorithm: Algorithm,
    /// Acknowledgements do not wait for an answer, as far as a program has requested that
    /// (`TCP_QUICKACK`).
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
    /// In milliseconds; zero means the system's own limits.
    pub(super) user_timeout: c_int,
    /// `SO_LINGER`: zero resets on close; any other time is how long closing may wait.
    pub(super) linger: Option<Duration>,
    /// How long a receiving call, and a sending call, may wait (`SO_RCVTIMEO`, `SO_SNDTIMEO`).
    pub(super) time_limits: [Option<Duration>; 2],
    pub(super) ttl: u8,
    pub(super) hop_limit: u8,
    /// Carried by datagrams only, and no link looks at it.
    pub(super) type_of_service: c_int,
    pub(super) traffic_class: c_int,
    pub(super) datagrams: DatagramOptions,
    /// Payload in bytes. Linux also counts its bookkeeping, so it reports twice as much to a
    /// program. None means the system's own sizes.
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
            datagrams: DatagramOptions::default(),
            send_buffer: None,
            receive_buffer: None,
        }
    }
}

impl Options {
    /// The options that concern the sender of a connection.
    pub(super) fn wishes(&self) -> Wishes {
        Wishes {
            no_delay: self.no_delay,
            cork: self.cork,
            patience: self.user_timeout as u64 * 1_000_000,
            is_abandoned: false,
        }
    }

    /// The traffic class of a datagram to this address: DSCP and ECN (RFC 2474, RFC 3168).
    pub(super) fn class(&self, to: IpAddr) -> u8 {
        match to {
            IpAddr::V4(_) => self.type_of_service as u8,
            IpAddr::V6(_) => self.traffic_class as u8,
        }
    }

    /// The hop limit of a packet from this address.
    pub(super) fn hops(&self, source: IpAddr) -> u8 {
        match source {
            IpAddr::V4(_) => self.ttl,
            IpAddr::V6(_) => self.hop_limit.max(1),
        }
    }
}

/// The payload that Linux would make room for.
fn buffer(wanted: c_int, least: usize) -> usize {
    (wanted.clamp(0, MAX_BUFFER) as usize).max(least)
}

/// The buffer size reported to a program: twice that of the payload, since Linux includes its
/// bookkeeping.
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

/// A hop limit; -1 means the default.
fn hops(value: c_int, least: c_int) -> Result<u8> {
    match value {
        -1 => Ok(HOPS),
        value => within(value, least..=255).map(|hops| hops as u8),
    }
}
