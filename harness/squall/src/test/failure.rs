//! What a test says when it fails: which guarantee, the story, the faults, and how to see it again.

use super::play::{NO_PANIC, Outcome};
use squall_guarantees::observed::{Action, Answer, Observation, Observed, Thing, Told, Verdict};
use squall_guarantees::seconds;
use std::collections::{BTreeSet, HashSet};
use std::fmt::Write;
use std::time::Duration;

/// Longer stories are cut in the middle.
const LINES: usize = 40;

/// The names of what is violated in a run.
pub(super) fn broken(outcome: &Outcome) -> Vec<&str> {
    let violated = outcome
        .verdicts
        .iter()
        .filter(|it| matches!(it.1, Verdict::Violated { .. }));
    violated.map(|it| &*it.0).collect()
}

/// What the first violation of a run is like, whoever and whenever: names without their numbers,
/// no times.
pub(super) fn mechanism(outcome: &Outcome) -> String {
    let violated = outcome.verdicts.iter().find_map(|(name, verdict)| {
        let Verdict::Violated { why, .. } = verdict else {
            return None;
        };
        Some(match outcome.panics.first() {
            Some(panic) if name == NO_PANIC => &*panic.message,
            _ => why.split([';', '\n']).next().unwrap_or_default(),
        })
    });
    let words = violated.unwrap_or_default();
    let words = words.split(", at ").next().unwrap_or_default();
    let mut shape = String::new();
    for (place, part) in words.split('`').enumerate() {
        match place % 2 {
            0 => shape += part,
            _ => shape += "`…`",
        }
    }
    let digits = |it: char| it.is_ascii_digit();
    let mut parts = shape.split(digits).peekable();
    let mut blank = String::new();
    while let Some(part) = parts.next() {
        blank += part;
        if parts.peek().is_some() && !blank.ends_with('#') {
            blank.push('#');
        }
    }
    blank
}

/// The verdicts that are violations, in lines.
pub(super) fn violations(outcome: &Outcome) -> String {
    let mut text = String::new();
    for (name, verdict) in &outcome.verdicts {
        if let Verdict::Violated { .. } = verdict {
            let words = verdict.to_string();
            let words = words.strip_prefix("violated: ").unwrap_or(&words);
            let _ = writeln!(text, "{name}\n    {words}");
        }
    }
    text
}

/// Something that happened, as far as it belongs to the violations.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) at: Duration,
    /// What comes first of what happens at the same time.
    rank: u8,
    /// The name of the machine; empty if it is the world's.
    who: String,
    pub(super) words: String,
    /// The machine on which it happens.
    pub(super) machine: Option<usize>,
}

impl Entry {
    /// Whether it is what must not happen.
    #[cfg(feature = "pages")]
    pub(super) fn is_wrong(&self) -> bool {
        self.rank == VIOLATES
    }
}

const VIOLATES: u8 = 4;

/// What happened, as far as it belongs to the violations, in lines.
pub(super) fn story(outcome: &Outcome) -> String {
    let entries = entries(outcome);
    let left_out = entries.len().saturating_sub(LINES);
    let mut text = String::new();
    for (place, Entry { at, who, words, .. }) in entries.iter().enumerate() {
        if left_out > 0 && place == LINES / 2 {
            let _ = writeln!(text, "               … {left_out} more …");
        }
        if left_out > 0 && (LINES / 2..LINES / 2 + left_out).contains(&place) {
            continue;
        }
        let colon = if who.is_empty() { "" } else { ": " };
        let _ = writeln!(text, "{:>13}  {who}{colon}{words}", seconds(*at));
    }
    text
}

/// What happened, as far as it belongs to the violations: faults, the fate of the things in
/// question, programs that ended.
pub(super) fn entries(outcome: &Outcome) -> Vec<Entry> {
    let observed = &outcome.observed;
    let mut entries = Vec::new();
    let mut add = |at, rank, machine: Option<usize>, words| {
        let who = machine.map(|machine| observed.name(machine).to_owned());
        entries.push(Entry {
            at,
            rank,
            who: who.unwrap_or_default(),
            words,
            machine,
        });
    };
    for fault in &outcome.faults {
        let struck = match fault.struck {
            0 => ", and strikes nothing".to_owned(),
            1 => String::new(),
            times => format!(", and strikes {times} times"),
        };
        let verb = match fault.until {
            None => "",
            Some(until) if until == fault.from => "",
            Some(_) => " begins",
        };
        let words = format!("fault: {}{verb}{struck}", fault.what);
        add(fault.from, 0, None, words);
        if let Some(until) = fault.until.filter(|&until| until != fault.from) {
            add(until, 0, None, format!("fault: {} is over", fault.what));
        }
    }
    for &(machine, at) in &outcome.ends {
        add(at, 1, Some(machine), "its program ends".to_owned());
    }
    for &(machine, at) in &outcome.preempted {
        let words = "a thread loses the processor to another".to_owned();
        add(at, 1, Some(machine), words);
    }
    for panic in &outcome.panics {
        let words = format!("panics: {}", panic.message);
        add(panic.at, 2, Some(panic.machine), words);
    }
    for it in concerned(outcome) {
        add(it.at, 2, Some(it.machine), words(&it.told, observed));
    }
    for (name, verdict) in &outcome.verdicts {
        if let Verdict::Violated { at, .. } = verdict {
            add(*at, VIOLATES, None, format!("violates {name}"));
        }
    }
    entries.sort();
    entries
}

/// What was told about the things that the violations concern.
fn concerned(outcome: &Outcome) -> Vec<&Observation> {
    let observed = &outcome.observed;
    let evidence = outcome.verdicts.iter().filter_map(|it| match &it.1 {
        Verdict::Violated { told, .. } => Some(told),
        _ => None,
    });
    let places: BTreeSet<usize> = evidence.flatten().copied().collect();
    let told = |place: &usize| observed.told.get(*place);
    let ids: HashSet<&str> = places
        .iter()
        .filter_map(told)
        .filter_map(|it| Some(&*thing(&it.told)?.id))
        .collect();
    let objects: HashSet<&str> = places
        .iter()
        .filter_map(told)
        .filter_map(|it| object(&it.told))
        .collect();
    let last = places
        .iter()
        .filter_map(told)
        .map(|it| it.at)
        .max()
        .unwrap_or_default();
    let mut calls = HashSet::new();
    let of_call = |it: &Observation, calls: &mut HashSet<(usize, u64)>| match &it.told {
        Told::Called { call, object, .. } => {
            let concerned = it.at <= last && objects.contains(&**object);
            concerned && calls.insert((it.machine, *call))
        }
        Told::Returned { call, .. } => calls.contains(&(it.machine, *call)),
        _ => false,
    };
    let all = observed.told.iter().enumerate();
    let all = all.filter(|(place, it)| {
        let same = thing(&it.told).is_some_and(|thing| ids.contains(&*thing.id));
        same || of_call(it, &mut calls) || places.contains(place)
    });
    all.map(|it| it.1).collect()
}

fn thing(told: &Told) -> Option<&Thing> {
    match told {
        Told::Sent(thing)
        | Told::Received(thing)
        | Told::Acknowledged(thing)
        | Told::Failed(thing) => Some(thing),
        _ => None,
    }
}

fn object(told: &Told) -> Option<&str> {
    match told {
        Told::Called { object, .. } | Told::Shows { object, .. } => Some(object),
        _ => None,
    }
}

fn words(told: &Told, observed: &Observed) -> String {
    let of = |thing: &Thing| format!("`{}` ({})", thing.id, thing.topic);
    match told {
        Told::Sent(thing) => format!("sends {}", of(thing)),
        Told::Received(thing) => format!("receives {}", of(thing)),
        Told::Acknowledged(thing) => format!("knows that {} has arrived", of(thing)),
        Told::Failed(thing) => format!("gives up {}", of(thing)),
        Told::Called { object, action, .. } => match action {
            Action::Read => format!("begins to read `{object}`"),
            Action::Write(value) => format!("begins to write {value} to `{object}`"),
            Action::CompareAndSet(old, new) => {
                format!("begins to set `{object}` from {old} to {new}")
            }
            Action::Push(value) => format!("begins to push {value} to `{object}`"),
            Action::Pop => format!("begins to pop from `{object}`"),
        },
        Told::Returned { call, answer } => {
            let asked = observed.told.iter().find_map(|it| match &it.told {
                Told::Called {
                    call: other,
                    object,
                    ..
                } if other == call => Some(object),
                _ => None,
            });
            let object = asked.map_or("?", |object| object);
            match answer {
                Answer::Done => format!("is done with `{object}`"),
                Answer::Refused => format!("is refused by `{object}`"),
                Answer::Value(value) => format!("gets {value} from `{object}`"),
                Answer::Nothing => format!("gets nothing from `{object}`"),
                Answer::Failed => format!("fails with `{object}`"),
            }
        }
        Told::Shows { object, value } => format!("shows {value} for `{object}`"),
        Told::Always(claim) | Told::Sometimes(claim) | Told::Reached(claim) => {
            let holds = if claim.holds { "is" } else { "is not" };
            format!(
                "claims that {}, and it {holds} so ({})",
                claim.what, claim.place
            )
        }
        other => format!("{other:?}"),
    }
}
