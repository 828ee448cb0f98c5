//! Partitions: machines do not hear others, and what is said in the meantime is dropped, or held
//! and released.

use super::about::{About, Aim, Drawn, Told};
use super::division::{Division, Sides};
use super::kind::{FaultBehaviour, Intervention, Stage};
use super::victims::Whom;
use crate::dice::Draw;
use crate::text::{Problems, Table};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use squall_guarantees::DisturbanceKind;
use squall_simulator::MachineId;

/// Packets that a division does not let pass are dropped, including those under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Partition(pub Division);

/// Packets that a division does not let pass are held, and arrive when it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Hold(pub Division);

impl Told for Partition {
    const ABOUT: About = About {
        happens: "packets between the victims and everybody else are dropped, also those under \
            way; or it has another shape, see below",
        fields: Division::FIELDS,
        drawn: Drawn::new(12, Aim::Anybody),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for Partition {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        Division::read(table, problems).map(Partition)
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        Partition(self.0.draw(fault, draw))
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Cut)
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        strike(
            &self.0,
            stage,
            |from, to| Intervention::Cut { from, to },
            |from, to| Intervention::Mend { from, to },
        );
    }

    fn words(&self, victims: &str) -> String {
        format!("partition {}", self.0.words(victims))
    }

    fn division(&self) -> Option<&Division> {
        Some(&self.0)
    }
}

impl Told for Hold {
    const ABOUT: About = About {
        happens: "the packets that a `partition` would drop are held, and all arrive when it \
            is over",
        fields: Division::FIELDS,
        drawn: Drawn::new(4, Aim::Anybody),
        ..About::DEFAULT
    };
}

impl FaultBehaviour for Hold {
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self> {
        Division::read(table, problems).map(Hold)
    }

    fn draw(&self, fault: &str, draw: &mut Draw) -> Self {
        Hold(self.0.draw(fault, draw))
    }

    fn whom(&self) -> Whom {
        Whom::Machines
    }

    fn disturbs(&self) -> Option<DisturbanceKind> {
        Some(DisturbanceKind::Cut)
    }

    fn strike(&self, stage: &mut Stage<'_>) {
        strike(
            &self.0,
            stage,
            |from, to| Intervention::Hold { from, to },
            |from, to| Intervention::Release { from, to },
        );
    }

    fn words(&self, victims: &str) -> String {
        format!("packets held {}", self.0.words(victims))
    }

    fn division(&self) -> Option<&Division> {
        Some(&self.0)
    }
}

/// Interventions for all packets that do not pass, from senders to receivers, at the beginning and
/// at the end of the fault. There are as few as possible: machines with the same receivers share
/// one.
fn strike(
    division: &Division,
    stage: &mut Stage<'_>,
    begin: impl Fn(Vec<MachineId>, Vec<MachineId>) -> Intervention,
    end: impl Fn(Vec<MachineId>, Vec<MachineId>) -> Intervention,
) {
    let sides = Sides::new(division, stage.names);
    let is_client = |machine: &MachineId| stage.links.contains_key(machine);
    let (clients, hubs): (Vec<_>, Vec<_>) =
        stage.machines.iter().partition(|(_, id)| is_client(id));
    let mut senders: IndexMap<Vec<MachineId>, Vec<MachineId>> = IndexMap::new();
    for (from, id) in stage.machines {
        // Clients say nothing to one another, and there may be many of them.
        let clients = clients.iter().filter(|_| !is_client(id));
        let receivers = hubs.iter().chain(clients);
        let cut = receivers.filter(|(to, _)| sides.divide(from, to));
        let cut: Vec<_> = cut.map(|&(_, &to)| to).collect();
        if !cut.is_empty() {
            senders.entry(cut).or_default().push(*id);
        }
    }
    for (to, from) in senders {
        stage.begin(begin(from.clone(), to.clone()));
        stage.end(end(from, to));
    }
}
