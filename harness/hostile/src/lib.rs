//! A client of a Socket.IO server that breaks the rules.
//!
//! This is ordinary tokio code over raw TCP, because a client library would not send what is sent
//! here. It knows Engine.IO 4 and Socket.IO 5 as their protocol documents have them, and neither a
//! particular server nor a simulator. What it says to get in, and what a client of the server may
//! say, it is given.
//!
//! An attack is a row of *acts*, one after each pace, each on connections of its own ([`attack`]).
//! The acts of a [`Hostility`] are in `acts`; `packets` makes and breaks packets, `peer` speaks
//! HTTP and WebSocket as far as a rule-breaker must.

#![forbid(unsafe_code)]

mod acts;
mod packets;
mod peer;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// What a hostile peer is to do.
#[derive(Clone, Debug)]
pub struct HostileOptions {
    /// Whom it attacks.
    pub server: SocketAddr,
    /// How.
    pub hostility: Hostility,
    /// The time from one act to the next.
    pub pace: Duration,
    /// What it says to get in: the `auth` of Socket.IO's CONNECT, a JSON object with some field.
    pub login: String,
    /// What a client may say to the server: events with their arguments, as JSON arrays.
    pub phrases: Vec<String>,
}

/// How a peer breaks the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hostility {
    /// Requests, frames and packets in which bytes are changed, missing, doubled or swapped.
    Malformed,
    /// A hundred phrases at once, in each act.
    Flood,
    /// Messages, frames, bodies and heads that are too large, or claim to be.
    Oversized,
    /// Session ids and private ids (of connection state recovery) that it has not been given.
    Guesses,
    /// Packets at the wrong time: events before CONNECT, a second CONNECT, acknowledgements that
    /// nobody asked for, an upgrade that does not begin, two polls at once.
    Untimely,
    /// Logs in, gives signs of life and never reads.
    SlowReader,
    /// Sends a request's head, one byte each second.
    SlowWriter,
    /// Opens a connection and says nothing.
    HalfOpen,
    /// Packets that announce more binary attachments than anybody could keep.
    AttachmentBomb,
}

/// Is told every text that the hostile peer hears, as one Engine.IO packet or HTTP body.
pub type Ear = Arc<dyn Fn(&str) + Send + Sync>;

/// How many acts may be under way: as many as one address can have connections, and some to spare.
const ACTS: usize = 20_000;

/// Attacks for ever. Dropping the future closes all connections.
pub async fn attack(options: HostileOptions, ear: Ear) -> Infallible {
    let options = Arc::new(options);
    let mut acts = JoinSet::new();
    loop {
        while acts.try_join_next().is_some() {}
        if acts.len() < ACTS {
            let act = acts::Act {
                options: options.clone(),
                ear: ear.clone(),
                chance: ChaCha8Rng::seed_from_u64(rand::random()),
            };
            // An error is the answer that a hostile peer has to expect.
            acts.spawn(async move { act.perform().await.unwrap_or_default() });
        }
        sleep(options.pace).await;
    }
}
