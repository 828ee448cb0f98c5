//! Partitions: machines do not hear others, and what is said meanwhile is dropped, or held and released.

use super::division::Division;
use super::victims::Whom;
use super::{Kind, Order, Stage};
use crate::draw::Draw;
use crate::format::{Problems, Table};

/// Packets that a division does not let pass are dropped, also those under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition(pub Division);

/// Packets that a division does not let pass are held, and arrive when it is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold(pub Division);

impl Kind for Partition {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        Division::read(table, problems).map(Partition)
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        Partition(self.0.draw(fault, draw))
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        self.0.strike(
            stage,
            |from, to| Order::Cut { from, to },
            |from, to| Order::Mend { from, to },
        );
    }

    fn words(&self, victims: &str) -> String {
        format!("partition {}", self.0.words(victims))
    }

    fn division(&self) -> Option<&Division> {
        Some(&self.0)
    }
}

impl Kind for Hold {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        Division::read(table, problems).map(Hold)
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        Hold(self.0.draw(fault, draw))
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        self.0.strike(
            stage,
            |from, to| Order::Hold { from, to },
            |from, to| Order::Release { from, to },
        );
    }

    fn words(&self, victims: &str) -> String {
        format!("packets held {}", self.0.words(victims))
    }

    fn division(&self) -> Option<&Division> {
        Some(&self.0)
    }
}
