use jobs::Taking;
use squall::prelude::*;

fn queue(world: &mut World, taking: Taking) {
    let redis = world.machine("redis", jobs::redis);
    let producer = world.machine("producer", move || jobs::producer(redis.at(6379)));
    let workers = world.machines(2, "worker", move |me| {
        jobs::worker(redis.at(6379), me, taking)
    });
    world.faults(kill(any(1, &workers)).between(2..10).restarting_after(1..5));
    world.faults(partition(redis, producer).between(2..8).lasting(1..5));
    world.faults(one_way(redis, any(1, &workers)).between(2..8).lasting(1..5));
    world.check(
        at_least_once()
            .sent("producer", "job")
            .received_by_one_of("worker", "job"),
    );
}

#[squall::test(seeds = 50)]
fn every_job_is_done(world: &mut World) {
    queue(world, Taking::Moves);
}

#[squall::test(seeds = 50)]
#[should_panic(expected = "received `")]
fn a_job_that_was_popped_is_gone_with_its_worker(world: &mut World) {
    queue(world, Taking::Pops);
}
