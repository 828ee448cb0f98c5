//! The engines: each runs a crowd, and returns how much virtual time passed until it ended.

use crate::crowd::{Crowd, Talk, chat_server, server};
use squall_simulator::{Engine, Latency, Link, simulate_on};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::select;
use tokio::time::sleep;
use turmoil_net::fixture::ClientServer;

/// How long a packet travels, on every engine.
const LATENCY: Duration = Duration::from_millis(1);

/// turmoil's tick: the length of one step.
const TICK: Duration = Duration::from_millis(1);

/// How often per run an engine that would run to the end by itself is stopped to read the real
/// clock.
const LOOKS: u32 = 1000;

const PORT: u16 = 7;

pub(crate) fn squall(crowd: &Crowd) -> Option<Duration> {
    let step = crowd.load.virtual_time / LOOKS;
    Some(in_our_world(Engine::Native, step, crowd))
}

pub(crate) fn squall_on_turmoil(crowd: &Crowd) -> Option<Duration> {
    Some(in_our_world(Engine::Turmoil, TICK, crowd))
}

fn in_our_world(engine: Engine, step: Duration, crowd: &Crowd) -> Duration {
    use tokio::net::{TcpListener, TcpStream};
    let chat = crowd.load.talk == Talk::Chat;
    simulate_on(engine, 1, |world| {
        world.set_default_link(Link {
            latency: Latency::Fixed(LATENCY),
            ..Link::default()
        });
        let machine = world.machine("server", move || async move {
            let listener = TcpListener::bind(("0.0.0.0", PORT)).await.expect("free");
            match chat {
                true => chat_server(listener).await,
                false => server(|| listener.accept()).await,
            }
        });
        let address = SocketAddr::from((world.address(machine), PORT));
        for client in 0..crowd.clients {
            let (name, crowd) = (format!("client-{client}"), crowd.clone());
            match chat {
                true => world.machine(&name, move || crowd.chat_client(client, address)),
                false => world.machine(&name, move || {
                    crowd.client(client, TcpStream::connect(address))
                }),
            };
        }
        while !crowd.is_over(world.now()) {
            world
                .run_until(world.now() + step)
                .expect("all of it can be simulated");
        }
        assert_eq!(world.panics(), []);
        world.now()
    })
}

pub(crate) fn turmoil(crowd: &Crowd) -> Option<Duration> {
    use turmoil::net::{TcpListener, TcpStream};
    if crowd.load.talk == Talk::Chat {
        return None;
    }
    let mut sim = turmoil::Builder::new()
        .rng_seed(1)
        .simulation_duration(crowd.load.virtual_time * 2)
        .min_message_latency(LATENCY)
        .max_message_latency(LATENCY)
        .build();
    sim.host("server", || async {
        let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
        server(|| listener.accept()).await;
        Ok(())
    });
    for client in 0..crowd.clients {
        let program = crowd.client(client, TcpStream::connect(("server", PORT)));
        sim.client(format!("client-{client}"), async {
            program.await;
            Ok(())
        });
    }
    while !crowd.is_over(sim.elapsed()) {
        sim.step().expect("no program ends");
    }
    Some(sim.elapsed())
}

pub(crate) fn turmoil_net(crowd: &Crowd) -> Option<Duration> {
    use turmoil_net::shim::tokio::net::{TcpListener, TcpStream};
    if crowd.load.talk == Talk::Chat {
        return None;
    }
    let server_address = ("server", PORT);
    let mut hosts = ClientServer::new().server("server", async move {
        turmoil_net::rule(turmoil_net::Latency::fixed(LATENCY)).forget();
        let listener = TcpListener::bind(("0.0.0.0", PORT)).await.expect("free");
        server(|| listener.accept()).await;
    });
    for client in 1..crowd.clients {
        hosts = hosts.server(
            format!("client-{client}"),
            crowd.client(client, TcpStream::connect(server_address)),
        );
    }
    // The fixture runs until its last host's program ends: this is the one that reads the clocks.
    let program = crowd.client(0, TcpStream::connect(server_address));
    let crowd = crowd.clone();
    let virtual_time = hosts.run("client-0", async move {
        let begin = tokio::time::Instant::now();
        let step = crowd.load.virtual_time / LOOKS;
        let clock = async {
            while !crowd.is_over(begin.elapsed()) {
                sleep(step).await;
            }
        };
        select! {
            () = program => unreachable!("a client never ends"),
            () = clock => begin.elapsed(),
        }
    });
    Some(virtual_time)
}
