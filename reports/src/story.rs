//! What a run was like: faults, what machines on the path did, ends and starts of programs,
//! attempts and disconnections as each side saw them with their causes, retries, what was lost or
//! duplicated, and what violated a guarantee, in the order of virtual time.
//!
//! The story is for people, so it leaves out what went well (operations, deliveries, the first
//! connections) and what the history in the JSON report shows better, such as session ids. Things
//! that happen to many clients at about the same time become one entry. What violates a guarantee
//! is never left out.

mod causes;
mod entry;
mod groups;
mod life;

pub use entry::Entry;

use crate::{Judged, Record};
use groups::{Groups, Happening, Span};
use life::Life;
use rustc_hash::{FxHashMap, FxHashSet};
use squall_guarantees::{
    ClientId, EventKind, History, Memberships, StoredMessage, Verdict, counted,
};
use std::collections::BTreeMap;

/// Tells a run's story, in time order.
pub fn tell(judged: &Judged) -> Vec<Entry> {
    let (record, mut story) = (&judged.record, Groups::default());
    tell_the_world(&mut story, record);
    tell_events(&mut story, &record.history);
    for &stop in &record.history.server_stops {
        story.add_plain(stop, "server", "stopped");
    }
    tell_losses(&mut story, &record.history);
    tell_violations(&mut story, judged);
    story.into_entries()
}

/// Faults, what machines on the path did, and panics.
fn tell_the_world(story: &mut Groups, record: &Record) {
    for fault in &record.faults {
        match fault.until {
            Some(until) if until == fault.from => {
                story.add_plain(fault.from, "fault", fault.what.clone());
            }
            Some(until) => {
                story.add_plain(fault.from, "fault", format!("{} begins", fault.what));
                story.add_plain(until, "fault", format!("{} ends", fault.what));
            }
            None => {
                let what = format!("{} begins, and lasts to the end", fault.what);
                story.add_plain(fault.from, "fault", what);
            }
        }
    }
    for incident in &record.incidents {
        let what = Happening::Repeated(incident.what.clone());
        story.add(Span::once(incident.at), &incident.machine, what, None);
    }
    for panic in &record.panics {
        let message = panic.message.lines().next().unwrap_or_default();
        story.add_plain(panic.at, &panic.machine, format!("panicked: {message}"));
    }
}

fn tell_events(story: &mut Groups, history: &History) {
    let mut lives: Vec<Life<'_>> = Vec::new();
    lives.resize_with(history.clients.len(), Life::default);
    let mut contents = FxHashMap::default();
    for event in &history.events {
        let ClientId(client) = event.client;
        let name = &history.clients[client as usize].name;
        if let EventKind::Invoked {
            operation, content, ..
        } = &event.kind
        {
            contents.insert(*operation, &**content);
        }
        let example = match &event.kind {
            EventKind::Delivered { content, .. } => Some(&**content),
            EventKind::Retried { operation, .. }
            | EventKind::Failed { operation, .. }
            | EventKind::Unknown { operation, .. } => contents.get(operation).copied(),
            _ => None,
        };
        let life = &mut lives[client as usize];
        for (what, attempts) in life.failed_attempts(&event.kind) {
            story.add(attempts, name, what, None);
        }
        if let Some(what) = life.happening(event.at, &event.kind) {
            story.add(Span::once(event.at), name, what, example);
        }
    }
    for (life, client) in lives.iter_mut().zip(&history.clients) {
        let attempts = life.last_attempts();
        if !attempts.is_empty() {
            story.add_plain(history.ended_at, &client.name, "not connected at the end");
        }
        for (what, attempts) in attempts {
            story.add(attempts, &client.name, what, None);
        }
    }
}

/// What is missing or duplicated at the end, as seen from the database.
fn tell_losses(story: &mut Groups, history: &History) {
    let at_the_end = Span::once(history.ended_at);
    let mut rows: BTreeMap<&str, u64> = BTreeMap::new();
    for row in &history.database {
        *rows.entry(&row.content).or_default() += 1;
    }
    for event in &history.events {
        let EventKind::Invoked { content, kind, .. } = &event.kind else {
            continue;
        };
        if kind.is_ephemeral() {
            continue;
        }
        let after = match rows.get(&**content) {
            None => "never stored",
            Some(1) => continue,
            Some(_) => "stored more than once",
        };
        let what = Happening::Counted("", "message", after.to_owned());
        story.add(at_the_end, "database", what, Some(content));
    }
    for (client, missed) in missed_rows(history) {
        let Some(first) = missed.first() else {
            continue;
        };
        let what = counted(missed.len() as u64, "stored message");
        let what = format!("never handled {what}, the first `{}`", first.content);
        story.add_plain(history.ended_at, client, what);
    }
}

/// The first violation of each violated guarantee, whatever its evidence.
fn tell_violations(story: &mut Groups, judged: &Judged) {
    for judgement in &judged.judgements {
        let Verdict::Violated(violation) = &judgement.verdict else {
            continue;
        };
        let moment = violation.evidence.moment();
        let ended_at = judged.record.history.ended_at;
        let at = moment.at.map_or(ended_at, |at| at.min(ended_at));
        let (who, what) = (moment.who.clone(), moment.what.clone());
        story.add_violation(at, who, what, judgement.guarantee);
    }
}

/// For every client, the stored messages of its rooms that it never handled, ascending by id.
fn missed_rows(history: &History) -> Vec<(&str, Vec<&StoredMessage>)> {
    let mut handled: Vec<FxHashSet<&str>> = vec![FxHashSet::default(); history.clients.len()];
    for event in &history.events {
        match &event.kind {
            // A message that is not for its sender is as good as handled.
            EventKind::Delivered { content, .. }
            | EventKind::Invoked {
                content,
                echo: false,
                ..
            } => {
                handled[event.client.0 as usize].insert(content);
            }
            _ => {}
        }
    }
    let mut rooms: BTreeMap<&str, Vec<&StoredMessage>> = BTreeMap::new();
    for row in &history.database {
        rooms.entry(&row.room).or_default().push(row);
    }
    let memberships = Memberships::new(history);
    let missed = |client: u32, handled: &FxHashSet<&str>| {
        let mut missed: Vec<&StoredMessage> = Vec::new();
        for (room, since) in memberships.at_the_end(ClientId(client)) {
            let rows = rooms.get(room).into_iter().flatten();
            let rows = rows.filter(|row| row.id >= since);
            missed.extend(rows.filter(|row| !handled.contains(&*row.content)));
        }
        missed.sort_by_key(|row| row.id);
        missed
    };
    let clients = (0..).zip(&history.clients).zip(&handled);
    clients
        .map(|((number, client), handled)| (&*client.name, missed(number, handled)))
        .collect()
}

/// How many entries a report shows at most, besides those that violate a guarantee: about a screen.
const SHOWN: usize = 48;

/// A piece of a story that is cut to fit a screen.
pub(crate) enum Piece<'s> {
    /// An entry.
    Entry(&'s Entry),
    /// This many entries that are not shown.
    LeftOut(usize),
}

/// A story cut to fit a screen: its beginning, its end, what violates a guarantee, and between them
/// how many entries are left out.
pub(crate) fn abridge(story: &[Entry]) -> Vec<Piece<'_>> {
    let (beginning, end) = match story.len() {
        0..=SHOWN => (story.len(), story.len()),
        long => (SHOWN * 2 / 3, long - SHOWN / 3),
    };
    let mut pieces = Vec::new();
    for (place, entry) in story.iter().enumerate() {
        if place < beginning || place >= end || !entry.violates.is_empty() {
            pieces.push(Piece::Entry(entry));
        } else if let Some(Piece::LeftOut(count)) = pieces.last_mut() {
            *count += 1;
        } else {
            pieces.push(Piece::LeftOut(1));
        }
    }
    pieces
}

#[cfg(test)]
mod tests;
