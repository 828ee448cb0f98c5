//! Peers that break the rules.

use crate::scenario;
use squall::run;
use squall_guarantees::{Guarantee, Verdict, check};

/// The verdict when a peer logs in to a room of its own and listens to a chat with these options.
fn no_phantom(options: &str) -> Verdict {
    let text = format!("{options}\n[[hostile]]\nkind = \"flood\"\nfor = \"2s\"");
    let record = run(&scenario(&text).plan(1)).expect("the run comes to its end");
    let verdicts = check(&record.history);
    let found = verdicts
        .into_iter()
        .find(|(this, _)| *this == Guarantee::NoPhantom);
    found.expect("every guarantee").1
}

#[test]
fn a_leak_to_a_hostile_peer_is_a_phantom() {
    let leaked = no_phantom("chat.bug = \"leak-room\"");
    assert!(matches!(leaked, Verdict::Violated(_)), "{leaked:?}");
    assert!(matches!(no_phantom(""), Verdict::Held(_)));
}

#[test]
fn what_is_said_to_everybody_is_for_a_hostile_peer_too() {
    let verdict = no_phantom("workload.mix.all = 1\nworkload.mix.nickname = 1");
    assert!(matches!(verdict, Verdict::Held(_)), "{verdict:?}");
}
