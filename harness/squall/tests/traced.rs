//! A service that knows nothing of Squall: what it does is told by the events that it gives to
//! `tracing`.
#![cfg(feature = "tracing")]

use squall::prelude::*;
use std::collections::BTreeSet;
use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::thread::sleep;
use std::time::Duration;
use tracing::{info, info_span};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

/// Stores orders and confirms each; one that comes again is stored again, unless it remembers.
fn serve(remembers: bool) -> io::Result<()> {
    let server = UdpSocket::bind("0.0.0.0:3000")?;
    let mut known = BTreeSet::new();
    loop {
        let mut order = [0; 8];
        let (_, client) = server.recv_from(&mut order)?;
        let _request = info_span!("request", order = u64::from_le_bytes(order)).entered();
        if known.insert(order) || !remembers {
            info!("order stored");
        }
        server.send_to(&order, client)?;
    }
}

fn remembering() -> io::Result<()> {
    serve(true)
}

/// The same, with a subscriber that it sets itself.
fn subscribing() -> io::Result<()> {
    let subscriber = registry().with(squall::layer());
    tracing::subscriber::set_global_default(subscriber).unwrap();
    serve(true)
}

fn order(server: SocketAddr, me: usize) -> io::Result<()> {
    let client = UdpSocket::bind("0.0.0.0:0")?;
    client.set_read_timeout(Some(Duration::from_secs(1)))?;
    for number in 0..10 {
        let order = 10 * me as u64 + number;
        info!(order, "placing an order");
        client.send_to(&order.to_le_bytes(), server)?;
        while client.recv(&mut [0; 8]).is_err() {
            client.send_to(&order.to_le_bytes(), server)?;
        }
        info!(squall.acknowledged = "order", id = order, "confirmed");
        sleep(Duration::from_secs(1));
    }
    Ok(())
}

fn orders(world: &mut World, server: Machine) {
    let clients = world.machines(2, "client", move |me| order(server.at(3000), me));
    world.faults(
        one_way(server, any(1, &clients))
            .between(2..8)
            .lasting(1..10),
    );
    world.traced([
        event("placing an order").sent("order", "order"),
        event("order stored").received("order", "order"),
    ]);
    world.check(
        exactly_once()
            .sent("client", "order")
            .received("server", "order"),
    );
    world.check(
        durable()
            .sent("client", "order")
            .received("server", "order"),
    );
}

#[squall::test(seeds = 10)]
fn a_service_that_tells_nothing_of_its_own_is_judged(world: &mut World) {
    let server = world.machine("server", remembering);
    orders(world, server);
    world.check_that(
        "all twenty are sent, stored and confirmed",
        |run| match run.told.len() {
            60 => Ok(()),
            other => Err(format!("{other} things were told")),
        },
    );
}

#[squall::test(seeds = 20)]
#[should_panic(expected = "server received `")]
fn what_its_events_say_can_break_a_guarantee(world: &mut World) {
    let server = world.machine("server", || serve(false));
    orders(world, server);
}

#[squall::test(seeds = 5)]
fn it_can_have_a_subscriber_of_its_own(world: &mut World) {
    let server = world.machine("server", subscribing);
    world.traced([event("order stored").received("order", "order")]);
    world.own_subscribers();
    world.machine("client", move || {
        let subscriber = registry().with(squall::layer());
        tracing::subscriber::set_global_default(subscriber).unwrap();
        squall::sent("order", 0);
        order(server.at(3000), 0)
    });
    world.check(
        at_least_once()
            .sent("client", "order")
            .received("server", "order"),
    );
}

#[squall::test(seeds = 1)]
#[should_panic(expected = "let it add `squall_observe::layer()` to it")]
fn two_subscribers_in_one_process_are_told_of(world: &mut World) {
    let server = world.machine("server", subscribing);
    orders(world, server);
}

#[squall::test(seeds = 2)]
#[should_panic(expected = "the event `order storred` has told nothing: no program has said it")]
fn an_event_that_nobody_says_is_told_of(world: &mut World) {
    let server = world.machine("server", remembering);
    orders(world, server);
    world.traced([event("order storred").received("order", "order")]);
}
