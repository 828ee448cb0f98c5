//! Datagrams as packets, and the ICMP messages about unwanted ones (RFC 792, RFC 4443).

use super::packet::{Endpoints, HOPS, Packet};
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{
    Icmpv4DstUnreachable, Icmpv4Packet, Icmpv4Repr, Icmpv6DstUnreachable, Icmpv6Packet, Icmpv6Repr,
    IpProtocol, Ipv4Packet, Ipv4Repr, Ipv6Packet, Ipv6Repr, UdpPacket, UdpRepr,
};
use std::net::{IpAddr, SocketAddr};

/// How many bytes of an unwanted datagram are returned. Its ports are within the first eight.
const QUOTED: usize = 512;

impl Packet {
    pub(super) fn udp(endpoints: Endpoints, hops: u8, class: u8, payload: &[u8]) -> Self {
        let Endpoints { local, peer } = endpoints;
        let header = UdpRepr {
            src_port: local.port(),
            dst_port: peer.port(),
        };
        let length = header.header_len() + payload.len();
        let ips = (local.ip(), peer.ip());
        Self::new(ips, IpProtocol::Udp, hops, length, |bytes| {
            header.emit(
                &mut UdpPacket::new_unchecked(bytes),
                &ips.0.into(),
                &ips.1.into(),
                payload.len(),
                |target| target.copy_from_slice(payload),
                &ChecksumCapabilities::default(),
            );
        })
        .of_class(class)
    }

    /// The datagram in a UDP packet; none if it is damaged.
    pub(super) fn datagram(&self) -> Option<(Endpoints, &[u8])> {
        let ip = self.ip()?;
        let udp = UdpPacket::new_checked(ip.payload).ok()?;
        if !udp.verify_checksum(&ip.source.into(), &ip.destination.into()) {
            return None;
        }
        let endpoints = Endpoints {
            local: SocketAddr::new(ip.destination, udp.dst_port()),
            peer: SocketAddr::new(ip.source, udp.src_port()),
        };
        Some((endpoints, udp.payload()))
    }

    /// The answer to a datagram for a port that is not bound.
    pub(super) fn port_unreachable(&self) -> Option<Self> {
        let capabilities = ChecksumCapabilities::default();
        let ip = self.ip()?;
        let quoted = &ip.payload[..ip.payload.len().min(QUOTED)];
        let ips = (ip.destination, ip.source);
        Some(match ip.source {
            IpAddr::V4(_) => {
                let original = Ipv4Packet::new_checked(&self.0[..]).ok()?;
                let message = Icmpv4Repr::DstUnreachable {
                    reason: Icmpv4DstUnreachable::PortUnreachable,
                    header: Ipv4Repr::parse(&original, &capabilities).ok()?,
                    data: quoted,
                };
                Self::new(ips, IpProtocol::Icmp, HOPS, message.buffer_len(), |bytes| {
                    message.emit(&mut Icmpv4Packet::new_unchecked(bytes), &capabilities);
                })
            }
            IpAddr::V6(_) => {
                let original = Ipv6Packet::new_checked(&self.0[..]).ok()?;
                let message = Icmpv6Repr::DstUnreachable {
                    reason: Icmpv6DstUnreachable::PortUnreachable,
                    header: Ipv6Repr::parse(&original).ok()?,
                    data: quoted,
                };
                let (source, destination) = (original.dst_addr(), original.src_addr());
                Self::new(
                    ips,
                    IpProtocol::Icmpv6,
                    HOPS,
                    message.buffer_len(),
                    |bytes| {
                        let mut packet = Icmpv6Packet::new_unchecked(bytes);
                        message.emit(&source, &destination, &mut packet, &capabilities);
                    },
                )
            }
        })
    }

    /// The endpoints of the datagram that an ICMP message reports as undeliverable, as its sender
    /// sees them.
    pub(super) fn unreachable(&self) -> Option<Endpoints> {
        let capabilities = ChecksumCapabilities::default();
        let ip = self.ip()?;
        let (source, destination, protocol, data): (IpAddr, IpAddr, _, _) = match ip.protocol {
            IpProtocol::Icmp => {
                let message = Icmpv4Packet::new_checked(ip.payload).ok()?;
                match Icmpv4Repr::parse(&message, &capabilities).ok()? {
                    Icmpv4Repr::DstUnreachable {
                        reason: Icmpv4DstUnreachable::PortUnreachable,
                        header,
                        data,
                    } => {
                        let (source, destination) = (header.src_addr, header.dst_addr);
                        (source.into(), destination.into(), header.next_header, data)
                    }
                    _ => return None,
                }
            }
            _ => {
                let (IpAddr::V6(from), IpAddr::V6(to)) = (ip.source, ip.destination) else {
                    return None;
                };
                let message = Icmpv6Packet::new_checked(ip.payload).ok()?;
                match Icmpv6Repr::parse(&from, &to, &message, &capabilities).ok()? {
                    Icmpv6Repr::DstUnreachable {
                        reason: Icmpv6DstUnreachable::PortUnreachable,
                        header,
                        data,
                    } => {
                        let (source, destination) = (header.src_addr, header.dst_addr);
                        (source.into(), destination.into(), header.next_header, data)
                    }
                    _ => return None,
                }
            }
        };
        let port = |at| Some(u16::from_be_bytes([*data.get(at)?, *data.get(at + 1)?]));
        let endpoints = Endpoints {
            local: SocketAddr::new(source, port(0)?),
            peer: SocketAddr::new(destination, port(2)?),
        };
        (protocol == IpProtocol::Udp).then_some(endpoints)
    }
}
