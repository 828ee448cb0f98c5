//! Mistakes in scenario files, as people see them.

#[path = "../lists/mod.rs"]
mod lists;

use lists::abridged;
use miette::GraphicalTheme;
use squall::Scenario;
use squall_cli::SYSTEMS;

/// The report of a scenario file with mistakes, without colour.
fn mistakes(text: &str) -> String {
    let bad = Scenario::parse("chat.toml", text, SYSTEMS);
    let bad = bad.expect_err("the scenario has a mistake");
    abridged(&bad.report(GraphicalTheme::unicode_nocolor(), 100))
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
kind = "half-open"
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
fn nobody_goes_through_two_middleboxes() {
    insta::assert_snapshot!(mistakes(
        r#"
shows = "Something."

[[middlebox]]
kind = "behaves"
clients = ["alice", "bob"]

[[middlebox]]
kind = "repeats-requests"
clients = "bob"
every = 0

[[middlebox]]
kind = "strips-upgrade"
clients = "carol"

[[middlebox]]
kind = "stalls"
clients = "any of clients"
"#
    ));
}

#[test]
fn devices_of_a_user_are_in_one_namespace() {
    insta::assert_snapshot!(mistakes(
        r#"
shows = "Something."

[client.bob]
user = "alice"
namespace = "/ops"

[client.carol]
user = "a#1"
"#
    ));
}

#[test]
fn limits_of_latency_are_checked() {
    insta::assert_snapshot!(mistakes(
        r#"
shows = "Something."

[latency]
delivery = { p50 = "2s", p99 = "1s", p100 = "3s" }
return = {}
sending = { max = "1s" }
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

#[test]
fn faults_of_machines_are_checked() {
    insta::assert_snapshot!(mistakes(
        r#"
shows = "Something."

[clock.dave]
ahead = "1h"

[clock.server]
slow-ppm = 1000000

[[fault]]
kind = "power-loss"
torn-sector = 1000
victims = "server"
at = "1s"

[[fault]]
kind = "restart-loop"
victims = "server"
at = "1s"
count = "0..3"
every = "2s"

[[fault]]
kind = "restart-loop"
victims = "server"
at = "1s"
count = 3
every = "2s"
down = "2s"

[[fault]]
kind = "clock-step"
victims = "alice"
at = "1s"
forward = "1s"
back = "1s"

[[fault]]
kind = "slow-cpu"
victims = "server"
at = "1s"

[[fault]]
kind = "disk-error"
victims = "server"
at = "1s"
write = 2

[[fault]]
kind = "clock-drift"
victims = "server"
at = "1s"
"#
    ));
}

#[test]
fn links_are_checked_field_by_field() {
    insta::assert_snapshot!(mistakes(
        r#"
shows = "Something."

[link]
preset = "moble-4g"
rate = "10MB"
mtu = 100
correlation = 1
duplicate-correlation = "50%"
reorder-by = "5ms"
latency = { pareto = { min = "20ms", shape = 0, max = "10ms" } }
loss = { four-state = { p13 = 0.7, p31 = "20%", p14 = 0.4 } }

[link.up]
quue = "64KiB"

[client.alice.link]
icmp = false
loss-correlation = "25%"
loss = { gilbert-elliott = { fail = "1%" }, four-state = { p13 = 0.1, p31 = 0.1 } }
"#
    ));
}

#[test]
fn a_cluster_is_checked_and_its_machines_are_known() {
    insta::assert_snapshot!(mistakes(
        r#"
shows = "Something."

[clients]
names = ["ann", "server-7"]

[cluster]
servers = "1..3"
adapter = "kafka"

[chat]
bug = "leak-room"

[[fault]]
kind = "loss"
loss = "5%"
victims = "broker"
at = "1s"

[[fault]]
kind = "kill"
victims = "server"
at = "1s"
"#
    ));
}

#[test]
fn a_partition_is_checked() {
    insta::assert_snapshot!(mistakes(
        r#"
shows = "Something."

[cluster]
servers = 2

[[fault]]
kind = "partition"
shape = "ring"
victims = ["server-1", "alice", "bob"]
direction = "both"
at = "1s"

[[fault]]
kind = "hold"
shape = "bridge"
victims = "any 7 of machines"
others = "any of people"
at = "1s"

[[fault]]
kind = "hold"
shape = "bridge"
victims = "clients"
others = "server"
bridge = "server-3"
at = "1s"

[[fault]]
kind = "partition"
shape = "star"
victims = "alice"
direction = "to-server"
at = "1s"
"#
    ));
}

#[test]
fn a_fault_of_a_cluster_needs_one() {
    insta::assert_snapshot!(mistakes(
        r#"
shows = "Something."

[[fault]]
kind = "partition"
victims = "any of servers"
others = "broker"
at = "1s"
"#
    ));
}

#[test]
fn who_is_online_is_known_to_one_server_only() {
    let text = "shows = 'Something.'\ncluster.servers = 2\nchat.presence = 'on'";
    let told = mistakes(text);
    assert!(
        told.contains("each server knows who is online at itself"),
        "{told}"
    );
}

#[test]
fn limits_that_leave_no_room_are_told() {
    let told = mistakes("[chat]\nqueue = 15\npage = 5\nrecovery-sessions = 0");
    for part in [
        "in a queue of 15 packets there is no room",
        "a page of 5 messages is too much for the queue",
        "Take 3 or less, a quarter of `queue`.",
        "with a `recovery-sessions` of 0 nothing works",
    ] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn a_program_that_is_always_down_already_cannot_be_ended_again() {
    let kill = |at: &str| {
        format!("[[fault]]\nkind = 'kill'\nvictims = 'server'\nat = '{at}'\nfor = '4s'\n")
    };
    let faults = |first, second| format!("shows = 'Two kills.'\n{}{}", kill(first), kill(second));
    let told = mistakes(&faults("2s..3s", "4s..5s"));
    assert!(
        told.contains("fault 1 and this one end the program of `server` at the same time"),
        "{told}"
    );
    assert_eq!(
        mistakes(&faults("4s..5s", "2s..3s"))
            .matches("at the same time")
            .count(),
        1
    );
    // With some seeds they do not overlap.
    let right =
        |first, second| Scenario::parse("chat.toml", &faults(first, second), SYSTEMS).is_ok();
    assert!(right("2s..3s", "4s..6s") && right("2s", "6s") && right("1s..8s", "2s..9s"));
}

#[test]
fn faults_that_cannot_come_again_are_told() {
    insta::assert_snapshot!(mistakes(
        r#"
shows = "Something."

[[fault]]
kind = "partition"
victims = "alice"
at = "1s"
for = "2s..9s"
every = "8s..20s"
times = 3

[[fault]]
kind = "pause"
victims = "bob"
at = "1s"
every = "5s"
times = 2

[[fault]]
kind = "reset"
victims = "bob"
at = "1s"
every = "5s"

[[fault]]
kind = "address-change"
victims = "carol"
at = "1s"
every = "5s"
times = 0

[[fault]]
kind = "restart-loop"
victims = "server"
at = "1s"
count = 2
every = "5s"
times = 2
"#
    ));
}

#[test]
fn a_fault_of_packets_says_how_late_they_are_if_they_are_late_and_counts_from_one() {
    insta::assert_snapshot!(mistakes(
        r#"
shows = "Something."

[[fault]]
kind = "packets"
victims = "alice"
at = "1s"
nth = 0
by = "1s"

[[fault]]
kind = "packets"
victims = "alice"
at = "1s"
action = "delay"
"#
    ));
}

#[test]
fn scripted_messages_are_checked() {
    let what = |line: &str| {
        let text = format!("shows = '.'\nclient.bob.namespace = '/ops'\n[[message]]\n{line}");
        let bad = Scenario::parse("chat.toml", &text, SYSTEMS).expect_err("a mistake");
        bad.problems[0].what.clone()
    };
    for (line, wrong) in [
        (
            "from = 'zoe'\nat = '1s'\nto = 'lobby'",
            "there is no client `zoe`",
        ),
        (
            "from = 'carol'\nat = '1s'\nto = 'den'",
            "no client is in the room `den`",
        ),
        (
            "from = 'carol'\nat = '1s'\ndoes = 'private'\nto = 'bob'",
            "`bob` is in another namespace",
        ),
        (
            "from = 'carol'\nat = '1s'\nto = 'lobby'\nsays = 'alice 3'",
            "`alice 3` is said twice",
        ),
    ] {
        assert_eq!(what(line), wrong);
    }
}
