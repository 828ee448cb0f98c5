//! A link in operation: what it does to one packet after another.

use super::Link;
use super::chance::happens;
use super::fate::{Fate, Why};
use super::loss::State;
use super::packet::flip_a_bit;
use crate::kernel::Packet;
use crate::time::nanos;
use rand_chacha::ChaCha8Rng;

/// The state of one direction.
pub(super) struct Path {
    /// Replaces the link's loss.
    pub(super) loss: Option<f64>,
    /// When the bottleneck will have sent everything. All times are in nanoseconds.
    free_at: u64,
    last_arrival: u64,
    last_latency: Option<f64>,
    loss_state: State,
    /// What happened to the last packet.
    last: Last,
    rng: ChaCha8Rng,
}

/// What happened to a packet.
#[derive(Default)]
struct Last {
    duplicated: bool,
    damaged: bool,
    held_back: bool,
}

impl Path {
    pub(super) fn new(rng: ChaCha8Rng) -> Self {
        Self {
            loss: None,
            free_at: 0,
            last_arrival: 0,
            last_latency: None,
            loss_state: State::default(),
            last: Last::default(),
            rng,
        }
    }

    /// From now on, other random numbers decide.
    pub(super) fn reseed(&mut self, rng: ChaCha8Rng) {
        self.rng = rng;
    }

    /// Whether a bit of the last arriving packet was flipped.
    pub(super) fn has_damaged_last(&self) -> bool {
        self.last.damaged
    }

    /// Whether the last arriving packet was held back for others to overtake it.
    pub(super) fn has_held_back_last(&self) -> bool {
        self.last.held_back
    }

    /// Carries a packet sent now. One that is spared is exempt from random loss.
    pub(super) fn carry(
        &mut self,
        link: &Link,
        now: u64,
        packet: &mut Packet,
        spared: bool,
    ) -> Fate {
        let lost = match self.loss {
            Some(loss) => happens(loss, &mut self.rng),
            None => link.loss.strikes(&mut self.loss_state, &mut self.rng),
        };
        if lost && !spared {
            return Fate::Dropped(Why::Lost);
        }
        let twice = (link.duplicate).strikes(&mut self.last.duplicated, &mut self.rng);
        let Some(left) = self.leave(link, now, packet) else {
            return Fate::Dropped(Why::Overflow);
        };
        let left_again = twice.then(|| self.leave(link, now, packet)).flatten();
        if (link.corrupt).strikes(&mut self.last.damaged, &mut self.rng) {
            flip_a_bit(packet, &mut self.rng);
        }
        let at = self.arrive(link, left);
        debug_assert!(now <= left && left <= at, "a packet takes its time");
        let again = left_again.map(|left| self.arrive(link, left));
        Fate::Arrives { at, again }
    }

    /// When a packet leaves the bottleneck, unless its queue is full.
    fn leave(&mut self, link: &Link, now: u64, packet: &Packet) -> Option<u64> {
        match &link.rate {
            Some(rate) => rate.pass(now, &mut self.free_at, packet.0.len()),
            None => Some(now),
        }
    }

    /// When a packet that has left the bottleneck arrives.
    fn arrive(&mut self, link: &Link, left: u64) -> u64 {
        let at = left.saturating_add(self.latency(link));
        if let Some(reorder) = link.reorder
            && (reorder.chance).strikes(&mut self.last.held_back, &mut self.rng)
        {
            return at.saturating_add(nanos(reorder.by));
        }
        self.last_arrival = self.last_arrival.max(at);
        self.last_arrival
    }

    /// How long the next packet travels.
    pub(super) fn latency(&mut self, link: &Link) -> u64 {
        link.latency
            .draw(link.correlation, &mut self.last_latency, &mut self.rng)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::stream;
    use crate::network::{Chance, Latency, Rate, Reorder};
    use std::time::Duration;

    const MS: Duration = Duration::from_millis(1);

    /// What becomes of 10,000 packets of 100 bytes, sent one per millisecond.
    fn carried(link: &Link) -> Vec<Fate> {
        let mut path = Path::new(stream(7, "test"));
        (0..10_000)
            .map(|ms| path.carry(link, ms * 1_000_000, &mut Packet(vec![0; 100]), false))
            .collect()
    }

    /// When packets arrive, in the order of sending.
    fn arrivals(link: &Link) -> Vec<u64> {
        carried(link)
            .into_iter()
            .filter_map(|fate| match fate {
                Fate::Arrives { at, .. } => Some(at),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn a_plain_link_delays_every_packet_alike() {
        let expected: Vec<u64> = (1..=10_000).map(|ms| ms * 1_000_000).collect();
        assert_eq!(arrivals(&Link::default()), expected);
    }

    #[test]
    fn no_packet_overtakes_an_earlier_one() {
        let latency = Latency::Uniform {
            min: MS,
            max: 50 * MS,
        };
        let link = Link {
            latency,
            ..Link::default()
        };
        assert!(arrivals(&link).is_sorted());
    }

    #[test]
    fn a_packet_that_is_held_back_is_overtaken() {
        let reorder = Reorder {
            chance: 0.1.into(),
            by: 5 * MS,
        };
        let link = Link {
            reorder: Some(reorder),
            ..Link::default()
        };
        let arrivals = arrivals(&link);
        let overtaken = arrivals.windows(2).filter(|pair| pair[0] > pair[1]).count();
        assert!((700..1100).contains(&overtaken), "{overtaken}");
    }

    #[test]
    fn some_packets_arrive_twice() {
        let link = Link {
            duplicate: 0.2.into(),
            ..Link::default()
        };
        let twice = carried(&link)
            .into_iter()
            .filter(|fate| matches!(fate, Fate::Arrives { again: Some(_), .. }))
            .count();
        assert!((1800..2200).contains(&twice), "{twice}");
    }

    /// The mean length of runs in which it happens.
    fn in_a_row(happened: &[bool]) -> f64 {
        let begins = happened.windows(2).filter(|pair| !pair[0] && pair[1]);
        let all = happened.iter().filter(|&&happened| happened).count();
        all as f64 / begins.count() as f64
    }

    #[test]
    fn what_is_correlated_happens_to_packets_in_a_row() {
        let chance = Chance {
            probability: 0.1,
            correlation: 0.8,
        };
        // 1 / ((1 - correlation) · (1 - probability))
        let expected = 4.4..6.8;
        let link = Link {
            duplicate: chance,
            ..Link::default()
        };
        let doubled: Vec<bool> = carried(&link)
            .into_iter()
            .map(|fate| matches!(fate, Fate::Arrives { again: Some(_), .. }))
            .collect();
        assert!(
            expected.contains(&in_a_row(&doubled)),
            "{}",
            in_a_row(&doubled)
        );
        let link = Link {
            corrupt: chance,
            ..Link::default()
        };
        let mut path = Path::new(stream(7, "test"));
        let damaged: Vec<bool> = (0..10_000)
            .map(|_| {
                let mut packet = Packet(vec![0; 100]);
                path.carry(&link, 0, &mut packet, false);
                assert_eq!(path.has_damaged_last(), packet.0 != [0; 100]);
                path.has_damaged_last()
            })
            .collect();
        assert!(
            expected.contains(&in_a_row(&damaged)),
            "{}",
            in_a_row(&damaged)
        );
        let (chance, by) = (chance, 500 * MS);
        let link = Link {
            reorder: Some(Reorder { chance, by }),
            ..Link::default()
        };
        let mut path = Path::new(stream(7, "test"));
        let held_back: Vec<bool> = (0..10_000)
            .map(|ms| {
                let sent = ms * 1_000_000;
                let fate = path.carry(&link, sent, &mut Packet(vec![0; 100]), false);
                let late = Fate::Arrives {
                    at: sent + 501_000_000,
                    again: None,
                };
                assert_eq!(path.has_held_back_last(), fate == late, "{fate:?}");
                fate == late
            })
            .collect();
        assert!(
            expected.contains(&in_a_row(&held_back)),
            "{}",
            in_a_row(&held_back)
        );
    }

    #[test]
    fn a_packet_that_arrives_twice_takes_its_time_on_the_link_twice() {
        let rate = Rate {
            bits_per_second: 100_000,
            queue_bytes: 10_000,
        };
        let link = Link {
            rate: Some(rate),
            duplicate: 1.0.into(),
            ..Link::default()
        };
        // 100 bytes take 8 ms, plus one millisecond.
        let mut path = Path::new(stream(7, "test"));
        let fate = path.carry(&link, 0, &mut Packet(vec![0; 100]), false);
        let expected = Fate::Arrives {
            at: 9_000_000,
            again: Some(17_000_000),
        };
        assert_eq!(fate, expected);
    }

    #[test]
    fn some_packets_are_damaged() {
        let link = Link {
            corrupt: 0.1.into(),
            ..Link::default()
        };
        let mut path = Path::new(stream(7, "test"));
        let damaged = (0..10_000)
            .filter(|_| {
                let mut packet = Packet(vec![0; 100]);
                path.carry(&link, 0, &mut packet, false);
                packet.0 != [0; 100]
            })
            .count();
        assert!((900..1100).contains(&damaged), "{damaged}");
    }

    #[test]
    fn a_full_queue_delays_and_then_drops() {
        // 100 bytes take 1.6 ms, and are sent every millisecond: 6,250 of 10,000 get through.
        let rate = Rate {
            bits_per_second: 500_000,
            queue_bytes: 10_000,
        };
        let link = Link {
            rate: Some(rate),
            ..Link::default()
        };
        let arrivals = arrivals(&link);
        assert!((6200..6400).contains(&arrivals.len()), "{}", arrivals.len());
        let apart = arrivals.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(apart.into_iter().all(|nanos| nanos == 1_600_000));
    }
}
