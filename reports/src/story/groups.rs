//! Equal things that happen at about the same time become one entry of the story.

use super::entry::Entry;
use squall_guarantees::{Guarantee, Time, counted, natural, seconds};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Equal things become one entry if they are no further apart than this.
const TOGETHER: Duration = Duration::from_secs(1);

/// Retries and other things that are counted stay one entry for this long.
const COUNTED_TOGETHER: Duration = Duration::from_secs(10);

/// What can happen; equal things are merged.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Happening {
    /// Happens to each at most once in an entry.
    Plain(String),
    /// A server (of a cluster, if it has a name) sees the sessions of these clients end.
    SessionsClosed { server: String, why: String },
    /// May happen again and again.
    Repeated(String),
    /// Is counted: the words before the number, the noun that it counts, the words after.
    Counted(&'static str, &'static str, String),
}

/// How often something happened between two times.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) at: Time,
    last_at: Time,
    count: u64,
}

/// Equal things that happened together.
struct Group {
    span: Span,
    who: BTreeSet<String>,
    what: Happening,
    /// The first message that this happened to, if it happens to messages.
    example: Option<String>,
    /// The guarantees that this violates.
    violates: Vec<Guarantee>,
}

/// A story under construction.
#[derive(Default)]
pub(super) struct Groups {
    groups: Vec<Group>,
    /// The latest group of everything that happened.
    open: BTreeMap<Happening, usize>,
}

impl Groups {
    /// Adds to the latest group of its kind, or begins a new one.
    pub(super) fn add(&mut self, span: Span, who: &str, what: Happening, example: Option<&str>) {
        if let Some(&open) = self.open.get(&what) {
            let group = &mut self.groups[open];
            let known = group.who.contains(who);
            let apart = span.at.abs_diff(group.span.last_at);
            let joins = match what {
                Happening::Repeated(_) | Happening::Counted(..) => {
                    let inside = (group.span.at..=group.span.last_at).contains(&span.at);
                    inside || apart <= COUNTED_TOGETHER
                }
                Happening::Plain(_) | Happening::SessionsClosed { .. } => {
                    !known && apart <= TOGETHER
                }
            };
            if joins {
                group.span.add(span);
                group.who.insert(who.to_owned());
                return;
            }
        }
        self.open.insert(what.clone(), self.groups.len());
        self.groups.push(Group {
            span,
            who: BTreeSet::from([who.to_owned()]),
            what,
            example: example.map(str::to_owned),
            violates: Vec::new(),
        });
    }

    pub(super) fn add_plain(&mut self, at: Time, who: &str, what: impl Into<String>) {
        self.add(Span::once(at), who, plain(what), None);
    }

    /// Adds something that violates a guarantee. It may violate several.
    pub(super) fn add_violation(
        &mut self,
        at: Time,
        who: Vec<String>,
        what: String,
        guarantee: Guarantee,
    ) {
        let (who, what) = (who.into_iter().collect(), plain(what));
        let same =
            |group: &&mut Group| group.span.at == at && group.who == who && group.what == what;
        if let Some(group) = self.groups.iter_mut().find(same) {
            group.violates.push(guarantee);
            return;
        }
        self.groups.push(Group {
            span: Span::once(at),
            who,
            what,
            example: None,
            violates: vec![guarantee],
        });
    }

    /// The entries in time order.
    pub(super) fn into_entries(self) -> Vec<Entry> {
        let mut entries: Vec<Entry> = self.groups.into_iter().map(Group::into_entry).collect();
        entries.sort_by_key(|entry| entry.at);
        entries
    }
}

impl Span {
    /// Once, at this time.
    pub(super) fn once(at: Time) -> Self {
        Span {
            count: 1,
            ..Span::beginning(at)
        }
    }

    /// Not yet, but from this time on.
    pub(super) fn beginning(at: Time) -> Self {
        Span {
            at,
            last_at: at,
            count: 0,
        }
    }

    pub(super) fn add(&mut self, other: Span) {
        self.at = self.at.min(other.at);
        self.last_at = self.last_at.max(other.last_at);
        self.count += other.count;
    }
}

impl Group {
    fn into_entry(self) -> Entry {
        let (who, mut what) = match self.what {
            Happening::Plain(what) => (list(&self.who), what),
            Happening::SessionsClosed { server, why } => {
                let sessions = if self.who.len() == 1 {
                    "session"
                } else {
                    "sessions"
                };
                let server = if server.is_empty() {
                    "server".to_owned()
                } else {
                    server
                };
                let what = format!("saw the {sessions} of {} end: {why}", list(&self.who));
                (server, what)
            }
            Happening::Repeated(what) => {
                let times = match self.span.count {
                    1 => String::new(),
                    count => format!(", {count} times"),
                };
                (list(&self.who), what + &times)
            }
            Happening::Counted(before, noun, after) => {
                let counted = counted(self.span.count, noun);
                let words = [before, &counted, &after]
                    .into_iter()
                    .filter(|words| !words.is_empty());
                (list(&self.who), words.collect::<Vec<_>>().join(" "))
            }
        };
        if let Some(example) = self.example {
            what.push_str(&format!(", the first `{example}`"));
        }
        let (at, until) = (seconds(self.span.at), seconds(self.span.last_at));
        if until != at {
            what.push_str(&format!(" (until {until})"));
        }
        Entry {
            at: self.span.at,
            who,
            what,
            violates: self.violates,
        }
    }
}

/// Names for people, in their natural order: all of a few, the first ones of many.
fn list(names: &BTreeSet<String>) -> String {
    let mut names: Vec<&str> = names.iter().map(String::as_str).collect();
    names.sort_by(|a, b| natural(a, b));
    match names[..] {
        [first, second, third] => format!("{first}, {second} and {third}"),
        [first, second, _, ..] => format!("{first}, {second} and {} others", names.len() - 2),
        _ => names.join(" and "),
    }
}

pub(super) fn plain(what: impl Into<String>) -> Happening {
    Happening::Plain(what.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_to_many_at_once_is_one_entry() {
        let mut story = Groups::default();
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
        let what = "noticed the disconnection: silence (until 1.500 s)".to_owned();
        let who = "alice, bob and 2 others".to_owned();
        assert_eq!(
            story.into_entries(),
            [Entry {
                at: Time::from_secs(1),
                who,
                what,
                violates: Vec::new(),
            }]
        );
    }

    #[test]
    fn what_happens_far_apart_is_told_apart_in_whatever_order_it_is_found() {
        let mut story = Groups::default();
        story.add_plain(Time::from_secs(20), "alice", "stopped");
        story.add_plain(Time::from_secs(10), "server", "stopped");
        assert_eq!(story.into_entries().len(), 2);
    }

    #[test]
    fn what_happens_to_one_twice_is_two_entries() {
        let mut story = Groups::default();
        story.add_plain(Time::from_millis(1_000), "alice", "stopped");
        story.add_plain(Time::from_millis(1_100), "alice", "stopped");
        assert_eq!(story.into_entries().len(), 2);
    }

    #[test]
    fn what_happens_again_and_again_is_told_once_with_how_often() {
        let mut story = Groups::default();
        for second in [1, 9, 18] {
            let what = Happening::Repeated("answered 504".to_owned());
            story.add(Span::once(Time::from_secs(second)), "middlebox", what, None);
        }
        let [entry] = &story.into_entries()[..] else {
            panic!("more than one entry");
        };
        assert_eq!(entry.what, "answered 504, 3 times (until 18.000 s)");
    }

    #[test]
    fn what_violates_two_guarantees_is_told_once() {
        let mut story = Groups::default();
        for guarantee in [Guarantee::AtMostOnce, Guarantee::ExactlyOnce] {
            let what = "handled `m1` again".to_owned();
            story.add_violation(Time::from_secs(1), vec!["bob".to_owned()], what, guarantee);
        }
        let [entry] = &story.into_entries()[..] else {
            panic!("more than one entry");
        };
        let both = [Guarantee::AtMostOnce, Guarantee::ExactlyOnce];
        assert_eq!(entry.violates, both);
        assert_eq!(
            entry.words(),
            "handled `m1` again: violates at-most-once and exactly-once"
        );
    }
}
