//! What became of one run, as a line of JSON: the same fields whichever command has played it.

use crate::document;
use crate::{Engine, Outcome, Summary};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use squall_guarantees::{Guarantee, Verdict};

/// A run that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Ended<'a> {
    /// The scenario's name; of a world, what it completes.
    pub scenario: &'a str,
    /// Its seed.
    pub seed: u64,
    /// The engine that simulated it.
    pub engine: Engine,
    /// Whether it was as expected; none if it did not finish.
    pub outcome: Option<Outcome>,
    /// The guarantees that were violated, expected or not.
    pub violated: Vec<Guarantee>,
    /// What is wrong with it, in words.
    pub what: Vec<String>,
    /// The command that repeats it.
    pub command: String,
}

impl<'a> Ended<'a> {
    /// A run that came to its end.
    pub fn of(scenario: &'a str, engine: Engine, summary: &Summary) -> Self {
        let is_violated = |verdict: &Verdict| matches!(verdict, Verdict::Violated(_));
        let violated = summary.judgements.iter();
        let violated = violated.filter(|it| is_violated(&it.verdict));
        Ended {
            scenario,
            seed: summary.seed,
            engine,
            outcome: Some(summary.outcome),
            violated: violated.map(|it| it.guarantee).collect(),
            what: summary.what(),
            command: summary.command.clone(),
        }
    }

    /// The line, without a line break.
    pub fn line(&self) -> String {
        document::write_line(Document { run: self })
    }

    /// The JSON Schema of such a line.
    pub fn schema() -> Value {
        document::schema::<Document<'_>>(
            "What every command that makes runs prints with `--format jsonl`, a line for each run as it ends.",
        )
    }
}

#[derive(Serialize, JsonSchema)]
struct Document<'a> {
    run: &'a Ended<'a>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{assert_is, judged, record};

    #[test]
    fn a_run_is_one_line() {
        let summary = Summary::of(&judged(record()));
        let line = Ended::of("example", Engine::Native, &summary).line();
        assert_is(&line, Ended::schema());
        insta::assert_snapshot!(line, @r#"{"squall":1,"run":{"scenario":"example","seed":42,"engine":"native","outcome":"not-as-expected","violated":["at-most-once","at-least-once","exactly-once"],"what":["at-least-once violated","exactly-once violated"],"command":"squall run example --seed 42"}}"#);
    }
}
