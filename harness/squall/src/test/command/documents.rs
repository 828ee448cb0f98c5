//! What the command writes for programs, and the JSON Schemas of it.

use super::super::play::{Happened, Outcome};
use super::super::playing::Test;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;
use squall_guarantees::observed::Verdict;
use squall_simulator::Crash;

/// The version of the documents: the value of their first field, `squall`. It grows when a field
/// changes its meaning or is removed, not when one is added.
const VERSION: u32 = 1;

/// The tests of a project: what `list --format json` prints.
#[derive(Serialize, JsonSchema)]
pub(super) struct Tests {
    /// The version of this format. It grows when a field changes its meaning or is removed, not
    /// when one is added.
    squall: u32,
    /// In the order of the program.
    tests: Vec<Listed>,
}

#[derive(Serialize, JsonSchema)]
struct Listed {
    /// Its path in the program.
    name: String,
    /// With how many seeds `cargo test` plays it.
    seeds: u64,
}

impl Tests {
    pub(super) fn of(tests: &[&Test]) -> Self {
        let tests = tests.iter().map(|test| Listed {
            name: test.path(),
            seeds: test.seeds,
        });
        Tests {
            squall: VERSION,
            tests: tests.collect(),
        }
    }
}

/// A run of a test: a line that `run --format json` prints.
#[derive(Serialize, JsonSchema)]
pub(super) struct Run<'a> {
    /// The version of this format. It grows when a field changes its meaning or is removed, not
    /// when one is added.
    squall: u32,
    /// The test's path in the program.
    test: String,
    /// The seed that decided everything the test left open.
    seed: u64,
    /// The rolling hash over everything that happened, in hexadecimal. Missing, like what follows
    /// it, if the run ended its process.
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<String>,
    /// What went wrong on purpose.
    #[serde(skip_serializing_if = "Option::is_none")]
    faults: Option<&'a [Happened]>,
    /// What was asked, and what came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdicts: Option<Vec<Asked<'a>>>,
    /// How the run ended its process, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    crash: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Asked<'a> {
    /// The name of the guarantee.
    guarantee: &'a str,
    #[serde(flatten)]
    verdict: &'a Verdict,
}

impl<'a> Run<'a> {
    pub(super) fn of(test: &Test, seed: u64, played: &'a Result<Outcome, Crash>) -> Self {
        let outcome = played.as_ref().ok();
        let asked = |outcome: &'a Outcome| {
            let verdicts = outcome.verdicts.iter();
            verdicts
                .map(|(guarantee, verdict)| Asked { guarantee, verdict })
                .collect()
        };
        Run {
            squall: VERSION,
            test: test.path(),
            seed,
            digest: outcome.map(|it| format!("{:016x}", it.digest)),
            faults: outcome.map(|it| &*it.faults),
            verdicts: outcome.map(asked),
            crash: played.as_ref().err().map(ToString::to_string),
        }
    }
}

/// A document's JSON Schema (2020-12).
pub(super) fn schema<T: JsonSchema>() -> String {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let schema = settings.into_generator().into_root_schema_for::<T>();
    format!("{:#}", schema.to_value())
}
