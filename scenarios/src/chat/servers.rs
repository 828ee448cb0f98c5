//! The server's side of a world of the chat: the single server, or a cluster of them and its
//! broker.

use super::events::{end, from_row};
use super::{Chat, Cluster};
use indexmap::IndexSet;
use squall::Log;
use squall::PlannedClient;
use squall::Site;
use squall::{BROKER, PORT, SERVER};
use squall_guarantees::{ClientId, EventKind, Held, StoredMessage};
use squall_planted::{
    Adapter, Census, Database, Observer, REDIS_LOG, ServerEvent, ServerOptions, StorageError,
    Termination, read_entry, rows_of_sessions,
};
use squall_resp::Entry;
use squall_simulator::{Latency, Link, note};
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::sleep;

/// The file of the messages, on the disks of the server, or of the servers and the broker.
const DATABASE: &str = "chat.db";

/// The file of a broker that is a Redis.
const REDIS: &str = "appendonly.aof";
/// After what time a Redis that has given up is started again.
const STARTED_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The machines of the server's side.
pub(super) fn build(chat: &Chat, site: &mut Site<'_>) {
    let options = options(chat, site.clients);
    if let Some(cluster) = &chat.cluster {
        return build_cluster(chat, cluster, options, site);
    }
    let observer = observer(chat, SERVER, site);
    site.server(SERVER, move || serve(options.clone(), observer.clone()));
}

fn build_cluster(chat: &Chat, cluster: &Cluster, options: ServerOptions, site: &mut Site<'_>) {
    let told = observer(chat, BROKER, site);
    let broker = match cluster.adapter {
        Adapter::Redis => site.machine(BROKER, move || serve_as_redis(told.clone())),
        Adapter::Log | Adapter::PubSub => site.machine(BROKER, move || serve_servers(told.clone())),
    };
    let address = site.address(broker);
    let options = ServerOptions {
        cluster: Some(squall_planted::Cluster {
            broker: match cluster.adapter {
                Adapter::Redis => format!("redis://{address}"),
                Adapter::Log | Adapter::PubSub => address.to_string(),
            },
            adapter: cluster.adapter,
        }),
        ..options
    };
    for (name, latency) in cluster.servers().names.iter().zip(&cluster.latencies) {
        let (mut options, told) = (options.clone(), observer(chat, name, site));
        cluster.limits(name, &chat.limits).apply(&mut options);
        let server = site.server(name, move || serve(options.clone(), told.clone()));
        let link = Link {
            latency: Latency::Fixed(latency.min()),
            ..Link::default()
        };
        site.world.set_link(server, broker, link);
    }
}

/// The rows in the database, or the entries in Redis.
pub(super) fn stored(chat: &Chat) -> Result<Vec<StoredMessage>, String> {
    let cluster = chat.cluster.as_ref();
    let rows = match cluster.map(|cluster| cluster.adapter) {
        Some(Adapter::Redis) => rows_in_redis().map_err(|error| error.to_string())?,
        Some(Adapter::Log | Adapter::PubSub) | None => rows().map_err(|error| error.to_string())?,
    };
    Ok(rows.into_iter().map(from_row).collect())
}

fn rows() -> Result<Vec<squall_planted::StoredMessage>, StorageError> {
    Database::open(Path::new(DATABASE))?.all()
}

fn rows_in_redis() -> io::Result<Vec<squall_planted::StoredMessage>> {
    let redis = squall_resp::Store::open(Path::new(REDIS))?;
    let entries = redis.entries(REDIS_LOG).iter();
    entries
        .map(|entry| read_entry(id(entry), entry.fields.last().map_or(&[], Vec::as_slice)))
        .collect()
}

/// The message of an entry in the log has its first number.
fn id(entry: &Entry) -> i64 {
    i64::try_from(entry.id.0).expect("messages are counted from one")
}

/// What is kept beside it for waiting sessions.
pub(super) fn kept() -> Vec<(Held, u64)> {
    let rows = rows_of_sessions(Path::new(DATABASE));
    let told = rows.map(|(sessions, packets)| {
        [
            (Held::StoredSessions, sessions as u64),
            (Held::StoredPackets, packets as u64),
        ]
    });
    told.into_iter().flatten().collect()
}

/// The broker's program.
async fn serve_servers(observer: Observer<ServerEvent>) {
    let (listener, stop) = listen().await;
    let (database, stop) = (Path::new(DATABASE), stop.requested());
    let served = squall_planted::serve_broker(listener, database, observer, stop).await;
    // A broker that gives up is a finding of the run.
    served.unwrap_or_else(|error| panic!("{error}"));
}

/// The program of a broker that is a Redis. It gives up when its disk fails, and is started again,
/// as Debian's is by its supervisor.
async fn serve_as_redis(observer: Observer<ServerEvent>) {
    let (mut listener, stop) = listen().await;
    let address = listener.local_addr().expect("it listens");
    let told: squall_resp::Told =
        Arc::new(move |entry: &Entry| observer(ServerEvent::Stored { id: id(entry) }));
    let again_and_again = async {
        loop {
            let Err(_) = squall_resp::serve(listener, Path::new(REDIS), told.clone()).await;
            sleep(STARTED_AGAIN_AFTER).await;
            listener = TcpListener::bind(address).await.expect("it is free again");
        }
    };
    tokio::select! {
        () = again_and_again => {}
        () = stop.requested() => {}
    }
}

/// A server's program.
async fn serve(options: ServerOptions, observer: Observer<ServerEvent>) {
    let (listener, stop) = listen().await;
    let (database, stop) = (Path::new(DATABASE), stop.requested());
    let served = squall_planted::serve(listener, database, options, observer, stop).await;
    // A server that gives up is a finding of the run.
    served.unwrap_or_else(|error| panic!("{error}"));
}

async fn listen() -> (TcpListener, Termination) {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT))
        .await
        .expect("nothing else listens on this machine");
    let stop = Termination::listen().expect("a machine has descriptors");
    (listener, stop)
}

fn options(chat: &Chat, clients: &[PlannedClient]) -> ServerOptions {
    let namespaces = clients.iter().map(|client| client.namespace.clone());
    let namespaces: IndexSet<String> = namespaces.collect();
    let mut options = ServerOptions {
        ping_interval: chat.ping_interval.min(),
        ping_timeout: chat.ping_timeout.min(),
        max_payload: chat.max_payload.into(),
        to_client: chat.to_client,
        namespaces: namespaces.into_iter().collect(),
        recovery: chat.recovery,
        recovery_window: chat.recovery_window.min(),
        presence: chat.presence,
        bug: chat.bug,
        ..ServerOptions::default()
    };
    chat.limits.apply(&mut options);
    options
}

/// Records what a server reports, under its name if there are several.
fn observer(chat: &Chat, server: &str, site: &Site<'_>) -> Observer<ServerEvent> {
    let log: Log = site.log.clone();
    let keeps_the_truth = chat.servers().keeper() == server;
    let holder = server.to_owned();
    let server = match chat.cluster {
        Some(_) => server.to_owned(),
        None => String::new(),
    };
    let names = site.clients.iter().map(|client| client.name.clone());
    let names: IndexSet<String> = names.collect();
    Arc::new(move |event| {
        let (name, kind) = match event {
            ServerEvent::SessionOpened {
                session,
                client,
                recovered,
                ..
            } => {
                let opened = EventKind::SessionOpened {
                    session,
                    recovered,
                    server: server.clone(),
                };
                (client, opened)
            }
            ServerEvent::SessionClosed {
                session,
                client,
                cause,
            } => {
                let closed = EventKind::SessionClosed {
                    session,
                    reason: cause.to_string(),
                    cause: end(cause),
                    server: server.clone(),
                };
                (client, closed)
            }
            ServerEvent::Stored { id } if keeps_the_truth => return log.stored(id),
            // It is a copy.
            ServerEvent::Stored { .. } => return,
            ServerEvent::Census(census) => return log.counted(&holder, census, held(census)),
            // The affected client is told, and its history says what came of it.
            ServerEvent::StorageFailed { reason } | ServerEvent::CutOff { reason } => {
                note(&format!("server: {reason}"));
                return;
            }
        };
        // Anyone else is a hostile peer, about which nothing is promised.
        if let Some(number) = names.get_index_of(&name) {
            log.add(ClientId(number as u32), kind);
        }
    })
}

/// What must not grow.
fn held(census: Census) -> Vec<(Held, u64)> {
    vec![
        (Held::Sessions, census.sessions as u64),
        (Held::WaitingSessions, census.waiting as u64),
        (Held::Rooms, census.rooms as u64),
        (Held::Places, census.connections as u64),
        (Held::PlacesOfAddresses, census.places as u64),
        (Held::Online, census.online as u64),
        (Held::Unanswered, census.unanswered as u64),
        (Held::GivenBytes, census.given_bytes as u64),
        (Held::QueuedBytes, census.queued_bytes),
        (Held::KeptPackets, census.kept_packets as u64),
        (Held::KeptBytes, census.kept_bytes as u64),
        (Held::UnsavedChanges, census.unsaved as u64),
    ]
}
