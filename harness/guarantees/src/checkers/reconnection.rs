//! Reconnection: a connection never gets a session id that was used before, and a client waits
//! within the back-off's bounds before it tries again.
//!
//! After an established connection the back-off starts over, so the wait is a short one, and the
//! waits of a run are not all the same: clients that lose the same server would come back at the
//! same moment. With each failure the longest wait doubles, and no more than that, and the waits
//! grow with it: otherwise a server that is away would be asked all the time. The time for which a
//! client waits for an acknowledgement also doubles, after each one that was overdue, up to a
//! limit, and comes back down when one has come in time. An attempt to connect is given up in time.
//!
//! The wait is the time between noticing that a connection, or an attempt, is over and the next
//! attempt of the same incarnation. A program that keeps running without trying again has waited
//! too long, unless its user had left; the time for which it stood still does not count. A
//! recovered session has its old id, as the recovery checker wants. Does not look at whether an
//! attempt succeeds (progress does), nor at how long a program waits before its first one.

mod evidence;

pub use evidence::{
    BackOff, LongAttempt, LongPatience, NoGrowth, NoJitter, SessionReused, WrongPatience,
};

use crate::conditions::Stretch;
use crate::index::{Connection, Incarnation, Index};
use crate::verdict::Findings;
use crate::{
    ClientId, EndCause, Ending, EventKind, Excuse, OperationId, Time, Verdict, counted, natural,
};
use rustc_hash::{FxHashMap, FxHashSet};
use std::time::Duration;

/// How much longer than allowed a wait may be: timers fire late, never early.
const TOLERANCE: Duration = Duration::from_millis(5);

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    check_sessions(index, &mut findings);
    for incarnation in &index.incarnations {
        check_waits(index, incarnation, &mut findings);
        check_attempts(index, incarnation, &mut findings);
    }
    check_jitter(index, &mut findings);
    check_growth(index, &mut findings);
    check_patience(index, &mut findings);
    check_doubling(index, &mut findings);
    findings.verdict(|again| format!("{} after an earlier one", counted(again, "connection")))
}

fn check_sessions(index: &Index<'_>, findings: &mut Findings) {
    let mut used: FxHashMap<&str, (ClientId, Time)> = FxHashMap::default();
    let mut connected = FxHashSet::default();
    for event in &index.history.events {
        let EventKind::Connected {
            session, recovered, ..
        } = &event.kind
        else {
            continue;
        };
        let again = !connected.insert(event.client);
        let earlier = used.insert(session, (event.client, event.at));
        let may_be_used = |client| {
            let promised = index.history.bounds.recovery.is_some();
            *recovered && (promised || client == event.client)
        };
        let earlier = earlier.filter(|&(client, _)| !may_be_used(client));
        let Some((earlier_client, earlier_at)) = earlier else {
            if again {
                findings.held();
            }
            continue;
        };
        findings.add(event.at, || SessionReused {
            session: session.clone(),
            earlier_client: index.name(earlier_client),
            earlier_at,
            client: index.name(event.client),
            at: event.at,
        });
    }
}

fn check_waits(index: &Index<'_>, incarnation: &Incarnation<'_>, findings: &mut Findings) {
    let bounds = &index.history.bounds;
    let runs_until = incarnation.stopped_at.unwrap_or(index.history.ended_at);
    let steps = &incarnation.connections;
    for (position, step) in steps.iter().enumerate() {
        let &Connection::Disconnected(disconnected_at, cause) = step else {
            continue;
        };
        let connecting_at = match steps.get(position + 1) {
            Some(&Connection::Connecting(at)) => Some(at),
            Some(_) => continue,
            None => None,
        };
        let end = connecting_at.unwrap_or(runs_until);
        let wait = end.saturating_sub(disconnected_at);
        if cause == EndCause::Meant {
            // The user decides whether and when to come back.
            findings.excuse(Excuse::Left);
            continue;
        }
        let (min, max) = (bounds.backoff_min, ceiling(index, &steps[..=position]));
        // Who stands still notices when it happens, and tells of it when it can.
        let untold = || {
            let from = disconnected_at.saturating_sub(min);
            let until = disconnected_at;
            let whose = [Some(incarnation.client)];
            (index.conditions).stood_still(&whose, Stretch { from, until })
        };
        let too_early = connecting_at.is_some() && wait < min;
        let too_late = wait > max + TOLERANCE;
        let whose = [Some(incarnation.client)];
        let over = || {
            let conditions = &index.conditions;
            conditions.over(&whose, disconnected_at, max + TOLERANCE)
        };
        if too_late && end <= over() || too_early && wait + untold() >= min {
            findings.excuse(Excuse::StoodStill);
        } else if too_early || too_late {
            findings.add(disconnected_at, || BackOff {
                client: index.name(incarnation.client),
                disconnected_at,
                connecting_at,
                min,
                max,
            });
        }
    }
}

fn is_connected(step: &Connection<'_>) -> bool {
    matches!(step, Connection::Connected(..))
}

/// The longest wait after these steps of a life, the last of which is an end: twice as long as
/// after the end before, if there was no connection in between.
fn ceiling(index: &Index<'_>, steps: &[Connection<'_>]) -> Time {
    let bounds = &index.history.bounds;
    let Some(first) = bounds.backoff_first else {
        return bounds.backoff_max;
    };
    let since = steps.iter().rposition(is_connected).unwrap_or(0);
    let ends = steps[since..].iter();
    let ends = ends.filter(|step| matches!(step, Connection::Disconnected(..)));
    let doubled = 2_u32.saturating_pow((ends.count() as u32).saturating_sub(1));
    first.saturating_mul(doubled).min(bounds.backoff_max)
}

/// Whether attempts to connect end in time.
fn check_attempts(index: &Index<'_>, incarnation: &Incarnation<'_>, findings: &mut Findings) {
    let Some(bound) = index.history.bounds.attempt else {
        return;
    };
    let runs_until = incarnation.stopped_at.unwrap_or(index.history.ended_at);
    let steps = &incarnation.connections;
    for (position, step) in steps.iter().enumerate() {
        let &Connection::Connecting(from) = step else {
            continue;
        };
        let ended_at = steps.get(position + 1).map(Connection::at);
        let until = ended_at.unwrap_or(runs_until);
        if until <= from + bound + TOLERANCE {
            continue;
        }
        let whose = [Some(incarnation.client)];
        if until <= index.conditions.over(&whose, from, bound + TOLERANCE) {
            findings.excuse(Excuse::StoodStill);
            continue;
        }
        findings.add(from, || LongAttempt {
            client: index.name(incarnation.client),
            from,
            ended_at,
            bound,
        });
    }
}

/// The names of these clients, each once.
fn names(index: &Index<'_>, clients: impl Iterator<Item = ClientId>) -> Vec<String> {
    let mut names: Vec<String> = clients.map(|client| index.name(client)).collect();
    names.sort_by(|one, other| natural(one, other));
    names.dedup();
    names
}

/// How improbable it must be that drawn waits come out like this before we say that they are not
/// drawn, or do not grow.
const NO_CHANCE: f64 = 1e-5;

/// Whether waits grow with the failures: if none of the waits that might be longer than the first
/// one are, that is no coincidence.
fn check_growth(index: &Index<'_>, findings: &mut Findings) {
    let bounds = &index.history.bounds;
    let Some(first) = bounds.backoff_first else {
        return;
    };
    let mut waits: Vec<(Time, Time, ClientId)> = Vec::new();
    let mut chance = 1.0;
    for life in &index.incarnations {
        let steps = &life.connections;
        for (position, pair) in steps.windows(2).enumerate() {
            let [
                Connection::Disconnected(from, cause),
                Connection::Connecting(until),
            ] = *pair
            else {
                continue;
            };
            let max = ceiling(index, &steps[..=position]);
            if cause == EndCause::Meant || max < first + TOLERANCE {
                continue;
            }
            let (short, all) = (first - bounds.backoff_min, max - bounds.backoff_min);
            chance *= (short + TOLERANCE).as_secs_f64() / (all + TOLERANCE).as_secs_f64();
            waits.push((until, until.saturating_sub(from), life.client));
        }
    }
    let longest = waits.iter().map(|&(_, wait, _)| wait).max();
    match longest {
        Some(longest) if longest <= first + TOLERANCE && chance < NO_CHANCE => {
            let at = waits.iter().map(|&(at, ..)| at).max().unwrap_or_default();
            findings.add(at, || NoGrowth {
                longest,
                count: waits.len() as u64,
                clients: names(index, waits.iter().map(|&(.., who)| who)),
                at,
            });
        }
        _ => {}
    }
}

/// Whether the waits after established connections are drawn: if they are all of one length, that
/// is no coincidence where there are enough of them, and enough to draw from.
fn check_jitter(index: &Index<'_>, findings: &mut Findings) {
    let bounds = &index.history.bounds;
    let Some(first) = bounds
        .backoff_first
        .filter(|first| *first > bounds.backoff_min)
    else {
        return;
    };
    let mut waits: Vec<(Time, Time, ClientId)> = Vec::new();
    for life in &index.incarnations {
        let steps = life.connections.windows(3);
        waits.extend(steps.filter_map(|steps| match *steps {
            [
                Connection::Connected(..),
                Connection::Disconnected(from, cause),
                Connection::Connecting(until),
            ] if cause != EndCause::Meant => Some((until, until - from, life.client)),
            _ => None,
        }));
    }
    // Any of them may be the shortest, and each of the others is then drawn next to it.
    let share = TOLERANCE.as_secs_f64() / (first - bounds.backoff_min).as_secs_f64();
    let count = waits.len();
    let chance = count as f64 * share.powi(count as i32 - 1);
    let shortest = waits.iter().map(|&(_, wait, _)| wait).min();
    let longest = waits.iter().map(|&(_, wait, _)| wait).max();
    let (Some(wait), Some(longest), true) = (shortest, longest, chance < NO_CHANCE) else {
        return;
    };
    if longest - wait > TOLERANCE {
        findings.held();
    } else {
        let at = waits.iter().map(|&(at, ..)| at).max().unwrap_or_default();
        findings.add(at, || NoJitter {
            wait,
            count: count as u64,
            clients: names(index, waits.iter().map(|&(.., who)| who)),
            at,
        });
    }
}

/// Whether the first wait for an acknowledgement that is given up after one that came in time is no
/// longer than it was at first. An acknowledgement certainly came in time if the message was not
/// sent again, and it came within the bound after the sender's turn to send it.
fn check_patience(index: &Index<'_>, findings: &mut Findings) {
    let Some(bound) = index.history.bounds.patience else {
        return;
    };
    let contents = index.contents.iter();
    let mut endings: Vec<(Time, ClientId, bool)> = Vec::new();
    let mut free_since = vec![Time::ZERO; index.history.clients.len()];
    for sent in contents.filter_map(|content| content.lasting_invocation()) {
        let turn = &mut free_since[sent.sender.0 as usize];
        let since = sent.at.max(*turn);
        *turn = (*turn).max(sent.ending.at().unwrap_or(*turn));
        if let Ending::Acknowledged(at) = sent.ending {
            let in_time = sent.retries == 0 && at.saturating_sub(since) < bound;
            endings.push((at, sent.sender, in_time));
        }
    }
    for life in &index.incarnations {
        let mut checked_until = life.started_at;
        for step in &life.connections {
            let &Connection::Disconnected(at, EndCause::Unanswered { after }) = step else {
                continue;
            };
            let own = endings.iter().filter(|(ended_at, client, in_time)| {
                *client == life.client && *in_time && (checked_until..at).contains(ended_at)
            });
            let answered_at = own.map(|&(ended_at, ..)| ended_at).max();
            checked_until = at;
            match answered_at {
                None => {}
                Some(_) if after <= bound + TOLERANCE => findings.held(),
                Some(answered_at) => findings.add(at, || LongPatience {
                    client: index.name(life.client),
                    answered_at,
                    at,
                    waited: after,
                    bound,
                }),
            }
        }
    }
}

/// Whether a client that waits in vain for the acknowledgement of a message waits twice as long for
/// the next one, and never longer than the limit. Its connection ends then, that long after the
/// message was put on it.
fn check_doubling(index: &Index<'_>, findings: &mut Findings) {
    let Some(limit) = index.history.bounds.patience_max else {
        return;
    };
    let clients = index.history.clients.len();
    let mut tried: Vec<Option<(OperationId, Time)>> = vec![None; clients];
    let mut waited: Vec<Option<(OperationId, Time)>> = vec![None; clients];
    for event in &index.history.events {
        let client = event.client.0 as usize;
        match event.kind {
            EventKind::Started => (tried[client], waited[client]) = (None, None),
            EventKind::Retried { operation, .. } => tried[client] = Some((operation, event.at)),
            EventKind::Disconnected {
                cause: EndCause::Unanswered { after },
                ..
            } => {
                let due =
                    |&(_, at): &(OperationId, Time)| event.at.abs_diff(at + after) <= TOLERANCE;
                let Some((operation, _)) = tried[client].filter(due) else {
                    continue;
                };
                let before = waited[client].filter(|&(of, _)| of == operation);
                let least = before.map_or(Time::ZERO, |(_, waited)| (waited * 2).min(limit));
                waited[client] = Some((operation, after));
                if after > limit + TOLERANCE || after + TOLERANCE < least {
                    findings.add(event.at, || WrongPatience {
                        client: index.name(event.client),
                        at: event.at,
                        waited: after,
                        least,
                        most: limit,
                    });
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::Reconnection;
    use crate::testing::{Chat, chat};
    use crate::{EndCause, Time};

    // In the chats of these tests the wait is 1 s to 5 s.

    #[test]
    fn holds_when_waits_are_in_bounds_and_ids_are_new() {
        let chat = chat(["alice"])
            .disconnected(10_000, "alice")
            .connecting(11_000, "alice")
            .disconnected(12_000, "alice")
            .connecting(17_005, "alice")
            .connected(17_100, "alice");
        insta::assert_snapshot!(chat.verdict(Reconnection), @"held: 1 connection after an earlier one");
    }

    #[test]
    fn is_violated_by_a_wait_that_is_too_short() {
        let chat = chat(["alice"])
            .disconnected(10_000, "alice")
            .connecting(10_999, "alice")
            .connected(11_100, "alice");
        insta::assert_snapshot!(chat.verdict(Reconnection), @"violated: alice was disconnected at 10.000 s and tried again at 10.999 s, after 0.999 s; the wait must be 1.000 s to 5.000 s.");
    }

    #[test]
    fn is_violated_by_a_wait_that_is_too_long() {
        let chat = chat(["alice"])
            .disconnected(10_000, "alice")
            .connecting(15_006, "alice")
            .connected(15_100, "alice");
        insta::assert_snapshot!(chat.verdict(Reconnection), @"violated: alice was disconnected at 10.000 s and tried again at 15.006 s, after 5.006 s; the wait must be 1.000 s to 5.000 s.");
    }

    #[test]
    fn is_violated_by_a_client_that_never_tries_again() {
        let chat = chat(["alice"]).disconnected(10_000, "alice");
        insta::assert_snapshot!(chat.verdict(Reconnection), @"violated: alice was disconnected at 10.000 s and ran on without trying again; the wait must be 1.000 s to 5.000 s.");
    }

    #[test]
    fn excuses_a_client_whose_program_ended() {
        let chat = chat(["alice"])
            .disconnected(10_000, "alice")
            .stopped(12_000, "alice");
        insta::assert_snapshot!(chat.verdict(Reconnection), @"not exercised");
    }

    #[test]
    fn excuses_a_long_wait_and_no_short_one_of_a_client_that_stood_still() {
        let waited = |until| {
            chat(["alice"])
                .standstill(10_000, 20_000, "alice")
                .disconnected(10_000, "alice")
                .connecting(until, "alice")
                .connected(until + 100, "alice")
                .verdict(Reconnection)
        };
        insta::assert_snapshot!(waited(21_000), @"held: 1 connection after an earlier one (1 excused: its program stood still)");
        insta::assert_snapshot!(waited(10_500), @"violated: alice was disconnected at 10.000 s and tried again at 10.500 s, after 0.500 s; the wait must be 1.000 s to 5.000 s.");
    }

    #[test]
    fn is_violated_by_a_session_id_that_was_used_before() {
        let chat = chat(["alice", "bob"])
            .disconnected(10_000, "bob")
            .connecting(12_000, "bob")
            .connected_as(12_100, "bob", "alice-1");
        insta::assert_snapshot!(chat.verdict(Reconnection), @"violated: bob was given session alice-1 at 12.100 s, which alice had been given at 0.000 s.");
    }

    #[test]
    fn asks_no_wait_of_a_restarted_program() {
        let chat = chat(["alice"]).restarted(10_000, "alice");
        insta::assert_snapshot!(chat.verdict(Reconnection), @"held: 1 connection after an earlier one");
    }

    #[test]
    fn is_not_exercised_when_nobody_connects_twice() {
        insta::assert_snapshot!(chat(["alice", "bob"]).verdict(Reconnection), @"not exercised");
    }

    #[test]
    fn does_not_count_a_standstill_and_counts_the_rest_of_the_wait() {
        let waited = |until| {
            chat(["alice"])
                .standstill(11_000, 13_000, "alice")
                .disconnected(10_000, "alice")
                .connecting(until, "alice")
                .connected(until + 100, "alice")
                .verdict(Reconnection)
        };
        insta::assert_snapshot!(waited(17_005), @"held: 1 connection after an earlier one (1 excused: its program stood still)");
        insta::assert_snapshot!(waited(17_006), @"violated: alice was disconnected at 10.000 s and tried again at 17.006 s, after 7.006 s; the wait must be 1.000 s to 5.000 s.");
    }

    #[test]
    fn who_stands_still_may_tell_of_an_end_later_than_it_has_noticed_it() {
        let waited = |wait: u64| {
            chat(["alice"])
                .standstill(9_500, 10_000, "alice")
                .disconnected(10_000, "alice")
                .connecting(10_000 + wait, "alice")
                .connected(11_500, "alice")
                .verdict(Reconnection)
        };
        insta::assert_snapshot!(waited(500), @"held: 1 connection after an earlier one (1 excused: its program stood still)");
        insta::assert_snapshot!(waited(499), @"violated: alice was disconnected at 10.000 s and tried again at 10.499 s, after 0.499 s; the wait must be 1.000 s to 5.000 s.");
    }

    #[test]
    fn asks_no_attempt_of_who_has_left_by_its_own_word() {
        let left = |cause| {
            let chat = chat(["alice"]).disconnected_because(10_000, "alice", cause);
            chat.verdict(Reconnection)
        };
        insta::assert_snapshot!(left(crate::EndCause::Meant), @"not exercised (1 excused: its user had left)");
        insta::assert_snapshot!(left(crate::EndCause::PeerMeant), @"violated: alice was disconnected at 10.000 s and ran on without trying again; the wait must be 1.000 s to 5.000 s.");
    }

    /// Alice is lost once for each of these waits, and comes back after it.
    fn lost_again_and_again<const N: usize>(waits: [u64; N]) -> Chat {
        let mut chat = chat(["alice", "bob"]).backoff_first(2_000);
        for (at, wait) in (5_000..).step_by(5_000).zip(waits) {
            chat = chat
                .disconnected(at, "alice")
                .connecting(at + wait, "alice")
                .connected(at + wait + 100, "alice");
        }
        chat
    }

    #[test]
    fn is_violated_by_a_back_off_that_does_not_start_over() {
        insta::assert_snapshot!(lost_again_and_again([2_005]).verdict(Reconnection), @"held: 1 connection after an earlier one");
        insta::assert_snapshot!(lost_again_and_again([2_006]).verdict(Reconnection), @"violated: alice was disconnected at 5.000 s and tried again at 7.006 s, after 2.006 s; the wait must be 1.000 s to 2.000 s.");
        // After a failed attempt the back-off goes on.
        let failed = chat(["alice"])
            .backoff_first(2_000)
            .disconnected(5_000, "alice")
            .connecting(6_500, "alice")
            .disconnected(7_000, "alice")
            .connecting(11_000, "alice")
            .connected(11_100, "alice");
        insta::assert_snapshot!(failed.verdict(Reconnection), @"held: 1 connection after an earlier one");
    }

    #[test]
    fn is_violated_by_a_back_off_without_jitter() {
        insta::assert_snapshot!(lost_again_and_again([1_500; 4]).verdict(Reconnection), @"violated: All 4 waits of alice after a connection were 1.500 s long: who loses the same server comes back at the same moment.");
        insta::assert_snapshot!(lost_again_and_again([1_500; 3]).verdict(Reconnection), @"held: 3 connections after an earlier one");
        let drawn = lost_again_and_again([1_500, 1_500, 1_500, 1_506]);
        insta::assert_snapshot!(drawn.verdict(Reconnection), @"held: 5 connections after an earlier one");
    }

    #[test]
    fn waits_of_one_length_are_suspicious_only_where_there_was_much_to_draw_from() {
        // A wait of 1.000 s to 1.013 s.
        let narrow = |count: u64| {
            let mut chat = chat(["alice"]).backoff_first(1_013);
            for at in (2_000..).step_by(2_000).take(count as usize) {
                chat = chat
                    .disconnected(at, "alice")
                    .connecting(at + 1_006, "alice")
                    .connected(at + 1_010, "alice");
            }
            chat.verdict(Reconnection)
        };
        insta::assert_snapshot!(narrow(6), @"held: 6 connections after an earlier one");
        insta::assert_snapshot!(narrow(15), @"held: 15 connections after an earlier one");
        insta::assert_snapshot!(narrow(16), @"violated: All 16 waits of alice after a connection were 1.006 s long: who loses the same server comes back at the same moment.");
    }

    #[test]
    fn is_violated_by_a_patience_that_does_not_come_back_down() {
        let given_up = |answered_at, after| {
            let after = Time::from_millis(after);
            chat(["alice"])
                .patience(2_000)
                .sent(10_000, "alice", ["m1"])
                .acknowledged(answered_at, "m1")
                .disconnected_because(20_000, "alice", EndCause::Unanswered { after })
                .connecting(21_000, "alice")
                .connected(21_100, "alice")
                .verdict(Reconnection)
        };
        insta::assert_snapshot!(given_up(11_999, 2_005), @"held: 2 connections after an earlier one");
        insta::assert_snapshot!(given_up(11_999, 2_006), @"violated: alice gave up an acknowledgement at 20.000 s, after 2.006 s, though the one before had come in time, at 11.999 s; 2.000 s are allowed.");
        // That answer itself was late.
        insta::assert_snapshot!(given_up(12_000, 4_000), @"held: 1 connection after an earlier one");
    }

    #[test]
    fn lets_a_user_who_leaves_and_comes_back_wait_as_long_as_it_likes_each_time() {
        let mut chat = chat(["alice"]).backoff_first(2_000);
        for at in [5_000, 10_000, 15_000, 20_000] {
            chat = chat
                .disconnected_because(at, "alice", EndCause::Meant)
                .connecting(at + 1_500, "alice")
                .connected(at + 1_600, "alice");
        }
        insta::assert_snapshot!(chat.verdict(Reconnection), @"held: 4 connections after an earlier one (4 excused: its user had left)");
    }

    #[test]
    fn takes_a_session_for_recovered_only_where_that_is_promised_or_it_was_its_own() {
        let given = |chat: Chat, session| {
            let lost = chat.disconnected(10_000, "bob").connecting(12_000, "bob");
            lost.recovered(12_100, "bob", session).verdict(Reconnection)
        };
        let two = || chat(["alice", "bob"]);
        insta::assert_snapshot!(given(two(), "bob-1"), @"held: 1 connection after an earlier one");
        insta::assert_snapshot!(given(two(), "alice-1"), @"violated: bob was given session alice-1 at 12.100 s, which alice had been given at 0.000 s.");
        // Here the recovery checker reports it.
        insta::assert_snapshot!(given(two().recovering(20_000, false), "alice-1"), @"held: 1 connection after an earlier one");
    }

    // Waits are 1 s to 2 s at first, then up to 4 s and 5 s after further failures.

    fn waits(lengths: &[u64]) -> String {
        let (mut chat, mut now) = (chat(["alice"]).backoff_first(2_000), 10_000);
        for length in lengths {
            chat = chat.disconnected(now, "alice");
            now += length;
            chat = chat.connecting(now, "alice");
            now += 10;
        }
        chat.connected(now, "alice").verdict(Reconnection)
    }

    #[test]
    fn wants_the_longest_wait_to_double_with_each_failure_and_no_faster() {
        insta::assert_snapshot!(waits(&[2_000, 4_000, 5_000]), @"held: 1 connection after an earlier one");
        insta::assert_snapshot!(waits(&[2_000, 4_010, 5_000]), @"violated: alice was disconnected at 12.010 s and tried again at 16.020 s, after 4.010 s; the wait must be 1.000 s to 4.000 s.");
    }

    #[test]
    fn is_violated_by_waits_that_never_grow_however_often_it_fails() {
        insta::assert_snapshot!(waits(&[1_500; 9]), @"held: 1 connection after an earlier one");
        insta::assert_snapshot!(waits(&[1_500; 12]), @"violated: None of 11 waits of alice after a failure was longer than 1.500 s: a server that is away is asked all the time.");
        let mut grown = [1_500; 12];
        grown[7] = 2_100;
        insta::assert_snapshot!(waits(&grown), @"held: 1 connection after an earlier one");
    }

    #[test]
    fn wants_an_attempt_to_be_given_up_in_time() {
        let took = |length: u64| {
            chat(["alice"])
                .attempts_within(3_000)
                .disconnected(10_000, "alice")
                .connecting(12_000, "alice")
                .connected(12_000 + length, "alice")
        };
        insta::assert_snapshot!(took(3_000).verdict(Reconnection), @"held: 1 connection after an earlier one");
        insta::assert_snapshot!(took(3_100).verdict(Reconnection), @"violated: alice began to connect at 12.000 s, which ended only at 15.100 s; 3.000 s are allowed.");
        let stood_still = took(3_100).standstill(13_000, 13_200, "alice");
        insta::assert_snapshot!(stood_still.asked(Reconnection), @"1 judged; 1 excused: its program stood still");
        let never = chat(["alice"])
            .attempts_within(3_000)
            .disconnected(10_000, "alice")
            .connecting(12_000, "alice");
        insta::assert_snapshot!(never.verdict(Reconnection), @"violated: alice began to connect at 12.000 s, which never ended; 3.000 s are allowed.");
    }

    #[test]
    fn wants_the_wait_for_an_acknowledgement_to_double_up_to_the_limit() {
        let waited = |times: &[u64]| {
            let chat = chat(["alice"]).patience(1_000).patience_up_to(4_000);
            let (mut chat, mut now) = (chat.sent(10_000, "alice", ["m1"]), 10_000);
            for &time in times {
                chat = chat.retried(now, "m1");
                now += time;
                let after = Time::from_millis(time);
                chat = chat.disconnected_because(now, "alice", EndCause::Unanswered { after });
                chat = chat.connecting(now + 1_000, "alice");
                chat = chat.connected(now + 1_000, "alice");
                now += 1_000;
            }
            chat.verdict(Reconnection)
        };
        insta::assert_snapshot!(waited(&[1_000, 2_000, 4_000, 4_000]), @"held: 4 connections after an earlier one");
        insta::assert_snapshot!(waited(&[1_000, 1_000]), @"violated: alice gave up an acknowledgement at 13.000 s, after 1.000 s; the wait must be 2.000 s to 4.000 s.");
        insta::assert_snapshot!(waited(&[4_000, 8_000]), @"violated: alice gave up an acknowledgement at 23.000 s, after 8.000 s; the wait must be 4.000 s to 4.000 s.");
    }
}
