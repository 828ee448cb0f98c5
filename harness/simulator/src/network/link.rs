//! The properties of one direction of the path between two machines.

use super::{Chance, Latency, Loss, Rate};
use std::time::Duration;

/// The path from one machine to another. All probabilities are from 0 to 1 and apply to each
/// packet.
///
/// A packet that is sent is, in this order: dropped if it is larger than the path's MTU; lost;
/// duplicated; queued for the bottleneck, or dropped by it; damaged; delayed. Packets keep their
/// order, except for those that are held back.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// How long a packet travels after leaving the bottleneck.
    pub latency: Latency,
    /// The correlation coefficient of the latencies of successive packets: 0 for none, below 1.
    pub correlation: f64,
    /// How packets are lost.
    pub loss: Loss,
    /// What the path carries per second; without a rate it carries everything at once.
    pub rate: Option<Rate>,
    /// The chance that a packet arrives twice.
    pub duplicate: Chance,
    /// The chance that one bit of a packet is flipped. The receiver's checksums notice, and it is
    /// dropped there.
    pub corrupt: Chance,
    /// Packets that are held back on the way, so later ones overtake them.
    pub reorder: Option<Reorder>,
    /// The largest IP packet that gets through; without one, whatever a network card sends.
    pub mtu: Option<Mtu>,
}

impl Default for Link {
    /// A packet travels for one millisecond, and nothing happens to it.
    fn default() -> Self {
        Self {
            latency: Latency::Fixed(Duration::from_millis(1)),
            correlation: 0.0,
            loss: Loss::from(0.0),
            rate: None,
            duplicate: Chance::default(),
            corrupt: Chance::default(),
            reorder: None,
            mtu: None,
        }
    }
}

impl Link {
    /// Whether packets that arrive and are not held back take the same time as on the other link.
    pub(super) fn takes_the_time_of(&self, other: &Link) -> bool {
        self.latency == other.latency
            && self.correlation == other.correlation
            && self.rate == other.rate
    }
}

/// Packets that are held back. (netem lets the chosen packets go ahead instead; to the receiver,
/// that looks the same.)
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reorder {
    /// The chance that a packet is held back.
    pub chance: Chance,
    /// For how long, in addition to its latency.
    pub by: Duration,
}

/// The largest IP packet that a path carries, including its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mtu {
    /// In bytes. Linux ignores anything below 552 (`min_pmtu`), or below 1280 over IPv6.
    pub bytes: u16,
    /// Whether the sender of a larger packet is told (ICMP "fragmentation needed", RFC 1191; ICMPv6
    /// "packet too big", RFC 8201), or the packet just disappears because a firewall drops ICMP:
    /// then large segments never arrive, and small ones do (RFC 2923, section 2.1).
    pub told: bool,
}
