//! Exactly once: every message is stored once, and handled once by every entitled receiver that
//! stays or comes back, its sender included.
//!
//! What counts is the last life of a receiver's program, if it runs at the end and its user has not
//! left; whether it is connected just then does not matter. Failed messages may be missing but not
//! duplicated; messages that have not had enough time (see at-least-once and
//! durability-to-delivery) may be missing too. Does not look at order, nor at how late a message
//! came.

use super::at_least_once::{Storing, storing};
use crate::evidence::{HandledTwice, Message, Moment, NotHandled, NotStored, Proof};
use crate::index::{Due, Index, Receiver};
use crate::verdict::Findings;
use crate::{Excuse, Verdict, counted};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    let messages = check_storing(index, &mut findings);
    for receiver in index.receivers() {
        check_handling(index, &receiver, &mut findings);
    }
    findings.verdict(|_| counted(messages, "message"))
}

/// Returns how many messages are stored once.
fn check_storing(index: &Index<'_>, findings: &mut Findings) -> u64 {
    let mut messages = 0;
    for (id, content) in (0..).zip(&index.contents) {
        let Some(sent) = &content.invocation else {
            continue;
        };
        if content.rows.len() > 1 {
            findings.add(sent.at, || StoredTwice {
                message: index.message(id),
            });
            continue;
        }
        match storing(index, content) {
            Storing::NotAsked => {}
            Storing::Excused => findings.excuse(Excuse::ToldFailed),
            Storing::Open(reason) => findings.leave_open(reason),
            Storing::Stored => {
                findings.held();
                messages += 1;
            }
            Storing::Lost => findings.add(sent.at, || NotStored {
                message: index.message(id),
                ending: sent.ending,
            }),
        }
    }
    messages
}

fn check_handling(index: &Index<'_>, receiver: &Receiver<'_, '_>, findings: &mut Findings) {
    for (room, id) in index.entitlements(receiver.id) {
        let content = index.content(id);
        let sent = content.invocation.as_ref();
        let Some(sent) = sent.filter(|sent| sent.room == room) else {
            continue;
        };
        let deliveries = receiver.incarnation.into_iter();
        let deliveries = deliveries.flat_map(|life| life.deliveries_of(id));
        let times: Vec<_> = deliveries.map(|delivery| delivery.at).collect();
        match times[..] {
            [_, again, ..] => findings.add(again, || HandledTwice {
                message: index.message(id),
                receiver: receiver.client.name.clone(),
                handled_at: times.clone(),
            }),
            [_] => findings.held(),
            [] if sent.failed() || content.rows.is_empty() => {}
            [] => match receiver
                .wants
                .map(|wanted| index.due_to(receiver, wanted, id))
            {
                Err(excuse) => findings.excuse(excuse),
                Ok(Due::Open(reason)) => findings.leave_open(reason),
                Ok(Due::By(due)) => findings.add(due, || NotHandled {
                    message: index.message(id),
                    receiver: receiver.client.name.clone(),
                    due,
                }),
            },
        }
    }
}

/// A message is in the database more than once; `message.rows` has the ids.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StoredTwice {
    /// The message.
    pub message: Message,
}

impl Proof for StoredTwice {
    const KIND: &'static str = "stored-twice";
    const FIELDS: &'static str = "`message`";

    fn moment(&self) -> Moment {
        let rows = self.message.rows.len();
        let what = format!("has {} in {rows} rows", self.message.name());
        Moment::of(None, "database", what)
    }

    fn contents(&self) -> Vec<&str> {
        vec![&self.message.content]
    }
}

impl fmt::Display for StoredTwice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (message, rows) = (&self.message, self.message.rows.len());
        write!(f, "{message} has {rows} rows instead of one.")
    }
}

#[cfg(test)]
mod tests {
    use super::StoredTwice;
    use crate::Guarantee::ExactlyOnce;
    use crate::testing::{Chat, chat, message, moment};

    fn one_message() -> Chat {
        chat(["alice", "bob"])
            .sent(10, "alice", ["m1"])
            .acknowledged(12, "m1")
    }

    #[test]
    fn that_a_message_is_stored_twice_is_told_at_the_end() {
        let mut message = message("m1");
        message.rows = vec![4, 5];
        insta::assert_snapshot!(moment(StoredTwice { message }), @"at the end database: has `m1` in 2 rows");
    }

    #[test]
    fn each_device_of_a_user_is_judged_for_itself() {
        let chat = chat(["alice", "phone", "laptop"])
            .device_of("bob", "phone")
            .device_of("bob", "laptop")
            .sent(10, "alice", ["m1"])
            .acknowledged(12, "m1")
            .stored(["m1"])
            .handled(20, "alice", ["m1"])
            .handled(20, "laptop", ["m1"]);
        insta::assert_snapshot!(chat.clone().verdict(ExactlyOnce), @"violated: phone never handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1); it was due by 5.012 s.");
        insta::assert_snapshot!(chat.handled(20, "phone", ["m1"]).verdict(ExactlyOnce), @"held: 1 message");
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
    fn excuses_a_receiver_whose_program_does_not_run_at_the_end_and_not_one_without_a_connection() {
        let chat = one_message().stored(["m1"]).handled(20, "alice", ["m1"]);
        insta::assert_snapshot!(chat.clone().disconnected(15, "bob").verdict(ExactlyOnce), @"violated: bob never handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1); it was due by 5.012 s.");
        let chat = chat.stopped(15, "bob");
        insta::assert_snapshot!(chat.verdict(ExactlyOnce), @"held: 1 message (1 excused: its program was not running)");
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
        insta::assert_snapshot!(chat.verdict(ExactlyOnce), @"held: 1 message (1 not judged: the run ended before it was due)");
    }

    #[test]
    fn lets_a_failed_message_be_missing_but_not_double() {
        let failed = || chat(["alice"]).sent(10, "alice", ["m1"]).failed(20, "m1");
        insta::assert_snapshot!(failed().verdict(ExactlyOnce), @"not exercised (1 excused: was told that it failed)");
        insta::assert_snapshot!(failed().stored(["m1", "m1"]).verdict(ExactlyOnce), @"violated: `m1` (from alice to room lobby, sent at 0.010 s, stored as rows 1 and 2) has 2 rows instead of one.");
    }

    #[test]
    fn counts_what_the_receivers_are_asked_as_well() {
        let chat = one_message()
            .stored(["m1"])
            .handled(20, "alice", ["m1"])
            .disturbed(30, None, Some("bob"));
        insta::assert_snapshot!(chat.verdict(ExactlyOnce), @"held: 1 message (1 not judged: the fault never ended)");
    }

    #[test]
    fn asks_nothing_about_typing() {
        let chat = chat(["alice", "bob"])
            .sent_as(crate::MessageKind::Typing, "lobby", 10, "alice", "t1")
            .acknowledged(12, "t1");
        insta::assert_snapshot!(chat.verdict(ExactlyOnce), @"not exercised");
    }
}
