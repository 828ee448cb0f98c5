//! Which addresses a machine has, and how a socket of either family represents them.
//!
//! Inside the kernel an IPv4 address is an IPv4 address. Only a program with an IPv6 socket sees it
//! as `::ffff:a.b.c.d` (RFC 4291, 2.5.5.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The addresses of a machine, apart from loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Addresses {
    pub(crate) v4: Ipv4Addr,
    pub(crate) v6: Ipv6Addr,
}

impl Addresses {
    /// Whether a socket may be bound to this address.
    pub(super) fn include(&self, ip: IpAddr) -> bool {
        ip.is_unspecified() || ip.is_loopback() || ip == self.v4 || ip == self.v6
    }

    /// The address that packets to `peer` come from.
    pub(super) fn source_for(&self, peer: IpAddr) -> IpAddr {
        match peer {
            IpAddr::V4(ip) if ip.is_loopback() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_loopback() => peer,
            IpAddr::V4(_) => self.v4.into(),
            IpAddr::V6(_) => self.v6.into(),
        }
    }
}

/// The address family of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    /// Includes IPv4, unless `IPV6_V6ONLY` is set.
    V6,
}

/// Where a packet to the unspecified address goes: this machine, as on Linux.
pub(super) fn reachable(to: SocketAddr) -> SocketAddr {
    let ip = match to.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, to.port())
}
