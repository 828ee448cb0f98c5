//! `[[hostile]]`: peers that break the rules.
//!
//! Each is a machine of the world that runs `squall-hostile`. It may hear the rooms that it names
//! when it logs in; any message it hears from another room is a delivery in the history, so a leak
//! to an attacker is a leak to the checkers.

use crate::cast::Clients;
use crate::dice::Draw;
use crate::setting::Setting;
use crate::text::{Problems, Table, choose_from};
use serde::{Deserialize, Serialize};
use squall_guarantees::EventKind;
use squall_hostile::{Ear, HostileOptions, Hostility};
use squall_simulator::now;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use toml::Spanned;
use toml::de::DeValue;

/// What the names of hostile peers' machines begin with, before their number.
pub(crate) const PREFIX: &str = "hostile-";

/// A hostile peer of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Hostile {
    /// How it breaks the rules.
    pub kind: Hostility,
    /// How often it does so, in acts per second.
    pub rate: Setting<u32>,
    /// The rooms that it names when it logs in.
    pub rooms: Vec<String>,
    /// When it begins.
    pub at: Setting<Duration>,
    /// How long it goes on; until the end of the run if none.
    pub lasts: Option<Setting<Duration>>,
}

/// A hostile peer of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlannedHostile {
    /// The name of its machine.
    pub name: String,
    /// How it breaks the rules.
    #[serde(with = "word")]
    pub kind: Hostility,
    /// How often it does so, in acts per second.
    pub rate: u32,
    /// The rooms that it names when it logs in.
    pub rooms: Vec<String>,
    /// When it begins.
    #[serde(with = "crate::text::time")]
    pub from: Duration,
    /// When it ends; none if at the end of the run.
    #[serde(default, with = "crate::text::time::option")]
    pub until: Option<Duration>,
}

const KINDS: [(&str, Hostility); 9] = [
    ("malformed", Hostility::Malformed),
    ("flood", Hostility::Flood),
    ("oversized", Hostility::Oversized),
    ("guesses", Hostility::Guesses),
    ("untimely", Hostility::Untimely),
    ("slow-reader", Hostility::SlowReader),
    ("slow-writer", Hostility::SlowWriter),
    ("half-open", Hostility::HalfOpen),
    ("attachment-bomb", Hostility::AttachmentBomb),
];

/// The word for a kind, in a plan's file.
mod word {
    use super::{Hostility, KINDS};
    use crate::text::choose_from;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(kind: &Hostility, to: S) -> Result<S::Ok, S::Error> {
        KINDS[*kind as usize].0.serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Hostility, D::Error> {
        let word = String::deserialize(from)?;
        let found = KINDS.iter().find(|(this, _)| *this == word);
        found.map(|(_, kind)| *kind).ok_or_else(|| {
            let remedy = choose_from(&word, KINDS.iter().map(|(word, _)| *word));
            D::Error::custom(format_args!("nobody is hostile like `{word}`. {remedy}"))
        })
    }
}

/// The most acts per second: each opens at least one connection.
const RATE_MAX: u32 = 10_000;

/// Reads all `[[hostile]]` tables.
pub(crate) fn read<'t>(
    raw: Option<&'t Spanned<DeValue<'t>>>,
    clients: &Clients,
    problems: &mut Problems,
) -> Vec<Hostile> {
    let Some(raw) = raw else { return Vec::new() };
    let wanted = "Write `[[hostile]]` on a line of its own for each, and its fields below.";
    let Some(items) = raw.get_ref().as_array() else {
        let what = "the hostile peers must be a list of tables";
        problems.add(raw.span(), what, wanted);
        return Vec::new();
    };
    if let Some(name) = clients.names.iter().find(|name| name.starts_with(PREFIX)) {
        let what = format!("the client `{name}` could be taken for a hostile peer");
        problems.add(raw.span(), what, "Take another name for the client.");
    }
    let mut peers = Vec::new();
    for (item, number) in items.iter().zip(1..) {
        let title = format!("[[hostile]] number {number}");
        let table = Table::read(title, item, wanted, problems);
        peers.extend(table.and_then(|table| read_one(table, problems)));
    }
    peers
}

fn read_one(mut table: Table<'_>, problems: &mut Problems) -> Option<Hostile> {
    table.require(
        "kind",
        &choose_from("", KINDS.iter().map(|(word, _)| *word)),
        problems,
    );
    let kind = table.word("kind", &KINDS, problems);
    let rate = table.placed::<Setting<u32>>("rate", problems);
    let rooms = table.get("rooms", problems);
    let at = table.get("at", problems);
    let lasts = table.positive("for", problems);
    if let Some(rate) = &rate
        && (rate.value.min() == 0 || rate.value.max() > RATE_MAX)
    {
        let what = format!("`rate` of {} is out of bounds", table.title);
        let remedy = format!("Ask for 1 to {RATE_MAX} acts per second.");
        problems.add(rate.at.clone(), what, remedy);
    }
    table.finish(problems);
    Some(Hostile {
        kind: kind?,
        rate: rate.map_or(Setting::Fixed(10), |rate| rate.value),
        rooms: rooms.unwrap_or_else(|| vec!["hostile".to_owned()]),
        at: at.unwrap_or(Setting::Fixed(Duration::from_secs(2))),
        lasts,
    })
}

impl Hostile {
    /// Decides what the scenario leaves open.
    pub(crate) fn draw(&self, number: usize, draw: &mut Draw) -> PlannedHostile {
        let name = format!("{PREFIX}{number}");
        let rate = draw.value(&format!("{name}: rate"), self.rate);
        let from = draw.value(&format!("{name}: at"), self.at);
        let lasts = self
            .lasts
            .map(|lasts| draw.value(&format!("{name}: for"), lasts));
        PlannedHostile {
            kind: self.kind,
            rate,
            rooms: self.rooms.clone(),
            from,
            until: lasts.map(|lasts| from + lasts),
            name,
        }
    }
}

impl PlannedHostile {
    /// What it does, in the report, as something that begins and ends.
    pub(crate) fn words(&self) -> String {
        let name = &self.name;
        let (kind, _) = KINDS[self.kind as usize];
        let rate = self.rate;
        format!("attack by {name} ({kind}, {rate} per second)")
    }

    /// The peer's program. `leak` is told about messages that it should not hear.
    pub(crate) async fn program(
        self,
        server: SocketAddr,
        manners: Manners,
        leak: impl Fn(EventKind) + Send + Sync + 'static,
    ) {
        sleep(self.from.saturating_sub(now())).await;
        let options = HostileOptions {
            server,
            hostility: self.kind,
            pace: Duration::from_secs(1) / self.rate,
            login: manners.login,
            phrases: manners.phrases,
        };
        let (mut rooms, hear) = (self.rooms, manners.hear);
        rooms.extend(manners.rooms);
        let ear: Ear = Arc::new(move |text| {
            let heard = hear(text).into_iter();
            heard.filter(|heard| is_leak(heard, &rooms)).for_each(&leak);
        });
        let attack = squall_hostile::attack(options, ear);
        match self.until {
            Some(until) => {
                let _ = timeout(until.saturating_sub(now()), attack).await;
            }
            None => match attack.await {},
        }
    }
}

/// Whether this is a message to none of these rooms.
fn is_leak(heard: &EventKind, rooms: &[String]) -> bool {
    matches!(heard, EventKind::Delivered { room, .. } if !rooms.contains(room))
}

/// How a hostile peer knows to speak to a system, as far as it keeps to the rules.
#[derive(Clone, Debug)]
pub struct Manners {
    /// What it logs in with, as JSON.
    pub login: String,
    /// What it may say, as JSON: events that are expensive, that are not allowed, that do not
    /// exist.
    pub phrases: Vec<String>,
    /// The rooms that it is in without naming them: it may hear what is said there too.
    pub rooms: Vec<String>,
    /// The messages in what it hears: an Engine.IO packet, or several in a polling body.
    pub hear: fn(&str) -> Vec<EventKind>,
}

impl Default for Manners {
    /// It can say nothing and understands nothing.
    fn default() -> Self {
        Manners {
            login: "{}".to_owned(),
            phrases: Vec::new(),
            rooms: Vec::new(),
            hear: |_| Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_word() {
        for (place, (_, kind)) in KINDS.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
        }
    }
}
