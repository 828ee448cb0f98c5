use letters::Registered;
use squall::prelude::*;

fn letters(world: &mut World, registered: Registered) {
    let server = world.machine("server", letters::server);
    let clients = world.machines(3, "client", move |me| {
        letters::client(server.at(3000), me, registered)
    });
    world.latency(ms(1)..ms(50));
    world.faults(kill(server).between(2..8).restarting_after(1..5));
    world.faults(
        partition(server, any(1, &clients))
            .between(2..8)
            .lasting(1..15),
    );
    world.observe(wire::socketio("letter"));
    world.check(
        at_least_once()
            .sent("client", "letter")
            .received("server", "letter"),
    );
}

#[squall::test(seeds = 50)]
fn every_registered_letter_arrives(world: &mut World) {
    letters(world, Registered::Yes);
}

#[squall::test(seeds = 50)]
#[should_panic(expected = "server never received `")]
fn of_the_others_some_are_lost(world: &mut World) {
    letters(world, Registered::No);
}
