//! The server's side of a world: the one server, or a cluster of them and its broker.

use super::events::end;
use super::{DATABASE, Log, PORT, tutorial};
use crate::cast::{BROKER, SERVER};
use crate::chat::System;
use crate::cluster::PlannedCluster;
use crate::plan::Plan;
use indexmap::{IndexMap, IndexSet};
use squall_chat::{Cluster, Observer, ServerEvent, ServerOptions, Termination};
use squall_guarantees::{ClientId, EventKind};
use squall_simulator::{Latency, Link, MachineId, World, note};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpListener;

/// The machines that clients can connect to, in order.
pub(super) fn build(
    plan: &Plan,
    world: &mut World,
    log: &Log,
    machines: &mut IndexMap<String, MachineId>,
) -> Vec<MachineId> {
    if let Some(cluster) = &plan.cluster {
        return build_cluster(plan, cluster, world, log, machines);
    }
    let server = match plan.system {
        System::Chat => {
            let options = server_options(plan);
            let observer = server_observer(plan, SERVER, log.clone());
            world.machine(SERVER, move || {
                serve_chat(options.clone(), observer.clone())
            })
        }
        System::Tutorial => {
            let options = tutorial::server_options(&plan.chat);
            world.machine(SERVER, move || tutorial::serve(options.clone()))
        }
    };
    machines.insert(SERVER.to_owned(), server);
    vec![server]
}

fn build_cluster(
    plan: &Plan,
    cluster: &PlannedCluster,
    world: &mut World,
    log: &Log,
    machines: &mut IndexMap<String, MachineId>,
) -> Vec<MachineId> {
    let observer = server_observer(plan, BROKER, log.clone());
    let broker = world.machine(BROKER, move || serve_servers(observer.clone()));
    machines.insert(BROKER.to_owned(), broker);
    let options = ServerOptions {
        cluster: Some(Cluster {
            broker: SocketAddr::from((world.address(broker), PORT)),
            adapter: cluster.adapter,
        }),
        ..server_options(plan)
    };
    let mut servers = Vec::new();
    for (name, &latency) in plan.servers.iter().zip(&cluster.latencies) {
        let options = options.clone();
        let observer = server_observer(plan, name, log.clone());
        let program = move || serve_chat(options.clone(), observer.clone());
        let server = world.machine(name, program);
        let link = Link {
            latency: Latency::Fixed(latency),
            ..Link::default()
        };
        world.set_link(server, broker, link);
        machines.insert(name.clone(), server);
        servers.push(server);
    }
    servers
}

/// The broker's program.
async fn serve_servers(observer: Observer<ServerEvent>) {
    let (listener, stop) = listen().await;
    let (database, stop) = (Path::new(DATABASE), stop.requested());
    let served = squall_chat::serve_broker(listener, database, observer, stop).await;
    // A broker that gives up is a finding of the run.
    served.unwrap_or_else(|error| panic!("{error}"));
}

/// A server's program.
async fn serve_chat(options: ServerOptions, observer: Observer<ServerEvent>) {
    let (listener, stop) = listen().await;
    let (database, stop) = (Path::new(DATABASE), stop.requested());
    let served = squall_chat::serve(listener, database, options, observer, stop).await;
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

fn server_options(plan: &Plan) -> ServerOptions {
    let (chat, defaults) = (&plan.chat, ServerOptions::default());
    let namespaces = plan.clients.iter().map(|client| client.namespace.clone());
    let namespaces: IndexSet<String> = namespaces.collect();
    ServerOptions {
        ping_interval: chat.ping_interval.min(),
        ping_timeout: chat.ping_timeout.min(),
        max_payload: chat.max_payload.into(),
        to_client: chat.to_client,
        max_connections: chat
            .max_connections
            .map_or(defaults.max_connections, |most| most as usize),
        max_connections_per_address: chat
            .max_connections_per_address
            .map_or(defaults.max_connections_per_address, |most| most as usize),
        namespaces: namespaces.into_iter().collect(),
        recovery: chat.recovery,
        recovery_window: chat.recovery_window.min(),
        presence: chat.presence,
        bug: chat.bug,
        ..defaults
    }
}

/// What a server is told, under its name if there are several.
fn server_observer(plan: &Plan, server: &str, log: Log) -> Observer<ServerEvent> {
    let (holder, keeper) = (server.to_owned(), plan.keeper());
    let server = match plan.cluster {
        Some(_) => server.to_owned(),
        None => String::new(),
    };
    let names = plan.clients.iter().map(|client| client.name.clone());
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
            ServerEvent::Stored { id } if holder == keeper => return log.stored(id),
            // A copy.
            ServerEvent::Stored { .. } => return,
            ServerEvent::Census(census) => return log.counted(&holder, census),
            // The client that this happened to is told, and its history says what came of it.
            ServerEvent::StorageFailed { reason } | ServerEvent::CutOff { reason } => {
                note(&format!("server: {reason}"));
                return;
            }
        };
        // Anybody else is a hostile peer, of whom nothing is promised.
        if let Some(number) = names.get_index_of(&name) {
            log.add(ClientId(number as u32), kind);
        }
    })
}
