//! Clients that come late, and clients that leave for good.

use crate::scenario;
use squall::{Plan, run};
use squall_cli::SYSTEMS;
use squall_guarantees::{EventKind, Guarantee, Verdict, check};
use squall_reports::Record;
use std::time::Duration;

fn played(text: &str) -> Record {
    run(&scenario(text).plan(1)).expect("the run comes to its end")
}

/// When this happened to bob.
fn times(record: &Record, is: impl Fn(&EventKind) -> bool) -> Vec<Duration> {
    let events = record.history.events.iter();
    let own = events.filter(|event| event.client.0 == 1 && is(&event.kind));
    own.map(|event| event.at).collect()
}

fn verdict(record: &Record, guarantee: Guarantee) -> String {
    let mut verdicts = check(&record.history).into_iter();
    let verdict = verdicts.find(|(it, _)| *it == guarantee);
    match verdict.expect("each has one").1 {
        Verdict::Held(exercise) => format!("held: {exercise}"),
        Verdict::Violated(violation) => format!("violated: {violation}"),
        Verdict::NotExercised(_) => "not exercised".to_owned(),
    }
}

const LATE: &str = "client.bob = { comes = '20s', messages = 0 }\n";

#[test]
fn a_program_is_started_when_its_user_comes_and_ends_when_it_leaves() {
    let record = played("client.bob = { comes = '5s', leaves = '9s' }");
    let is = |wanted: EventKind| times(&record, |kind| *kind == wanted);
    assert_eq!(is(EventKind::Started), [Duration::from_secs(5)]);
    let [stopped] = is(EventKind::Stopped)[..] else {
        panic!("it ends once")
    };
    let goodbye = stopped.saturating_sub(Duration::from_secs(9));
    assert!(goodbye < Duration::from_secs(1), "{goodbye:?}");
    let meant = |kind: &EventKind| matches!(kind, EventKind::Disconnected { .. });
    assert_eq!(times(&record, meant).len(), 1);
}

#[test]
fn a_machine_that_is_killed_while_its_user_is_away_starts_no_program() {
    let kill = |at| format!("[[fault]]\nkind = 'kill'\nvictims = 'bob'\nat = '{at}'\nfor = '1s'\n");
    let stay = "client.bob = { comes = '5s', leaves = '12s' }\n";
    let record = played(&format!(
        "{stay}{}{}{}",
        kill("1s"),
        kill("7s"),
        kill("15s")
    ));
    let starts = times(&record, |kind| *kind == EventKind::Started);
    assert_eq!(starts, [5, 8].map(Duration::from_secs));
    let ends = times(&record, |kind| *kind == EventKind::Stopped);
    assert_eq!(ends.len(), 2, "{ends:?}");
}

#[test]
fn who_comes_late_is_due_what_was_said_before() {
    let caught_up = played(LATE);
    insta::assert_snapshot!(verdict(&caught_up, Guarantee::DurabilityToDelivery), @"held: 60 deliveries of stored messages");
    let live_only = played(&format!("{LATE}chat.to-client = 'live-only'"));
    let verdict = verdict(&live_only, Guarantee::DurabilityToDelivery);
    assert!(
        verdict.starts_with("violated: bob never handled"),
        "{verdict}"
    );
}

#[test]
fn who_has_left_is_due_nothing() {
    let record = played("client.bob = { leaves = '5s', messages = 2 }");
    insta::assert_snapshot!(verdict(&record, Guarantee::ExactlyOnce), @"held: 22 messages (12 excused: its program was not running)");
    insta::assert_snapshot!(verdict(&record, Guarantee::Detection), @"not exercised");
}

#[test]
fn a_plan_in_a_file_has_the_same_stays() {
    let plan = scenario("client.bob = { comes = '5s..9s', leaves = '10s..12s' }").plan(4);
    let read = Plan::parse("p.toml", &plan.to_toml(), SYSTEMS).expect("a plan");
    assert_eq!(read.clients, plan.clients);
}
