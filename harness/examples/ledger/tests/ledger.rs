use ledger::Synchronous;
use squall::prelude::*;

fn entries(world: &mut World, synchronous: Synchronous) {
    let server = world.machine("server", move || ledger::server(synchronous));
    world.machines(2, "client", move |me| ledger::client(server.at(7000), me));
    world.faults(power_loss(server).between(2..10).restarting_after(1..5));
    world.faults(kill_at_work(server).between(12..18).restarting_after(1..5));
    world.finally(server, ledger::tell_all);
    world.check(
        durable()
            .sent("client", "entry")
            .received("server", "stored"),
    );
    world.check(
        exactly_once()
            .sent("client", "entry")
            .received("server", "stored"),
    );
}

#[squall::test(seeds = 50)]
fn what_was_confirmed_survives_a_power_loss(world: &mut World) {
    entries(world, Synchronous::Full);
}

#[squall::test(seeds = 50)]
#[should_panic(expected = "server never received `")]
fn what_was_not_synced_does_not(world: &mut World) {
    entries(world, Synchronous::Off);
}
