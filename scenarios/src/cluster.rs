//! `[cluster]`: several servers in place of the one, and a broker between them.
//!
//! Each is a machine. A client connects to its own server, counted through in the order of the clients,
//! and moves on to the next when that is lost; or it goes through the `[middlebox]`, which balances.

use crate::cast::server_name;
use crate::chat::{Chat, System};
use crate::dice::Draw;
use crate::setting::Setting;
use crate::text::{Problems, Table};
use squall_chat::{Adapter, Recovery};
use std::time::Duration;

/// The most servers of a cluster.
const MOST: u32 = 16;

/// The cluster of a scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// How many servers there are.
    pub servers: Setting<u32>,
    /// How they hear of one another's messages.
    pub adapter: Adapter,
    /// How long a packet is under way between a server and the broker; drawn for each server.
    pub latency: Setting<Duration>,
}

/// The cluster of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlannedCluster {
    /// How the servers hear of one another's messages.
    pub adapter: Adapter,
    /// How far each server is from the broker.
    pub latencies: Vec<Duration>,
}

/// Reads the table, if there is one.
pub(crate) fn read(
    mut table: Table<'_>,
    system: System,
    chat: &Chat,
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
    if system == System::Tutorial {
        let what = "the tutorial's chat has one server";
        problems.add(span, what, "Leave out `[cluster]`, or `system`.");
    } else if chat.bug.is_some() {
        let what = "bugs are planted into a chat with one server";
        problems.add(span, what, "Leave out `[cluster]`, or `bug`.");
    } else if chat.recovery != Recovery::Off {
        let what = "sessions are recovered by one server, not by another one";
        problems.add(span, what, "Leave out `[cluster]`, or `recovery`.");
    }
    let servers = servers?;
    let (fewest, most) = (servers.value.min(), servers.value.max());
    if fewest < 2 || most > MOST {
        let wrong = if fewest < 2 { fewest } else { most };
        let what = format!("a cluster cannot have `servers = {wrong}`");
        problems.add(servers.at, what, format!("Ask for 2 to {MOST} servers."));
    }
    Some(Cluster {
        servers: servers.value,
        adapter: adapter.unwrap_or(Adapter::Log),
        latency: latency.unwrap_or(Setting::Fixed(Duration::from_millis(1))),
    })
}

impl Cluster {
    /// The names of the servers that are there whatever the seed.
    pub(crate) fn certain(&self) -> Vec<String> {
        (1..=self.servers.min()).map(server_name).collect()
    }

    /// Decides what is open.
    pub(crate) fn draw(&self, draw: &mut Draw) -> PlannedCluster {
        let servers = draw.value("cluster: servers", self.servers);
        let mut latency =
            |server| draw.value(&format!("{}: latency", server_name(server)), self.latency);
        PlannedCluster {
            adapter: self.adapter,
            latencies: (1..=servers).map(&mut latency).collect(),
        }
    }
}

impl PlannedCluster {
    /// The names of the servers.
    pub(crate) fn servers(&self) -> Vec<String> {
        (1..=self.latencies.len() as u32).map(server_name).collect()
    }
}
