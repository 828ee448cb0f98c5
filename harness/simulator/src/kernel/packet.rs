//! IP packets, of both versions: what a kernel needs to know about one before it knows its socket.

use super::connection::segment::{Segment, flag};
use rustc_hash::FxHasher;
use smoltcp::phy::ChecksumCapabilities;
use smoltcp::wire::{IpProtocol, IpRepr, Ipv4Packet, Ipv6Packet};
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};

/// The hop limit of a packet, unless a program sets another (`ip_default_ttl`).
pub(crate) const HOPS: u8 = 64;

/// An IP packet on its way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet(pub(crate) Vec<u8>);

/// The two ends of a packet or of a connection, as one of them sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endpoints {
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
}

impl Hash for Endpoints {
    /// A machine has few addresses of its own: they distinguish nothing that the ports do not.
    fn hash<H: Hasher>(&self, state: &mut H) {
        let ports = u64::from(self.local.port()) << 48 | u64::from(self.peer.port()) << 32;
        let address = match self.peer.ip() {
            IpAddr::V4(ip) => u64::from(u32::from(ip)),
            IpAddr::V6(ip) => {
                let bits = u128::from(ip);
                (bits >> 64) as u64 ^ bits as u64
            }
        };
        state.write_u64(ports ^ address);
    }
}

impl Endpoints {
    /// A number that is always the same for the same two ends, for choosing between equals.
    pub(super) fn spread(&self) -> u64 {
        let mut hasher = FxHasher::default();
        self.hash(&mut hasher);
        hasher.finish()
    }
}

/// The contents of an IP header.
pub(crate) struct Ip<'a> {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: IpProtocol,
    /// DSCP and ECN.
    pub(crate) class: u8,
    /// How many routers it may still pass.
    pub(crate) hops: u8,
    pub(crate) payload: &'a [u8],
}

impl Packet {
    /// A packet between two addresses of one version; `fill` writes the `length` bytes after the
    /// header.
    pub(crate) fn new(
        (source, destination): (IpAddr, IpAddr),
        protocol: IpProtocol,
        hops: u8,
        length: usize,
        fill: impl FnOnce(&mut [u8]),
    ) -> Self {
        let (source, destination) = (source.into(), destination.into());
        let header = IpRepr::new(source, destination, protocol, length, hops);
        let mut bytes = vec![0; header.buffer_len()];
        header.emit(&mut bytes, &ChecksumCapabilities::default());
        fill(&mut bytes[header.header_len()..]);
        Self(bytes)
    }

    /// The same packet with another traffic class: DSCP and ECN (RFC 2474, RFC 3168).
    pub(super) fn of_class(mut self, class: u8) -> Self {
        match self.0[0] >> 4 {
            4 => {
                self.0[1] = class;
                Ipv4Packet::new_unchecked(&mut self.0[..]).fill_checksum();
            }
            _ => {
                self.0[0] = self.0[0] & 0xf0 | class >> 4;
                self.0[1] = self.0[1] & 0x0f | class << 4;
            }
        }
        self
    }

    /// Its destination; none if it is too short for an IP header.
    pub(crate) fn destination(&self) -> Option<IpAddr> {
        self.ip().map(|ip| ip.destination)
    }

    /// The source that it claims.
    pub(crate) fn source(&self) -> Option<IpAddr> {
        self.ip().map(|ip| ip.source)
    }

    /// Whether it is an answer of the kernel, without the process: it is not a datagram, carries no
    /// data, and neither opens nor closes a connection.
    pub(super) fn is_of_the_kernel(&self) -> bool {
        let Some(ip) = self.ip() else {
            return false;
        };
        match ip.protocol {
            IpProtocol::Tcp => Segment::read(ip.payload).is_some_and(|segment| {
                let header = &segment.header;
                let opens = header.has(flag::SYN) && !header.has(flag::ACK);
                segment.payload.is_empty() && !header.has(flag::FIN) && !opens
            }),
            IpProtocol::Udp => false,
            _ => true,
        }
    }

    pub(crate) fn ip(&self) -> Option<Ip<'_>> {
        Self::as_ip(&self.0)
    }

    /// The contents of the IP header of these bytes; none if there is none.
    pub(crate) fn as_ip(bytes: &[u8]) -> Option<Ip<'_>> {
        match bytes.first()? >> 4 {
            4 => {
                let ip = Ipv4Packet::new_checked(bytes).ok()?;
                Some(Ip {
                    source: ip.src_addr().into(),
                    destination: ip.dst_addr().into(),
                    protocol: ip.next_header(),
                    class: bytes[1],
                    hops: ip.hop_limit(),
                    payload: &bytes[usize::from(ip.header_len())..usize::from(ip.total_len())],
                })
            }
            6 => {
                let ip = Ipv6Packet::new_checked(bytes).ok()?;
                Some(Ip {
                    source: ip.src_addr().into(),
                    destination: ip.dst_addr().into(),
                    protocol: ip.next_header(),
                    class: ip.traffic_class(),
                    hops: ip.hop_limit(),
                    payload: &bytes[ip.header_len()..ip.total_len()],
                })
            }
            _ => None,
        }
    }
}
