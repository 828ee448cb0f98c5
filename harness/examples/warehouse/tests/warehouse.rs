use squall::prelude::*;
use warehouse::Storing;

fn orders(world: &mut World, storing: Storing) {
    let server = world.machine("server", move || warehouse::server(storing));
    world.machines(2, "client", move |me| {
        warehouse::client(server.at(7000), me)
    });
    world.faults(
        kill_at_work(server)
            .between(1..8)
            .restarting_after(1..3)
            .times(1..=3),
    );
    world.faults(power_loss(server).between(9..12).restarting_after(1..3));
    world.check(
        at_least_once()
            .sent("client", "order")
            .received("server", "order"),
    );
}

#[squall::test(seeds = 50)]
fn stock_and_orders_add_up(world: &mut World) {
    orders(world, Storing::InATransaction);
}

#[squall::test(seeds = 50)]
#[should_panic(expected = "are taken, for")]
fn without_a_transaction_they_do_not(world: &mut World) {
    orders(world, Storing::OneByOne);
}
