//! The network: a link between any two machines, with latency and loss, and partitions.
//!
//! A link is two directions. Each direction draws its latencies and losses from a stream of its
//! own and keeps the order of its packets, like a cable does. Bandwidth, queues, duplication,
//! reordering and corruption are not modelled yet.

use crate::entropy::stream;
use crate::machine::MachineId;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};
use rustc_hash::FxHashMap;
use std::time::Duration;

/// The path between two machines, the same both ways.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// How long a packet travels.
    pub latency: Latency,
    /// The probability that a packet is lost, from 0 to 1.
    pub loss: f64,
}

impl Default for Link {
    /// A packet travels for one millisecond and none is lost.
    fn default() -> Self {
        Self {
            latency: Latency::Fixed(Duration::from_millis(1)),
            loss: 0.0,
        }
    }
}

/// How long a packet travels. The order of packets is kept: none overtakes an earlier one.
#[derive(Clone, Debug, PartialEq)]
pub enum Latency {
    /// Always the same.
    Fixed(Duration),
    /// Anything between the two, all equally likely.
    Uniform {
        /// The shortest.
        min: Duration,
        /// The longest.
        max: Duration,
    },
    /// Normally distributed, with a floor.
    Normal {
        /// The mean of the distribution before the floor is applied.
        mean: Duration,
        /// Its standard deviation.
        deviation: Duration,
        /// The floor: what is drawn below it becomes it.
        min: Duration,
    },
}

impl Latency {
    fn draw(&self, rng: &mut ChaCha8Rng) -> Duration {
        match *self {
            Latency::Fixed(latency) => latency,
            Latency::Uniform { min, max } => {
                let (min, max) = (nanos(min), nanos(max));
                Duration::from_nanos(rng.random_range(min..=max.max(min)))
            }
            Latency::Normal {
                mean,
                deviation,
                min,
            } => {
                let normal = Normal::new(mean.as_secs_f64(), deviation.as_secs_f64())
                    .expect("a Duration is finite");
                let drawn = normal.sample(rng).max(0.0);
                Duration::try_from_secs_f64(drawn).unwrap_or(mean).max(min)
            }
        }
    }
}

/// What the network carried so far, in IP packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that machines sent.
    pub sent: u64,
    /// Packets that arrived.
    pub delivered: u64,
    /// Packets lost at random.
    pub lost: u64,
    /// Packets dropped by a partition, or addressed to a machine that is off or does not exist.
    pub cut: u64,
    /// Bytes of all packets sent, with their IP headers.
    pub bytes: u64,
}

/// What becomes of a packet.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives at this time, in nanoseconds.
    Arrives(u64),
    /// It is lost at random.
    Lost,
    /// A partition drops it.
    Cut,
}

/// All links of a world. A direction costs nothing until it is first used.
pub(crate) struct Network {
    seed: u64,
    default: Link,
    directions: FxHashMap<(MachineId, MachineId), Direction>,
    /// How many directions are cut: mostly none, and then no packet has to look.
    cut: usize,
}

struct Direction {
    link: Option<Link>,
    loss: Option<f64>,
    cuts: u32,
    last_arrival: u64,
    rng: ChaCha8Rng,
}

impl Network {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            default: Link::default(),
            directions: FxHashMap::default(),
            cut: 0,
        }
    }

    pub(crate) fn set_default(&mut self, link: Link) {
        self.default = link;
    }

    pub(crate) fn set_link(&mut self, a: MachineId, b: MachineId, link: Link) {
        self.direction(a, b).link = Some(link.clone());
        self.direction(b, a).link = Some(link);
    }

    /// Overrides the loss of a direction, or (with `None`) ends the override.
    pub(crate) fn set_loss(&mut self, from: MachineId, to: MachineId, loss: Option<f64>) {
        self.direction(from, to).loss = loss;
    }

    /// Cuts a direction. What is cut twice has to be mended twice.
    pub(crate) fn cut(&mut self, from: MachineId, to: MachineId) {
        let direction = self.direction(from, to);
        direction.cuts += 1;
        let first = direction.cuts == 1;
        self.cut += usize::from(first);
    }

    pub(crate) fn mend(&mut self, from: MachineId, to: MachineId) {
        let direction = self.direction(from, to);
        let last = direction.cuts == 1;
        direction.cuts = direction.cuts.saturating_sub(1);
        self.cut -= usize::from(last);
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

    /// Decides what becomes of a packet sent at `now`, in nanoseconds.
    pub(crate) fn send(&mut self, now: u64, from: MachineId, to: MachineId) -> Fate {
        let default = self.default.clone();
        let direction = self.direction(from, to);
        if direction.cuts > 0 {
            return Fate::Cut;
        }
        let link = direction.link.as_ref().unwrap_or(&default);
        let loss = direction.loss.unwrap_or(link.loss);
        if loss > 0.0 && direction.rng.random_bool(loss.min(1.0)) {
            return Fate::Lost;
        }
        let arrival = now + nanos(link.latency.draw(&mut direction.rng));
        direction.last_arrival = direction.last_arrival.max(arrival);
        Fate::Arrives(direction.last_arrival)
    }

    fn direction(&mut self, from: MachineId, to: MachineId) -> &mut Direction {
        let seed = self.seed;
        self.directions
            .entry((from, to))
            .or_insert_with(|| Direction {
                link: None,
                loss: None,
                cuts: 0,
                last_arrival: 0,
                rng: stream(seed, &format!("link {} {}", from.0, to.0)),
            })
    }
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

    fn network(latency: Latency, loss: f64) -> Network {
        let mut network = Network::new(7);
        network.set_default(Link { latency, loss });
        network
    }

    #[test]
    fn no_packet_overtakes_an_earlier_one() {
        let ms = Duration::from_millis;
        let mut network = network(
            Latency::Uniform {
                min: ms(1),
                max: ms(50),
            },
            0.0,
        );
        let mut last = 0;
        for now in (0..100).map(|i| i * 1_000_000) {
            let Fate::Arrives(at) = network.send(now, A, B) else {
                panic!("nothing loses it")
            };
            assert!(at >= last && at > now);
            last = at;
        }
    }

    #[test]
    fn a_normal_latency_is_never_below_its_floor() {
        let ms = Duration::from_millis;
        let latency = Latency::Normal {
            mean: ms(10),
            deviation: ms(20),
            min: ms(5),
        };
        let mut rng = stream(1, "test");
        assert!((0..1000).all(|_| latency.draw(&mut rng) >= ms(5)));
    }

    #[test]
    fn the_loss_is_about_what_was_asked_for() {
        let mut network = network(Latency::Fixed(Duration::ZERO), 0.05);
        let lost = (0..10_000)
            .filter(|&now| network.send(now, A, B) == Fate::Lost)
            .count();
        assert!((400..600).contains(&lost), "{lost} of 10000");
    }

    #[test]
    fn a_direction_cut_twice_is_open_after_the_second_mending() {
        let mut network = network(Latency::Fixed(Duration::ZERO), 0.0);
        network.cut(A, B);
        network.cut(A, B);
        network.mend(A, B);
        assert_eq!(network.send(0, A, B), Fate::Cut);
        assert_eq!(network.send(0, B, A), Fate::Arrives(0));
        network.mend(A, B);
        assert_eq!(network.send(0, A, B), Fate::Arrives(0));
    }
}
