//! What went wrong in a run, as a sequence diagram for Mermaid: the way of the guilty message.

use crate::guilt::Guilt;
use crate::way::{Step, way};
use crate::{InjectedFault, Judged, Role};
use squall_guarantees::{Time, seconds};
use std::fmt::Write;

/// How much of a text is shown, in characters.
const TEXT_MAX: usize = 80;

/// The diagram of one run. Without a message that went wrong it shows who is there, and says so.
pub fn render(judged: &Judged) -> String {
    let record = &judged.record;
    let guilt = Guilt::of(judged);
    let mut text = String::from("sequenceDiagram\n");
    let title = format!("{}, seed {}", record.scenario, record.seed);
    let _ = writeln!(text, "    title {}", word(&title));
    let way = guilt
        .as_ref()
        .and_then(|guilt| Some(way(record, guilt.message?, &guilt.receivers)));
    let stations = way.iter().flat_map(|way| &way.stations);
    let mut places: Vec<&str> = Vec::new();
    for station in stations.clone() {
        let to = match &station.what {
            Step::Packet { to, .. } => *to,
            _ => None,
        };
        for place in [Some(station.place), to].into_iter().flatten() {
            if !places.contains(&place) {
                places.push(place);
            }
        }
    }
    let role = |name: &str| {
        let machine = record.machines.iter().find(|it| it.name == name);
        machine.map_or(Role::Broker, |it| it.role)
    };
    places.sort_by_key(|place| role(place));
    if places.is_empty() {
        places = record.machines.iter().map(|it| it.name.as_str()).collect();
        places.truncate(12);
    }
    for (number, place) in places.iter().enumerate() {
        let _ = writeln!(text, "    participant m{number} as {}", word(place));
    }
    let id = |name: &str| places.iter().position(|place| *place == name).unwrap_or(0);
    let note = |text: &mut String, at: Time, what: &str| {
        let last = places.len() - 1;
        let what = word(&format!("{} {what}", seconds(at)));
        let _ = writeln!(text, "    Note over m0,m{last}: {what}");
    };
    let mut faults: Vec<&InjectedFault> = record
        .faults
        .iter()
        .filter(|it| it.hits != Some(0))
        .collect();
    faults.reverse();
    for station in stations {
        while let Some(fault) = faults.pop_if(|fault| fault.from <= station.at) {
            note(&mut text, fault.from, &format!("{} begins", fault.what));
        }
        let (at, from) = (seconds(station.at), id(station.place));
        let words = word(&format!("{at} {}", station.words("it")));
        let _ = match &station.what {
            Step::Packet { to, end, .. } => {
                let arrow = if end.has_arrived() { "->>" } else { "-x" };
                let to = to.map_or(from, id);
                writeln!(text, "    m{from}{arrow}m{to}: {words}")
            }
            _ => writeln!(text, "    Note over m{from}: {words}"),
        };
    }
    match &guilt {
        Some(guilt) => {
            let what = format!("{} {}", guilt.moment.who.join(", "), guilt.moment.what);
            let what = format!("{what}: violates {}", guilt.judgement.guarantee);
            note(&mut text, guilt.at(record), &what);
        }
        None => note(&mut text, record.duration, "nothing went wrong"),
    }
    text
}

/// A text that means nothing to Mermaid: on one line, with entities for anything that could end it
/// or begin something else.
fn word(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars().take(TEXT_MAX) {
        match c {
            c if c.is_control() => shown.push(' '),
            c if c.is_alphanumeric() || " .,-_/()'*+=".contains(c) => shown.push(c),
            c => shown.push_str(&format!("#{};", c as u32)),
        }
    }
    if text.chars().nth(TEXT_MAX).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::record;

    #[test]
    fn a_run_as_a_sequence_diagram() {
        insta::assert_snapshot!(render(&Judged::new(record())));
    }

    #[test]
    fn what_has_a_meaning_to_mermaid_is_an_entity() {
        assert_eq!(
            word("a\nend; <b>:#%%"),
            "a end#59; #60;b#62;#58;#35;#37;#37;"
        );
    }
}
