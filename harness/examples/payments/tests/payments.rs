use squall::prelude::*;

fn payments(world: &mut World, with_keys: bool) {
    let server = world.machine("server", payments::server);
    let clients = world.machines(3, "client", move |me| {
        payments::client(server.at(80), me, with_keys)
    });
    world.latency(ms(5)..ms(100));
    world.faults(
        partition(server, any(1, &clients))
            .between(2..8)
            .lasting(1..20),
    );
    world.faults(
        one_way(server, any(1, &clients))
            .between(2..8)
            .lasting(1..10),
    );
    world.faults(pause(server).between(2..8).lasting(1..5));
    world.check(
        exactly_once()
            .sent("client", "payment")
            .received("server", "payment"),
    );
}

#[squall::test(seeds = 50)]
fn every_payment_is_booked_once(world: &mut World) {
    payments(world, true);
    world.check(
        acknowledged_within(1)
            .sent("client", "payment")
            .undisturbed_for(20),
    );
}

#[squall::test(seeds = 50)]
#[should_panic(expected = "server received `")]
fn without_idempotency_keys_some_are_booked_twice(world: &mut World) {
    payments(world, false);
}
