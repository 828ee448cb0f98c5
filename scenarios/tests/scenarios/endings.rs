//! When runs end.

use crate::scenario;
use squall::run;
use squall_guarantees::EventKind;
use squall_reports::Record;
use std::time::Duration;

fn played(text: &str) -> (Duration, Record) {
    let plan = scenario(text).plan(1);
    let record = run(&plan).expect("the run comes to its end");
    (plan.ends_at(), record)
}

/// How many messages were acknowledged, and how many are stored.
fn arrived(record: &Record) -> (usize, usize) {
    let events = record.history.events.iter();
    let is_acknowledged =
        |kind: &EventKind| matches!(kind, EventKind::Ok { acknowledged, .. } if *acknowledged);
    let acknowledged = events.filter(|event| is_acknowledged(&event.kind));
    (acknowledged.count(), record.history.database.len())
}

#[test]
fn a_run_goes_on_while_an_outbox_drains_over_a_long_link() {
    let (planned, record) = played(
        r#"
        clients.count = 1
        link.latency = "250ms"
        workload = { messages = 400, interval = "50ms" }
        "#,
    );
    assert_eq!(arrived(&record), (400, 400));
    assert!(record.duration > planned);
    assert_eq!(record.history.ended_at, record.duration);
}

#[test]
fn a_run_goes_on_while_an_outbox_drains_after_an_outage() {
    let (_, record) = played(
        r#"
        clients.count = 1
        link.latency = "60ms"
        workload = { messages = 1200, interval = "500ms" }
        [[fault]]
        kind = "partition"
        victims = "alice"
        at = "2s"
        for = "10min"
        "#,
    );
    assert_eq!(arrived(&record), (1200, 1200));
}

#[test]
fn a_run_in_which_nothing_waits_ends_as_planned() {
    let (planned, record) = played("workload.messages = 5");
    assert_eq!(record.duration, planned);
}

#[test]
fn a_run_ends_though_a_server_that_is_gone_for_good_acknowledges_nothing() {
    let (planned, record) = played(
        r#"
        settle = "0s"
        [[fault]]
        kind = "kill"
        victims = "server"
        at = "2s"
        "#,
    );
    let longer = record.duration - planned;
    assert!(longer < Duration::from_secs(10 * 60), "{longer:?}");
}

#[test]
fn who_does_not_run_at_the_end_is_not_waited_for() {
    let (planned, record) = played(
        r#"
        clients.count = 1
        chat.outbox = "disk"
        [[fault]]
        kind = "partition"
        victims = "alice"
        at = "2s"
        [[fault]]
        kind = "kill"
        victims = "alice"
        at = "12s"
        "#,
    );
    assert_eq!(record.duration, planned);
}
