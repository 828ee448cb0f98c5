use squall::prelude::*;
use statements::End;

fn statements(world: &mut World, end: End) {
    let server = world.machine("server", statements::server);
    let clients = world.machines(2, "client", move |_| {
        statements::client(server.at(443), end)
    });
    world.latency(ms(1)..ms(50));
    world.faults(kill(server).between(2..8).restarting_after(1..5));
    world.faults(
        partition(server, any(1, &clients))
            .between(2..8)
            .lasting(1..8),
    );
}

#[squall::test(seeds = 50)]
fn every_statement_has_all_its_lines(world: &mut World) {
    statements(world, End::Said);
}

#[squall::test(seeds = 50)]
#[should_panic(expected = "a statement has all its lines")]
fn what_is_cut_short_is_taken_for_whole(world: &mut World) {
    statements(world, End::Silence);
}
