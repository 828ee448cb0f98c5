//! A run that breaks something, as a page.

use super::failure::entries;
use super::play::Outcome;
use squall_reports::html::{Failed, Moment, Struck, of_test};

/// The page of a run, with the command that plays it again and its size in words.
pub(super) fn page(title: String, command: String, size: String, outcome: &Outcome) -> String {
    let faults = outcome.faults.iter().map(|fault| Struck {
        what: fault.what.clone(),
        from: fault.from,
        until: fault.until,
        times: fault.struck,
    });
    let story = entries(outcome).into_iter().map(|entry| Moment {
        at: entry.at,
        machine: entry.machine,
        is_wrong: entry.is_wrong(),
        words: entry.words,
    });
    let machines = outcome.observed.machines.iter();
    let drawn = outcome.drawn.iter().map(|drawn| {
        let (value, least) = (drawn.value.to_string(), drawn.least.to_string());
        [drawn.label.clone(), value, least]
    });
    of_test(&Failed {
        title,
        command,
        size,
        machines: machines.map(|machine| machine.name.clone()).collect(),
        faults: faults.collect(),
        story: story.collect(),
        verdicts: outcome.verdicts.clone(),
        drawn: drawn.collect(),
    })
}
