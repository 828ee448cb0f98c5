//! What a scenario can say and a proxy cannot do: it is refused, with its line and a remedy.

use squall::text::{Problems, Table};
use squall::{BadScenario, FaultKind, Middlebox, MiddleboxKind, Scenario};
use std::ops::Range;
use toml::de::DeTable;

/// The most clients that there is a line for.
const MOST_CLIENTS: u32 = 1_000;

/// Why a proxy cannot do a kind of fault, and what to do instead; none if it can.
fn objection(kind: &FaultKind) -> Option<(&'static str, &'static str)> {
    Some(match kind {
        FaultKind::Partition(_)
        | FaultKind::Hold(_)
        | FaultKind::Loss(_)
        | FaultKind::OtherLink(_)
        | FaultKind::AddressChange(_)
        | FaultKind::Reset(_)
        | FaultKind::NatForgets(_)
        | FaultKind::HalfOpen(_) => return None,
        FaultKind::Packets(_) => (
            "picks out single packets, and a proxy sees the bytes of connections",
            "Use `loss`, `hold` or `link`, or leave it out.",
        ),
        FaultKind::SynFlood(_) | FaultKind::PortsUsedUp(_) => (
            "needs the kernel of the machine, and a proxy has only its connections",
            "Leave it out, or test the service in the simulated world.",
        ),
        FaultKind::Kill(_)
        | FaultKind::Stop(_)
        | FaultKind::RestartLoop(_)
        | FaultKind::PowerLoss(_) => (
            "ends programs, and those behind a proxy are not its own",
            "Leave it out. End the program yourself (`kill -9`), and write `killed` and `started` into its log.",
        ),
        FaultKind::Pause(_) | FaultKind::Suspend(_) | FaultKind::SlowCpu(_) => (
            "stops or slows programs, and those behind a proxy are not its own",
            "Use `hold`, with which nothing is heard of them, or leave it out and send them SIGSTOP yourself.",
        ),
        FaultKind::ClockStep(_)
        | FaultKind::ClockFreeze(_)
        | FaultKind::ClockDrift(_)
        | FaultKind::ClockSync(_) => (
            "changes clocks, and a proxy has none but its computer's",
            "Leave it out, or test the service in the simulated world.",
        ),
        FaultKind::DiskFull(_)
        | FaultKind::DiskSlow(_)
        | FaultKind::DiskError(_)
        | FaultKind::DiskLies(_) => (
            "is about disks, of which a proxy knows nothing",
            "Leave it out, or test the service in the simulated world.",
        ),
        _ => (
            "cannot be done by a proxy",
            "Leave it out, or test the service in the simulated world.",
        ),
    })
}

/// Lets pass what a proxy can do.
///
/// # Errors
/// All that it cannot, with their places in the text.
pub(crate) fn refused(scenario: &Scenario, text: &str) -> Result<(), BadScenario> {
    let mut problems = Problems::default();
    if let Ok(document) = DeTable::parse(text) {
        check(scenario, document.get_ref(), &mut problems);
    }
    match problems.is_empty() {
        true => Ok(()),
        false => Err(problems.into_bad_scenario("scenario for a proxy", &scenario.source, text)),
    }
}

fn check(scenario: &Scenario, document: &DeTable<'_>, problems: &mut Problems) {
    let mut top = Table::new("the scenario", document, 0..0);
    let mut place = |field| top.raw(field).map_or(0..0, |it| it.span());
    let servers = scenario.system.servers();
    if servers.broker || servers.names.len() > 1 {
        problems.add(
            place("cluster"),
            "a proxy stands before one server",
            "Leave `[cluster]` out, and let `--to` be one of the servers or their balancer.",
        );
    }
    if scenario.clients.max() > MOST_CLIENTS {
        problems.add(
            place("clients"),
            format!(
                "there cannot be lines for {} clients",
                scenario.clients.max()
            ),
            format!("Each has a port of its own: ask for at most {MOST_CLIENTS}."),
        );
    }
    if !scenario.hostile.is_empty() {
        problems.add(
            place("hostile"),
            "a proxy is no client, so nobody breaks the rules here",
            "Leave `[[hostile]]` out.",
        );
    }
    if !scenario.clocks.is_empty() {
        problems.add(
            place("clock"),
            "clocks cannot be wrong: they are those of the computer",
            "Leave `[clock]` out.",
        );
    }
    let reads_http =
        |it: &Middlebox| !matches!(it.kind, MiddleboxKind::Stalls | MiddleboxKind::Behaves);
    if scenario.middleboxes.iter().any(reads_http) {
        problems.add(
            place("middlebox"),
            "this middlebox reads HTTP, and a proxy carries bytes",
            "Let its `kind` be `stalls`, or leave it out.",
        );
    }
    let places = places_of_faults(&mut top, problems);
    for (fault, at) in scenario.faults.iter().zip(places) {
        if fault.after.is_some() {
            problems.add(
                at.clone(),
                "waits for an event, and a proxy sees none of its programs' events",
                "Leave `after` out, and say in `at` when it begins.",
            );
        }
        if let Some((why, remedy)) = objection(&fault.kind) {
            let what = format!("`{}` {why}", fault.kind.word());
            problems.add(at, what, remedy);
        }
    }
}

/// Where each fault says of what kind it is.
fn places_of_faults(top: &mut Table<'_>, problems: &mut Problems) -> Vec<Range<usize>> {
    let faults = top.raw("fault").and_then(|raw| raw.get_ref().as_array());
    let faults = faults.into_iter().flatten();
    let place = |item| {
        let table = Table::read(String::new(), item, "", problems);
        let kind = table.and_then(|mut table| table.raw("kind").map(|kind| kind.span()));
        kind.unwrap_or_default()
    };
    faults.map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::{library, text};

    #[test]
    fn what_is_refused_of_the_library_has_a_place_in_its_text() {
        let mut done = 0;
        for scenario in library() {
            let text = text(&scenario.name).expect("it is in the library");
            match refused(&scenario, text) {
                Ok(()) => done += 1,
                Err(bad) => {
                    let lost = bad.problems.iter().find(|it| it.at.is_empty());
                    assert!(lost.is_none(), "{}: {lost:?}", scenario.name);
                }
            }
        }
        assert!(done > 20, "{done} scenarios can be done by a proxy");
    }
}
