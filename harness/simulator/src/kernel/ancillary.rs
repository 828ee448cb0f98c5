//! What accompanies a datagram besides its payload, in control messages: `ip(7)`, `ipv6(7)`,
//! `udp(7)`, and RFC 3542.

use super::errno::{Errno, Result};
use libc::c_int;
use std::net::IpAddr;

/// The most datagrams that one call may send as one payload (`UDP_MAX_SEGMENTS`).
const MAX_SEGMENTS: usize = 128;

/// The path MTU discovery of a new socket: the kernel decides (`IP_PMTUDISC_WANT`).
const WANT: c_int = libc::IP_PMTUDISC_WANT;

/// How a program sends something.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sending {
    /// Never block, regardless of the socket (`MSG_DONTWAIT`).
    pub(crate) at_once: bool,
    pub(crate) ancillary: Ancillary,
}

/// What a program asks of one datagram; the socket's options decide about the rest.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ancillary {
    /// The address to send from (`IP_PKTINFO`, `IPV6_PKTINFO`).
    pub(crate) source: Option<IpAddr>,
    /// `IP_TOS`, `IPV6_TCLASS`: with the bits of ECN.
    pub(crate) class: Option<u8>,
    /// `IP_TTL`, `IPV6_HOPLIMIT`.
    pub(crate) hops: Option<u8>,
    /// The payload is that of several datagrams, each of so many bytes but the last
    /// (`UDP_SEGMENT`).
    pub(crate) segment: Option<u16>,
}

/// How a datagram has arrived.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    /// The address that it was sent to.
    pub(crate) to: IpAddr,
    pub(crate) class: u8,
    pub(crate) hops: u8,
    /// Whether it came from this machine.
    pub(crate) is_own: bool,
    /// What the program wants to hear of it.
    pub(crate) wanted: Wanted,
    /// The socket is one of IPv6, which may get datagrams of both versions.
    pub(crate) is_v6: bool,
}

/// What a program wants to hear of each datagram that it receives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// `IP_PKTINFO`.
    pub(crate) address: bool,
    /// `IP_RECVTOS`.
    pub(crate) class: bool,
    /// `IP_RECVTTL`.
    pub(crate) hops: bool,
    /// `IPV6_RECVPKTINFO`.
    pub(crate) address_v6: bool,
    /// `IPV6_RECVTCLASS`.
    pub(crate) class_v6: bool,
    /// `IPV6_RECVHOPLIMIT`.
    pub(crate) hops_v6: bool,
}

/// The options of a socket that concern its datagrams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct DatagramOptions {
    pub(super) wanted: Wanted,
    /// `IP_MTU_DISCOVER` and `IPV6_MTU_DISCOVER`.
    pub(super) discovery: c_int,
    pub(super) discovery_v6: c_int,
    /// `IPV6_DONTFRAG`.
    pub(super) never_fragment: bool,
    /// `UDP_SEGMENT`; zero sends each payload as one datagram.
    pub(super) segment: u16,
    /// `UDP_GRO`. Remembered, but without effect: each datagram is received by itself, as on a
    /// network card that does not merge them.
    pub(super) merges: bool,
}

impl Default for DatagramOptions {
    fn default() -> Self {
        Self {
            wanted: Wanted::default(),
            discovery: WANT,
            discovery_v6: WANT,
            never_fragment: false,
            segment: 0,
            merges: false,
        }
    }
}

impl DatagramOptions {
    /// Whether a datagram that is too long for the link is refused rather than sent in fragments.
    pub(super) fn forbids_fragments(&self, to: IpAddr) -> bool {
        let forbids = |discovery| {
            matches!(
                discovery,
                libc::IP_PMTUDISC_DO | libc::IP_PMTUDISC_PROBE | libc::IP_PMTUDISC_INTERFACE
            )
        };
        match to {
            IpAddr::V4(_) => forbids(self.discovery),
            IpAddr::V6(_) => self.never_fragment || forbids(self.discovery_v6),
        }
    }

    /// The payloads of the datagrams that a call sends.
    ///
    /// # Errors
    ///
    /// `EINVAL` if there are too many.
    pub(super) fn segments<'a>(
        &self,
        payload: &'a [u8],
        asked: Option<u16>,
    ) -> Result<Vec<&'a [u8]>> {
        let segment = usize::from(asked.unwrap_or(self.segment));
        if segment == 0 || payload.len() <= segment {
            return Ok(vec![payload]);
        }
        let segments: Vec<&[u8]> = payload.chunks(segment).collect();
        match segments.len() > MAX_SEGMENTS {
            true => Err(Errno(libc::EINVAL)),
            false => Ok(segments),
        }
    }
}
