//! Faults of disks. They hold SQLite's files: the server's database.

use super::about::{About, Aim, Drawn, Field, Needs, Told};
use super::kind::{FaultBehaviour, Hindrance, Intervention, Stage};
use super::victims::Whom;
use crate::dice::Draw;
use crate::setting::Setting;
use crate::stream::Drawable;
use crate::text::{Problems, Scalar, Table, Value};
use serde::{Deserialize, Serialize};
use squall_guarantees::DisturbanceKind;
use squall_simulator::{DiskChange, DiskErrors, DiskLatency};
use std::time::Duration;

/// The disk has no room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DiskFull {
    /// How many more kilobytes still fit.
    pub free_kb: Setting<u32>,
}

impl Told for DiskFull {
    const ABOUT: About = About {
        happens: "files cannot grow, or by at most `free-kb` ⇄ kilobytes in total",
        fields: &[Field::number(
            "free-kb",
            "By how many kilobytes files can still grow together.",
        )],
        drawn: Drawn::new(3, Aim::Keepers),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for DiskFull {
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

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Disk)
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        let full = DiskChange::Free(u64::from(self.free_kb.min()) * 1000);
        stage.begin_each(|machine| Intervention::Disk(machine, full));
        stage.end_last(|machine| Intervention::Disk(machine, DiskChange::Capacity(None)));
    }

    fn words(&self, victims: &str) -> String {
        format!("full disk of {victims}")
    }
}

/// A value for each disk operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(serialize = "T: Scalar", deserialize = "T: Scalar"))]
struct PerOperation<T> {
    /// For a read.
    read: Setting<T>,
    /// For a write.
    write: Setting<T>,
    /// For a sync.
    sync: Setting<T>,
}

impl<T: Drawable + Default> PerOperation<T>
where
    Setting<T>: Value,
{
    /// The fields `read`, `write` and `sync`, at least one of which must be present: a missing one
    /// has no effect.
    fn read(table: &mut Table<'_>, remedy: &str, problems: &mut Problems) -> Option<Self> {
        table.at_least_one(&["read", "write", "sync"], remedy, problems)?;
        let none = Setting::Fixed(T::default());
        let mut field = |name| table.get(name, problems).unwrap_or(none);
        Some(Self {
            read: field("read"),
            write: field("write"),
            sync: field("sync"),
        })
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        Self {
            read: draw.fixed(&format!("{fault}: read"), self.read),
            write: draw.fixed(&format!("{fault}: write"), self.write),
            sync: draw.fixed(&format!("{fault}: sync"), self.sync),
        }
    }
}

/// The disk is slow, and its users wait: how long for each operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DiskSlow(PerOperation<Duration>);

impl Told for DiskSlow {
    const ABOUT: About = About {
        happens: "each `read` ⇄, `write` ⇄ or `sync` ⇄ takes this long, and the process waits; \
            durations, at least one of them",
        fields: &[
            Field::duration("read", "How long each read takes."),
            Field::duration("write", "How long each write takes."),
            Field::duration("sync", "How long each sync takes."),
        ],
        needs: Needs::SomeOf(&["read", "write", "sync"]),
        drawn: Drawn::new(3, Aim::Keepers),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for DiskSlow {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let remedy = "Write what takes how long, as in `sync = \"50ms\"`, `read` or `write`.";
        PerOperation::read(table, remedy, problems).map(DiskSlow)
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        DiskSlow(self.0.draw(fault, draw))
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Disk)
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        let slow = DiskChange::Latency(DiskLatency {
            read: self.0.read.min(),
            write: self.0.write.min(),
            sync: self.0.sync.min(),
        });
        let none = DiskChange::Latency(DiskLatency::default());
        stage.begin_each(|machine| Intervention::Disk(machine, slow));
        stage.end_last(|machine| Intervention::Disk(machine, none));
    }

    fn words(&self, victims: &str) -> String {
        format!("slow disk of {victims}")
    }

    fn hinders(&self) -> Option<Hindrance> {
        Some(Hindrance::Slow)
    }
}

/// The disk reports errors: the probability for each operation, 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DiskError(PerOperation<f64>);

impl Told for DiskError {
    const ABOUT: About = About {
        happens: "each `read` ⇄, `write` ⇄ or `sync` ⇄ fails with this probability, 0 to 1; at \
            least one of them",
        fields: &[
            Field::probability("read", "The probability that a read fails."),
            Field::probability("write", "The probability that a write fails."),
            Field::probability("sync", "The probability that a sync fails."),
        ],
        needs: Needs::SomeOf(&["read", "write", "sync"]),
        drawn: Drawn::new(3, Aim::Keepers),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for DiskError {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let remedy = "Write what fails how often, as in `write = 0.1`, `read` or `sync`.";
        PerOperation::read(table, remedy, problems).map(DiskError)
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        DiskError(self.0.draw(fault, draw))
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Disk)
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        let errors = DiskChange::Errors(DiskErrors {
            read: self.0.read.min(),
            write: self.0.write.min(),
            sync: self.0.sync.min(),
        });
        let none = DiskChange::Errors(DiskErrors::default());
        stage.begin_each(|machine| Intervention::Disk(machine, errors));
        stage.end_last(|machine| Intervention::Disk(machine, none));
    }

    fn words(&self, victims: &str) -> String {
        format!("disk errors of {victims}")
    }
}

/// A sync only claims that everything is on the platter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DiskLies;

impl Told for DiskLies {
    const ABOUT: About = About {
        happens: "a sync claims that everything is on the platter, and nothing is",
        // It would excuse nearly everything.
        drawn: Drawn::new(0, Aim::Keepers),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for DiskLies {
    fn read(_: &mut Table<'_>, _: &mut Problems) -> Option<Self> {
        Some(DiskLies)
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Disk)
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        stage.begin_each(|machine| Intervention::Disk(machine, DiskChange::LyingSync(true)));
        stage.end_last(|machine| Intervention::Disk(machine, DiskChange::LyingSync(false)));
    }

    fn words(&self, victims: &str) -> String {
        format!("lying disk of {victims}")
    }
}
