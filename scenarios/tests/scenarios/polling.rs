//! Clients that poll.

use crate::scenario;
use squall::run;
use squall_guarantees::EventKind;

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
