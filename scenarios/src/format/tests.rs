//! Mistakes in scenario files, as people see them.

use crate::scenario::Scenario;
use miette::GraphicalTheme;

/// The report of a scenario file with mistakes, without colour.
fn mistakes(text: &str) -> String {
    Scenario::parse("chat.toml", text)
        .expect_err("the scenario has a mistake")
        .report(GraphicalTheme::unicode_nocolor())
}

#[test]
fn an_unknown_field_is_told_with_the_allowed_ones() {
    insta::assert_snapshot!(mistakes(
        r#"
shows = "Something."

[chat]
transprot = "polling"
"#
    ));
}

#[test]
fn broken_toml_is_told_with_its_place() {
    insta::assert_snapshot!(mistakes("shows = \"Something.\n"));
}

#[test]
fn several_mistakes_are_told_at_once() {
    insta::assert_snapshot!(mistakes(
        r#"
[link]
loss = 1.5
latency = { uniform = ["30ms", "10ms"] }

[chat]
to-server = "exactly-twice"
ping-timeout = "0s"
backoff = { min = "5s", max = "1s" }

[workload]
interval = 20
messages = "40..10"
rooms = ["kitchen"]

[expect]
exactly-once = "hold"
exactly-twice = "held"
"#
    ));
}

#[test]
fn faults_are_checked_against_the_machines() {
    insta::assert_snapshot!(mistakes(
        r#"
shows = "Something."

[clients]
names = ["ann", "ben"]

[client.bob]
messages = 1

[[fault]]
kind = "kill"
victims = "an"
at = "1s"
direction = "both"

[[fault]]
kind = "partition"
victims = "server"
at = "2s"
for = "0s"

[[fault]]
kind = "pause"
victims = "any 3 of clients"

[[fault]]
at = "1s"
"#
    ));
}

#[test]
fn a_middlebox_is_checked() {
    insta::assert_snapshot!(mistakes(
        r#"
shows = "Something."

[middlebox]
kind = "cuts-websocket"
clients = "server"
hold = "1s"
"#
    ));
}

#[test]
fn names_of_clients_are_unique_and_not_reserved() {
    insta::assert_snapshot!(mistakes(
        r#"
shows = "Something."
clients = { count = 3, names = ["server", "bob"] }
workload = { rooms = ["lobby", "lobby"] }
"#
    ));
}
