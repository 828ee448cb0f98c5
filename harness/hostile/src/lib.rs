//! A client of a Socket.IO server that breaks the rules.
//!
//! This is ordinary tokio code over raw TCP, because a client library would not send what is sent
//! here. It knows Engine.IO 4 and Socket.IO 5 as their protocol documents define them, but no
//! particular server and no simulator. It is given what to say to log in, and what a client of the
//! server may say.
//!
//! An attack is a series of *acts*, one after each pace, each on its own connections ([`attack`]).
//! The acts of a [`Hostility`] are in `acts`; `packets` makes and breaks packets; `peer` speaks
//! HTTP and WebSocket as far as a rule-breaker must.

#![forbid(unsafe_code)]

mod acts;
mod options;
mod packets;
mod peer;

pub use options::{Ear, HostileOptions, Hostility};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How many acts may run at once: as many as one address can have connections, and some to spare.
const ACTS: usize = 20_000;

/// Attacks forever. Dropping the future closes all connections.
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
            // Errors are what a hostile peer has to expect.
            acts.spawn(async move { act.perform().await.unwrap_or_default() });
        }
        sleep(options.pace).await;
    }
}
