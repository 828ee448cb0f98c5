//! At most once: no incarnation of a receiver handles a message twice.
//!
//! Does not look at how often a message is stored (exactly-once does), nor at whether it was ever
//! sent (no-phantom does). A receiver that restarts has forgotten what it handled, and may handle
//! it again.

use crate::evidence::HandledTwice;
use crate::index::Index;
use crate::verdict::Findings;
use crate::{Verdict, counted};

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    let mut receivers = 0;
    for incarnation in &index.incarnations {
        receivers += u64::from(!incarnation.deliveries.is_empty());
        for delivery in &incarnation.deliveries {
            if delivery.first {
                findings.held();
                continue;
            }
            findings.add(delivery.at, || HandledTwice {
                message: index.message(delivery.content),
                receiver: index.name(incarnation.client),
                handled_at: incarnation
                    .deliveries_of(delivery.content)
                    .map(|d| d.at)
                    .collect(),
            });
        }
    }
    findings.verdict(|deliveries| {
        let deliveries = counted(deliveries, "delivery");
        format!("{deliveries} to {}", counted(receivers, "receiver"))
    })
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::AtMostOnce;
    use crate::testing::chat;

    #[test]
    fn holds_when_every_message_is_handled_once() {
        let chat = chat(["alice", "bob"])
            .sent(10, "alice", ["m1"])
            .handled(20, "alice", ["m1"])
            .handled(20, "bob", ["m1"]);
        insta::assert_snapshot!(chat.verdict(AtMostOnce), @"held: 2 deliveries to 2 receivers");
    }

    #[test]
    fn is_violated_when_a_message_is_handled_again() {
        let chat = chat(["alice", "bob"])
            .sent(10, "alice", ["m1", "m2"])
            .handled(20, "bob", ["m1", "m2", "m1", "m1"]);
        insta::assert_snapshot!(chat.verdict(AtMostOnce), @"violated: bob handled `m1` (from alice to room lobby, sent at 0.010 s) 3 times: at 0.020 s, 0.022 s, 0.023 s. And 1 more violation.");
    }

    #[test]
    fn allows_a_restarted_receiver_to_handle_it_again() {
        let chat = chat(["alice", "bob"])
            .sent(10, "alice", ["m1"])
            .handled(20, "bob", ["m1"])
            .restarted(30, "bob")
            .handled(40, "bob", ["m1"]);
        insta::assert_snapshot!(chat.verdict(AtMostOnce), @"held: 2 deliveries to 2 receivers");
    }

    #[test]
    fn is_not_exercised_without_a_delivery() {
        let chat = chat(["alice", "bob"]).sent(10, "alice", ["m1"]);
        insta::assert_snapshot!(chat.verdict(AtMostOnce), @"not exercised");
    }
}
