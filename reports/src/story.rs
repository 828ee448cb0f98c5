//! What a run was like: faults, ends and starts of programs, disconnections as each side saw them,
//! retries, and what was lost or doubled, in the order of virtual time.
//!
//! The story is for people, so it leaves out what went well (operations, deliveries, the first
//! connections) and what the history in the JSON report tells better, such as session ids. What
//! happens to many clients at about the same time becomes one entry.

use crate::Record;
use serde::Serialize;
use squall_guarantees::{
    ClientId, EventKind, History, Memberships, StoredMessage, Time, counted, nanoseconds, seconds,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::time::Duration;

/// One sentence of the story.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// When it began.
    #[serde(with = "nanoseconds")]
    pub at: Time,
    /// Who or what it is about: machines, clients, `fault` or `database`.
    pub who: String,
    /// What happened.
    pub what: String,
}

/// Equal things become one entry if they are no further apart than this.
const TOGETHER: Duration = Duration::from_secs(1);

/// Retries and other things that are counted go on being one entry for as long as this.
const COUNTED_TOGETHER: Duration = Duration::from_secs(10);

/// Tells a record's story, in the order of time.
pub fn tell(record: &Record) -> Vec<Entry> {
    let mut story = Story::default();
    story.tell_faults_and_panics(record);
    story.tell_events(&record.history);
    story.tell_stops(&record.history);
    story.tell_losses(&record.history);
    let mut entries: Vec<Entry> = story.groups.into_iter().map(Group::into_entry).collect();
    entries.sort_by_key(|entry| entry.at);
    entries
}

/// What can happen; equal things are merged.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    /// Happens to each at most once in an entry.
    Plain(String),
    /// The server sees the sessions of these clients end.
    SessionsClosed(String),
    /// Is counted: the words before the number, the noun that it counts, the words after.
    Counted(&'static str, &'static str, String),
}

/// Equal things that happened together.
struct Group {
    at: Time,
    last_at: Time,
    who: BTreeSet<String>,
    what: Happening,
    count: u64,
    /// The first message that this happened to, if it happens to messages.
    example: Option<String>,
}

#[derive(Default)]
struct Story {
    groups: Vec<Group>,
    /// The latest group of everything that happened.
    open: BTreeMap<Happening, usize>,
}

impl Story {
    fn tell_faults_and_panics(&mut self, record: &Record) {
        for fault in &record.faults {
            match fault.until {
                Some(until) => {
                    self.add_plain(fault.from, "fault", format!("{} begins", fault.what));
                    self.add_plain(until, "fault", format!("{} ends", fault.what));
                }
                None => {
                    let what = format!("{} begins, and lasts to the end", fault.what);
                    self.add_plain(fault.from, "fault", what);
                }
            }
        }
        for panic in &record.panics {
            let message = panic.message.lines().next().unwrap_or_default();
            self.add_plain(panic.at, &panic.machine, format!("panicked: {message}"));
        }
    }

    fn tell_events(&mut self, history: &History) {
        let mut lives: Vec<Life<'_>> = Vec::new();
        lives.resize_with(history.clients.len(), Life::default);
        let mut contents = HashMap::new();
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
            if let Some(what) = lives[client as usize].happening(&event.kind) {
                self.add(event.at, name, what, example);
            }
        }
        for (life, client) in lives.iter().zip(&history.clients) {
            if life.failed_attempts > 0 {
                let attempts = counted(life.failed_attempts, "attempt");
                let what = format!("not connected at the end, after {attempts}");
                self.add_plain(history.ended_at, &client.name, what);
            }
        }
    }

    fn tell_stops(&mut self, history: &History) {
        for &stop in &history.server_stops {
            self.add_plain(stop, "server", "stopped");
        }
    }

    /// What is missing or doubled at the end, seen from the database.
    fn tell_losses(&mut self, history: &History) {
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
            self.add(history.ended_at, "database", what, Some(content));
        }
        for (client, missed) in missed_rows(history) {
            let Some(first) = missed.first() else {
                continue;
            };
            let what = counted(missed.len() as u64, "stored message");
            let what = format!("never handled {what}, the first `{}`", first.content);
            self.add_plain(history.ended_at, client, what);
        }
    }

    /// Adds to the latest group of its kind, or begins a new one.
    fn add(&mut self, at: Time, who: &str, what: Happening, example: Option<&str>) {
        if let Some(&open) = self.open.get(&what) {
            let group = &mut self.groups[open];
            let known = group.who.contains(who);
            let apart = at.abs_diff(group.last_at);
            let joins = match what {
                Happening::Counted(..) => apart <= COUNTED_TOGETHER,
                Happening::Plain(_) | Happening::SessionsClosed(_) => !known && apart <= TOGETHER,
            };
            if joins {
                group.at = group.at.min(at);
                group.last_at = group.last_at.max(at);
                group.count += 1;
                group.who.insert(who.to_owned());
                return;
            }
        }
        self.open.insert(what.clone(), self.groups.len());
        let example = example.map(str::to_owned);
        self.groups.push(Group {
            at,
            last_at: at,
            who: BTreeSet::from([who.to_owned()]),
            what,
            count: 1,
            example,
        });
    }

    fn add_plain(&mut self, at: Time, who: &str, what: impl Into<String>) {
        self.add(at, who, Happening::Plain(what.into()), None);
    }
}

impl Group {
    fn into_entry(self) -> Entry {
        let (who, mut what) = match self.what {
            Happening::Plain(what) => (list(&self.who), what),
            Happening::SessionsClosed(reason) => {
                let sessions = if self.who.len() == 1 {
                    "session"
                } else {
                    "sessions"
                };
                let names = list(&self.who);
                (
                    "server".to_owned(),
                    format!("saw the {sessions} of {names} end: {reason}"),
                )
            }
            Happening::Counted(before, noun, after) => {
                let counted = counted(self.count, noun);
                let words = [before, &counted, &after]
                    .into_iter()
                    .filter(|words| !words.is_empty());
                (list(&self.who), words.collect::<Vec<_>>().join(" "))
            }
        };
        if let Some(example) = self.example {
            what.push_str(&format!(", the first `{example}`"));
        }
        if self.last_at.as_millis() > self.at.as_millis() {
            what.push_str(&format!(" (until {})", seconds(self.last_at)));
        }
        Entry {
            at: self.at,
            who,
            what,
        }
    }
}

/// Names for people, in alphabetical order: all of a few, the first ones of many.
fn list(names: &BTreeSet<String>) -> String {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    match names[..] {
        [first, second, third] => format!("{first}, {second} and {third}"),
        [first, second, _, ..] => format!("{first}, {second} and {} others", names.len() - 2),
        _ => names.join(" and "),
    }
}

fn plain(what: impl Into<String>) -> Happening {
    Happening::Plain(what.into())
}

/// What the story must remember of a client.
#[derive(Default)]
struct Life<'h> {
    started: bool,
    connected: bool,
    connected_before: bool,
    /// Since the last established connection.
    failed_attempts: u64,
    handled: HashSet<&'h str>,
}

impl<'h> Life<'h> {
    /// What an event adds to the story, if it adds anything.
    fn happening(&mut self, kind: &'h EventKind) -> Option<Happening> {
        match kind {
            EventKind::Started => {
                self.connected = false;
                self.failed_attempts = 0;
                self.handled.clear();
                std::mem::replace(&mut self.started, true)
                    .then(|| plain("started again, with an empty memory"))
            }
            EventKind::Stopped => {
                self.connected = false;
                self.failed_attempts = 0;
                Some(plain("stopped"))
            }
            EventKind::Connected { recovered, .. } => {
                let attempts = std::mem::take(&mut self.failed_attempts);
                self.connected = true;
                let again = match recovered {
                    true => "came back to its session",
                    false => "connected again",
                };
                std::mem::replace(&mut self.connected_before, true).then(|| match attempts {
                    0 => plain(again),
                    failed => {
                        let failed = counted(failed, "failed attempt");
                        plain(format!("{again}, after {failed}"))
                    }
                })
            }
            EventKind::Disconnected { .. } if !self.connected => {
                self.failed_attempts += 1;
                None
            }
            EventKind::Disconnected { reason, .. } => {
                self.connected = false;
                Some(plain(format!("noticed the disconnection: {reason}")))
            }
            EventKind::SessionClosed { reason, .. } => {
                Some(Happening::SessionsClosed(reason.clone()))
            }
            EventKind::Retried { .. } => Some(Happening::Counted("made", "retry", String::new())),
            EventKind::Failed { reason, .. } => Some(Happening::Counted(
                "gave up",
                "message",
                format!("as failed ({reason})"),
            )),
            EventKind::Unknown { reason, .. } => Some(Happening::Counted(
                "gave up",
                "message",
                format!("as unknown ({reason})"),
            )),
            EventKind::Delivered { content, .. } => (!self.handled.insert(content))
                .then(|| Happening::Counted("handled", "message", "once more".to_owned())),
            EventKind::Invoked { .. }
            | EventKind::Ok { .. }
            | EventKind::Connecting { .. }
            | EventKind::SessionOpened { .. }
            | EventKind::Online { .. }
            | EventKind::Offline { .. } => None,
        }
    }
}

/// Of every client, the stored messages of its rooms that it never handled, ascending by id.
fn missed_rows(history: &History) -> Vec<(&str, Vec<&StoredMessage>)> {
    let mut handled: Vec<HashSet<&str>> = vec![HashSet::new(); history.clients.len()];
    for event in &history.events {
        match &event.kind {
            // What is not for its sender is as good as handled.
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
    let missed = |client: u32, handled: &HashSet<&str>| {
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

/// How many entries a report shows at most: about a screen.
const SHOWN: usize = 48;

/// A story cut to a screen: its beginning, how many entries were left out, and its end.
pub(crate) fn abridge(story: &[Entry]) -> (&[Entry], usize, &[Entry]) {
    if story.len() <= SHOWN {
        return (story, 0, &[]);
    }
    let (beginning, rest) = story.split_at(SHOWN * 2 / 3);
    let (middle, end) = rest.split_at(rest.len() - SHOWN / 3);
    (beginning, middle.len(), end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;

    #[test]
    fn what_happens_to_many_at_once_is_one_entry() {
        let mut story = Story::default();
        for (at, name) in [
            (1_000, "alice"),
            (1_200, "bob"),
            (1_400, "carol"),
            (1_500, "dave"),
        ] {
            story.add_plain(
                Time::from_millis(at),
                name,
                "noticed the disconnection: silence",
            );
        }
        let entry = story.groups.pop().map(Group::into_entry);
        let what = "noticed the disconnection: silence (until 1.500 s)".to_owned();
        let who = "alice, bob and 2 others".to_owned();
        assert_eq!(
            entry,
            Some(Entry {
                at: Time::from_secs(1),
                who,
                what
            })
        );
        assert!(story.groups.is_empty());
    }

    #[test]
    fn what_happens_far_apart_is_told_apart_in_whatever_order_it_is_found() {
        let mut story = Story::default();
        story.add_plain(Time::from_secs(20), "alice", "stopped");
        story.add_plain(Time::from_secs(10), "server", "stopped");
        assert_eq!(story.groups.len(), 2);
    }

    #[test]
    fn what_happens_to_one_twice_is_two_entries() {
        let mut story = Story::default();
        story.add_plain(Time::from_millis(1_000), "alice", "stopped");
        story.add_plain(Time::from_millis(1_100), "alice", "stopped");
        assert_eq!(story.groups.len(), 2);
    }

    #[test]
    fn a_client_that_never_comes_back_is_told() {
        let mut record = record();
        let back = |event: &squall_guarantees::Event| event.at <= Duration::from_millis(7_500);
        record.history.events.retain(back);
        let told: Vec<String> = tell(&record)
            .into_iter()
            .map(|entry| format!("{}: {}", entry.who, entry.what))
            .collect();
        assert!(told.contains(&"bob: not connected at the end, after 1 attempt".to_owned()));
    }

    #[test]
    fn a_long_story_is_cut_in_the_middle() {
        let entry = |second| Entry {
            at: Time::from_secs(second),
            who: "alice".to_owned(),
            what: "stopped".to_owned(),
        };
        let story: Vec<Entry> = (0..1_000).map(entry).collect();
        let (beginning, left_out, end) = abridge(&story);
        assert_eq!(beginning.len() + left_out + end.len(), 1_000);
        assert_eq!(beginning.len() + end.len(), SHOWN);
        assert_eq!(
            (beginning[0].at, end[end.len() - 1].at),
            (story[0].at, story[999].at)
        );
    }
}
