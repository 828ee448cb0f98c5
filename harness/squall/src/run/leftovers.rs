//! What servers and outboxes held when a run was over, beside the most that they may hold given who was there.
//!
//! It is counted for a world that is whole for long enough: before that, nobody has to know yet who is gone.

use crate::log::Told;
use crate::plan::Plan;
use indexmap::{IndexMap, IndexSet};
use squall_guarantees::{
    ClientId, DisturbanceKind, Event, EventKind, Held, History, Kind, Leftover, OperationId,
};
use squall_simulator::{Fault, MachineId, World};
use std::time::Duration;

/// What the servers held at the end. They count once in each interval between pings, and tell when something
/// has changed; nobody tells of a server that has ended since. Peers that break the rules have sessions of their
/// own, so beside them nothing is said.
pub(super) fn of_servers(
    plan: &Plan,
    told: &Told,
    ends: &IndexMap<String, Vec<Duration>>,
    history: &History,
) -> Vec<Leftover> {
    let at = history.ended_at;
    let whole = whole_since(plan, at) + history.bounds.server_detection + history.bounds.delivery;
    if at < whole || !plan.hostile.is_empty() {
        return Vec::new();
    }
    let mut leftovers = Vec::new();
    for (server, (counted, held)) in &told.counted {
        if ends[server].iter().any(|end| end > counted) {
            continue;
        }
        for &(what, count) in held {
            leftovers.extend(most(what, history, at).map(|expected_at_most| Leftover {
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

/// The most that a server may hold of this; none if nothing can be said of it.
fn most(what: Held, history: &History, at: Duration) -> Option<u64> {
    match what {
        Held::Sessions => Some(most_sessions(history, at)),
        Held::WaitingSessions => most_waiting(history, at),
        Held::Rooms => most_waiting(history, at).map(|_| most_rooms(history, at)),
        _ => None,
    }
}

/// Since when the world is whole for those who are still in it: users who are gone for good are no fault.
fn whole_since(plan: &Plan, end: Duration) -> Duration {
    let is_client = |name: &String| plan.clients.iter().any(|client| client.name == *name);
    let faults = plan.faults.iter().map(|fault| {
        let kills = fault.kind.kind().disturbs() == Some(DisturbanceKind::Killed);
        match kills && fault.victims.iter().all(is_client) {
            true => fault.until.unwrap_or(fault.from),
            false => fault.healed_at(end),
        }
    });
    let middlebox = plan.middlebox.iter().map(|it| it.healed_at(end));
    faults.chain(middlebox).max().unwrap_or_default()
}

/// How many rows are left in the outbox of each client that runs at the end; none for the others. Their
/// programs end with that: only a closed outbox can be read.
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
            world.at(world.now(), Fault::Kill(machine));
            // A killed process calls nothing any more, so nothing can be refused.
            let _ = world.run_until(world.now());
            world.inside(machine, || plan.system.unsent())
        }));
    }
    rows.into_iter().map(Option::flatten).collect()
}

/// What is left in outboxes, beside what was not done. Of a disk that fails nothing is said: what could not be
/// taken from it is sent once more, and recognised.
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

/// How many of a client's messages have not come to their end.
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

/// The rooms of all who may have a session: those that they are in at first, and those that they have joined.
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
        let joined = joined.filter(|row| row.kind == Kind::Join && row.sender == client.name);
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

/// Since when sessions may have been waiting that wait still; none if they end with their connections.
fn waits_since(history: &History, at: Duration) -> Option<Duration> {
    let recovery = history.bounds.recovery.as_ref()?;
    // They are looked through now and then, and those that outlive a server are dated less exactly.
    let kept = recovery.window + recovery.window / 20 + history.bounds.server_detection;
    Some(at.saturating_sub(kept))
}

/// One for each client, whose program ran at this time or so shortly before that the server need not have
/// noticed, and one for each connection that came in the place of another since then.
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
    let (mut there, mut anew) = (false, 0);
    for event in events {
        match event.kind {
            EventKind::Started => there = true,
            EventKind::Stopped => there = event.at >= unnoticed,
            EventKind::Connected { .. } if event.at >= unnoticed => anew += 1,
            _ => {}
        }
    }
    u64::from(there) + anew
}

/// As many as ended within the window; none if they end with their connections. Nothing is said where a server
/// has ended within it: what it knew, the next one knows, and nobody told.
fn most_waiting(history: &History, at: Duration) -> Option<u64> {
    let Some(since) = waits_since(history, at) else {
        return Some(0);
    };
    let stopped = history
        .server_stops
        .iter()
        .any(|stop| (since..=at).contains(stop));
    let ended = history.events.iter().filter(|event| {
        let ended = matches!(event.kind, EventKind::SessionClosed { .. });
        ended && (since..=at).contains(&event.at)
    });
    (!stopped).then(|| ended.count() as u64)
}
