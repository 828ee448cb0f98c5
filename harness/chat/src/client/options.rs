//! How a client is to behave.

use crate::message::ROOT;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// How a client is to behave.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// The user's name, 1 to 64 bytes.
    pub name: String,
    /// The server: its address or name, and its port: `chat:3000`.
    pub server: String,
    /// The other servers of the same chat. A client whose server is lost, or does not let it in,
    /// tries the next one.
    pub other_servers: Vec<String>,
    /// What shows that the user is who the name says, to a server that wants to know.
    pub token: Option<String>,
    /// The namespace; one of those that the server has.
    pub namespace: String,
    /// The rooms whose messages the client wants, 1 to 64 of them.
    pub rooms: Vec<String>,
    /// How packets travel.
    pub transport: Transport,
    /// What is promised about the user's messages.
    pub to_server: ToServer,
    /// How long to wait for an acknowledgement, and for a connection to take a packet, to begin
    /// with. After one that was overdue the wait for the next is twice as long, up to a minute,
    /// until one comes within this time: a time-out shorter than the round trip would send for
    /// ever.
    pub ack_timeout: Duration,
    /// How often a message that was not acknowledged is tried again; none: for ever.
    pub retries: Option<u32>,
    /// The file that keeps what is not acknowledged yet; none: what the program has in memory when
    /// it ends is lost.
    pub outbox: Option<PathBuf>,
    /// How long to wait for a connection that the server has greeted; twice as long in all with
    /// [`Transport::WebsocketOrPolling`], when the first carrier does not answer.
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
    /// One WebSocket from the start, or polling where that is not to be had.
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
    /// The same, with a client offset by which the server recognises a message it has.
    ExactlyOnce,
}
