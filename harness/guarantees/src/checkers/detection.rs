//! Detection: a side that hears nothing from its peer notices within the bound, and no side notices
//! a silence while it hears something.
//!
//! The clock starts when the silence begins. The client notices by declaring its connection over,
//! the server by closing the session. A side counts only if it had a live connection when the
//! silence began, if it is the side that hears nothing, if the silence outlasts its bound, and if
//! its program does not end within the bound: the dead notice nothing. Time during which its
//! program stands still does not count. Does not look at disconnections without a silence, nor at
//! the reason a side gives.

mod evidence;

pub use evidence::{HastyDetection, Undetected};

use crate::index::{Connection, Incarnation, Index};
use crate::verdict::Findings;
use crate::{
    ClientId, Direction, EndCause, EventKind, Excuse, Lost, Silence, Time, Verdict, counted,
};
use std::time::Duration;

pub(crate) fn check(index: &Index<'_>) -> Verdict {
    let mut findings = Findings::default();
    let incarnations = incarnations_of_clients(index);
    let sessions = sessions_of_clients(index);
    for silence in &index.history.silences {
        let client = silence.client.0 as usize;
        let clients = clients_watches(index, (&incarnations[client], &sessions[client]), silence);
        let servers = servers_watches(index, &sessions[client], silence);
        for watch in clients.into_iter().chain(servers) {
            match watch.judge(silence) {
                Judgement::InTime => findings.held(),
                Judgement::NotExercised => {}
                Judgement::Excused(excuse) => findings.excuse(excuse),
                Judgement::TooLate => findings.add(silence.from, || watch.evidence(silence)),
            }
        }
    }
    check_haste(index, &mut findings);
    findings.verdict(|noticed| format!("{} noticed", counted(noticed, "silence")))
}

/// Timers are accurate to a millisecond.
const TOLERANCE: Duration = Duration::from_millis(5);

/// Whether a client reported a silence too soon after it had heard something.
fn check_haste(index: &Index<'_>, findings: &mut Findings) {
    let Some(bound) = index.history.bounds.silence else {
        return;
    };
    let mut heard: Vec<Option<Time>> = vec![None; index.history.clients.len()];
    for event in &index.history.events {
        let heard = &mut heard[event.client.0 as usize];
        match event.kind {
            EventKind::Connected { .. }
            | EventKind::Delivered { .. }
            | EventKind::Online { .. }
            | EventKind::Offline { .. }
            | EventKind::Repeated { .. }
            | EventKind::Ok {
                acknowledged: true, ..
            } => *heard = Some(event.at),
            EventKind::Disconnected {
                cause: EndCause::TimedOut,
                ..
            } => {
                let Some(heard_at) = heard.take() else {
                    continue;
                };
                let due = heard_at + bound;
                if event.at + TOLERANCE >= due {
                    continue;
                }
                // What a program does after a wait in the middle of a turn is noted as of its
                // beginning.
                let mut standstills = index.history.standstills.iter();
                if standstills.any(|it| {
                    it.client == Some(event.client) && it.from <= event.at && due <= it.until
                }) {
                    findings.excuse(Excuse::StoodStill);
                } else {
                    findings.add(event.at, || HastyDetection {
                        client: index.name(event.client),
                        heard_at,
                        at: event.at,
                        bound,
                    });
                }
            }
            EventKind::Disconnected { .. } | EventKind::Stopped => *heard = None,
            _ => {}
        }
    }
}

/// One side of a connection that is live when a silence begins, and hears nothing from then on.
struct Watch<'h> {
    observer: &'h str,
    silent: &'h str,
    session: &'h str,
    bound: Time,
    /// When the observer says that the connection is over.
    noticed_at: Option<Time>,
    /// When the observer's program ends.
    dies_at: Option<Time>,
    /// When it must have noticed, not counting time for which its program stood still.
    due: Time,
}

enum Judgement {
    InTime,
    TooLate,
    Excused(Excuse),
    /// The silence did not last.
    NotExercised,
}

impl Watch<'_> {
    fn judge(&self, silence: &Silence) -> Judgement {
        let plainly_due = silence.from + self.bound;
        if silence.until <= plainly_due {
            Judgement::NotExercised
        } else if self.noticed_at.is_some_and(|at| at <= self.due) {
            Judgement::InTime
        } else if self.dies_at.is_some_and(|at| at <= self.due) {
            Judgement::Excused(Excuse::NotRunning)
        } else if silence.until <= self.due {
            Judgement::Excused(Excuse::StoodStill)
        } else {
            Judgement::TooLate
        }
    }

    fn evidence(&self, silence: &Silence) -> Undetected {
        Undetected {
            observer: self.observer.to_owned(),
            silent: self.silent.to_owned(),
            session: self.session.to_owned(),
            since: silence.from,
            bound: self.due - silence.from,
            noticed_at: self.noticed_at,
        }
    }
}

/// The client's side, in the incarnation that has a connection just before the silence begins.
fn clients_watches<'h>(
    index: &Index<'h>,
    (incarnations, sessions): (&[&Incarnation<'h>], &[ServedSession<'h>]),
    silence: &Silence,
) -> Vec<Watch<'h>> {
    if silence.lost == Lost::ToServer {
        return Vec::new();
    }
    let link = index.conditions.link(silence.client);
    let under_way = under_way(link.to_client, link.to_server);
    let bound = index.history.bounds.client_detection + under_way;
    let whose = [Some(silence.client)];
    let due = index.conditions.over(&whose, silence.from, bound);
    let watch = |incarnation: &&Incarnation<'h>| {
        let dies_at = incarnation.stopped_at;
        let steps = &incarnation.connections;
        let next = steps.partition_point(|step| step.at() < silence.from);
        let Some(&Connection::Connected(_, session)) = steps[..next].last() else {
            return None;
        };
        let known = sessions.iter().rfind(|known| known.id == session);
        if known.is_some_and(|session| !session.is_with(silence)) {
            return None;
        }
        dies_at.is_none_or(|at| at >= silence.from).then(|| Watch {
            observer: &index.client(silence.client).name,
            silent: "server",
            session,
            bound,
            noticed_at: steps.get(next).map(Connection::at),
            dies_at,
            due,
        })
    };
    incarnations.iter().filter_map(watch).collect()
}

/// How long after a silence has begun the last sign of life from before may still arrive: as long
/// as a packet is under way, plus, where one may be lost, as long as its sender's kernel waits for
/// an acknowledgement, which does not stand still with the program (RFC 6298: a second, or what the
/// round trip makes of it).
fn under_way(there: Direction, back: Direction) -> Time {
    const FIRST_TIMEOUT: Duration = Duration::from_secs(1);
    let round_trip = there.latency + back.latency;
    match there.loss_ppm {
        0 => there.latency,
        _ => there.latency + FIRST_TIMEOUT + round_trip * 2,
    }
}

/// The server's side, in every session that is open just before the silence begins. A server that
/// stops takes its sessions with it, and closes none.
fn servers_watches<'h>(
    index: &Index<'h>,
    sessions: &[ServedSession<'h>],
    silence: &Silence,
) -> Vec<Watch<'h>> {
    if silence.lost == Lost::ToClient {
        return Vec::new();
    }
    let stops = &index.history.server_stops;
    let link = index.conditions.link(silence.client);
    let under_way = under_way(link.to_server, link.to_client);
    let bound = index.history.bounds.server_detection + under_way;
    let due = index.conditions.over(&[None], silence.from, bound);
    let watch = |session: &ServedSession<'h>| {
        let &ServedSession {
            id,
            opened_at,
            closed_at,
            ..
        } = session;
        let dies_at = stops
            .get(stops.partition_point(|&stop| stop < opened_at))
            .copied();
        let ended_before = |end: Option<Time>| end.is_some_and(|at| at < silence.from);
        let open = opened_at < silence.from && !ended_before(closed_at) && !ended_before(dies_at);
        (open && session.is_with(silence)).then(|| Watch {
            observer: "server",
            silent: &index.client(silence.client).name,
            session: id,
            bound,
            noticed_at: closed_at,
            dies_at,
            due,
        })
    };
    sessions.iter().filter_map(watch).collect()
}

/// A session as the server sees it.
struct ServedSession<'h> {
    id: &'h str,
    server: &'h str,
    opened_at: Time,
    closed_at: Option<Time>,
}

impl ServedSession<'_> {
    /// Whether the silence is about the server of this session.
    fn is_with(&self, silence: &Silence) -> bool {
        let server = silence.server.as_deref();
        server.is_none_or(|server| server == self.server)
    }
}

fn incarnations_of_clients<'i, 'h>(index: &'i Index<'h>) -> Vec<Vec<&'i Incarnation<'h>>> {
    let mut clients = vec![Vec::new(); index.history.clients.len()];
    for incarnation in &index.incarnations {
        clients[incarnation.client.0 as usize].push(incarnation);
    }
    clients
}

fn sessions_of_clients<'h>(index: &Index<'h>) -> Vec<Vec<ServedSession<'h>>> {
    let mut clients: Vec<Vec<ServedSession<'h>>> = Vec::new();
    clients.resize_with(index.history.clients.len(), Vec::new);
    for event in &index.history.events {
        let ClientId(client) = event.client;
        let sessions = &mut clients[client as usize];
        match &event.kind {
            EventKind::SessionOpened {
                session, server, ..
            } => {
                sessions.push(ServedSession {
                    id: session,
                    server,
                    opened_at: event.at,
                    closed_at: None,
                });
            }
            EventKind::SessionClosed {
                session, server, ..
            } => {
                // A client may have taken it along to another server.
                let is_it =
                    |open: &&mut ServedSession<'_>| open.id == session && open.server == server;
                if let Some(open) = sessions.iter_mut().rfind(is_it) {
                    open.closed_at.get_or_insert(event.at);
                }
            }
            _ => {}
        }
    }
    clients
}

#[cfg(test)]
mod tests {
    use crate::Guarantee::Detection;
    use crate::Lost::{BothWays, ToClient, ToServer};
    use crate::testing::chat;
    use crate::{EndCause, Lack};

    // In the chats of these tests the client has 4 s to notice, and the server 3 s.

    #[test]
    fn holds_when_both_sides_notice_in_time() {
        let chat = chat(["alice"])
            .silence(10_000, 20_000, "alice", BothWays)
            .session_closed(13_000, "alice")
            .disconnected(14_000, "alice");
        insta::assert_snapshot!(chat.verdict(Detection), @"held: 2 silences noticed");
    }

    #[test]
    fn is_violated_when_the_client_is_too_slow() {
        let chat = chat(["alice"])
            .silence(10_000, 20_000, "alice", BothWays)
            .session_closed(13_000, "alice")
            .disconnected(14_001, "alice");
        insta::assert_snapshot!(chat.verdict(Detection), @"violated: alice had to notice the silence of server that began at 10.000 s by 14.000 s (session alice-1), but did so only at 14.001 s.");
    }

    #[test]
    fn is_violated_when_the_server_never_notices() {
        let chat = chat(["alice"])
            .silence(10_000, 20_000, "alice", BothWays)
            .disconnected(14_000, "alice");
        insta::assert_snapshot!(chat.verdict(Detection), @"violated: server had to notice the silence of alice that began at 10.000 s by 13.000 s (session alice-1), but never did.");
    }

    #[test]
    fn asks_only_the_side_that_hears_nothing() {
        let to_server = chat(["alice"])
            .silence(10_000, 20_000, "alice", ToServer)
            .session_closed(13_000, "alice");
        insta::assert_snapshot!(to_server.verdict(Detection), @"held: 1 silence noticed");
        let to_client = chat(["alice"])
            .silence(10_000, 20_000, "alice", ToClient)
            .disconnected(13_000, "alice");
        insta::assert_snapshot!(to_client.verdict(Detection), @"held: 1 silence noticed");
    }

    #[test]
    fn what_was_lost_before_the_silence_may_come_after_it_has_begun() {
        let noticed = |loss_ppm, at| {
            let chat = chat(["alice"])
                .link("alice", 1_000_000, loss_ppm)
                .silence(10_000, 20_000, "alice", ToClient)
                .disconnected(at, "alice");
            chat.verdict(Detection).starts_with("held")
        };
        assert!(noticed(0, 14_000) && !noticed(0, 14_001));
        assert!(noticed(1, 15_000) && !noticed(1, 15_001));
    }

    #[test]
    fn asks_nobody_who_was_connected_with_another_server() {
        let silence = |server| {
            chat(["alice"])
                .served_by("server-2")
                .silence(10_000, 20_000, "alice", BothWays)
                .silent(server)
                .verdict(Detection)
        };
        insta::assert_snapshot!(silence("server-1"), @"not exercised");
        assert!(silence("server-2").starts_with("violated"));
    }

    #[test]
    fn asks_the_server_from_which_a_client_has_taken_its_session_along() {
        let closed_by = |server| {
            let chat = chat(["alice"]).served_by("server-2");
            chat.silence(10_000, 20_000, "alice", BothWays)
                .silent("server-2")
                .disconnected(11_000, "alice")
                .moved(11_500, "alice", "server-1")
                .session_closed_at(13_000, "alice", server)
                .verdict(Detection)
        };
        insta::assert_snapshot!(closed_by("server-2"), @"held: 1 silence noticed");
        insta::assert_snapshot!(closed_by("server-1"), @"violated: server had to notice the silence of alice that began at 10.000 s by 13.000 s (session alice-1), but never did.");
    }

    #[test]
    fn is_not_exercised_by_a_silence_that_the_bounds_outlast() {
        let chat = chat(["alice"]).silence(10_000, 13_000, "alice", BothWays);
        insta::assert_snapshot!(chat.verdict(Detection), @"not exercised");
    }

    #[test]
    fn is_not_exercised_without_a_live_connection() {
        let chat = chat(["alice"])
            .disconnected(9_000, "alice")
            .session_closed(9_000, "alice")
            .silence(10_000, 20_000, "alice", BothWays);
        insta::assert_snapshot!(chat.verdict(Detection), @"not exercised");
    }

    #[test]
    fn asks_the_server_about_a_client_that_died() {
        let chat = chat(["alice"])
            .silence(10_000, 20_000, "alice", BothWays)
            .stopped(10_000, "alice");
        insta::assert_snapshot!(chat.verdict(Detection), @"violated: server had to notice the silence of alice that began at 10.000 s by 13.000 s (session alice-1), but never did. (1 excused: its program was not running)");
    }

    #[test]
    fn asks_the_client_about_a_server_that_died() {
        let chat = chat(["alice"])
            .silence(10_000, 20_000, "alice", BothWays)
            .server_stopped(10_000)
            .disconnected(14_000, "alice");
        insta::assert_snapshot!(chat.verdict(Detection), @"held: 1 silence noticed (1 excused: its program was not running)");
    }

    #[test]
    fn does_not_ask_who_stands_still_before_the_bound_is_over() {
        let paused = |from, until, who| {
            chat(["alice"])
                .silence(10_000, 20_000, "alice", ToClient)
                .standstill(from, until, who)
                .disconnected(15_000, "alice")
                .verdict(Detection)
        };
        insta::assert_snapshot!(paused(12_000, 13_000, "alice"), @"held: 1 silence noticed");
        let violated = "violated: alice had to notice the silence of server that began at 10.000 s by 14.000 s (session alice-1), but did so only at 15.000 s.";
        assert_eq!(paused(12_000, 13_000, "server").to_string(), violated);
        assert_eq!(paused(14_500, 16_000, "alice").to_string(), violated);
    }

    #[test]
    fn forgets_the_sessions_of_a_server_that_died_before() {
        let chat = chat(["alice"])
            .server_stopped(5_000)
            .disconnected(5_000, "alice")
            .silence(10_000, 20_000, "alice", BothWays);
        insta::assert_snapshot!(chat.verdict(Detection), @"not exercised");
    }

    #[test]
    fn asks_the_server_about_every_session_and_not_only_the_newest() {
        // The server has not yet noticed that the first one is over when the second one begins.
        let chat = chat(["alice"])
            .disconnected(8_000, "alice")
            .connected(9_000, "alice")
            .silence(10_000, 20_000, "alice", ToServer)
            .closed(13_000, "alice", "alice-2");
        insta::assert_snapshot!(chat.clone().verdict(Detection), @"violated: server had to notice the silence of alice that began at 10.000 s by 13.000 s (session alice-1), but never did.");
        insta::assert_snapshot!(chat.closed(12_000, "alice", "alice-1").verdict(Detection), @"held: 2 silences noticed");
    }

    #[test]
    fn excuses_a_standstill_and_not_the_time_beside_it() {
        let paused = |from, until| {
            chat(["alice"])
                .silence(10_000, 20_000, "alice", ToClient)
                .standstill(from, until, "alice")
                .disconnected(16_000, "alice")
                .verdict(Detection)
        };
        insta::assert_snapshot!(paused(11_000, 13_000), @"held: 1 silence noticed");
        insta::assert_snapshot!(paused(11_000, 12_999), @"violated: alice had to notice the silence of server that began at 10.000 s by 15.999 s (session alice-1), but did so only at 16.000 s.");
        insta::assert_snapshot!(paused(11_000, 17_500), @"held: 1 silence noticed");
    }

    #[test]
    fn says_that_who_died_before_the_bound_was_over_is_excused() {
        let chat = chat(["alice"]).silence(10_000, 20_000, "alice", ToClient);
        insta::assert_snapshot!(chat.clone().stopped(14_000, "alice").verdict(Detection), @"not exercised (1 excused: its program was not running)");
        insta::assert_snapshot!(chat.stopped(14_001, "alice").verdict(Detection), @"violated: alice had to notice the silence of server that began at 10.000 s by 14.000 s (session alice-1), but never did.");
    }

    #[test]
    fn asks_only_about_what_was_open_before_the_silence_began() {
        let back = |at, lost| {
            chat(["alice"])
                .disconnected(8_000, "alice")
                .closed(8_000, "alice", "alice-1")
                .connected(at, "alice")
                .silence(10_000, 20_000, "alice", lost)
                .verdict(Detection)
        };
        insta::assert_snapshot!(back(9_999, ToClient), @"violated: alice had to notice the silence of server that began at 10.000 s by 14.000 s (session alice-2), but never did.");
        insta::assert_snapshot!(back(10_000, ToClient), @"not exercised");
        insta::assert_snapshot!(back(9_999, ToServer), @"violated: server had to notice the silence of alice that began at 10.000 s by 13.000 s (session alice-2), but never did.");
        insta::assert_snapshot!(back(10_000, ToServer), @"not exercised");
    }

    #[test]
    fn asks_about_what_ends_just_when_the_silence_begins() {
        let ended = |at, lost| {
            chat(["alice"])
                .disconnected(at, "alice")
                .closed(at, "alice", "alice-1")
                .silence(10_000, 20_000, "alice", lost)
                .verdict(Detection)
        };
        insta::assert_snapshot!(ended(10_000, ToClient), @"held: 1 silence noticed");
        insta::assert_snapshot!(ended(9_999, ToClient), @"not exercised");
        insta::assert_snapshot!(ended(10_000, ToServer), @"held: 1 silence noticed");
        insta::assert_snapshot!(ended(9_999, ToServer), @"not exercised");
    }

    #[test]
    fn asks_a_server_that_came_back_about_the_sessions_that_it_opened_since() {
        let opened = |stopped_at| {
            chat(["alice"])
                .server_stopped(stopped_at)
                .closed(8_000, "alice", "alice-1")
                .disconnected(8_000, "alice")
                .connected(9_000, "alice")
                .silence(10_000, 20_000, "alice", ToServer)
                .verdict(Detection)
        };
        insta::assert_snapshot!(opened(5_000), @"violated: server had to notice the silence of alice that began at 10.000 s by 13.000 s (session alice-2), but never did.");
        insta::assert_snapshot!(opened(8_999), @"violated: server had to notice the silence of alice that began at 10.000 s by 13.000 s (session alice-2), but never did.");
        // It ended with the server that opened it.
        insta::assert_snapshot!(opened(9_000), @"not exercised");
    }

    #[test]
    fn asks_about_a_silence_that_outlasts_the_bound_and_no_shorter_one() {
        let silent = |until, lost| {
            let chat = chat(["alice"]).silence(10_000, until, "alice", lost);
            chat.verdict(Detection)
        };
        insta::assert_snapshot!(silent(14_000, ToClient), @"not exercised");
        insta::assert_snapshot!(silent(14_001, ToClient), @"violated: alice had to notice the silence of server that began at 10.000 s by 14.000 s (session alice-1), but never did.");
        insta::assert_snapshot!(silent(13_000, ToServer), @"not exercised");
        insta::assert_snapshot!(silent(13_001, ToServer), @"violated: server had to notice the silence of alice that began at 10.000 s by 13.000 s (session alice-1), but never did.");
    }

    #[test]
    fn gives_the_way_its_time_and_a_lossy_one_two_round_trips_and_a_second() {
        let due = |lost, lost_ppm: [u32; 2]| {
            let chat = chat(["alice"]).latency("alice", 100, 300);
            let chat = chat.loses("alice", lost_ppm[0], lost_ppm[1]);
            chat.silence(10_000, 20_000, "alice", lost)
                .verdict(Detection)
        };
        insta::assert_snapshot!(due(ToClient, [0, 0]), @"violated: alice had to notice the silence of server that began at 10.000 s by 14.300 s (session alice-1), but never did.");
        insta::assert_snapshot!(due(ToServer, [0, 0]), @"violated: server had to notice the silence of alice that began at 10.000 s by 13.100 s (session alice-1), but never did.");
        // Packets lost on the way to the side that listens.
        insta::assert_snapshot!(due(ToClient, [0, 1]), @"violated: alice had to notice the silence of server that began at 10.000 s by 16.100 s (session alice-1), but never did.");
        insta::assert_snapshot!(due(ToServer, [1, 0]), @"violated: server had to notice the silence of alice that began at 10.000 s by 14.900 s (session alice-1), but never did.");
        insta::assert_snapshot!(due(ToClient, [1, 0]), @"violated: alice had to notice the silence of server that began at 10.000 s by 14.300 s (session alice-1), but never did.");
    }

    #[test]
    fn is_violated_by_a_client_that_tells_of_a_silence_while_it_hears_something() {
        let told = |at| {
            chat(["alice", "bob"])
                .silent_after(4_000)
                .sent(10_000, "bob", ["m1"])
                .handled(10_100, "alice", ["m1"])
                .disconnected_because(at, "alice", EndCause::TimedOut)
                .verdict(Detection)
        };
        insta::assert_snapshot!(told(14_095), @"not exercised");
        // Who asks again because nothing comes has heard nothing.
        let asks = chat(["alice"])
            .silent_after(4_000)
            .connected(10_000, "alice");
        let asks = asks.missed(13_000, "alice", Lack::Messages, true);
        let asks = asks.disconnected_because(14_000, "alice", EndCause::TimedOut);
        insta::assert_snapshot!(asks.verdict(Detection), @"not exercised");
        // A slow disk may have kept its program in one turn until then.
        let late = |until| {
            let chat = chat(["alice"])
                .silent_after(4_000)
                .connected(10_000, "alice");
            let chat = chat.standstill(9_000, until, "alice");
            chat.disconnected_because(12_000, "alice", EndCause::TimedOut)
                .verdict(Detection)
        };
        insta::assert_snapshot!(late(14_000), @"not exercised (1 excused: its program stood still)");
        insta::assert_snapshot!(late(13_999), @"violated: alice told of a silence at 12.000 s, and had heard something at 10.000 s; a silence has to be 4.000 s long.");
        insta::assert_snapshot!(told(14_094), @"violated: alice told of a silence at 14.094 s, and had heard something at 10.100 s; a silence has to be 4.000 s long.");
    }
}
