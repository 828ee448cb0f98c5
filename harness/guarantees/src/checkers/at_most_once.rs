//! At most once: no incarnation of a receiver handles a message twice, and to none is sent again,
//! unasked, what it has handled: that it leaves this out is no excuse.
//!
//! Who has asked for what it lacks on a connection may be sent more than that, and so may one whom
//! a fault has struck: what a broker was kept from telling comes late to a server. Where a
//! connection itself may repeat or lose something, nothing is said about what comes again on it.
//! Does not look at how often a message is stored (exactly-once does), nor at whether it was ever
//! sent (no-phantom does). A receiver that restarts has forgotten what it handled, and may handle
//! it again.

use crate::evidence::{HandledTwice, SentAgain};
use crate::index::Index;
use crate::verdict::Findings;
use crate::{EventKind, Lack, Verdict, counted};

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
    check_repetitions(index, &mut findings);
    findings.verdict(|deliveries| {
        let deliveries = counted(deliveries, "delivery");
        format!("{deliveries} to {}", counted(receivers, "receiver"))
    })
}

/// What comes again on a connection on which its client has asked for nothing.
fn check_repetitions(index: &Index<'_>, findings: &mut Findings) {
    let history = index.history;
    let mut has_asked = vec![false; history.clients.len()];
    for event in &history.events {
        let has_asked = &mut has_asked[event.client.0 as usize];
        match &event.kind {
            EventKind::Started | EventKind::Connecting { .. } | EventKind::Connected { .. } => {
                *has_asked = false;
            }
            EventKind::Missed {
                what: Lack::Messages,
                ..
            } => *has_asked = true,
            EventKind::Repeated {
                content,
                reliable: true,
                ..
            } if !*has_asked => {
                let Some(id) = index.find(content) else {
                    continue;
                };
                let struck_since = index.struck_since(event.client, event.at);
                if (index.conditions).disturbed(event.client, struck_since, event.at) {
                    continue;
                }
                findings.add(event.at, || SentAgain {
                    message: index.message(id),
                    receiver: index.name(event.client),
                    at: event.at,
                });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::AtMostOnce;
    use crate::Lack;
    use crate::testing::chat;

    #[test]
    fn is_violated_by_what_comes_again_unasked_though_its_receiver_leaves_it_out() {
        let chat = chat(["alice", "bob"])
            .sent(10, "alice", ["m1"])
            .handled(20, "bob", ["m1"]);
        let again = |reliable| chat.clone().repeated(30, "bob", "m1", reliable);
        insta::assert_snapshot!(again(true).verdict(AtMostOnce), @"violated: bob had handled `m1` (from alice to room lobby, sent at 0.010 s), and was sent it again at 0.030 s, unasked.");
        insta::assert_snapshot!(again(false).verdict(AtMostOnce), @"held: 1 delivery to 1 receiver");
    }

    #[test]
    fn who_has_asked_for_what_it_lacks_may_be_sent_more_on_that_connection_and_on_no_other() {
        let asked = |what| {
            chat(["alice", "bob"])
                .sent(10, "alice", ["m1"])
                .handled(20, "bob", ["m1"])
                .missed(25, "bob", what, true)
        };
        let again = |chat: crate::testing::Chat| chat.repeated(60, "bob", "m1", true);
        insta::assert_snapshot!(again(asked(Lack::Messages)).verdict(AtMostOnce), @"held: 1 delivery to 1 receiver");
        insta::assert_snapshot!(again(asked(Lack::News)).verdict(AtMostOnce), @"violated: bob had handled `m1` (from alice to room lobby, sent at 0.010 s), and was sent it again at 0.060 s, unasked.");
        let back = asked(Lack::Messages)
            .disconnected(30, "bob")
            .connected(40, "bob");
        insta::assert_snapshot!(again(back).verdict(AtMostOnce), @"violated: bob had handled `m1` (from alice to room lobby, sent at 0.010 s), and was sent it again at 0.060 s, unasked.");
    }

    #[test]
    fn what_a_fault_has_delayed_may_come_again() {
        let struck = |until| {
            let chat = chat(["alice", "bob"]).sent(10, "alice", ["m1"]);
            let chat = chat.handled(20, "bob", ["m1"]);
            let chat = chat.disturbed(1_000, Some(until), None);
            chat.repeated(10_000, "bob", "m1", true).verdict(AtMostOnce)
        };
        insta::assert_snapshot!(struck(5_000), @"held: 1 delivery to 1 receiver");
        insta::assert_snapshot!(struck(4_999), @"violated: bob had handled `m1` (from alice to room lobby, sent at 0.010 s), and was sent it again at 10.000 s, unasked.");
    }

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
