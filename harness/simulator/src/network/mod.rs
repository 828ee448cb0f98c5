//! The network: a path in each direction between any two machines, and what gets in the way.
//!
//! Each direction has its own random stream for what happens to its packets, and keeps their order
//! as a cable does. The cost of a packet depends neither on how many are in flight nor on how many
//! machines there are.
//!
//! | file | subject |
//! |---|---|
//! | `link` | what a path is like, and the order in which things happen to a packet |
//! | `latency`, `loss`, `bottleneck` | how long, which are lost, how much at a time |
//! | `chance` | how likely something happens, and how likely again |
//! | `packet` | damage, and the packets that boxes on the path make |
//! | `dice` | what a link does to packets, for those who carry them elsewhere |
//! | `path` | a link at work |
//! | `rule` | boxes that do something to the packets that they pick out |
//! | `gateway` | NATs and firewalls that forget flows |

mod bottleneck;
mod chance;
mod dice;
pub(crate) mod fate;
mod gateway;
mod latency;
mod link;
mod loss;
mod packet;
mod path;
mod rule;

pub use bottleneck::Rate;
pub use chance::Chance;
pub use dice::LinkDice;
pub(crate) use fate::{Answer, Fate, Why};
pub use gateway::Gateway;
pub use latency::Latency;
pub use link::{Link, Mtu, Reorder};
pub use loss::Loss;
pub(crate) use packet::{is_intact, syn};
pub use rule::{Rule, Ruling, Seen};

use crate::entropy::stream;
use crate::hits::{Books, Struck};
use crate::ids::{FaultId, MachineId};
use crate::journal::SegmentHead;
use crate::kernel::Packet;
use crate::time::nanos;
use packet::{Segment, flip_a_bit};
use path::Path;
use rand_chacha::ChaCha8Rng;
use rule::Rules;
use rustc_hash::FxHashMap;
use std::time::Duration;

/// What the network has carried so far, in IP packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packets that machines sent.
    pub sent: u64,
    /// Packets that arrived.
    pub delivered: u64,
    /// Packets that a link lost at random.
    pub lost: u64,
    /// Packets dropped by a partition, by the end of a path, or by a middlebox; or addressed to a
    /// machine that is off or does not exist.
    pub cut: u64,
    /// Packets that found a queue full.
    pub overflowed: u64,
    /// Packets that arrived damaged and were dropped by the receiver's checksums.
    pub damaged: u64,
    /// Packets that arrived a second time.
    pub doubled: u64,
    /// Bytes of all packets sent, including their IP headers.
    pub bytes: u64,
}

/// All links of a world. A direction costs nothing until it is first used.
pub(crate) struct Network {
    default: Link,
    directions: Directions,
    /// How many directions are cut: mostly none, and then there is nothing to look up.
    cut: usize,
    /// The faults that hold the packets of a direction.
    holds: FxHashMap<(MachineId, MachineId), Vec<FaultId>>,
    gateways: FxHashMap<(MachineId, MachineId), gateway::Working>,
}

struct Direction {
    /// Its own link, if it has one.
    link: Option<Link>,
    /// Replaces that link, or the default.
    changed: Option<Changed>,
    cuts: Vec<FaultId>,
    /// The fault that replaced the link's loss.
    loss: Option<FaultId>,
    /// Set if FIN and RST do not get through.
    swallows_closes: Option<FaultId>,
    /// None if there never were any.
    rules: Option<Box<Rules>>,
    path: Path,
}

/// A link changed by a fault.
struct Changed {
    fault: FaultId,
    link: Link,
    /// Whether packets take longer or shorter on it.
    other_times: bool,
}

impl Network {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            default: Link::default(),
            directions: Directions {
                seed,
                keys: Vec::new(),
                used: FxHashMap::default(),
            },
            cut: 0,
            holds: FxHashMap::default(),
            gateways: FxHashMap::default(),
        }
    }

    /// The next machine goes by this key, which no other has.
    pub(crate) fn add(&mut self, key: &str) {
        self.directions.keys.push(key.to_owned());
    }

    /// From now on, random numbers derive from another seed.
    pub(crate) fn reseed(&mut self, seed: u64) {
        let Directions {
            seed: own,
            keys,
            used,
        } = &mut self.directions;
        *own = seed;
        for (&(from, to), direction) in used {
            let names = [from, to].map(|id| &*keys[id.0 as usize]);
            direction.path.reseed(stream_of(seed, "link", names));
            if let Some(rules) = &mut direction.rules {
                rules.rng = stream_of(seed, "rules", names);
            }
        }
    }

    pub(crate) fn set_default(&mut self, link: Link) {
        self.default = link;
    }

    pub(crate) fn set_direction(&mut self, from: MachineId, to: MachineId, link: Link) {
        let direction = self.directions.between(from, to);
        direction.link = Some(link);
        direction.changed = None;
    }

    /// A fault changes the link of a direction. Restoring the original link ends all such faults.
    pub(crate) fn change_direction(
        &mut self,
        from: MachineId,
        to: MachineId,
        link: Link,
        fault: FaultId,
    ) {
        let direction = self.directions.between(from, to);
        let usual = direction.link.as_ref().unwrap_or(&self.default);
        direction.changed = (link != *usual).then(|| Changed {
            fault,
            other_times: !link.takes_the_time_of(usual),
            link,
        });
    }

    /// Overrides the loss of a direction, or (with `None`) ends the override.
    pub(crate) fn set_loss(
        &mut self,
        from: MachineId,
        to: MachineId,
        loss: Option<f64>,
        fault: FaultId,
    ) {
        let direction = self.directions.between(from, to);
        direction.path.loss = loss;
        direction.loss = loss.map(|_| fault);
    }

    pub(crate) fn swallow_closes(
        &mut self,
        from: MachineId,
        to: MachineId,
        swallow: bool,
        fault: FaultId,
    ) {
        self.directions.between(from, to).swallows_closes = swallow.then_some(fault);
    }

    /// From now on, a rule examines the packets of a direction.
    pub(crate) fn add_rule(&mut self, from: MachineId, to: MachineId, rule: Rule, fault: FaultId) {
        let names = [from, to].map(|id| &*self.directions.keys[id.0 as usize]);
        let rng = stream_of(self.directions.seed, "rules", names);
        let direction = self.directions.between(from, to);
        let rules = direction
            .rules
            .get_or_insert_with(|| Box::new(Rules::new(rng)));
        rules.add(fault, rule);
    }

    /// A rule no longer examines the packets of a direction.
    pub(crate) fn remove_rule(&mut self, from: MachineId, to: MachineId, rule: &Rule) {
        if let Some(rules) = &mut self.directions.between(from, to).rules {
            rules.remove(rule);
        }
    }

    /// Puts a gateway between two machines, or removes it.
    pub(crate) fn set_gateway(
        &mut self,
        a: MachineId,
        b: MachineId,
        gateway: Option<Gateway>,
        now: u64,
        fault: FaultId,
    ) {
        let pair = pair(a, b);
        match gateway {
            Some(gateway) => {
                let working = gateway::Working::new(gateway, now, fault);
                self.gateways.insert(pair, working);
            }
            None => {
                self.gateways.remove(&pair);
            }
        }
    }

    /// Cuts a direction. What is cut twice has to be mended twice.
    pub(crate) fn cut(&mut self, from: MachineId, to: MachineId, fault: FaultId) {
        let direction = self.directions.between(from, to);
        direction.cuts.push(fault);
        self.cut += usize::from(direction.cuts.len() == 1);
    }

    /// Ends the earliest cut of a direction.
    pub(crate) fn mend(&mut self, from: MachineId, to: MachineId) {
        let direction = self.directions.between(from, to);
        self.cut -= usize::from(direction.cuts.len() == 1);
        if !direction.cuts.is_empty() {
            direction.cuts.remove(0);
        }
    }

    /// Whether packets in this direction are dropped. Also asked on arrival: a partition drops
    /// packets in flight.
    pub(crate) fn is_cut(&self, from: MachineId, to: MachineId) -> bool {
        !self.cuts(from, to).is_empty()
    }

    /// The faults that cut a direction.
    pub(crate) fn cuts(&self, from: MachineId, to: MachineId) -> &[FaultId] {
        let direction = match self.cut {
            0 => None,
            _ => self.directions.used.get(&(from, to)),
        };
        direction.map_or(&[], |direction| &direction.cuts)
    }

    /// Holds the packets of a direction; returns whether they were not held before. What is held
    /// twice has to be released twice.
    pub(crate) fn hold(&mut self, from: MachineId, to: MachineId, fault: FaultId) -> bool {
        let holds = self.holds.entry((from, to)).or_default();
        holds.push(fault);
        holds.len() == 1
    }

    /// Ends the earliest hold of a direction; returns whether it was the only one.
    pub(crate) fn release(&mut self, from: MachineId, to: MachineId) -> bool {
        let Some(holds) = self.holds.get_mut(&(from, to)) else {
            return false;
        };
        holds.remove(0);
        let last = holds.is_empty();
        if last {
            self.holds.remove(&(from, to));
        }
        last
    }

    pub(crate) fn is_held(&self, from: MachineId, to: MachineId) -> bool {
        !self.holds.is_empty() && self.holds.contains_key(&(from, to))
    }

    /// Decides what becomes of a packet sent at `now`, in nanoseconds. It may be damaged; one that
    /// is spared is exempt from random loss. The faults that contributed are credited in the books.
    pub(crate) fn send(
        &mut self,
        now: u64,
        from: MachineId,
        to: MachineId,
        packet: &mut Packet,
        spared: bool,
        books: &mut Books,
    ) -> Fate {
        let direction = self.directions.between(from, to);
        if !direction.cuts.is_empty() {
            (direction.cuts.iter()).for_each(|&fault| books.add(fault, Struck::Cut, 1));
            return Fate::Dropped(Why::Cut);
        }
        let (mut late, mut twice) = (Duration::ZERO, false);
        if let Some(rules) = &mut direction.rules {
            let seen = Seen {
                at: Duration::from_nanos(now),
                from,
                to,
                bytes: &packet.0,
                segment: SegmentHead::read(&packet.0),
                luck: 0.0,
            };
            for (fault, ruling) in rules.judge(seen) {
                match ruling {
                    Ruling::Pass => {}
                    Ruling::Drop => {
                        books.add(fault, Struck::Lost, 1);
                        return Fate::Refused(Vec::new());
                    }
                    Ruling::Delay(by) => {
                        books.add(fault, Struck::Delayed, 1);
                        late += by;
                    }
                    Ruling::Double => {
                        books.add(fault, Struck::Doubled, 1);
                        twice = true;
                    }
                    Ruling::Damage => {
                        books.add(fault, Struck::Damaged, 1);
                        flip_a_bit(packet, &mut rules.rng);
                    }
                }
            }
        }
        if let Some(fault) = direction.swallows_closes
            && Segment::read(packet).is_some_and(|segment| segment.closes)
        {
            books.add(fault, Struck::Swallowed, 1);
            return Fate::Refused(Vec::new());
        }
        let changed = direction.changed.as_ref();
        let link = changed
            .map(|changed| &changed.link)
            .or(direction.link.as_ref())
            .unwrap_or(&self.default);
        if !self.gateways.is_empty()
            && let Some(gateway) = self.gateways.get_mut(&pair(from, to))
            && let Some(segment) = Segment::read(packet)
            && !gateway.lets_pass(now, &segment)
        {
            books.add(gateway.fault, Struck::Refused, 1);
            let is_news = gateway.refuses_first(&segment);
            books.add(gateway.fault, Struck::Connection, is_news.into());
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
            if let Some(changed) = changed {
                books.add(changed.fault, Struck::TooLarge, 1);
            }
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
        let mut fate = direction.path.carry(link, now, packet, spared);
        let changed = changed.map(|changed| (changed.fault, changed.other_times));
        let fault = changed.map(|(fault, _)| fault);
        let mut blame = |fault: Option<FaultId>, struck| {
            fault
                .into_iter()
                .for_each(|fault| books.add(fault, struck, 1));
        };
        match &fate {
            Fate::Dropped(Why::Lost) => blame(direction.loss.or(fault), Struck::Lost),
            Fate::Dropped(Why::Overflow) => blame(fault, Struck::Overflowed),
            Fate::Dropped(Why::Cut) | Fate::Refused(_) => {}
            Fate::Arrives { again, .. } => {
                if again.is_some() {
                    blame(fault, Struck::Doubled);
                }
                if direction.path.has_damaged_last() {
                    blame(fault, Struck::Damaged);
                }
                let late = link.reorder.is_some() && direction.path.has_held_back_last();
                if changed.is_some_and(|(_, other_times)| other_times || late) {
                    blame(fault, Struck::Delayed);
                }
                if !self.holds.is_empty()
                    && let Some(holds) = self.holds.get(&(from, to))
                {
                    holds
                        .iter()
                        .for_each(|&hold| blame(Some(hold), Struck::Held));
                }
            }
        }
        if let Fate::Arrives { at, again } = &mut fate {
            *at = at.saturating_add(nanos(late));
            *again = again
                .map(|again| again.saturating_add(nanos(late)))
                .or(twice.then_some(*at));
        }
        fate
    }
}

/// The directions that are in use.
struct Directions {
    seed: u64,
    /// The names of the random streams, by machine.
    keys: Vec<String>,
    used: FxHashMap<(MachineId, MachineId), Direction>,
}

impl Directions {
    /// The direction between two machines, created on first use.
    fn between(&mut self, from: MachineId, to: MachineId) -> &mut Direction {
        let Self { seed, keys, used } = self;
        used.entry((from, to)).or_insert_with(|| {
            let names = [from, to].map(|id| &*keys[id.0 as usize]);
            Direction {
                link: None,
                changed: None,
                cuts: Vec::new(),
                loss: None,
                swallows_closes: None,
                rules: None,
                path: Path::new(stream_of(*seed, "link", names)),
            }
        })
    }
}

/// The random stream of a direction for this purpose.
fn stream_of(seed: u64, purpose: &str, [from, to]: [&str; 2]) -> ChaCha8Rng {
    stream(seed, &format!("{purpose} {from:?} {to:?}"))
}

fn pair(a: MachineId, b: MachineId) -> (MachineId, MachineId) {
    (a.min(b), a.max(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: MachineId = MachineId(0);
    const B: MachineId = MachineId(1);

    /// A network and the books about the faults in it.
    struct World {
        network: Network,
        books: Books,
    }

    impl World {
        fn new() -> Self {
            let mut network = Network::new(7);
            network.add("a");
            network.add("b");
            Self {
                network,
                books: Books::default(),
            }
        }

        fn send(&mut self, from: MachineId, to: MachineId) -> Fate {
            let packet = &mut Packet(vec![0; 1000]);
            self.network
                .send(0, from, to, packet, false, &mut self.books)
        }

        fn hits(&self, fault: FaultId) -> Vec<(Struck, u64)> {
            self.books.read(fault, |_, _| 0).iter().collect()
        }
    }

    const ARRIVES: Fate = Fate::Arrives {
        at: 1_000_000,
        again: None,
    };

    #[test]
    fn a_direction_cut_twice_is_open_after_the_second_mending() {
        let mut world = World::new();
        let (first, second) = (world.books.open(), world.books.open());
        world.network.cut(A, B, first);
        world.network.cut(A, B, second);
        assert!(world.network.is_cut(A, B) && !world.network.is_cut(B, A));
        world.network.mend(A, B);
        assert_eq!(world.send(A, B), Fate::Dropped(Why::Cut));
        assert_eq!(world.send(B, A), ARRIVES);
        world.network.mend(A, B);
        assert_eq!(world.send(A, B), ARRIVES);
        assert_eq!(world.hits(first), []);
        assert_eq!(world.hits(second), [(Struck::Cut, 1)]);
    }

    #[test]
    fn a_mending_of_what_is_not_cut_changes_nothing() {
        let mut world = World::new();
        let fault = world.books.open();
        world.network.mend(A, B);
        world.network.cut(A, B, fault);
        assert_eq!(world.send(A, B), Fate::Dropped(Why::Cut));
        world.network.mend(A, B);
        assert!(!world.network.is_cut(A, B));
    }

    #[test]
    fn a_direction_held_twice_is_held_until_the_second_release() {
        let mut world = World::new();
        let fault = world.books.open();
        assert!(world.network.hold(A, B, fault));
        assert!(!world.network.hold(A, B, fault));
        assert!(world.network.is_held(A, B) && !world.network.is_held(B, A));
        assert!(!world.network.release(B, A));
        assert!(!world.network.release(A, B));
        assert!(world.network.is_held(A, B));
        assert!(world.network.release(A, B));
        assert!(!world.network.is_held(A, B));
        assert_eq!(world.hits(fault), []);
    }

    #[test]
    fn the_directions_of_a_link_may_differ() {
        let mut world = World::new();
        let lossy = Link {
            loss: Loss::from(1.0),
            ..Link::default()
        };
        world.network.set_direction(A, B, lossy);
        assert_eq!(world.send(A, B), Fate::Dropped(Why::Lost));
        assert_eq!(world.send(B, A), ARRIVES);
    }

    #[test]
    fn a_loss_takes_the_place_of_the_links_for_a_time() {
        let mut world = World::new();
        let fault = world.books.open();
        world.network.set_loss(A, B, Some(1.0), fault);
        assert_eq!(world.send(A, B), Fate::Dropped(Why::Lost));
        assert_eq!(world.send(B, A), ARRIVES);
        world.network.set_loss(A, B, None, fault);
        assert_eq!(world.send(A, B), ARRIVES);
        assert_eq!(world.hits(fault), [(Struck::Lost, 1)]);
    }

    #[test]
    fn a_changed_link_is_charged_with_what_it_does_until_it_is_the_usual_one_again() {
        let mut world = World::new();
        let changed = |change: fn(&mut Link)| {
            let mut link = Link::default();
            change(&mut link);
            link
        };
        let rate = Rate {
            bits_per_second: 1,
            queue_bytes: 1,
        };
        let cases = [
            (changed(|link| link.loss = 1.0.into()), Struck::Lost),
            (changed(|link| link.duplicate = 1.0.into()), Struck::Doubled),
            (changed(|link| link.corrupt = 1.0.into()), Struck::Damaged),
            (
                changed(|link| link.latency = Latency::Fixed(Duration::from_secs(1))),
                Struck::Delayed,
            ),
            (changed(|link| link.correlation = 0.5), Struck::Delayed),
            (
                changed(|link| {
                    let chance = 1.0.into();
                    let by = Duration::from_secs(1);
                    link.reorder = Some(Reorder { chance, by });
                }),
                Struck::Delayed,
            ),
            (
                changed(|link| {
                    let (bytes, told) = (999, true);
                    link.mtu = Some(Mtu { bytes, told });
                }),
                Struck::TooLarge,
            ),
        ];
        for (link, struck) in cases {
            let fault = world.books.open();
            world.network.change_direction(A, B, link, fault);
            world.send(A, B);
            world.send(B, A);
            let usual = Link::default();
            world.network.change_direction(A, B, usual, fault);
            world.send(A, B);
            assert_eq!(world.hits(fault), [(struck, 1)]);
        }
        let fault = world.books.open();
        let slow = Link {
            rate: Some(rate),
            ..Link::default()
        };
        world.network.change_direction(A, B, slow, fault);
        while world.send(A, B) != Fate::Dropped(Why::Overflow) {}
        let hits = world.hits(fault);
        assert_eq!(hits.last(), Some(&(Struck::Delayed, hits[1].1)));
        assert_eq!(hits[0], (Struck::Overflowed, 1));
    }

    #[test]
    fn a_rule_picks_out_packets_and_is_charged_with_what_it_does_to_them() {
        let second = Duration::from_secs(1);
        let late = Fate::Arrives {
            at: 1_001_000_000,
            again: None,
        };
        let twice = Fate::Arrives {
            at: 1_000_000,
            again: Some(1_000_000),
        };
        let cases = [
            (Ruling::Drop, Struck::Lost, Fate::Refused(Vec::new())),
            (Ruling::Delay(second), Struck::Delayed, late),
            (Ruling::Double, Struck::Doubled, twice),
            (Ruling::Damage, Struck::Damaged, ARRIVES),
        ];
        for (ruling, struck, expected) in cases {
            let mut world = World::new();
            let fault = world.books.open();
            let rule = Rule::new(move |seen| match seen.bytes.len() {
                1000 => ruling,
                _ => Ruling::Pass,
            });
            world.network.add_rule(A, B, rule.clone(), fault);
            let mut small = Packet(vec![0; 999]);
            let books = &mut world.books;
            assert_eq!(
                world.network.send(0, A, B, &mut small, false, books),
                ARRIVES
            );
            assert_eq!(world.send(B, A), ARRIVES);
            assert_eq!(world.send(A, B), expected);
            world.network.remove_rule(A, B, &rule);
            assert_eq!(world.send(A, B), ARRIVES);
            assert_eq!(world.hits(fault), [(struck, 1)]);
        }
    }

    #[test]
    fn all_rules_see_a_packet_until_one_drops_it() {
        let mut world = World::new();
        let faults = [(); 3].map(|()| world.books.open());
        let rulings = [Ruling::Double, Ruling::Drop, Ruling::Damage];
        for (fault, ruling) in faults.into_iter().zip(rulings) {
            world
                .network
                .add_rule(A, B, Rule::new(move |_| ruling), fault);
        }
        assert_eq!(world.send(A, B), Fate::Refused(Vec::new()));
        let hits = faults.map(|fault| world.hits(fault));
        assert_eq!(hits[0], [(Struck::Doubled, 1)]);
        assert_eq!(hits[1], [(Struck::Lost, 1)]);
        assert_eq!(hits[2], []);
    }

    #[test]
    fn the_luck_of_a_rule_moves_no_dice_of_the_link() {
        let lossy = |with_rule: bool| {
            let mut world = World::new();
            world.network.set_default(Link {
                loss: Loss::from(0.5),
                ..Link::default()
            });
            if with_rule {
                let fault = world.books.open();
                let rule = Rule::new(|seen| match seen.luck < 0.0 {
                    true => Ruling::Drop,
                    false => Ruling::Pass,
                });
                world.network.add_rule(A, B, rule, fault);
            }
            (0..50).map(|_| world.send(A, B)).collect::<Vec<_>>()
        };
        assert_eq!(lossy(true), lossy(false));
    }

    #[test]
    fn a_changed_link_that_does_nothing_has_struck_nothing() {
        let mut world = World::new();
        let fault = world.books.open();
        let harmless = Link {
            loss: Loss::from(1e-9),
            duplicate: 1e-9.into(),
            corrupt: 1e-9.into(),
            reorder: Some(Reorder {
                chance: 1e-9.into(),
                by: Duration::from_secs(1),
            }),
            ..Link::default()
        };
        world.network.change_direction(A, B, harmless, fault);
        for _ in 0..100 {
            assert_eq!(world.send(A, B), ARRIVES);
        }
        assert_eq!(world.hits(fault), []);
    }

    #[test]
    fn a_packet_that_is_too_large_is_refused() {
        let mut world = World::new();
        for (bytes, refused) in [(999, true), (1000, false)] {
            let mtu = Some(Mtu { bytes, told: false });
            world.network.set_default(Link {
                mtu,
                ..Link::default()
            });
            let fate = world.send(A, B);
            assert_eq!(fate == Fate::Refused(Vec::new()), refused, "{bytes}");
        }
    }
}
