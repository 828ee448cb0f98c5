//! Faults of machines: their processes and their power.

use super::victims::Whom;
use super::{Kind, Order, Stage};
use crate::format::{Problems, Table};
use squall_guarantees::Lost;
use std::time::Duration;

/// The program is killed; the machine's kernel lives on and closes its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kill;

impl Kind for Kill {
    fn read(_: &mut Table<'_>, _: &mut Problems) -> Option<Self> {
        Some(Kill)
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        stage.begin_each(Order::Kill);
    }

    fn words(&self, victims: &str) -> String {
        format!("kill of {victims}")
    }

    // A killed process is not silent: its kernel closes the connections.

    fn downtimes(
        &self,
        from: Duration,
        until: Option<Duration>,
    ) -> Vec<(Duration, Option<Duration>)> {
        vec![(from, until)]
    }
}

/// The machine goes silent at once, and forgets all that is not on its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerLoss;

impl Kind for PowerLoss {
    fn read(_: &mut Table<'_>, _: &mut Problems) -> Option<Self> {
        Some(PowerLoss)
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        stage.begin_each(Order::PowerLoss);
    }

    fn words(&self, victims: &str) -> String {
        format!("power loss of {victims}")
    }

    fn silence(&self) -> Option<Lost> {
        Some(Lost::BothWays)
    }

    fn downtimes(
        &self,
        from: Duration,
        until: Option<Duration>,
    ) -> Vec<(Duration, Option<Duration>)> {
        vec![(from, until)]
    }
}

/// The program stands still; the machine's kernel does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause;

impl Kind for Pause {
    fn read(_: &mut Table<'_>, _: &mut Problems) -> Option<Self> {
        Some(Pause)
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        stage.begin_each(Order::Pause);
        stage.end_each(Order::Resume);
    }

    fn words(&self, victims: &str) -> String {
        format!("pause of {victims}")
    }
}
