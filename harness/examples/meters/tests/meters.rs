use meters::ToldAgain;
use squall::prelude::*;

fn readings(world: &mut World, told_again: ToldAgain) {
    let server = world.machine("server", move || meters::server(told_again));
    let meters = world.machines(3, "meter", move |me| meters::meter(server.at(4433), me));
    world.latency(ms(5)..ms(100));
    world.faults(
        partition(server, any(1, &meters))
            .between(2..8)
            .lasting(1..20),
    );
    world.faults(new_address(any(1, &meters)).between(2..8));
    world.check(
        exactly_once()
            .sent("meter", "reading")
            .received("server", "reading"),
    );
}

#[squall::test(seeds = 50)]
fn every_reading_is_noted_once(world: &mut World) {
    readings(world, ToldAgain::Known);
}

#[squall::test(seeds = 50)]
#[should_panic(expected = "server received `")]
fn what_is_told_again_is_noted_again(world: &mut World) {
    readings(world, ToldAgain::Noted);
}
