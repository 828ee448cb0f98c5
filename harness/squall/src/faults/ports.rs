//! Ephemeral ports that are used up: no program on the machine can open a connection.

use super::about::{About, Aim, Drawn, Field, Told};
use super::kind::{FaultBehaviour, Intervention, Stage};
use super::victims::Whom;
use crate::dice::Draw;
use crate::setting::Setting;
use crate::text::{Problems, Table};
use serde::{Deserialize, Serialize};
use squall_guarantees::{DisturbanceKind, counted};

/// Other programs on the victims have taken the ports from which connections are opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PortsUsedUp {
    /// How many are left.
    pub free: Setting<u32>,
}

impl Told for PortsUsedUp {
    const ABOUT: About = About {
        happens: "other programs on the victims have taken all ephemeral ports except `free` ⇄ \
            of them (default 0): existing connections stay, but no new one can be opened \
            from there (EADDRNOTAVAIL)",
        fields: &[Field::number(
            "free",
            "How many ports are left. Default: 0.",
        )],
        drawn: Drawn::new(1, Aim::Clients),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for PortsUsedUp {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        let found = table.placed::<Setting<u32>>("free", problems);
        let free = found.map_or(Setting::Fixed(0), |found| {
            if found.value.max() > MOST {
                let remedy = format!("Leave 0 to {MOST} of them.");
                problems.add(found.at, "a machine has fewer ephemeral ports", remedy);
            }
            found.value
        });
        Some(PortsUsedUp { free })
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        let free = draw.fixed(&format!("{fault}: free"), self.free);
        PortsUsedUp { free }
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Ports)
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        let free = Some(self.free.min() as u16);
        stage.begin_each(|machine| Intervention::UsePorts { machine, free });
        stage.end_last(|machine| Intervention::UsePorts {
            machine,
            free: None,
        });
    }

    fn words(&self, victims: &str) -> String {
        match self.free.min() {
            0 => format!("no free ports on {victims}"),
            free => format!("only {} on {victims}", counted(free.into(), "free port")),
        }
    }
}

/// Linux has no more by default (`ip_local_port_range`).
const MOST: u32 = 28_232;
