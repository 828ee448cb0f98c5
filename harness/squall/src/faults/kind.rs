//! What every kind of fault has to say about itself, and how it strikes.

use super::division::Division;
use super::victims::Whom;
use crate::dice::Draw;
use crate::links::PlannedLink;
use crate::text::{Problems, Table};
use indexmap::{IndexMap, IndexSet};
use rustc_hash::FxHashMap;
use squall_guarantees::{DisturbanceKind, Lost};
pub(crate) use squall_simulator::Intervention;
use squall_simulator::{FaultId, Link, MachineId, World};
use std::time::Duration;

/// Everything about one kind of fault.
pub(crate) trait FaultBehaviour {
    /// Reads its own fields; none if one without a default is missing or wrong.
    fn read(table: &mut Table<'_>, problems: &mut Problems) -> Option<Self>
    where
        Self: Sized;

    /// Decides what its own fields leave open. Their labels begin with `fault`.
    fn draw(&self, _fault: &str, _draw: &mut Draw) -> Self
    where
        Self: Sized + Clone,
    {
        self.clone()
    }

    /// Whom it can hit.
    fn whom(&self) -> Whom;

    /// Who does not hear whom.
    fn division(&self) -> Option<&Division> {
        None
    }

    /// Intervenes in the world. The runner restarts a machine that is down.
    fn strike(&self, stage: &mut Stage<'_>);

    /// The fault in the report, with its victims.
    fn words(&self, victims: &str) -> String;

    /// What a client and the server do not hear of each other while one of them is a victim.
    fn silence(&self) -> Option<Lost> {
        None
    }

    /// What it does to those it touches; nothing if its parameters make it harmless.
    fn disturbs(&self) -> Option<DisturbanceKind>;

    /// Whether it strikes only what exists when it begins, and spares what comes later.
    fn spares_what_comes(&self) -> bool {
        false
    }

    /// A victim's link from then on, for a fault that changes it permanently.
    fn link_for_good(&self, _usual: &PlannedLink) -> Option<PlannedLink> {
        None
    }

    /// Whether the victims' programs run, but not as they should.
    fn hinders(&self) -> Option<Hindrance> {
        None
    }

    /// How much too fast the victims' clocks run in the meantime, in millionths.
    fn drift_ppm(&self) -> i32 {
        0
    }

    /// How long it lasts, for a kind whose own fields say so. Such a kind has no field `for`.
    fn duration(&self) -> Option<Duration> {
        None
    }

    /// Whether its own fields make it come again. Such a kind has no field `times`.
    fn repeats_itself(&self) -> bool {
        false
    }

    /// Whether it strikes at a system call of its victim, some time after it has begun, or never.
    fn waits_for_a_call(&self) -> bool {
        false
    }

    /// When the victims' programs do not run, for a fault that lasts this long: from and until.
    fn downtimes(
        &self,
        _from: Duration,
        _until: Option<Duration>,
    ) -> Vec<(Duration, Option<Duration>)> {
        Vec::new()
    }
}

/// What keeps a running program from doing its work in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hindrance {
    /// It does nothing, and says nothing.
    Still,
    /// It does everything late.
    Slow,
}

/// Where and when a fault strikes.
pub(crate) struct Stage<'w> {
    pub(crate) world: &'w mut World,
    /// When it begins.
    pub(crate) from: Duration,
    /// When it ends; none if it lasts to the end of the run.
    pub(crate) until: Option<Duration>,
    /// The victims by name, in the order of the machines; for a ring, in the ring's.
    pub(crate) names: &'w IndexSet<String>,
    /// All machines of the world, by name.
    pub(crate) machines: &'w IndexMap<String, MachineId>,
    /// The machines on the server's side of the clients' links.
    pub(crate) server: Vec<MachineId>,
    pub(crate) victims: Vec<MachineId>,
    pub(crate) links: &'w FxHashMap<MachineId, &'w PlannedLink>,
    /// The victims that another fault of the same kind still has when this one ends: for them
    /// nothing ends yet.
    pub(crate) taken_over: Vec<MachineId>,
    /// The interventions that begin it, so far: what they strike, the fault has struck.
    pub(crate) begun: Vec<FaultId>,
}

impl Stage<'_> {
    /// The victims that are clients, with their links.
    pub(crate) fn links(&self) -> Vec<(MachineId, PlannedLink)> {
        let link_of = |victim| self.links.get(victim).map(|&link| (*victim, link.clone()));
        self.victims.iter().filter_map(link_of).collect()
    }

    /// Gives a client another link from the beginning of the fault.
    pub(crate) fn relink(&mut self, client: MachineId, link: &PlannedLink) {
        let [up, down] = self.directions(client, link);
        self.begin(up);
        self.begin(down);
    }

    /// Gives a client its usual link back, when the last fault of the kind ends.
    pub(crate) fn link_back(&mut self, client: MachineId, usual: &PlannedLink) {
        if self.taken_over.contains(&client) {
            return;
        }
        let [up, down] = self.directions(client, usual);
        self.end(up);
        self.end(down);
    }

    fn directions(&self, client: MachineId, link: &PlannedLink) -> [Intervention; 2] {
        let (client, server) = (vec![client], self.server.clone());
        let intervention =
            |from: &Vec<MachineId>, to: &Vec<MachineId>, link: &Link| Intervention::Link {
                from: from.clone(),
                to: to.clone(),
                link: Box::new(link.clone()),
            };
        [
            intervention(&client, &server, &link.up),
            intervention(&server, &client, &link.down),
        ]
    }

    /// An intervention at the time the fault begins.
    pub(crate) fn begin(&mut self, intervention: Intervention) {
        self.strike_at(self.from, intervention);
    }

    /// An intervention at this time, by which the fault strikes.
    pub(crate) fn strike_at(&mut self, at: Duration, intervention: Intervention) {
        self.begun.push(self.world.at(at, intervention));
    }

    /// An intervention at the time the fault ends, if it does.
    pub(crate) fn end(&mut self, intervention: Intervention) {
        if let Some(until) = self.until {
            self.world.at(until, intervention);
        }
    }

    /// An intervention on each victim at the time the fault begins.
    pub(crate) fn begin_each(&mut self, intervention: impl Fn(MachineId) -> Intervention) {
        for victim in self.victims.clone() {
            self.begin(intervention(victim));
        }
    }

    /// An intervention on each victim at the time the fault ends, which undoes what this fault did
    /// and no other.
    pub(crate) fn end_each(&mut self, intervention: impl Fn(MachineId) -> Intervention) {
        for victim in self.victims.clone() {
            self.end(intervention(victim));
        }
    }

    /// An intervention on each victim at the time the last fault of the kind ends.
    pub(crate) fn end_last(&mut self, intervention: impl Fn(MachineId) -> Intervention) {
        for victim in self.last_victims() {
            self.end(intervention(victim));
        }
    }

    /// The victims that no other fault of the kind has when this one ends.
    pub(crate) fn last_victims(&self) -> Vec<MachineId> {
        let victims = self.victims.iter().copied();
        victims
            .filter(|victim| !self.taken_over.contains(victim))
            .collect()
    }
}
