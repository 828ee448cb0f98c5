//! Faults of disks. SQLite's files are on them: the server's database.

use super::victims::Whom;
use super::{Hindrance, Kind, Order, Stage};
use crate::draw::Draw;
use crate::format::{Problems, Table};
use crate::scenario::Setting;
use squall_simulator::{DiskChange, DiskErrors, DiskLatency};
use std::time::Duration;

/// The disk has no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskFull {
    /// How many kilobytes fit after all.
    pub free_kb: Setting<u32>,
}

impl Kind for DiskFull {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let free_kb = table.get("free-kb", problems);
        let free_kb = free_kb.unwrap_or(Setting::Fixed(0));
        Some(DiskFull { free_kb })
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        let free_kb = draw.fixed(&format!("{fault}: free-kb"), self.free_kb);
        DiskFull { free_kb }
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        let full = DiskChange::Free(u64::from(self.free_kb.min()) * 1000);
        stage.begin_each(|machine| Order::Disk(machine, full));
        stage.end_each(|machine| Order::Disk(machine, DiskChange::Capacity(None)));
    }

    fn words(&self, victims: &str) -> String {
        format!("full disk of {victims}")
    }
}

/// The disk is slow, and whoever uses it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSlow {
    /// How long a read takes.
    pub read: Setting<Duration>,
    /// How long a write takes.
    pub write: Setting<Duration>,
    /// How long a sync takes.
    pub sync: Setting<Duration>,
}

impl Kind for DiskSlow {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let remedy = "Write what takes how long, as in `sync = \"50ms\"`, `read` or `write`.";
        table.at_least_one(&["read", "write", "sync"], remedy, problems)?;
        let mut latency = |field| table.get(field, problems);
        let none = Setting::Fixed(Duration::ZERO);
        Some(DiskSlow {
            read: latency("read").unwrap_or(none),
            write: latency("write").unwrap_or(none),
            sync: latency("sync").unwrap_or(none),
        })
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        DiskSlow {
            read: draw.fixed(&format!("{fault}: read"), self.read),
            write: draw.fixed(&format!("{fault}: write"), self.write),
            sync: draw.fixed(&format!("{fault}: sync"), self.sync),
        }
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        let slow = DiskChange::Latency(DiskLatency {
            read: self.read.min(),
            write: self.write.min(),
            sync: self.sync.min(),
        });
        let none = DiskChange::Latency(DiskLatency::default());
        stage.begin_each(|machine| Order::Disk(machine, slow));
        stage.end_each(|machine| Order::Disk(machine, none));
    }

    fn words(&self, victims: &str) -> String {
        format!("slow disk of {victims}")
    }

    fn hinders(&self) -> Option<Hindrance> {
        Some(Hindrance::Slow)
    }
}

/// The disk reports errors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DiskError {
    /// The probability that a read fails, 0 to 1.
    pub read: Setting<f64>,
    /// The probability that a write fails, 0 to 1.
    pub write: Setting<f64>,
    /// The probability that a sync fails, 0 to 1.
    pub sync: Setting<f64>,
}

impl Kind for DiskError {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let remedy = "Write what fails how often, as in `write = 0.1`, `read` or `sync`.";
        table.at_least_one(&["read", "write", "sync"], remedy, problems)?;
        let mut probability = |field| table.get(field, problems);
        let none = Setting::Fixed(0.0);
        Some(DiskError {
            read: probability("read").unwrap_or(none),
            write: probability("write").unwrap_or(none),
            sync: probability("sync").unwrap_or(none),
        })
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        DiskError {
            read: draw.fixed(&format!("{fault}: read"), self.read),
            write: draw.fixed(&format!("{fault}: write"), self.write),
            sync: draw.fixed(&format!("{fault}: sync"), self.sync),
        }
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        let errors = DiskChange::Errors(DiskErrors {
            read: self.read.min(),
            write: self.write.min(),
            sync: self.sync.min(),
        });
        let none = DiskChange::Errors(DiskErrors::default());
        stage.begin_each(|machine| Order::Disk(machine, errors));
        stage.end_each(|machine| Order::Disk(machine, none));
    }

    fn words(&self, victims: &str) -> String {
        format!("disk errors of {victims}")
    }
}

/// A sync only says that everything is on the platter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskLies;

impl Kind for DiskLies {
    fn read(_: &mut Table<'_>, _: &mut Problems) -> Option<Self> {
        Some(DiskLies)
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        stage.begin_each(|machine| Order::Disk(machine, DiskChange::LyingSync(true)));
        stage.end_each(|machine| Order::Disk(machine, DiskChange::LyingSync(false)));
    }

    fn words(&self, victims: &str) -> String {
        format!("lying disk of {victims}")
    }
}
