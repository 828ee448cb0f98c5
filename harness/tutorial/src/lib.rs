//! The chat of Socket.IO's tutorial ("Server delivery", "Client delivery"), on socketioxide and
//! rust_socketio: a second system under test, with known hazards.
//!
//! It is translated step by step from <https://socket.io/docs/v4/tutorial/introduction>, with its
//! names, its order of steps and its mistakes. All users are in one room, and messages have no
//! sender.
//!
//! - [`serve`] (`server`): a message is inserted, broadcast with its id, then acknowledged; a
//!   client that connects is sent all rows after its server offset.
//! - [`Client`] (`client`): keeps the id of the last message as its server offset, names a message
//!   `${socket.id}-${counter}`, and sends one at a time until it is acknowledged, `retries` times.
//! - `storage`: SQLite as the package `sqlite` offers it to Node: every statement goes to a pool of
//!   threads, and its result comes back some time later.
//!
//! What had to be different: `socket.recovered` is always false, because socketioxide has no
//! connection state recovery; and rust_socketio does not report a socket's id, so a random one of
//! the same shape takes its place, a new one with each connection.
//!
//! This is ordinary tokio code, and knows nothing of simulators.

#![forbid(unsafe_code)]

mod client;
mod server;
mod storage;

pub use client::{Client, ClientEvent, ClientOptions, Observer};
pub use server::{ServerOptions, serve};
pub use storage::{Row, rows};

/// The name of the tutorial's only event.
const CHAT_MESSAGE: &str = "chat message";
