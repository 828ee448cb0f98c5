//! Exactly once: every message is stored once, and handled once by every entitled receiver that
//! stays or comes back, its sender included.
//!
//! A receiver stays or comes back if its program runs and is connected at the end of the run; what
//! counts is its last incarnation. Messages that failed may be missing but not double, and those
//! that had no time yet (see at-least-once and durability-to-delivery) may be missing too. Does
//! not look at order, nor at how late a message came.

use crate::index::Index;
use crate::verdict::Findings;
use crate::{Evidence, Verdict, counted};

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    let judged = check_storing(index, &mut findings);
    check_handling(index, &mut findings);
    findings.verdict(judged, counted(judged, "message"))
}

/// Returns how many messages were put to the test.
fn check_storing(index: &Index<'_>, findings: &mut Findings) -> u64 {
    let mut judged = 0;
    for (id, content) in (0..).zip(&index.contents) {
        let Some(sent) = &content.invocation else {
            continue;
        };
        match content.rows.len() {
            0 if sent.must_be_stored(index) => findings.add(sent.at, || Evidence::NotStored {
                message: index.message(id),
                ending: sent.ending,
            }),
            0 => {}
            1 => judged += u64::from(!sent.failed()),
            _ => findings.add(sent.at, || Evidence::StoredTwice {
                message: index.message(id),
            }),
        }
    }
    judged
}

fn check_handling(index: &Index<'_>, findings: &mut Findings) {
    for (receiver, room, id) in index.entitlements() {
        let content = index.content(id);
        let Some(sent) = content.invocation.as_ref().filter(|sent| sent.room == room) else {
            continue;
        };
        let mut times = receiver
            .incarnation
            .deliveries_of(id)
            .map(|delivery| delivery.at);
        match (times.next(), times.next()) {
            (Some(_), Some(again)) => findings.add(again, || Evidence::HandledTwice {
                message: index.message(id),
                receiver: receiver.client.name.clone(),
                handled_at: receiver
                    .incarnation
                    .deliveries_of(id)
                    .map(|d| d.at)
                    .collect(),
            }),
            (None, _) if !sent.failed() && !content.rows.is_empty() => {
                let since = content.known_stored_at().max(receiver.connected_at);
                let Some(due) = index.due(since) else {
                    continue;
                };
                findings.add(due, || Evidence::NotHandled {
                    message: index.message(id),
                    receiver: receiver.client.name.clone(),
                    due,
                });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::ExactlyOnce;
    use crate::testing::{Chat, chat};

    fn one_message() -> Chat {
        chat(["alice", "bob"])
            .sent(10, "alice", ["m1"])
            .acknowledged(12, "m1")
    }

    #[test]
    fn holds_when_all_handle_what_is_stored_once() {
        let chat = one_message()
            .stored(["m1"])
            .handled(20, "alice", ["m1"])
            .handled(20, "bob", ["m1"]);
        insta::assert_snapshot!(chat.verdict(ExactlyOnce), @"held: 1 message");
    }

    #[test]
    fn is_violated_when_a_message_is_stored_twice() {
        let chat = one_message()
            .stored(["m1", "m1"])
            .handled(20, "alice", ["m1"])
            .handled(20, "bob", ["m1"]);
        insta::assert_snapshot!(chat.verdict(ExactlyOnce), @"violated: `m1` (from alice to room lobby, sent at 0.010 s, stored as rows 1 and 2) has 2 rows instead of one.");
    }

    #[test]
    fn is_violated_when_a_message_is_handled_twice() {
        let chat = one_message()
            .stored(["m1"])
            .handled(20, "alice", ["m1"])
            .handled(20, "bob", ["m1", "m1"]);
        insta::assert_snapshot!(chat.verdict(ExactlyOnce), @"violated: bob handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1) 2 times: at 0.020 s, 0.021 s.");
    }

    #[test]
    fn is_violated_when_a_receiver_that_stays_misses_a_message() {
        let chat = one_message().stored(["m1"]).handled(20, "alice", ["m1"]);
        insta::assert_snapshot!(chat.verdict(ExactlyOnce), @"violated: bob never handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1); it was due by 5.012 s.");
    }

    #[test]
    fn is_violated_when_the_sender_misses_its_own_message() {
        let chat = one_message().stored(["m1"]).handled(20, "bob", ["m1"]);
        insta::assert_snapshot!(chat.verdict(ExactlyOnce), @"violated: alice never handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1); it was due by 5.012 s.");
    }

    #[test]
    fn is_violated_when_a_message_is_lost() {
        let chat = one_message();
        insta::assert_snapshot!(chat.verdict(ExactlyOnce), @"violated: `m1` (from alice to room lobby, sent at 0.010 s) was acknowledged at 0.012 s and is not in the database.");
    }

    #[test]
    fn excuses_a_receiver_that_is_disconnected_at_the_end() {
        let chat = one_message()
            .stored(["m1"])
            .handled(20, "alice", ["m1"])
            .disconnected(15, "bob");
        insta::assert_snapshot!(chat.verdict(ExactlyOnce), @"held: 1 message");
    }

    #[test]
    fn asks_a_restarted_receiver_for_everything_again() {
        let chat = one_message()
            .stored(["m1"])
            .handled(20, "alice", ["m1"])
            .handled(20, "bob", ["m1"])
            .restarted(1_000, "bob");
        insta::assert_snapshot!(chat.verdict(ExactlyOnce), @"violated: bob never handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1); it was due by 6.000 s.");
    }

    #[test]
    fn gives_time_to_a_receiver_that_has_just_come_back() {
        let chat = one_message()
            .stored(["m1"])
            .handled(20, "alice", ["m1"])
            .restarted(55_001, "bob");
        insta::assert_snapshot!(chat.verdict(ExactlyOnce), @"held: 1 message");
    }

    #[test]
    fn lets_a_failed_message_be_missing_but_not_double() {
        let failed = || chat(["alice"]).sent(10, "alice", ["m1"]).failed(20, "m1");
        insta::assert_snapshot!(failed().verdict(ExactlyOnce), @"not exercised");
        insta::assert_snapshot!(failed().stored(["m1", "m1"]).verdict(ExactlyOnce), @"violated: `m1` (from alice to room lobby, sent at 0.010 s, stored as rows 1 and 2) has 2 rows instead of one.");
    }
}
