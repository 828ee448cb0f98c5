//! Which addresses a machine has, and how a socket of either family writes them.
//!
//! Inside the kernel an IPv4 address is an IPv4 address. Only a program with an IPv6 socket sees it as
//! `::ffff:a.b.c.d` (RFC 4291, 2.5.5.2).

use super::socket::{Family, Socket};
use super::{Errno, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// The addresses of a machine, beside those of its loopback.
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

/// The address that a packet to the unspecified one goes to: this machine, as on Linux.
pub(super) fn reachable(to: SocketAddr) -> SocketAddr {
    let ip = match to.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, to.port())
}

impl Socket {
    /// An address that the program gave, as the kernel writes it.
    ///
    /// # Errors
    ///
    /// `EAFNOSUPPORT` if it is of the other family.
    pub(super) fn read_address(&self, address: SocketAddr) -> Result<SocketAddr> {
        match (self.family, address) {
            (Family::V4, SocketAddr::V4(_)) => Ok(address),
            (Family::V6, SocketAddr::V6(v6)) => {
                Ok(SocketAddr::new(v6.ip().to_canonical(), v6.port()))
            }
            // An IPv4 address is too short to be an IPv6 one.
            (Family::V6, SocketAddr::V4(_)) => Err(Errno(libc::EINVAL)),
            (Family::V4, SocketAddr::V6(_)) => Err(Errno(libc::EAFNOSUPPORT)),
        }
    }

    /// An address of the kernel, as the program is to see it.
    pub(super) fn show_address(&self, address: SocketAddr) -> SocketAddr {
        match (self.family, address) {
            (Family::V6, SocketAddr::V4(v4)) => {
                SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into()
            }
            (_, address) => address,
        }
    }

    /// The wildcard of the socket's family.
    pub(super) fn any_address(&self) -> IpAddr {
        match self.family {
            Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// Whether the socket may talk to this address.
    ///
    /// # Errors
    ///
    /// `ENETUNREACH` for an IPv4 address and a socket that is for IPv6 only.
    pub(super) fn can_reach(&self, ip: IpAddr) -> Result<()> {
        match ip.is_ipv4() && self.family == Family::V6 && self.options.only_v6 {
            true => Err(Errno(libc::ENETUNREACH)),
            false => Ok(()),
        }
    }
}
