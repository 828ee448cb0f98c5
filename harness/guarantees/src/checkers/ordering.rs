//! Ordering: what one sender sends to one room, every receiver handles in the order of sending.
//!
//! Looks at each incarnation of a receiver, and at the first time it handles each message. Does
//! not look at second times (at-most-once does), at gaps (exactly-once does), or at the order
//! between senders (total-order does). What
//! is not stored, such as typing, is sent past everything that waits, and promises no order.

use crate::evidence::{Message, Moment, Proof};
use crate::index::{Delivery, Index};
use crate::verdict::Findings;
use crate::{ClientId, Time, Verdict, counted, nanoseconds, seconds};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::fmt;

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    for incarnation in &index.incarnations {
        // Of each sender and room, the message handled so far that was sent last.
        let mut latest: FxHashMap<(ClientId, &str), (u32, &Delivery<'_>)> = FxHashMap::default();
        for delivery in incarnation.first_deliveries() {
            let Some(sent) = index.content(delivery.content).lasting_invocation() else {
                continue;
            };
            let this = (sent.order, delivery);
            let Some(last) = latest.insert((sent.sender, sent.room), this) else {
                continue;
            };
            if last.0 > sent.order {
                latest.insert((sent.sender, sent.room), last);
                findings.add(delivery.at, || OutOfOrder {
                    receiver: index.name(incarnation.client),
                    earlier: index.message(delivery.content),
                    earlier_handled_at: delivery.at,
                    later: index.message(last.1.content),
                    later_handled_at: last.1.at,
                });
            } else {
                findings.held();
            }
        }
    }
    findings.verdict(|successors| {
        let deliveries = counted(successors, "delivery");
        format!("{deliveries} that followed another of its sender")
    })
}

/// A receiver handled a sender's later message before an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutOfOrder {
    /// Who handled them.
    pub receiver: String,
    /// The message that was sent first.
    pub earlier: Message,
    /// When that one was handled.
    #[serde(with = "nanoseconds")]
    pub earlier_handled_at: Time,
    /// The message that was sent second.
    pub later: Message,
    /// When that one was handled: before the other.
    #[serde(with = "nanoseconds")]
    pub later_handled_at: Time,
}

impl Proof for OutOfOrder {
    const KIND: &'static str = "out-of-order";
    const FIELDS: &'static str = "`receiver`; `earlier` and `later` (messages, by their sending); `earlier_handled_at`, `later_handled_at`";

    fn moment(&self) -> Moment {
        let (earlier, later) = (self.earlier.name(), self.later.name());
        let what = format!("handled {earlier} only after {later}, which was sent later");
        Moment::of(self.earlier_handled_at, &self.receiver, what)
    }

    fn contents(&self) -> Vec<&str> {
        vec![&self.earlier.content, &self.later.content]
    }
}

impl fmt::Display for OutOfOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (receiver, earlier, later) = (&self.receiver, &self.earlier, &self.later);
        let (earlier_at, later_at) = (self.earlier_handled_at, self.later_handled_at);
        write!(f, "{receiver} handled {later} at {}, ", seconds(later_at))?;
        write!(
            f,
            "before {earlier}, which it handled at {}.",
            seconds(earlier_at)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::OutOfOrder;
    use crate::Guarantee::Ordering;
    use crate::Kind;
    use crate::Time;
    use crate::testing::{chat, message, moment};

    #[test]
    fn is_violated_when_the_earlier_message_is_handled() {
        let evidence = OutOfOrder {
            receiver: "bob".to_owned(),
            earlier: message("m1"),
            earlier_handled_at: Time::from_secs(3),
            later: message("m2"),
            later_handled_at: Time::from_secs(2),
        };
        insta::assert_snapshot!(moment(evidence), @"3.000 s bob: handled `m1` only after `m2`, which was sent later");
    }

    #[test]
    fn holds_when_messages_are_handled_as_sent() {
        let chat = chat(["alice", "bob"])
            .sent(10, "alice", ["m1", "m2"])
            .handled(20, "bob", ["m1", "m2"]);
        insta::assert_snapshot!(chat.verdict(Ordering), @"held: 1 delivery that followed another of its sender");
    }

    #[test]
    fn is_violated_when_an_earlier_message_comes_later() {
        let chat = chat(["alice", "bob"])
            .sent(10, "alice", ["m1", "m2", "m3"])
            .handled(20, "bob", ["m1", "m3", "m2"]);
        insta::assert_snapshot!(chat.verdict(Ordering), @"violated: bob handled `m3` (from alice to room lobby, sent at 0.012 s) at 0.021 s, before `m2` (from alice to room lobby, sent at 0.011 s), which it handled at 0.022 s.");
    }

    #[test]
    fn says_nothing_about_messages_of_two_senders() {
        let chat = chat(["alice", "bob"])
            .sent(10, "alice", ["m1"])
            .sent(11, "bob", ["m2"])
            .handled(20, "bob", ["m2", "m1"]);
        insta::assert_snapshot!(chat.verdict(Ordering), @"not exercised");
    }

    #[test]
    fn leaves_second_times_to_at_most_once() {
        let chat = chat(["alice", "bob"])
            .sent(10, "alice", ["m1", "m2"])
            .handled(20, "bob", ["m1", "m2", "m1"]);
        insta::assert_snapshot!(chat.verdict(Ordering), @"held: 1 delivery that followed another of its sender");
    }

    #[test]
    fn says_nothing_about_typing() {
        let chat = chat(["alice", "bob"])
            .sent(10, "alice", ["m1"])
            .sent_as(Kind::Typing, "lobby", 11, "alice", "t1")
            .handled(20, "bob", ["t1", "m1"]);
        insta::assert_snapshot!(chat.verdict(Ordering), @"not exercised");
    }

    #[test]
    fn begins_anew_when_the_receiver_restarts() {
        let chat = chat(["alice", "bob"])
            .sent(10, "alice", ["m1", "m2"])
            .handled(20, "bob", ["m2"])
            .restarted(30, "bob")
            .handled(40, "bob", ["m1", "m2"]);
        insta::assert_snapshot!(chat.verdict(Ordering), @"held: 1 delivery that followed another of its sender");
    }
}
