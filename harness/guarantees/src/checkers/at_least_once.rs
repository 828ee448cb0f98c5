//! At least once: every message that a user gave to a client is in the database at the end, unless
//! the user was told that it failed.
//!
//! A message that was not acknowledged gets time: the delivery bound, from its sending or from the
//! end of the last fault that touched its sender, whichever is later. A run that ends earlier says
//! nothing about it, nor does a run that ends while the sender is still busy with the messages
//! before it. "Nobody can tell what became of it" is no excuse for ever. Does not look at
//! deliveries, nor at how often a message is stored. A client that dies with unsent messages in
//! memory does lose them, and that counts: nobody was told.

use crate::evidence::{Ending, NotStored};
use crate::index::{Content, Due, Index};
use crate::verdict::Findings;
use crate::{Excuse, NotJudged, Verdict, counted};

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    for (id, content) in (0..).zip(&index.contents) {
        let Some(sent) = &content.invocation else {
            continue;
        };
        match storing(index, content) {
            Storing::NotAsked => {}
            Storing::Excused => findings.excuse(Excuse::ToldFailed),
            Storing::Open(reason) => findings.leave_open(reason),
            Storing::Stored => findings.held(),
            Storing::Lost => findings.add(sent.at, || NotStored {
                message: index.message(id),
                ending: sent.ending,
            }),
        }
    }
    findings.verdict(|count| counted(count, "message"))
}

/// What became of a message on its way to the database.
pub(super) enum Storing {
    /// Nobody sent it, or it is of a kind that is never stored.
    NotAsked,
    /// Its user was told that it failed.
    Excused,
    /// It is missing, and nothing can be said.
    Open(NotJudged),
    Stored,
    /// It is missing, and had the time to be stored.
    Lost,
}

pub(super) fn storing(index: &Index<'_>, content: &Content<'_>) -> Storing {
    let Some(sent) = content.lasting_invocation() else {
        return Storing::NotAsked;
    };
    match sent.ending {
        Ending::Failed(_) => Storing::Excused,
        _ if !content.rows.is_empty() => Storing::Stored,
        Ending::Acknowledged(_) => Storing::Lost,
        Ending::Sent(_) | Ending::Unknown(_) | Ending::Open => match index.storing_due(sent) {
            Due::By(_) => Storing::Lost,
            Due::Open(reason) => Storing::Open(reason),
        },
    }
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::AtLeastOnce;
    use crate::MessageKind;
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
        insta::assert_snapshot!(chat.verdict(AtLeastOnce), @"not exercised (1 excused: was told that it failed)");
    }

    #[test]
    fn asks_nothing_of_typing() {
        let chat = chat(["alice"]).sent_as(MessageKind::Typing, "lobby", 10, "alice", "t1");
        insta::assert_snapshot!(chat.verdict(AtLeastOnce), @"not exercised");
    }

    #[test]
    fn gives_time_to_a_message_sent_shortly_before_the_end() {
        let chat = chat(["alice"]).sent(55_001, "alice", ["m1"]);
        insta::assert_snapshot!(chat.verdict(AtLeastOnce), @"not exercised (1 not judged: the run ended before it was due)");
    }

    #[test]
    fn is_violated_as_soon_as_the_time_is_over() {
        let chat = chat(["alice"]).sent(55_000, "alice", ["m1"]);
        insta::assert_snapshot!(chat.verdict(AtLeastOnce), @"violated: `m1` (from alice to room lobby, sent at 55.000 s) was never answered and is not in the database.");
    }

    #[test]
    fn lets_the_network_heal_first() {
        let chat = chat(["alice"]).sent(10, "alice", ["m1"]).healed(55_001);
        insta::assert_snapshot!(chat.verdict(AtLeastOnce), @"not exercised (1 not judged: the run ended before it was due)");
    }

    #[test]
    fn gives_no_time_to_an_acknowledged_message() {
        let chat = chat(["alice"])
            .sent(59_000, "alice", ["m1"])
            .acknowledged(59_100, "m1");
        insta::assert_snapshot!(chat.verdict(AtLeastOnce), @"violated: `m1` (from alice to room lobby, sent at 59.000 s) was acknowledged at 59.100 s and is not in the database.");
    }

    #[test]
    fn does_not_excuse_for_ever_what_nobody_can_tell_the_end_of() {
        let chat = chat(["alice"]).sent(10, "alice", ["m1"]).unknown(20, "m1");
        insta::assert_snapshot!(chat.clone().verdict(AtLeastOnce), @"violated: `m1` (from alice to room lobby, sent at 0.010 s) was given up as unknown at 0.020 s and is not in the database.");
        insta::assert_snapshot!(chat.stored(["m1"]).verdict(AtLeastOnce), @"held: 1 message");
    }

    #[test]
    fn says_that_a_fault_never_ended_and_judges_what_is_stored_all_the_same() {
        let sent = chat(["alice", "bob"])
            .sent(10, "alice", ["m1", "m2"])
            .stored(["m1"]);
        let disturbed = |until, who| {
            sent.clone()
                .disturbed(2_000, until, who)
                .verdict(AtLeastOnce)
        };
        insta::assert_snapshot!(disturbed(None, None), @"held: 1 message (1 not judged: the fault never ended)");
        insta::assert_snapshot!(disturbed(None, Some("alice")), @"held: 1 message (1 not judged: the fault never ended)");
        insta::assert_snapshot!(disturbed(None, Some("bob")), @"violated: `m2` (from alice to room lobby, sent at 0.011 s) was never answered and is not in the database.");
        insta::assert_snapshot!(disturbed(Some(55_001), Some("alice")), @"held: 1 message (1 not judged: the run ended before it was due)");
        insta::assert_snapshot!(disturbed(Some(55_000), Some("alice")), @"violated: `m2` (from alice to room lobby, sent at 0.011 s) was never answered and is not in the database.");
    }

    #[test]
    fn says_that_the_sender_was_still_busy_with_those_before_and_forgets_none_of_them() {
        let busy = |at| {
            chat(["alice"])
                .sent(10, "alice", ["m1", "m2", "m3"])
                .stored(["m1"])
                .acknowledged(at, "m1")
        };
        insta::assert_snapshot!(busy(55_000).verdict(AtLeastOnce), @"held: 1 message (2 not judged: still sending at the end)");
        insta::assert_snapshot!(busy(54_999).verdict(AtLeastOnce), @"violated: `m2` (from alice to room lobby, sent at 0.011 s) was never answered and is not in the database. And 1 more violation.");
        // A sender that is done with a later message has forgotten the earlier ones.
        let forgotten = busy(55_000).stored(["m3"]).acknowledged(55_001, "m3");
        insta::assert_snapshot!(forgotten.verdict(AtLeastOnce), @"violated: `m2` (from alice to room lobby, sent at 0.011 s) was never answered and is not in the database.");
    }

    #[test]
    fn says_how_many_were_excused_as_failed() {
        let chat = chat(["alice"])
            .sent(10, "alice", ["m1", "m2"])
            .failed(20, "m1")
            .stored(["m2"]);
        insta::assert_snapshot!(chat.verdict(AtLeastOnce), @"held: 1 message (1 excused: was told that it failed)");
    }
}
