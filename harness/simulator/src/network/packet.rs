//! What happens to the bytes of a packet on its way: damage, and packets that boxes on the path make.

use crate::kernel::Packet;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use smoltcp::wire::{
    Icmpv6Packet, IpAddress, IpProtocol, Ipv4Address, Ipv4Packet, TcpPacket, TcpSeqNumber,
    UdpPacket,
};
use std::net::{Ipv4Addr, SocketAddrV4};

/// A router on the path, as the source of ICMP: an address for documentation (RFC 5737).
const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

const IP_HEADER: usize = 20;
const TCP_HEADER: usize = 20;
const ICMP_HEADER: usize = 8;

/// Flips one bit.
pub(super) fn flip_a_bit(packet: &mut Packet, rng: &mut ChaCha8Rng) {
    if !packet.0.is_empty() {
        let bit = rng.random_range(0..packet.0.len() * 8);
        packet.0[bit / 8] ^= 1 << (bit % 8);
    }
}

/// Whether the checksums of a packet are right, as the kernel that gets it sees.
pub(crate) fn is_intact(packet: &Packet) -> bool {
    packet.ip().is_some_and(|ip| {
        // The header of IPv6 has no checksum.
        let is_header_intact =
            ip.source.is_ipv6() || Ipv4Packet::new_unchecked(&packet.0[..]).verify_checksum();
        let (from, to) = (ip.source.into(), ip.destination.into());
        is_header_intact && is_payload_intact(ip.protocol, ip.payload, from, to)
    })
}

fn is_payload_intact(protocol: IpProtocol, payload: &[u8], from: IpAddress, to: IpAddress) -> bool {
    match protocol {
        IpProtocol::Tcp => {
            TcpPacket::new_checked(payload).is_ok_and(|tcp| tcp.verify_checksum(&from, &to))
        }
        IpProtocol::Udp => {
            UdpPacket::new_checked(payload).is_ok_and(|udp| udp.verify_checksum(&from, &to))
        }
        IpProtocol::Icmp => checksum(payload) == 0,
        IpProtocol::Icmpv6 => match (from, to) {
            (IpAddress::Ipv6(from), IpAddress::Ipv6(to)) => Icmpv6Packet::new_checked(payload)
                .is_ok_and(|icmp| icmp.verify_checksum(&from, &to)),
            _ => false,
        },
        // IPv6 relies on the checksums of what it carries (RFC 8200, 8.1).
        _ => matches!(from, IpAddress::Ipv4(_)),
    }
}

/// The Internet checksum (RFC 1071): zero over bytes that contain their own.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes
        .chunks(2)
        .map(|word| u32::from(u16::from_be_bytes([word[0], *word.get(1).unwrap_or(&0)])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// What a box on the path reads of a TCP segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) source: SocketAddrV4,
    pub(super) destination: SocketAddrV4,
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
    /// Reads a packet; none if it is no TCP over IPv4.
    pub(super) fn read(packet: &Packet) -> Option<Self> {
        let ip = Ipv4Packet::new_checked(&packet.0[..]).ok()?;
        if ip.next_header() != IpProtocol::Tcp {
            return None;
        }
        let tcp = TcpPacket::new_checked(ip.payload()).ok()?;
        Some(Self {
            source: SocketAddrV4::new(ip.src_addr(), tcp.src_port()),
            destination: SocketAddrV4::new(ip.dst_addr(), tcp.dst_port()),
            opens: tcp.syn() && !tcp.ack(),
            closes: tcp.fin() || tcp.rst(),
            reset: tcp.rst(),
            sequence: tcp.seq_number(),
            end: tcp.seq_number() + tcp.segment_len(),
            acknowledges: tcp.ack().then(|| tcp.ack_number()),
        })
    }

    /// A reset for the sender of this segment, as if from its peer: with the sequence number that
    /// the sender expects next (RFC 9293, 3.10.7.1). None if it is a reset itself.
    pub(super) fn reset_to_sender(&self) -> Option<Packet> {
        let (sequence, acknowledges) = match self.acknowledges {
            Some(expected) => (expected, None),
            None => (TcpSeqNumber(0), Some(self.end)),
        };
        let reset = || reset(self.destination, self.source, sequence, acknowledges);
        (!self.reset).then(reset)
    }

    /// A reset for the receiver of this segment in its place, as if from its sender.
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
    from: SocketAddrV4,
    to: SocketAddrV4,
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
pub(crate) fn syn(from: SocketAddrV4, to: SocketAddrV4, sequence: i32) -> Packet {
    tcp(from, to, |segment| {
        segment.set_syn(true);
        segment.set_seq_number(TcpSeqNumber(sequence));
        segment.set_window_len(u16::MAX);
    })
}

/// A TCP segment without options and data.
fn tcp(
    from: SocketAddrV4,
    to: SocketAddrV4,
    fill: impl FnOnce(&mut TcpPacket<&mut [u8]>),
) -> Packet {
    let mut bytes = vec![0; IP_HEADER + TCP_HEADER];
    let mut segment = TcpPacket::new_unchecked(&mut bytes[IP_HEADER..]);
    segment.set_header_len(TCP_HEADER as u8);
    segment.set_src_port(from.port());
    segment.set_dst_port(to.port());
    fill(&mut segment);
    segment.fill_checksum(&(*from.ip()).into(), &(*to.ip()).into());
    with_ip_header(bytes, *from.ip(), *to.ip(), IpProtocol::Tcp)
}

/// ICMP "fragmentation needed and DF set" (RFC 792; RFC 1191, section 4) for the sender of a packet.
pub(super) fn fragmentation_needed(packet: &Packet, mtu: u16) -> Option<Packet> {
    let dropped = Ipv4Packet::new_checked(&packet.0[..]).ok()?;
    let quoted = &packet.0[..packet.0.len().min(dropped.header_len() as usize + 8)];
    let mut bytes = vec![0; IP_HEADER + ICMP_HEADER];
    bytes.extend_from_slice(quoted);
    let icmp = &mut bytes[IP_HEADER..];
    [icmp[0], icmp[1]] = [3, 4];
    icmp[6..8].copy_from_slice(&mtu.to_be_bytes());
    let sum = checksum(icmp);
    icmp[2..4].copy_from_slice(&sum.to_be_bytes());
    Some(with_ip_header(
        bytes,
        ROUTER,
        dropped.src_addr(),
        IpProtocol::Icmp,
    ))
}

fn with_ip_header(
    mut bytes: Vec<u8>,
    from: Ipv4Address,
    to: Ipv4Address,
    protocol: IpProtocol,
) -> Packet {
    let length = bytes.len() as u16;
    let mut ip = Ipv4Packet::new_unchecked(&mut bytes[..]);
    ip.set_version(4);
    ip.set_header_len(IP_HEADER as u8);
    ip.set_total_len(length);
    ip.set_dont_frag(true);
    ip.set_hop_limit(64);
    ip.set_next_header(protocol);
    ip.set_src_addr(from);
    ip.set_dst_addr(to);
    ip.fill_checksum();
    Packet(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::stream;

    const ALICE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 2), 40_000);
    const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), 80);

    /// A segment of ten bytes from Alice to the server.
    fn data() -> Packet {
        let mut bytes = vec![7; IP_HEADER + TCP_HEADER + 10];
        bytes[..IP_HEADER + TCP_HEADER].fill(0);
        let mut segment = TcpPacket::new_unchecked(&mut bytes[IP_HEADER..]);
        segment.set_header_len(TCP_HEADER as u8);
        segment.set_src_port(ALICE.port());
        segment.set_dst_port(SERVER.port());
        segment.set_seq_number(TcpSeqNumber(100));
        segment.set_ack(true);
        segment.set_ack_number(TcpSeqNumber(500));
        segment.fill_checksum(&(*ALICE.ip()).into(), &(*SERVER.ip()).into());
        with_ip_header(bytes, *ALICE.ip(), *SERVER.ip(), IpProtocol::Tcp)
    }

    /// A datagram of ten bytes.
    fn datagram() -> Packet {
        let mut bytes = vec![7; IP_HEADER + 18];
        bytes[..IP_HEADER + 8].fill(0);
        let mut udp = UdpPacket::new_unchecked(&mut bytes[IP_HEADER..]);
        udp.set_src_port(53);
        udp.set_dst_port(53);
        udp.set_len(18);
        udp.fill_checksum(&(*ALICE.ip()).into(), &(*SERVER.ip()).into());
        with_ip_header(bytes, *ALICE.ip(), *SERVER.ip(), IpProtocol::Udp)
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let icmp = fragmentation_needed(&data(), 1280).unwrap();
        for packet in [data(), datagram(), syn(ALICE, SERVER, 7), icmp] {
            assert!(is_intact(&packet), "{packet:?}");
            for bit in 0..packet.0.len() * 8 {
                let mut damaged = packet.clone();
                damaged.0[bit / 8] ^= 1 << (bit % 8);
                assert!(!is_intact(&damaged), "bit {bit} of {packet:?}");
            }
        }
    }

    #[test]
    fn damage_is_one_bit_anywhere() {
        let mut rng = stream(1, "test");
        for _ in 0..100 {
            let mut damaged = data();
            flip_a_bit(&mut damaged, &mut rng);
            let whole = data();
            let pairs = damaged.0.iter().zip(&whole.0);
            let bits: u32 = pairs.map(|(a, b)| (a ^ b).count_ones()).sum();
            assert_eq!(bits, 1);
        }
    }

    #[test]
    fn a_reset_has_the_sequence_number_that_its_receiver_expects() {
        let segment = Segment::read(&data()).unwrap();
        let to_sender = Segment::read(&segment.reset_to_sender().unwrap()).unwrap();
        assert_eq!((to_sender.source, to_sender.destination), (SERVER, ALICE));
        assert_eq!(to_sender.sequence, TcpSeqNumber(500));
        let to_receiver = Segment::read(&segment.reset_to_receiver()).unwrap();
        assert_eq!(to_receiver.destination, SERVER);
        assert_eq!(to_receiver.sequence, TcpSeqNumber(100));
    }

    #[test]
    fn a_reset_is_not_answered_with_a_reset() {
        let reset = Segment::read(&data()).unwrap().reset_to_receiver();
        assert_eq!(Segment::read(&reset).unwrap().reset_to_sender(), None);
    }

    #[test]
    fn what_is_no_packet_is_not_intact() {
        for bytes in [vec![], vec![0x45], vec![0x45; 60], vec![0xff; 60]] {
            assert!(!is_intact(&Packet(bytes)));
        }
    }
}
