use board::CatchUp;
use squall::prelude::*;

fn posts(world: &mut World, catch_up: CatchUp) {
    let server = world.machine("server", board::server);
    let clients = world.machines(2..=4, "client", move |me| {
        board::client(server.at(8080), me, catch_up)
    });
    world.latency(ms(1)..ms(80));
    world.faults(
        partition(server, any(1, &clients))
            .between(2..8)
            .lasting(1..20),
    );
    world.faults(new_address(any(1, &clients)).between(2..12));
    world.check(
        at_least_once()
            .sent("client", "post")
            .received("client", "post"),
    );
    world.check(in_order().sent("client", "post").received("client", "post"));
}

#[squall::test(seeds = 50)]
fn everybody_reads_every_post_once_and_in_order(world: &mut World) {
    posts(world, CatchUp::Yes);
    world.check(
        at_most_once()
            .sent("client", "post")
            .received("client", "post"),
    );
}

#[squall::test(seeds = 50)]
#[should_panic(expected = "never received")]
fn who_does_not_catch_up_misses_some(world: &mut World) {
    posts(world, CatchUp::No);
}
