//! What routers report to a machine: that a packet was too large for the path. Linux adapts its
//! segments (path MTU discovery, RFC 1191 and RFC 8201); other ICMP messages are ignored.

mod learning;

use super::packet::{Endpoints, Packet};
use smoltcp::wire::{IpProtocol, Ipv4Packet, Ipv6Packet};
use std::net::{IpAddr, SocketAddr};

/// The smallest path MTU that Linux accepts (`min_pmtu`).
const MIN_PATH_MTU: u16 = 552;

/// The smallest MTU of IPv6: every link supports it, and smaller values are ignored (RFC 8201,
/// section 4).
const MIN_MTU_V6: u16 = 1280;

/// The message that a packet was too large (RFC 792 and RFC 1191, section 4; RFC 4443, section
/// 3.2).
pub(super) struct TooBig {
    /// The flow that the packet belonged to.
    endpoints: Endpoints,
    /// The largest packet that gets through, in bytes.
    mtu: u16,
}

impl TooBig {
    /// Reads a packet; none if it is not such a message about a TCP segment.
    pub(super) fn read(packet: &Packet) -> Option<Self> {
        let ip = packet.ip()?;
        let (mtu, quoted) = match (ip.protocol, ip.payload) {
            (IpProtocol::Icmp, [3, 4, _, _, _, _, high, low, quoted @ ..]) => {
                (u16::from_be_bytes([*high, *low]), quoted)
            }
            (IpProtocol::Icmpv6, [2, 0, _, _, a, b, c, d, quoted @ ..]) => {
                let mtu = u32::from_be_bytes([*a, *b, *c, *d]);
                (u16::try_from(mtu).unwrap_or(u16::MAX), quoted)
            }
            _ => return None,
        };
        let endpoints = endpoints_of_quoted(ip.protocol, quoted)?;
        Some(Self { endpoints, mtu })
    }
}

/// The ends of the TCP segment quoted at the end of an ICMP message, as its sender sees them.
fn endpoints_of_quoted(icmp: IpProtocol, quoted: &[u8]) -> Option<Endpoints> {
    let (source, destination, protocol, header): (IpAddr, IpAddr, _, _) = match icmp {
        IpProtocol::Icmp => {
            let ip = Ipv4Packet::new_unchecked(quoted.get(..20)?);
            let (source, destination) = (ip.src_addr().into(), ip.dst_addr().into());
            (
                source,
                destination,
                ip.next_header(),
                usize::from(ip.header_len()),
            )
        }
        _ => {
            let ip = Ipv6Packet::new_unchecked(quoted.get(..40)?);
            let (source, destination) = (ip.src_addr().into(), ip.dst_addr().into());
            (source, destination, ip.next_header(), ip.header_len())
        }
    };
    let [a, b, c, d, ..] = *quoted.get(header..)? else {
        return None;
    };
    (protocol == IpProtocol::Tcp).then(|| Endpoints {
        local: SocketAddr::new(source, u16::from_be_bytes([a, b])),
        peer: SocketAddr::new(destination, u16::from_be_bytes([c, d])),
    })
}
