//! Stability: no connection and no session ends without a cause.
//!
//! Of the two sides of a connection the one that reports first is judged: what the other one
//! reports about the same session is a consequence. An end has a cause if somebody meant it, if the
//! client's program ended, if something disturbed the client within the delivery bound before (a
//! fault has after-effects for as long as it may take to be noticed and mended, but none on a
//! connection that was begun after it), or if the link explains a time-out: losses in a row, or the
//! messages that were sent or handled in the time before, if they keep it busy for longer than that
//! side waits for a heartbeat, or for an answer, as far as it says how long.
//! Where nothing is known about what the links carry, an end that nothing else explains is not
//! judged. Does not look at attempts to connect, nor at a session that its client has not been told
//! about: that was one. Progress does.

mod evidence;

pub use evidence::Uncaused;

use crate::index::{Index, on_the_wire, time_for};
use crate::verdict::Findings;
use crate::{ClientId, Direction, EndCause, EventKind, Excuse, NotJudged, Time, Verdict, counted};
use rustc_hash::{FxHashMap, FxHashSet};

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    let clients = &index.history.clients;
    let mut lives: Vec<Life<'_>> = Vec::new();
    lives.resize_with(clients.len(), Life::default);
    let goodbyes = goodbyes(index);
    for event in &index.history.events {
        let life = &mut lives[event.client.0 as usize];
        let Some(end) = life.tell(event.at, &event.kind) else {
            continue;
        };
        let excuse = excuse(index, event.client, life, &end);
        match excuse {
            _ if end.cause == EndCause::Meant => findings.held(),
            _ if is_goodbye(index, &goodbyes, &end) => findings.held(),
            Some(excuse) => findings.excuse(excuse),
            None if index.history.links.is_empty() => findings.leave_open(NotJudged::LinkUnknown),
            None => findings.add(end.at, || Uncaused {
                teller: match end.by_client {
                    true => index.name(event.client),
                    false => "server".to_owned(),
                },
                client: index.name(event.client),
                session: end.session.to_owned(),
                at: end.at,
                reason: end.reason.to_owned(),
                cause: end.cause,
            }),
        }
    }
    // A connection that did not end, as far as either side reports, has been stable.
    let lasts = |life: &&Life<'_>| {
        let open = life.connected;
        open.is_some_and(|session| !life.ended.contains(session))
    };
    lives.iter().filter(lasts).for_each(|_| findings.held());
    findings.verdict(|connections| counted(connections, "connection"))
}

/// When each client ended a session because its user meant it.
fn goodbyes<'h>(index: &Index<'h>) -> FxHashMap<&'h str, Time> {
    let mut connected = vec![None; index.history.clients.len()];
    let mut goodbyes = FxHashMap::default();
    for event in &index.history.events {
        let own = &mut connected[event.client.0 as usize];
        match &event.kind {
            EventKind::Connected { session, .. } => *own = Some(session.as_str()),
            EventKind::Disconnected { cause, .. } => {
                let ended = own.take().filter(|_| *cause == EndCause::Meant);
                goodbyes.extend(ended.map(|session| (session, event.at)));
            }
            EventKind::Stopped => *own = None,
            _ => {}
        }
    }
    goodbyes
}

/// Whether the server has heard a goodbye that the client says it has said. Over polling the client
/// says so when the answer has come, which is later.
fn is_goodbye(index: &Index<'_>, goodbyes: &FxHashMap<&str, Time>, end: &End<'_>) -> bool {
    let said = goodbyes.get(end.session);
    let is_due = |&at: &Time| at <= end.at + index.history.bounds.client_detection;
    !end.by_client && end.cause == EndCause::PeerMeant && said.is_some_and(is_due)
}

/// What is known about a client at a point of the history.
#[derive(Default)]
struct Life<'h> {
    /// The session with which it is connected.
    connected: Option<&'h str>,
    /// The sessions that the client was told about.
    known: FxHashSet<&'h str>,
    /// The server that has a session: its client may have taken it along from another one.
    server_of: FxHashMap<&'h str, &'h str>,
    /// The sessions whose end one side has reported.
    ended: FxHashSet<&'h str>,
    /// When its program last ended.
    stopped_at: Option<Time>,
}

/// The end of a connection or session, reported for the first time.
struct End<'h> {
    session: &'h str,
    at: Time,
    reason: &'h str,
    cause: EndCause,
    by_client: bool,
}

impl<'h> Life<'h> {
    fn tell(&mut self, at: Time, kind: &'h EventKind) -> Option<End<'h>> {
        let (session, reason, cause, by_client) = match kind {
            EventKind::Connected { session, .. } => {
                self.connected = Some(session);
                self.known.insert(session);
                // A session that was recovered can end again.
                self.ended.remove(&**session);
                return None;
            }
            EventKind::SessionOpened {
                session, server, ..
            } => {
                self.server_of.insert(session, server);
                return None;
            }
            EventKind::Stopped => {
                self.stopped_at = Some(at);
                if let Some(session) = self.connected.take() {
                    self.ended.insert(session);
                }
                return None;
            }
            EventKind::Disconnected { reason, cause } => {
                (self.connected.take()?, reason, *cause, true)
            }
            EventKind::SessionClosed {
                session,
                reason,
                cause,
                server,
            } if self.known.contains(&**session) && self.is_at(session, server) => {
                (&**session, reason, *cause, false)
            }
            _ => return None,
        };
        self.ended.insert(session).then_some(End {
            session,
            at,
            reason,
            cause,
            by_client,
        })
    }

    fn is_at(&self, session: &str, server: &str) -> bool {
        self.server_of.get(session).is_none_or(|it| *it == server)
    }
}

/// What explains the end, if anything does.
fn excuse(index: &Index<'_>, client: ClientId, life: &Life<'_>, end: &End<'_>) -> Option<Excuse> {
    let bounds = &index.history.bounds;
    let since = end.at.saturating_sub(bounds.delivery);
    let recently = |at: Time| at + bounds.server_detection >= end.at;
    // The session of a restarted program is not the session of the one that ended.
    let of_now = life.connected == Some(end.session);
    if !end.by_client && !of_now && life.stopped_at.is_some_and(recently) {
        return Some(Excuse::NotRunning);
    }
    let struck_since = match end.by_client || of_now {
        true => index.struck_since(client, end.at),
        false => since,
    };
    if index.conditions.disturbed(client, struck_since, end.at) {
        return Some(Excuse::Disturbed);
    }
    let heartbeat = bounds.client_detection.min(bounds.server_detection);
    let patience = match end.cause {
        EndCause::GaveUp { after: Some(after) } | EndCause::Unanswered { after } => {
            after.min(heartbeat)
        }
        _ => heartbeat,
    };
    let sent = bytes_sent(index, since, end.at);
    let busy = sent.max(bytes_handled(index, client, since, end.at));
    let link = index.conditions.link(client);
    let loses = link.to_client.loss_ppm.max(link.to_server.loss_ppm) > 0;
    let explained = match end.cause {
        EndCause::Refused | EndCause::Malformed | EndCause::Stopping => false,
        // A client that waits in vain says so, except on a transport that looks after its own
        // heartbeat: that one waits behind what is lost and sent again.
        EndCause::Closed if end.by_client && !loses => false,
        _ => link_explains(index, client, patience, busy),
    };
    explained.then_some(Excuse::LinkExplains)
}

/// How many bytes of messages all clients were given between these two.
fn bytes_sent(index: &Index<'_>, from: Time, until: Time) -> u64 {
    let sent = index.contents.iter().filter(|content| {
        let sent = content.invocation.as_ref();
        sent.is_some_and(|sent| from <= sent.at && sent.at <= until)
    });
    sent.map(on_the_wire).sum()
}

/// How many bytes of messages that were sent by then the client has handled since: they may have
/// been on their way to it.
fn bytes_handled(index: &Index<'_>, client: ClientId, from: Time, until: Time) -> u64 {
    let own = index.incarnations.iter();
    let handled = own
        .filter(|incarnation| incarnation.client == client)
        .flat_map(|incarnation| &incarnation.deliveries)
        .filter(|delivery| delivery.at >= from);
    let contents: FxHashSet<_> = handled.map(|delivery| delivery.content).collect();
    let contents = contents.into_iter().map(|content| index.content(content));
    let sent = contents.filter(|content| {
        let sent = content.invocation.as_ref();
        sent.is_some_and(|sent| sent.at <= until)
    });
    sent.map(on_the_wire).sum()
}

/// Whether the client's link can be silent for as long as a side waits: because of what it needs
/// for these bytes, or because of losses.
fn link_explains(index: &Index<'_>, client: ClientId, patience: Time, bytes: u64) -> bool {
    let link = index.conditions.link(client);
    if losses_explain_silence(index, client, patience) {
        return true;
    }
    let ways = [
        (link.to_client, link.to_server),
        (link.to_server, link.to_client),
    ];
    ways.into_iter().any(|(there, back)| {
        let time = time_for(bytes, there, back.latency);
        let round_trip = there.latency + back.latency;
        // A small packet may have to wait for the acknowledgement of an earlier one (Nagle's
        // algorithm, RFC 9293, section 3.7.4), and then makes its own trip. On a link that takes no
        // time this costs nothing.
        time.is_none_or(|time| time + round_trip * 2 >= patience)
    })
}

fn losses_explain_silence(index: &Index<'_>, client: ClientId, patience: Time) -> bool {
    let link = index.conditions.link(client);
    let round_trip = link.to_client.latency + link.to_server.latency;
    losses_explain(link.to_client, round_trip, patience)
        || losses_explain(link.to_server, round_trip, patience)
}

/// Whether it happens at least once in a million times that enough packets in a row are lost to
/// keep TCP silent for this long. Linux sends again 200 ms and a round trip after the first time,
/// which may take twice as long as on average: doubtful cases are excused. It does so once more
/// after the same time (RFC 8985, section 7), and then after twice as long each time (RFC 6298,
/// section 5.5).
fn losses_explain(direction: Direction, round_trip: Time, patience: Time) -> bool {
    const LEAST_WAIT: Time = Time::from_millis(200);
    let of_a_million = |packets| f64::from(packets) / 1e6;
    let next = direction.next_loss_ppm.max(direction.loss_ppm);
    let mut chance = of_a_million(direction.loss_ppm);
    let mut silent = LEAST_WAIT + round_trip * 2;
    while silent < patience {
        chance *= of_a_million(next);
        silent *= 2;
    }
    chance >= 1e-6
}

#[cfg(test)]
mod tests {
    use super::losses_explain;
    use crate::Guarantee::Stability;
    use crate::testing::{Chat, chat};
    use crate::{Direction, EndCause, Lost, Time};

    /// A chat in which the links are known: they carry whatever comes.
    fn told<const N: usize>(clients: [&str; N]) -> Chat {
        chat(clients).links_without_limits()
    }

    // In the chats of these tests disturbances have after-effects for 5 s, and the server has 3 s
    // to notice.

    #[test]
    fn a_session_does_not_end_at_a_server_that_has_it_no_more() {
        let closed_by = |server| {
            let chat = told(["alice"]).served_by("server-2");
            chat.moved(12_000, "alice", "server-1")
                .session_closed_at(13_000, "alice", server)
                .verdict(Stability)
        };
        insta::assert_snapshot!(closed_by("server-2"), @"held: 1 connection");
        insta::assert_snapshot!(closed_by("server-1"), @"violated: server told at 13.000 s that the session alice-1 of alice was over (); nothing had disturbed it and nobody meant it.");
    }

    #[test]
    fn holds_when_connections_last() {
        insta::assert_snapshot!(told(["alice", "bob"]).verdict(Stability), @"held: 2 connections");
    }

    #[test]
    fn is_violated_by_a_client_that_loses_its_connection_for_nothing() {
        let chat = told(["alice", "bob"])
            .disconnected(10_000, "alice")
            .session_closed(10_001, "alice");
        insta::assert_snapshot!(chat.verdict(Stability), @"violated: alice told at 10.000 s that the session alice-1 of alice was over (silence); nothing had disturbed it and nobody meant it.");
    }

    #[test]
    fn is_violated_by_a_server_that_closes_a_session_for_nothing() {
        let chat = told(["alice", "bob"]).session_closed(10_000, "alice");
        insta::assert_snapshot!(chat.verdict(Stability), @"violated: server told at 10.000 s that the session alice-1 of alice was over (); nothing had disturbed it and nobody meant it.");
    }

    #[test]
    fn takes_the_word_of_who_ends_it_and_not_that_of_the_peer() {
        let ended = |cause| {
            let chat = told(["alice"]).disconnected_because(10_000, "alice", cause);
            chat.verdict(Stability)
        };
        insta::assert_snapshot!(ended(EndCause::Meant), @"held: 1 connection");
        insta::assert_snapshot!(ended(EndCause::PeerMeant), @"violated: alice told at 10.000 s that the session alice-1 of alice was over (its own); nothing had disturbed it and nobody meant it.");
    }

    #[test]
    fn takes_a_goodbye_that_the_server_hears_before_the_client_is_done_with_it() {
        let closed = |cause, said_at| {
            let chat = told(["alice"]).closed_because(10_000, "alice", "alice-1", cause);
            let chat = chat.disconnected_because(said_at, "alice", EndCause::Meant);
            chat.verdict(Stability)
        };
        insta::assert_snapshot!(closed(EndCause::PeerMeant, 14_000), @"held: 1 connection");
        insta::assert_snapshot!(closed(EndCause::PeerMeant, 14_001), @"violated: server told at 10.000 s that the session alice-1 of alice was over (heartbeat); nothing had disturbed it and nobody meant it.");
        insta::assert_snapshot!(closed(EndCause::Stopping, 10_001), @"violated: server told at 10.000 s that the session alice-1 of alice was over (heartbeat); nothing had disturbed it and nobody meant it.");
    }

    #[test]
    fn excuses_what_a_disturbance_touched_and_nothing_later() {
        let cut = |at, who| {
            told(["alice", "bob"])
                .silence(8_000, 9_000, who, Lost::BothWays)
                .disconnected(at, "alice")
                .verdict(Stability)
        };
        insta::assert_snapshot!(cut(14_000, "alice"), @"held: 1 connection (1 excused: a fault touched it)");
        insta::assert_snapshot!(cut(14_001, "alice"), @"violated: alice told at 14.001 s that the session alice-1 of alice was over (silence); nothing had disturbed it and nobody meant it.");
        insta::assert_snapshot!(cut(7_999, "alice"), @"violated: alice told at 7.999 s that the session alice-1 of alice was over (silence); nothing had disturbed it and nobody meant it.");
        insta::assert_snapshot!(cut(9_000, "bob"), @"violated: alice told at 9.000 s that the session alice-1 of alice was over (silence); nothing had disturbed it and nobody meant it.");
    }

    #[test]
    fn a_connection_that_was_begun_after_a_fault_is_not_struck_by_it() {
        let begun = |at| {
            let chat = told(["alice"]).silence(8_000, 9_000, "alice", Lost::BothWays);
            let chat = chat.disconnected(8_500, "alice").connecting(at, "alice");
            let chat = chat.connected(9_500, "alice");
            chat.disconnected(10_000, "alice").verdict(Stability)
        };
        insta::assert_snapshot!(begun(9_000), @"not exercised (2 excused: a fault touched it)");
        insta::assert_snapshot!(begun(9_001), @"violated: alice told at 10.000 s that the session alice-2 of alice was over (silence); nothing had disturbed it and nobody meant it. (1 excused: a fault touched it)");
    }

    #[test]
    fn excuses_the_session_of_a_program_that_ended_as_long_as_the_server_may_take() {
        let closed = |at| {
            // It belongs to an earlier session, as the program's session ended with it.
            told(["alice"])
                .connected(9_000, "alice")
                .stopped(10_000, "alice")
                .closed(at, "alice", "alice-1")
                .verdict(Stability)
        };
        insta::assert_snapshot!(closed(13_000), @"not exercised (1 excused: its program was not running)");
        insta::assert_snapshot!(closed(13_001), @"violated: server told at 13.001 s that the session alice-1 of alice was over (heartbeat); nothing had disturbed it and nobody meant it.");
    }

    #[test]
    fn asks_once_about_a_session_and_again_when_it_was_recovered() {
        let chat = told(["alice"])
            .disconnected(10_000, "alice")
            .session_closed(10_001, "alice")
            .recovered(12_000, "alice", "alice-1")
            .disconnected(20_000, "alice");
        insta::assert_snapshot!(chat.verdict(Stability), @"violated: alice told at 10.000 s that the session alice-1 of alice was over (silence); nothing had disturbed it and nobody meant it. And 1 more violation.");
    }

    #[test]
    fn says_nothing_of_attempts_to_connect() {
        let chat = told(["alice"])
            .never_connected("alice")
            .connecting(1_000, "alice")
            .disconnected(2_000, "alice");
        insta::assert_snapshot!(chat.verdict(Stability), @"not exercised");
    }

    #[test]
    fn excuses_a_link_that_a_message_keeps_busy_for_as_long_as_a_heartbeat_may_take() {
        let ended = |size| {
            told(["alice"])
                .link("alice", 1_000, 0)
                .sent_large(9_000, "alice", "m1", size)
                .disconnected(10_000, "alice")
                .verdict(Stability)
        };
        // Twice 1.5 kB, the envelope included, at 1 kB/s.
        insta::assert_snapshot!(ended(1_200), @"not exercised (1 excused: the link explains it)");
        insta::assert_snapshot!(ended(1_199), @"violated: alice told at 10.000 s that the session alice-1 of alice was over (silence); nothing had disturbed it and nobody meant it.");
    }

    #[test]
    fn excuses_losses_in_a_row_that_are_not_too_rare() {
        let ended = |loss_ppm, cause| {
            told(["alice"])
                .link("alice", 1_000_000, loss_ppm)
                .disconnected_because(10_000, "alice", cause)
                .verdict(Stability)
        };
        // In 3 s TCP sends again four times.
        insta::assert_snapshot!(ended(63_096, EndCause::TimedOut), @"not exercised (1 excused: the link explains it)");
        insta::assert_snapshot!(ended(63_095, EndCause::TimedOut), @"violated: alice told at 10.000 s that the session alice-1 of alice was over (its own); nothing had disturbed it and nobody meant it.");
        // In half a second twice.
        let after = Some(crate::Time::from_millis(500));
        insta::assert_snapshot!(ended(10_000, EndCause::GaveUp { after }), @"not exercised (1 excused: the link explains it)");
        insta::assert_snapshot!(ended(9_999, EndCause::GaveUp { after }), @"violated: alice told at 10.000 s that the session alice-1 of alice was over (its own); nothing had disturbed it and nobody meant it.");
        insta::assert_snapshot!(ended(0, EndCause::TimedOut), @"violated: alice told at 10.000 s that the session alice-1 of alice was over (its own); nothing had disturbed it and nobody meant it.");
    }

    #[test]
    fn measures_who_gave_up_by_the_wait_it_tells() {
        let ended = |after| {
            let after = Some(crate::Time::from_millis(after));
            told(["alice"])
                .link("alice", 1_000, 0)
                .sent_large(9_000, "alice", "m1", 1_000)
                .disconnected_because(10_000, "alice", EndCause::GaveUp { after })
                .verdict(Stability)
        };
        insta::assert_snapshot!(ended(2_600), @"not exercised (1 excused: the link explains it)");
        insta::assert_snapshot!(ended(2_601), @"violated: alice told at 10.000 s that the session alice-1 of alice was over (its own); nothing had disturbed it and nobody meant it.");
    }

    #[test]
    fn does_not_judge_an_end_if_nobody_tells_what_the_links_carry() {
        let chat = chat(["alice"]).disconnected(10_000, "alice");
        insta::assert_snapshot!(chat.verdict(Stability), @"not exercised (1 not judged: nobody said what the link carries)");
    }

    #[test]
    fn excuses_an_end_behind_a_box_that_is_on_the_way_for_good() {
        let chat = told(["alice"])
            .behind_a_box("alice")
            .disconnected(10_000, "alice");
        insta::assert_snapshot!(chat.verdict(Stability), @"not exercised (1 excused: a fault touched it)");
    }

    #[test]
    fn counts_only_the_messages_of_the_time_before() {
        let ended = |sent_at| {
            told(["alice"])
                .link("alice", 1_000, 0)
                .sent_large(sent_at, "alice", "m1", 9_000)
                .disconnected(20_000, "alice")
                .verdict(Stability)
        };
        insta::assert_snapshot!(ended(15_000), @"not exercised (1 excused: the link explains it)");
        insta::assert_snapshot!(ended(14_999), @"violated: alice told at 20.000 s that the session alice-1 of alice was over (silence); nothing had disturbed it and nobody meant it.");
        insta::assert_snapshot!(ended(20_001), @"violated: alice told at 20.000 s that the session alice-1 of alice was over (silence); nothing had disturbed it and nobody meant it.");
    }

    #[test]
    fn excuses_losses_that_come_in_bursts() {
        let ended = |next| {
            let chat = told(["alice"]).bursts("alice", 100, next);
            chat.disconnected(10_000, "alice").verdict(Stability)
        };
        // A burst of five packets: one in ten thousand begins one.
        insta::assert_snapshot!(ended(316_228), @"not exercised (1 excused: the link explains it)");
        insta::assert_snapshot!(ended(316_227), @"violated: alice told at 10.000 s that the session alice-1 of alice was over (silence); nothing had disturbed it and nobody meant it.");
    }

    #[test]
    fn excuses_by_a_busy_link_only_who_gave_up_waiting() {
        let ended = |cause| {
            let chat = told(["alice"]).link("alice", 1_000, 0);
            let chat = chat.sent_large(9_000, "alice", "m1", 9_000);
            chat.disconnected_because(10_000, "alice", cause)
                .verdict(Stability)
        };
        insta::assert_snapshot!(ended(EndCause::TimedOut), @"not exercised (1 excused: the link explains it)");
        insta::assert_snapshot!(ended(EndCause::Closed), @"violated: alice told at 10.000 s that the session alice-1 of alice was over (its own); nothing had disturbed it and nobody meant it.");
        insta::assert_snapshot!(ended(EndCause::Refused), @"violated: alice told at 10.000 s that the session alice-1 of alice was over (its own); nothing had disturbed it and nobody meant it.");
        let lossy = told(["alice"]).link("alice", 1_000_000, 200_000);
        let lossy = lossy.disconnected_because(10_000, "alice", EndCause::Closed);
        insta::assert_snapshot!(lossy.verdict(Stability), @"not exercised (1 excused: the link explains it)");
    }

    /// A client library that looks after its own heartbeat only says that its connection is over.
    #[test]
    fn excuses_a_client_whose_heartbeat_waits_behind_old_messages_that_are_sent_again() {
        let ended = |loss_ppm, handled_at| {
            let chat = told(["alice", "bob"]).link("alice", 1_000, loss_ppm);
            let chat = chat.sent_large(100, "bob", "m1", 9_000);
            let chat = chat.handled(handled_at, "alice", ["m1"]);
            let chat = chat.disconnected_because(10_000, "alice", EndCause::Closed);
            chat.verdict(Stability)
        };
        insta::assert_snapshot!(ended(1, 5_000), @"held: 1 connection (1 excused: the link explains it)");
        insta::assert_snapshot!(ended(1, 4_999), @"violated: alice told at 10.000 s that the session alice-1 of alice was over (its own); nothing had disturbed it and nobody meant it.");
        insta::assert_snapshot!(ended(0, 5_000), @"violated: alice told at 10.000 s that the session alice-1 of alice was over (its own); nothing had disturbed it and nobody meant it.");
    }

    #[test]
    fn asks_nothing_of_a_session_that_its_client_was_never_told_of() {
        let closed = || {
            told(["alice"])
                .opened_only(9_000, "alice", "alice-2")
                .closed_because(10_000, "alice", "alice-2", EndCause::PeerMeant)
        };
        insta::assert_snapshot!(closed().verdict(Stability), @"held: 1 connection");
        let known = closed().connected_unopened(9_500, "alice", "alice-2");
        insta::assert_snapshot!(known.verdict(Stability), @"violated: server told at 10.000 s that the session alice-2 of alice was over (heartbeat); nothing had disturbed it and nobody meant it.");
    }

    #[test]
    fn excuses_a_server_that_waits_in_vain_on_a_busy_link_whatever_it_calls_it() {
        let ended = |cause| {
            let chat = told(["alice"]).link("alice", 1_000, 0);
            let chat = chat.sent_large(9_000, "alice", "m1", 9_000);
            chat.closed_because(10_000, "alice", "alice-1", cause)
                .verdict(Stability)
        };
        insta::assert_snapshot!(ended(EndCause::Closed), @"not exercised (1 excused: the link explains it)");
        insta::assert_snapshot!(ended(EndCause::Stopping), @"violated: server told at 10.000 s that the session alice-1 of alice was over (heartbeat); nothing had disturbed it and nobody meant it.");
        insta::assert_snapshot!(ended(EndCause::Malformed), @"violated: server told at 10.000 s that the session alice-1 of alice was over (heartbeat); nothing had disturbed it and nobody meant it.");
    }

    #[test]
    fn excuses_two_round_trips_that_take_as_long_as_a_heartbeat() {
        let far = |to_server, to_client| {
            let chat = told(["alice"]).latency("alice", to_server, to_client);
            chat.disconnected(10_000, "alice").verdict(Stability)
        };
        insta::assert_snapshot!(far(500, 1_000), @"not exercised (1 excused: the link explains it)");
        insta::assert_snapshot!(far(1_000, 500), @"not exercised (1 excused: the link explains it)");
        insta::assert_snapshot!(far(500, 999), @"violated: alice told at 10.000 s that the session alice-1 of alice was over (silence); nothing had disturbed it and nobody meant it.");
    }

    #[test]
    fn losses_explain_a_silence_by_as_many_in_a_row_as_tcp_waits_for() {
        let explain = |loss_ppm, next_loss_ppm, patience| {
            let direction = Direction {
                loss_ppm,
                next_loss_ppm,
                ..Direction::default()
            };
            losses_explain(direction, Time::ZERO, Time::from_millis(patience))
        };
        // One loss for the first 200 ms, two for 400 ms, three for 800 ms, four for 1.6 s.
        for (loss_ppm, longest) in [(2, 200), (1_100, 400), (11_000, 800), (32_000, 1_600)] {
            assert!(explain(loss_ppm, 0, longest), "{loss_ppm}");
            assert!(!explain(loss_ppm, 0, longest + 1), "{loss_ppm}");
        }
        // In a burst a loss follows a loss.
        assert!(explain(2, 1_000_000, 1_000_000));
        assert!(explain(2, 510_000, 400));
        assert!(!explain(2, 490_000, 400));
        assert!(!explain(0, 1_000_000, 200));
        // Where bursts would make losses rarer after one, they are no rarer than at first.
        assert!(explain(1_100, 1, 400));
    }

    #[test]
    fn excuses_by_losses_either_way() {
        let ended = |to_server, to_client| {
            let chat = told(["alice"]).loses("alice", to_server, to_client);
            chat.disconnected(10_000, "alice").verdict(Stability)
        };
        insta::assert_snapshot!(ended(63_096, 0), @"not exercised (1 excused: the link explains it)");
        insta::assert_snapshot!(ended(0, 63_096), @"not exercised (1 excused: the link explains it)");
        insta::assert_snapshot!(ended(63_095, 63_095), @"violated: alice told at 10.000 s that the session alice-1 of alice was over (silence); nothing had disturbed it and nobody meant it.");
    }

    #[test]
    fn does_not_excuse_the_session_of_a_program_that_has_started_again_by_its_end_before() {
        let restarted = told(["alice"]).restarted(10_000, "alice");
        insta::assert_snapshot!(restarted.clone().verdict(Stability), @"held: 1 connection");
        insta::assert_snapshot!(restarted.closed(12_000, "alice", "alice-2").verdict(Stability), @"violated: server told at 12.000 s that the session alice-2 of alice was over (heartbeat); nothing had disturbed it and nobody meant it.");
    }
}
