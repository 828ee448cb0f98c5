//! At least once: every message that a user gave to a client is in the database at the end, unless
//! the user was told that it failed.
//!
//! A message that was not acknowledged gets time: the delivery bound, from its sending or from the
//! end of the last fault, whichever is later; a run that ends before says nothing about it. Does
//! not look at deliveries, nor at how often a message is stored. A client that dies with unsent
//! messages in memory does lose them, and that counts: nobody was told.

use crate::index::Index;
use crate::verdict::Findings;
use crate::{Evidence, Verdict, counted};

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    let mut stored = 0;
    for (id, content) in (0..).zip(&index.contents) {
        let Some(sent) = &content.invocation else {
            continue;
        };
        if !content.rows.is_empty() {
            stored += u64::from(!sent.failed());
        } else if sent.must_be_stored(index) {
            findings.add(sent.at, || Evidence::NotStored {
                message: index.message(id),
                ending: sent.ending,
            });
        }
    }
    findings.verdict(stored, counted(stored, "message"))
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::AtLeastOnce;
    use crate::Kind;
    use crate::testing::chat;

    #[test]
    fn holds_when_all_messages_are_stored() {
        let chat = chat(["alice"])
            .sent(10, "alice", ["m1", "m2"])
            .stored(["m1", "m2"]);
        insta::assert_snapshot!(chat.verdict(AtLeastOnce), @"held: 2 messages");
    }

    #[test]
    fn is_violated_when_a_message_is_lost() {
        let chat = chat(["alice"])
            .sent(10, "alice", ["m1", "m2"])
            .retried(2_010, "m2")
            .retried(4_010, "m2")
            .stored(["m1"]);
        insta::assert_snapshot!(chat.verdict(AtLeastOnce), @"violated: `m2` (from alice to room lobby, sent at 0.011 s, retried 2 times) was never answered and is not in the database.");
    }

    #[test]
    fn excuses_a_message_that_was_reported_as_failed() {
        let chat = chat(["alice"]).sent(10, "alice", ["m1"]).failed(20, "m1");
        insta::assert_snapshot!(chat.verdict(AtLeastOnce), @"not exercised");
    }

    #[test]
    fn asks_nothing_of_typing() {
        let chat = chat(["alice"]).sent_as(Kind::Typing, "lobby", 10, "alice", "t1");
        insta::assert_snapshot!(chat.verdict(AtLeastOnce), @"not exercised");
    }

    #[test]
    fn gives_time_to_a_message_sent_shortly_before_the_end() {
        let chat = chat(["alice"]).sent(55_001, "alice", ["m1"]);
        insta::assert_snapshot!(chat.verdict(AtLeastOnce), @"not exercised");
    }

    #[test]
    fn is_violated_as_soon_as_the_time_is_over() {
        let chat = chat(["alice"]).sent(55_000, "alice", ["m1"]);
        insta::assert_snapshot!(chat.verdict(AtLeastOnce), @"violated: `m1` (from alice to room lobby, sent at 55.000 s) was never answered and is not in the database.");
    }

    #[test]
    fn lets_the_network_heal_first() {
        let chat = chat(["alice"]).sent(10, "alice", ["m1"]).healed(55_001);
        insta::assert_snapshot!(chat.verdict(AtLeastOnce), @"not exercised");
    }

    #[test]
    fn gives_no_time_to_an_acknowledged_message() {
        let chat = chat(["alice"])
            .sent(59_000, "alice", ["m1"])
            .acknowledged(59_100, "m1");
        insta::assert_snapshot!(chat.verdict(AtLeastOnce), @"violated: `m1` (from alice to room lobby, sent at 59.000 s) was acknowledged at 59.100 s and is not in the database.");
    }
}
