//! How a client should behave.

use crate::message::ROOT;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// How a client should behave.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The user's name, 1 to 64 bytes.
    pub name: String,
    /// Which of the user's devices this is, 1 to 64 bytes, if there are several: what the server's
    /// observer is told in place of the user's name.
    pub device: Option<String>,
    /// The server: its address or name, and its port, as in `chat:3000`.
    pub server: String,
    /// The other servers of the same chat. A client that loses its server, or is refused by it,
    /// tries the next one.
    pub other_servers: Vec<String>,
    /// Proof that the user is who the name says, for a server that asks.
    pub token: Option<String>,
    /// The namespace; one that the server has.
    pub namespace: String,
    /// The rooms whose messages the client wants, 1 to 64 of them.
    pub rooms: Vec<String>,
    /// How packets travel.
    pub transport: Transport,
    /// What is promised about the user's messages.
    pub to_server: ToServer,
    /// How long to wait, initially, for an acknowledgement, and for a connection to accept a
    /// packet. After an overdue one the wait for the next doubles, up to a minute, until one comes
    /// within this time: with a timeout shorter than the round trip, the client would resend
    /// forever.
    pub ack_timeout: Duration,
    /// How often an unacknowledged message is retried; none: forever.
    pub retries: Option<u32>,
    /// The file that keeps what is not acknowledged yet; none: what is in memory when the program
    /// ends is lost.
    pub outbox: Option<PathBuf>,
    /// How long to wait for a connection that the server has greeted; twice as long in total with
    /// [`Transport::WebsocketOrPolling`], if the first carrier does not answer.
    pub connect_timeout: Duration,
    /// The shortest wait before connecting again.
    pub backoff_min: Duration,
    /// The longest wait before connecting again.
    pub backoff_max: Duration,
}

impl Default for ClientOptions {
    /// The defaults of Socket.IO's client for reconnection (1 s to 5 s) and connecting (20 s); a
    /// guest in the room `lobby` on port 3000 of this computer.
    fn default() -> Self {
        Self {
            name: "guest".to_owned(),
            device: None,
            server: "127.0.0.1:3000".to_owned(),
            other_servers: Vec::new(),
            token: None,
            namespace: ROOT.to_owned(),
            rooms: vec!["lobby".to_owned()],
            transport: Transport::Websocket,
            to_server: ToServer::ExactlyOnce,
            ack_timeout: Duration::from_secs(10),
            retries: None,
            outbox: None,
            connect_timeout: Duration::from_secs(20),
            backoff_min: Duration::from_secs(1),
            backoff_max: Duration::from_secs(5),
        }
    }
}

/// How packets travel between client and server (Engine.IO's transports).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// One WebSocket from the start.
    Websocket,
    /// HTTP long-polling.
    Polling,
    /// The handshake over polling, then a WebSocket.
    Upgrade,
    /// One WebSocket from the start, or polling if that is not possible.
    WebsocketOrPolling,
}

/// What is promised about a message on its way to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ToServer {
    /// Sent once. What is in flight when the connection dies is lost.
    AtMostOnce,
    /// Sent until acknowledged, one at a time. Stored twice when an acknowledgement was lost.
    AtLeastOnce,
    /// The same, with a client offset by which the server recognises a message that it has.
    ExactlyOnce,
}
