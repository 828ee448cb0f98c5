//! Ephemeral delivery: typing and the like arrive while all is well, in time, and are never
//! repeated later.
//!
//! All is well for a sender that is in the room as far as it and the server know (joining waits in
//! its queue, typing does not), and for a receiver that is there from beginning to end. Both are
//! connected from one bound before the sending until one bound after it, and are not disturbed in
//! that time or within the delivery bound before it (a fault has after-effects for as long as it
//! may take to be noticed and mended), though not before their connections were begun. What the two
//! links need is added to the bound. Nothing is asked about messages that the sender was told had
//! failed. Does not look at what reaches others (no-phantom does).

use crate::evidence::{HandledLate, HandledTwice, NotHandled};
use crate::index::{ContentId, Index, Invocation, time_for};
use crate::verdict::Findings;
use crate::{Asked, ClientId, Ending, Excuse, MessageKind, NotJudged, Time, Verdict, counted};
use rustc_hash::FxHashMap;

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let Some(bound) = index.history.bounds.ephemeral else {
        return Verdict::NotExercised(Asked::default());
    };
    let mut findings = Findings::default();
    let changes = Changes::new(index);
    for (id, content) in (0..).zip(&index.contents) {
        let ephemeral = content.invocation.as_ref();
        let Some(sent) = ephemeral.filter(|sent| sent.kind.is_ephemeral()) else {
            continue;
        };
        let began_there = index.memberships.ever(sent.sender, sent.room);
        if !changes.leave_it_there(sent, began_there) {
            continue;
        }
        for receiver in (0..index.history.clients.len() as u32).map(ClientId) {
            let own = !sent.echo && index.are_of_one_user(receiver, sent.sender);
            if !own && index.memberships.always(receiver, sent.room) {
                judge(index, (id, sent), receiver, bound, &mut findings);
            }
        }
    }
    findings.verdict(|count| format!("{} while all was well", counted(count, "delivery")))
}

/// Who has asked to join or leave which room.
struct Changes<'i, 'h>(FxHashMap<(ClientId, &'h str), Vec<&'i Invocation<'h>>>);

impl<'i, 'h> Changes<'i, 'h> {
    fn new(index: &'i Index<'h>) -> Self {
        let mut changes: FxHashMap<_, Vec<_>> = FxHashMap::default();
        let all = index
            .contents
            .iter()
            .filter_map(|content| content.invocation.as_ref());
        for change in all.filter(|sent| matches!(sent.kind, MessageKind::Join | MessageKind::Leave))
        {
            let of_room = changes.entry((change.sender, change.room)).or_default();
            of_room.push(change);
        }
        Changes(changes)
    }

    /// Whether the sender was in the room when it sent this, and knew it: it had been told about
    /// all its own changes, of which the last made it a member.
    fn leave_it_there(&self, sent: &Invocation<'_>, began_there: bool) -> bool {
        let before = self.0.get(&(sent.sender, sent.room)).into_iter().flatten();
        let before = before.filter(|change| change.order < sent.order);
        let mut is_there = (began_there, 0);
        for change in before {
            if !matches!(change.ending, Ending::Acknowledged(at) if at <= sent.at) {
                return false;
            }
            if change.order >= is_there.1 {
                is_there = (change.kind == MessageKind::Join, change.order);
            }
        }
        is_there.0
    }
}

fn judge(
    index: &Index<'_>,
    (id, sent): (ContentId, &Invocation<'_>),
    receiver: ClientId,
    bound: Time,
    findings: &mut Findings,
) {
    let lives = index.incarnations.iter();
    let lives = lives.filter(|life| life.client == receiver);
    let times = lives.flat_map(|life| life.deliveries_of(id));
    let times: Vec<Time> = times.map(|delivery| delivery.at).collect();
    if let [_, again, ..] = times[..] {
        return findings.add(again, || HandledTwice {
            message: index.message(id),
            receiver: index.name(receiver),
            handled_at: times.clone(),
        });
    }
    let handled_at = times.first().copied();
    let Some(due) = way(index, sent, receiver).map(|way| sent.at + bound + way) else {
        return match handled_at {
            Some(at) if at <= sent.at + bound => findings.held(),
            _ => findings.leave_open(NotJudged::LinkTooSlow),
        };
    };
    match handled_at {
        Some(at) if at <= due => findings.held(),
        None if sent.failed() => findings.excuse(Excuse::ToldFailed),
        _ if !is_well(index, sent.sender, sent.at, bound, due)
            || !is_well(index, receiver, sent.at, bound, due) =>
        {
            findings.excuse(Excuse::Disturbed);
        }
        _ if due > index.history.ended_at => findings.leave_open(NotJudged::EndedTooSoon),
        // What does not fit into a full queue is gone.
        _ if !index.queue_has_room(receiver, sent.at.saturating_sub(bound), due) => {
            findings.leave_open(NotJudged::LinkTooSlow);
        }
        Some(handled_at) => findings.add(due, || HandledLate {
            message: index.message(id),
            receiver: index.name(receiver),
            handled_at,
            due,
        }),
        None => findings.add(due, || NotHandled {
            message: index.message(id),
            receiver: index.name(receiver),
            due,
        }),
    }
}

fn is_well(index: &Index<'_>, client: ClientId, sent_at: Time, bound: Time, due: Time) -> bool {
    let from = sent_at.saturating_sub(bound);
    let until = due.min(index.history.ended_at);
    let touched = index.struck_since(client, sent_at);
    !index.conditions.disturbed(client, touched, until)
        && index.connected_throughout(client, from, until)
}

/// What the paths of the two need; none if it cannot be said: packets are lost, or the path has a
/// rate and may be carrying something else.
fn way(index: &Index<'_>, sent: &Invocation<'_>, receiver: ClientId) -> Option<Time> {
    let to_server = index.conditions.link(sent.sender).to_server;
    let to_client = index.conditions.link(receiver).to_client;
    let free = |direction: crate::Direction| direction.rate.is_none() && direction.loss_ppm == 0;
    let time = time_for(sent.size, to_server, to_client.latency)?;
    (free(to_server) && free(to_client)).then_some(time + to_server.latency + to_client.latency)
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::EphemeralDelivery;
    use crate::testing::{Chat, chat};
    use crate::{Lost, MessageKind};

    // In the chats of these tests typing has to arrive within 2 s.

    fn typing() -> Chat {
        chat(["alice", "bob"])
            .ephemeral_within(2_000)
            .room("garden", ["alice", "bob"])
            .typed(10_000, "garden", "alice", "t1")
    }

    #[test]
    fn holds_when_typing_arrives_in_time() {
        let chat = typing().handled(12_000, "bob", ["t1"]);
        insta::assert_snapshot!(chat.verdict(EphemeralDelivery), @"held: 1 delivery while all was well");
    }

    #[test]
    fn is_violated_when_it_arrives_late_twice_or_not() {
        insta::assert_snapshot!(typing().handled(12_001, "bob", ["t1"]).verdict(EphemeralDelivery), @"violated: bob handled `t1` (from alice to room garden, sent at 10.000 s) only at 12.001 s; it was due by 12.000 s.");
        let twice = typing().handled(10_100, "bob", ["t1", "t1"]);
        insta::assert_snapshot!(twice.verdict(EphemeralDelivery), @"violated: bob handled `t1` (from alice to room garden, sent at 10.000 s) 2 times: at 10.100 s, 10.101 s.");
        insta::assert_snapshot!(typing().verdict(EphemeralDelivery), @"violated: bob never handled `t1` (from alice to room garden, sent at 10.000 s); it was due by 12.000 s.");
    }

    #[test]
    fn is_violated_by_typing_that_comes_again_in_another_life() {
        let chat = typing()
            .handled(10_100, "bob", ["t1"])
            .restarted(20_000, "bob")
            .handled(20_100, "bob", ["t1"]);
        insta::assert_snapshot!(chat.verdict(EphemeralDelivery), @"violated: bob handled `t1` (from alice to room garden, sent at 10.000 s) 2 times: at 10.100 s, 20.100 s.");
    }

    #[test]
    fn asks_nothing_while_all_is_not_well_with_one_of_the_two() {
        let cut = |who, from, until| {
            let chat = typing().silence(from, until, who, Lost::BothWays);
            chat.verdict(EphemeralDelivery)
        };
        insta::assert_snapshot!(cut("alice", 7_000, 8_000), @"not exercised (1 excused: a fault touched it)");
        insta::assert_snapshot!(cut("bob", 12_000, 13_000), @"not exercised (1 excused: a fault touched it)");
        // A fault has after-effects for the delivery bound, which is 5 s in these chats.
        insta::assert_snapshot!(cut("bob", 4_000, 5_000), @"not exercised (1 excused: a fault touched it)");
        insta::assert_snapshot!(cut("bob", 4_000, 4_999), @"violated: bob never handled `t1` (from alice to room garden, sent at 10.000 s); it was due by 12.000 s.");
        insta::assert_snapshot!(cut("alice", 12_001, 13_000), @"violated: bob never handled `t1` (from alice to room garden, sent at 10.000 s); it was due by 12.000 s.");
        let away = typing().disconnected(9_000, "bob").connected(9_500, "bob");
        insta::assert_snapshot!(away.verdict(EphemeralDelivery), @"not exercised (1 excused: a fault touched it)");
    }

    #[test]
    fn asks_for_typing_on_connections_that_were_begun_after_a_fault() {
        let cut = |until| {
            let chat = typing().silence(4_000, until, "bob", Lost::BothWays);
            let chat = chat.disconnected(5_000, "bob").connecting(6_000, "bob");
            chat.connected(7_000, "bob").verdict(EphemeralDelivery)
        };
        insta::assert_snapshot!(cut(6_000), @"not exercised (1 excused: a fault touched it)");
        insta::assert_snapshot!(cut(5_999), @"violated: bob never handled `t1` (from alice to room garden, sent at 10.000 s); it was due by 12.000 s.");
    }

    #[test]
    fn asks_nothing_of_who_is_not_always_in_the_room() {
        let chat = chat(["alice", "bob"])
            .ephemeral_within(2_000)
            .room("garden", ["alice"])
            .typed(10_000, "garden", "alice", "t1");
        insta::assert_snapshot!(chat.verdict(EphemeralDelivery), @"not exercised");
    }

    #[test]
    fn asks_nothing_of_a_receiver_whose_queue_may_have_been_full() {
        let crowd = |packets| {
            let chat = (2..=5).fold(typing(), |chat, number| {
                chat.typed(9_000, "lobby", "alice", &format!("t{number}"))
            });
            let chat = chat.handled(9_100, "bob", ["t2", "t3", "t4", "t5"]);
            chat.live(1_000, packets).verdict(EphemeralDelivery)
        };
        insta::assert_snapshot!(crowd(16), @"violated: bob never handled `t1` (from alice to room garden, sent at 10.000 s); it was due by 12.000 s.");
        insta::assert_snapshot!(crowd(15), @"held: 4 deliveries while all was well (1 not judged: the link cannot carry so much)");
    }

    #[test]
    fn asks_nothing_of_a_sender_who_was_never_in_the_room() {
        let typed = |who| {
            let chat = chat(["alice", "bob", "carol"]).ephemeral_within(2_000);
            let chat = chat.room("garden", ["alice", "bob"]);
            chat.typed(10_000, "garden", who, "t1")
                .verdict(EphemeralDelivery)
        };
        insta::assert_snapshot!(typed("alice"), @"violated: bob never handled `t1` (from alice to room garden, sent at 10.000 s); it was due by 12.000 s.");
        insta::assert_snapshot!(typed("carol"), @"not exercised");
    }

    #[test]
    fn asks_nothing_of_a_sender_who_has_not_been_told_that_it_has_joined() {
        let joined = |at| {
            chat(["alice", "bob"])
                .ephemeral_within(2_000)
                .room("garden", ["bob"])
                .sent_as(MessageKind::Join, "garden", 9_000, "alice", "j")
                .acknowledged(at, "j")
                .typed(10_000, "garden", "alice", "t1")
                .verdict(EphemeralDelivery)
        };
        insta::assert_snapshot!(joined(10_000), @"violated: bob never handled `t1` (from alice to room garden, sent at 10.000 s); it was due by 12.000 s.");
        insta::assert_snapshot!(joined(10_001), @"not exercised");
    }

    /// Seed 14619 of the worlds: a script made somebody leave, who then typed there.
    #[test]
    fn asks_nothing_of_a_sender_who_knows_that_it_has_left() {
        let typed = |then| {
            chat(["alice", "bob"])
                .ephemeral_within(2_000)
                .sent_as(MessageKind::Leave, "lobby", 8_000, "alice", "l")
                .acknowledged(8_100, "l")
                .sent_as(then, "lobby", 9_000, "alice", "j")
                .acknowledged(9_100, "j")
                .typed(10_000, "lobby", "alice", "t1")
                .verdict(EphemeralDelivery)
        };
        insta::assert_snapshot!(typed(MessageKind::Leave), @"not exercised");
        insta::assert_snapshot!(typed(MessageKind::Join), @"violated: bob never handled `t1` (from alice to room lobby, sent at 10.000 s); it was due by 12.000 s.");
    }

    #[test]
    fn says_nothing_of_what_is_stored_or_without_a_bound() {
        let stored = chat(["alice", "bob"])
            .ephemeral_within(2_000)
            .sent(10_000, "alice", ["m1"]);
        insta::assert_snapshot!(stored.verdict(EphemeralDelivery), @"not exercised");
        let unbound =
            chat(["alice", "bob"]).sent_as(MessageKind::Typing, "lobby", 10, "alice", "t1");
        insta::assert_snapshot!(unbound.verdict(EphemeralDelivery), @"not exercised");
    }

    #[test]
    fn does_not_judge_what_a_link_with_losses_or_a_rate_may_hold_up() {
        insta::assert_snapshot!(typing().link("bob", 1_000, 0).verdict(EphemeralDelivery), @"not exercised (1 not judged: the link cannot carry so much)");
        insta::assert_snapshot!(typing().link("alice", 1_000_000, 1).verdict(EphemeralDelivery), @"not exercised (1 not judged: the link cannot carry so much)");
    }

    #[test]
    fn does_not_judge_what_is_typed_just_before_the_end() {
        let chat = chat(["alice", "bob"])
            .ephemeral_within(2_000)
            .typed(58_001, "lobby", "alice", "t1");
        insta::assert_snapshot!(chat.verdict(EphemeralDelivery), @"not exercised (1 not judged: the run ended before it was due)");
    }

    #[test]
    fn asks_nothing_of_what_its_sender_was_told_that_it_failed() {
        insta::assert_snapshot!(typing().failed(10_001, "t1").verdict(EphemeralDelivery), @"not exercised (1 excused: was told that it failed)");
    }

    #[test]
    fn does_not_take_for_right_what_comes_late_on_a_link_that_may_hold_it_up() {
        let lossy = |at| {
            let chat = typing().link("bob", 1_000_000, 10_000);
            chat.handled(at, "bob", ["t1"]).verdict(EphemeralDelivery)
        };
        insta::assert_snapshot!(lossy(12_000), @"held: 1 delivery while all was well");
        insta::assert_snapshot!(lossy(12_001), @"not exercised (1 not judged: the link cannot carry so much)");
        insta::assert_snapshot!(lossy(50_000), @"not exercised (1 not judged: the link cannot carry so much)");
    }

    #[test]
    fn gives_the_way_of_the_sender_and_that_of_the_receiver_their_time_and_no_other() {
        let far = |at| {
            let chat = typing().latency("alice", 100, 9_000);
            let chat = chat.latency("bob", 9_000, 300);
            chat.handled(at, "bob", ["t1"]).verdict(EphemeralDelivery)
        };
        insta::assert_snapshot!(far(12_400), @"held: 1 delivery while all was well");
        insta::assert_snapshot!(far(12_401), @"violated: bob handled `t1` (from alice to room garden, sent at 10.000 s) only at 12.401 s; it was due by 12.400 s.");
    }

    #[test]
    fn judges_what_is_due_at_the_very_end() {
        let chat = chat(["alice", "bob"])
            .ephemeral_within(2_000)
            .typed(58_000, "lobby", "alice", "t1");
        insta::assert_snapshot!(chat.verdict(EphemeralDelivery), @"violated: bob never handled `t1` (from alice to room lobby, sent at 58.000 s); it was due by 60.000 s.");
    }

    #[test]
    fn asks_whoever_is_connected_from_a_bound_before_to_a_bound_after() {
        // Typed at 10 s: from 8 s to 12 s.
        let with = |told: fn(Chat) -> Chat| told(typing()).verdict(EphemeralDelivery);
        let back = |at| {
            let chat = typing().disconnected(3_000, "bob").connected(at, "bob");
            chat.verdict(EphemeralDelivery)
        };
        insta::assert_snapshot!(back(8_000), @"violated: bob never handled `t1` (from alice to room garden, sent at 10.000 s); it was due by 12.000 s.");
        insta::assert_snapshot!(back(8_001), @"not exercised (1 excused: a fault touched it)");
        insta::assert_snapshot!(with(|chat| chat.disconnected(12_001, "bob")), @"violated: bob never handled `t1` (from alice to room garden, sent at 10.000 s); it was due by 12.000 s.");
        insta::assert_snapshot!(with(|chat| chat.disconnected(12_000, "bob")), @"not exercised (1 excused: a fault touched it)");
        insta::assert_snapshot!(with(|chat| chat.stopped(12_001, "bob")), @"violated: bob never handled `t1` (from alice to room garden, sent at 10.000 s); it was due by 12.000 s.");
        insta::assert_snapshot!(with(|chat| chat.stopped(12_000, "bob")), @"not exercised (1 excused: a fault touched it)");
        insta::assert_snapshot!(with(|chat| chat.stopped(11_000, "bob")), @"not exercised (1 excused: a fault touched it)");
        insta::assert_snapshot!(with(|chat| chat.disconnected(12_000, "alice")), @"not exercised (1 excused: a fault touched it)");
    }

    #[test]
    fn asks_for_the_echo_of_a_sender_that_wants_one() {
        let alone = chat(["alice"]).ephemeral_within(2_000);
        let alone = alone.sent_as(MessageKind::Typing, "lobby", 10_000, "alice", "t1");
        insta::assert_snapshot!(alone.clone().verdict(EphemeralDelivery), @"violated: alice never handled `t1` (from alice to room lobby, sent at 10.000 s); it was due by 12.000 s.");
        insta::assert_snapshot!(alone.handled(10_100, "alice", ["t1"]).verdict(EphemeralDelivery), @"held: 1 delivery while all was well");
    }
}
