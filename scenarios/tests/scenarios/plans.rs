//! What the seed makes of a scenario.

use crate::scenario;
use squall::{Plan, Scenario};
use squall_cli::SYSTEMS;
use squall_reports::Engine;
use std::collections::BTreeSet;
use std::time::Duration;

const OPEN: &str = r#"
    workload.messages = "1..100"
    settle = "1s..60s"
    [[fault]]
    kind = "partition"
    victims = "any 2 of clients"
    at = "2s..8s"
    for = "1s..9s"
"#;

#[test]
fn the_same_seed_draws_the_same_plan() {
    let plan = |seed| format!("{:?}", scenario(OPEN).plan(seed));
    assert_eq!(plan(7), plan(7));
    assert_ne!(plan(7), plan(8));
}

#[test]
fn an_engine_changes_nothing_but_the_command_that_repeats_the_run() {
    let native = scenario(OPEN).plan(7);
    let turmoil = native.clone().on(Engine::Turmoil);
    assert_eq!(
        turmoil.command(),
        format!("{} --engine turmoil", native.command())
    );
    let again = turmoil.on(Engine::Native);
    assert_eq!(format!("{again:?}"), format!("{native:?}"));
}

#[test]
fn what_is_drawn_is_told_with_its_label() {
    insta::assert_debug_snapshot!(scenario(OPEN).plan(1).drawn);
}

#[test]
fn opening_one_value_does_not_move_the_others() {
    let fixed = scenario(&OPEN.replace("\"2s..8s\"", "\"3s\""))
        .plan(1)
        .drawn;
    let mut open = scenario(OPEN).plan(1).drawn;
    open.retain(|(what, _)| what != "fault 1: at");
    assert_eq!(fixed, open);
}

#[test]
fn drawn_values_stay_in_their_range() {
    let scenario = scenario(OPEN);
    for seed in 0..200 {
        let fault = &scenario.plan(seed).faults[0];
        let until = fault.until.expect("the fault ends");
        assert!((2..=8).contains(&fault.from.as_secs()), "{fault:?}");
        assert!(
            (1..=9).contains(&(until - fault.from).as_secs()),
            "{fault:?}"
        );
        assert_eq!(fault.victims.len(), 2, "{fault:?}");
    }
}

#[test]
fn a_correlation_that_is_drawn_stays_below_one() {
    let scenario = scenario(
        r#"
        link = { loss = 0.5, loss-correlation = "0.9..0.99999", latency = "20ms" }
        "#,
    );
    let drawn = |seed| {
        scenario
            .plan(seed)
            .drawn
            .last()
            .expect("it is told")
            .1
            .clone()
    };
    for seed in 0..500 {
        let value: f64 = drawn(seed).parse().expect("a number");
        assert!((0.9..1.0).contains(&value), "seed {seed}: {value}");
    }
}

#[test]
fn a_ring_stands_as_it_is_named_or_as_the_seed_says() {
    let ring = |victims| {
        scenario(&format!(
            r#"
            cluster.servers = 3
            [[fault]]
            kind = "partition"
            shape = "ring"
            victims = {victims}
            at = "1s"
            "#
        ))
    };
    let named = ring(r#"["carol", "server-2", "alice", "broker"]"#).plan(1);
    let victims = &named.faults[0].victims;
    assert_eq!(victims[..], ["carol", "server-2", "alice", "broker"]);
    let drawn = ring(r#""any 5 of machines""#);
    assert_ne!(drawn.plan(1).faults, drawn.plan(2).faults);
    assert_eq!(drawn.plan(1).faults[0].victims.len(), 5);
}

#[test]
fn a_bridge_for_good_is_a_part_of_the_world() {
    let healed_at = |shape| {
        let plan = scenario(&format!(
            r#"
            settle = "5s"
            cluster.servers = 2
            [[fault]]
            kind = "partition"
            {shape}
            victims = ["server-1", "alice"]
            at = "60s"
            "#
        ))
        .plan(1);
        plan.healed_at(plan.ends_at()).as_secs()
    };
    assert_eq!(healed_at("shape = 'bridge'\nbridge = 'broker'"), 60);
    assert_eq!(healed_at("shape = 'split'"), 65);
}

#[test]
fn a_run_settles_after_the_last_fault_and_the_last_message() {
    let plan = scenario(
        r#"
        settle = "5s"
        workload = { messages = 2, start = "1s", interval = "1s" }
        [[fault]]
        kind = "kill"
        victims = "server"
        at = "10s"
        for = "2s"
        "#,
    )
    .plan(1);
    assert_eq!(plan.healed_at(plan.ends_at()), Duration::from_secs(12));
    assert_eq!(plan.ends_at(), Duration::from_secs(17));
}

/// A fault that recurs, and one after it in the file.
const TUNNELS: &str = r#"
shows = "Tunnels."
clients.count = 6
settle = "5s"

[[fault]]
kind = "partition"
victims = "any of clients"
at = "2s..4s"
for = "1s..4s"
every = "5s..7s"
times = "3..5"

[[fault]]
kind = "kill"
victims = "server"
at = "1s"
for = "1s"
"#;

#[test]
fn a_fault_that_comes_again_is_drawn_anew_each_time() {
    let scenario = Scenario::parse("tunnels.toml", TUNNELS, SYSTEMS).expect("a right scenario");
    let (mut counts, mut same) = (BTreeSet::new(), BTreeSet::new());
    for seed in 1..=20 {
        let faults = scenario.plan(seed).faults;
        // The others in the file keep their places, and so their labels.
        assert_eq!(faults[1].label(2), "fault 2");
        let mut times = faults.clone();
        times.remove(1);
        counts.insert(times.len());
        for (pair, time) in times.windows(2).zip(2..) {
            let apart = pair[1].from - pair[0].from;
            assert!(
                (Duration::from_secs(5)..=Duration::from_secs(7)).contains(&apart),
                "{apart:?}"
            );
            assert!(pair[0].until < Some(pair[1].from));
            assert_eq!(pair[1].label(9), format!("fault 1, time {time}"));
        }
        same.insert(times[0].victims == times[1].victims);
    }
    assert_eq!(counts, BTreeSet::from([3, 4, 5]));
    assert!(
        same.contains(&false),
        "mostly it hits somebody else the next time"
    );
}

#[test]
fn a_plan_of_what_comes_again_is_written_and_read() {
    let scenario = Scenario::parse("tunnels.toml", TUNNELS, SYSTEMS).expect("a right scenario");
    let plan = scenario.plan(1);
    let read = Plan::parse("p.toml", &plan.to_toml(), SYSTEMS).expect("a right plan");
    assert_eq!(read.faults, plan.faults);
}
