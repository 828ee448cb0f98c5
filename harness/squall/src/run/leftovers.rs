//! What servers and outboxes held when a run was over, next to the most that they may hold given
//! who was there.
//!
//! It is counted only if the world has been whole for long enough: before that, nobody has to know
//! yet who is gone.

use crate::log::Told;
use crate::plan::Plan;
use indexmap::{IndexMap, IndexSet};
use squall_guarantees::{
    ClientId, DisturbanceKind, Event, EventKind, Held, History, Leftover, MessageKind, OperationId,
};
use squall_simulator::{Intervention, MachineId, World};
use std::ops::RangeInclusive;
use std::time::Duration;

/// What the servers held at the end. They count once in each interval between pings, and report it
/// when something has changed; nothing is known about a server that has ended since. Hostile peers
/// have their own sessions, so nothing is said until these are over.
pub(super) fn of_servers(
    plan: &Plan,
    told: &Told,
    ends: &IndexMap<String, Vec<Duration>>,
    history: &History,
) -> Vec<Leftover> {
    let at = history.ended_at;
    if !is_whole(plan, history) {
        return Vec::new();
    }
    let is_quiet = history
        .unfinished
        .still_sending
        .iter()
        .all(|count| *count == 0);
    let mut leftovers = Vec::new();
    for (server, counts) in &told.counted {
        let Some((counted, held)) = counts.last() else {
            continue;
        };
        if ends[server].iter().any(|end| end > counted) {
            continue;
        }
        for &(what, count) in held {
            let most = most(what, history, (*counted, at), is_quiet);
            leftovers.extend(most.map(|expected_at_most| Leftover {
                holder: server.clone(),
                what,
                count,
                expected_at_most,
                at,
            }));
        }
    }
    leftovers
}

/// Whether all has been well for so long that everyone knows who is gone.
fn is_whole(plan: &Plan, history: &History) -> bool {
    let (at, bounds) = (history.ended_at, &history.bounds);
    let whole = whole_since(plan, history) + bounds.server_detection + bounds.delivery;
    whole <= at && hostile_until(plan, history).is_none_or(|until| until <= at)
}

/// Until when something may be left of peers that break the rules; none if there are none.
fn hostile_until(plan: &Plan, history: &History) -> Option<Duration> {
    let bounds = &history.bounds;
    let window = bounds
        .recovery
        .as_ref()
        .map(|it| it.window + it.window / 20);
    let kept = bounds.keep_alive.unwrap_or_default() + window.unwrap_or_default();
    let gone = kept + bounds.server_detection * 2;
    let ends = plan.hostile.iter().map(|peer| peer.until);
    ends.map(|until| until.map_or(Duration::MAX, |until| until + gone))
        .max()
}

/// What the storing machine has kept in files for clients that may come back.
pub(super) fn of_files(plan: &Plan, kept: &[(Held, u64)], history: &History) -> Vec<Leftover> {
    let at = history.ended_at;
    if !is_whole(plan, history) {
        return Vec::new();
    }
    let leftovers = kept.iter().filter_map(|&(what, count)| {
        Some(Leftover {
            holder: plan.servers().keeper().to_owned(),
            what,
            count,
            expected_at_most: most(what, history, (at, at), true)?,
            at,
        })
    });
    leftovers.collect()
}

/// How many TCP connections a client has at most: that of its session and those that are closing.
const PLACES: u64 = 4;

/// The most that a server may hold of this; none if nothing can be said about it.
fn most(
    what: Held,
    history: &History,
    (counted, at): (Duration, Duration),
    is_quiet: bool,
) -> Option<u64> {
    match what {
        Held::Sessions | Held::Online => Some(most_sessions(history, at)),
        Held::WaitingSessions => most_waiting(history, at),
        Held::Rooms => most_waiting(history, at).map(|_| most_rooms(history, at)),
        Held::Places => Some((most_sessions(history, at) + lost_connections(history, at)) * PLACES),
        Held::Unanswered | Held::GivenBytes | Held::QueuedBytes | Held::UnsavedChanges => {
            is_quiet.then_some(0)
        }
        Held::KeptPackets | Held::StoredPackets => most_packets(history, counted),
        Held::StoredSessions => {
            most_waiting(history, at).map(|waiting| most_sessions(history, at) + waiting)
        }
        Held::Timers
        | Held::OutboxRows
        | Held::IdlePackets
        | Held::PlacesOfAddresses
        | Held::KeptBytes => None,
    }
}

/// How many sessions' connections may have lost their clients without a word, so recently that the
/// server still keeps them: one for each time that something has struck a client, or that a client
/// says its connection was lost.
fn lost_connections(history: &History, at: Duration) -> u64 {
    let Some(kept) = history.bounds.keep_alive else {
        return 0;
    };
    let since = at.saturating_sub(kept + history.bounds.server_detection);
    let struck = history.disturbances.iter();
    let struck = struck.filter(|fault| fault.until.is_none_or(|until| until >= since));
    let struck = struck.map(|fault| match fault.client {
        Some(_) => 1,
        None => history.clients.len(),
    });
    let silences = history.silences.iter().filter(|it| it.until >= since);
    let lost = history
        .events
        .iter()
        .filter(|event| event.at >= since && matches!(event.kind, EventKind::Disconnected { .. }));
    (struck.sum::<usize>() + silences.count() + lost.count()) as u64
}

/// One packet for each message that was stored recently enough for somebody to need it still. What
/// a server has kept when it ends, the next one keeps for as long again.
fn most_packets(history: &History, at: Duration) -> Option<u64> {
    let recovery = history.bounds.recovery.as_ref()?;
    // Expired ones are removed only now and then.
    let kept = history.bounds.server_detection + recovery.window + recovery.window / 20;
    let since = at.saturating_sub(kept + Duration::from_secs(1));
    // A server that was cut off from the others hears only later what they have stored.
    let cut_off = history.disturbances.iter().filter(|fault| {
        let is_recent = fault.until.is_none_or(|until| until >= since);
        recovery.elsewhere && fault.client.is_none() && is_recent
    });
    let since = cut_off.map(|fault| fault.from).fold(since, Duration::min);
    let stops = &history.server_stops;
    let stopped = stops.iter().any(|stop| (since..=at).contains(stop));
    let rows = history.database.iter();
    let rows = rows.filter(|row| row.stored_at.is_none_or(|stored_at| stored_at >= since));
    let again = taken_along(history, since, at);
    (!stopped).then(|| rows.count() as u64 + again)
}

/// How many packets servers have kept once more for clients that took their sessions along to them:
/// what these had missed.
fn taken_along(history: &History, since: Duration, until: Duration) -> u64 {
    let mut server_of: IndexMap<&str, &str> = IndexMap::new();
    let mut handled_at = vec![Duration::ZERO; history.clients.len()];
    let mut again = 0;
    for event in &history.events {
        let handled_at = &mut handled_at[event.client.0 as usize];
        match &event.kind {
            EventKind::Delivered { .. } => *handled_at = event.at,
            EventKind::SessionOpened {
                session, server, ..
            } => {
                let before = server_of.insert(session, server);
                let is_taken = before.is_some_and(|before| before != server);
                if is_taken && (since..=until).contains(&event.at) {
                    let from = handled_at.saturating_sub(history.bounds.delivery);
                    let missed = history.database.iter().filter(|row| {
                        let is_missed = |at: Duration| (from..=event.at).contains(&at);
                        row.stored_at.is_none_or(is_missed)
                    });
                    again += missed.count() as u64;
                }
            }
            _ => {}
        }
    }
    again
}

/// Since when the world has been whole for those who are still in it: users who are gone for good
/// are no fault. Who stood still may take longer than the fault to get on with its work.
fn whole_since(plan: &Plan, history: &History) -> Duration {
    let end = history.ended_at;
    let is_client = |name: &String| plan.clients.iter().any(|client| client.name == *name);
    let faults = plan.faults.iter().map(|fault| {
        let kills = fault.kind.kind().disturbs() == Some(DisturbanceKind::Killed);
        match kills && fault.victims.iter().all(is_client) {
            true => fault.until.unwrap_or(fault.from),
            false => fault.healed_at(end),
        }
    });
    let middleboxes = plan.middleboxes.iter().map(|it| it.healed_at(end));
    let standstills = history.standstills.iter().map(|it| it.until);
    let ends = faults.chain(middleboxes).chain(standstills);
    ends.max().unwrap_or_default()
}

/// How many rows are left in the outbox of each client that runs at the end; none for the others.
/// This ends their programs: only a closed outbox can be read.
pub(super) fn rows_of_outboxes(
    plan: &Plan,
    world: &mut World,
    machines: &IndexMap<String, MachineId>,
    told: &Told,
) -> Vec<Option<u64>> {
    let mut rows = Vec::new();
    for (client, number) in plan.clients.iter().zip(0..) {
        let machine = machines[client.name.as_str()];
        let started = |event: &&Event| {
            event.client == ClientId(number) && matches!(event.kind, EventKind::Started)
        };
        let starts = told.events.iter().filter(started).count();
        let runs = plan.system.keeps_outboxes() && starts > world.ends(machine).len();
        rows.push(runs.then(|| {
            world.at(world.now(), Intervention::Kill(machine));
            // A killed process makes no more calls, so nothing can be refused.
            let _ = world.run_until(world.now());
            world.inside(machine, || plan.system.unsent())
        }));
    }
    rows.into_iter().map(Option::flatten).collect()
}

/// What is left in outboxes, next to what was not done. Nothing is said about a failing disk: what
/// could not be removed from it is sent once more, and recognised.
pub(super) fn of_outboxes(rows: &[Option<u64>], history: &History) -> Vec<Leftover> {
    let mut leftovers = Vec::new();
    for (number, &rows) in (0..).zip(rows) {
        let client = ClientId(number);
        let failing = history.disturbances.iter();
        let mut failing = failing.filter(|fault| fault.client == Some(client));
        let (Some(count), false) = (
            rows,
            failing.any(|fault| fault.kind == DisturbanceKind::Disk),
        ) else {
            continue;
        };
        leftovers.push(Leftover {
            holder: history.clients[number as usize].name.clone(),
            what: Held::OutboxRows,
            count,
            expected_at_most: unfinished(history, client),
            at: history.ended_at,
        });
    }
    leftovers
}

/// The most packets that a connection needs for each ping and each beat: over polling, each is an
/// answer to a request, with a request after it.
const PACKETS: f64 = 40.0;
/// An allowance for anything else.
const FURTHER_PACKETS: f64 = 50.0;

/// What was sent while nothing was said, and all was well: signs of life, and no more. A program
/// that asks again and again for what is not there cannot be noticed in any other way.
pub(super) fn of_network(
    plan: &Plan,
    idle: Option<(Duration, u64)>,
    history: &History,
) -> Option<Leftover> {
    let (since, sent) = idle?;
    let at = history.ended_at;
    let whole =
        whole_since(plan, history) + history.bounds.server_detection + history.bounds.delivery / 2;
    let unfinished = history
        .unfinished
        .still_sending
        .iter()
        .any(|count| *count > 0);
    let hostile = hostile_until(plan, history);
    if whole > since || hostile.is_some_and(|until| until > since) || unfinished {
        return None;
    }
    let seconds = at.saturating_sub(since).as_secs_f64();
    let interval = history.bounds.heartbeat?.as_secs_f64();
    let servers = plan.servers();
    let through = if plan.middleboxes.is_empty() {
        1.0
    } else {
        2.0
    };
    let clients = plan.clients.len() as f64 * PACKETS * (seconds / interval + 2.0) * through;
    let brokers = (servers.names.len() as u64 * servers.idle_packets) as f64 * seconds;
    Some(Leftover {
        holder: "the network".to_owned(),
        what: Held::IdlePackets,
        count: sent,
        expected_at_most: (clients + brokers + FURTHER_PACKETS) as u64,
        at,
    })
}

/// How many of a client's messages have not ended.
fn unfinished(history: &History, client: ClientId) -> u64 {
    let mut open: IndexSet<OperationId> = IndexSet::new();
    for event in history.events.iter().filter(|event| event.client == client) {
        match &event.kind {
            EventKind::Invoked {
                operation, kind, ..
            } if !kind.is_ephemeral() => {
                open.insert(*operation);
            }
            EventKind::Ok { operation, .. }
            | EventKind::Failed { operation, .. }
            | EventKind::Unknown { operation, .. } => {
                open.swap_remove(operation);
            }
            _ => {}
        }
    }
    open.len() as u64
}

/// The rooms of all who may have a session: those that they are in at first, and those that they
/// have joined.
fn most_rooms(history: &History, at: Duration) -> u64 {
    let mut rooms: IndexSet<&str> = IndexSet::new();
    for (client, number) in history.clients.iter().zip(0..) {
        if most_sessions_of(ClientId(number), history, at) == 0
            && !may_wait(ClientId(number), history, at)
        {
            continue;
        }
        rooms.extend(client.rooms.iter().map(String::as_str));
        let joined = history.database.iter();
        let joined =
            joined.filter(|row| row.kind == MessageKind::Join && row.sender == client.user());
        rooms.extend(joined.map(|row| &*row.room));
    }
    rooms.len() as u64
}

/// Whether a session of the client may wait for it.
fn may_wait(client: ClientId, history: &History, at: Duration) -> bool {
    let Some(since) = waits_since(history, at) else {
        return false;
    };
    history.events.iter().any(|event| {
        let ended = matches!(event.kind, EventKind::SessionClosed { .. });
        ended && event.client == client && (since..=at).contains(&event.at)
    })
}

/// Since when sessions that are still waiting may have been waiting; none if they end with their
/// connections.
fn waits_since(history: &History, at: Duration) -> Option<Duration> {
    let recovery = history.bounds.recovery.as_ref()?;
    // Expired ones are removed only now and then, and those that outlive a server are dated less
    // exactly.
    let kept = recovery.window + recovery.window / 20 + history.bounds.server_detection;
    Some(at.saturating_sub(kept))
}

/// One for each client whose program ran at this time, or so shortly before that the server need
/// not have noticed, and one for each connection that has replaced another since then.
fn most_sessions(history: &History, at: Duration) -> u64 {
    let clients = (0..history.clients.len() as u32).map(ClientId);
    clients
        .map(|client| most_sessions_of(client, history, at))
        .sum()
}

fn most_sessions_of(client: ClientId, history: &History, at: Duration) -> u64 {
    let unnoticed = at.saturating_sub(history.bounds.server_detection);
    let events = history.events.iter();
    let events = events.filter(|event| event.client == client && event.at <= at);
    let (mut there, mut anew, mut opened) = (false, 0, 0);
    for event in events {
        match event.kind {
            EventKind::Started => there = true,
            EventKind::Stopped => there = event.at >= unnoticed,
            EventKind::Connected { .. } if event.at >= unnoticed => anew += 1,
            EventKind::SessionOpened { .. } if event.at >= unnoticed => opened += 1,
            _ => {}
        }
    }
    // The client may have given up an attempt of which the server still has the session.
    u64::from(there) + u64::max(anew, opened)
}

/// As many as ended within the window, except those whose clients have asked for them and got
/// others; none if they end with their connections. Nothing is said where a server has ended within
/// it: its successor knows what it knew, and nobody reports it.
fn most_waiting(history: &History, at: Duration) -> Option<u64> {
    let Some(since) = waits_since(history, at) else {
        return Some(0);
    };
    let stopped = history
        .server_stops
        .iter()
        .any(|stop| (since..=at).contains(stop));
    let clients = (0..history.clients.len() as u32).map(ClientId);
    let waiting = clients.map(|client| waiting_of(client, history, since..=at));
    (!stopped).then(|| waiting.sum())
}

/// How many sessions of a client have ended in this time and may still wait for it.
fn waiting_of(client: ClientId, history: &History, within: RangeInclusive<Duration>) -> u64 {
    let mut waiting: Vec<&str> = Vec::new();
    // Those of this life of its program.
    let mut own: Vec<&str> = Vec::new();
    for event in history.events.iter().filter(|event| event.client == client) {
        match &event.kind {
            EventKind::Started => own.clear(),
            EventKind::Connected {
                session, refused, ..
            } => {
                if refused.is_some() {
                    waiting.retain(|session| !own.contains(session));
                }
                own.push(session);
            }
            EventKind::SessionClosed { session, .. } if within.contains(&event.at) => {
                waiting.push(session);
            }
            _ => {}
        }
    }
    waiting.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_guarantees::{
        Bounds, Client, Disturbance, EndCause, RecoveryBounds, RecoveryRefused, Standstill,
        StoredMessage,
    };

    const ALICE: ClientId = ClientId(0);
    const BOB: ClientId = ClientId(1);
    const END: Duration = seconds(1_000);

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// What alice has said in the lobby, stored at this time.
    fn stored(at: Duration) -> StoredMessage {
        StoredMessage {
            sender: "alice".to_owned(),
            room: "lobby".to_owned(),
            kind: MessageKind::Message,
            id: 1,
            content: "m".to_owned(),
            client_offset: None,
            nickname: None,
            stored_at: Some(at),
        }
    }

    /// A run with alice, who is in the lobby, and bob, who is in the garden. The server notices
    /// within ten seconds, and keeps sessions for two hundred, so those that ended since 780 s may
    /// wait.
    fn history(events: impl IntoIterator<Item = (u64, ClientId, EventKind)>) -> History {
        let client = |name: &str, room: &str| Client {
            name: name.to_owned(),
            user: None,
            namespace: "/".to_owned(),
            rooms: vec![room.to_owned()],
        };
        let event = |(at, client, kind)| Event {
            at: seconds(at),
            client,
            kind,
        };
        History {
            clients: vec![client("alice", "lobby"), client("bob", "garden")],
            events: events.into_iter().map(event).collect(),
            bounds: Bounds {
                server_detection: seconds(10),
                recovery: Some(RecoveryBounds {
                    window: seconds(200),
                    outlives_server: false,
                    elsewhere: false,
                    tells_why: true,
                    packets: None,
                    sessions: None,
                }),
                ..Bounds::default()
            },
            ended_at: END,
            ..History::default()
        }
    }

    fn connected() -> EventKind {
        EventKind::Connected {
            session: "s".to_owned(),
            recovered: false,
            refused: None,
        }
    }

    fn closed() -> EventKind {
        EventKind::SessionClosed {
            session: "s".to_owned(),
            reason: String::new(),
            cause: EndCause::TimedOut,
            server: String::new(),
        }
    }

    fn invoked(operation: u64, kind: MessageKind) -> EventKind {
        EventKind::Invoked {
            operation: OperationId(operation),
            room: "lobby".to_owned(),
            content: "m".to_owned(),
            kind,
            size: None,
            echo: true,
            nickname: None,
        }
    }

    fn done(operation: u64) -> EventKind {
        EventKind::Ok {
            operation: OperationId(operation),
            acknowledged: true,
        }
    }

    #[test]
    fn whoever_runs_may_have_a_session_and_whoever_ended_as_long_as_nobody_need_have_noticed() {
        let sessions = |events: &[(u64, ClientId, EventKind)]| {
            let history = history(events.iter().cloned());
            most(Held::Sessions, &history, (END, END), true)
        };
        let started = (1, ALICE, EventKind::Started);
        assert_eq!(sessions(&[]), Some(0));
        assert_eq!(sessions(std::slice::from_ref(&started)), Some(1));
        let stopped = |at| [started.clone(), (at, ALICE, EventKind::Stopped)];
        assert_eq!(sessions(&stopped(989)), Some(0));
        assert_eq!(sessions(&stopped(990)), Some(1));
        let both = [started.clone(), (2, BOB, EventKind::Started)];
        assert_eq!(sessions(&both), Some(2));
        assert_eq!(sessions(&[(1_001, ALICE, EventKind::Started)]), Some(0));
    }

    #[test]
    fn a_connection_in_the_place_of_another_may_have_a_session_beside_it_for_a_while() {
        let sessions = |times: &[u64]| {
            let connections = times.iter().map(|&at| (at, ALICE, connected()));
            let history = history(
                [(1, ALICE, EventKind::Started)]
                    .into_iter()
                    .chain(connections),
            );
            most(Held::Sessions, &history, (END, END), true)
        };
        assert_eq!(sessions(&[2, 500, 989]), Some(1));
        assert_eq!(sessions(&[2, 990, 995]), Some(3));
    }

    /// Regression: an attempt was given up as its greeting was lost, and the next one had a session
    /// before the server had noticed.
    #[test]
    fn a_session_of_which_the_client_never_heard_may_be_there_for_a_while() {
        let sessions = |times: &[u64]| {
            let opened = |&at: &u64| {
                let kind = EventKind::SessionOpened {
                    session: "s".to_owned(),
                    recovered: false,
                    server: String::new(),
                };
                (at, ALICE, kind)
            };
            let started = [(1, ALICE, EventKind::Started)];
            let history = history(started.into_iter().chain(times.iter().map(opened)));
            most(Held::Sessions, &history, (END, END), true)
        };
        assert_eq!(sessions(&[2, 500, 989]), Some(1));
        assert_eq!(sessions(&[2, 990, 995]), Some(3));
    }

    #[test]
    fn as_many_sessions_may_wait_as_ended_within_the_window() {
        let mut told = history([
            (779, ALICE, closed()),
            (780, ALICE, closed()),
            (900, BOB, closed()),
        ]);
        assert_eq!(
            most(Held::WaitingSessions, &told, (END, END), true),
            Some(2)
        );
        told.server_stops = vec![seconds(779)];
        assert_eq!(
            most(Held::WaitingSessions, &told, (END, END), true),
            Some(2)
        );
        told.server_stops = vec![seconds(800)];
        assert_eq!(most(Held::WaitingSessions, &told, (END, END), true), None);
        told.bounds.recovery = None;
        assert_eq!(
            most(Held::WaitingSessions, &told, (END, END), true),
            Some(0)
        );
    }

    #[test]
    fn a_session_does_not_wait_whose_client_has_asked_for_it_and_got_another_one() {
        let waiting = |refused, restarts: bool| {
            let connected = |session: &str, refused| EventKind::Connected {
                session: session.to_owned(),
                recovered: false,
                refused,
            };
            let mut events = vec![
                (800, ALICE, connected("s", None)),
                (900, ALICE, closed()),
                (910, ALICE, connected("t", refused)),
            ];
            if restarts {
                events.insert(2, (905, ALICE, EventKind::Started));
            }
            most(Held::WaitingSessions, &history(events), (END, END), true)
        };
        let refused = Some(RecoveryRefused::OffsetTooOld);
        assert_eq!(waiting(None, false), Some(1));
        assert_eq!(waiting(refused, false), Some(0));
        // It asked for another one.
        assert_eq!(waiting(refused, true), Some(1));
    }

    #[test]
    fn rooms_may_be_those_of_whoever_may_have_a_session_or_one_that_waits() {
        let rooms = |events: &[(u64, ClientId, EventKind)]| {
            let mut history = history(events.iter().cloned());
            let row = |sender: &str, room: &str, kind| StoredMessage {
                sender: sender.to_owned(),
                room: room.to_owned(),
                kind,
                stored_at: None,
                ..stored(END)
            };
            history.database = vec![
                row("alice", "attic", MessageKind::Join),
                row("alice", "pantry", MessageKind::Join),
                row("alice", "cellar", MessageKind::Message),
                row("bob", "kitchen", MessageKind::Join),
            ];
            most(Held::Rooms, &history, (END, END), true)
        };
        assert_eq!(rooms(&[]), Some(0));
        let alice = (1, ALICE, EventKind::Started);
        assert_eq!(rooms(std::slice::from_ref(&alice)), Some(3));
        assert_eq!(rooms(&[(900, BOB, closed())]), Some(2));
        assert_eq!(rooms(&[alice.clone(), (900, BOB, closed())]), Some(5));
        assert_eq!(rooms(&[alice, (700, BOB, closed())]), Some(3));
    }

    #[test]
    fn packets_may_be_kept_for_what_was_said_within_the_window_and_nothing_waits_where_all_is_quiet()
     {
        let mut told = history([]);
        let recovery = told.bounds.recovery.as_ref().expect("it recovers");
        let kept = recovery.window + recovery.window / 20 + told.bounds.server_detection;
        let old = [END - kept - seconds(2), END - kept];
        told.database = [old[0], old[1], END].map(stored).into();
        let most = |what, told: &History, is_quiet| most(what, told, (END, END), is_quiet);
        assert_eq!(most(Held::KeptPackets, &told, true), Some(2));
        assert_eq!(most(Held::StoredPackets, &told, true), Some(2));
        assert_eq!(most(Held::QueuedBytes, &told, true), Some(0));
        assert_eq!(most(Held::QueuedBytes, &told, false), None);
        told.server_stops = vec![END - seconds(1)];
        assert_eq!(most(Held::KeptPackets, &told, true), None);
    }

    #[test]
    fn a_server_that_was_cut_off_keeps_what_it_has_heard_late() {
        let most = |elsewhere, from| {
            let mut told = history([]);
            let recovery = told.bounds.recovery.as_mut().expect("it recovers");
            recovery.elsewhere = elsewhere;
            told.database = [400, 990].map(|at| stored(seconds(at))).into();
            told.disturbances = vec![Disturbance {
                from: seconds(from),
                until: Some(seconds(980)),
                client: None,
                kind: DisturbanceKind::Cut,
            }];
            most(Held::KeptPackets, &told, (END, END), true)
        };
        assert_eq!(most(true, 400), Some(2));
        assert_eq!(most(true, 401), Some(1));
        assert_eq!(most(false, 400), Some(1));
    }

    #[test]
    fn a_server_keeps_once_more_what_those_have_missed_who_bring_their_sessions_along() {
        let opened = |server: &str| EventKind::SessionOpened {
            session: "s".to_owned(),
            recovered: true,
            server: server.to_owned(),
        };
        let most = |server| {
            let mut told = history([
                (900, ALICE, opened("server-1")),
                (950, ALICE, opened(server)),
            ]);
            told.database = [940, 941].map(|at| stored(seconds(at))).into();
            most(Held::KeptPackets, &told, (END, END), true)
        };
        assert_eq!(most("server-1"), Some(2));
        assert_eq!(most("server-2"), Some(4));
    }

    #[test]
    fn rows_of_an_outbox_may_be_those_that_have_not_come_to_their_end() {
        let mut told = history([
            (1, ALICE, invoked(1, MessageKind::Message)),
            (2, ALICE, invoked(2, MessageKind::Message)),
            (3, ALICE, invoked(3, MessageKind::Message)),
            (4, ALICE, invoked(4, MessageKind::Typing)),
            (5, BOB, invoked(5, MessageKind::Message)),
            (6, ALICE, done(1)),
        ]);
        let expected = |history: &History| -> Vec<_> {
            let leftovers = of_outboxes(&[Some(7), None], history).into_iter();
            leftovers
                .map(|it| (it.holder, it.count, it.expected_at_most))
                .collect()
        };
        assert_eq!(expected(&told), [("alice".to_owned(), 7, 2)]);
        let failing = |client, kind| squall_guarantees::Disturbance {
            client: Some(client),
            from: seconds(1),
            until: None,
            kind,
        };
        told.disturbances = vec![
            failing(BOB, DisturbanceKind::Disk),
            failing(ALICE, DisturbanceKind::Killed),
        ];
        assert_eq!(expected(&told).len(), 1);
        told.disturbances
            .push(failing(ALICE, DisturbanceKind::Disk));
        assert_eq!(expected(&told), []);
    }

    #[test]
    fn the_world_is_whole_when_its_faults_are_over_and_who_is_gone_for_good_is_none() {
        let whole = |fault: &str| {
            let plan = crate::testing::plan(&format!("[[fault]]\nat = '2s'\n{fault}"));
            whole_since(&plan, &history([]))
        };
        let killed = |victims: &str, until: &str| {
            whole(&format!("kind = 'kill'\nvictims = {victims}\n{until}"))
        };
        assert_eq!(killed("'alice'", ""), seconds(2));
        assert_eq!(killed("'alice'", "for = '3s'"), seconds(5));
        assert_eq!(killed("['alice', 'server']", ""), END);
        assert_eq!(whole("kind = 'partition'\nvictims = 'alice'"), END);
        let partition = "kind = 'partition'\nvictims = 'alice'\nfor = '4s'";
        assert_eq!(whole(partition), seconds(6));
    }

    #[test]
    fn the_world_is_not_whole_while_somebody_is_busy_with_what_was_begun_on_a_slow_disk() {
        let plan = crate::testing::plan("");
        let mut told = history([]);
        told.standstills = vec![Standstill {
            client: None,
            from: seconds(1),
            until: seconds(90),
        }];
        assert_eq!(whole_since(&plan, &told), seconds(90));
        told.bounds.delivery = seconds(20);
        told.ended_at = seconds(119);
        assert!(!is_whole(&plan, &told));
        told.ended_at = seconds(120);
        assert!(is_whole(&plan, &told));
    }

    #[test]
    fn servers_are_asked_once_the_world_is_whole_and_nothing_of_those_that_have_ended_since() {
        let asked = |plan: &str, ended_at: u64, server_ended: &[u64]| {
            let plan = crate::testing::plan(plan);
            let told = Told {
                counted: IndexMap::from([(
                    "server".to_owned(),
                    vec![
                        (seconds(49), vec![(Held::Sessions, 9)]),
                        (seconds(50), vec![(Held::Sessions, 3), (Held::Rooms, 4)]),
                    ],
                )]),
                ..Told::default()
            };
            let ends = server_ended.iter().copied().map(seconds).collect();
            let ends = IndexMap::from([("server".to_owned(), ends)]);
            let mut history = history([(1, ALICE, EventKind::Started)]);
            history.ended_at = seconds(ended_at);
            history.bounds.delivery = seconds(20);
            let leftovers = of_servers(&plan, &told, &ends, &history).into_iter();
            leftovers
                .map(|it| (it.what, it.count, it.expected_at_most))
                .collect::<Vec<_>>()
        };
        let both = [(Held::Sessions, 3, 1), (Held::Rooms, 4, 1)];
        assert_eq!(asked("", 100, &[]), both);
        // A fault lasts until 40 s, then the server has ten seconds to notice and its clients
        // twenty to come back.
        let fault = "[[fault]]\nkind = 'partition'\nvictims = 'bob'\nat = '30s'\nfor = '10s'";
        assert_eq!(asked(fault, 69, &[]), []);
        assert_eq!(asked(fault, 70, &[]), both);
        assert_eq!(asked("[[hostile]]\nkind = 'half-open'", 1_000, &[]), []);
        // It is gone at 12 s, the server has twice ten to notice, and sessions wait for 210 s.
        let hostile = "[[hostile]]\nkind = 'half-open'\nat = '2s'\nfor = '10s'";
        assert_eq!(asked(hostile, 241, &[]), []);
        assert_eq!(asked(hostile, 242, &[]), both);
        assert_eq!(asked("", 100, &[50]), both);
        assert_eq!(asked("", 100, &[51]), []);
    }

    #[test]
    fn a_server_may_keep_connections_whose_clients_were_struck_within_the_time_for_which_it_keeps_them()
     {
        let places = |disturbances: &[(Option<ClientId>, u64)]| {
            let mut history =
                history([(0, ALICE, EventKind::Started), (0, BOB, EventKind::Started)]);
            history.bounds.keep_alive = Some(seconds(100));
            history.disturbances = disturbances
                .iter()
                .map(|&(client, until)| Disturbance {
                    client,
                    from: seconds(until - 1),
                    until: Some(seconds(until)),
                    kind: DisturbanceKind::Address,
                })
                .collect();
            most(Held::Places, &history, (END, END), true)
        };
        assert_eq!(places(&[]), Some(8));
        assert_eq!(places(&[(Some(ALICE), 889)]), Some(8));
        assert_eq!(places(&[(Some(ALICE), 890)]), Some(12));
        assert_eq!(places(&[(Some(ALICE), 890), (None, 950)]), Some(20));
    }
}
