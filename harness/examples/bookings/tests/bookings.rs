use bookings::Writing;
use squall::prelude::*;

fn offices(world: &mut World, writing: Writing) {
    let postgres = world.machine("postgres", bookings::postgres);
    let offices = world.machines(2, "office", move |me| {
        bookings::office(postgres.at(5432), me, writing)
    });
    world.latency(ms(50)..ms(150));
    world.faults(kill(postgres).between(2..8).restarting_after(1..4));
    world.faults(one_way(postgres, any(1, &offices)).between(2..8).lasting(1..5));
    world.check(
        exactly_once()
            .sent("office", "booking")
            .received("postgres", "booking"),
    );
}

#[squall::test(seeds = 50)]
fn every_booking_is_written_down_once(world: &mut World) {
    offices(world, Writing::UnderKey);
}

#[squall::test(seeds = 50)]
#[should_panic(expected = "2 times")]
fn what_is_written_again_is_another_row(world: &mut World) {
    offices(world, Writing::AsRow);
}
