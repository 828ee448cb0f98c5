//! A scenario: the machines, links, chat options, workload, faults and expectations of a run, as
//! its file says them.
//!
//! A [`Scenario`] has been checked: names are unique, ranges are not empty, every fault hits
//! machines that exist. What it leaves open (a [`Setting::Between`], [`Victims::Any`](crate::Victims)) is decided by
//! the seed in [`crate::draw`]. The chat of a scenario has one server and a star of clients around
//! it, or a cluster of servers around a broker.

use crate::clocks::Clock;
use crate::cluster::Cluster;
use crate::faults::Fault;
use crate::format::{self, BadScenario};
use crate::group::Group;
use crate::hostile::Hostile;
use crate::links::LinkChange;
use crate::middlebox::Middlebox;
use crate::workload::Workload;
use squall_chat::{Bug, Recovery, ToClient, ToServer, Transport};
use squall_guarantees::Guarantee;
use std::path::Path;
use std::time::Duration;

/// The name of the server's machine, in scenario files and in reports.
pub const SERVER: &str = "server";

/// A checked scenario.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// Its name: the file's, without `.toml`.
    pub name: String,
    /// How the command line names it: its name if it is embedded, else the path of its file.
    pub source: String,
    /// What it shows, in a sentence.
    pub shows: String,
    /// What it is about, the heading it stands under in `squall list`; every embedded one has one.
    pub group: Option<Group>,
    /// What is put to the test.
    pub system: System,
    /// How many clients there are.
    pub clients: Setting<u32>,
    /// The clients' names, in order; as many as there can be clients.
    pub names: Vec<String>,
    /// The rooms of every client that has none of its own.
    pub rooms: Vec<String>,
    /// The links between the server and its clients, unless a client's own says otherwise.
    pub link: LinkChange,
    /// What is different for single clients.
    pub overrides: Vec<Override>,
    /// The options of the chat.
    pub chat: Chat,
    /// The servers and their broker, if there is more than the one server.
    pub cluster: Option<Cluster>,
    /// What the users do.
    pub workload: Workload,
    /// What goes wrong.
    pub faults: Vec<Fault>,
    /// The proxy between some clients and the server.
    pub middlebox: Option<Middlebox>,
    /// Peers that break the rules.
    pub hostile: Vec<Hostile>,
    /// The clocks that are wrong from the beginning.
    pub clocks: Vec<Clock>,
    /// What is expected, per guarantee; `true` for held.
    pub expect: Vec<(Guarantee, bool)>,
    /// How long the run goes on after the last message is due and the last fault is over; if none,
    /// twice as long as delivery may take.
    pub settle: Option<Setting<Duration>>,
}

/// What a scenario puts to the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// Our chat.
    Chat,
    /// The chat of Socket.IO's tutorial.
    Tutorial,
}

/// A value that the scenario says, or a range that it leaves to the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting<T> {
    /// This value.
    Fixed(T),
    /// A value between these two, which are both possible.
    Between(T, T),
}

impl<T: Copy> Setting<T> {
    /// The smallest value that it can take.
    pub fn min(&self) -> T {
        match *self {
            Setting::Fixed(value) | Setting::Between(value, _) => value,
        }
    }

    /// The largest value that it can take.
    pub fn max(&self) -> T {
        match *self {
            Setting::Fixed(value) | Setting::Between(_, value) => value,
        }
    }
}

/// What is different for one client.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Override {
    /// The client.
    pub client: String,
    /// Its rooms.
    pub rooms: Option<Vec<String>>,
    /// Its link to the server.
    pub link: LinkChange,
    /// How many messages it sends.
    pub messages: Option<Setting<u32>>,
    /// When it sends its first message.
    pub start: Option<Setting<Duration>>,
    /// Its namespace.
    pub namespace: Option<String>,
    /// Its transport.
    pub transport: Option<Transport>,
}

/// What clients know of the server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerAddress {
    /// Its IPv4 address.
    #[default]
    Ip,
    /// Its machine's name, which they look up for each connection.
    Name,
}

/// The options of the chat.
#[derive(Clone, Debug, PartialEq)]
pub struct Chat {
    /// What carries the packets; none: the seed says so of each client.
    pub transport: Option<Transport>,
    /// What clients know of the server.
    pub address: ServerAddress,
    /// How messages are delivered from the clients to the server.
    pub to_server: ToServer,
    /// How messages are delivered from the server to the clients.
    pub to_client: ToClient,
    /// How often the server sends a ping.
    pub ping_interval: Setting<Duration>,
    /// How long either side waits for a sign of life beyond that.
    pub ping_timeout: Setting<Duration>,
    /// How long a client waits for an acknowledgement.
    pub ack_timeout: Setting<Duration>,
    /// How long a client waits for a connection that the server has greeted.
    pub connect_timeout: Setting<Duration>,
    /// How often a client tries again to send a message; without end if none.
    pub retries: Option<u32>,
    /// Whether what a client has not sent yet is on its disk, and outlives its program.
    pub outbox_on_disk: bool,
    /// The longest packet, in bytes, that the server takes.
    pub max_payload: u32,
    /// The shortest wait before a further attempt to connect.
    pub backoff_min: Duration,
    /// The longest wait before a further attempt to connect.
    pub backoff_max: Duration,
    /// Where the server keeps sessions that wait for their clients.
    pub recovery: Recovery,
    /// How long they wait.
    pub recovery_window: Setting<Duration>,
    /// Whether the server tells who is online.
    pub presence: bool,
    /// The most TCP connections that the server has at a time; its default if none.
    pub max_connections: Option<u32>,
    /// The most of these from one address; the server's default if none.
    pub max_connections_per_address: Option<u32>,
    /// How long a statement is on its way to the tutorial's database, and its result on the way
    /// back; drawn for each.
    pub storage_delay: Setting<Duration>,
    /// A bug to plant into the chat, to see a checker fail.
    pub bug: Option<Bug>,
}

impl Scenario {
    /// Reads a scenario's text. `source` is the path of its file, or its name if it is embedded.
    ///
    /// # Errors
    /// All mistakes that could be found, each with its place in the text and a remedy.
    pub fn parse(source: &str, text: &str) -> Result<Self, BadScenario> {
        let name = Path::new(source)
            .file_stem()
            .map_or(source.into(), |stem| stem.to_string_lossy());
        format::scenario(&name, source, text)
    }
}
