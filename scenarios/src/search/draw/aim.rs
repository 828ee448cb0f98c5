//! Faults at moments that matter: what happened in a world decides when another fault strikes it.
//! Until then the world is the same, so the fault strikes exactly then: while a client comes back,
//! between a commit and its broadcast, in the middle of a page. At a random time, it hardly ever
//! would.

use super::drawing::{Drawing, Theme};
use super::faults;
use crate::search::dice::Dice;
use crate::search::document::Document;
use squall_guarantees::{EventKind, Time};
use squall_reports::Record;
use std::collections::BTreeMap;

/// What can happen, roughly: every kind of moment is equally probable, however often it occurs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Connecting,
    Connected,
    CameBack,
    Disconnected,
    Given,
    Retried,
    Acknowledged,
    Failed,
    Stored,
    Handled,
    /// As one of the first after the client came back.
    CaughtUp,
    SessionOpened,
    SessionClosed,
    FaultBegan,
    FaultEnded,
}

/// How long after a connection handled messages count as caught up.
const CATCHING_UP: Time = Time::from_secs(1);

/// A world that has been played, with one or two more faults that strike at something that happened
/// in it. None if nothing is supposed to go wrong in it, or nothing happened.
pub(in crate::search) fn aim(seed: u64, world: &Document, record: &Record) -> Option<Document> {
    let mut drawing = Drawing::new(seed, world.clone());
    if drawing.is(Theme::Calm) {
        return None;
    }
    let happened = happened(record);
    let all: Vec<&Vec<(Time, Option<&str>)>> = happened.values().collect();
    let mut dice = drawing.dice("aim");
    if all.is_empty() {
        return None;
    }
    for number in 1..=dice.weighted(&[(3, 1), (1, 2)]) {
        let mut dice = drawing.dice(&format!("aimed fault {number}"));
        let moments = *dice.one(&all);
        let &(at, whom) = dice.one(moments);
        let at = close_to(at, &mut dice);
        let whom = whom.filter(|_| dice.chance(0.6));
        faults::one_more(&mut drawing, dice, at, whom);
    }
    (drawing.document != *world).then_some(drawing.document)
}

/// Mostly just after it, so that its consequences are in flight; in milliseconds.
fn close_to(at: Time, dice: &mut Dice) -> u64 {
    let at = at.as_millis() as u64;
    match dice.between(1, 10) {
        1 | 2 => at.saturating_sub(dice.of_any_size(1, 200)),
        3 => at,
        _ => at + dice.of_any_size(1, 500),
    }
}

/// The moments of a run, by what happened, with the client concerned.
fn happened(record: &Record) -> BTreeMap<Happening, Vec<(Time, Option<&str>)>> {
    let history = &record.history;
    let mut happened: BTreeMap<Happening, Vec<(Time, Option<&str>)>> = BTreeMap::new();
    let mut connected = vec![None; history.clients.len()];
    for event in &history.events {
        let client = event.client.0 as usize;
        let what = match &event.kind {
            EventKind::Connecting { .. } => Happening::Connecting,
            EventKind::Connected { recovered, .. } => {
                connected[client] = Some(event.at);
                match recovered {
                    true => Happening::CameBack,
                    false => Happening::Connected,
                }
            }
            EventKind::Disconnected { .. } => Happening::Disconnected,
            EventKind::Invoked { .. } => Happening::Given,
            EventKind::Retried { .. } => Happening::Retried,
            EventKind::Ok { .. } => Happening::Acknowledged,
            EventKind::Failed { .. } | EventKind::Unknown { .. } => Happening::Failed,
            EventKind::Delivered { .. } => match connected[client] {
                Some(since) if event.at < since + CATCHING_UP => Happening::CaughtUp,
                _ => Happening::Handled,
            },
            EventKind::SessionOpened { .. } => Happening::SessionOpened,
            EventKind::SessionClosed { .. } => Happening::SessionClosed,
            EventKind::Started
            | EventKind::Stopped
            | EventKind::Online { .. }
            | EventKind::Offline { .. }
            | EventKind::Missed { .. }
            | EventKind::Repeated { .. } => continue,
        };
        let name = history.clients[client].name.as_str();
        happened
            .entry(what)
            .or_default()
            .push((event.at, Some(name)));
    }
    let stored = history.database.iter().filter_map(|row| row.stored_at);
    let began = record.faults.iter().map(|fault| fault.from);
    let ended = record.faults.iter().filter_map(|fault| fault.until);
    let mut add = |what, at| happened.entry(what).or_default().push((at, None));
    stored.for_each(|at| add(Happening::Stored, at));
    began.for_each(|at| add(Happening::FaultBegan, at));
    ended.for_each(|at| add(Happening::FaultEnded, at));
    happened
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::draw::draw;
    use squall::run;

    fn play(world: &Document, seed: u64) -> Record {
        let scenario = world.scenario().expect("a right scenario");
        run(&scenario.plan(seed)).expect("it comes to its end")
    }

    #[test]
    fn a_fault_is_aimed_at_something_that_happens_in_the_world_up_to_then() {
        let mut aimed = 0;
        for seed in 1..=8 {
            let world = draw(seed, &Document::default());
            let before = play(&world, seed);
            let Some(with) = aim(seed, &world, &before) else {
                continue;
            };
            aimed += 1;
            let (old, new) = (world.list("fault"), with.list("fault"));
            assert_eq!(old[..], new[..old.len()], "what was drawn stays");
            let added = &new[old.len()..];
            let moments: Vec<u64> = added
                .iter()
                .filter_map(|fault| crate::search::document::in_ms(&fault["at"]))
                .collect();
            let first = Time::from_millis(*moments.iter().min().expect("a fault"));
            let after = play(&with, seed);
            let until = |record: &Record| {
                let events = record.history.events.iter();
                events.filter(|event| event.at < first).count()
            };
            assert_eq!(until(&before), until(&after), "seed {seed}");
            let near = before.history.events.iter().map(|event| event.at);
            let stored = before.history.database.iter().filter_map(|it| it.stored_at);
            let faults = before
                .faults
                .iter()
                .flat_map(|it| [Some(it.from), it.until]);
            let mut all = near.chain(stored).chain(faults.flatten());
            let close = Time::from_millis(501);
            assert!(all.any(|at| at.abs_diff(first) < close), "seed {seed}");
        }
        assert!(aimed >= 5, "{aimed} of 8");
    }
}
