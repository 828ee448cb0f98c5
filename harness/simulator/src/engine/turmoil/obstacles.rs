//! What stops packets between turmoil's hosts: its partitions and holds, which know nothing of each other.
//!
//! Turmoil partitions a direction, but holds and releases both directions of a link together, and each of these
//! ends the other. So it holds a link of which both directions are held; packets of a single direction are held
//! at the receiver's card.

use super::card::Card;
use super::names::name;
use crate::ids::MachineId;
use std::collections::BTreeSet;
use turmoil::Sim;

/// From whom to whom.
type Direction = (MachineId, MachineId);

#[derive(Default)]
pub(super) struct Obstacles {
    cut: BTreeSet<Direction>,
    held: BTreeSet<Direction>,
}

impl Obstacles {
    /// Cuts a direction whose end has this card, or opens it. What is held there is lost.
    pub(super) fn set_cut(
        &mut self,
        direction: Direction,
        cut: bool,
        card: &Card,
        simulation: &mut Sim<'_>,
    ) {
        let (from, to) = direction;
        if cut {
            self.cut.insert(direction);
            card.forget(from);
            simulation.partition_oneway(name(from), name(to));
            return;
        }
        self.cut.remove(&direction);
        simulation.repair_oneway(name(from), name(to));
        if self.both_are_held(direction) {
            self.hold(direction, simulation);
        }
    }

    /// Holds the packets of a direction, or lets them arrive at its end, which has this card.
    pub(super) fn set_held(
        &mut self,
        direction: Direction,
        held: bool,
        card: &Card,
        simulation: &mut Sim<'_>,
    ) {
        let (from, to) = direction;
        card.set_held(from, held);
        if held {
            self.held.insert(direction);
            if self.both_are_held(direction) {
                self.hold(direction, simulation);
            }
        } else if self.both_are_held(direction) {
            self.held.remove(&direction);
            simulation.release(name(from), name(to));
            self.cut_again(direction, simulation);
        } else {
            self.held.remove(&direction);
        }
    }

    fn both_are_held(&self, (from, to): Direction) -> bool {
        self.held.contains(&(from, to)) && self.held.contains(&(to, from))
    }

    fn hold(&self, (a, b): Direction, simulation: &mut Sim<'_>) {
        simulation.hold(name(a), name(b));
        self.cut_again((a, b), simulation);
    }

    /// What was held or released is open.
    fn cut_again(&self, (a, b): Direction, simulation: &mut Sim<'_>) {
        for (from, to) in [(a, b), (b, a)] {
            if self.cut.contains(&(from, to)) {
                simulation.partition_oneway(name(from), name(to));
            }
        }
    }
}
