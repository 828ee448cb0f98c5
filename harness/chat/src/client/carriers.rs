//! What carries the packets, and what to try when that does not work.
//!
//! rust_socketio does not fall back by itself, and Socket.IO's own client does so only with its
//! option `tryAllTransports`. This works like that option, but with a memory: if the first carrier
//! does not lead to a greeting, the same attempt continues with the second; the one that worked is
//! the first one from then on. So a client whose WebSocket is blocked by a filter comes back by
//! polling at once, and returns to the WebSocket when polling fails.

use super::connection::Connection;
use super::{ClientOptions, Transport};
use crate::cause::End;
use crate::wire::{Login, Ready};
use native_tls::TlsConnector;
use rust_socketio::TransportType;

/// The carriers that a client may use, the one that worked last first.
pub(super) struct Carriers {
    first: TransportType,
    second: Option<TransportType>,
    tls: Option<TlsConnector>,
}

impl Carriers {
    pub(super) fn new(transport: Transport) -> Self {
        let (first, second) = match transport {
            Transport::Websocket => (TransportType::Websocket, None),
            Transport::Polling => (TransportType::Polling, None),
            Transport::Upgrade => (TransportType::WebsocketUpgrade, None),
            Transport::WebsocketOrPolling => {
                (TransportType::Websocket, Some(TransportType::Polling))
            }
        };
        // Only the HTTP client for polling needs one, and would otherwise load the system's
        // certificates for every connection. Nothing here is encrypted.
        let tls = match transport {
            Transport::Websocket => None,
            Transport::Polling | Transport::Upgrade | Transport::WebsocketOrPolling => {
                TlsConnector::builder()
                    .disable_built_in_roots(true)
                    .build()
                    .ok()
            }
        };
        Self { first, second, tls }
    }

    /// Makes a connection that the server has greeted; each carrier gets the timeout for
    /// connecting. An error says, for each carrier, why there is none.
    pub(super) async fn connect(
        &mut self,
        options: &ClientOptions,
        server: &str,
        login: &Login,
    ) -> Result<(Connection, Ready), End> {
        let Self { first, second, tls } = self;
        let opened = Connection::open(options, server, first.clone(), tls.clone(), login).await;
        let (Err(first_end), Some(second)) = (&opened, second) else {
            return opened;
        };
        let other = Connection::open(options, server, second.clone(), tls.clone(), login).await;
        let other = other.map_err(|End { cause, reason }| {
            let first = &first_end.reason;
            End::new(cause, format!("{first}; by the other transport: {reason}"))
        })?;
        std::mem::swap(first, second);
        Ok(other)
    }
}
