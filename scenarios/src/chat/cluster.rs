//! `[cluster]`: several servers instead of one, and a broker between them.
//!
//! Each is a machine. A client connects to its own server, assigned in rotation in the order of the
//! clients, and moves on to the next when that is lost; or it goes through the `[middlebox]`, which
//! balances.

use serde::{Deserialize, Serialize};
use squall::Draw;
use squall::Setting;
use squall::text::{Problems, Table};
use squall::{Servers, server_name};
use squall_planted::{Adapter, Bug, RecoveryMode};
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
}

/// Reads the table, if there is one.
pub(super) fn read(
    mut table: Table<'_>,
    bug: Option<Bug>,
    recovery: RecoveryMode,
    presence: bool,
    problems: &mut Problems,
) -> Option<Cluster> {
    if table.is_missing() {
        return None;
    }
    let servers = table.need::<Setting<u32>>("servers", problems);
    let adapters = [("log", Adapter::Log), ("pub-sub", Adapter::PubSub)];
    let adapter = table.word("adapter", &adapters, problems);
    let latency = table.get("latency", problems);
    let span = table.span.clone();
    table.finish(problems);
    if bug.is_some() {
        let what = "bugs are planted into a chat with one server";
        problems.add(span, what, "Leave out `[cluster]`, or `bug`.");
    } else if recovery != RecoveryMode::Off {
        let what = "sessions are recovered by one server, not by another one";
        problems.add(span, what, "Leave out `[cluster]`, or `recovery`.");
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
    Some(Cluster {
        servers: servers.value,
        adapter: adapter.unwrap_or(Adapter::Log),
        latencies: vec![latency; most.min(MOST) as usize],
    })
}

impl Cluster {
    /// The machines that exist whatever the seed.
    pub(super) fn servers(&self) -> Servers {
        Servers::around_a_broker(self.servers.min())
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
        }
    }

    /// How long a message is under way between servers at most: to the broker and back, and when
    /// it is asked for there once more.
    pub(super) fn passing(&self) -> Duration {
        let latencies = self.latencies.iter().map(|latency| latency.min());
        latencies.max().unwrap_or_default() * PASSING
    }
}
