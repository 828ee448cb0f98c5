//! Rules: a middlebox examines each packet, and acts on those that it matches.

use crate::ids::{FaultId, MachineId};
use crate::journal::SegmentHead;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// A packet on its way, as a [`Rule`] sees it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Seen<'p> {
    /// When it was sent, in virtual time.
    pub at: Duration,
    /// The sender.
    pub from: MachineId,
    /// The receiver.
    pub to: MachineId,
    /// The packet, with its IP header.
    pub bytes: &'p [u8],
    /// The packet as a TCP segment; none if it is something else.
    pub segment: Option<SegmentHead<'p>>,
    /// A number from 0 to below 1 that the seed draws for this packet.
    pub luck: f64,
}

/// What a [`Rule`] does to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ruling {
    /// Nothing.
    Pass,
    /// It does not arrive.
    Drop,
    /// It arrives this much later, and others may overtake it.
    Delay(Duration),
    /// It arrives twice.
    Double,
    /// One of its bits is flipped, so its receiver's checksums drop it.
    Damage,
}

/// Examines each packet of a direction, in the order of sending, and decides what becomes of it.
/// For a run to be repeatable, it must depend on nothing else. Two rules are equal if one is a
/// clone of the other.
#[derive(Clone)]
pub struct Rule(Arc<dyn Fn(&Seen<'_>) -> Ruling + Send + Sync>);

impl Rule {
    /// A rule that applies this function.
    pub fn new(judge: impl Fn(&Seen<'_>) -> Ruling + Send + Sync + 'static) -> Self {
        Self(Arc::new(judge))
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rule")
    }
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// The rules of one direction.
pub(super) struct Rules {
    rules: Vec<(FaultId, Rule)>,
    pub(super) rng: ChaCha8Rng,
}

impl Rules {
    pub(super) fn new(rng: ChaCha8Rng) -> Self {
        Self {
            rules: Vec::new(),
            rng,
        }
    }

    pub(super) fn add(&mut self, fault: FaultId, rule: Rule) {
        self.rules.push((fault, rule));
    }

    pub(super) fn remove(&mut self, rule: &Rule) {
        self.rules.retain(|(_, other)| other != rule);
    }

    /// What all rules do to a packet, in the order in which they began. Once one drops it, the rest
    /// do not see it.
    pub(super) fn judge(&mut self, seen: Seen<'_>) -> Vec<(FaultId, Ruling)> {
        let mut rulings = Vec::new();
        for (fault, rule) in &self.rules {
            let luck = self.rng.random();
            match (rule.0)(&Seen { luck, ..seen }) {
                Ruling::Pass => {}
                ruling => rulings.push((*fault, ruling)),
            }
            if let Some((_, Ruling::Drop)) = rulings.last() {
                break;
            }
        }
        rulings
    }
}
