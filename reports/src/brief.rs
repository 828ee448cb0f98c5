//! The story of one violation in at most twelve sentences, from cause to effect.

use crate::guilt::Guilt;
use crate::story::{Entry, tell};
use crate::talk::{Again, Talk, Visit, event_name, in_rows};
use crate::way::{Step, Way, way};
use crate::{InjectedFault, Judged, Role, SayingKind};
use squall_guarantees::{NotStored, Time, counted, seconds};

/// How many sentences there are at most.
pub(crate) const SENTENCES_MAX: usize = 12;

/// The rank of sentences that are left out.
const NOT_TOLD: u32 = 6;

/// A sentence, and how much it says: the lower, the more.
struct Sentence {
    rank: u32,
    entry: Entry,
}

/// Tells how the violation happened. Without one, tells what happened at all.
pub(crate) fn brief(judged: &Judged, guilt: Option<&Guilt<'_>>) -> Vec<Entry> {
    let Some(guilt) = guilt else {
        let mut story = tell(judged);
        story.truncate(SENTENCES_MAX);
        return story;
    };
    let at = guilt.at(&judged.record);
    // A missing message may have been lost after its sender was told about it.
    let until = match guilt.violation.evidence.is::<NotStored>() {
        true => judged.record.history.ended_at,
        false => at,
    };
    let mut sentences = faults(judged, guilt, until);
    let mut since = Time::ZERO;
    if let Some(message) = guilt.message {
        let way = way(&judged.record, message, &guilt.receivers);
        since = way.stations.first().map_or(since, |station| station.at);
        sentences.extend(of_way(&way, at));
    }
    sentences.extend(of_talk(judged, guilt, [since, until]));
    sentences.extend(of_story(judged, guilt, until));
    sentences.retain(|it| it.rank < NOT_TOLD);
    sentences.sort_by_key(|it| (it.rank, it.entry.at.abs_diff(at)));
    sentences.truncate(SENTENCES_MAX);
    // Of what happens at the same time, the effect comes last.
    sentences.sort_by_key(|it| (it.entry.at, !it.entry.violates.is_empty()));
    sentences.into_iter().map(|it| it.entry).collect()
}

/// The faults that had begun by then: first those that hit the machines involved, or those between
/// them.
fn faults(judged: &Judged, guilt: &Guilt<'_>, until: Time) -> Vec<Sentence> {
    let record = &judged.record;
    let touches = |fault: &InjectedFault| {
        let mut machines = record.machines.iter();
        let central = machines
            .any(|machine| machine.role > Role::Hostile && fault.victims.contains(&machine.name));
        let involved = |victim: &String| guilt.involved.contains(&victim.as_str());
        central || fault.victims.iter().any(involved) || guilt.involved.is_empty()
    };
    let begun = record
        .faults
        .iter()
        .filter(|fault| fault.from <= until && fault.hits != Some(0));
    let sentences = begun.map(|fault| {
        let lasts = match fault.until {
            Some(until) => format!("until {}", seconds(until)),
            None => "to the end".to_owned(),
        };
        let hits = match fault.hits {
            Some(hits) => format!("; it struck {}", counted(hits, "time")),
            None => String::new(),
        };
        let why = record.why.as_ref();
        let is_cause = why.map(|why| why.is_cause(&fault.label));
        Sentence {
            rank: match is_cause {
                Some(true) => 0,
                Some(false) => 5,
                None if touches(fault) => 1,
                None => 5,
            },
            entry: Entry {
                at: fault.from,
                who: "fault".to_owned(),
                what: format!("{} begins ({lasts}{hits})", fault.what),
                violates: Vec::new(),
            },
        }
    });
    sentences.collect()
}

/// How much of what a packet says is told.
const SAYS_MAX: usize = 240;

fn of_way(way: &Way<'_>, at: Time) -> Vec<Sentence> {
    let it = format!("`{}`", way.content);
    let is_packet = |what: &Step<'_>| matches!(what, Step::Packet { .. });
    let mut sent = way.stations.iter().enumerate();
    let first = sent.find(|(_, it)| is_packet(&it.what) && way.sender == Some(it.place));
    let first = first.map(|(place, _)| place);
    let stations = way
        .stations
        .iter()
        .enumerate()
        .map(|(place, station)| Sentence {
            rank: match &station.what {
                Step::Given { .. }
                | Step::Stored { .. }
                | Step::Passed { .. }
                | Step::TakenFor { .. } => 1,
                // The violation says the same, or this had no part in what led to it; what was
                // answered is told as what was said.
                Step::NeverStored | Step::NeverHandled | Step::Answered { .. } => NOT_TOLD,
                _ if station.at > at => NOT_TOLD,
                _ if first == Some(place) => 2,
                what if what.is_bad() => 2,
                Step::Ok { .. } | Step::Handled { .. } => 2,
                _ => 4,
            },
            entry: Entry {
                at: station.at,
                who: station.place.to_owned(),
                what: match &station.what {
                    Step::Packet { says, .. } if first == Some(place) && !says.is_empty() => {
                        let says: String = says.chars().take(SAYS_MAX).collect();
                        format!("{}; it says {says}", station.words(&it))
                    }
                    _ => station.words(&it),
                },
                violates: Vec::new(),
            },
        });
    stations.collect()
}

/// How many clients are told with what was asked and answered when they connected, how often each,
/// and how much else was said.
const CLIENTS_MAX: usize = 2;
const VISITS_MAX: usize = 2;
const SAYINGS_MAX: usize = 3;

/// What was asked and answered when those involved connected again, and what else they were told in
/// this time.
fn of_talk(judged: &Judged, guilt: &Guilt<'_>, [since, until]: [Time; 2]) -> Vec<Sentence> {
    let record = &judged.record;
    let talk = Talk::of(record);
    let mut sentences = Vec::new();
    let is_client = |name: &&str| record.history.clients.iter().any(|it| it.name == *name);
    let receivers = guilt.receivers.iter().copied();
    let others = guilt.involved.iter().copied().filter(is_client);
    let others = others.filter(|it| !guilt.receivers.contains(it));
    for name in receivers.chain(others).take(CLIENTS_MAX) {
        let visits = talk.visits(name);
        let told = talk.sentences(name, &visits);
        // The first time there was nothing to come back to.
        let again = visits.iter().zip(told).skip(1);
        let near = again.filter(|(visit, _)| visit.until > since && visit.from <= until);
        let mut near: Vec<_> = near.collect();
        let from = near.len().saturating_sub(VISITS_MAX);
        for (_, entries) in near.drain(from..) {
            let entries = entries.into_iter();
            sentences.extend(entries.map(|entry| Sentence { rank: 2, entry }));
        }
        if !guilt.receivers.contains(&name) {
            continue;
        }
        let greetings = |visit: &Visit<'_>| {
            let answered = visit.answered.iter();
            answered
                .map(|it| (it.packet, event_name(it).to_owned()))
                .collect::<Vec<_>>()
        };
        let greetings: Vec<_> = visits.iter().flat_map(greetings).collect();
        let then = talk.with(name).filter(|it| {
            it.kind == SayingKind::Event
                && it.sent_at >= since
                && it.sent_at <= until
                && !greetings.contains(&(it.packet, event_name(it).to_owned()))
        });
        let then = in_rows(&talk, then);
        sentences.extend(
            then.iter()
                .take(SAYINGS_MAX)
                .map(|it| of_saying(&talk, it, 3)),
        );
    }
    let operation = guilt
        .message
        .and_then(|it| crate::guilt::operation_of(record, it));
    let sayings = record.traffic.iter().flat_map(|it| &it.sayings);
    let answers = sayings.filter(|it| it.about.is_some() && it.about == operation);
    let answers = in_rows(&talk, answers);
    sentences.extend(
        answers
            .iter()
            .take(SAYINGS_MAX)
            .map(|it| of_saying(&talk, it, 1)),
    );
    sentences
}

fn of_saying(talk: &Talk<'_>, again: &Again<'_>, rank: u32) -> Sentence {
    Sentence {
        rank,
        entry: Entry {
            at: again.saying.sent_at,
            who: talk.name(Some(again.saying.from)).to_owned(),
            what: again.words(talk),
            violates: Vec::new(),
        },
    }
}

/// What the story of the run says about those involved, and the violation itself.
fn of_story(judged: &Judged, guilt: &Guilt<'_>, until: Time) -> Vec<Sentence> {
    let record = &judged.record;
    let servers = record.machines.iter().filter(|it| it.role >= Role::Server);
    let servers: Vec<&str> = servers.map(|it| it.name.as_str()).collect();
    let is_about = |entry: &Entry, names: &[&str]| {
        let words = entry.who.split(|c: char| c == ',' || c.is_whitespace());
        let mut words = words.chain(entry.what.split_whitespace());
        words.any(|word| names.contains(&word))
    };
    let story = tell(judged)
        .into_iter()
        .filter(|entry| entry.who != "fault");
    let sentences = story.filter_map(|entry| {
        let rank = match entry.violates.contains(&guilt.judgement.guarantee) {
            true => 0,
            false if !entry.violates.is_empty() => 5,
            false if entry.at > until => return None,
            false if is_about(&entry, &guilt.involved) => 3,
            false if is_about(&entry, &servers) => 4,
            false => return None,
        };
        Some(Sentence { rank, entry })
    });
    sentences.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::with_traffic;
    use std::time::Duration;

    fn told(judged: &Judged) -> Vec<String> {
        let brief = brief(judged, Guilt::of(judged).as_ref());
        assert!(brief.len() <= SENTENCES_MAX, "{brief:#?}");
        brief
            .iter()
            .map(|entry| format!("{}: {}", entry.who, entry.what))
            .collect()
    }

    #[test]
    fn what_is_lost_after_its_sender_was_told_of_it_is_told_with_the_fault_that_came_between() {
        let mut record = with_traffic();
        record.history.database.clear();
        record.faults.push(InjectedFault {
            label: "fault 2".to_owned(),
            kind: "power-loss".to_owned(),
            victims: vec!["server".to_owned()],
            what: "power loss of server".to_owned(),
            from: Duration::from_secs(20),
            until: None,
            hits: Some(1),
        });
        let told = told(&Judged::new(record));
        let fault = "fault: power loss of server begins (to the end; it struck 1 time)";
        assert!(told.iter().any(|it| it == fault), "{told:#?}");
    }

    #[test]
    fn of_several_faults_the_causes_are_told_before_all_else() {
        let mut record = with_traffic();
        record.faults = (0..30)
            .map(|number| InjectedFault {
                label: format!("fault {number}"),
                what: format!("pause {number}"),
                ..record.faults[0].clone()
            })
            .collect();
        record.why = Some(crate::Why {
            causes: vec!["fault 7".to_owned()],
            ..crate::Why::default()
        });
        let told = told(&Judged::new(record));
        assert!(
            told.iter()
                .any(|it| it.starts_with("fault: pause 7 begins")),
            "{told:#?}"
        );
    }
}
