//! A Socket.IO chat that keeps its promises: the system that Squall puts to the test.
//!
//! This is ordinary tokio code. It never names a simulator and has no hooks for one: the same
//! [`serve`] and the same [`Client`] run on real sockets and in a simulated world.
//!
//! The rooms of this crate:
//!
//! - [`serve`] (`server`): socketioxide behind axum and hyper. `server/exchange.rs` holds the one
//!   place where a message is stored, broadcast and acknowledged, with no `await` in between;
//!   `server/guard.rs` keeps stuck and unwanted connections from living forever.
//! - [`Client`] (`client`): rust_socketio under a supervisor. `client/supervisor.rs` connects,
//!   listens and speaks; `client/outbox.rs` decides what is sent and when to give up;
//!   `client/inbox.rs` decides what is handled and when something is missing.
//! - [`Database`] (`storage`): SQLite. The id of a row is the message's place in the world.
//! - [`Message`] (`message`): what a user can say, and to whom; its audience and kind.
//! - [`serve_broker`] (`broker`): a single order for what the clients of several servers say.
//!   `cluster` is the protocol between it and the servers, `server/follower.rs` the server's side.
//!   Or a Redis is the broker (`redis`, `server/through_redis.rs`).
//! - [`Authenticate`] (`admission`): who is admitted, and as whom; [`Tokens`] (`tokens`) are one
//!   way to know.
//! - `wire`: what server and client say to each other; [`Limits`] (`limits`): how much of it is
//!   accepted.
//! - [`EndCause`], [`FailureCause`] (`cause`): why something ended, as values.
//!
//! How a message gets through safely, in short:
//!
//! 1. The client numbers its messages under its own identity (not the socket's id, which is
//!    undefined offline) and sends one at a time until it is acknowledged.
//! 2. The server inserts, broadcasts in the order of ids, and only then acknowledges. A message
//!    that it already has is acknowledged again with the stored id, and not broadcast again.
//! 3. Every delivery names the one before it in the same stream. A client that misses a link of
//!    this chain requests what came after the last message it handled, page by page; it joins the
//!    live stream in the same atomic step in which the last page is sent.
//! 4. With [`RecoveryMode`], a session whose connection was lost waits for its client, and so do
//!    its messages: see `squall-recovery`.
//!
//! With several servers (`cluster`), a broker ([`serve_broker`]) takes the place of the database,
//! and each server sends out and acknowledges what comes back to it in the broker's log. So all of
//! this stays true when a client moves on to another server.

#![forbid(unsafe_code)]

mod admission;
mod broker;
mod cause;
mod client;
mod cluster;
mod frame;
mod limits;
mod message;
mod redis;
mod server;
mod storage;
mod termination;
mod tokens;
mod wire;

use std::sync::Arc;

pub use admission::{Authenticate, Guest};
pub use broker::serve_broker;
pub use cause::{EndCause, FailureCause};
pub use client::{Client, ClientEvent, ClientOptions, ToServer, Transport, rows_in_outbox};
pub use cluster::{Adapter, Cluster, SERVER_RETURNS_WITHIN};
pub use limits::{FLOOD, Limits};
pub use message::{Content, EVERYBODY, Message, MessageKind, ROOT, full_name, room_of};
pub use redis::{LOG as REDIS_LOG, is_redis, read_entry};
pub use server::{
    Budget, Census, KEEP_ALIVE, Origins, RecoveryMode, Refusal, ServeError, ServerEvent,
    ServerOptions, ToClient, rows_of_sessions, serve,
};
pub use storage::{Database, Inserted, NewMessage, StorageError, StoredMessage};
pub use termination::Termination;
pub use tokens::{SECRET_MIN, Tokens};

/// Called with everything that happens, as it happens. It is called from inside the program,
/// sometimes with a lock held: it must not block and must not call back into this crate.
pub type Observer<E> = Arc<dyn Fn(E) + Send + Sync>;
