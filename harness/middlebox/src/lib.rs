//! A middlebox: a reverse proxy between clients and one or more servers, with one of the habits
//! that break long-lived connections on their way through real networks.
//!
//! This is ordinary tokio code. It knows HTTP/1.1 (RFC 9112) and its upgrades, as proxies do; it
//! knows neither Socket.IO nor a simulator.
//!
//! - [`serve`] accepts connections. For each request `proxy` opens a separate connection to the
//!   server, as nginx does by default, so that no answer depends on an earlier one.
//! - `balance` chooses the server: if there are several, always the same one for one address.
//! - `tunnel` carries the bytes of an upgraded connection, of which a proxy knows nothing else.
//! - [`Habit`] says what it does wrong, [`Hours`] when, and an [`Observer`] is told of each
//!   [`Deed`].
//!
//! Left out: TLS, HTTP/2, caching, and everything that a proxy does to headers.

#![forbid(unsafe_code)]

mod balance;
mod deed;
mod habit;
mod options;
mod proxy;
mod tunnel;

pub use deed::{Deed, Observer};
pub use habit::{Habit, Hours};
pub use options::MiddleboxOptions;

use balance::Balance;
use proxy::Visit;
use std::convert::Infallible;
use std::io::{ErrorKind, Result};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// How long to wait when the system has no descriptor left for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Forwards what comes to the listener, forever, and tells the observer of its own deeds. Dropping
/// the future closes all connections.
///
/// # Errors
///
/// If the listener does not work: it is closed, or not a listener.
pub async fn serve(
    listener: TcpListener,
    options: MiddleboxOptions,
    observer: Observer,
) -> Result<Infallible> {
    let (options, balance) = (Arc::new(options), Arc::new(Balance::default()));
    let mut visits = JoinSet::new();
    loop {
        while visits.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, client)) => {
                // Nagle's algorithm would hold back small packets; failing to disable it only costs
                // time.
                let _ = stream.set_nodelay(true);
                let visit = Visit {
                    options: options.clone(),
                    observer: observer.clone(),
                    balance: balance.clone(),
                    client: client.ip(),
                    upgraded: Mutex::default(),
                };
                visits.spawn(visit.receive(stream));
            }
            Err(error) => match error.kind() {
                ErrorKind::InvalidInput => return Err(error),
                // accept(2) reports errors of the new connection: the peer has changed its mind.
                ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset => {}
                _ => sleep(ACCEPT_PAUSE).await,
            },
        }
    }
}
