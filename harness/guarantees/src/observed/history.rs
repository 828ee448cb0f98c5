//! What was observed in a run.

use crate::{Nanoseconds, NanosecondsList, Time};
use serde::{Deserialize, Serialize};
use squall_observe::{Thing, Told};

/// What the programs of a run have told, and what else the checkers must know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// The machines, in the order of their creation.
    pub machines: Vec<Machine>,
    /// What was told, in the order of virtual time.
    pub told: Vec<Observation>,
    /// What disturbed the world, in the order in which it began.
    pub disturbances: Vec<Disturbance>,
    /// When the last of these ended.
    #[serde(with = "Nanoseconds")]
    pub healed_at: Time,
    /// When the run ended.
    #[serde(with = "Nanoseconds")]
    pub ended_at: Time,
}

/// A machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Its name, unique in the run: `client-2`.
    pub name: String,
    /// The name that it shares with others, or its own: `client`.
    pub group: String,
    /// When its program was killed, or lost power.
    #[serde(with = "NanosecondsList")]
    pub killed: Vec<Time>,
    /// When its program last started.
    #[serde(with = "Nanoseconds")]
    pub booted_at: Time,
    /// Whether its program was killed and not restarted.
    pub is_gone: bool,
}

/// Something that was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// When.
    #[serde(with = "Nanoseconds")]
    pub at: Time,
    /// On which machine, as an index into [`Observed::machines`].
    pub machine: usize,
    /// In which life of its program: how often it had ended before.
    pub life: usize,
    /// What.
    pub told: Told,
}

/// A time in which something was deliberately wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disturbance {
    /// Since when.
    #[serde(with = "Nanoseconds")]
    pub from: Time,
    /// Until when.
    #[serde(with = "Nanoseconds")]
    pub until: Time,
}

/// Machines that share a name, and a topic of theirs: who and what a guarantee is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The name of the group, or of a machine.
    pub who: String,
    /// The topic.
    pub topic: String,
}

impl Group {
    pub(super) fn new(who: &str, topic: &str) -> Self {
        Group {
            who: who.to_owned(),
            topic: topic.to_owned(),
        }
    }
}

impl Machine {
    /// Whether this is its name, or its group's.
    pub fn is(&self, who: &str) -> bool {
        self.name == who || self.group == who
    }
}

impl Observed {
    /// The machines with this name or in this group, as indices.
    pub fn members(&self, who: &str) -> Vec<usize> {
        let all = self.machines.iter().enumerate();
        all.filter(|(_, machine)| machine.is(who))
            .map(|(index, _)| index)
            .collect()
    }

    /// The name of a machine.
    pub fn name(&self, machine: usize) -> &str {
        self.machines
            .get(machine)
            .map_or("nobody", |machine| &machine.name)
    }

    /// What machines of a group have told about a topic, chosen by `kind`, in order, with its place
    /// in [`Observed::told`].
    pub(super) fn of<'o>(
        &'o self,
        group: &'o Group,
        kind: fn(&Told) -> Option<&Thing>,
    ) -> impl Iterator<Item = (usize, &'o Observation, &'o str)> {
        self.told.iter().enumerate().filter_map(move |(place, it)| {
            let thing = kind(&it.told)?;
            let machine = self.machines.get(it.machine)?;
            (thing.topic == group.topic && machine.is(&group.who))
                .then_some((place, it, &*thing.id))
        })
    }

    /// Why nothing about a group's topic was seen, for an author who mistyped it: what the group
    /// has told instead.
    pub(super) fn instead(
        &self,
        verb: &str,
        group: &Group,
        kind: fn(&Told) -> Option<&Thing>,
    ) -> String {
        let Group { who, topic } = group;
        let mut others: Vec<&str> = self
            .told
            .iter()
            .filter(|it| {
                self.machines
                    .get(it.machine)
                    .is_some_and(|machine| machine.is(who))
            })
            .filter_map(|it| Some(&*kind(&it.told)?.topic))
            .collect();
        others.sort_unstable();
        others.dedup();
        match &others[..] {
            [] => format!("{who} {verb} nothing at all"),
            others => format!("{who} {verb} no `{topic}`, but {}", quoted(others)),
        }
    }
}

fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

pub(super) fn sent(told: &Told) -> Option<&Thing> {
    match told {
        Told::Sent(thing) => Some(thing),
        _ => None,
    }
}

pub(super) fn received(told: &Told) -> Option<&Thing> {
    match told {
        Told::Received(thing) => Some(thing),
        _ => None,
    }
}

pub(super) fn acknowledged(told: &Told) -> Option<&Thing> {
    match told {
        Told::Acknowledged(thing) => Some(thing),
        _ => None,
    }
}

pub(super) fn failed(told: &Told) -> Option<&Thing> {
    match told {
        Told::Failed(thing) => Some(thing),
        _ => None,
    }
}
