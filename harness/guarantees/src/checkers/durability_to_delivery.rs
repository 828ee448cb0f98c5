//! Durability to delivery: what is in the database reaches every entitled receiver that stays or
//! comes back, in time.
//!
//! Time runs from the latest of three moments: the message was stored (as far as can be told from
//! outside: its sender was told, or somebody handled it), the last fault ended, and the receiver's
//! last connection was made. A run that ends before the bound says nothing. Does not look at
//! messages that are not stored (at-least-once does), nor at doubles.

use crate::index::Index;
use crate::verdict::Findings;
use crate::{Evidence, Verdict, counted};

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    let mut reached = 0;
    for (receiver, room, id) in index.entitlements() {
        let content = index.content(id);
        if !content.rows.iter().any(|row| row.room == room) {
            continue;
        }
        let handled_at = receiver
            .incarnation
            .deliveries_of(id)
            .next()
            .map(|delivery| delivery.at);
        let due = index.due(content.known_stored_at().max(receiver.connected_at));
        match (handled_at, due) {
            (None, Some(due)) => findings.add(due, || Evidence::NotHandled {
                message: index.message(id),
                receiver: receiver.client.name.clone(),
                due,
            }),
            (Some(handled_at), Some(due)) if handled_at > due => {
                findings.add(due, || Evidence::HandledLate {
                    message: index.message(id),
                    receiver: receiver.client.name.clone(),
                    handled_at,
                    due,
                });
            }
            (Some(_), _) => reached += 1,
            (None, None) => {}
        }
    }
    let what = format!("{} of stored messages", counted(reached, "delivery"));
    findings.verdict(reached, what)
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::DurabilityToDelivery;
    use crate::Kind;
    use crate::testing::{Chat, chat};

    fn stored_message() -> Chat {
        chat(["alice", "bob"])
            .sent(10, "alice", ["m1"])
            .acknowledged(12, "m1")
            .stored(["m1"])
            .handled(14, "alice", ["m1"])
    }

    #[test]
    fn holds_when_stored_messages_arrive_in_time() {
        let chat = stored_message().handled(5_012, "bob", ["m1"]);
        insta::assert_snapshot!(chat.verdict(DurabilityToDelivery), @"held: 2 deliveries of stored messages");
    }

    #[test]
    fn is_violated_when_a_stored_message_arrives_too_late() {
        let chat = stored_message().handled(5_013, "bob", ["m1"]);
        insta::assert_snapshot!(chat.verdict(DurabilityToDelivery), @"violated: bob handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1) only at 5.013 s; it was due by 5.012 s.");
    }

    #[test]
    fn is_violated_when_a_stored_message_never_arrives() {
        insta::assert_snapshot!(stored_message().verdict(DurabilityToDelivery), @"violated: bob never handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1); it was due by 5.012 s.");
    }

    #[test]
    fn lets_the_network_heal_first() {
        let chat = stored_message()
            .healed(30_000)
            .handled(34_000, "bob", ["m1"]);
        insta::assert_snapshot!(chat.verdict(DurabilityToDelivery), @"held: 2 deliveries of stored messages");
    }

    #[test]
    fn counts_from_the_receivers_last_connection() {
        let chat = stored_message()
            .disconnected(13, "bob")
            .connected(40_000, "bob")
            .handled(44_000, "bob", ["m1"]);
        insta::assert_snapshot!(chat.verdict(DurabilityToDelivery), @"held: 2 deliveries of stored messages");
    }

    #[test]
    fn asks_nothing_of_clients_outside_the_room() {
        let chat = chat(["alice", "bob"])
            .room("garden", ["alice"])
            .sent_to("garden", 10, "alice", ["m1"])
            .stored(["m1"])
            .handled(14, "alice", ["m1"]);
        insta::assert_snapshot!(chat.verdict(DurabilityToDelivery), @"held: 1 delivery of stored messages");
    }

    #[test]
    fn asks_whoever_joins_for_what_comes_from_then_on() {
        let chat = chat(["alice", "bob"])
            .room("garden", ["alice"])
            .sent_to("garden", 10, "alice", ["m1"])
            .sent_as(Kind::Join, "garden", 11, "bob", "bob joins")
            .sent_to("garden", 12, "alice", ["m2"])
            .stored(["m1", "bob joins", "m2"])
            .handled(14, "alice", ["m1", "bob joins", "m2"])
            .handled(14, "bob", ["bob joins"]);
        insta::assert_snapshot!(chat.clone().handled(20, "bob", ["m2"]).verdict(DurabilityToDelivery), @"held: 5 deliveries of stored messages");
        insta::assert_snapshot!(chat.verdict(DurabilityToDelivery), @"violated: bob never handled `m2` (from alice to room garden, sent at 0.012 s, stored as row 3); it was due by 5.016 s.");
    }

    #[test]
    fn asks_nothing_of_the_sender_of_what_was_for_the_others() {
        let chat = chat(["alice", "bob"])
            .sent_to_others(10, "alice", "m1")
            .stored(["m1"])
            .handled(20, "bob", ["m1"]);
        insta::assert_snapshot!(chat.verdict(DurabilityToDelivery), @"held: 1 delivery of stored messages");
    }

    #[test]
    fn is_not_exercised_when_nobody_is_connected_at_the_end() {
        let chat = stored_message()
            .disconnected(20, "alice")
            .stopped(20, "bob");
        insta::assert_snapshot!(chat.verdict(DurabilityToDelivery), @"not exercised");
    }
}
