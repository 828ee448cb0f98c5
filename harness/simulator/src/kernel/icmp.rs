//! What routers tell a machine: that a packet was too large for the path. Linux adapts its segments
//! (path MTU discovery, RFC 1191); other ICMP messages are not understood.

use super::flow::MTU;
use super::packet::{Endpoints, Packet};
use super::tcp::Tcp;
use smoltcp::wire::{IpProtocol, Ipv4Packet};
use std::net::SocketAddr;

/// The smallest path MTU that Linux believes in (`min_pmtu`).
const MIN_PATH_MTU: u16 = 552;

/// That a packet was too large (RFC 792; RFC 1191, section 4).
pub(super) struct TooBig {
    /// Of the flow that the packet was of.
    endpoints: Endpoints,
    /// The largest that gets through, in bytes.
    mtu: u16,
}

impl TooBig {
    /// Reads a packet; none if it does not say this of a TCP segment.
    pub(super) fn read(packet: &Packet) -> Option<Self> {
        let ip = Ipv4Packet::new_checked(&packet.0[..]).ok()?;
        if ip.next_header() != IpProtocol::Icmp {
            return None;
        }
        let [3, 4, _, _, _, _, high, low, quoted @ ..] = ip.payload() else {
            return None;
        };
        let dropped = Ipv4Packet::new_unchecked(quoted.get(..20)?);
        let ports = quoted.get(usize::from(dropped.header_len())..)?;
        let [a, b, c, d, ..] = *ports else {
            return None;
        };
        if dropped.next_header() != IpProtocol::Tcp {
            return None;
        }
        let local = SocketAddr::new(dropped.src_addr().into(), u16::from_be_bytes([a, b]));
        let peer = SocketAddr::new(dropped.dst_addr().into(), u16::from_be_bytes([c, d]));
        Some(Self {
            endpoints: Endpoints { local, peer },
            mtu: u16::from_be_bytes([*high, *low]),
        })
    }
}

impl Tcp {
    /// Learns that packets to a destination were too large. That is believed only of a flow that
    /// there is.
    pub(super) fn shrink(&mut self, too_big: &TooBig) {
        let mtu = too_big.mtu.max(MIN_PATH_MTU);
        let destination = too_big.endpoints.peer.ip();
        if usize::from(mtu) < MTU
            && let Some(flow) = self.flow_between(&too_big.endpoints)
        {
            flow.set_mtu(usize::from(mtu));
            self.path_mtus.insert(destination, mtu);
        }
    }
}
