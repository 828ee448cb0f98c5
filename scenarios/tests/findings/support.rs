//! Worlds of one server and one client.

use axum::Router;
use futures_util::FutureExt;
use rust_socketio::asynchronous::{Client, ClientBuilder};
use rust_socketio::{Event, TransportType};
use socketioxide::{SocketIo, SocketIoBuilder};
use squall_simulator::{MachineId, World, now, simulate};
use std::future::ready;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

/// The server's port.
pub(crate) const PORT: u16 = 3000;

/// What happened, in words, with its virtual time.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<(Duration, String)>>>);

impl Log {
    pub(crate) fn add(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push((now(), what.into()));
    }

    /// How often this happened.
    pub(crate) fn count(&self, what: &str) -> usize {
        self.times(what).len()
    }

    /// When this happened.
    pub(crate) fn times(&self, what: &str) -> Vec<Duration> {
        let log = self.0.lock().unwrap();
        log.iter()
            .filter(|(_, happened)| happened == what)
            .map(|(at, _)| *at)
            .collect()
    }

    /// Everything, in words.
    pub(crate) fn all(&self) -> Vec<String> {
        let log = self.0.lock().unwrap();
        log.iter().map(|(_, happened)| happened.clone()).collect()
    }
}

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A world with seed 1, whose first machine is the server.
pub(crate) fn world<T: Send>(play: impl FnOnce(&mut World) -> T + Send) -> T {
    simulate(1, play)
}

/// Where the server listens.
pub(crate) fn address(world: &World, server: MachineId) -> SocketAddr {
    SocketAddr::from((world.address(server), PORT))
}

/// Lets time pass.
pub(crate) fn run(world: &mut World, until: Duration) {
    world
        .run_until(until)
        .expect("nothing here needs what is not simulated");
}

/// Serves Socket.IO, with handlers of this test. The heartbeat is 5 s and 4 s.
pub(crate) async fn serve(
    configure: impl FnOnce(SocketIoBuilder) -> SocketIoBuilder,
    handlers: impl FnOnce(&SocketIo),
) {
    let builder = SocketIo::builder()
        .ping_interval(seconds(5))
        .ping_timeout(seconds(4));
    let (layer, io) = configure(builder).build_layer();
    handlers(&io);
    let app = Router::new().layer(layer);
    axum::serve(listen().await, app).await.unwrap();
}

pub(crate) async fn listen() -> TcpListener {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await;
    listener.expect("nothing else listens on this machine")
}

/// A client over a WebSocket, as its documentation shows it.
pub(crate) fn client(server: SocketAddr) -> ClientBuilder {
    ClientBuilder::new(format!("http://{server}"))
        .transport_type(TransportType::Websocket)
        .reconnect(false)
}

/// Notes an event.
pub(crate) fn noted(
    builder: ClientBuilder,
    event: impl Into<Event>,
    log: &Log,
    what: &'static str,
) -> ClientBuilder {
    let log = log.clone();
    builder.on(event, move |_, _: Client| {
        log.add(what);
        ready(()).boxed()
    })
}
