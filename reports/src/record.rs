//! Everything that a run left behind. Every report is computed from this and from nothing else.

use crate::sight::Sight;
use crate::traffic::Traffic;
use crate::why::Why;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_guarantees::{Guarantee, History, Nanoseconds, NanosecondsOrNull};
use std::fmt;
use std::time::Duration;

/// Everything that a run left behind. The same scenario and seed give the same record, byte for
/// byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    /// The scenario's name.
    pub scenario: String,
    /// What the scenario shows, in a sentence.
    pub description: String,
    /// The seed that decided everything the scenario left open.
    pub seed: u64,
    /// The engine that simulated the run.
    #[serde(default)]
    pub engine: Engine,
    /// The command that repeats the run.
    pub command: String,
    /// The rolling hash over every packet, wake-up and operation, in hexadecimal.
    pub digest: String,
    /// What the seed drew where the scenario left a range, as `(what, value)`.
    pub drawn: Vec<(String, String)>,
    /// Every machine, in the order of creation.
    pub machines: Vec<Machine>,
    /// What the scenario did to the world, in the order in which it began.
    pub faults: Vec<InjectedFault>,
    /// What machines on the path did of their own accord, in time order.
    #[serde(default)]
    pub incidents: Vec<Incident>,
    /// Machines that panicked.
    pub panics: Vec<Panic>,
    /// What the clients and the server did.
    pub history: History,
    /// What the scenario expects, per guarantee it names.
    pub expectations: Vec<Expectation>,
    /// What must be seen in the run; otherwise it shows nothing.
    #[serde(default)]
    pub exercises: Vec<Sight>,
    /// What the network carried.
    pub network: NetworkCounts,
    /// What it carried, packet by packet, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
    /// What a violation of it depends on, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// How long the run took in virtual time.
    #[serde(with = "Nanoseconds")]
    pub duration: Duration,
}

impl Record {
    /// The faults that struck nothing.
    pub fn idle_faults(&self) -> impl Iterator<Item = &InjectedFault> {
        self.faults.iter().filter(|fault| fault.hits == Some(0))
    }
}

/// What schedules the machines of a run, keeps their time and carries their packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    /// The simulator's own. Records from before there was another engine do not name it.
    #[default]
    Native,
    /// The simulation by the crate turmoil.
    Turmoil,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Engine::Native => "native",
            Engine::Turmoil => "turmoil",
        })
    }
}

impl Engine {
    /// `, on turmoil`: what people are shown next to the seed. Empty for the native engine, because
    /// runs on the other are the exception.
    pub fn aside(self) -> &'static str {
        match self {
            Engine::Native => "",
            Engine::Turmoil => ", on turmoil",
        }
    }
}

/// A simulated computer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Machine {
    /// Its name, unique in the run.
    pub name: String,
    /// Its IPv4 address.
    pub address: String,
    /// What it is there for. In records from before this field, a client.
    #[serde(default)]
    pub role: Role,
    /// The rolling hash over what happened on it, in hexadecimal. Empty in records from before this
    /// field.
    #[serde(default)]
    pub digest: String,
}

/// What a machine is there for.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It uses the system.
    #[default]
    Client,
    /// It breaks the rules.
    Hostile,
    /// It stands between clients and servers.
    Proxy,
    /// Clients connect to it.
    Server,
    /// It stands between the servers, and has the database.
    Broker,
}

/// One injected fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InjectedFault {
    /// Its name in the scenario, whatever the seed: `fault 2`, `middlebox`, `hostile-1`.
    #[serde(default)]
    pub label: String,
    /// What it is, by its word in scenario files: `partition`; `middlebox` and `hostile` are two of
    /// them. Empty in records from before this field.
    #[serde(default)]
    pub kind: String,
    /// The machines that it hits, by name. Empty in records from before this field.
    #[serde(default)]
    pub victims: Vec<String>,
    /// What it was and whom it hit, in words: `partition between server and alice`.
    pub what: String,
    /// When it began.
    #[serde(with = "Nanoseconds")]
    pub from: Duration,
    /// When it ended; none if it lasted to the end of the run.
    #[serde(with = "NanosecondsOrNull")]
    pub until: Option<Duration>,
    /// How often it struck: packets, connections, operations or machines, depending on the fault.
    /// None if not counted.
    #[serde(default)]
    pub hits: Option<u64>,
}

/// What a machine between clients and servers did of its own accord.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    /// When.
    #[serde(with = "Nanoseconds")]
    pub at: Duration,
    /// Which machine.
    pub machine: String,
    /// What it did, in words: `cut a WebSocket that had lived or carried enough`.
    pub what: String,
}

/// A machine's program panicked: a finding of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Panic {
    /// When.
    #[serde(with = "Nanoseconds")]
    pub at: Duration,
    /// Which machine.
    pub machine: String,
    /// The message, with file and line.
    pub message: String,
    /// The backtrace; it names the build's symbols and is not part of the digest.
    pub backtrace: String,
}

/// What the scenario expects of one guarantee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Expectation {
    /// The guarantee.
    pub guarantee: Guarantee,
    /// What is expected of it.
    pub expected: Expected,
}

/// What is expected of a guarantee.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// It must hold.
    Held,
    /// The mode is weak, and must be seen to be weak.
    Violated,
    /// It is put to the test, and the seed decides the result.
    Either,
    /// Nothing: the scenario does not name it, and does not expect some guarantee to hold without
    /// which this one is not promised.
    Anything,
}

impl Expected {
    /// Every expectation that a scenario can have, with its word in files and reports.
    pub const ALL: [(&'static str, Expected); 3] = [
        ("held", Expected::Held),
        ("violated", Expected::Violated),
        ("either", Expected::Either),
    ];

    /// Its word in files and reports.
    pub fn word(self) -> &'static str {
        match self {
            Expected::Held => "held",
            Expected::Violated => "violated",
            Expected::Either => "either",
            Expected::Anything => "anything",
        }
    }

    /// What is expected of a guarantee, given what is expected of those that are named; none if it
    /// is not named, and must hold if it is exercised.
    pub fn of(guarantee: Guarantee, named: &[(Guarantee, Expected)]) -> Option<Self> {
        let expected = |wanted| {
            let mut named = named.iter();
            named
                .find(|(it, _)| *it == wanted)
                .map(|(_, expected)| *expected)
        };
        let gives_up = |other: &Guarantee| matches!(Expected::of(*other, named), Some(it) if it != Expected::Held);
        let may_go = || guarantee.only_with().iter().any(gives_up);
        expected(guarantee).or_else(|| may_go().then_some(Expected::Anything))
    }
}

/// What the network carried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NetworkCounts {
    /// IP packets that machines sent.
    pub sent: u64,
    /// IP packets that arrived.
    pub delivered: u64,
    /// IP packets lost at random by a lossy link.
    pub lost: u64,
    /// IP packets dropped by a partition or at a machine that was off.
    pub cut: u64,
    /// Bytes of all packets sent.
    pub bytes: u64,
}
