//! What a hostile peer should do, and who is told what it hears.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What a hostile peer should do.
#[derive(Clone, Debug)]
pub struct HostileOptions {
    /// The server it attacks.
    pub server: SocketAddr,
    /// How.
    pub hostility: Hostility,
    /// The time from one act to the next.
    pub pace: Duration,
    /// What it says to log in: the `auth` of Socket.IO's CONNECT, a JSON object with at least one
    /// field.
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
    /// Session ids and private ids (of connection state recovery) that it was not given.
    Guesses,
    /// Packets at the wrong time: events before CONNECT, a second CONNECT, unsolicited
    /// acknowledgements, an upgrade that does not begin, two polls at once.
    Untimely,
    /// Logs in, gives signs of life and never reads.
    SlowReader,
    /// Sends a request's head, one byte each second.
    SlowWriter,
    /// Opens a connection and says nothing.
    HalfOpen,
    /// Packets that announce more binary attachments than any server could keep.
    AttachmentBomb,
}

/// Called with every text that the hostile peer hears, as one Engine.IO packet or HTTP body.
pub type Ear = Arc<dyn Fn(&str) + Send + Sync>;
