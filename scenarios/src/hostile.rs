//! `[[hostile]]`: peers that break the rules.
//!
//! Each is a machine of the world that runs `squall-hostile`. It may hear the rooms that it names
//! when it logs in; whatever message of another room it hears is a delivery in the history, so that
//! a leak to an attacker is a leak to the checkers.

use crate::cast::Clients;
use crate::dice::Draw;
use crate::setting::Setting;
use crate::text::{Problems, Table, choose_from};
use serde_json::{Value, json};
use squall_guarantees::EventKind;
use squall_hostile::{Ear, HostileOptions, Hostility};
use squall_simulator::now;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use toml::Spanned;
use toml::de::DeValue;

/// How the machines of hostile peers are called, before their number.
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
    /// For how long; to the end of the run if none.
    pub lasts: Option<Setting<Duration>>,
}

/// A hostile peer of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedHostile {
    /// The name of its machine.
    pub name: String,
    /// How it breaks the rules.
    pub kind: Hostility,
    /// How often it does so, in acts per second.
    pub rate: u32,
    /// The rooms that it names when it logs in.
    pub rooms: Vec<String>,
    /// When it begins.
    pub from: Duration,
    /// When it ends; none if that is the end of the run.
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
    /// What it does in the report, as something that begins and ends.
    pub(crate) fn words(&self) -> String {
        let name = &self.name;
        let (kind, _) = KINDS[self.kind as usize];
        let rate = self.rate;
        format!("attack by {name} ({kind}, {rate} per second)")
    }

    /// The peer's program. `leak` is told of messages that are not for its ears.
    pub(crate) async fn program(
        self,
        server: SocketAddr,
        leak: impl Fn(EventKind) + Send + Sync + 'static,
    ) {
        sleep(self.from.saturating_sub(now())).await;
        let options = HostileOptions {
            server,
            hostility: self.kind,
            pace: Duration::from_secs(1) / self.rate,
            login: self.login().to_string(),
            phrases: phrases(),
        };
        let rooms = self.rooms;
        let ear: Ear = Arc::new(move |text| {
            deliveries(text)
                .filter(|delivery| !rooms.contains(&delivery.room))
                .for_each(|delivery| leak(delivery.into()));
        });
        let attack = squall_hostile::attack(options, ear);
        match self.until {
            Some(until) => {
                let _ = timeout(until.saturating_sub(now()), attack).await;
            }
            None => match attack.await {},
        }
    }

    /// The chat's login.
    fn login(&self) -> Value {
        json!({ "name": self.name, "rooms": self.rooms, "offset": 0 })
    }
}

/// What a client may say to the chat: a costly request, a message to a room that it is not in, and
/// an event that does not exist.
fn phrases() -> Vec<String> {
    let phrases = [
        json!(["sync", { "offset": 0 }]),
        json!(["chat message", { "tag": "t", "room": "nowhere", "content": "spoofed" }]),
        json!(["nonsense", [1, 2.5, null, "text", { "a": {} }]]),
    ];
    phrases.iter().map(Value::to_string).collect()
}

/// A message as the chat's server tells it.
struct Overheard {
    content: String,
    id: i64,
    room: String,
    sender: String,
}

impl Overheard {
    /// Reads the beginning of an array; the rest says nothing about a leak.
    fn read(message: &Value) -> Option<Self> {
        let text = |place: usize| Some(message.get(place)?.as_str()?.to_owned());
        Some(Self {
            content: text(0)?,
            id: message.get(1)?.as_i64()?,
            room: text(2)?,
            sender: text(3)?,
        })
    }
}

impl From<Overheard> for EventKind {
    fn from(message: Overheard) -> Self {
        EventKind::Delivered {
            id: message.id,
            room: message.room,
            sender: message.sender,
            content: message.content,
        }
    }
}

/// The messages in what a hostile peer heard: an Engine.IO packet, or several in a polling body.
fn deliveries(text: &str) -> impl Iterator<Item = Overheard> + '_ {
    text.split('\x1e').filter_map(|packet| {
        let event = packet.strip_prefix("42")?;
        let event = &event[event.find('[')?..];
        let arguments: Vec<Value> = serde_json::from_str(event).ok()?;
        Overheard::read(arguments.get(1)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Scenario, run};
    use squall_guarantees::{Guarantee, Verdict, check};

    #[test]
    fn messages_are_found_in_whatever_a_hostile_peer_hears() {
        let message = r#"42["chat message",["psst",7,"vault","alice",0,{"previous":5}]]"#;
        let body = format!("2\x1e{message}\x1e42[\"beat\",{{\"head\":7}}]");
        let heard: Vec<_> = deliveries(&body).map(|found| found.content).collect();
        assert_eq!(heard, ["psst"]);
        let heard: Vec<_> = deliveries("42").chain(deliveries("<html>")).collect();
        assert!(heard.is_empty());
    }

    /// The verdict when a peer logs in to a room of its own and listens.
    fn no_phantom(bug: &str) -> Verdict {
        let text =
            format!("shows = \"A listener.\"\n{bug}\n[[hostile]]\nkind = \"flood\"\nfor = \"2s\"");
        let scenario = Scenario::parse("test", &text).expect("a right scenario");
        let record = run(&scenario.plan(1)).expect("the run comes to its end");
        let verdicts = check(&record.history);
        let found = verdicts
            .into_iter()
            .find(|(this, _)| *this == Guarantee::NoPhantom);
        found.expect("every guarantee").1
    }

    #[test]
    fn a_leak_to_a_hostile_peer_is_a_phantom() {
        let leaked = no_phantom("chat.bug = \"leak-room\"");
        assert!(matches!(leaked, Verdict::Violated(_)), "{leaked:?}");
        assert!(matches!(no_phantom(""), Verdict::Held(_)));
    }

    #[test]
    fn every_kind_has_its_word() {
        for (place, (_, kind)) in KINDS.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
        }
    }
}
