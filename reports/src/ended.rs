//! What became of one run, as a line of JSON: the same fields whichever command has played it.

use crate::json::VERSION;
use crate::{Engine, Outcome, Summary};
use serde::Serialize;
use squall_guarantees::{Guarantee, Verdict};

/// A run that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
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
        #[derive(Serialize)]
        struct Document<'a> {
            squall: u32,
            run: &'a Ended<'a>,
        }
        let document = Document {
            squall: VERSION,
            run: self,
        };
        serde_json::to_string(&document).expect("our documents are valid JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{judged, record};

    #[test]
    fn a_run_is_one_line() {
        let summary = Summary::of(&judged(record()));
        insta::assert_snapshot!(Ended::of("example", Engine::Native, &summary).line(), @r#"{"squall":1,"run":{"scenario":"example","seed":42,"engine":"native","outcome":"not-as-expected","violated":["at-most-once","at-least-once","exactly-once"],"what":["at-least-once violated","exactly-once violated"],"command":"squall run example --seed 42"}}"#);
    }
}
