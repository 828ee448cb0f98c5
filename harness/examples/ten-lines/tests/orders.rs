use squall::prelude::*;

#[squall::test(seeds = 100)]
fn every_order_is_carried_out_once(world: &mut World) {
    let server = world.machine("server", ten_lines::server);
    let clients = world.machines(3, "client", move |me| {
        ten_lines::client(server.at(3000), me)
    });
    world.faults(
        partition(server, any(1, &clients))
            .between(2..8)
            .lasting(1..30),
    );
    world.faults(kill(any(1, &clients)).between(5..20).restarting_after(1..5));
    world.check(
        exactly_once()
            .sent("client", "order")
            .received("server", "order"),
    );
}

/// The defect that the test above found in the first version, kept so that it is still found.
#[squall::test(seeds = 100)]
#[should_panic(expected = "server received `")]
fn a_server_that_forgets_carries_some_out_twice(world: &mut World) {
    let server = world.machine("server", ten_lines::forgetful_server);
    let clients = world.machines(3, "client", move |me| {
        ten_lines::client(server.at(3000), me)
    });
    world.faults(
        partition(server, any(1, &clients))
            .between(2..8)
            .lasting(1..30),
    );
    world.check(
        exactly_once()
            .sent("client", "order")
            .received("server", "order"),
    );
}

#[test]
fn an_ordinary_test_beside_them() {
    squall_observe::sent("order", "nobody is watching");
}

#[test]
fn no_flags_are_needed() {
    assert!(
        !cfg!(tokio_unstable),
        "play this without Squall's own flags: RUSTFLAGS= cargo test"
    );
}
