//! How a socket of either family represents the kernel's addresses.

use super::Socket;
use crate::kernel::address::Family;
use crate::kernel::errno::{Errno, Result};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

impl Socket {
    /// An address given by the program, in the kernel's form.
    ///
    /// # Errors
    ///
    /// `EAFNOSUPPORT` if it is of the other family.
    pub(in crate::kernel) fn read_address(&self, address: SocketAddr) -> Result<SocketAddr> {
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

    /// An address of the kernel, in the form for the program.
    pub(in crate::kernel) fn show_address(&self, address: SocketAddr) -> SocketAddr {
        match (self.family, address) {
            (Family::V6, SocketAddr::V4(v4)) => {
                SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into()
            }
            (_, address) => address,
        }
    }

    /// The wildcard of the socket's family.
    pub(in crate::kernel) fn any_address(&self) -> IpAddr {
        match self.family {
            Family::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Family::V6 => Ipv6Addr::UNSPECIFIED.into(),
        }
    }

    /// Whether the socket may send to this address.
    ///
    /// # Errors
    ///
    /// `ENETUNREACH` for an IPv4 address and a socket for IPv6 only.
    pub(in crate::kernel) fn can_reach(&self, ip: IpAddr) -> Result<()> {
        match ip.is_ipv4() && self.family == Family::V6 && self.options.only_v6 {
            true => Err(Errno(libc::ENETUNREACH)),
            false => Ok(()),
        }
    }
}
