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
        chat.connect-timeout = "3133ms"
        chat.outbox = "disk"
        chat.ping-interval = "11394ms"
        chat.ping-timeout = "3122ms"
        chat.presence = "on"
        chat.transport = "any"
        clients.count = 4
        clients.rooms = ["lobby", "kitchen", "garden"]
        link = { latency = "8ms", reorder = "16%", reorder-by = "29ms" }
        [workload]
        interval = "50ms..500ms"
        messages = 16
        mix = { join = 1, nickname = 1, private = 1, room = 3, typing = 2 }
        [[fault]]
        kind = "address-change"
        victims = ["bob", "dave"]
        at = "9096ms"
        [[fault]]
        kind = "reset"
        victims = "bob"
        to = "both"
        at = "8617ms"
        for = "295ms"
        [[fault]]
        kind = "ports-used-up"
        victims = "bob"
        free = 2
        at = "1047ms"
        for = "14700ms"
        "#,
    );
    for seed in [1, 719] {
        let record = run(&scenario.plan(seed)).expect("it comes to its end");
        let mut leftovers = record.history.leftovers.iter();
        let sessions = leftovers.find(|it| it.what == Held::Sessions);
        let sessions = sessions.expect("the server counts them");
        assert_eq!(sessions.count, 4, "seed {seed}");
    }
}
