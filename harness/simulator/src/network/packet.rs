//! What happens to the bytes of a packet on its way: damage, and packets created by middleboxes.

use crate::checksum::Sum;
use crate::kernel::{HOPS, Ip, Packet, is_segment_intact};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use smoltcp::wire::{
    Icmpv6Packet, IpAddress, IpProtocol, Ipv4Packet, TcpPacket, TcpSeqNumber, UdpPacket,
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A router on the path, as the source of ICMP: addresses reserved for documentation (RFC 5737, RFC
/// 3849).
const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const ROUTER_V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);

const TCP_HEADER: usize = 20;
const ICMP_HEADER: usize = 8;

/// How much of a packet ICMPv6 quotes: its packets are no larger than the smallest MTU, 1280 bytes
/// (RFC 4443, section 3.2).
const QUOTED_V6: usize = 1280 - 40 - ICMP_HEADER;

/// Flips one bit.
pub(super) fn flip_a_bit(packet: &mut Packet, rng: &mut ChaCha8Rng) {
    if !packet.0.is_empty() {
        let bit = rng.random_range(0..packet.0.len() * 8);
        packet.0[bit / 8] ^= 1 << (bit % 8);
    }
}

/// Whether the checksums of a packet are right, as its receiver's kernel sees it.
pub(crate) fn is_intact(packet: &Packet) -> bool {
    packet.ip().is_some_and(|ip| {
        // IPv6 headers have no checksum.
        let header = usize::from(packet.0[0] & 0x0f) * 4;
        let is_header_intact = ip.source.is_ipv6() || checksum(&packet.0[..header]) == [0, 0];
        is_header_intact && is_payload_intact(&ip)
    })
}

fn is_payload_intact(ip: &Ip<'_>) -> bool {
    let (from, to): (IpAddress, IpAddress) = (ip.source.into(), ip.destination.into());
    match ip.protocol {
        IpProtocol::Tcp => is_segment_intact(ip.payload, ip.source, ip.destination),
        IpProtocol::Udp => {
            UdpPacket::new_checked(ip.payload).is_ok_and(|udp| udp.verify_checksum(&from, &to))
        }
        IpProtocol::Icmp => checksum(ip.payload) == [0, 0],
        IpProtocol::Icmpv6 => match (from, to) {
            (IpAddress::Ipv6(from), IpAddress::Ipv6(to)) => Icmpv6Packet::new_checked(ip.payload)
                .is_ok_and(|icmp| icmp.verify_checksum(&from, &to)),
            _ => false,
        },
        // IPv6 relies on the checksums of its payload (RFC 8200, 8.1).
        _ => ip.source.is_ipv4(),
    }
}

fn checksum(bytes: &[u8]) -> [u8; 2] {
    Sum::default().add(bytes).finish()
}

/// What a middlebox reads of a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    /// A SYN without ACK.
    pub(super) opens: bool,
    /// A FIN or RST.
    pub(super) closes: bool,
    reset: bool,
    sequence: TcpSeqNumber,
    /// The sequence number after it.
    end: TcpSeqNumber,
    acknowledges: Option<TcpSeqNumber>,
}

impl Segment {
    /// Reads a packet; none if it is not TCP.
    pub(super) fn read(packet: &Packet) -> Option<Self> {
        let ip = packet.ip().filter(|ip| ip.protocol == IpProtocol::Tcp)?;
        let tcp = TcpPacket::new_checked(ip.payload).ok()?;
        Some(Self {
            source: SocketAddr::new(ip.source, tcp.src_port()),
            destination: SocketAddr::new(ip.destination, tcp.dst_port()),
            opens: tcp.syn() && !tcp.ack(),
            closes: tcp.fin() || tcp.rst(),
            reset: tcp.rst(),
            sequence: tcp.seq_number(),
            end: tcp.seq_number() + tcp.segment_len(),
            acknowledges: tcp.ack().then(|| tcp.ack_number()),
        })
    }

    /// A reset for the sender of this segment, as if from its peer: it has the sequence number that
    /// the sender expects next (RFC 9293, 3.10.7.1). None if it is a reset itself.
    pub(super) fn reset_to_sender(&self) -> Option<Packet> {
        let (sequence, acknowledges) = match self.acknowledges {
            Some(expected) => (expected, None),
            None => (TcpSeqNumber(0), Some(self.end)),
        };
        let reset = || reset(self.destination, self.source, sequence, acknowledges);
        (!self.reset).then(reset)
    }

    /// A reset for the receiver of this segment, in place of it, as if from its sender.
    pub(super) fn reset_to_receiver(&self) -> Packet {
        reset(
            self.source,
            self.destination,
            self.sequence,
            self.acknowledges,
        )
    }
}

fn reset(
    from: SocketAddr,
    to: SocketAddr,
    sequence: TcpSeqNumber,
    acknowledges: Option<TcpSeqNumber>,
) -> Packet {
    tcp(from, to, |segment| {
        segment.set_rst(true);
        segment.set_seq_number(sequence);
        segment.set_ack(acknowledges.is_some());
        segment.set_ack_number(acknowledges.unwrap_or_default());
    })
}

/// A SYN from nowhere.
pub(crate) fn syn(from: SocketAddr, to: SocketAddr, sequence: i32) -> Packet {
    tcp(from, to, |segment| {
        segment.set_syn(true);
        segment.set_seq_number(TcpSeqNumber(sequence));
        segment.set_window_len(u16::MAX);
    })
}

/// A TCP segment without options or data.
fn tcp(from: SocketAddr, to: SocketAddr, fill: impl FnOnce(&mut TcpPacket<&mut [u8]>)) -> Packet {
    let ips = (from.ip(), to.ip());
    Packet::new(ips, IpProtocol::Tcp, HOPS, TCP_HEADER, |bytes| {
        let mut segment = TcpPacket::new_unchecked(bytes);
        segment.set_header_len(TCP_HEADER as u8);
        segment.set_src_port(from.port());
        segment.set_dst_port(to.port());
        fill(&mut segment);
        segment.fill_checksum(&ips.0.into(), &ips.1.into());
    })
}

/// Tells the sender of a packet that it is too large: ICMP "fragmentation needed and DF set" (RFC
/// 792; RFC 1191, section 4), or ICMPv6 "packet too big" (RFC 4443, section 3.2).
pub(super) fn too_big(packet: &Packet, mtu: u16) -> Option<Packet> {
    match packet.source()? {
        IpAddr::V4(sender) => {
            let dropped = Ipv4Packet::new_checked(&packet.0[..]).ok()?;
            let quoted = usize::from(dropped.header_len()) + 8;
            let quoted = &packet.0[..packet.0.len().min(quoted)];
            let ips = (ROUTER.into(), sender.into());
            Some(icmp(ips, IpProtocol::Icmp, quoted, |bytes| {
                [bytes[0], bytes[1]] = [3, 4];
                bytes[6..8].copy_from_slice(&mtu.to_be_bytes());
                let sum = checksum(bytes);
                bytes[2..4].copy_from_slice(&sum);
            }))
        }
        IpAddr::V6(sender) => {
            let quoted = &packet.0[..packet.0.len().min(QUOTED_V6)];
            let ips = (ROUTER_V6.into(), sender.into());
            Some(icmp(ips, IpProtocol::Icmpv6, quoted, |bytes| {
                [bytes[0], bytes[1]] = [2, 0];
                bytes[4..8].copy_from_slice(&u32::from(mtu).to_be_bytes());
                Icmpv6Packet::new_unchecked(bytes).fill_checksum(&ROUTER_V6, &sender);
            }))
        }
    }
}

/// An ICMP message that ends with the first bytes of a packet.
fn icmp(
    ips: (IpAddr, IpAddr),
    protocol: IpProtocol,
    quoted: &[u8],
    fill: impl FnOnce(&mut [u8]),
) -> Packet {
    let length = ICMP_HEADER + quoted.len();
    Packet::new(ips, protocol, HOPS, length, |bytes| {
        bytes[ICMP_HEADER..].copy_from_slice(quoted);
        fill(bytes);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::stream;

    /// Alice and the server, over both versions of IP.
    fn ends() -> [(SocketAddr, SocketAddr); 2] {
        let v4 = |last, port| SocketAddr::from(([10, 0, 0, last], port));
        let v6 = |last, port| SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, last], port));
        [(v4(2, 40_000), v4(1, 80)), (v6(2, 40_000), v6(1, 80))]
    }

    /// A ten-byte segment from Alice to the server.
    fn data((alice, server): (SocketAddr, SocketAddr)) -> Packet {
        let ips = (alice.ip(), server.ip());
        Packet::new(ips, IpProtocol::Tcp, HOPS, TCP_HEADER + 10, |bytes| {
            bytes[TCP_HEADER..].fill(7);
            let mut segment = TcpPacket::new_unchecked(bytes);
            segment.set_header_len(TCP_HEADER as u8);
            segment.set_src_port(alice.port());
            segment.set_dst_port(server.port());
            segment.set_seq_number(TcpSeqNumber(100));
            segment.set_ack(true);
            segment.set_ack_number(TcpSeqNumber(500));
            segment.fill_checksum(&ips.0.into(), &ips.1.into());
        })
    }

    /// A ten-byte datagram.
    fn datagram((alice, server): (SocketAddr, SocketAddr)) -> Packet {
        let ips = (alice.ip(), server.ip());
        Packet::new(ips, IpProtocol::Udp, HOPS, 18, |bytes| {
            bytes[8..].fill(7);
            let mut udp = UdpPacket::new_unchecked(bytes);
            udp.set_src_port(53);
            udp.set_dst_port(53);
            udp.set_len(18);
            udp.fill_checksum(&ips.0.into(), &ips.1.into());
        })
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let [ends, _] = ends();
        let icmp = too_big(&data(ends), 1280).unwrap();
        for packet in [data(ends), datagram(ends), syn(ends.0, ends.1, 7), icmp] {
            assert!(is_intact(&packet), "{packet:?}");
            for bit in 0..packet.0.len() * 8 {
                let mut damaged = packet.clone();
                damaged.0[bit / 8] ^= 1 << (bit % 8);
                assert!(!is_intact(&damaged), "bit {bit} of {packet:?}");
            }
        }
    }

    #[test]
    fn over_ipv6_every_flipped_bit_of_the_payload_is_noticed() {
        let [_, ends] = ends();
        let icmp = too_big(&data(ends), 1280).unwrap();
        for packet in [data(ends), datagram(ends), syn(ends.0, ends.1, 7), icmp] {
            assert!(is_intact(&packet), "{packet:?}");
            for bit in 40 * 8..packet.0.len() * 8 {
                let mut damaged = packet.clone();
                damaged.0[bit / 8] ^= 1 << (bit % 8);
                assert!(!is_intact(&damaged), "bit {bit} of {packet:?}");
            }
        }
    }

    #[test]
    fn icmpv6_about_a_packet_fits_into_the_smallest_mtu() {
        let [_, (alice, server)] = ends();
        let ips = (alice.ip(), server.ip());
        let large = Packet::new(ips, IpProtocol::Tcp, HOPS, 1460, |_| ());
        assert_eq!(too_big(&large, 1400).unwrap().0.len(), 1280);
    }

    #[test]
    fn damage_is_one_bit_anywhere() {
        let mut rng = stream(1, "test");
        let whole = data(ends()[0]);
        let mut ever = vec![0; whole.0.len()];
        for _ in 0..10_000 {
            let mut damaged = whole.clone();
            flip_a_bit(&mut damaged, &mut rng);
            let pairs = damaged.0.iter().zip(&whole.0);
            let bits: u32 = pairs.map(|(a, b)| (a ^ b).count_ones()).sum();
            assert_eq!(bits, 1);
            for (ever, (a, b)) in ever.iter_mut().zip(damaged.0.iter().zip(&whole.0)) {
                *ever |= a ^ b;
            }
        }
        assert!(ever.iter().all(|&bits| bits == 0xff), "{ever:x?}");
    }

    #[test]
    fn a_flow_is_opened_by_a_syn_alone() {
        let (alice, server) = ends()[0];
        let opens = |syn, ack| {
            let packet = tcp(alice, server, |segment| {
                segment.set_syn(syn);
                segment.set_ack(ack);
            });
            Segment::read(&packet).unwrap().opens
        };
        assert!(opens(true, false));
        assert!(!opens(true, true) && !opens(false, true) && !opens(false, false));
    }

    #[test]
    fn a_reset_of_what_acknowledges_nothing_acknowledges_all_of_it() {
        let (alice, server) = ends()[0];
        let segment = Segment::read(&syn(alice, server, 7)).unwrap();
        let reset = Segment::read(&segment.reset_to_sender().unwrap()).unwrap();
        assert_eq!(reset.acknowledges, Some(TcpSeqNumber(8)));
    }

    #[test]
    fn icmp_about_a_packet_quotes_its_header_and_eight_bytes() {
        let whole = data(ends()[0]);
        let icmp = too_big(&whole, 1280).unwrap();
        assert_eq!(icmp.0[20 + ICMP_HEADER..], whole.0[..20 + 8]);
    }

    #[test]
    fn a_reset_has_the_sequence_number_that_its_receiver_expects() {
        for (alice, server) in ends() {
            let segment = Segment::read(&data((alice, server))).unwrap();
            let to_sender = Segment::read(&segment.reset_to_sender().unwrap()).unwrap();
            assert_eq!((to_sender.source, to_sender.destination), (server, alice));
            assert_eq!(to_sender.sequence, TcpSeqNumber(500));
            let to_receiver = Segment::read(&segment.reset_to_receiver()).unwrap();
            assert_eq!(to_receiver.destination, server);
            assert_eq!(to_receiver.sequence, TcpSeqNumber(100));
        }
    }

    #[test]
    fn a_reset_is_not_answered_with_a_reset() {
        let reset = Segment::read(&data(ends()[0])).unwrap().reset_to_receiver();
        assert_eq!(Segment::read(&reset).unwrap().reset_to_sender(), None);
    }

    #[test]
    fn what_is_no_packet_is_not_intact() {
        for bytes in [vec![], vec![0x45], vec![0x45; 60], vec![0xff; 60]] {
            assert!(!is_intact(&Packet(bytes)));
        }
    }
}
