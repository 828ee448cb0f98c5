use seats::AskedAgain;
use squall::prelude::*;

fn visitors(world: &mut World, asked_again: AskedAgain) {
    let server = world.machine("server", move || seats::server(asked_again));
    let clients = world.machines(3, "client", move |me| seats::client(server.at(50051), me));
    world.latency(ms(1)..ms(50));
    world.faults(
        one_way(server, any(1, &clients))
            .between(2..8)
            .lasting(1..15),
    );
    world.faults(latency(server, &clients, ms(500)..ms(3000)).lasting(1..5));
    world.traced([
        event("asking for a seat").sent("visitor", "visitor"),
        event("seat assigned").received("visitor", "visitor"),
        event("got a seat").acknowledged("visitor", "visitor"),
    ]);
    world.check(
        exactly_once()
            .sent("client", "visitor")
            .received("server", "visitor"),
    );
}

#[squall::test(seeds = 50)]
fn every_visitor_is_assigned_one_seat(world: &mut World) {
    visitors(world, AskedAgain::Same);
}

#[squall::test(seeds = 50)]
#[should_panic(expected = "server received `")]
fn who_asks_again_is_assigned_another(world: &mut World) {
    visitors(world, AskedAgain::Next);
}
