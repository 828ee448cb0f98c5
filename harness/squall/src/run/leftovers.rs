//! What servers and outboxes held when a run was over, beside the most that they may hold given who was there.
//!
//! It is counted for a world that is whole for long enough: before that, nobody has to know yet who is gone.

use crate::log::Told;
use crate::plan::Plan;
use indexmap::IndexMap;
use squall_guarantees::{EventKind, Held, History, Leftover};
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
    let whole = history.healed_at + history.bounds.server_detection + history.bounds.delivery;
    let at = history.ended_at;
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
        _ => None,
    }
}

/// One for each client, whose program ran at this time or so shortly before that the server need not have
/// noticed, and one for each connection that came in the place of another since then.
fn most_sessions(history: &History, at: Duration) -> u64 {
    let unnoticed = at.saturating_sub(history.bounds.server_detection);
    let mut most = 0;
    for client in 0..history.clients.len() as u32 {
        let events = history.events.iter();
        let events = events.filter(|event| event.client.0 == client && event.at <= at);
        let (mut there, mut anew) = (false, 0);
        for event in events {
            match event.kind {
                EventKind::Started => there = true,
                EventKind::Stopped => there = event.at >= unnoticed,
                EventKind::Connected { .. } if event.at >= unnoticed => anew += 1,
                _ => {}
            }
        }
        most += u64::from(there) + anew;
    }
    most
}

/// As many as ended within the window; none if they end with their connections. Nothing is said where a server
/// has ended within it: what it knew, the next one knows, and nobody told.
fn most_waiting(history: &History, at: Duration) -> Option<u64> {
    let Some(recovery) = &history.bounds.recovery else {
        return Some(0);
    };
    // They are looked through now and then, and those that outlive a server are dated less exactly.
    let kept = recovery.window + recovery.window / 20 + history.bounds.server_detection;
    let since = at.saturating_sub(kept);
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
