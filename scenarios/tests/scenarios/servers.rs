//! What is different for one server of a cluster.

use crate::scenario;
use squall::{Scenario, run};
use squall_cli::SYSTEMS;
use squall_guarantees::{Event, EventKind, Guarantee, Verdict, check};
use std::collections::BTreeMap;

#[test]
fn a_server_without_a_place_leaves_its_clients_to_the_next_one() {
    let sessions = |own: &str| {
        let text = format!("clients.count = 4\ncluster.servers = 2\n{own}");
        let record = run(&scenario(&text).plan(1)).expect("the run comes to its end");
        let mut sessions: BTreeMap<String, usize> = BTreeMap::new();
        for event in record.history.events {
            if let EventKind::SessionOpened { server, .. } = event.kind {
                *sessions.entry(server).or_default() += 1;
            }
        }
        ["server-1", "server-2"].map(|server| sessions.get(server).copied().unwrap_or_default())
    };
    assert_eq!(sessions(""), [2, 2]);
    assert_eq!(sessions("server.server-1.max-connections = 1"), [1, 3]);
}

#[test]
fn a_server_may_be_far_from_the_broker() {
    let plan = |own: &str| {
        let text = format!("cluster = {{ servers = 3, latency = '2ms' }}\n{own}");
        scenario(&text).plan(1)
    };
    let far = plan("server.server-2.latency = '50ms'").to_toml();
    assert!(
        far.contains("latencies = [\"2ms\", \"50ms\", \"2ms\"]"),
        "{far}"
    );
    let bounds = |own: &str| plan(own).bounds().live.expect("the chat catches up").within;
    assert!(bounds("server.server-3.latency = '50ms'") > bounds(""));
}

#[test]
fn only_servers_that_there_are_have_something_of_their_own() {
    let what = |text: &str| {
        let text = format!("shows = '.'\n{text}");
        let bad = Scenario::parse("chat.toml", &text, SYSTEMS).expect_err("a mistake");
        let problems = bad.problems.into_iter();
        problems.map(|it| it.what).collect::<Vec<_>>()
    };
    let open = "cluster.servers = '2..4'\n";
    assert_eq!(
        what(&format!("{open}server.server-3.latency = '9ms'")),
        ["there is no server `server-3`"]
    );
    assert_eq!(
        what(&format!("{open}server.server-2.page = 3")),
        ["[server.server-2] has no field `page`"]
    );
    assert_eq!(
        what("cluster.servers = 4_000_000_000"),
        ["a cluster cannot have `servers = 4000000000`"]
    );
    assert_eq!(
        what("server.server.max-connections = 3"),
        ["`server` is no server of a cluster"]
    );
}

#[test]
fn nobody_asks_for_what_was_said_to_others_before_the_server_ended() {
    let scenario = scenario(
        r#"
        chat.recovery = "sqlite"
        chat.transport = "websocket"
        workload.messages = 0
        [[message]]
        from = "alice"
        does = "private"
        to = "carol"
        at = "3s"
        [[fault]]
        kind = "kill"
        victims = "server"
        at = "4s"
        for = "1s"
        "#,
    );
    let history = run(&scenario.plan(1)).expect("it comes to its end").history;
    let back = |event: &&Event| {
        matches!(
            event.kind,
            EventKind::Connected {
                recovered: true,
                ..
            }
        )
    };
    assert_eq!(history.events.iter().filter(back).count(), 3);
    let asks = |event: &&Event| matches!(event.kind, EventKind::Missed { .. });
    assert_eq!(history.events.iter().find(asks), None);
}

/// SQLite's log may have all of a transaction whose last write failed: whoever opens the file next
/// finds messages of which the server that lives knows that they are not there.
#[test]
fn nobody_waits_for_what_is_found_only_by_who_opens_the_database_again() {
    let scenario = scenario(
        r#"
        [chat]
        to-server = "at-most-once"
        transport = "websocket"
        [workload]
        messages = 60
        interval = "0ms..3ms"
        [[fault]]
        kind = "disk-error"
        victims = "server"
        at = "500ms"
        for = "8s"
        write = 0.2
        "#,
    );
    let mut found = 0;
    for seed in 1..=20 {
        let history = run(&scenario.plan(seed))
            .expect("it comes to its end")
            .history;
        found += usize::from(history.database.iter().any(|row| row.stored_at.is_none()));
        let mut verdicts = check(&history).into_iter();
        let durability = verdicts.find(|it| it.0 == Guarantee::DurabilityToDelivery);
        let is_violated = matches!(durability, Some((_, Verdict::Violated(_))));
        assert!(!is_violated, "seed {seed}: {durability:?}");
    }
    assert!(found > 0, "no disk has failed at that moment");
}
