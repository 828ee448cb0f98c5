//! The chat's server: accepts connections, admits clients, hands their messages to the exchange.
//!
//! It is one concurrent program without global state: several servers can live in one process, and
//! when the future of [`serve`] ends or is dropped, every connection ends and the database is
//! closed. socketioxide keeps a WebSocket in a separate task; those end through
//! [`guard`](self::guard).
//!
//! What comes from outside is not trusted. Names, rooms, offsets and lengths are checked, a client
//! that sends anything else is told so, and the number of connections is limited, in total and per
//! address. A connection that cannot be written to for twice `ping_interval` plus `ping_timeout` is
//! closed, as is one on which a body or a message takes longer than that to arrive, or that sends
//! no request in that time and in 100 s. What one session may send is limited in length and number
//! ([`Limits`](crate::Limits)), and what waits for it to read, or has begun to arrive, in bytes
//! ([`Budget`]).
//!
//! How soon a dead client is noticed: engine.io's heartbeat sends a ping every `ping_interval` and
//! waits `ping_timeout` for a pong. rust_socketio sends one unsolicited pong when it connects,
//! which engineioxide keeps as credit, so with this client it takes up to twice the interval plus
//! the timeout.

mod door;
mod event;
mod exchange;
mod follower;
mod gauge;
mod given;
mod guard;
mod handlers;
mod histogram;
mod incoming;
mod lines;
mod metrics;
mod moves;
mod options;
mod page;
mod places;
mod pool;
mod presence;
mod recovery;
mod reply;
mod session;
mod through_redis;

pub use door::Origins;
pub use event::{Census, ServerEvent};
pub use lines::Budget;
pub use options::{RecoveryMode, ServerOptions, ToClient};
pub use recovery::rows_of_sessions;
pub use squall_recovery::Refusal;

use crate::Observer;
use crate::cluster::Adapter;
use crate::storage::{self, Database, StorageError};
use crate::wire::Login;
use axum::Router;
use axum::routing::get;
use door::Door;
use exchange::Exchange;
use guard::Guarded;
use handlers::{Denial, Doorway, Shared};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use lines::Lines;
use moves::Moves;
use page::with_page;
use places::{Places, address_of};
use session::line;
use socketioxide::extract::TryData;
use socketioxide::handler::ConnectHandler;
use socketioxide::{ParserConfig, SocketIo};
use squall_recovery::{Recovery as Sessions, RecoveryAdapter, Session, SocketRef};
use std::convert::Infallible;
use std::future::{Future, ready};
use std::io::{self, ErrorKind};
use std::panic::resume_unwind;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// How long a server that shuts down waits for its connections to close.
const FAREWELL: Duration = Duration::from_secs(2);
/// How long a client may be in no namespace, at most. socketioxide keeps its data for as long, even
/// if the client is gone.
const STRANGER: Duration = Duration::from_secs(45);
/// How long a client that is in no namespace any more, or was refused, has to close its connection,
/// at most.
const CLOSING: Duration = Duration::from_secs(10);

/// How long a connection may wait for its first or next request, at least: longer than HTTP clients
/// keep idle connections (reqwest: 90 s); they also open some that they only need later. If a
/// connection is closed just as a request is sent on it, the request is lost, and a polling
/// client's session with it.
pub const KEEP_ALIVE: Duration = Duration::from_secs(100);
/// The most attachments of an event. Ours have one.
const ATTACHMENTS: usize = 10;
/// The longest head of a request.
const HEAD_MAX: usize = 32 << 10;
/// How long to wait before accepting again when the system has no descriptors left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why a server or broker ended, other than on request.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The options contradict each other.
    #[error("ping_interval and ping_timeout must be at least one millisecond")]
    Heartbeat,
    /// Sessions are to be kept in a Redis, and the options name none.
    #[error("sessions can be kept in the Redis of a cluster, and this server has none")]
    NoRedis,
    /// The database could not be opened, or failed for good ([`StorageError::may_pass`]).
    #[error("the database failed, and with it the server: {0}")]
    Storage(#[from] StorageError),
}

/// Serves a chat until `shutdown` completes, then says goodbye to every client and closes the
/// database. Dropping the future ends the server at once, without a goodbye.
///
/// # Errors
///
/// [`ServeError::Storage`] if the database cannot be opened, or later fails for good;
/// [`ServeError::Heartbeat`] if the heartbeat's times are too short to be usable;
/// [`ServeError::NoRedis`] if sessions should be kept where there is nothing.
pub async fn serve(
    listener: TcpListener,
    database: &Path,
    options: ServerOptions,
    observer: Observer<ServerEvent>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    if options.ping_interval.min(options.ping_timeout) < Duration::from_millis(1) {
        return Err(ServeError::Heartbeat);
    }
    let has_redis = (options.cluster.as_ref()).is_some_and(|it| it.adapter == Adapter::Redis);
    if options.recovery == RecoveryMode::Redis && !has_redis {
        return Err(ServeError::NoRedis);
    }
    let (failure, mut failed) = mpsc::unbounded_channel();
    let mut shutdown = pin!(shutdown);
    let tell = |reason| observer(ServerEvent::StorageFailed { reason });
    let begin = || {
        // The others do not talk to servers by number.
        let number = if has_redis { rand::random() } else { 0 };
        let moves = (options.recovery == RecoveryMode::Redis)
            .then(|| Moves::new(number, options.recovery_window));
        let sessions = recovery::open(&options, database, moves.as_ref())?;
        let database = Database::open(database)?;
        let exchange = Exchange::new(database, sessions.clone(), &options, observer.clone())?;
        let doorway = Doorway(
            Arc::new(Shared {
                exchange: Mutex::new(Some(exchange)),
                options: options.clone(),
                observer: observer.clone(),
                failure: failure.clone(),
                given: Notify::new(),
                number,
                sessions: sessions.clone(),
                moves,
                lines: Lines::new(
                    options.budget,
                    options.places(),
                    patience(&options).min(CLOSING),
                ),
            }),
            sessions.clone(),
        );
        let (io, app) = build(&doorway.0, &sessions);
        doorway.0.with(Exchange::expect_clients).unwrap_or(Ok(()))?;
        Ok((sessions, doorway, io, app))
    };
    let (sessions, doorway, io, app) = tokio::select! {
        biased;
        () = &mut shutdown => return Ok(()),
        begun = storage::begin(tell, begin) => begun?,
    };
    // A task like those that read from clients and write to them: it takes its turn among them,
    // however many there are. What this function awaits may be polled before most of them.
    let mut working = JoinSet::new();
    let worker = doorway.0.clone();
    working.spawn(async move { worker.work().await });
    // Every connection holds a receiver, and ends when this sender is dropped.
    let (alive, _) = watch::channel(());
    let places = Places::new(options.max_connections, options.max_connections_per_address);
    let connections = || (alive.receiver_count(), places.taken());

    let outcome = tokio::select! {
        biased;
        () = &mut shutdown => Ok(()),
        Some(error) = failed.recv() => Err(error),
        never = accept(listener, app, &doorway.0, (&alive, &places)) => match never {},
        never = doorway.0.beat(connections) => match never {},
        never = doorway.0.follow() => match never {},
        never = doorway.0.tell_roster() => match never {},
        Some(ended) = working.join_next() => match ended {
            Ok(never) => match never {},
            Err(error) => resume_unwind(error.into_panic()),
        },
    };
    drop(working);
    // What has arrived is carried out, whatever becomes of its answer.
    doorway.0.finish();
    say_goodbye(&io, &doorway.0).await;
    drop(alive);
    sessions.close();
    outcome?;
    let exchange = doorway.0.lock().take();
    exchange
        .map_or(Ok(()), Exchange::shut)
        .map_err(ServeError::Storage)
}

/// Socket.IO, and a page for browsers.
fn build(shared: &Arc<Shared>, sessions: &Sessions) -> (SocketIo<RecoveryAdapter>, Router) {
    let options = &shared.options;
    let max_message = usize::try_from(options.max_payload).unwrap_or(usize::MAX);
    let (layer, io) = SocketIo::builder()
        .with_adapter::<RecoveryAdapter>(sessions.clone())
        .ping_interval(options.ping_interval)
        .ping_timeout(options.ping_timeout)
        .connect_timeout(patience(options).min(STRANGER))
        .max_payload(options.max_payload)
        .max_buffer_size(options.queue)
        .ws_max_message_size(max_message)
        .ws_max_frame_size(max_message)
        .with_parser(
            ParserConfig::common()
                .max_incoming_binaries(ATTACHMENTS)
                .max_incoming_binary_buf_size(max_message),
        )
        .build_layer();
    for namespace in &options.namespaces {
        let (admission, entry) = (shared.clone(), shared.clone());
        let admit = move |socket: SocketRef, session: Session, TryData(login): TryData<Login>| {
            let login = login.map_err(|error| error.to_string());
            let admission = admission.clone();
            async move {
                let mut admitted = admission.admit(&socket, &session, login);
                if admitted.is_ok() {
                    admitted = admission.be_found(&session).await;
                }
                match (&admitted, line(&socket)) {
                    (Err(Denial::Refused(_)), Some(line)) => line.is_sent_away(),
                    (Err(Denial::NotNow), Some(line)) => line.end(),
                    _ => {}
                }
                if let Err(Denial::NotNow) = admitted {
                    // The connection has ended before it could carry a refusal.
                    sleep(FAREWELL).await;
                }
                admitted
            }
        };
        let enter = move |socket: SocketRef, session: Session| {
            entry.enter(socket, session);
            ready(())
        };
        io.ns(namespace.clone(), sessions.protect(enter.with(admit)));
    }
    let (health, metrics) = (shared.clone(), shared.clone());
    (
        io,
        with_page(Router::new())
            .route("/healthz", get(move || ready(health.health())))
            .route("/metrics", get(move || ready(metrics.metrics())))
            .layer(sessions.around(layer)),
    )
}

/// How long a connection may be stuck, other than waiting for its next request.
fn patience(options: &ServerOptions) -> Duration {
    let heartbeat = options.ping_interval.saturating_add(options.ping_timeout);
    heartbeat.saturating_mul(2)
}

/// Accepts connections forever.
async fn accept(
    listener: TcpListener,
    app: Router,
    shared: &Shared,
    (alive, places): (&watch::Sender<()>, &Places),
) -> Infallible {
    let options = &shared.options;
    let patience = patience(options);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(patience.max(KEEP_ALIVE))
        .max_buf_size(HEAD_MAX)
        .auto_date_header(false);
    let origins = Arc::new(options.origins.clone());
    // Plain HTTP connections end with this set; upgraded ones leave it.
    let mut connections = JoinSet::new();
    loop {
        let place = places.one_of_all().await;
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, peer)) => {
                let address = address_of(peer.ip());
                let Some(place) = places.take(place, address) else {
                    continue;
                };
                // Nagle's algorithm would hold back small packets; failing to disable it only costs
                // time.
                let _ = stream.set_nodelay(true);
                let wire = shared.lines.wire(address);
                let patient = (patience, options.max_payload);
                let alive = alive.subscribe();
                let stream = Guarded::new(stream, alive, patient, (place, wire.clone()));
                let door = Door {
                    app: app.clone(),
                    lines: shared.lines.clone(),
                    wire,
                    origins: origins.clone(),
                    patience,
                    longest: usize::try_from(options.max_payload).unwrap_or(usize::MAX),
                };
                let connection = http.serve_connection(TokioIo::new(stream), door);
                connections.spawn(connection.with_upgrades());
            }
            // The peer has changed its mind: accept(2) reports errors of the new connection.
            Err(error) if is_of_the_peer(&error) => {}
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// Ends every connection. Socket.IO's own clients reconnect when they lose one; rust_socketio does
/// not notice, so there is an event for it. `io.close()` waits for peers that have stopped reading.
async fn say_goodbye(io: &SocketIo<RecoveryAdapter>, shared: &Shared) {
    shared.part();
    // A client that does not accept the goodbye in this time loses the connection with the process.
    let _ = timeout(FAREWELL, io.close()).await;
}
