//! A checker that never fails proves nothing. Each planted bug of the chat violates its guarantee,
//! and the same scenario without the bug does not.

use squall::{Scenario, run};
use squall_guarantees::{Guarantee, Verdict, check};

/// Nothing goes wrong.
const CALM: &str = r#"
    [workload]
    messages = 20
    interval = "50ms..150ms"
"#;

/// Everybody but carol is in rooms of their own.
const ROOMS: &str = r#"
    [client.alice]
    rooms = ["lobby", "kitchen"]
    [client.bob]
    rooms = ["garden"]
"#;

/// Alice is cut off for longer than the heartbeat needs, while all go on talking.
const PARTITION: &str = r#"
    [workload]
    messages = 60
    interval = "300ms..700ms"
    [[fault]]
    kind = "partition"
    victims = "alice"
    at = "5s"
    for = "20s"
"#;

/// Acknowledgements do not reach alice.
const LOST_ACKNOWLEDGEMENTS: &str = r#"
    chat.ack-timeout = "1s"
    [[fault]]
    kind = "partition"
    direction = "to-client"
    victims = "alice"
    at = "4s"
    for = "15s"
"#;

/// The server's process dies.
const CRASH: &str = r#"
    [workload]
    messages = 40
    interval = "50ms..250ms"
    [[fault]]
    kind = "kill"
    victims = "server"
    at = "4s"
    for = "2s"
"#;

/// The verdict on a guarantee, with the bug or (with none) without.
fn verdict(scenario: &str, bug: Option<&str>, guarantee: Guarantee) -> Verdict {
    let bug = bug.map_or(String::new(), |bug| format!("chat.bug = \"{bug}\""));
    let text = format!("shows = \"A planted bug.\"\n{bug}\n{scenario}");
    let scenario = Scenario::parse("planted", &text).unwrap_or_else(|bad| panic!("{bad:#?}"));
    let record = run(&scenario.plan(1)).expect("the run comes to its end");
    let verdicts = check(&record.history);
    verdicts
        .into_iter()
        .find(|(this, _)| *this == guarantee)
        .expect("every guarantee")
        .1
}

/// One test for each row: the bug, the scenario that brings it to light, the guarantee it violates.
macro_rules! bugs {
    ($($test:ident: $bug:literal in $scenario:expr => $guarantee:ident;)+) => {$(
        #[test]
        fn $test() {
            let with_bug = verdict($scenario, Some($bug), Guarantee::$guarantee);
            assert!(matches!(with_bug, Verdict::Violated(_)), "with the bug: {with_bug:?}");
            let without = verdict($scenario, None, Guarantee::$guarantee);
            assert!(matches!(without, Verdict::Held(_)), "without the bug: {without:?}");
        }
    )+};
}

bugs! {
    acknowledging_before_storing_breaks_the_acknowledgements_truth:
        "ack-before-commit" in CRASH => AcknowledgementTruth;
    storing_without_deduplication_breaks_exactly_once:
        "no-deduplication" in LOST_ACKNOWLEDGEMENTS => ExactlyOnce;
    handling_again_what_was_handled_breaks_at_most_once:
        "handle-twice" in PARTITION => AtMostOnce;
    keeping_the_last_offset_breaks_ordering:
        "last-instead-of-highest-offset" in PARTITION => Ordering;
    catching_up_backwards_breaks_ordering:
        "catch-up-backwards" in PARTITION => Ordering;
    shuffling_senders_breaks_the_total_order:
        "shuffled-broadcast" in CALM => TotalOrder;
    forgetting_to_retry_breaks_at_least_once:
        "forget-retry" in PARTITION => AtLeastOnce;
    skipping_the_catch_up_breaks_durability_to_delivery:
        "skip-catch-up" in PARTITION => DurabilityToDelivery;
    leaking_rooms_is_a_phantom:
        "leak-room" in ROOMS => NoPhantom;
    ignoring_silence_breaks_detection:
        "deaf-watchdog" in PARTITION => Detection;
    going_on_under_an_old_session_breaks_reconnection:
        "reused-session" in PARTITION => Reconnection;
    connecting_again_at_once_breaks_reconnection:
        "eager-reconnect" in PARTITION => Reconnection;
}
