//! Clients that poll.

use crate::scenario;
use squall::run;
use squall_guarantees::{EventKind, Held};

/// A polling client has a second connection, which is idle for long once nothing is said any more.
/// It uses that one for its next request while the first waits for an answer.
#[test]
fn an_idle_connection_of_a_polling_client_is_not_closed_under_its_next_request() {
    let scenario = scenario(
        r#"
        link.latency = { uniform = ["5ms", "80ms"] }
        chat = { transport = "polling", ping-interval = "5s", ping-timeout = "4s" }
        workload = { messages = 20, interval = "20ms..200ms" }
        settle = "4min"
        "#,
    );
    for seed in 1..=12 {
        let record = run(&scenario.plan(seed)).expect("it comes to its end");
        let mut events = record.history.events.iter();
        let lost = events.find(|event| matches!(event.kind, EventKind::Disconnected { .. }));
        assert_eq!(lost, None, "seed {seed}");
    }
}

/// A ping that finds the queue of its connection full ends the connection. Typing was not counted
/// among what is in the queue, and where sessions are kept, nothing was but what is kept.
#[test]
fn a_polling_client_keeps_its_connection_however_fast_others_type() {
    for recovery in ["", "recovery = 'memory'"] {
        let scenario = scenario(&format!(
            r#"
            clients.names = ["alice", "bob", "carol"]
            client.alice = {{ messages = 0, transport = "polling" }}
            link.latency = "150ms"
            workload.messages = 60
            workload.start = "4s"
            workload.interval = "1ms..20ms"
            workload.mix = {{ typing = 3, all = 1 }}
            [chat]
            ping-interval = "700ms"
            ping-timeout = "3s"
            queue = 16
            {recovery}
            "#
        ));
        for seed in 1..=6 {
            let record = run(&scenario.plan(seed)).expect("it comes to its end");
            let mut events = record.history.events.iter();
            let lost = events.find(|event| matches!(event.kind, EventKind::SessionClosed { .. }));
            assert_eq!(lost, None, "seed {seed}, {recovery}");
        }
    }
}

/// Each request may have a connection of its own: that the goodbye found no port said nothing about
/// the request that waited for an answer. The client library went on with that one, and the server
/// kept the session for ever.
#[test]
fn a_goodbye_for_which_no_port_was_free_is_said_again() {
    let scenario = scenario(
        r#"
        clients.names = ["alice", "bob"]
        chat.transport = "polling"
        workload = { messages = 20, interval = "500ms..1s" }
        [[fault]]
        kind = "ports-used-up"
        victims = "alice"
        free = 0
        at = "5s"
        for = "12s"
        [[fault]]
        kind = "address-change"
        victims = "alice"
        at = "6s"
        "#,
    );
    for seed in 1..=6 {
        let record = run(&scenario.plan(seed)).expect("it comes to its end");
        let mut leftovers = record.history.leftovers.iter();
        let sessions = leftovers.find(|it| it.what == Held::Sessions);
        let sessions = sessions.expect("the server counts them");
        assert_eq!(sessions.count, 2, "seed {seed}");
    }
}
