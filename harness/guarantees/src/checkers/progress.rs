//! Progress: once the network is whole for a receiver that wants to be there, it gets in, and
//! handles all that it is entitled to within a bound.
//!
//! The bound is that of [`Index::due_to`]: it follows from the receiver's link and from what waits
//! for it. Reconnecting does not restart the clock, and being absent at the end is no excuse. A
//! receiver is one case, however many messages it misses. In addition, a sender that asks for
//! acknowledgements, and is there, is told what became of a message that is stored. Does not look
//! at order nor at duplicates.

mod evidence;

pub use evidence::{Missing, NeverAnswered, NoProgress};

use crate::index::{Connection, Due, Index, Receiver};
use crate::verdict::Findings;
use crate::{Ending, NotJudged, Time, Verdict, counted};
use std::time::Duration;

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    for receiver in index.receivers() {
        let wanted = match receiver.wants {
            Ok(wanted) => wanted,
            // A client in no room, such as a hostile peer, is no receiver.
            Err(_) if receiver.client.rooms.is_empty() => continue,
            Err(excuse) => {
                findings.excuse(excuse);
                continue;
            }
        };
        let Some(whole) = index.conditions.whole_since(receiver.id) else {
            findings.leave_open(NotJudged::FaultNeverEnded);
            continue;
        };
        let since = whole.max(wanted);
        let stuck = without_connection(index, &receiver, since);
        match stuck.map_or_else(|| messages(index, &receiver, wanted), Judgement::Stuck) {
            Judgement::OnItsWay => findings.held(),
            Judgement::Open(reason) => findings.leave_open(reason),
            Judgement::Stuck((due, missing)) => findings.add(due, || NoProgress {
                receiver: receiver.client.name.clone(),
                since,
                due,
                missing,
            }),
        }
    }
    check_answers(index, &mut findings);
    findings.verdict(|receivers| format!("{} in time", counted(receivers, "receiver")))
}

/// How much longer than a delivery an answer may take: a sender that has waited in vain several
/// times waits this long before it asks again.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whether every sender that is there has been told what became of its messages, as far as they are
/// stored.
fn check_answers(index: &Index<'_>, findings: &mut Findings) {
    if index.history.bounds.acknowledgement.is_none() {
        return;
    }
    let receivers = index.receivers();
    for (id, content) in (0..).zip(&index.contents) {
        let sent = content.lasting_invocation();
        let Some(sent) = sent.filter(|sent| sent.ending == Ending::Open) else {
            continue;
        };
        let sender = &receivers[sent.sender.0 as usize];
        let life = sender.incarnation.filter(|life| life.started_at <= sent.at);
        let (Some(stored_at), Some(_), Ok(wanted)) = (content.stored_at, life, sender.wants) else {
            continue;
        };
        let due = (index.conditions.whole_since(sender.id))
            .map(|whole| stored_at.max(whole).max(wanted))
            .map(|since| since + index.history.bounds.delivery + PATIENCE);
        match due {
            Some(due) if due <= index.history.ended_at => {
                findings.add(due, || NeverAnswered {
                    message: index.message(id),
                    due,
                });
            }
            Some(_) => findings.leave_open(NotJudged::EndedTooSoon),
            None => findings.leave_open(NotJudged::FaultNeverEnded),
        }
    }
}

/// Above this share of further losses after one, in millionths, attempts to connect may lose all
/// their packets one after another.
const BURSTS: u32 = 100_000;
/// How many times the bound attempts to connect are then given. (Without it, 2 of 10,000 runs of a
/// link that loses 10 % in bursts of five were too late.)
const UNLUCKY: u32 = 3;

enum Judgement {
    OnItsWay,
    Open(NotJudged),
    Stuck((Time, Missing)),
}

/// By when a receiver should have been connected, if it has not been for longer than the bound when
/// the run ends.
fn without_connection(
    index: &Index<'_>,
    receiver: &Receiver<'_, '_>,
    since: Time,
) -> Option<(Time, Missing)> {
    let steps = &receiver.incarnation?.connections;
    let lost_at = match steps.iter().rposition(is_connected) {
        Some(last) => Some(steps.get(last + 1)?.at()),
        None => None,
    };
    let link = index.conditions.link(receiver.id);
    let latency = (link.to_client.latency + link.to_server.latency) * 4;
    let loses_in_bursts = [link.to_client, link.to_server]
        .iter()
        .any(|way| way.next_loss_ppm > BURSTS);
    let attempts = if loses_in_bursts { UNLUCKY } else { 1 };
    let bound = index.history.bounds.delivery * attempts;
    let due = since.max(lost_at.unwrap_or_default()) + bound + latency;
    (due <= index.history.ended_at).then_some((due, Missing::Connection { since: lost_at }))
}

fn is_connected(step: &Connection<'_>) -> bool {
    matches!(step, Connection::Connected(..))
}

/// Whether the receiver has handled in time everything that is due to it.
fn messages(index: &Index<'_>, receiver: &Receiver<'_, '_>, wanted: Time) -> Judgement {
    let (mut due_ones, mut handled) = (0, 0);
    let mut open = None;
    let mut first: Option<(Time, crate::index::ContentId)> = None;
    for (room, id) in index.entitlements(receiver.id) {
        if !index.content(id).rows.iter().any(|row| row.room == room) {
            continue;
        }
        let due = match index.due_to(receiver, wanted, id) {
            Due::By(due) => due,
            Due::Open(reason) => {
                if receiver.handled_at(id).is_none() {
                    open = Some(reason);
                }
                continue;
            }
        };
        due_ones += 1;
        if receiver.handled_at(id).is_some_and(|at| at <= due) {
            handled += 1;
        } else if first.is_none_or(|(earliest, _)| due < earliest) {
            first = Some((due, id));
        }
    }
    match (first, open) {
        (Some((due, id)), _) => {
            let first = index.message(id);
            let due_messages = due_ones;
            let missing = Missing::Messages {
                due: due_messages,
                handled,
                first,
            };
            Judgement::Stuck((due, missing))
        }
        (None, Some(reason)) => Judgement::Open(reason),
        (None, None) => Judgement::OnItsWay,
    }
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::Progress;
    use crate::testing::{Chat, chat};
    use crate::{EndCause, Lost};

    // In the chats of these tests a message is due 5 s after it is stored.

    fn stored_message() -> Chat {
        chat(["alice", "bob"])
            .sent(10, "alice", ["m1"])
            .acknowledged(12, "m1")
            .stored(["m1"])
            .handled(14, "alice", ["m1"])
    }

    #[test]
    fn holds_when_every_receiver_has_handled_everything() {
        let chat = stored_message().handled(5_012, "bob", ["m1"]);
        insta::assert_snapshot!(chat.verdict(Progress), @"held: 2 receivers in time");
    }

    #[test]
    fn is_violated_by_a_receiver_that_connects_for_ever_and_handles_nothing() {
        let mut chat = stored_message();
        for at in (2_000..58_000).step_by(4_000) {
            chat = chat
                .disconnected(at, "bob")
                .connecting(at + 1_000, "bob")
                .connected(at + 1_100, "bob");
        }
        insta::assert_snapshot!(chat.verdict(Progress), @"violated: Nothing disturbed bob from 0.000 s on, and by 5.012 s it should have handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1); in time it handled 0 of the 1 that were due.");
    }

    #[test]
    fn is_violated_by_a_receiver_that_never_gets_in() {
        let chat = stored_message().never_connected("bob");
        insta::assert_snapshot!(chat.verdict(Progress), @"violated: Nothing disturbed bob from 0.000 s on, and by 5.000 s it should have got in; it never did.");
    }

    #[test]
    fn is_violated_by_a_receiver_that_is_lost_and_does_not_come_back() {
        let chat = stored_message().handled(20, "bob", ["m1"]);
        let lost = |at| chat.clone().disconnected(at, "bob").verdict(Progress);
        insta::assert_snapshot!(lost(55_000), @"violated: Nothing disturbed bob from 0.000 s on, and by 60.000 s it should have been back; from 55.000 s on it was not connected.");
        insta::assert_snapshot!(lost(55_001), @"held: 2 receivers in time");
    }

    #[test]
    fn is_violated_by_a_message_that_comes_too_late() {
        let chat = stored_message().handled(5_013, "bob", ["m1"]);
        insta::assert_snapshot!(chat.verdict(Progress), @"violated: Nothing disturbed bob from 0.000 s on, and by 5.012 s it should have handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1); in time it handled 0 of the 1 that were due.");
    }

    #[test]
    fn excuses_who_does_not_run_and_who_has_left_by_its_own_word_only() {
        let stopped = stored_message().stopped(13, "bob");
        insta::assert_snapshot!(stopped.verdict(Progress), @"held: 1 receiver in time (1 excused: its program was not running)");
        let left = |cause| stored_message().disconnected_because(13, "bob", cause);
        insta::assert_snapshot!(left(EndCause::Meant).verdict(Progress), @"held: 1 receiver in time (1 excused: its user had left)");
        insta::assert_snapshot!(left(EndCause::PeerMeant).verdict(Progress), @"violated: Nothing disturbed bob from 0.000 s on, and by 5.013 s it should have been back; from 0.013 s on it was not connected.");
    }

    #[test]
    fn counts_for_who_left_from_the_moment_it_comes_back() {
        let back = stored_message()
            .disconnected_because(13, "bob", EndCause::Meant)
            .connecting(30_000, "bob")
            .connected(30_010, "bob");
        insta::assert_snapshot!(back.clone().handled(35_000, "bob", ["m1"]).verdict(Progress), @"held: 2 receivers in time");
        insta::assert_snapshot!(back.handled(35_001, "bob", ["m1"]).verdict(Progress), @"violated: Nothing disturbed bob from 30.000 s on, and by 35.000 s it should have handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1); in time it handled 0 of the 1 that were due.");
    }

    #[test]
    fn lets_the_network_heal_for_this_receiver_and_for_no_other() {
        let cut = |who| {
            stored_message()
                .silence(5, 30_000, who, Lost::BothWays)
                .handled(34_000, "bob", ["m1"])
                .verdict(Progress)
        };
        insta::assert_snapshot!(cut("bob"), @"held: 2 receivers in time");
        insta::assert_snapshot!(cut("alice"), @"violated: Nothing disturbed bob from 0.000 s on, and by 5.012 s it should have handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1); in time it handled 0 of the 1 that were due.");
    }

    #[test]
    fn does_not_judge_who_is_disturbed_until_the_end() {
        let chat = stored_message().silence(5, 60_000, "bob", Lost::BothWays);
        insta::assert_snapshot!(chat.verdict(Progress), @"held: 1 receiver in time (1 not judged: the fault never ended)");
    }

    #[test]
    fn gives_a_slow_link_the_time_it_needs_and_no_more() {
        let slow = |at| {
            chat(["alice", "bob"])
                .link("bob", 1_000, 0)
                .sent_large(10, "alice", "m1", 4_700)
                .acknowledged(12, "m1")
                .stored(["m1"])
                .handled(14, "alice", ["m1"])
                .handled(at, "bob", ["m1"])
                .verdict(Progress)
        };
        // Twice 5 kB at 1 kB/s: 10 s more than the others have.
        insta::assert_snapshot!(slow(15_012), @"held: 2 receivers in time");
        insta::assert_snapshot!(slow(15_013), @"violated: Nothing disturbed bob from 0.000 s on, and by 15.012 s it should have handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1); in time it handled 0 of the 1 that were due.");
    }

    #[test]
    fn does_not_judge_what_a_link_cannot_carry() {
        let link = |rate, loss_ppm| {
            chat(["alice", "bob"])
                .link("bob", rate, loss_ppm)
                .sent_large(10, "alice", "m1", 4_700)
                .acknowledged(12, "m1")
                .stored(["m1"])
                .handled(14, "alice", ["m1"])
                .verdict(Progress)
        };
        insta::assert_snapshot!(link(100, 0), @"held: 1 receiver in time (1 not judged: the link cannot carry so much)");
        insta::assert_snapshot!(link(1_000_000, 100_000), @"held: 1 receiver in time (1 not judged: the link cannot carry so much)");
        insta::assert_snapshot!(link(1_000_000, 99_999), @"violated: Nothing disturbed bob from 0.000 s on, and by 5.048 s it should have handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1); in time it handled 0 of the 1 that were due.");
    }

    #[test]
    fn is_violated_behind_a_box_that_is_on_the_way_for_good() {
        let chat = stored_message().behind_a_box("bob");
        insta::assert_snapshot!(chat.verdict(Progress), @"violated: Nothing disturbed bob from 0.000 s on, and by 5.012 s it should have handled `m1` (from alice to room lobby, sent at 0.010 s, stored as row 1); in time it handled 0 of the 1 that were due.");
    }

    #[test]
    fn gives_who_is_lost_far_away_four_round_trips_to_be_back() {
        let lost = |at| {
            let chat = stored_message().handled(20, "bob", ["m1"]);
            let far = chat.latency("bob", 100, 300);
            far.disconnected(at, "bob").verdict(Progress)
        };
        insta::assert_snapshot!(lost(53_400), @"violated: Nothing disturbed bob from 0.000 s on, and by 60.000 s it should have been back; from 53.400 s on it was not connected.");
        insta::assert_snapshot!(lost(53_401), @"held: 2 receivers in time");
    }

    #[test]
    fn gives_three_times_the_bound_to_connect_over_a_link_that_loses_in_bursts_and_no_more() {
        let lost = |at, next_loss_ppm| {
            let chat = stored_message().handled(20, "bob", ["m1"]);
            let chat = chat.disconnected_because(at, "bob", EndCause::TimedOut);
            chat.bursts("bob", 20_000, next_loss_ppm).verdict(Progress)
        };
        insta::assert_snapshot!(lost(55_000, 100_000), @"violated: Nothing disturbed bob from 0.000 s on, and by 60.000 s it should have been back; from 55.000 s on it was not connected.");
        insta::assert_snapshot!(lost(45_001, 100_001), @"held: 2 receivers in time");
        insta::assert_snapshot!(lost(45_000, 100_001), @"violated: Nothing disturbed bob from 0.000 s on, and by 60.000 s it should have been back; from 45.000 s on it was not connected.");
    }

    #[test]
    fn tells_how_many_were_handled_in_time_and_the_one_that_was_due_first() {
        let three = |commits: [u64; 3]| {
            chat(["bob"])
                .room("garden", ["bob"])
                .sent(10, "bob", ["m1", "m2", "m3", "m4"])
                .sent_to("garden", 20, "bob", ["g1"])
                .stored(["m1", "m2"])
                .committed(commits[0])
                .stored(["m3"])
                .committed(commits[1])
                .stored(["m4"])
                .committed(200)
                .stored(["g1"])
                .committed(commits[2])
                .handled(300, "bob", ["m1", "m4"])
                .verdict(Progress)
        };
        insta::assert_snapshot!(three([100, 5_000, 9_000]), @"violated: Nothing disturbed bob from 0.000 s on, and by 5.100 s it should have handled `m2` (from bob to room lobby, sent at 0.011 s, stored as row 2); in time it handled 2 of the 5 that were due.");
        insta::assert_snapshot!(three([9_000, 5_000, 5_000]), @"violated: Nothing disturbed bob from 0.000 s on, and by 10.000 s it should have handled `m3` (from bob to room lobby, sent at 0.012 s, stored as row 3); in time it handled 2 of the 5 that were due.");
        insta::assert_snapshot!(three([9_000, 9_000, 5_000]), @"violated: Nothing disturbed bob from 0.000 s on, and by 10.000 s it should have handled `g1` (from bob to room garden, sent at 0.020 s, stored as row 5); in time it handled 2 of the 5 that were due.");
    }

    #[test]
    fn does_not_count_who_is_in_no_room_and_has_gone() {
        let gone = |chat: Chat| chat.stopped(30, "bob").verdict(Progress);
        insta::assert_snapshot!(gone(stored_message().in_no_room("bob")), @"held: 1 receiver in time");
        insta::assert_snapshot!(gone(stored_message()), @"held: 1 receiver in time (1 excused: its program was not running)");
        insta::assert_snapshot!(stored_message().in_no_room("bob").verdict(Progress), @"held: 2 receivers in time");
    }

    #[test]
    fn wants_a_sender_to_be_told_what_became_of_a_message_that_is_stored() {
        let chat = || {
            chat(["alice", "bob"])
                .acknowledged_within(1_000)
                .ended(200_000)
                .sent(10_000, "alice", ["m1"])
                .stored(["m1"])
                .committed(10_100)
                .handled(10_200, "alice", ["m1"])
                .handled(10_200, "bob", ["m1"])
        };
        insta::assert_snapshot!(chat().verdict(Progress), @"violated: `m1` (from alice to room lobby, sent at 10.000 s, stored as row 1): its sender should have been told by 135.100 s what became of it, and never was.");
        insta::assert_snapshot!(chat().acknowledged(11_000, "m1").verdict(Progress), @"held: 2 receivers in time");
        insta::assert_snapshot!(chat().stopped(150_000, "alice").verdict(Progress), @"held: 1 receiver in time (1 excused: its program was not running)");
        insta::assert_snapshot!(chat().disturbed(9_000, Some(190_000), Some("alice")).verdict(Progress), @"held: 2 receivers in time (1 not judged: the run ended before it was due)");
    }
}
