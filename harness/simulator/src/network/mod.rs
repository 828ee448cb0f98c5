//! The network: a path in each direction between any two machines, and what stands in its way.
//!
//! A direction draws what happens to its packets from a stream of its own, and keeps their order as
//! a cable does. What a packet costs does not depend on how much is under way, nor on how many
//! machines there are.
//!
//! | file | subject |
//! |---|---|
//! | `link` | what a path is like, and the order in which things happen to a packet |
//! | `latency`, `loss`, `bottleneck` | how long, which are lost, how much at a time |
//! | `chance` | how likely something happens, and how likely again |
//! | `packet` | damage, and the packets that boxes on the path make |
//! | `path` | a link at work |
//! | `gateway` | NATs and firewalls that forget flows |

mod bottleneck;
mod chance;
mod gateway;
mod latency;
mod link;
mod loss;
mod packet;
mod path;

pub use bottleneck::Rate;
pub use chance::Chance;
pub use gateway::Gateway;
pub use latency::Latency;
pub use link::{Link, Mtu, Reorder};
pub use loss::Loss;
pub(crate) use packet::{is_intact, syn};

use crate::entropy::stream;
use crate::kernel::Packet;
use crate::machine::MachineId;
use packet::Segment;
use path::Path;
use rustc_hash::FxHashMap;
use std::time::Duration;

/// What the network carried so far, in IP packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that machines sent.
    pub sent: u64,
    /// Packets that arrived.
    pub delivered: u64,
    /// Packets that a link lost at random.
    pub lost: u64,
    /// Packets dropped by a partition, by the end of a path, or by a box on it; or addressed to a
    /// machine that is off or does not exist.
    pub cut: u64,
    /// Packets that found a queue full.
    pub overflowed: u64,
    /// Packets that arrived damaged, and that the receiver's checksums dropped.
    pub damaged: u64,
    /// Packets that arrived once more.
    pub doubled: u64,
    /// Bytes of all packets sent, with their IP headers.
    pub bytes: u64,
}

/// What becomes of a packet. Times are in nanoseconds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives.
    Arrives {
        at: u64,
        /// And once more.
        again: Option<u64>,
    },
    /// It does not.
    Dropped(Why),
    /// A box on the path drops it, and may answer.
    Refused(Vec<Answer>),
}

/// Why a packet does not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It is lost at random.
    Lost,
    /// The queue is full.
    Overflow,
    /// A partition drops it.
    Cut,
}

/// A packet that a box on the path sends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) to: MachineId,
    pub(crate) packet: Packet,
    pub(crate) at: u64,
}

/// All links of a world. A direction costs nothing until it is first used.
pub(crate) struct Network {
    seed: u64,
    default: Link,
    directions: FxHashMap<(MachineId, MachineId), Direction>,
    /// How many directions are cut: mostly none, and then no packet has to look.
    cut: usize,
    /// How often the packets of a direction are held.
    holds: FxHashMap<(MachineId, MachineId), u32>,
    gateways: FxHashMap<(MachineId, MachineId), gateway::Working>,
}

struct Direction {
    /// If it has one of its own.
    link: Option<Link>,
    cuts: u32,
    /// FIN and RST do not get through.
    swallows_closes: bool,
    path: Path,
}

impl Network {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            default: Link::default(),
            directions: FxHashMap::default(),
            cut: 0,
            holds: FxHashMap::default(),
            gateways: FxHashMap::default(),
        }
    }

    pub(crate) fn set_default(&mut self, link: Link) {
        self.default = link;
    }

    pub(crate) fn set_direction(&mut self, from: MachineId, to: MachineId, link: Link) {
        direction(&mut self.directions, self.seed, from, to).link = Some(link);
    }

    /// Overrides the loss of a direction, or (with `None`) ends the override.
    pub(crate) fn set_loss(&mut self, from: MachineId, to: MachineId, loss: Option<f64>) {
        direction(&mut self.directions, self.seed, from, to)
            .path
            .loss = loss;
    }

    pub(crate) fn swallow_closes(&mut self, from: MachineId, to: MachineId, swallow: bool) {
        direction(&mut self.directions, self.seed, from, to).swallows_closes = swallow;
    }

    /// Puts a gateway between two machines, or takes it away.
    pub(crate) fn set_gateway(
        &mut self,
        a: MachineId,
        b: MachineId,
        gateway: Option<Gateway>,
        now: u64,
    ) {
        let pair = pair(a, b);
        match gateway {
            Some(gateway) => {
                let working = gateway::Working::new(gateway, now);
                self.gateways.insert(pair, working);
            }
            None => {
                self.gateways.remove(&pair);
            }
        }
    }

    /// Cuts a direction. What is cut twice has to be mended twice.
    pub(crate) fn cut(&mut self, from: MachineId, to: MachineId) {
        let direction = direction(&mut self.directions, self.seed, from, to);
        direction.cuts += 1;
        self.cut += usize::from(direction.cuts == 1);
    }

    pub(crate) fn mend(&mut self, from: MachineId, to: MachineId) {
        let direction = direction(&mut self.directions, self.seed, from, to);
        self.cut -= usize::from(direction.cuts == 1);
        direction.cuts = direction.cuts.saturating_sub(1);
    }

    /// Whether packets on this direction are dropped. Also asked on arrival: a partition takes the
    /// packets that are under way.
    pub(crate) fn is_cut(&self, from: MachineId, to: MachineId) -> bool {
        self.cut > 0
            && self
                .directions
                .get(&(from, to))
                .is_some_and(|direction| direction.cuts > 0)
    }

    /// Holds the packets of a direction; whether they were not held before. What is held twice has to be
    /// released twice.
    pub(crate) fn hold(&mut self, from: MachineId, to: MachineId) -> bool {
        let holds = self.holds.entry((from, to)).or_default();
        *holds += 1;
        *holds == 1
    }

    /// Ends a hold; whether it was the last.
    pub(crate) fn release(&mut self, from: MachineId, to: MachineId) -> bool {
        let Some(holds) = self.holds.get_mut(&(from, to)) else {
            return false;
        };
        *holds -= 1;
        let last = *holds == 0;
        if last {
            self.holds.remove(&(from, to));
        }
        last
    }

    pub(crate) fn is_held(&self, from: MachineId, to: MachineId) -> bool {
        !self.holds.is_empty() && self.holds.contains_key(&(from, to))
    }

    /// Decides what becomes of a packet sent at `now`, in nanoseconds. It may be damaged.
    pub(crate) fn send(
        &mut self,
        now: u64,
        from: MachineId,
        to: MachineId,
        packet: &mut Packet,
    ) -> Fate {
        let direction = direction(&mut self.directions, self.seed, from, to);
        let link = direction.link.as_ref().unwrap_or(&self.default);
        if direction.cuts > 0 {
            return Fate::Dropped(Why::Cut);
        }
        if direction.swallows_closes && Segment::read(packet).is_some_and(|segment| segment.closes)
        {
            return Fate::Refused(Vec::new());
        }
        if !self.gateways.is_empty()
            && let Some(gateway) = self.gateways.get_mut(&pair(from, to))
            && let Some(segment) = Segment::read(packet)
            && !gateway.lets_pass(now, &segment)
        {
            let at = now.saturating_add(direction.path.latency(link));
            let resets = gateway.resets(&segment, from, to).into_iter();
            return Fate::Refused(
                resets
                    .map(|(to, packet)| Answer { to, packet, at })
                    .collect(),
            );
        }
        if let Some(mtu) = link.mtu
            && packet.0.len() > usize::from(mtu.bytes)
        {
            let notice = packet::too_big(packet, mtu.bytes).filter(|_| mtu.told);
            let at = now.saturating_add(direction.path.latency(link));
            return Fate::Refused(
                notice
                    .into_iter()
                    .map(|packet| Answer {
                        to: from,
                        packet,
                        at,
                    })
                    .collect(),
            );
        }
        direction.path.carry(link, now, packet)
    }
}

/// The direction between two machines, from now on if it was never used.
fn direction(
    directions: &mut FxHashMap<(MachineId, MachineId), Direction>,
    seed: u64,
    from: MachineId,
    to: MachineId,
) -> &mut Direction {
    directions.entry((from, to)).or_insert_with(|| Direction {
        link: None,
        cuts: 0,
        swallows_closes: false,
        path: Path::new(stream(seed, &format!("link {} {}", from.0, to.0))),
    })
}

fn pair(a: MachineId, b: MachineId) -> (MachineId, MachineId) {
    (a.min(b), a.max(b))
}

/// A duration as the world counts it. 584 years are enough for everybody.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MachineId = MachineId(0);
    const B: MachineId = MachineId(1);

    fn send(network: &mut Network, from: MachineId, to: MachineId) -> Fate {
        network.send(0, from, to, &mut Packet(vec![0; 1000]))
    }

    const ARRIVES: Fate = Fate::Arrives {
        at: 1_000_000,
        again: None,
    };

    #[test]
    fn a_direction_cut_twice_is_open_after_the_second_mending() {
        let mut network = Network::new(7);
        network.cut(A, B);
        network.cut(A, B);
        network.mend(A, B);
        assert_eq!(send(&mut network, A, B), Fate::Dropped(Why::Cut));
        assert_eq!(send(&mut network, B, A), ARRIVES);
        network.mend(A, B);
        assert_eq!(send(&mut network, A, B), ARRIVES);
    }

    #[test]
    fn the_directions_of_a_link_may_differ() {
        let mut network = Network::new(7);
        let lossy = Link {
            loss: Loss::from(1.0),
            ..Link::default()
        };
        network.set_direction(A, B, lossy);
        assert_eq!(send(&mut network, A, B), Fate::Dropped(Why::Lost));
        assert_eq!(send(&mut network, B, A), ARRIVES);
    }

    #[test]
    fn a_loss_takes_the_place_of_the_links_for_a_time() {
        let mut network = Network::new(7);
        network.set_loss(A, B, Some(1.0));
        assert_eq!(send(&mut network, A, B), Fate::Dropped(Why::Lost));
        network.set_loss(A, B, None);
        assert_eq!(send(&mut network, A, B), ARRIVES);
    }

    #[test]
    fn a_packet_that_is_too_large_is_refused() {
        let mut network = Network::new(7);
        for (bytes, refused) in [(999, true), (1000, false)] {
            let mtu = Some(Mtu { bytes, told: false });
            network.set_default(Link {
                mtu,
                ..Link::default()
            });
            let fate = send(&mut network, A, B);
            assert_eq!(fate == Fate::Refused(Vec::new()), refused, "{bytes}");
        }
    }
}
