//! Reconnection: a connection never gets a session id that was used before, and a client waits
//! within the back-off's bounds before it tries again.
//!
//! The wait is between noticing that a connection, or an attempt, is over and the next attempt of
//! the same incarnation. A program that runs on without trying again has waited too long, unless its
//! user had left; the time for which it stood still does not count. A recovered session has its old id, as the checker of recovery wants. Does not
//! look at how long an attempt takes, at whether one succeeds (durability-to-delivery asks only
//! those who came back), nor at a program's first attempt, which waits for nothing.

use crate::index::{Connection, Incarnation, Index};
use crate::verdict::Findings;
use crate::{Cause, ClientId, EventKind, Evidence, Excuse, Time, Verdict, counted};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// How much longer than allowed a wait may be: timers fire late, never early.
const TOLERANCE: Duration = Duration::from_millis(5);

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    check_sessions(index, &mut findings);
    for incarnation in &index.incarnations {
        check_waits(index, incarnation, &mut findings);
    }
    findings.verdict(|again| format!("{} after an earlier one", counted(again, "connection")))
}

fn check_sessions(index: &Index<'_>, findings: &mut Findings) {
    let mut used: HashMap<&str, (ClientId, Time)> = HashMap::new();
    let mut connected = HashSet::new();
    for event in &index.history.events {
        let EventKind::Connected {
            session, recovered, ..
        } = &event.kind
        else {
            continue;
        };
        let again = !connected.insert(event.client);
        let earlier = used.insert(session, (event.client, event.at));
        let Some((earlier_client, earlier_at)) = earlier.filter(|_| !recovered) else {
            if again {
                findings.held();
            }
            continue;
        };
        findings.add(event.at, || Evidence::SessionReused {
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
    let (min, max) = (bounds.backoff_min, bounds.backoff_max);
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
        if cause == Cause::Meant {
            // Its user decides whether and when to come back.
            findings.excuse(Excuse::Left);
            continue;
        }
        let too_early = connecting_at.is_some() && wait < min;
        let too_late = wait > max + TOLERANCE;
        let whose = [Some(incarnation.client)];
        let over = || {
            let conditions = &index.conditions;
            conditions.over(&whose, disconnected_at, max + TOLERANCE)
        };
        if too_late && end <= over() {
            findings.excuse(Excuse::StoodStill);
        } else if too_early || too_late {
            findings.add(disconnected_at, || Evidence::BackOff {
                client: index.name(incarnation.client),
                disconnected_at,
                connecting_at,
                min,
                max,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::Reconnection;
    use crate::testing::chat;

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
                .standstill(8_000, 20_000, "alice")
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
    fn asks_no_attempt_of_who_has_left_by_its_own_word() {
        let left = |cause| {
            let chat = chat(["alice"]).disconnected_because(10_000, "alice", cause);
            chat.verdict(Reconnection)
        };
        insta::assert_snapshot!(left(crate::Cause::Meant), @"not exercised (1 excused: its user had left)");
        insta::assert_snapshot!(left(crate::Cause::PeerMeant), @"violated: alice was disconnected at 10.000 s and ran on without trying again; the wait must be 1.000 s to 5.000 s.");
    }
}
