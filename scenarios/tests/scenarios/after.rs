//! Faults that wait for something that happens in the run.

use crate::scenario;
use squall::{Plan, run, trace};
use squall_cli::SYSTEMS;
use squall_guarantees::{Event, EventKind};
use squall_reports::{InjectedFault, Record};
use std::time::Duration;

fn played(text: &str) -> Record {
    run(&scenario(text).plan(1)).expect("the run comes to its end")
}

/// When this happened to alice.
fn times(record: &Record, is: impl Fn(&EventKind) -> bool) -> Vec<Duration> {
    let events = record.history.events.iter();
    let own = events.filter(|event| event.client.0 == 0 && is(&event.kind));
    own.map(|event| event.at).collect()
}

fn fault<'r>(record: &'r Record, label: &str) -> &'r InjectedFault {
    let mut faults = record.faults.iter();
    faults.find(|it| it.label == label).expect("it is told")
}

const CUT: &str = "
    [[fault]]
    kind = 'partition'
    victims = 'alice'
    at = '3s'
    for = '12s'
";

/// Its server is killed when alice has come back.
const KILL: &str = "
    [[fault]]
    kind = 'kill'
    victims = 'server'
    after = { event = 'connected', client = 'alice', nth = 2 }
    at = '5ms'
    for = '2s'
";

fn is_connected(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Connected { .. })
}

#[test]
fn a_fault_strikes_to_the_nanosecond_after_what_it_waits_for() {
    let record = played(&format!("{CUT}{KILL}"));
    let connected = times(&record, is_connected);
    let kill = fault(&record, "fault 2");
    let from = connected[1] + Duration::from_millis(5);
    assert_eq!(kill.from, from);
    assert_eq!(kill.until, Some(from + Duration::from_secs(2)));
    assert!(kill.hits.is_some_and(|hits| hits > 0));
    assert_eq!(record.history.server_stops, [from]);
    assert_eq!(record.history.healed_at, from + Duration::from_secs(2));
}

#[test]
fn until_a_fault_strikes_that_waits_the_run_is_the_same_as_without_it() {
    let (with, without) = (played(&format!("{CUT}{KILL}")), played(CUT));
    let from = fault(&with, "fault 2").from;
    let until = |record: &Record| -> Vec<Event> {
        let events = record.history.events.iter();
        events.filter(|event| event.at < from).cloned().collect()
    };
    assert_eq!(until(&with), until(&without));
    assert!(!until(&with).is_empty());
}

#[test]
fn a_fault_whose_event_never_happens_strikes_nothing_and_excuses_nothing() {
    let never = KILL.replace("nth = 2", "nth = 20");
    let (with, without) = (played(&format!("{CUT}{never}")), played(CUT));
    assert_eq!(with.digest, without.digest);
    assert_eq!(with.history, without.history);
    assert_eq!(fault(&with, "fault 2").hits, Some(0));
}

#[test]
fn a_commit_can_be_waited_for() {
    let record = played(
        "[[fault]]\nkind = 'pause'\nvictims = 'server'\nafter = { event = 'stored', nth = 4 }\n\
         at = '20ms'\nfor = '1s'",
    );
    let rows = record.history.database.iter();
    let mut stored: Vec<Duration> = rows.filter_map(|row| row.stored_at).collect();
    stored.sort();
    let from = stored[3] + Duration::from_millis(20);
    assert_eq!(fault(&record, "fault 1").from, from);
}

#[test]
fn a_fault_waits_until_one_that_does_the_same_is_over() {
    let record = played(
        &format!(
            "{KILL}[[fault]]\nkind = 'power-loss'\nvictims = 'server'\n\
         after = {{ event = 'disconnected', client = 'alice' }}\nat = '1ms'\nfor = '1s'",
        )
        .replace("nth = 2", "nth = 1"),
    );
    let (kill, power) = (fault(&record, "fault 1"), fault(&record, "fault 2"));
    assert!(
        times(&record, |it| matches!(it, EventKind::Disconnected { .. }))[0] < kill.until.unwrap()
    );
    assert_eq!(Some(power.from), kill.until);
}

#[test]
fn a_plan_in_a_file_waits_as_well_and_is_the_same_run() {
    let plan = scenario(&format!("{CUT}{KILL}")).plan(3);
    let read = Plan::parse("p.toml", &plan.to_toml(), SYSTEMS).expect("a plan");
    let digest = |plan: &Plan| trace(plan).expect("the run comes to its end").digest;
    assert_eq!(digest(&plan), digest(&read));
}
