//! What a report of one run is about: the most telling violation, the message that it concerns, and
//! a message of the same kind with which all went well.

use crate::{Judged, Judgement, Outcome, Record};
use rustc_hash::{FxHashMap, FxHashSet};
use squall_guarantees::{EventKind, Guarantee, Moment, OperationId, Verdict, Violation};
use std::cell::OnceCell;

/// The most telling violation: unexpected ones come first, and of these the ones of guarantees that
/// the scenario names, because it is about them. If a guarantee is given, only its violation. None
/// if nothing was violated.
pub fn most_telling(
    judged: &Judged,
    wanted: Option<Guarantee>,
) -> Option<(&Judgement, &Violation)> {
    let mut violated = violated(judged).into_iter();
    violated.find(|(judgement, _)| wanted.is_none_or(|wanted| wanted == judgement.guarantee))
}

/// All that was violated, in that order.
fn violated(judged: &Judged) -> Vec<(&Judgement, &Violation)> {
    let order = Guarantee::most_telling_first().into_iter();
    let violated = order.filter_map(|guarantee| {
        let mut judgements = judged.judgements.iter();
        let judgement = judgements.find(|it| it.guarantee == guarantee)?;
        let Verdict::Violated(violation) = &judgement.verdict else {
            return None;
        };
        Some((judgement, &**violation))
    });
    let mut violated: Vec<_> = violated.collect();
    violated.sort_by_key(|(judgement, _)| match judgement.outcome() {
        Outcome::NotAsExpected if judgement.is_named() => 0,
        Outcome::NotAsExpected => 1,
        _ => 2,
    });
    violated
}

/// The violation that a report tells first.
pub(crate) struct Guilt<'j> {
    record: &'j Record,
    pub(crate) judgement: &'j Judgement,
    pub(crate) violation: &'j Violation,
    /// When it happened, to whom, and what it was.
    pub(crate) moment: &'j Moment,
    /// The message that went wrong; none if it is about something else.
    pub(crate) message: Option<&'j str>,
    /// The other messages of the evidence.
    pub(crate) others: Vec<&'j str>,
    /// Where a message was given with which all went well, among the events, once somebody has
    /// asked.
    healthy: OnceCell<Option<usize>>,
    /// The clients that were wronged, or did wrong.
    pub(crate) receivers: Vec<&'j str>,
    /// The machines that it concerns: the sender of the message first.
    pub(crate) involved: Vec<&'j str>,
}

impl<'j> Guilt<'j> {
    /// What a judged run is guilty of: unexpected violations come first. None if nothing was
    /// violated.
    pub(crate) fn of(judged: &'j Judged) -> Option<Self> {
        let (judgement, violation) = most_telling(judged, None)?;
        Some(Guilt::by(judged, judgement, violation))
    }

    /// What else was violated, about other messages than this one, the most telling first.
    pub(crate) fn others_of(&self, judged: &'j Judged) -> Vec<Self> {
        let mut known: Vec<&str> = self.message.into_iter().collect();
        let mut others = Vec::new();
        for guilt in self.all_others_of(judged) {
            if guilt
                .message
                .is_some_and(|message| !known.contains(&message))
            {
                known.extend(guilt.message);
                others.push(guilt);
            }
        }
        others
    }

    /// What else was violated, the most telling first.
    pub(crate) fn all_others_of(&self, judged: &'j Judged) -> impl Iterator<Item = Self> {
        let others = violated(judged).into_iter();
        let others = others.filter(|it| it.0.guarantee != self.judgement.guarantee);
        others.map(|(judgement, violation)| Guilt::by(judged, judgement, violation))
    }

    fn by(judged: &'j Judged, judgement: &'j Judgement, violation: &'j Violation) -> Self {
        let contents = violation.evidence.contents().iter();
        let contents: Vec<&str> = contents.map(String::as_str).collect();
        let moment = violation.evidence.moment();
        let record = &judged.record;
        let message = contents.first().copied();
        let sender = message.and_then(|content| sender_of(record, content));
        let clients = record.history.clients.iter().map(|client| &*client.name);
        let receivers = clients.filter(|name| moment.who.iter().any(|who| who == name));
        let receivers: Vec<&str> = receivers.collect();
        // Who it is about may be named in what was done only: the user who is shown wrongly.
        let words = moment
            .what
            .split(|c: char| c.is_whitespace() || ",.;:".contains(c));
        let named = words.filter(|_| message.is_none());
        let names = moment.who.iter().map(String::as_str).chain(named);
        let names = names.filter_map(|name| machine_named(record, name));
        let mut involved: Vec<&str> = sender.into_iter().collect();
        for name in names {
            if !involved.contains(&name) {
                involved.push(name);
            }
        }
        Guilt {
            record,
            judgement,
            violation,
            healthy: OnceCell::new(),
            others: contents.iter().skip(1).copied().collect(),
            message,
            receivers,
            involved,
            moment,
        }
    }

    /// A message with which all went well, to compare with the first.
    pub(crate) fn healthy(&self) -> Option<&'j str> {
        let place = *self.healthy.get_or_init(|| {
            let message = self.message?;
            let others = self.others.iter().copied();
            let not: Vec<&str> = [message].into_iter().chain(others).collect();
            healthy(self.record, message, &not, &self.receivers)
        });
        match &self.record.history.events[place?].kind {
            EventKind::Invoked { content, .. } => Some(content),
            _ => None,
        }
    }

    /// When it was complete; at the end of the run if only that shows it.
    pub(crate) fn at(&self, record: &Record) -> squall_guarantees::Time {
        let end = record.history.ended_at;
        self.moment.at.map_or(end, |at| at.min(end))
    }
}

/// A machine of the record with this name, as the record spells it.
fn machine_named<'r>(record: &'r Record, name: &str) -> Option<&'r str> {
    let mut names = record.machines.iter().map(|machine| machine.name.as_str());
    names.find(|machine| *machine == name)
}

/// The operation that sent a message.
pub(crate) fn operation_of(record: &Record, content: &str) -> Option<OperationId> {
    let mut events = record.history.events.iter();
    events.find_map(|event| match &event.kind {
        EventKind::Invoked {
            operation,
            content: given,
            ..
        } if given == content => Some(*operation),
        _ => None,
    })
}

/// The user whose client was given a message.
pub(crate) fn sender_of<'r>(record: &'r Record, content: &str) -> Option<&'r str> {
    let history = &record.history;
    let given = history.events.iter().find(|event| {
        matches!(&event.kind, EventKind::Invoked { content: given, .. } if given == content)
    });
    if let Some(given) = given {
        return Some(&history.clients[given.client.0 as usize].name);
    }
    let row = history.database.iter().find(|row| row.content == content)?;
    machine_named(record, &row.sender)
}

/// A message with which all went well: said in the same room, stored once, and handled once by each
/// of these receivers and by as many others as possible. Of these, one from the same sender, the
/// last before this one or the first after it.
fn healthy(record: &Record, content: &str, not: &[&str], receivers: &[&str]) -> Option<usize> {
    let history = &record.history;
    let mut rows: FxHashMap<&str, u64> = FxHashMap::default();
    for row in &history.database {
        *rows.entry(&row.content).or_default() += 1;
    }
    let mut handled: FxHashMap<&str, Vec<u32>> = FxHashMap::default();
    let mut retried = FxHashSet::default();
    let mut given = Vec::new();
    for (place, event) in history.events.iter().enumerate() {
        match &event.kind {
            EventKind::Delivered { content, .. } => {
                handled.entry(content).or_default().push(event.client.0);
            }
            EventKind::Retried { operation, .. } => {
                retried.insert(*operation);
            }
            EventKind::Invoked {
                operation,
                content,
                room,
                kind,
                ..
            } => given.push((
                event.at,
                event.client,
                &**room,
                *kind,
                *operation,
                &**content,
                place,
            )),
            _ => {}
        }
    }
    let guilty = given.iter().find(|it| it.5 == content)?;
    let (at, client, room, kind, ..) = *guilty;
    let once = |content: &str| {
        let mut by = handled.get(content).cloned().unwrap_or_default();
        let all = by.len();
        by.sort_unstable();
        by.dedup();
        let name = |client: u32| &*history.clients[client as usize].name;
        let had = |wanted: &&str| by.iter().any(|&client| name(client) == *wanted);
        (by.len() == all && receivers.iter().all(had)).then_some(all)
    };
    let well = given.iter().filter(|it| {
        it.2 == room && it.3 == kind && !not.contains(&it.5) && !retried.contains(&it.4)
    });
    let well = well.filter(|it| rows.get(it.5) == Some(&1) || kind.is_ephemeral());
    let well: Vec<_> = well
        .filter_map(|it| Some((once(it.5).filter(|&all| all > 0)?, it)))
        .collect();
    let most = well.iter().map(|(all, _)| *all).max()?;
    let well = well.into_iter().filter(|(all, _)| *all == most);
    let best = well.min_by_key(|(_, it)| (it.1 != client, it.0 > at, it.0.abs_diff(at), it.5));
    best.map(|(_, it)| it.6)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_traffic;

    #[test]
    fn what_was_not_expected_is_told_first_and_beside_it_what_went_well() {
        let judged = Judged::new(with_traffic());
        let guilt = Guilt::of(&judged).expect("something is wrong");
        assert_eq!(guilt.judgement.outcome(), Outcome::NotAsExpected);
        assert_eq!(guilt.message, Some("m3"));
        assert_eq!(guilt.healthy(), Some("m1"));
    }
}
