//! Planted bugs: variants of the chat that each break one thing, and the named scenarios that must
//! bring them to light. A checker that never fails proves nothing.

use crate::library;
use crate::planted::PlantedBug;
use crate::systems::SYSTEMS;
use squall::RunError;
use squall::Scenario;
use squall_guarantees::{Guarantee, Verdict, check};
use squall_reports::Expected;
use toml::Table;

/// What came of the hunt for a bug.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// The bug.
    pub planted: PlantedBug,
    /// The first seed with which it was caught, and by what.
    pub caught: Option<Caught>,
    /// What the correct chat violated with the same seeds: it should be nothing.
    pub false_alarms: Vec<(u64, Guarantee)>,
}

/// A bug that was caught.
#[derive(Clone, Debug)]
pub struct Caught {
    /// The first seed.
    pub seed: u64,
    /// How its guarantee was violated, in words.
    pub evidence: String,
}

impl Hunt {
    /// Whether the bug was caught, and nothing else.
    pub fn succeeded(&self) -> bool {
        self.caught.is_some() && self.false_alarms.is_empty()
    }
}

/// Plays a bug's scenario with the seeds from 1 to `seeds`, with the bug and without it, until its
/// guarantee is violated.
///
/// # Errors
/// If a run cannot come to its end.
///
/// # Panics
/// If the bug's scenario is not in the library, which a test rules out.
pub fn hunt(planted: PlantedBug, seeds: u64) -> Result<Hunt, RunError> {
    let name = planted.scenario;
    let text = library::text(name).unwrap_or_else(|| panic!("there is no scenario {name}"));
    let (correct, buggy) = (read(name, text), read(name, &with_bug(text, planted.name)));
    let (mut caught, mut false_alarms) = (None, Vec::new());
    for seed in 1..=seeds {
        let expected = |guarantee| guarantee == planted.guarantee || must_hold(&correct, guarantee);
        for (guarantee, _) in violations(&correct, seed)? {
            if expected(guarantee) {
                false_alarms.push((seed, guarantee));
            }
        }
        let violated = violations(&buggy, seed)?.into_iter();
        caught = (violated.into_iter())
            .find(|(guarantee, _)| *guarantee == planted.guarantee)
            .map(|(_, evidence)| Caught { seed, evidence });
        if caught.is_some() {
            break;
        }
    }
    Ok(Hunt {
        planted,
        caught,
        false_alarms,
    })
}

/// The scenario's text with a bug in its chat.
fn with_bug(text: &str, bug: &str) -> String {
    let mut file: Table = text.parse().expect("a named scenario is TOML");
    let chat = file.entry("chat").or_insert_with(|| Table::new().into());
    let chat = chat.as_table_mut().expect("`chat` is a table");
    chat.insert("bug".to_owned(), bug.into());
    file.to_string()
}

fn read(name: &str, text: &str) -> Scenario {
    let scenario = Scenario::parse(name, text, SYSTEMS);
    scenario.unwrap_or_else(|bad| panic!("{bad}: {:?}", bad.problems))
}

/// Whether a violation is a finding: of what the scenario names as held, or does not name.
fn must_hold(scenario: &Scenario, guarantee: Guarantee) -> bool {
    let mut expectations = scenario.expect.iter();
    let expected = expectations.find(|(named, _)| *named == guarantee);
    matches!(expected, None | Some((_, Expected::Held)))
}

/// The guarantees that a run violates, and how.
fn violations(scenario: &Scenario, seed: u64) -> Result<Vec<(Guarantee, String)>, RunError> {
    let record = squall::run(&scenario.plan(seed))?;
    let violated = check(&record.history).into_iter();
    Ok(violated
        .filter_map(|(guarantee, verdict)| match verdict {
            Verdict::Violated(violation) => Some((guarantee, violation.to_string())),
            _ => None,
        })
        .collect())
}
