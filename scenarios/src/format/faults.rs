//! `[[fault]]`: what goes wrong.

use super::clients::Clients;
use super::table::{Placed, Problems, Table, choose_from};
use crate::scenario::{Direction, Fault, FaultKind, SERVER, Setting, Victims};
use std::time::Duration;
use toml::Spanned;
use toml::de::DeValue;

pub(super) fn faults<'t>(
    raw: Option<&'t Spanned<DeValue<'t>>>,
    clients: &Clients,
    problems: &mut Problems,
) -> Vec<Fault> {
    let Some(raw) = raw else { return Vec::new() };
    let wanted = "Write `[[fault]]` on a line of its own for each, and its fields below.";
    let Some(items) = raw.get_ref().as_array() else {
        problems.add(raw.span(), "the faults must be a list of tables", wanted);
        return Vec::new();
    };
    let mut faults = Vec::new();
    for (item, number) in items.iter().zip(1..) {
        let table = Table::read(format!("[[fault]] number {number}"), item, wanted, problems);
        faults.extend(table.and_then(|table| fault(table, clients, problems)));
    }
    faults
}

/// One fault; none if something without a default is missing or wrong.
fn fault(mut table: Table<'_>, clients: &Clients, problems: &mut Problems) -> Option<Fault> {
    let both = FaultKind::Partition(Direction::Both);
    let some = FaultKind::Loss(Setting::Fixed(0.0));
    let kinds = [
        ("partition", both),
        ("loss", some),
        ("kill", FaultKind::Kill),
        ("power-loss", FaultKind::PowerLoss),
        ("pause", FaultKind::Pause),
    ];
    table.require(
        "kind",
        &choose_from("", kinds.iter().map(|(word, _)| *word)),
        problems,
    );
    let kind = match table.word("kind", &kinds, problems)? {
        FaultKind::Partition(_) => {
            let directions = [
                ("both", Direction::Both),
                ("to-server", Direction::ToServer),
                ("to-client", Direction::ToClient),
            ];
            let direction = table.word("direction", &directions, problems);
            Some(FaultKind::Partition(direction.unwrap_or(Direction::Both)))
        }
        FaultKind::Loss(_) => table
            .need("loss", problems)
            .map(|loss| FaultKind::Loss(loss.value)),
        other => Some(other),
    };
    let victims = table.need::<Victims>("victims", problems);
    let at = table.need::<Setting<Duration>>("at", problems);
    let lasts = table.positive("for", problems);
    table.finish(problems);
    if let (Some(victims), Some(kind)) = (&victims, kind) {
        check_victims(victims, kind, clients, problems);
    }
    Some(Fault {
        kind: kind?,
        victims: victims?.value,
        at: at?.value,
        lasts,
    })
}

fn check_victims(
    victims: &Placed<Victims>,
    kind: FaultKind,
    clients: &Clients,
    problems: &mut Problems,
) {
    let on_links = matches!(kind, FaultKind::Partition(_) | FaultKind::Loss(_));
    match &victims.value {
        Victims::Clients => {}
        Victims::Any(count) => {
            let there_are = clients.certain().len();
            if count.min() == 0 || count.max() as usize > there_are {
                let what = format!("{} of {there_are} clients cannot be hit", count.max());
                let remedy = format!("Ask for 1 to {there_are} of the clients.");
                problems.add(victims.at.clone(), what, remedy);
            }
        }
        Victims::Named(names) => {
            for name in names {
                let client = clients.certain().contains(name);
                if name == SERVER && on_links {
                    let remedy = "The fault is between the server and its victims: name clients, \
                        or \"clients\" for all of them.";
                    problems.add(
                        victims.at.clone(),
                        "the server is on the other side",
                        remedy,
                    );
                } else if name != SERVER && !client {
                    let what = format!("there is no machine `{name}`");
                    let server = (!on_links).then_some(SERVER);
                    let allowed = server
                        .into_iter()
                        .chain(clients.certain().iter().map(String::as_str));
                    problems.add(victims.at.clone(), what, choose_from(name, allowed));
                }
            }
        }
    }
}
