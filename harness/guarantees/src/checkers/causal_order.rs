//! Causal order: no receiver handles a reply before the message that it may reply to.
//!
//! A message may reply to any other message of its room that its sender had handled when it was
//! given to the sender's client, in that life of the client's program. Looks at each incarnation of
//! a receiver, at each message that it handles for the first time, and at the last message that its
//! sender had handled before and that the receiver handles too: if receivers agree on the order of
//! the others, which total-order checks, then all of them come before it. Total order alone is not
//! enough: a client that gets no echo has no place for its own message among those that it has
//! handled. Does not look at messages of one sender (ordering does), at gaps, at repeats, at what
//! is stored more than once, nor at what is not stored, such as typing.

use crate::evidence::{Message, Moment, Proof};
use crate::index::{ContentId, Incarnation, Index, Invocation};
use crate::verdict::Findings;
use crate::{Nanoseconds, Time, Verdict, counted, seconds};
use rustc_hash::FxHashMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How many of the messages that a sender had handled are tried at most, the last one first, until
/// one is found that the receiver handled as well.
const TRIED: usize = 64;

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let read: Vec<_> = index
        .incarnations
        .iter()
        .map(|it| read(index, it))
        .collect();
    let known: Vec<_> = (0..)
        .zip(&index.contents)
        .map(|(id, _)| known(index, &read, id))
        .collect();
    let mut findings = Findings::default();
    for receiver in &index.incarnations {
        for delivery in receiver.first_deliveries() {
            let others = known[delivery.content as usize].iter().rev();
            let both = others.take(TRIED).find_map(|&(known_at, id)| {
                let handled = receiver.deliveries_of(id).next()?;
                Some((known_at, handled))
            });
            let Some((known_at, handled)) = both else {
                continue;
            };
            if handled.position < delivery.position {
                findings.held();
                continue;
            }
            findings.add(handled.at, || ReplyFirst {
                receiver: index.name(receiver.client),
                message: index.message(handled.content),
                message_handled_at: handled.at,
                reply: index.message(delivery.content),
                reply_handled_at: delivery.at,
                known_at,
            });
        }
    }
    findings.verdict(|replies| {
        let replies = counted(replies, "delivery");
        format!("{replies} that followed what the sender had handled")
    })
}

/// What one life of a client has handled in each room from others, and when it first did.
type Read<'h> = FxHashMap<&'h str, Vec<(Time, ContentId)>>;

fn read<'h>(index: &Index<'h>, life: &Incarnation<'h>) -> Read<'h> {
    let mut read = Read::default();
    for delivery in life.first_deliveries() {
        let sent = ordered(index, delivery.content);
        if let Some(sent) = sent.filter(|sent| sent.sender != life.client) {
            let room = read.entry(sent.room).or_default();
            room.push((delivery.at, delivery.content));
        }
    }
    read
}

/// What its sender had handled in the room when the message was given to it.
fn known<'r>(index: &Index<'_>, read: &'r [Read<'_>], id: ContentId) -> &'r [(Time, ContentId)] {
    let Some(reply) = ordered(index, id) else {
        return &[];
    };
    let life = index.incarnations.iter().position(|life| {
        let runs = life.stopped_at.is_none_or(|at| at >= reply.at);
        life.client == reply.sender && life.started_at <= reply.at && runs
    });
    let all = life.and_then(|life| read[life].get(reply.room));
    let all = all.map_or(&[][..], Vec::as_slice);
    &all[..all.partition_point(|(at, _)| *at < reply.at)]
}

/// The message with a single place in its room's order, if the content has one.
fn ordered<'i, 'h>(index: &'i Index<'h>, id: ContentId) -> Option<&'i Invocation<'h>> {
    let content = index.content(id);
    let sent = content.lasting_invocation();
    sent.filter(|_| content.rows.len() < 2)
}

/// A receiver handled a message before another one that its sender had already handled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplyFirst {
    /// Who handled them.
    pub receiver: String,
    /// The message that came first for the sender of the other.
    pub message: Message,
    /// When the receiver handled that one.
    #[serde(with = "Nanoseconds")]
    pub message_handled_at: Time,
    /// The message that came second for its sender.
    pub reply: Message,
    /// When the receiver handled it: before the other.
    #[serde(with = "Nanoseconds")]
    pub reply_handled_at: Time,
    /// When the sender of the reply had handled the message.
    #[serde(with = "Nanoseconds")]
    pub known_at: Time,
}

impl Proof for ReplyFirst {
    const KIND: &'static str = "reply-first";
    const FIELDS: &'static str = "`receiver`; `message` and the `reply` to it (messages); `message_handled_at`, `reply_handled_at`; `known_at`: when the sender of the reply had handled the message";

    fn moment(&self) -> Moment {
        let (message, reply) = (self.message.name(), self.reply.name());
        let what = format!("handled {message} only after {reply}, whose sender knew it");
        Moment::of(self.message_handled_at, &self.receiver, what)
    }

    fn contents(&self) -> Vec<&str> {
        vec![&self.message.content, &self.reply.content]
    }
}

impl fmt::Display for ReplyFirst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (receiver, message, reply) = (&self.receiver, &self.message, &self.reply);
        let (reply_at, message_at) = (self.reply_handled_at, self.message_handled_at);
        write!(f, "{receiver} handled {reply} at {}, ", seconds(reply_at))?;
        write!(
            f,
            "before {message}, which it handled at {}; ",
            seconds(message_at)
        )?;
        write!(
            f,
            "{} had handled that at {}, ",
            reply.sender,
            seconds(self.known_at)
        )?;
        write!(f, "before it sent its own.")
    }
}

#[cfg(test)]
mod tests {
    use super::ReplyFirst;
    use crate::Guarantee::{CausalOrder, Ordering, TotalOrder};
    use crate::testing::{Chat, chat, message, moment};
    use crate::{MessageKind, Time};

    /// Bob replies to Alice's question once he has handled it. Nobody gets an echo.
    fn reply() -> Chat {
        chat(["alice", "bob", "carol"])
            .sent_to_others(10, "alice", "question")
            .handled(20, "bob", ["question"])
            .sent_to_others(30, "bob", "answer")
    }

    #[test]
    fn holds_when_the_question_comes_before_the_answer() {
        let chat = reply().handled(40, "carol", ["question", "answer"]);
        insta::assert_snapshot!(chat.verdict(CausalOrder), @"held: 1 delivery that followed what the sender had handled");
    }

    #[test]
    fn is_violated_by_an_answer_before_the_question_which_no_other_order_forbids() {
        let chat = reply().handled(40, "carol", ["answer", "question"]);
        insta::assert_snapshot!(chat.clone().verdict(CausalOrder), @"violated: carol handled `answer` (from bob to room lobby, sent at 0.030 s) at 0.040 s, before `question` (from alice to room lobby, sent at 0.010 s), which it handled at 0.041 s; bob had handled that at 0.020 s, before it sent its own.");
        insta::assert_snapshot!(chat.clone().verdict(TotalOrder), @"not exercised");
        insta::assert_snapshot!(chat.verdict(Ordering), @"not exercised");
    }

    #[test]
    fn is_violated_when_the_question_is_handled() {
        let evidence = ReplyFirst {
            receiver: "carol".to_owned(),
            message: message("question"),
            message_handled_at: Time::from_secs(4),
            reply: message("answer"),
            reply_handled_at: Time::from_secs(3),
            known_at: Time::from_secs(2),
        };
        insta::assert_snapshot!(moment(evidence), @"4.000 s carol: handled `question` only after `answer`, whose sender knew it");
    }

    #[test]
    fn is_no_reply_what_was_sent_before_its_sender_had_handled_the_other() {
        let crossing = |handled| {
            chat(["alice", "bob", "carol"])
                .sent_to_others(10, "alice", "m1")
                .sent_to_others(11, "bob", "m2")
                .handled(handled, "bob", ["m1"])
                .handled(40, "carol", ["m2", "m1"])
                .verdict(CausalOrder)
        };
        insta::assert_snapshot!(crossing(12), @"not exercised");
        insta::assert_snapshot!(crossing(11), @"not exercised");
        assert!(crossing(10).starts_with("violated"));
    }

    #[test]
    fn asks_of_each_receiver_for_the_last_one_that_it_handled_too() {
        let chat = chat(["alice", "bob", "carol"])
            .sent_to_others(10, "alice", "m1")
            .sent_to_others(11, "alice", "m2")
            .handled(20, "bob", ["m1", "m2"])
            .sent_to_others(30, "bob", "answer");
        let seen = |seen: &[&str]| {
            let handled = seen.iter().zip(40..);
            let chat = handled.fold(chat.clone(), |chat, (content, at)| {
                chat.handled(at, "carol", [*content])
            });
            chat.verdict(CausalOrder)
        };
        insta::assert_snapshot!(seen(&["answer"]), @"not exercised");
        insta::assert_snapshot!(seen(&["m1", "answer"]), @"held: 1 delivery that followed what the sender had handled");
        assert!(seen(&["answer", "m1"]).starts_with("violated: carol handled `answer`"));
        assert!(seen(&["m1", "answer", "m2"]).starts_with("violated: carol handled `answer`"));
    }

    #[test]
    fn keeps_rooms_and_lives_apart() {
        let elsewhere = chat(["alice", "bob", "carol"])
            .room("garden", ["alice", "bob", "carol"])
            .sent_to_others(10, "alice", "m1")
            .handled(20, "bob", ["m1"])
            .sent_to("garden", 30, "bob", ["m2"])
            .handled(40, "carol", ["m2", "m1"]);
        insta::assert_snapshot!(elsewhere.verdict(CausalOrder), @"not exercised");
        let forgotten = chat(["alice", "bob", "carol"])
            .sent_to_others(10, "alice", "m1")
            .handled(20, "bob", ["m1"])
            .restarted(25, "bob")
            .sent_to_others(30, "bob", "m2")
            .handled(40, "carol", ["m2", "m1"]);
        insta::assert_snapshot!(forgotten.verdict(CausalOrder), @"not exercised");
        let again = reply()
            .handled(40, "carol", ["answer"])
            .restarted(50, "carol")
            .handled(60, "carol", ["question", "answer"]);
        insta::assert_snapshot!(again.verdict(CausalOrder), @"held: 1 delivery that followed what the sender had handled");
    }

    #[test]
    fn says_nothing_of_typing_of_second_times_and_of_what_is_stored_again() {
        let typing = chat(["alice", "bob", "carol"])
            .sent_as(MessageKind::Typing, "lobby", 10, "alice", "t1")
            .handled(20, "bob", ["t1"])
            .sent_to_others(30, "bob", "m1")
            .handled(40, "carol", ["m1", "t1"]);
        insta::assert_snapshot!(typing.verdict(CausalOrder), @"not exercised");
        let second = reply().handled(40, "carol", ["question", "answer", "question"]);
        insta::assert_snapshot!(second.verdict(CausalOrder), @"held: 1 delivery that followed what the sender had handled");
        for again in ["question", "answer"] {
            let stored =
                reply()
                    .stored([again, again])
                    .handled(40, "carol", ["answer", "question"]);
            insta::allow_duplicates! {
                insta::assert_snapshot!(stored.verdict(CausalOrder), @"not exercised");
            }
        }
    }
}
