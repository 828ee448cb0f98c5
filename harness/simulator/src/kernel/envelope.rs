//! Segments as IP packets: the headers below TCP's, and the checksum that covers both.

use super::connection::Outlet;
use super::connection::segment::{Header, Segment};
use super::packet::{Endpoints, HOPS, Packet};
use crate::checksum::Sum;
use std::net::IpAddr;

const TCP: u8 = 6;

/// The header of IPv4 without options, and that of IPv6.
const V4: usize = 20;
const V6: usize = 40;

/// Where the segments of one end of a connection go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Envelope {
    pub(super) endpoints: Endpoints,
    pub(super) hops: u8,
}

/// Packs segments, and puts them with others that are to be sent.
pub(super) struct Post<'a> {
    pub(super) envelope: Envelope,
    pub(super) outgoing: &'a mut Vec<Packet>,
}

impl Outlet for Post<'_> {
    fn send(&mut self, header: &Header, length: usize, fill: impl FnOnce(&mut [u8])) {
        self.outgoing.push(self.envelope.pack(header, length, fill));
    }
}

impl Envelope {
    /// An answer to a peer without a connection.
    pub(super) fn new(endpoints: Endpoints) -> Self {
        Self {
            endpoints,
            hops: HOPS,
        }
    }

    #[expect(
        clippy::slow_vector_initialization,
        reason = "glibc gives a few bytes from the thread's cache, but zeroed ones never"
    )]
    fn pack(&self, header: &Header, length: usize, fill: impl FnOnce(&mut [u8])) -> Packet {
        let Endpoints { local, peer } = self.endpoints;
        let ip = if local.is_ipv4() { V4 } else { V6 };
        let segment = header.length() + length;
        let mut bytes = Vec::with_capacity(ip + segment);
        bytes.resize(ip + segment, 0);
        let (outer, inner) = bytes.split_at_mut(ip);
        header.write(local.port(), peer.port(), inner);
        fill(&mut inner[header.length()..]);
        let below = self.write_ip(outer, segment);
        let checksum = below.add(inner).finish();
        inner[16..18].copy_from_slice(&checksum);
        Packet(bytes)
    }

    /// Writes the IP header (RFC 791, section 3.1; RFC 8200, section 3) for a segment of `segment`
    /// bytes. Returns the sum of the part covered by TCP's checksum (RFC 9293, section 3.1).
    fn write_ip(&self, bytes: &mut [u8], segment: usize) -> Sum {
        let length = segment as u16;
        match (self.endpoints.local.ip(), self.endpoints.peer.ip()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                bytes[0] = 0x45;
                bytes[2..4].copy_from_slice(&(length + V4 as u16).to_be_bytes());
                // Never to be fragmented.
                bytes[6] = 0x40;
                (bytes[8], bytes[9]) = (self.hops, TCP);
                bytes[12..16].copy_from_slice(&from.octets());
                bytes[16..20].copy_from_slice(&to.octets());
                let checksum = Sum::default().add(bytes).finish();
                bytes[10..12].copy_from_slice(&checksum);
                pseudo(length).add(&bytes[12..20])
            }
            (from, to) => {
                bytes[0] = 0x60;
                bytes[4..6].copy_from_slice(&length.to_be_bytes());
                (bytes[6], bytes[7]) = (TCP, self.hops);
                bytes[8..24].copy_from_slice(&octets(from));
                bytes[24..40].copy_from_slice(&octets(to));
                pseudo(length).add(&bytes[8..40])
            }
        }
    }
}

/// Whether bytes are a segment with the right checksum for these addresses.
pub(crate) fn is_segment_intact(bytes: &[u8], from: IpAddr, to: IpAddr) -> bool {
    let below = pseudo(bytes.len() as u16);
    let below = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => below.add(&from.octets()).add(&to.octets()),
        (from, to) => below.add(&octets(from)).add(&octets(to)),
    };
    below.add(bytes).finish() == [0, 0] && Segment::read(bytes).is_some()
}

/// The sum of the pseudo header, without addresses.
fn pseudo(length: u16) -> Sum {
    let [high, low] = length.to_be_bytes();
    Sum::default().add(&[0, TCP, high, low])
}

fn octets(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::is_intact;
    use smoltcp::wire::TcpPacket;

    #[test]
    fn a_packet_is_what_others_read() {
        for (local, peer) in [
            ("10.0.0.1:80", "10.0.0.2:40000"),
            ("[fd00::1]:80", "[fd00::2]:40000"),
        ] {
            let endpoints = Endpoints {
                local: local.parse().unwrap(),
                peer: peer.parse().unwrap(),
            };
            for payload in [&b""[..], b"x", b"hello, world"] {
                let header = Header {
                    flags: 0x18,
                    stamps: Some((1, 2)),
                    ..Header::default()
                };
                let packet = Envelope::new(endpoints).pack(&header, payload.len(), |target| {
                    target.copy_from_slice(payload);
                });
                assert!(is_intact(&packet), "{packet:?}");
                let ip = packet.ip().unwrap();
                assert_eq!(
                    (ip.source, ip.destination),
                    (endpoints.local.ip(), endpoints.peer.ip())
                );
                let tcp = TcpPacket::new_checked(ip.payload).unwrap();
                assert_eq!((tcp.src_port(), tcp.dst_port()), (80, 40000));
                assert_eq!(tcp.payload(), payload);
            }
        }
    }
}
