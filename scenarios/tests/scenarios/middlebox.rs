//! A proxy between clients and the server.

use crate::scenario;
use squall::run;
use squall_guarantees::Lost;
use std::time::Duration;

const STALLS: &str = r#"
    [middlebox]
    kind = "stalls"
    clients = "bob"
    at = "2s"
    for = "3s"
"#;

#[test]
fn a_stall_is_a_silence_of_its_clients_alone() {
    let plan = scenario(STALLS).plan(1);
    let record = run(&plan).expect("the run comes to its end");
    let [silence] = &record.history.silences[..] else {
        panic!("{:?}", record.history.silences);
    };
    assert_eq!(silence.client.0, 1);
    assert_eq!(silence.lost, Lost::BothWays);
    let (from, until) = (Duration::from_secs(2), Duration::from_secs(5));
    assert_eq!((silence.from, silence.until), (from, until));
    assert_eq!(plan.healed_at(plan.ends_at()), until);
}

#[test]
fn what_a_middlebox_does_is_told() {
    let text = r#"
        [clients]
        names = ["bob"]
        [chat]
        transport = "websocket"
        [middlebox]
        kind = "refuses-websocket"
        for = "5s"
    "#;
    let plan = scenario(text).plan(1);
    let record = run(&plan).expect("the run comes to its end");
    let [first, ..] = &record.incidents[..] else {
        panic!("nothing was told");
    };
    assert_eq!(first.machine, "middlebox");
    assert_eq!(
        first.what,
        "answered a request for a WebSocket with 403 (Forbidden)"
    );
    let over = Duration::from_secs(5);
    assert!(record.incidents.iter().all(|incident| incident.at < over));
}

#[test]
fn a_middlebox_that_never_does_wrong_struck_nothing() {
    let hits = |after: &str| {
        let text = format!(
            r#"
            [clients]
            names = ["bob"]
            [chat]
            transport = "websocket"
            [middlebox]
            kind = "closes-idle"
            after = "{after}"
            "#
        );
        let plan = scenario(&text).plan(1);
        let record = run(&plan).expect("the run comes to its end");
        record.faults[0].hits
    };
    assert_eq!(hits("10min"), Some(0));
    assert!(hits("2s") > Some(0));
}

#[test]
fn a_partition_cuts_a_client_off_its_middlebox() {
    let text = r#"
        [clients]
        names = ["bob"]
        [middlebox]
        kind = "buffers-polling"
        hold = "0s"
        [[fault]]
        kind = "partition"
        victims = "bob"
        at = "0s"
        for = "30s"
    "#;
    let plan = scenario(text).plan(1);
    let record = run(&plan).expect("the run comes to its end");
    assert!(record.network.cut > 0);
    let first = record.history.database.first();
    assert_eq!(first.map(|row| row.content.as_str()), Some("bob 1"));
}
