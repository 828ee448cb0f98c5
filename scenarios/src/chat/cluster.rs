//! `[cluster]`: several servers instead of one, and a broker between them; `[server.NAME]`: what is
//! different for one of them.
//!
//! Each is a machine. A client connects to its own server, assigned in rotation in the order of the
//! clients, and moves on to the next when that is lost; or it goes through the `[middlebox]`, which
//! balances.

use super::limits::Limits;
use serde::{Deserialize, Serialize};
use squall::Draw;
use squall::Setting;
use squall::text::{Problems, Table, choose_from};
use squall::{Servers, server_name};
use squall_planted::{Adapter, Bug, RecoveryMode};
use std::collections::BTreeMap;
use std::time::Duration;

/// The most servers of a cluster.
const MOST: u32 = 16;

/// How often a message, or what asks for it, goes between a server and the broker at most.
const PASSING: u32 = 8;

/// The cluster of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cluster {
    /// How many servers there are.
    pub servers: Setting<u32>,
    /// How they learn of one another's messages.
    pub adapter: Adapter,
    /// How long a packet takes between each server and the broker.
    pub latencies: Vec<Setting<Duration>>,
    /// The places of those servers that have a number of their own, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub places: BTreeMap<String, Places>,
}

/// How many TCP connections a server takes; where nothing is said, as many as the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Places {
    /// In all, at a time.
    pub connections: Option<u32>,
    /// From one address.
    pub connections_per_address: Option<u32>,
}

/// Reads the tables, if there is a cluster. `own` are those of single servers.
pub(super) fn read(
    mut table: Table<'_>,
    own: Table<'_>,
    bug: Option<Bug>,
    recovery: RecoveryMode,
    presence: bool,
    problems: &mut Problems,
) -> Option<Cluster> {
    if table.is_missing() {
        for (name, _) in own.entries() {
            let what = format!("`{}` is no server of a cluster", name.value);
            let remedy = "Say it of the only server, in `[chat]`, or add a `[cluster]`.";
            problems.add(name.at, what, remedy);
        }
        if recovery == RecoveryMode::Redis {
            let what = "sessions in Redis are for the servers of a cluster";
            let remedy = "Add a `[cluster]` with `adapter = \"redis\"`, or keep them in `sqlite`.";
            problems.add(table.span.clone(), what, remedy);
        }
        return None;
    }
    let servers = table.need::<Setting<u32>>("servers", problems);
    let adapters = [
        ("log", Adapter::Log),
        ("pub-sub", Adapter::PubSub),
        ("redis", Adapter::Redis),
    ];
    let adapter = table.word("adapter", &adapters, problems);
    let latency = table.get("latency", problems);
    let span = table.span.clone();
    table.finish(problems);
    let shares_sessions = adapter == Some(Adapter::Redis) && recovery == RecoveryMode::Redis;
    if bug.is_some() {
        let what = "bugs are planted into a chat with one server";
        problems.add(span, what, "Leave out `[cluster]`, or `bug`.");
    } else if recovery != RecoveryMode::Off && !shares_sessions {
        let what = "sessions are recovered by one server, not by another one";
        let remedy = "Leave out `[cluster]`, or `recovery`; or say `redis` for both `adapter` and \
                      `recovery`.";
        problems.add(span, what, remedy);
    } else if presence {
        let what = "each server knows who is online at itself, and of nobody else";
        problems.add(span, what, "Leave out `[cluster]`, or `presence`.");
    }
    let servers = servers?;
    let (fewest, most) = (servers.value.min(), servers.value.max());
    if fewest < 2 || most > MOST {
        let wrong = if fewest < 2 { fewest } else { most };
        let what = format!("a cluster cannot have `servers = {wrong}`");
        problems.add(servers.at, what, format!("Ask for 2 to {MOST} servers."));
    }
    let latency = latency.unwrap_or(Setting::Fixed(Duration::from_millis(1)));
    let mut cluster = Cluster {
        servers: servers.value,
        adapter: adapter.unwrap_or(Adapter::Log),
        latencies: vec![latency; most.min(MOST) as usize],
        places: BTreeMap::new(),
    };
    cluster.read_own(own, problems);
    Some(cluster)
}

impl Cluster {
    /// Reads what is different for single servers: those that exist whatever the seed.
    fn read_own(&mut self, own: Table<'_>, problems: &mut Problems) {
        let names = self.servers().names;
        for (name, raw) in own.entries() {
            let Some(place) = names.iter().position(|it| it == name.value) else {
                let what = format!("there is no server `{}`", name.value);
                let allowed = names.iter().map(String::as_str);
                problems.add(name.at, what, choose_from(name.value, allowed));
                continue;
            };
            let title = format!("[server.{}]", name.value);
            let wanted = format!("Write `{title}` on a line of its own.");
            let Some(mut fields) = Table::read(title, raw, &wanted, problems) else {
                continue;
            };
            if let Some(latency) = fields.get("latency", problems) {
                self.latencies[place] = latency;
            }
            let places = Places {
                connections: fields.get("max-connections", problems),
                connections_per_address: fields.get("max-connections-per-address", problems),
            };
            fields.finish(problems);
            if places != Places::default() {
                self.places.insert(name.value.to_owned(), places);
            }
        }
    }

    /// The limits of this server: its own, or those of all.
    pub(super) fn limits(&self, server: &str, limits: &Limits) -> Limits {
        let own = self.places.get(server).copied().unwrap_or_default();
        Limits {
            connections: own.connections.or(limits.connections),
            connections_per_address: (own.connections_per_address)
                .or(limits.connections_per_address),
            ..*limits
        }
    }

    /// The machines that exist whatever the seed.
    pub(super) fn servers(&self) -> Servers {
        // A mistake in the file may ask for any number.
        let servers = self.servers.min().min(MOST);
        let idle_packets = match self.adapter {
            Adapter::Log | Adapter::PubSub => 8,
            Adapter::Redis => 12 + 4 * u64::from(servers),
        };
        Servers::around_a_broker(servers, idle_packets)
    }

    /// Decides what is open.
    pub(super) fn draw(&self, draw: &mut Draw) -> Self {
        let servers = draw.fixed("cluster: servers", self.servers);
        let there = self.latencies.iter().zip(1..=servers.min());
        let latencies = there.map(|(&latency, server)| {
            draw.fixed(&format!("{}: latency", server_name(server)), latency)
        });
        Cluster {
            servers,
            adapter: self.adapter,
            latencies: latencies.collect(),
            places: self.places.clone(),
        }
    }

    /// How long a message is under way between servers at most: to the broker and back, and when
    /// it is asked for there once more.
    pub(super) fn passing(&self) -> Duration {
        let latencies = self.latencies.iter().map(|latency| latency.min());
        latencies.max().unwrap_or_default() * PASSING
    }
}

/// How many packets it takes a server per second to tell Redis that its sessions are still its own:
/// twenty times in a window.
pub(super) fn renewals(recovery: RecoveryMode, window: Duration) -> u64 {
    match recovery {
        RecoveryMode::Redis => (20.0 * 16.0 / window.as_secs_f64()) as u64,
        _ => 0,
    }
}
