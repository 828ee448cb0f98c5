//! A flood of SYNs against a machine.

use super::about::{About, Aim, Drawn, Field, Told};
use super::kind::{FaultBehaviour, Intervention, Stage};
use super::victims::Whom;
use crate::cast::PORT;
use crate::dice::Draw;
use crate::setting::Setting;
use crate::text::{Problems, Table};
use serde::{Deserialize, Serialize};
use squall_guarantees::DisturbanceKind;
use std::time::Duration;

/// SYNs from addresses that nobody has arrive at the chat's port, and their handshakes are never
/// completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SynFlood {
    /// How many per second.
    pub rate: Setting<u32>,
}

impl Told for SynFlood {
    const ABOUT: About = About {
        happens: "`rate` ⇄ SYNs a second (default 1000) arrive at the victims' chat port, from \
            addresses that nobody has",
        fields: &[Field::number(
            "rate",
            "How many SYNs in a second. Default: 1000.",
        )],
        drawn: Drawn::new(1, Aim::Keepers),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for SynFlood {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let found = table.placed::<Setting<u32>>("rate", problems);
        let rate = found.map_or(Setting::Fixed(1000), |found| {
            if found.value.min() == 0 || found.value.max() > MOST {
                let remedy = format!("Ask for 1 to {MOST} a second.");
                problems.add(found.at, "there cannot be such a flood", remedy);
            }
            found.value
        });
        Some(SynFlood { rate })
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        let rate = draw.fixed(&format!("{fault}: rate"), self.rate);
        SynFlood { rate }
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Hostile)
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        let interval = Duration::from_secs(1) / self.rate.min();
        let until = stage.until.unwrap_or(Duration::MAX);
        stage.begin_each(|to| Intervention::SynFlood {
            to,
            port: PORT,
            interval,
            until,
        });
    }

    fn words(&self, victims: &str) -> String {
        format!("flood of {} SYNs a second at {victims}", self.rate.min())
    }
}

/// More would be slow to simulate.
const MOST: u32 = 1_000_000;
