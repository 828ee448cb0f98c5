//! What carries a client's packets.

use crate::dice::Draw;
use rand::RngExt;
use serde::{Deserialize, Serialize};

/// What carries a client's packets: Engine.IO's transports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// One WebSocket from the start.
    Websocket,
    /// HTTP long-polling.
    Polling,
    /// The handshake over polling, then a WebSocket.
    Upgrade,
    /// One WebSocket from the start, or polling where that is not available.
    WebsocketOrPolling,
}

impl Transport {
    /// Every transport with its word in scenario files.
    pub const ALL: [(&'static str, Transport); 4] = [
        ("websocket", Transport::Websocket),
        ("polling", Transport::Polling),
        ("upgrade", Transport::Upgrade),
        ("websocket-or-polling", Transport::WebsocketOrPolling),
    ];

    /// Decides a client's: one of the first three.
    pub(crate) fn draw(client: &str, draw: &mut Draw) -> Self {
        let label = format!("{client}: transport");
        let [all @ .., _] = Transport::ALL;
        let (name, transport) = all[draw.stream(&label).random_range(0..all.len())];
        draw.tell(&label, name.to_owned());
        transport
    }
}
