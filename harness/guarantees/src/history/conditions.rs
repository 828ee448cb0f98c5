//! The conditions under which a run took place: what the links carry, what disturbed whom and for
//! how long, and what was left when it ended. An excuse must follow from these.

use super::{ClientId, Time};
use crate::{Nanoseconds, NanosecondsOrNull};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What the path between a client and the servers carries while nothing disturbs it, in both
/// directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Capacity {
    /// What the server sends.
    pub to_client: Direction,
    /// What the client sends.
    pub to_server: Direction,
}

/// What one direction of a path carries in the long run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Direction {
    /// Bytes per second; none if unlimited.
    #[serde(default)]
    pub rate: Option<u64>,
    /// The longest time that a packet is under way, one way, not including queues.
    #[serde(default, with = "Nanoseconds")]
    pub latency: Duration,
    /// How many in a million packets are lost in the long run.
    #[serde(default)]
    pub loss_ppm: u32,
    /// How many in a million packets that follow a lost one are lost too: more than `loss_ppm` if
    /// losses come in bursts.
    #[serde(default)]
    pub next_loss_ppm: u32,
}

/// A fault, by whom it can touch and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Disturbance {
    /// Whom it can touch; none for everyone, such as what happens to a server.
    pub client: Option<ClientId>,
    /// When it began.
    #[serde(with = "Nanoseconds")]
    pub from: Time,
    /// When it ended; none if it never did.
    #[serde(with = "NanosecondsOrNull")]
    pub until: Option<Time>,
    /// What it is.
    #[serde(rename = "disturbance")]
    pub kind: DisturbanceKind,
}

/// What a fault does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DisturbanceKind {
    /// All packets are lost, in at least one direction.
    Cut,
    /// Some packets are lost, duplicated, damaged or reordered.
    Lossy,
    /// The path is slow, or lets less through.
    Slow,
    /// A program was killed, or has no power.
    Killed,
    /// A program does not run, or does everything late.
    Paused,
    /// A disk is full, broken or slow.
    Disk,
    /// A clock jumps or runs wrong.
    Clock,
    /// A middlebox interferes: a proxy, a firewall, address translation.
    Middlebox,
    /// A peer that means harm.
    Hostile,
    /// A machine gets another address.
    Address,
    /// Connections are reset.
    Reset,
    /// Ports or descriptors run out.
    Ports,
}

/// Something that may be left when clients have gone, counted at the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Leftover {
    /// Who holds it: a server's or a client's name.
    pub holder: String,
    /// What is held.
    pub what: Held,
    /// How many.
    pub count: u64,
    /// How many there may be, given who is there at the time.
    pub expected_at_most: u64,
    /// When it was counted.
    #[serde(with = "Nanoseconds")]
    pub at: Time,
}

/// What a server or a client holds for somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// Sessions with a connection.
    Sessions,
    /// Sessions that wait for their clients.
    WaitingSessions,
    /// Places among the connections allowed.
    Places,
    /// Places among those that each address is allowed, of all addresses.
    PlacesOfAddresses,
    /// Rooms with somebody in them.
    Rooms,
    /// Timers and tasks.
    Timers,
    /// Bytes that wait to be sent.
    QueuedBytes,
    /// Rows of an outbox.
    OutboxRows,
    /// Users who are shown as online.
    Online,
    /// Messages whose senders wait for an answer from behind the server.
    Unanswered,
    /// Bytes of what clients want from a server and have not got.
    GivenBytes,
    /// Packets that are kept for sessions that may be resumed.
    KeptPackets,
    /// The bytes of these packets.
    KeptBytes,
    /// Rows of sessions in a file.
    StoredSessions,
    /// Rows of packets for sessions in a file.
    StoredPackets,
    /// Changes to sessions that are not in the storage yet.
    UnsavedChanges,
    /// Packets that were under way while nobody said anything.
    IdlePackets,
}

/// What was still unfinished when the run ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unfinished {
    /// How many messages of each client were neither acknowledged nor given up, in the order of
    /// clients; a client that is not in the list has none.
    #[serde(default)]
    pub still_sending: Vec<u64>,
    /// Whether the run ended because of its time limit, and not because all was done.
    #[serde(default)]
    pub cut_off: bool,
}

impl Held {
    /// What it is, to follow a number.
    pub fn words(self) -> &'static str {
        match self {
            Held::Sessions => "sessions",
            Held::WaitingSessions => "waiting sessions",
            Held::Places => "places",
            Held::PlacesOfAddresses => "places of addresses",
            Held::Rooms => "rooms",
            Held::Timers => "timers",
            Held::QueuedBytes => "queued bytes",
            Held::OutboxRows => "rows of an outbox",
            Held::Online => "users shown as online",
            Held::Unanswered => "unanswered messages",
            Held::GivenBytes => "bytes of what clients want",
            Held::KeptPackets => "packets for sessions",
            Held::KeptBytes => "bytes of packets for sessions",
            Held::StoredSessions => "rows of sessions",
            Held::StoredPackets => "rows of packets for sessions",
            Held::UnsavedChanges => "unsaved changes of sessions",
            Held::IdlePackets => "packets while nobody said anything",
        }
    }
}
