//! What every measurement needs: a row for what came out, links, and times.

use squall_simulator::{Fault, Latency, Link, MachineId, World};
use std::ops::RangeInclusive;
use std::time::Duration;

/// One thing that was measured.
#[derive(Clone, Debug)]
pub struct Row {
    /// What, under which conditions.
    pub what: String,
    /// What came out.
    pub measured: f64,
    /// What theory says, or what Linux does.
    pub expected: f64,
    /// The unit of both.
    pub unit: &'static str,
    /// Why they differ, or why they do not.
    pub why: &'static str,
    /// Between what their ratio must be.
    pub bounds: RangeInclusive<f64>,
}

impl Row {
    /// What was measured over what was expected.
    pub fn ratio(&self) -> f64 {
        self.measured / self.expected
    }
}

pub(super) const PORT: u16 = 80;
pub(super) const MS: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn plain(round_trip: Duration) -> Link {
    Link {
        latency: Latency::Fixed(round_trip / 2),
        ..Link::default()
    }
}

/// When packets from a machine to another were dropped by a partition.
pub(super) fn cut_times(world: &World, from: &str, to: &str) -> Vec<Duration> {
    let what = format!("cut {from} > {to},");
    let events = world.trace().iter();
    events
        .filter(|event| event.what.starts_with(&what))
        .map(|event| event.at)
        .collect()
}

pub(super) fn cut(from: MachineId, to: MachineId) -> Fault {
    let (from, to) = (vec![from], vec![to]);
    Fault::Cut { from, to }
}

pub(super) fn run(world: &mut World, until: Duration) {
    world
        .run_until(until)
        .expect("these programs ask for nothing that is not simulated");
}
