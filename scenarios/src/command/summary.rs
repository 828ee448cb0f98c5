//! What became of many runs: a few lines for people, and a file for programs and for the next time.

use super::exit::Failure;
use super::files;
use super::selection::{Given, read_any_one};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::Plan;
use squall_guarantees::counted;
use squall_reports::{Engine, Exploration, Judged, Outcome, document};
use std::path::Path;

/// The name of the file.
pub(super) const NAME: &str = "summary.json";

/// What became of many runs, in the order in which they were requested.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
pub(super) struct Summed {
    runs: Vec<Run>,
}

/// What became of a run.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Run {
    /// The scenario's name.
    scenario: String,
    /// Its name on the command line.
    source: String,
    seed: u64,
    engine: Engine,
    /// None if Squall itself failed.
    outcome: Option<Outcome>,
}

impl Summed {
    /// Adds a run.
    pub(super) fn add(&mut self, judged: &Judged, source: &str) {
        let record = &judged.record;
        self.runs.push(Run {
            scenario: record.scenario.clone(),
            source: source.to_owned(),
            seed: record.seed,
            engine: record.engine,
            outcome: Some(judged.outcome),
        });
    }

    /// Adds a run that did not finish.
    pub(super) fn add_failure(&mut self, plan: &Plan) {
        self.runs.push(Run {
            scenario: plan.scenario.clone(),
            source: plan.source.clone(),
            seed: plan.seed,
            engine: plan.engine,
            outcome: None,
        });
    }

    /// Adds many runs of a scenario: the first of each finding, or that all of them together are as
    /// expected. A weakness that shows in most of them need not show in each.
    pub(super) fn add_exploration(&mut self, exploration: &Exploration, source: &str) {
        let run = |seed, outcome| Run {
            scenario: exploration.scenario.clone(),
            source: source.to_owned(),
            seed,
            engine: exploration.engine,
            outcome: Some(outcome),
        };
        let is_as_expected = exploration.outcome == Outcome::AsExpected;
        if is_as_expected || exploration.findings.is_empty() {
            self.runs.push(run(1, exploration.outcome));
            return;
        }
        let findings = exploration.findings.iter();
        self.runs
            .extend(findings.map(|it| run(it.first.seed, it.outcome)));
    }

    /// How many were as expected, and which were not.
    pub(super) fn text(&self, whereabouts: &str) -> String {
        let of = |outcome| self.runs.iter().filter(move |run| run.outcome == outcome);
        let as_expected = of(Some(Outcome::AsExpected)).count();
        let all = counted(self.runs.len() as u64, "run");
        let mut text = format!("{as_expected} of {all} as expected{whereabouts}");
        for (outcome, words) in [
            (Some(Outcome::NotAsExpected), "not as expected"),
            (Some(Outcome::NotExercised), "not exercised"),
            (Some(Outcome::NothingExpected), "nothing expected"),
            (None, "did not come to its end"),
        ] {
            let names: Vec<String> = of(outcome).map(Run::words).collect();
            if !names.is_empty() {
                text += &format!("\n  {words}: {}", names.join(", "));
            }
        }
        text
    }

    /// For programs.
    pub(super) fn json(&self) -> String {
        document::write(self)
    }
}

impl Run {
    fn words(&self) -> String {
        match self.seed {
            1 => self.scenario.clone(),
            seed => format!("{} (seed {seed})", self.scenario),
        }
    }
}

/// What was not as expected when the reports in this directory were written, with seed and engine.
///
/// # Errors
/// If there is no summary, or the summary or anything it names cannot be read.
pub(super) fn what_failed(directory: &Path) -> Result<Vec<(Given, u64, Engine)>, Failure> {
    let path = directory.join(NAME);
    let name = path.display();
    let text = files::read_text(&path, files::DOCUMENT_MAX).map_err(|error| {
        Failure::new(format!(
            "{name} cannot be read: {error}\n  `squall run --all`, or any `squall run` with `--out`, writes it."
        ))
    })?;
    let summed: Summed = serde_json::from_str(&text).map_err(|error| {
        Failure::new(format!(
            "{name} is not what `squall run --out` of this version writes: {error}"
        ))
    })?;
    let failed = summed.runs.into_iter();
    let failed = failed.filter(|run| run.outcome != Some(Outcome::AsExpected));
    failed
        .map(|run| Ok((read_any_one(&run.source)?, run.seed, run.engine)))
        .collect()
}
