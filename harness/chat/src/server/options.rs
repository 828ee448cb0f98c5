//! How a server should behave.

use super::door::Origins;
use super::lines::Budget;
use crate::admission::Authenticate;
use crate::cluster::Cluster;
use crate::limits::Limits;
use crate::message::ROOT;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How a server should behave.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Time between two pings, and between two beats of the chat. Socket.IO's `pingInterval`.
    pub ping_interval: Duration,
    /// How long to wait for the answer to a ping. Socket.IO's `pingTimeout`.
    pub ping_timeout: Duration,
    /// The largest packet or polling body that is accepted, in bytes. Socket.IO's `maxPayload`.
    pub max_payload: u64,
    /// Which of the messages that were sent while a client was away it is sent later.
    pub to_client: ToClient,
    /// The most messages in one page of a catch-up. They share the queue of a socket with live
    /// messages, and may fill a quarter of it.
    pub catch_up_page: usize,
    /// The most packets that wait for a client to read them. socketioxide's `max_buffer_size`.
    pub queue: usize,
    /// The most TCP connections at a time; further ones wait to be accepted.
    pub max_connections: usize,
    /// The most TCP connections from one IP address at a time; further ones are closed at once.
    /// Many clients can share an address behind a proxy. A /64 of IPv6 counts as one address.
    pub max_connections_per_address: usize,
    /// How much memory clients may take.
    pub budget: Budget,
    /// Who is admitted; none: every client, under any name it gives.
    pub authenticate: Option<Authenticate>,
    /// Which pages of browsers may use the server.
    pub origins: Origins,
    /// The namespaces that clients may connect to. Each has its own users, rooms and nicknames.
    pub namespaces: Vec<String>,
    /// How much is accepted.
    pub limits: Limits,
    /// Where sessions that wait for their clients are kept.
    pub recovery: RecoveryMode,
    /// How long they wait. Socket.IO's `maxDisconnectionDuration`.
    pub recovery_window: Duration,
    /// How many may wait at a time.
    pub recovery_sessions: usize,
    /// How many packets are kept for one of them.
    pub recovery_packets: usize,
    /// The other servers, if there are any. The database is then this server's copy of the
    /// broker's messages.
    pub cluster: Option<Cluster>,
    /// Whether clients are told who is online in their namespace. Every client hears of every
    /// other, so in crowds this costs more than anything else.
    pub presence: bool,
}

impl Default for ServerOptions {
    /// Socket.IO's documented defaults (server options: `pingInterval`, `pingTimeout`,
    /// `maxHttpBufferSize`), with catching up.
    fn default() -> Self {
        Self {
            ping_interval: Duration::from_secs(25),
            ping_timeout: Duration::from_secs(20),
            max_payload: 1_000_000,
            to_client: ToClient::CatchUp,
            catch_up_page: 32,
            queue: 128,
            max_connections: 20_000,
            max_connections_per_address: 10_000,
            budget: Budget::default(),
            authenticate: None,
            origins: Origins::default(),
            namespaces: vec![ROOT.to_owned()],
            limits: Limits::default(),
            recovery: RecoveryMode::Off,
            recovery_window: Duration::from_mins(2),
            recovery_sessions: 10_000,
            recovery_packets: 1_000,
            cluster: None,
            presence: false,
        }
    }
}

impl ServerOptions {
    /// How many packets may be in a queue at a time: the rest is left to what cannot wait, such as
    /// pings. Where sessions are kept, half of the queue is the recovery layer's.
    #[must_use]
    pub fn places(&self) -> usize {
        let ours = match self.recovery {
            RecoveryMode::Off => self.queue,
            RecoveryMode::Memory | RecoveryMode::Sqlite | RecoveryMode::Redis => self.queue / 2,
        };
        ours.saturating_sub((self.queue / 8).max(1)).max(1)
    }
}

/// What the server promises its receivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToClient {
    /// Messages go to connected clients, at most once; what is missed is missed.
    LiveOnly,
    /// A returning client gets what it has missed, according to its server offset.
    CatchUp,
}
/// Where sessions that wait for their clients are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RecoveryMode {
    /// Nowhere: a returning client gets a new session.
    #[default]
    Off,
    /// In memory: they end with the server.
    Memory,
    /// In a SQLite file beside the database of messages: they outlive the server.
    Sqlite,
    /// In the Redis of the server's cluster: their clients may go to another server.
    Redis,
}
