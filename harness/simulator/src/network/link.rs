//! What one direction of the path between two machines is like.

use super::{Chance, Latency, Loss, Rate};
use std::time::Duration;

/// The path from one machine to another. All probabilities are from 0 to 1, and are for each
/// packet.
///
/// A packet that is sent is, in this order: dropped if it is larger than the path's MTU; lost;
/// doubled; queued for the bottleneck, or dropped by it; damaged; delayed. Packets keep their
/// order, but for those that are held back.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// How long a packet travels, after it left the bottleneck.
    pub latency: Latency,
    /// How much the latencies of successive packets have in common: a correlation coefficient, 0 if
    /// nothing, below 1.
    pub correlation: f64,
    /// How packets are lost.
    pub loss: Loss,
    /// What the path carries in a second; without a rate it carries everything at once.
    pub rate: Option<Rate>,
    /// How likely a packet arrives twice.
    pub duplicate: Chance,
    /// How likely one bit of a packet is flipped. The checksums of the machine that gets
    /// it notice, and it is dropped there.
    pub corrupt: Chance,
    /// Packets that are held back on the way, so that later ones overtake them.
    pub reorder: Option<Reorder>,
    /// The largest IP packet that gets through; without one, what a network card sends.
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
    /// Whether a packet takes the same time as on the other link, if it arrives and is not held
    /// back.
    pub(super) fn takes_the_time_of(&self, other: &Link) -> bool {
        self.latency == other.latency
            && self.correlation == other.correlation
            && self.rate == other.rate
    }
}

/// Packets that are held back. (netem lets the chosen packets go ahead instead; who overtakes whom
/// looks the same to the receiver.)
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reorder {
    /// How likely a packet is held back.
    pub chance: Chance,
    /// How long, beyond its latency.
    pub by: Duration,
}

/// The largest IP packet that a path carries, with its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mtu {
    /// In bytes. Linux does not believe in less than 552 (`min_pmtu`), over IPv6 in less than 1280.
    pub bytes: u16,
    /// Whether the sender of a larger packet is told (ICMP "fragmentation needed", RFC 1191; ICMPv6
    /// "packet too big", RFC 8201), or the packet just disappears because a firewall drops ICMP:
    /// then large segments never arrive, and small ones do (RFC 2923, section 2.1).
    pub told: bool,
}
