//! Fairness: no client's acknowledgement waits longer than allowed because of what others do, and
//! no client is served more than is allowed.
//!
//! A client sends its messages one after another: the wait for one begins when the previous one has
//! ended. Time for which the sender or the server stands still does not count, nor does what the
//! sender's own link needs. A wait that is too long is excused if the sender was not connected when
//! it began, if its connection ended for a reason other than a missing answer, or if something
//! disturbed it then or within the delivery bound before (a fault has after-effects for as long as
//! it may take to be noticed and mended), though not before its connection was begun. It is not
//! judged on a link with losses or a rate, where the answer may wait behind other things. Does not
//! look at messages that are never acknowledged (at-least-once does).
//!
//! Nobody is in more rooms at a time than is allowed. What one device of a user joins, the others
//! are in as well, whatever they are in already: only the one that joins is counted.
//!
//! A client that may send only so many messages per second, and so many at once, has no more than
//! that stored in one session. Where a client waits for each acknowledgement, a message arrives
//! after the previous one is stored, so the rows show this.

mod evidence;

pub use evidence::{ServedTooMuch, SlowAcknowledgement, TooManyRooms};

use crate::index::{Connection, Index, Invocation, time_for};
use crate::verdict::Findings;
use crate::{ClientId, EndCause, Ending, EventKind, Excuse, NotJudged, Time, Verdict, counted};

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    check_rooms(index, &mut findings);
    let Some(bound) = index.history.bounds.acknowledgement else {
        return findings.verdict(|_| String::new());
    };
    check_allowance(index, &mut findings);
    let mut free_since = vec![Time::ZERO; index.history.clients.len()];
    for (id, content) in (0..).zip(&index.contents) {
        let Some(sent) = content.lasting_invocation() else {
            continue;
        };
        let turn = &mut free_since[sent.sender.0 as usize];
        let since = sent.at.max(*turn);
        *turn = (*turn).max(sent.ending.at().unwrap_or(*turn));
        let Ending::Acknowledged(at) = sent.ending else {
            continue;
        };
        let Some(bound) = bound_for(index, sent, bound) else {
            findings.leave_open(NotJudged::LinkTooSlow);
            continue;
        };
        let due = index
            .conditions
            .over(&[None, Some(sent.sender)], since, bound);
        if at <= due {
            findings.held();
        } else if disturbed(index, sent.sender, since, at) {
            findings.excuse(Excuse::Disturbed);
        } else if let Some(reason) = busy(index, sent.sender) {
            findings.leave_open(reason);
        } else {
            findings.add(since, || SlowAcknowledgement {
                message: index.message(id),
                since,
                at,
                bound,
            });
        }
    }
    findings.verdict(|count| format!("{} in time", counted(count, "acknowledgement")))
}

/// Whether somebody is in more rooms than is allowed.
fn check_rooms(index: &Index<'_>, findings: &mut Findings) {
    let Some(allowed) = index.history.bounds.rooms else {
        return;
    };
    for number in 0..index.history.clients.len() as u32 {
        let client = ClientId(number);
        let (count, Some(row)) = index.memberships.most_at_once(client) else {
            continue;
        };
        let mut contents = index.contents.iter();
        let join = contents.find(|it| it.rows.iter().any(|it| it.id == row));
        let sender = join.and_then(|join| Some(join.invocation.as_ref()?.sender));
        if count > allowed as usize && sender.is_none_or(|sender| sender == client) {
            let rows = &index.history.database;
            let stored_at = rows
                .iter()
                .find(|it| it.id == row)
                .and_then(|it| it.stored_at);
            let at = stored_at.unwrap_or(index.history.ended_at);
            findings.add(at, || TooManyRooms {
                client: index.name(client),
                at,
                count: count as u64,
                allowed,
            });
        }
    }
}

/// Whether more of a client's messages are stored than it was allowed to send.
fn check_allowance(index: &Index<'_>, findings: &mut Findings) {
    let Some((rate, burst)) = index.history.bounds.allowance else {
        return;
    };
    let clients = index.history.clients.len();
    let mut stored: Vec<Vec<Time>> = vec![Vec::new(); clients];
    for content in &index.contents {
        let sent = content.lasting_invocation();
        let row = content.rows.first().and_then(|row| row.stored_at);
        if let (Some(sent), Some(at)) = (sent, row) {
            stored[sent.sender.0 as usize].push(at);
        }
    }
    let mut opened: Vec<Vec<Time>> = vec![Vec::new(); clients];
    for event in &index.history.events {
        if let EventKind::SessionOpened { .. } = event.kind {
            opened[event.client.0 as usize].push(event.at);
        }
    }
    for (number, (mut stored, opened)) in (0..).zip(stored.into_iter().zip(opened)) {
        stored.sort_unstable();
        let sessions =
            stored.chunk_by(|one, other| !opened.iter().any(|at| one <= at && at <= other));
        for session in sessions {
            let Some((from, until, count)) = too_many(session, rate, burst) else {
                continue;
            };
            findings.add(until, || ServedTooMuch {
                client: index.name(ClientId(number)),
                from,
                until,
                count,
                rate,
                burst,
            });
        }
    }
}

/// The first stretch that contains more of these than a rate and a burst allow. The first of them
/// may have been stored long after it arrived.
fn too_many(stored: &[Time], rate: u32, burst: u32) -> Option<(Time, Time, u64)> {
    for (last, &until) in stored.iter().enumerate() {
        for (first, &from) in stored[..last].iter().enumerate() {
            let count = (last - first) as u64;
            let allowed = f64::from(burst) + (until - from).as_secs_f64() * f64::from(rate);
            if count as f64 > allowed + 1.0 {
                return Some((from, until, count));
            }
        }
    }
    None
}

/// How often a client that may say little can be put off with a message: what it asks for is
/// counted as well.
const PUT_OFF: u32 = 2;

/// The bound plus what the sender's own link needs, and a wait for each time that one who may say
/// little was put off, and said it again; none if that cannot be said.
fn bound_for(index: &Index<'_>, sent: &Invocation<'_>, bound: Time) -> Option<Time> {
    let link = index.conditions.link(sent.sender);
    let there = time_for(sent.size, link.to_server, link.to_client.latency)?;
    let patience = index.history.bounds.patience.filter(|_| index.is_limited());
    let put_off = patience.unwrap_or_default() * sent.retries.min(PUT_OFF);
    Some(bound + there * 2 + (link.to_server.latency + link.to_client.latency) * 2 + put_off)
}

fn disturbed(index: &Index<'_>, client: ClientId, since: Time, until: Time) -> bool {
    let from = index.struck_since(client, since);
    index.conditions.disturbed(client, from, until) || !waits(index, client, since, until)
}

/// Whether the client was connected from the start of its wait until the end, or until it gave up a
/// connection because no answer came on it.
fn waits(index: &Index<'_>, client: ClientId, since: Time, until: Time) -> bool {
    let mut lives = index.incarnations.iter();
    lives.any(|life| {
        let runs = life.stopped_at.is_none_or(|at| at > until);
        let steps = &life.connections;
        let before = steps.partition_point(|step| step.at() <= since);
        let connected = matches!(steps[..before].last(), Some(Connection::Connected(..)));
        let waits = match steps.get(before) {
            Some(&Connection::Disconnected(at, cause)) if at <= until => {
                matches!(cause, EndCause::Unanswered { .. })
            }
            _ => true,
        };
        life.client == client && runs && connected && waits
    })
}

/// Why nothing can be said about how long an answer takes on the client's link, if so.
fn busy(index: &Index<'_>, client: ClientId) -> Option<NotJudged> {
    let link = index.conditions.link(client);
    let directions = [link.to_server, link.to_client];
    if directions.iter().any(|direction| direction.loss_ppm > 0) {
        return Some(NotJudged::LossesNeverEnd);
    }
    let limited = directions.iter().any(|direction| direction.rate.is_some());
    limited.then_some(NotJudged::LinkTooSlow)
}

impl Index<'_> {
    /// Whether one connection of the client lasts from one moment to the other.
    pub(crate) fn connected_throughout(&self, client: ClientId, from: Time, until: Time) -> bool {
        let mut lives = self.incarnations.iter();
        lives.any(|life| {
            let runs = life.stopped_at.is_none_or(|at| at > until);
            let steps = &life.connections;
            let before = steps.partition_point(|step| step.at() <= from);
            let connected = matches!(steps[..before].last(), Some(Connection::Connected(..)));
            let lasts = steps.get(before).is_none_or(|step| step.at() > until);
            life.client == client && runs && connected && lasts
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::Fairness;
    use crate::testing::{Chat, chat};
    use crate::{EndCause, Lost, MessageKind};

    // In the chats of these tests an acknowledgement may take 2 s.

    fn waited(at: u64) -> Chat {
        chat(["alice", "bob"])
            .acknowledged_within(2_000)
            .sent(10_000, "alice", ["m1"])
            .acknowledged(at, "m1")
    }

    #[test]
    fn holds_when_acknowledgements_come_in_time() {
        insta::assert_snapshot!(waited(12_000).verdict(Fairness), @"held: 1 acknowledgement in time");
    }

    #[test]
    fn is_violated_by_an_acknowledgement_that_has_to_wait() {
        insta::assert_snapshot!(waited(12_001).verdict(Fairness), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) could be sent from 10.000 s on and was acknowledged at 12.001 s; 2.000 s are allowed.");
    }

    #[test]
    fn lets_a_sender_wait_for_its_own_messages_but_not_for_those_of_others() {
        let after = |who| {
            chat(["alice", "bob"])
                .acknowledged_within(2_000)
                .sent(9_000, who, ["m0"])
                .sent(10_000, "alice", ["m1"])
                .acknowledged(11_000, "m0")
                .acknowledged(13_000, "m1")
                .verdict(Fairness)
        };
        insta::assert_snapshot!(after("alice"), @"held: 2 acknowledgements in time");
        insta::assert_snapshot!(after("bob"), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) could be sent from 10.000 s on and was acknowledged at 13.000 s; 2.000 s are allowed.");
    }

    #[test]
    fn excuses_a_sender_that_was_disturbed_and_no_other() {
        let cut = |who| waited(13_000).silence(11_000, 12_000, who, Lost::ToServer);
        insta::assert_snapshot!(cut("alice").verdict(Fairness), @"not exercised (1 excused: a fault touched it)");
        insta::assert_snapshot!(cut("bob").verdict(Fairness), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) could be sent from 10.000 s on and was acknowledged at 13.000 s; 2.000 s are allowed.");
    }

    #[test]
    fn excuses_a_sender_that_was_not_connected_throughout() {
        let away = waited(13_000)
            .disconnected(11_000, "alice")
            .connected(11_500, "alice");
        insta::assert_snapshot!(away.verdict(Fairness), @"not exercised (1 excused: a fault touched it)");
    }

    #[test]
    fn does_not_count_what_the_senders_own_link_needs() {
        let slow = |at| waited(at).link("alice", 1, 0).verdict(Fairness);
        // Twice the two bytes of `m1` at one byte per second.
        insta::assert_snapshot!(slow(16_000), @"held: 1 acknowledgement in time");
        // Here the answer may have waited behind something else.
        insta::assert_snapshot!(slow(16_001), @"not exercised (1 not judged: the link cannot carry so much)");
        let lossy = waited(12_001).link("alice", 1_000_000, 1);
        insta::assert_snapshot!(lossy.verdict(Fairness), @"not exercised (1 not judged: the losses of the link never end)");
    }

    /// Seed 2524 of the worlds: who catches up message by message was put off twice.
    #[test]
    fn lets_who_may_say_little_wait_as_often_as_it_was_put_off_and_at_most_twice() {
        let limited = |rate, retries: u32, at| {
            let chat = waited(at).patience(1_500).allowing(rate, 3);
            let chat = (0..retries).fold(chat, |chat, _| chat.retried(11_000, "m1"));
            chat.verdict(Fairness)
        };
        let in_time = |rate, retries, at| limited(rate, retries, at).starts_with("held");
        assert!(in_time(99, 0, 12_000) && !in_time(99, 0, 12_001));
        assert!(in_time(99, 1, 13_500) && !in_time(99, 1, 13_501));
        assert!(in_time(99, 2, 15_000) && !in_time(99, 2, 15_001));
        assert!(!in_time(99, 3, 15_001));
        assert!(!in_time(100, 2, 12_001));
    }

    #[test]
    fn is_not_exercised_without_a_bound() {
        let chat = chat(["alice"])
            .sent(10_000, "alice", ["m1"])
            .acknowledged(50_000, "m1");
        insta::assert_snapshot!(chat.verdict(Fairness), @"not exercised");
    }

    #[test]
    fn does_not_excuse_a_connection_that_was_given_up_because_nobody_answered() {
        let given_up = |cause| {
            waited(13_000)
                .disconnected_because(12_000, "alice", cause)
                .connected(12_500, "alice")
                .verdict(Fairness)
        };
        let after = crate::Time::from_secs(2);
        insta::assert_snapshot!(given_up(EndCause::Unanswered { after }), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) could be sent from 10.000 s on and was acknowledged at 13.000 s; 2.000 s are allowed.");
        insta::assert_snapshot!(given_up(EndCause::Closed), @"not exercised (1 excused: a fault touched it)");
    }

    #[test]
    fn excuses_what_a_fault_has_left_behind_for_as_long_as_the_delivery_bound() {
        let cut = |until| waited(13_000).silence(3_000, until, "alice", Lost::BothWays);
        insta::assert_snapshot!(cut(5_000).verdict(Fairness), @"not exercised (1 excused: a fault touched it)");
        insta::assert_snapshot!(cut(4_999).verdict(Fairness), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) could be sent from 10.000 s on and was acknowledged at 13.000 s; 2.000 s are allowed.");
    }

    #[test]
    fn what_a_fault_has_left_behind_is_not_on_a_connection_that_was_begun_after_it() {
        let cut = |until, server: &str| {
            let chat = waited(13_000).silence(6_000, until, "alice", Lost::BothWays);
            let chat = chat.disconnected(7_000, "alice").connecting(8_000, "alice");
            let chat = chat.connected(9_000, "alice").served_by(server);
            chat.verdict(Fairness)
        };
        insta::assert_snapshot!(cut(8_000, ""), @"not exercised (1 excused: a fault touched it)");
        insta::assert_snapshot!(cut(7_999, ""), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) could be sent from 10.000 s on and was acknowledged at 13.000 s; 2.000 s are allowed.");
        insta::assert_snapshot!(cut(7_999, "server-1"), @"not exercised (1 excused: a fault touched it)");
        let limited = |rate| {
            let chat = waited(13_000).silence(6_000, 7_000, "alice", Lost::BothWays);
            let chat = chat.disconnected(7_000, "alice").connecting(8_000, "alice");
            let chat = chat.connected(9_000, "alice").allowing(rate, 9);
            chat.verdict(Fairness)
        };
        insta::assert_snapshot!(limited(99), @"not exercised (1 excused: a fault touched it)");
        insta::assert_snapshot!(limited(100), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) could be sent from 10.000 s on and was acknowledged at 13.000 s; 2.000 s are allowed.");
    }

    #[test]
    fn gives_the_senders_own_link_two_round_trips() {
        let far = |at| waited(at).latency("alice", 100, 300).verdict(Fairness);
        insta::assert_snapshot!(far(12_800), @"held: 1 acknowledgement in time");
        insta::assert_snapshot!(far(12_801), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) could be sent from 10.000 s on and was acknowledged at 12.801 s; 2.800 s are allowed.");
        let others = waited(12_800).latency("bob", 100, 300);
        insta::assert_snapshot!(others.verdict(Fairness), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) could be sent from 10.000 s on and was acknowledged at 12.800 s; 2.000 s are allowed.");
    }

    #[test]
    fn excuses_a_wait_in_which_the_senders_program_ended() {
        let ended = |at| waited(13_000).restarted(at, "alice").verdict(Fairness);
        insta::assert_snapshot!(ended(11_000), @"not exercised (1 excused: a fault touched it)");
        insta::assert_snapshot!(ended(13_000), @"not exercised (1 excused: a fault touched it)");
        insta::assert_snapshot!(ended(13_001), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) could be sent from 10.000 s on and was acknowledged at 13.000 s; 2.000 s are allowed.");
    }

    #[test]
    fn asks_nothing_of_a_connection_that_was_not_there_when_the_wait_began_or_ended_meanwhile() {
        let closed = |at| {
            let chat = waited(13_000).disconnected_because(at, "alice", EndCause::Closed);
            chat.verdict(Fairness)
        };
        insta::assert_snapshot!(closed(13_000), @"not exercised (1 excused: a fault touched it)");
        insta::assert_snapshot!(closed(13_001), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) could be sent from 10.000 s on and was acknowledged at 13.000 s; 2.000 s are allowed.");
        let back = |at| {
            let chat = waited(13_000).disconnected(9_000, "alice");
            chat.connected(at, "alice").verdict(Fairness)
        };
        insta::assert_snapshot!(back(10_000), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) could be sent from 10.000 s on and was acknowledged at 13.000 s; 2.000 s are allowed.");
        insta::assert_snapshot!(back(10_001), @"not exercised (1 excused: a fault touched it)");
    }

    #[test]
    fn does_not_judge_a_long_wait_on_a_link_that_loses_or_has_a_rate_one_way() {
        let late = || waited(13_000);
        insta::assert_snapshot!(late().loses("alice", 1, 0).verdict(Fairness), @"not exercised (1 not judged: the losses of the link never end)");
        insta::assert_snapshot!(late().loses("alice", 0, 1).verdict(Fairness), @"not exercised (1 not judged: the losses of the link never end)");
        insta::assert_snapshot!(late().carries("alice", Some(1_000_000), None).verdict(Fairness), @"not exercised (1 not judged: the link cannot carry so much)");
        insta::assert_snapshot!(late().carries("alice", None, Some(1_000_000)).verdict(Fairness), @"not exercised (1 not judged: the link cannot carry so much)");
        insta::assert_snapshot!(late().loses("alice", 200_000, 0).verdict(Fairness), @"not exercised (1 not judged: the link cannot carry so much)");
        insta::assert_snapshot!(late().loses("bob", 1, 1).verdict(Fairness), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) could be sent from 10.000 s on and was acknowledged at 13.000 s; 2.000 s are allowed.");
    }

    #[test]
    fn does_not_count_the_time_for_which_sender_or_server_stand_still() {
        let paused = |at, who| waited(at).standstill(11_000, 12_000, who).verdict(Fairness);
        insta::assert_snapshot!(paused(13_000, "alice"), @"held: 1 acknowledgement in time");
        insta::assert_snapshot!(paused(13_000, "server"), @"held: 1 acknowledgement in time");
        insta::assert_snapshot!(paused(13_000, "bob"), @"violated: `m1` (from alice to room lobby, sent at 10.000 s) could be sent from 10.000 s on and was acknowledged at 13.000 s; 2.000 s are allowed.");
    }

    #[test]
    fn is_violated_by_a_client_of_whom_more_is_stored_than_it_may_send() {
        let stored = |every: u64| {
            let mut chat = chat(["alice"])
                .acknowledged_within(2_000)
                .links_without_limits()
                .allowing(10, 3);
            for number in 0..20 {
                let (at, content) = (10_000 + number * every, format!("m{number}"));
                chat = chat.sent(at, "alice", [&*content]);
                chat = chat.stored([&*content]).committed(at + 10);
                chat = chat.acknowledged(at + 20, &content);
            }
            chat
        };
        insta::assert_snapshot!(stored(100).verdict(Fairness), @"held: 20 acknowledgements in time");
        insta::assert_snapshot!(stored(70).verdict(Fairness), @"violated: 14 messages of alice were stored from 10.010 s to 10.990 s; 10 a second and 3 at once are allowed.");
        // Another session has an allowance of its own.
        insta::assert_snapshot!(stored(70).connected(10_700, "alice").verdict(Fairness), @"held: 20 acknowledgements in time");
    }

    #[test]
    fn of_the_devices_of_a_user_only_the_one_that_joins_counts() {
        let joined = |who| {
            chat(["phone", "laptop"])
                .device_of("bob", "phone")
                .device_of("bob", "laptop")
                .room("den", ["laptop"])
                .rooms_up_to(2)
                .sent_as(MessageKind::Join, "attic", 10, who, "bob joins")
                .stored_as("bob joins", "bob", "attic")
                .verdict(Fairness)
        };
        assert!(!joined("phone").starts_with("violated"));
        assert!(joined("laptop").starts_with("violated"));
    }

    #[test]
    fn is_violated_by_a_client_in_more_rooms_at_a_time_than_it_may_be() {
        let moved = |leaves: bool, most| {
            let chat = chat(["alice", "bob"]).rooms_up_to(most);
            let mut chat = chat
                .sent_as(MessageKind::Join, "garden", 10_000, "alice", "j1")
                .stored(["j1"]);
            if leaves {
                chat = chat
                    .sent_as(MessageKind::Leave, "garden", 11_000, "alice", "l1")
                    .stored(["l1"]);
            }
            chat.sent_as(MessageKind::Join, "attic", 12_000, "alice", "j2")
                .stored(["j2"])
                .committed(12_100)
                .verdict(Fairness)
        };
        insta::assert_snapshot!(moved(false, 3), @"not exercised");
        insta::assert_snapshot!(moved(false, 2), @"violated: alice was in 3 rooms at 12.100 s; 2 are allowed.");
        insta::assert_snapshot!(moved(true, 2), @"not exercised");
    }
}
