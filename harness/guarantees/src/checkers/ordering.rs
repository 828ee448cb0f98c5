//! Ordering: what one sender sends to one room, every receiver handles in the order of sending.
//!
//! Looks at each incarnation of a receiver, and at the first time it handles each message. Does not
//! look at repeats (at-most-once does), at gaps (exactly-once does), or at the order between
//! senders (total-order does). A message that is not stored, such as typing, is sent past
//! everything that waits, and promises no order.
//!
//! A message whose acknowledgement the sender does not wait for, or no longer waits for, or never
//! will because its program has ended, may still be under way on a connection that its sender has
//! given up: TCP delivers it when it can, also when its program is gone. What the
//! sender says on its next connection can be stored before it. That is excused if it was stored
//! that way; the order in which receivers handle what is stored is judged all the same, and so are
//! messages that went over one connection.

use crate::evidence::{Message, Moment, Proof};
use crate::index::{Connection, Content, Delivery, Index};
use crate::verdict::Findings;
use crate::{ClientId, Ending, Excuse, Nanoseconds, Time, Verdict, counted, seconds};
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    for incarnation in &index.incarnations {
        // For each sender and room, the message handled so far that was sent last.
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
                let pair = [delivery, last.1].map(|delivery| index.content(delivery.content));
                if was_overtaken_under_way(index, pair) {
                    findings.excuse(Excuse::UnderWay);
                    continue;
                }
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

/// Whether the earlier of two messages of a sender was stored after the later one because it was
/// still under way on a connection that ended before the later one was sent: it had not been
/// acknowledged.
fn was_overtaken_under_way(index: &Index<'_>, [earlier, later]: [&Content<'_>; 2]) -> bool {
    let [first, second] = [earlier, later].map(|content| content.lasting_invocation());
    let (Some(first), Some(second)) = (first, second) else {
        return false;
    };
    let (from, program_has_ended) = match first.ending {
        Ending::Sent(from) => (from, false),
        // It was given up after its connection had ended.
        Ending::Unknown(_) => (first.at, false),
        Ending::Open => (first.at, true),
        Ending::Acknowledged(_) | Ending::Failed(_) => return false,
    };
    let until = second.ending.at().unwrap_or(Time::MAX);
    let [row, later_row] = [earlier, later].map(|content| content.rows.first());
    let was_stored_later = row.zip(later_row).is_some_and(|(row, it)| row.id > it.id);
    let lives = index.incarnations.iter();
    let mut ends = lives
        .filter(|life| life.client == first.sender)
        .flat_map(|life| {
            let lost = life.connections.iter().filter_map(|step| match *step {
                Connection::Disconnected(at, _) if !program_has_ended => Some(at),
                _ => None,
            });
            lost.chain(life.stopped_at)
        });
    was_stored_later && ends.any(|at| (from..=until).contains(&at))
}

/// A receiver handled a sender's later message before an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutOfOrder {
    /// Who handled them.
    pub receiver: String,
    /// The message that was sent first.
    pub earlier: Message,
    /// When it was handled.
    #[serde(with = "Nanoseconds")]
    pub earlier_handled_at: Time,
    /// The message that was sent second.
    pub later: Message,
    /// When it was handled: before the other.
    #[serde(with = "Nanoseconds")]
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
    use crate::MessageKind;
    use crate::Time;
    use crate::testing::{Chat, chat, message, moment};

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
    fn excuses_what_was_under_way_on_a_connection_that_was_given_up_if_it_was_stored_so() {
        // The first is reported as sent at 100 ms, the second on a later connection.
        let chat = |lost, stored: [&str; 2]| {
            chat(["alice", "bob"])
                .sent(10, "alice", ["m1", "m2"])
                .unacknowledged(100, "m1")
                .disconnected(lost, "alice")
                .connected(lost + 100, "alice")
                .unacknowledged(500, "m2")
                .stored(stored)
                .handled(600, "bob", ["m2", "m1"])
                .verdict(Ordering)
        };
        insta::assert_snapshot!(chat(100, ["m2", "m1"]), @"not exercised (1 excused: still under way when its connection was given up)");
        insta::assert_snapshot!(chat(99, ["m2", "m1"]), @"violated: bob handled `m2` (from alice to room lobby, sent at 0.011 s, stored as row 1) at 0.600 s, before `m1` (from alice to room lobby, sent at 0.010 s, stored as row 2), which it handled at 0.601 s.");
        insta::assert_snapshot!(chat(501, ["m2", "m1"]), @"violated: bob handled `m2` (from alice to room lobby, sent at 0.011 s, stored as row 1) at 0.600 s, before `m1` (from alice to room lobby, sent at 0.010 s, stored as row 2), which it handled at 0.601 s.");
        insta::assert_snapshot!(chat(100, ["m1", "m2"]), @"violated: bob handled `m2` (from alice to room lobby, sent at 0.011 s, stored as row 2) at 0.600 s, before `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1), which it handled at 0.601 s.");
    }

    #[test]
    fn excuses_what_was_under_way_when_the_program_of_its_sender_ended_if_it_was_stored_so() {
        let chat = |ended: fn(Chat) -> Chat, stored: [&str; 2]| {
            ended(chat(["alice", "bob"]).sent(10, "alice", ["m1"]))
                .sent(300, "alice", ["m2"])
                .acknowledged(500, "m2")
                .stored(stored)
                .handled(600, "bob", ["m2", "m1"])
                .verdict(Ordering)
        };
        let restarted = |chat: Chat| chat.restarted(200, "alice");
        insta::assert_snapshot!(chat(restarted, ["m2", "m1"]), @"not exercised (1 excused: still under way when its connection was given up)");
        insta::assert_snapshot!(chat(restarted, ["m1", "m2"]), @"violated: bob handled `m2` (from alice to room lobby, sent at 0.300 s, stored as row 2) at 0.600 s, before `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1), which it handled at 0.601 s.");
        // Its program still has it, and must say it first.
        let lost = |chat: Chat| chat.disconnected(200, "alice").connected(250, "alice");
        insta::assert_snapshot!(chat(lost, ["m2", "m1"]), @"violated: bob handled `m2` (from alice to room lobby, sent at 0.300 s, stored as row 1) at 0.600 s, before `m1` (from alice to room lobby, sent at 0.010 s, stored as row 2), which it handled at 0.601 s.");
        // It ended before.
        insta::assert_snapshot!(chat(|chat| chat.restarted(9, "alice"), ["m2", "m1"]), @"violated: bob handled `m2` (from alice to room lobby, sent at 0.300 s, stored as row 1) at 0.600 s, before `m1` (from alice to room lobby, sent at 0.010 s, stored as row 2), which it handled at 0.601 s.");
    }

    #[test]
    fn excuses_nothing_that_was_acknowledged_or_that_its_sender_still_has() {
        let chat = |told: fn(crate::testing::Chat) -> crate::testing::Chat| {
            let chat = chat(["alice", "bob"]).sent(10, "alice", ["m1", "m2"]);
            told(chat)
                .disconnected(200, "alice")
                .connected(300, "alice")
                .acknowledged(500, "m2")
                .stored(["m2", "m1"])
                .handled(600, "bob", ["m2", "m1"])
                .verdict(Ordering)
        };
        let is_violated = |verdict: String| verdict.starts_with("violated");
        assert!(is_violated(chat(|chat| chat.acknowledged(100, "m1"))));
        assert!(is_violated(chat(|chat| chat)));
        assert!(is_violated(chat(|chat| chat.failed(200, "m1"))));
        assert!(!is_violated(chat(|chat| chat.unknown(200, "m1"))));
    }

    /// Seed 14499 of the worlds: who may not say it again learns so once it is connected again.
    #[test]
    fn excuses_what_was_given_up_after_its_connection_had_ended() {
        let chat = |lost| {
            chat(["alice", "bob"])
                .sent(10, "alice", ["m1"])
                .disconnected(lost, "alice")
                .connected(300, "alice")
                .unknown(400, "m1")
                .sent(450, "alice", ["m2"])
                .acknowledged(500, "m2")
                .stored(["m2", "m1"])
                .handled(600, "bob", ["m2", "m1"])
                .verdict(Ordering)
        };
        insta::assert_snapshot!(chat(200), @"not exercised (1 excused: still under way when its connection was given up)");
        insta::assert_snapshot!(chat(9), @"violated: bob handled `m2` (from alice to room lobby, sent at 0.450 s, stored as row 1) at 0.600 s, before `m1` (from alice to room lobby, sent at 0.010 s, stored as row 2), which it handled at 0.601 s.");
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
            .sent_as(MessageKind::Typing, "lobby", 11, "alice", "t1")
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
