//! Worlds of one server and one client.

use axum::Router;
use futures_util::FutureExt;
use rust_socketio::asynchronous::{Client, ClientBuilder};
use rust_socketio::{Event, TransportType};
use socketioxide::{SocketIo, SocketIoBuilder};
use squall_simulator::{MachineId, Panic, World, now, simulate};
use std::future::{pending, ready};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;

/// The server's port.
const PORT: u16 = 3000;

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

/// A world with seed 1: a server, a client, and what goes wrong.
pub(crate) struct Play<S, C> {
    /// The server's program.
    pub(crate) server: S,
    /// The client's program, which is given the server's address. What it returns is kept to the
    /// end.
    pub(crate) client: C,
    /// How long the world runs, in seconds.
    pub(crate) lasts: u64,
}

impl<S, C> Play<S, C> {
    /// Plays it; returns what happened, and the panics.
    pub(crate) fn run<F, G>(
        self,
        faults: impl FnOnce(&mut World, MachineId, MachineId) + Send,
    ) -> (Log, Vec<Panic>)
    where
        S: Fn(Log) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
        C: Fn(SocketAddr, Log) -> G + Send + 'static,
        G: Future<Output: Send> + Send + 'static,
    {
        let Play {
            server,
            client,
            lasts,
        } = self;
        simulate(1, |world| {
            let log = Log::default();
            let told = log.clone();
            let server = world.machine("server", move || server(told.clone()));
            let address = SocketAddr::from((world.address(server), PORT));
            let told = log.clone();
            let client = world.machine("client", move || {
                let program = client(address, told.clone());
                async move {
                    let _kept = program.await;
                    pending::<()>().await
                }
            });
            faults(world, server, client);
            let ended = world.run_until(seconds(lasts));
            ended.expect("nothing here needs what is not simulated");
            (log, world.panics().to_vec())
        })
    }

    /// Plays it with nothing going wrong; returns what happened.
    pub(crate) fn calmly<F, G>(self) -> Log
    where
        S: Fn(Log) -> F + Send + 'static,
        F: Future<Output = ()> + Send + 'static,
        C: Fn(SocketAddr, Log) -> G + Send + 'static,
        G: Future<Output: Send> + Send + 'static,
    {
        self.run(|_, _, _| {}).0
    }
}

/// Serves Socket.IO with this test's handlers. The heartbeat is 5 s and 4 s.
pub(crate) async fn serve(handlers: impl FnOnce(&SocketIo)) {
    serve_with(|io| io, handlers).await;
}

/// The same, with this test's options.
pub(crate) async fn serve_with(
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
