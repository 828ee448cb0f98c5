//! No phantom, no leak: a message that is handled or stored was sent before, by the sender and to
//! the room that the server names, and reaches only the clients it is for: those that were in the
//! room when it was stored, without the sender if there is no echo. Messages that must not be
//! stored are not stored.
//!
//! Does not look at how often or in which order. Whether a row was stored after its sending cannot
//! be seen from outside, so for rows only the sender and the room are compared.

mod evidence;

pub use evidence::{Flaw, Phantom, Place};

use crate::index::{Content, Delivery, Incarnation, Index};
use crate::verdict::Findings;
use crate::{ClientId, Message, MessageKind, StoredMessage, Time, Verdict, counted};

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    let deliveries = check_deliveries(index, &mut findings);
    let rows = check_rows(index, &mut findings);
    findings.verdict(|_| {
        let deliveries = counted(deliveries, "delivery");
        format!("{deliveries} and {}", counted(rows, "row"))
    })
}

/// Returns how many deliveries there were.
fn check_deliveries(index: &Index<'_>, findings: &mut Findings) -> u64 {
    let mut deliveries = 0;
    for incarnation in &index.incarnations {
        for delivery in &incarnation.deliveries {
            deliveries += 1;
            let content = index.content(delivery.content);
            let claim = Claim {
                sender: delivery.sender,
                room: delivery.room,
            };
            let flaw = flaw_of_sending(index, content, claim)
                .or_else(|| flaw_of_telling(content, delivery))
                .or_else(|| flaw_of_time(content, delivery.at))
                .or_else(|| flaw_of_entitlement(index, incarnation.client, content, delivery.room))
                .filter(|flaw| {
                    let under_way = || {
                        is_joining(index, incarnation.client, content, delivery)
                            || is_leaving(index, incarnation, content, delivery)
                    };
                    *flaw != Flaw::NotEntitled || !under_way()
                });
            let Some(flaw) = flaw else {
                findings.held();
                continue;
            };
            findings.add(delivery.at, || Phantom {
                message: claim.message(content, content.rows.iter().map(|row| row.id).collect()),
                place: Place::Receiver {
                    receiver: index.name(incarnation.client),
                    at: delivery.at,
                },
                flaw,
            });
        }
    }
    deliveries
}

/// Returns how many rows there were.
fn check_rows(index: &Index<'_>, findings: &mut Findings) -> u64 {
    let mut rows = 0;
    for content in &index.contents {
        for StoredMessage {
            id,
            sender,
            room,
            kind,
            nickname,
            ..
        } in &content.rows
        {
            rows += 1;
            let claim = Claim { sender, room };
            let flaw = flaw_of_sending(index, content, claim)
                .or_else(|| flaw_of_kind(content, *kind))
                .or_else(|| flaw_of_nickname(content, nickname.as_deref()));
            let Some(flaw) = flaw else {
                findings.held();
                continue;
            };
            findings.add(index.history.ended_at, || Phantom {
                message: claim.message(content, vec![*id]),
                place: Place::Database,
                flaw,
            });
        }
    }
    rows
}

/// What the server says about a message.
#[derive(Clone, Copy)]
struct Claim<'h> {
    sender: &'h str,
    room: &'h str,
}

impl Claim<'_> {
    /// The message for evidence, with the claim in place of the truth.
    fn message(self, content: &Content<'_>, rows: Vec<i64>) -> Message {
        Message {
            content: content.content.to_owned(),
            sender: self.sender.to_owned(),
            room: self.room.to_owned(),
            sent_at: content.invocation.as_ref().map(|sent| sent.at),
            retries: 0,
            rows,
        }
    }
}

fn flaw_of_sending(index: &Index<'_>, content: &Content<'_>, claim: Claim<'_>) -> Option<Flaw> {
    let Some(sent) = &content.invocation else {
        return Some(Flaw::NeverSent);
    };
    if index.client(sent.sender).user() != claim.sender {
        Some(Flaw::OtherSender {
            sender: index.name(sent.sender),
        })
    } else if sent.room != claim.room {
        Some(Flaw::OtherRoom {
            room: sent.room.to_owned(),
        })
    } else {
        None
    }
}

fn flaw_of_kind(content: &Content<'_>, stored: MessageKind) -> Option<Flaw> {
    let sent = content.invocation.as_ref()?;
    match sent.kind.is_ephemeral() {
        true => Some(Flaw::NotToBeStored),
        false => (sent.kind != stored).then_some(Flaw::OtherKind),
    }
}

/// What is wrong with what the server says about a message that it delivers, if it does.
fn flaw_of_telling(content: &Content<'_>, delivery: &Delivery<'_>) -> Option<Flaw> {
    let sent = content.invocation.as_ref()?;
    let told = delivery.kind?;
    match sent.kind == told {
        true => flaw_of_nickname(content, delivery.nickname),
        false => Some(Flaw::OtherKind),
    }
}

/// Whether a message brings another nickname than its sender asked for.
fn flaw_of_nickname(content: &Content<'_>, told: Option<&str>) -> Option<Flaw> {
    let sent = content.invocation.as_ref()?;
    // Not every program that is asked for a nickname tells which.
    let asked = sent.nickname.or(told);
    (asked != told).then(|| Flaw::OtherNickname {
        nickname: sent.nickname.map(str::to_owned),
    })
}

fn flaw_of_time(content: &Content<'_>, at: Time) -> Option<Flaw> {
    let sent_at = content.invocation.as_ref().map(|sent| sent.at);
    sent_at
        .is_some_and(|sent_at| at < sent_at)
        .then_some(Flaw::NotYetSent)
}

fn flaw_of_entitlement(
    index: &Index<'_>,
    receiver: ClientId,
    content: &Content<'_>,
    room: &str,
) -> Option<Flaw> {
    let sent = content.invocation.as_ref();
    if sent.is_some_and(|sent| !sent.echo && index.are_of_one_user(sent.sender, receiver)) {
        return Some(Flaw::OwnEcho);
    }
    let rooms = &index.memberships;
    let mut rows = content.rows.iter();
    let entitled = match content.rows.is_empty() {
        // Without a row nothing tells whether the receiver was in the room at that moment.
        true => rooms.ever(receiver, room),
        false => rows.any(|row| rooms.entitles(receiver, room, row.id)),
    };
    (!entitled).then_some(Flaw::NotEntitled)
}

/// Whether the receiver had asked to enter the room before it handled the message, and the message
/// was under way then: its row comes before the row of the join, but as far as anybody knew it was
/// not stored yet when the receiver asked. Such a message may overtake that row on its way. One
/// that was stored before is a phantom.
fn is_joining(
    index: &Index<'_>,
    receiver: ClientId,
    content: &Content<'_>,
    delivery: &Delivery<'_>,
) -> bool {
    let row = |content: &Content<'_>| content.rows.first().map(|row| row.id);
    let overtakes = |join: &Content<'_>| row(content) < row(join);
    let under_way = |asked_at| content.stored_at.is_none_or(|at| asked_at <= at);
    index.contents.iter().any(|join| {
        join.invocation.as_ref().is_some_and(|sent| {
            let own = index.are_of_one_user(sent.sender, receiver) && sent.room == delivery.room;
            let asked = sent.kind == MessageKind::Join && sent.at <= delivery.at;
            own && asked && overtakes(join) && under_way(sent.at)
        })
    })
}

/// Whether the receiver was in the room and had not yet heard that it has left: where messages take
/// several paths, one that is stored after the leave may overtake it. Anything that comes after the
/// receiver has handled its leave, or was told that it is stored, is a phantom.
fn is_leaving(
    index: &Index<'_>,
    receiver: &Incarnation<'_>,
    content: &Content<'_>,
    delivery: &Delivery<'_>,
) -> bool {
    let row = |content: &Content<'_>| content.rows.first().map(|row| row.id);
    let unheard = |leave: &Content<'_>| {
        let sent = leave.invocation.as_ref();
        sent.is_some_and(|sent| {
            let told_at = sent.ending.at();
            sent.kind == MessageKind::Leave && told_at.is_none_or(|at| delivery.at <= at)
        })
    };
    let last_change = (0..).zip(&index.contents).filter(|(_, change)| {
        let changes = change.rows.first().is_some_and(|row| {
            let kind = matches!(row.kind, MessageKind::Join | MessageKind::Leave);
            kind && row.sender == index.client(receiver.client).user() && row.room == delivery.room
        });
        changes && row(change) < row(content)
    });
    let last_change = last_change.max_by_key(|(_, change)| row(change));
    last_change.is_some_and(|(id, leave)| {
        let rooms = &index.memberships;
        let was_in =
            row(leave).is_some_and(|row| rooms.is_in_before(receiver.client, delivery.room, row));
        let mut handled = receiver.deliveries_of(id);
        was_in && unheard(leave) && handled.all(|leave| delivery.position < leave.position)
    })
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::NoPhantom;
    use crate::MessageKind;
    use crate::testing::{Chat, chat};

    fn one_message() -> Chat {
        chat(["alice", "bob"])
            .room("garden", ["alice"])
            .sent(10, "alice", ["m1"])
    }

    #[test]
    fn holds_when_only_what_was_sent_is_handled_and_stored() {
        let chat = one_message().stored(["m1"]).handled(20, "bob", ["m1"]);
        insta::assert_snapshot!(chat.verdict(NoPhantom), @"held: 1 delivery and 1 row");
    }

    #[test]
    fn is_violated_by_a_message_that_nobody_sent() {
        let chat = one_message().handled_as(20, "bob", "ghost", "alice", "lobby");
        insta::assert_snapshot!(chat.verdict(NoPhantom), @"violated: bob handled `ghost` (from alice to room lobby) at 0.020 s, but nobody sent it.");
    }

    #[test]
    fn is_violated_by_a_message_that_is_handled_before_it_is_sent() {
        let chat = one_message().handled_as(9, "bob", "m1", "alice", "lobby");
        insta::assert_snapshot!(chat.verdict(NoPhantom), @"violated: bob handled `m1` (from alice to room lobby, sent at 0.010 s) at 0.009 s, before it was sent.");
    }

    #[test]
    fn is_violated_by_what_is_delivered_as_something_else() {
        let told = |kind| {
            let chat = one_message().handled(20, "bob", ["m1"]);
            chat.told_as(kind, None).verdict(NoPhantom)
        };
        insta::assert_snapshot!(told(MessageKind::Message), @"held: 1 delivery and 0 rows");
        insta::assert_snapshot!(told(MessageKind::Join), @"violated: bob handled `m1` (from alice to room lobby, sent at 0.010 s) at 0.020 s, but it was sent as something else.");
    }

    #[test]
    fn is_violated_by_a_nickname_that_nobody_asked_for() {
        let told = |asked: Option<&str>, told| {
            let chat = one_message();
            let chat = match asked {
                Some(name) => chat.asking_for(name),
                None => chat,
            };
            let kind = asked.map_or(MessageKind::Message, |_| MessageKind::Nickname);
            let chat = chat.handled(20, "bob", ["m1"]).told_as(kind, told);
            chat.verdict(NoPhantom)
        };
        insta::assert_snapshot!(told(Some("ace"), Some("ace")), @"held: 1 delivery and 0 rows");
        insta::assert_snapshot!(told(Some("ace"), Some("king")), @"violated: bob handled `m1` (from alice to room lobby, sent at 0.010 s) at 0.020 s, but its sender asked for the nickname ace.");
        insta::assert_snapshot!(told(Some("ace"), None), @"violated: bob handled `m1` (from alice to room lobby, sent at 0.010 s) at 0.020 s, but its sender asked for the nickname ace.");
        let stored = one_message()
            .asking_for("ace")
            .stored(["m1"])
            .taking("king");
        insta::assert_snapshot!(stored.verdict(NoPhantom), @"violated: The database has `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1), but its sender asked for the nickname ace.");
    }

    #[test]
    fn is_violated_by_a_wrong_sender() {
        let chat = one_message().handled_as(20, "bob", "m1", "bob", "lobby");
        insta::assert_snapshot!(chat.verdict(NoPhantom), @"violated: bob handled `m1` (from bob to room lobby, sent at 0.010 s) at 0.020 s, but alice sent it.");
    }

    #[test]
    fn is_violated_by_a_wrong_room() {
        let chat = one_message().handled_as(20, "alice", "m1", "alice", "garden");
        insta::assert_snapshot!(chat.verdict(NoPhantom), @"violated: alice handled `m1` (from alice to room garden, sent at 0.010 s) at 0.020 s, but it was sent to room lobby.");
    }

    #[test]
    fn is_violated_by_a_leak_out_of_a_room() {
        let chat = one_message()
            .sent_to("garden", 11, "alice", ["m2"])
            .handled_as(20, "bob", "m2", "alice", "garden");
        insta::assert_snapshot!(chat.verdict(NoPhantom), @"violated: bob handled `m2` (from alice to room garden, sent at 0.011 s) at 0.020 s, but is not entitled to the room.");
    }

    #[test]
    fn is_violated_by_a_message_to_the_sender_of_what_was_for_the_others() {
        let chat = chat(["alice", "bob"])
            .sent_to_others(10, "alice", "m1")
            .stored(["m1"])
            .handled(20, "bob", ["m1"]);
        insta::assert_snapshot!(chat.clone().verdict(NoPhantom), @"held: 1 delivery and 1 row");
        insta::assert_snapshot!(chat.handled(20, "alice", ["m1"]).verdict(NoPhantom), @"violated: alice handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1) at 0.020 s, but it was for everybody but its sender.");
    }

    #[test]
    fn asks_the_database_who_was_in_the_room() {
        let chat = chat(["alice", "bob"])
            .room("garden", ["alice"])
            .sent_to("garden", 10, "alice", ["m1"])
            .acknowledged(10, "m1")
            .sent_as(MessageKind::Join, "garden", 11, "bob", "bob joins")
            .sent_to("garden", 12, "alice", ["m2"])
            .sent_as(MessageKind::Leave, "garden", 13, "bob", "bob leaves")
            .sent_to("garden", 14, "alice", ["m3"])
            .stored(["m1", "bob joins", "m2", "bob leaves", "m3"])
            .handled(20, "bob", ["bob joins", "m2", "bob leaves"]);
        insta::assert_snapshot!(chat.clone().verdict(NoPhantom), @"held: 3 deliveries and 5 rows");
        insta::assert_snapshot!(chat.clone().handled(30, "bob", ["m1"]).verdict(NoPhantom), @"violated: bob handled `m1` (from alice to room garden, sent at 0.010 s, stored as row 1) at 0.030 s, but is not entitled to the room.");
        insta::assert_snapshot!(chat.handled(30, "bob", ["m3"]).verdict(NoPhantom), @"violated: bob handled `m3` (from alice to room garden, sent at 0.014 s, stored as row 5) at 0.030 s, but is not entitled to the room.");
    }

    #[test]
    fn is_violated_by_typing_that_is_stored() {
        let chat = chat(["alice", "bob"])
            .sent_as(MessageKind::Typing, "lobby", 10, "alice", "t1")
            .handled(20, "bob", ["t1"]);
        insta::assert_snapshot!(chat.clone().verdict(NoPhantom), @"held: 1 delivery and 0 rows");
        insta::assert_snapshot!(chat.stored(["t1"]).verdict(NoPhantom), @"violated: The database has `t1` (from alice to room lobby, sent at 0.010 s, stored as row 1), but it must not be stored.");
    }

    #[test]
    fn is_violated_by_a_row_that_nobody_sent() {
        let chat = one_message().stored_as("ghost", "alice", "lobby");
        insta::assert_snapshot!(chat.verdict(NoPhantom), @"violated: The database has `ghost` (from alice to room lobby, stored as row 1), but nobody sent it.");
    }

    #[test]
    fn is_not_exercised_when_nothing_arrives() {
        insta::assert_snapshot!(one_message().verdict(NoPhantom), @"not exercised");
    }

    #[test]
    fn lets_a_message_that_is_under_way_overtake_the_row_of_who_joins() {
        let joining = |stored_at: u64, handled_at| {
            chat(["alice", "bob"])
                .room("garden", ["alice"])
                .sent_to("garden", 10, "alice", ["m1"])
                .sent_as(MessageKind::Join, "garden", 20, "bob", "bob joins")
                .stored(["m1"])
                .committed(stored_at)
                .stored(["bob joins"])
                .handled(handled_at, "bob", ["m1"])
                .verdict(NoPhantom)
        };
        insta::assert_snapshot!(joining(20, 30), @"held: 1 delivery and 2 rows");
        // It was stored before bob asked; or bob had not asked yet.
        insta::assert_snapshot!(joining(19, 30), @"violated: bob handled `m1` (from alice to room garden, sent at 0.010 s, stored as row 1) at 0.030 s, but is not entitled to the room.");
        insta::assert_snapshot!(joining(20, 19), @"violated: bob handled `m1` (from alice to room garden, sent at 0.010 s, stored as row 1) at 0.019 s, but is not entitled to the room.");
    }

    #[test]
    fn takes_an_acknowledgement_for_the_commit_of_which_nobody_tells() {
        let joining = |acknowledged_at: u64| {
            chat(["alice", "bob"])
                .room("garden", ["alice"])
                .sent_to("garden", 10, "alice", ["m1"])
                .acknowledged(acknowledged_at, "m1")
                .sent_as(MessageKind::Join, "garden", 20, "bob", "bob joins")
                .stored(["m1", "bob joins"])
                .handled(30, "bob", ["m1"])
                .verdict(NoPhantom)
        };
        insta::assert_snapshot!(joining(20), @"held: 1 delivery and 2 rows");
        insta::assert_snapshot!(joining(19), @"violated: bob handled `m1` (from alice to room garden, sent at 0.010 s, stored as row 1) at 0.030 s, but is not entitled to the room.");
    }

    #[test]
    fn allows_what_overtakes_a_leave_until_the_receiver_knows_that_it_has_left() {
        let left = || {
            chat(["alice", "bob"])
                .sent_as(MessageKind::Leave, "lobby", 10, "bob", "l1")
                .sent(12, "alice", ["m1"])
                .stored(["l1", "m1"])
        };
        insta::assert_snapshot!(left().handled(20, "bob", ["m1", "l1"]).verdict(NoPhantom), @"held: 2 deliveries and 2 rows");
        insta::assert_snapshot!(left().handled(20, "bob", ["l1", "m1"]).verdict(NoPhantom), @"violated: bob handled `m1` (from alice to room lobby, sent at 0.012 s, stored as row 2) at 0.021 s, but is not entitled to the room.");
        let told = left().acknowledged(19, "l1").handled(20, "bob", ["m1"]);
        insta::assert_snapshot!(told.verdict(NoPhantom), @"violated: bob handled `m1` (from alice to room lobby, sent at 0.012 s, stored as row 2) at 0.020 s, but is not entitled to the room.");
        // A client that was in the room before, and comes back later, has left it all the same.
        let back = left()
            .sent_as(MessageKind::Join, "lobby", 30, "bob", "j1")
            .stored(["j1"])
            .handled(20, "bob", ["l1", "m1"]);
        insta::assert_snapshot!(back.verdict(NoPhantom), @"violated: bob handled `m1` (from alice to room lobby, sent at 0.012 s, stored as row 2) at 0.021 s, but is not entitled to the room.");
    }

    #[test]
    fn lets_a_message_be_handled_in_the_nanosecond_in_which_it_is_sent() {
        let chat = one_message().handled(10, "bob", ["m1"]);
        insta::assert_snapshot!(chat.verdict(NoPhantom), @"held: 1 delivery and 0 rows");
    }

    #[test]
    fn lets_nothing_in_by_a_join_that_came_to_nothing_or_was_none() {
        let outside = |kind, stored: bool| {
            let chat = chat(["alice", "bob"])
                .room("garden", ["alice"])
                .sent_to("garden", 10, "alice", ["m1"])
                .sent_as(kind, "garden", 20, "bob", "bob asks");
            let chat = match stored {
                true => chat.stored(["m1"]).committed(20).stored(["bob asks"]),
                false => chat,
            };
            chat.handled(30, "bob", ["m1"]).verdict(NoPhantom)
        };
        insta::assert_snapshot!(outside(MessageKind::Join, true), @"held: 1 delivery and 2 rows");
        insta::assert_snapshot!(outside(MessageKind::Message, true), @"violated: bob handled `m1` (from alice to room garden, sent at 0.010 s, stored as row 1) at 0.030 s, but is not entitled to the room.");
        insta::assert_snapshot!(outside(MessageKind::Join, false), @"violated: bob handled `m1` (from alice to room garden, sent at 0.010 s) at 0.030 s, but is not entitled to the room.");
    }

    #[test]
    fn devices_of_one_user_join_and_hear_as_one() {
        let bobs = || chat(["alice", "phone", "laptop"]);
        let bobs = || bobs().device_of("bob", "phone").device_of("bob", "laptop");
        // What one of them says has the user's name on it.
        let named = |sender| {
            let chat = bobs().sent(10, "phone", ["m1"]);
            let chat = chat.stored_as("m1", "bob", "lobby");
            chat.handled_as(20, "alice", "m1", sender, "lobby")
                .verdict(NoPhantom)
        };
        insta::assert_snapshot!(named("bob"), @"held: 1 delivery and 1 row");
        insta::assert_snapshot!(named("phone"), @"violated: alice handled `m1` (from phone to room lobby, sent at 0.010 s, stored as row 1) at 0.020 s, but phone sent it.");
        let others = bobs().sent_to_others(10, "phone", "m1");
        let others = others.handled_as(20, "laptop", "m1", "bob", "lobby");
        insta::assert_snapshot!(others.verdict(NoPhantom), @"violated: laptop handled `m1` (from bob to room lobby, sent at 0.010 s) at 0.020 s, but it was for everybody but its sender.");
        let joined = bobs()
            .room("den", ["alice"])
            .sent_as(MessageKind::Join, "den", 10, "phone", "bob joins")
            .stored_as("bob joins", "bob", "den")
            .sent_to("den", 20, "alice", ["m1"])
            .stored(["m1"])
            .handled(30, "laptop", ["m1"]);
        insta::assert_snapshot!(joined.verdict(NoPhantom), @"held: 1 delivery and 2 rows");
    }

    #[test]
    fn lets_a_message_in_by_a_join_to_its_own_room_and_of_its_own_receiver_only() {
        let joining = |who, room| {
            chat(["alice", "bob", "carol"])
                .room("garden", ["alice"])
                .room("attic", ["alice"])
                .sent_to("garden", 10, "alice", ["m1"])
                .sent_as(MessageKind::Join, room, 20, who, "a join")
                .stored(["m1"])
                .committed(20)
                .stored(["a join"])
                .handled(30, "bob", ["m1"])
                .verdict(NoPhantom)
        };
        insta::assert_snapshot!(joining("bob", "garden"), @"held: 1 delivery and 2 rows");
        insta::assert_snapshot!(joining("carol", "garden"), @"violated: bob handled `m1` (from alice to room garden, sent at 0.010 s, stored as row 1) at 0.030 s, but is not entitled to the room.");
        insta::assert_snapshot!(joining("bob", "attic"), @"violated: bob handled `m1` (from alice to room garden, sent at 0.010 s, stored as row 1) at 0.030 s, but is not entitled to the room.");
    }

    #[test]
    fn lets_a_message_overtake_a_leave_of_its_own_receiver_from_its_own_room_only() {
        // Bob was never in the garden.
        let outside = |kind, who, room| {
            chat(["alice", "bob", "carol"])
                .room("garden", ["alice", "carol"])
                .sent_as(kind, room, 10, who, "a change")
                .sent_to("garden", 12, "alice", ["m1"])
                .stored(["a change", "m1"])
                .handled(20, "bob", ["m1"])
                .verdict(NoPhantom)
        };
        let phantom = "violated: bob handled `m1` (from alice to room garden, sent at 0.012 s, stored as row 2) at 0.020 s, but is not entitled to the room.";
        assert_eq!(outside(MessageKind::Leave, "carol", "garden"), phantom);
        assert_eq!(outside(MessageKind::Leave, "bob", "lobby"), phantom);
        assert_eq!(outside(MessageKind::Message, "bob", "garden"), phantom);
        // A client that was not in has not left.
        assert_eq!(outside(MessageKind::Leave, "bob", "garden"), phantom);
    }

    #[test]
    fn asks_the_last_change_before_the_message_whether_it_is_a_leave_of_the_receiver() {
        let changed = |with: fn(Chat) -> Chat| {
            let chat = chat(["alice", "bob", "carol"])
                .sent_as(MessageKind::Leave, "lobby", 10, "bob", "bob leaves")
                .stored(["bob leaves"]);
            with(chat)
                .sent(15, "alice", ["m1"])
                .stored(["m1"])
                .handled(20, "bob", ["m1"])
                .verdict(NoPhantom)
        };
        insta::assert_snapshot!(changed(|chat| chat), @"held: 1 delivery and 2 rows");
        // What others change, what bob changes elsewhere, and anything that is no change do not
        // matter.
        let carol_leaves = |chat: Chat| {
            let chat = chat.sent_as(MessageKind::Leave, "lobby", 11, "carol", "carol leaves");
            chat.stored(["carol leaves"])
        };
        insta::assert_snapshot!(changed(carol_leaves), @"held: 1 delivery and 3 rows");
        let bob_joins_elsewhere = |chat: Chat| {
            let chat = chat.sent_as(MessageKind::Join, "attic", 11, "bob", "bob joins");
            chat.stored(["bob joins"])
        };
        insta::assert_snapshot!(changed(bob_joins_elsewhere), @"held: 1 delivery and 3 rows");
        let bob_says = |chat: Chat| chat.sent(11, "bob", ["words"]).stored(["words"]);
        insta::assert_snapshot!(changed(bob_says), @"held: 1 delivery and 3 rows");
        // Bob was told about the later leave.
        let twice = |chat: Chat| {
            chat.sent_as(MessageKind::Join, "lobby", 11, "bob", "bob joins")
                .sent_as(MessageKind::Leave, "lobby", 12, "bob", "bob leaves again")
                .stored(["bob joins", "bob leaves again"])
                .acknowledged(14, "bob leaves again")
        };
        insta::assert_snapshot!(changed(twice), @"violated: bob handled `m1` (from alice to room lobby, sent at 0.015 s, stored as row 4) at 0.020 s, but is not entitled to the room.");
        let first_told = |chat: Chat| {
            chat.sent_as(MessageKind::Join, "lobby", 11, "bob", "bob joins")
                .sent_as(MessageKind::Leave, "lobby", 12, "bob", "bob leaves again")
                .stored(["bob joins", "bob leaves again"])
                .acknowledged(14, "bob leaves")
        };
        insta::assert_snapshot!(changed(first_told), @"held: 1 delivery and 4 rows");
    }

    #[test]
    fn allows_what_comes_in_the_nanosecond_in_which_the_receiver_is_told_that_it_has_left() {
        let told = |at| {
            chat(["alice", "bob"])
                .sent_as(MessageKind::Leave, "lobby", 10, "bob", "l1")
                .sent(12, "alice", ["m1"])
                .stored(["l1", "m1"])
                .acknowledged(at, "l1")
                .handled(20, "bob", ["m1"])
                .verdict(NoPhantom)
        };
        insta::assert_snapshot!(told(20), @"held: 1 delivery and 2 rows");
        insta::assert_snapshot!(told(19), @"violated: bob handled `m1` (from alice to room lobby, sent at 0.012 s, stored as row 2) at 0.020 s, but is not entitled to the room.");
    }
}
