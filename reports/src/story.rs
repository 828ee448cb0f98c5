//! What a run was like: faults, ends and starts of programs, disconnections as each side saw them,
//! retries, and what was lost or doubled, in the order of virtual time.
//!
//! The story is for people, so it leaves out what went well (operations, deliveries, the first
//! connections) and what the history in the JSON report tells better, such as session ids. What
//! happens to many clients at about the same time becomes one entry.

use crate::Record;
use serde::Serialize;
use squall_guarantees::{
    ClientId, EventKind, History, OperationId, StoredMessage, Time, counted, nanoseconds, seconds,
};
use std::collections::{BTreeMap, HashMap, HashSet};
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
    /// Is counted: the number and its noun stand between these words.
    Counted {
        before: &'static str,
        noun: &'static str,
        after: String,
    },
}

/// Equal things that happened together.
struct Group {
    at: Time,
    last_at: Time,
    who: Vec<String>,
    what: Happening,
    count: u64,
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
                    self.add(fault.from, "fault", plain(format!("{} begins", fault.what)));
                    self.add(until, "fault", plain(format!("{} ends", fault.what)));
                }
                None => {
                    let what = format!("{} begins, and lasts to the end", fault.what);
                    self.add(fault.from, "fault", plain(what));
                }
            }
        }
        for panic in &record.panics {
            let message = panic.message.lines().next().unwrap_or_default();
            self.add(
                panic.at,
                &panic.machine,
                plain(format!("panicked: {message}")),
            );
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
            let happening = lives[client as usize].happening(&event.kind, &contents);
            if let Some(happening) = happening {
                self.add(event.at, name, happening);
            }
        }
        for (life, client) in lives.iter().zip(&history.clients) {
            if life.failed_attempts > 0 {
                let attempts = counted(life.failed_attempts, "attempt");
                let what = format!("not connected at the end, after {attempts}");
                self.add(history.ended_at, &client.name, plain(what));
            }
        }
    }

    fn tell_stops(&mut self, history: &History) {
        for &stop in &history.server_stops {
            self.add(stop, "server", plain("stopped"));
        }
    }

    /// What is missing or doubled at the end, seen from the database.
    fn tell_losses(&mut self, history: &History) {
        let mut rows: BTreeMap<&str, u64> = BTreeMap::new();
        for row in &history.database {
            *rows.entry(&row.content).or_default() += 1;
        }
        for event in &history.events {
            let EventKind::Invoked { content, .. } = &event.kind else {
                continue;
            };
            let happening = match rows.get(&**content) {
                None => counting(
                    "",
                    "message",
                    format!(" never stored, the first `{content}`"),
                ),
                Some(1) => continue,
                Some(_) => counting(
                    "",
                    "message",
                    format!(" stored more than once, the first `{content}`"),
                ),
            };
            self.add(history.ended_at, "database", happening);
        }
        for (client, missed) in missed_rows(history) {
            let Some(first) = missed.first() else {
                continue;
            };
            let what = counted(missed.len() as u64, "stored message");
            let what = format!("never handled {what}, the first `{}`", first.content);
            self.add(history.ended_at, client, plain(what));
        }
    }

    /// Adds to the latest group of its kind, or begins a new one.
    fn add(&mut self, at: Time, who: &str, what: Happening) {
        let key = what.key();
        if let Some(&open) = self.open.get(&key) {
            let group = &mut self.groups[open];
            let known = group.who.iter().any(|name| name == who);
            let apart = at.saturating_sub(group.last_at);
            let joins = match what {
                Happening::Counted { .. } => apart <= COUNTED_TOGETHER,
                Happening::Plain(_) | Happening::SessionsClosed(_) => !known && apart <= TOGETHER,
            };
            if joins {
                group.last_at = at;
                group.count += 1;
                if !known {
                    group.who.push(who.to_owned());
                }
                return;
            }
        }
        self.open.insert(key, self.groups.len());
        let who = vec![who.to_owned()];
        self.groups.push(Group {
            at,
            last_at: at,
            who,
            what,
            count: 1,
        });
    }
}

impl Happening {
    /// What must be equal to be merged: of what is counted, only the first example is told.
    fn key(&self) -> Happening {
        match self {
            Happening::Counted {
                before,
                noun,
                after,
            } => {
                let after = after
                    .split(", the first")
                    .next()
                    .unwrap_or_default()
                    .to_owned();
                Happening::Counted {
                    before,
                    noun,
                    after,
                }
            }
            other => other.clone(),
        }
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
            Happening::Counted {
                before,
                noun,
                after,
            } => {
                let what = format!("{before}{}{after}", counted(self.count, noun));
                (list(&self.who), what)
            }
        };
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

/// Names for people: all of a few, the first ones of many.
fn list(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [name] => name.clone(),
        [names @ .., last] if names.len() < 3 => format!("{} and {last}", names.join(", ")),
        [first, second, others @ ..] => format!("{first}, {second} and {} others", others.len()),
    }
}

fn plain(what: impl Into<String>) -> Happening {
    Happening::Plain(what.into())
}

fn counting(before: &'static str, noun: &'static str, after: String) -> Happening {
    Happening::Counted {
        before,
        noun,
        after,
    }
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
    fn happening(
        &mut self,
        kind: &'h EventKind,
        contents: &HashMap<OperationId, &str>,
    ) -> Option<Happening> {
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
            EventKind::Connected { .. } => {
                let attempts = std::mem::take(&mut self.failed_attempts);
                self.connected = true;
                std::mem::replace(&mut self.connected_before, true).then(|| match attempts {
                    0 => plain("connected again"),
                    failed => {
                        let failed = counted(failed, "failed attempt");
                        plain(format!("connected again, after {failed}"))
                    }
                })
            }
            EventKind::Disconnected { .. } if !self.connected => {
                self.failed_attempts += 1;
                None
            }
            EventKind::Disconnected { reason } => {
                self.connected = false;
                Some(plain(format!("noticed the disconnection: {reason}")))
            }
            EventKind::SessionClosed { reason, .. } => {
                Some(Happening::SessionsClosed(reason.clone()))
            }
            EventKind::Retried { operation, .. } => {
                let content = contents.get(operation).unwrap_or(&"");
                Some(counting(
                    "made",
                    "retry",
                    format!(", the first of `{content}`"),
                ))
            }
            EventKind::Failed { reason, .. } => Some(counting(
                "gave up ",
                "message",
                format!(" as failed: {reason}"),
            )),
            EventKind::Unknown { reason, .. } => Some(counting(
                "gave up ",
                "message",
                format!(" as unknown: {reason}"),
            )),
            EventKind::Delivered { content, .. } => (!self.handled.insert(content)).then(|| {
                counting(
                    "handled ",
                    "message",
                    format!(" once more, the first `{content}`"),
                )
            }),
            EventKind::Invoked { .. }
            | EventKind::Ok { .. }
            | EventKind::Connecting { .. }
            | EventKind::SessionOpened { .. } => None,
        }
    }
}

/// Of every client, the stored messages of its rooms that it never handled, ascending by id.
fn missed_rows(history: &History) -> Vec<(&str, Vec<&StoredMessage>)> {
    let mut handled: Vec<HashSet<&str>> = vec![HashSet::new(); history.clients.len()];
    for event in &history.events {
        if let EventKind::Delivered { content, .. } = &event.kind {
            handled[event.client.0 as usize].insert(content);
        }
    }
    let mut rooms: BTreeMap<&str, Vec<&StoredMessage>> = BTreeMap::new();
    for row in &history.database {
        rooms.entry(&row.room).or_default().push(row);
    }
    let missed = |client: &squall_guarantees::Client, handled: &HashSet<&str>| {
        let mut missed: Vec<&StoredMessage> = Vec::new();
        for room in &client.rooms {
            let rows = rooms.get(&**room).into_iter().flatten();
            missed.extend(rows.filter(|row| !handled.contains(&*row.content)));
        }
        missed.sort_by_key(|row| row.id);
        missed
    };
    let clients = history.clients.iter().zip(&handled);
    clients
        .map(|(client, handled)| (&*client.name, missed(client, handled)))
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
            story.add(
                Time::from_millis(at),
                name,
                plain("noticed the disconnection: silence"),
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
    fn what_happens_to_one_twice_is_two_entries() {
        let mut story = Story::default();
        story.add(Time::from_millis(1_000), "alice", plain("stopped"));
        story.add(Time::from_millis(1_100), "alice", plain("stopped"));
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
