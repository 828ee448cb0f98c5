//! Many runs of one scenario with different seeds, summed up: which guarantee was violated how
//! often, first with which seed, and what went wrong together.
//!
//! The result does not depend on the order in which the runs ended. It says nothing about how fast
//! they were: the same seeds give the same report.

use crate::document;
use crate::markdown::{inline, sign};
use crate::text::{line, paragraph, styled, title};
use crate::{Engine, Expected, InjectedFault, Judged, Judgement, Outcome, Sight, Styles};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use squall_guarantees::{Guarantee, Verdict, counted, natural};
use std::collections::{BTreeMap, BTreeSet};

/// What an exploration keeps of one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// The run's seed.
    pub seed: u64,
    /// The command that repeats the run.
    pub command: String,
    /// Whether the run went as expected.
    pub outcome: Outcome,
    /// The verdicts.
    pub judgements: Vec<Judgement>,
    /// The machines that panicked, with the first line of what they said.
    pub panics: Vec<String>,
    /// The faults, in the order of their labels.
    pub faults: BTreeMap<String, Struck>,
    /// What the run was meant to show, and did not.
    pub unseen: BTreeSet<Sight>,
}

/// What became of a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Struck {
    /// What it was, in words.
    pub what: String,
    /// How often it struck; none if not counted.
    pub hits: Option<u64>,
}

impl Summary {
    /// Keeps what an exploration needs, and drops the history.
    pub fn of(judged: &Judged) -> Self {
        let panics = judged.record.panics.iter().map(|panic| {
            format!(
                "{}: {}",
                panic.machine,
                panic.message.lines().next().unwrap_or_default()
            )
        });
        let faults = judged.record.faults.iter().map(|fault| {
            let InjectedFault {
                label, what, hits, ..
            } = fault.clone();
            (label, Struck { what, hits })
        });
        Summary {
            unseen: judged.record.unseen().collect(),
            faults: faults.collect(),
            seed: judged.record.seed,
            command: judged.record.command.clone(),
            outcome: judged.outcome,
            judgements: judged.judgements.clone(),
            panics: panics.collect(),
        }
    }
}

impl Summary {
    fn expects_nothing(&self) -> bool {
        !self.judgements.iter().any(Judgement::is_named)
    }

    /// The verdicts that make the outcome what it is.
    fn unexpected(&self) -> impl Iterator<Item = &Judgement> {
        let judgements = self.judgements.iter();
        judgements.filter(|it| it.outcome() == self.outcome)
    }

    /// What is wrong with the run, in words; empty if it is as expected.
    pub(crate) fn what(&self) -> Vec<String> {
        if self.outcome == Outcome::AsExpected {
            return Vec::new();
        }
        self.unexpected()
            .map(|this| format!("{} {}", this.guarantee, this.verdict.word()))
            .chain(self.panics.iter().map(|panic| format!("panic on {panic}")))
            .chain(self.shown_nothing())
            .chain((self.outcome == Outcome::NothingExpected).then(|| self.outcome.to_string()))
            .collect()
    }

    /// Each fault that struck nothing and each sight that was not seen, if the outcome is about
    /// them.
    fn shown_nothing(&self) -> impl Iterator<Item = String> {
        let is_idle =
            |fault: &Struck| self.outcome == Outcome::NotExercised && fault.hits == Some(0);
        let idle = in_order(&self.faults).into_iter();
        let idle = idle.filter(move |(_, fault)| is_idle(fault));
        let unseen = self.unseen.iter();
        let unseen = unseen.filter(|_| self.outcome == Outcome::NotExercised);
        idle.map(|(label, _)| format!("{label} struck nothing"))
            .chain(unseen.map(|sight| format!("no {sight}")))
    }
}

/// Many runs of one scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Exploration {
    /// The scenario's name.
    pub scenario: String,
    /// The engine that simulated the runs.
    pub engine: Engine,
    /// Guarantees that must hold must never be violated, and must be exercised in at least one run;
    /// those that must be violated must be seen to be, in at least one run; and no machine may
    /// panic.
    pub outcome: Outcome,
    /// How many runs there were.
    pub runs: u64,
    /// How many of them went as expected.
    pub as_expected: u64,
    /// What went wrong, in groups: the most severe first, then the most frequent.
    pub findings: Vec<Finding>,
    /// The verdicts per guarantee, in the order of [`Guarantee::ALL`].
    pub guarantees: Vec<Tally>,
    /// The faults that struck nothing in any run: by label, what they were in the first run.
    pub idle_faults: BTreeMap<String, String>,
    /// What the runs were meant to show, and none did.
    pub unseen: BTreeSet<Sight>,
}

/// Runs in which the same things differed from what was expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// Their outcome.
    pub outcome: Outcome,
    /// What was wrong: `exactly-once violated`, or a panic with its machine and message.
    pub what: Vec<String>,
    /// How many runs.
    pub runs: u64,
    /// The run with the smallest seed.
    pub first: First,
}

/// The first run of a group, by seed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct First {
    /// Its seed.
    pub seed: u64,
    /// The command that repeats it.
    pub command: String,
    /// What shows the violation in this run; empty if the finding is of another kind.
    pub evidence: String,
}

/// The verdicts on one guarantee in all runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Tally {
    /// The guarantee.
    pub guarantee: Guarantee,
    /// What the scenario expects of it; none if the scenario does not name it.
    pub expected: Option<Expected>,
    /// In how many runs it held.
    pub held: u64,
    /// In how many runs it was violated.
    pub violated: u64,
    /// In how many runs it was not exercised.
    pub not_exercised: u64,
    /// The smallest seed with a violation.
    pub first_violated: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
struct Document<'a> {
    exploration: &'a Exploration,
}

impl Exploration {
    /// Sums up the runs of a scenario on an engine.
    pub fn new(scenario: impl Into<String>, engine: Engine, mut runs: Vec<Summary>) -> Self {
        runs.sort_by_key(|run| run.seed);
        let as_expected = runs
            .iter()
            .filter(|run| run.outcome == Outcome::AsExpected)
            .count();
        let guarantees = Guarantee::ALL.map(|guarantee| Tally::new(guarantee, runs.iter()));
        let idle_faults = idle_faults(&runs);
        let unseen = runs.iter().map(|run| run.unseen.clone());
        let unseen = unseen.reduce(|all, run| &all & &run).unwrap_or_default();
        let expects_nothing = |run: &Summary| run.expects_nothing();
        let of_scenario = runs.iter().any(expects_nothing);
        let of_scenario = of_scenario.then_some(Outcome::NothingExpected);
        let of_panics = match runs.iter().all(|run| run.panics.is_empty()) {
            true => Outcome::AsExpected,
            false => Outcome::NotAsExpected,
        };
        Exploration {
            scenario: scenario.into(),
            engine,
            outcome: guarantees
                .iter()
                .map(Tally::outcome)
                .chain(idle_faults.keys().map(|_| Outcome::NotExercised))
                .chain(unseen.iter().map(|_| Outcome::NotExercised))
                .chain(of_scenario)
                .fold(of_panics, Outcome::max),
            idle_faults,
            unseen,
            runs: runs.len() as u64,
            as_expected: as_expected as u64,
            findings: findings(&runs),
            guarantees: guarantees.to_vec(),
        }
    }

    /// For the terminal.
    pub fn text(&self, styles: &Styles) -> String {
        let mut text = String::new();
        let scenario = styled(styles.heading, &self.scenario);
        let outcome = styled(styles.of_outcome(self.outcome), self.outcome);
        let (runs, as_expected) = (counted(self.runs, "run"), self.as_expected);
        line(
            &mut text,
            format_args!(
                "{scenario}: {outcome}, {runs}{}, {as_expected} as expected",
                self.engine.aside()
            ),
        );
        for (label, what) in in_order(&self.idle_faults) {
            let told = format!("{label} struck nothing in any run: {what}");
            line(&mut text, format_args!("{}", styled(styles.unsure, told)));
        }
        for sight in &self.unseen {
            let told = format!("the runs are to show {sight}, and there were none");
            line(&mut text, format_args!("{}", styled(styles.unsure, told)));
        }
        if !self.findings.is_empty() {
            title(&mut text, "Findings", styles);
        }
        for Finding {
            outcome,
            what,
            runs,
            first,
        } in &self.findings
        {
            let what = styled(styles.of_outcome(*outcome), what.join(", "));
            let runs = counted(*runs, "run");
            line(
                &mut text,
                format_args!("  {what}: {runs}, first with seed {}", first.seed),
            );
            line(
                &mut text,
                format_args!("      repeat with: {}", first.command),
            );
            if !first.evidence.is_empty() {
                paragraph(&mut text, &first.evidence, 6, styles);
            }
        }
        title(&mut text, "Guarantees", styles);
        let columns = ["held", "violated", "not exercised", "first violated"];
        let [held, violated, not_exercised, first] = columns;
        line(
            &mut text,
            format_args!(
                "  {:<24}{held:>8}{violated:>12}{not_exercised:>16}    {first}",
                ""
            ),
        );
        for tally in &self.guarantees {
            let Tally {
                guarantee,
                held,
                violated,
                not_exercised,
                first_violated,
                ..
            } = tally;
            let row = format!("  {guarantee:<24}{held:>8}{violated:>12}{not_exercised:>16}");
            match first_violated {
                Some(seed) => line(&mut text, format_args!("{row}    seed {seed}")),
                None => line(&mut text, format_args!("{row}")),
            }
        }
        text
    }

    /// For programs: a document with the version of [`json`](crate::json) and this type's fields.
    pub fn json(&self) -> String {
        document::write(Document { exploration: self })
    }

    /// The JSON Schema of that document.
    pub fn schema() -> Value {
        document::schema::<Document<'_>>(
            "What `squall run --seeds N --format json` prints for each scenario: many runs, summed up.",
        )
    }

    /// For the summary page of a continuous-integration job; shows at most 20 findings.
    pub fn markdown(&self) -> String {
        const FINDINGS_MAX: usize = 20;
        let mut text = String::new();
        let (sign, scenario, outcome) = (sign(self.outcome), inline(&self.scenario), self.outcome);
        let (runs, as_expected) = (counted(self.runs, "run"), self.as_expected);
        line(&mut text, format_args!("## {sign} {scenario}: {outcome}\n"));
        line(
            &mut text,
            format_args!(
                "{runs}{}, {as_expected} as expected.\n",
                self.engine.aside()
            ),
        );
        for (label, what) in in_order(&self.idle_faults) {
            let what = inline(what);
            line(
                &mut text,
                format_args!("- **{label} struck nothing in any run**: {what}"),
            );
        }
        for Finding {
            what, runs, first, ..
        } in self.findings.iter().take(FINDINGS_MAX)
        {
            let (what, runs) = (inline(&what.join(", ")), counted(*runs, "run"));
            line(
                &mut text,
                format_args!("- **{what}**: {runs}, first with seed {}", first.seed),
            );
            line(
                &mut text,
                format_args!("  - repeat with `{}`", inline(&first.command)),
            );
            if !first.evidence.is_empty() {
                line(&mut text, format_args!("  - {}", inline(&first.evidence)));
            }
        }
        if self.findings.len() > FINDINGS_MAX {
            line(
                &mut text,
                format_args!("- {} more", self.findings.len() - FINDINGS_MAX),
            );
        }
        let header = "| guarantee | held | violated | not exercised | first violated |";
        line(
            &mut text,
            format_args!("\n{header}\n|---|---:|---:|---:|---|"),
        );
        for tally in &self.guarantees {
            let Tally {
                guarantee,
                held,
                violated,
                not_exercised,
                first_violated,
                ..
            } = tally;
            let first = first_violated
                .map(|seed| format!("seed {seed}"))
                .unwrap_or_default();
            line(
                &mut text,
                format_args!("| {guarantee} | {held} | {violated} | {not_exercised} | {first} |"),
            );
        }
        text
    }
}

impl Tally {
    /// Whether any run has put the guarantee to the test.
    pub(crate) fn is_exercised(&self) -> bool {
        self.held + self.violated > 0
    }

    /// Counts the verdicts on the guarantee in runs that are ascending by seed.
    pub(crate) fn new<'a>(guarantee: Guarantee, runs: impl Iterator<Item = &'a Summary>) -> Self {
        let mut tally = Tally {
            guarantee,
            expected: None,
            held: 0,
            violated: 0,
            not_exercised: 0,
            first_violated: None,
        };
        for run in runs {
            let mut judgements = run.judgements.iter();
            let Some(judgement) = judgements.find(|this| this.guarantee == guarantee) else {
                continue;
            };
            tally.expected = judgement.expected;
            match judgement.verdict {
                Verdict::Held(_) => tally.held += 1,
                Verdict::NotExercised(_) => tally.not_exercised += 1,
                Verdict::Violated(_) => {
                    tally.violated += 1;
                    tally.first_violated.get_or_insert(run.seed);
                }
            }
        }
        tally
    }

    pub(crate) fn outcome(&self) -> Outcome {
        match (self.expected, self.held, self.violated) {
            (Some(Expected::Anything), ..) => Outcome::AsExpected,
            (None | Some(Expected::Held), _, 1..) => Outcome::NotAsExpected,
            (Some(_), 0, 0) => Outcome::NotExercised,
            (Some(Expected::Violated), _, 0) => Outcome::NotAsExpected,
            _ => Outcome::AsExpected,
        }
    }
}

/// The faults that struck nothing in any of the runs.
fn idle_faults(runs: &[Summary]) -> BTreeMap<String, String> {
    let mut idle = BTreeMap::new();
    for (label, fault) in runs.iter().flat_map(|run| &run.faults) {
        idle.entry(label.clone())
            .or_insert_with(|| (fault.what.clone(), true))
            .1 &= fault.hits == Some(0);
    }
    idle.retain(|_, (_, idle)| *idle);
    (idle.into_iter())
        .map(|(label, (what, _))| (label, what))
        .collect()
}

/// Fault 2 before fault 10.
fn in_order<T>(faults: &BTreeMap<String, T>) -> Vec<(&String, &T)> {
    let mut faults: Vec<_> = faults.iter().collect();
    faults.sort_by(|(one, _), (other, _)| natural(one, other));
    faults
}

/// Groups the runs that were not as expected. The runs are ascending by seed.
fn findings(runs: &[Summary]) -> Vec<Finding> {
    let mut groups: BTreeMap<(Outcome, Vec<String>), Finding> = BTreeMap::new();
    for run in runs.iter().filter(|run| run.outcome != Outcome::AsExpected) {
        let what = run.what();
        let finding = groups
            .entry((run.outcome, what.clone()))
            .or_insert_with(|| Finding {
                outcome: run.outcome,
                what,
                runs: 0,
                first: First {
                    seed: run.seed,
                    command: run.command.clone(),
                    evidence: (run.unexpected())
                        .map(Judgement::grounds)
                        .next()
                        .unwrap_or_default(),
                },
            });
        finding.runs += 1;
    }
    let mut findings: Vec<Finding> = groups.into_values().collect();
    findings.sort_by_key(|finding| {
        (
            std::cmp::Reverse((finding.outcome, finding.runs)),
            finding.first.seed,
        )
    });
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Expectation;
    use crate::Expected::{Either, Held, Violated};
    use crate::testing::{is_reviewed, judged, record};

    /// Seeds 4, 3, 2, 1: two violations, one run that does not exercise detection, one good run.
    fn exploration() -> Exploration {
        let run = |seed| {
            let mut record = record();
            record.seed = seed;
            record.command = format!("squall run example --seed {seed}");
            let held = |guarantee| Expectation {
                guarantee,
                expected: Expected::Held,
            };
            record.expectations = match seed {
                1 => vec![held(Guarantee::Ordering)],
                2 => vec![held(Guarantee::Reconnection), held(Guarantee::Detection)],
                _ => vec![held(Guarantee::AtMostOnce)],
            };
            if seed == 2 {
                record.history.silences.clear();
            }
            Summary::of(&judged(record))
        };
        let runs = vec![run(4), run(3), run(2), run(1)];
        let mut exploration = Exploration::new("example", Engine::Native, runs);
        let tallies = &mut exploration.guarantees;
        tallies.retain(|tally| is_reviewed(tally.guarantee));
        exploration
    }

    #[test]
    fn text() {
        insta::assert_snapshot!(exploration().text(&Styles::plain()));
    }

    #[test]
    fn markdown() {
        insta::assert_snapshot!(exploration().markdown());
    }

    #[test]
    fn json() {
        crate::testing::assert_is(&exploration().json(), Exploration::schema());
        insta::assert_snapshot!(exploration().json());
    }

    #[test]
    fn nothing_explored_is_as_expected() {
        assert_eq!(
            Exploration::new("example", Engine::Native, Vec::new()).outcome,
            Outcome::AsExpected
        );
    }

    /// The outcome of a guarantee with these verdicts.
    fn outcome(expected: Option<Expected>, held: u64, violated: u64) -> Outcome {
        let tally = Tally {
            guarantee: Guarantee::Ordering,
            expected,
            held,
            violated,
            not_exercised: 1,
            first_violated: None,
        };
        tally.outcome()
    }

    #[test]
    fn what_must_hold_must_never_be_violated() {
        assert_eq!(outcome(Some(Held), 9, 0), Outcome::AsExpected);
        assert_eq!(outcome(Some(Held), 9, 1), Outcome::NotAsExpected);
    }

    #[test]
    fn what_is_not_named_must_never_be_violated() {
        assert_eq!(outcome(None, 9, 0), Outcome::AsExpected);
        assert_eq!(outcome(None, 0, 0), Outcome::AsExpected);
        assert_eq!(outcome(None, 9, 1), Outcome::NotAsExpected);
    }

    #[test]
    fn what_may_be_either_must_be_put_to_the_test() {
        assert_eq!(outcome(Some(Either), 9, 1), Outcome::AsExpected);
        assert_eq!(outcome(Some(Either), 9, 0), Outcome::AsExpected);
        assert_eq!(outcome(Some(Either), 0, 9), Outcome::AsExpected);
        assert_eq!(outcome(Some(Either), 0, 0), Outcome::NotExercised);
    }

    /// Explores example runs, like [`record`] except for the hits of their fault.
    fn with_hits(hits: &[Option<u64>]) -> Exploration {
        let run = |(hits, seed): (&Option<u64>, u64)| {
            let mut record = record();
            record.seed = seed;
            record.faults[0].hits = *hits;
            let exercised = Judged::new(record.clone()).judgements.into_iter();
            let exercised = exercised.filter(|this| this.verdict.is_exercised());
            record.expectations = exercised
                .map(|this| Expectation {
                    guarantee: this.guarantee,
                    expected: Either,
                })
                .collect();
            Summary::of(&Judged::new(record))
        };
        let runs = hits.iter().zip(1..).map(run).collect();
        Exploration::new("example", Engine::Native, runs)
    }

    #[test]
    fn a_fault_that_struck_nothing_in_any_run_is_told_and_is_no_pass() {
        let idle = with_hits(&[Some(0), Some(0)]);
        assert_eq!(idle.outcome, Outcome::NotExercised);
        assert_eq!(idle.idle_faults.keys().collect::<Vec<_>>(), ["fault 1"]);
        assert_eq!(idle.findings[0].what, ["fault 1 struck nothing"]);
        let told = "fault 1 struck nothing in any run: partition between server and bob";
        assert!(idle.text(&Styles::plain()).contains(told));
    }

    #[test]
    fn a_fault_that_struck_in_one_run_was_there() {
        for hits in [[Some(0), Some(3)], [Some(3), Some(0)], [Some(0), None]] {
            let exploration = with_hits(&hits);
            assert_eq!(exploration.outcome, Outcome::AsExpected, "{hits:?}");
            assert!(exploration.idle_faults.is_empty(), "{hits:?}");
        }
    }

    #[test]
    fn what_one_run_shows_the_exploration_shows() {
        let explored = |unseen: [&[Sight]; 2]| {
            let run = |(unseen, seed): (&[Sight], u64)| {
                let mut run = Summary::of(&Judged::new(record()));
                run.seed = seed;
                run.unseen = unseen.iter().copied().collect();
                run
            };
            let runs = unseen.into_iter().zip(1..).map(run).collect();
            Exploration::new("example", Engine::Native, runs)
        };
        let never = explored([&[Sight::GivenUp, Sight::Stops], &[Sight::GivenUp]]);
        assert_eq!(
            never.unseen.into_iter().collect::<Vec<_>>(),
            [Sight::GivenUp]
        );
        let once = explored([&[Sight::GivenUp], &[]]);
        assert!(once.unseen.is_empty());
    }

    #[test]
    fn runs_of_which_nothing_is_expected_are_no_success() {
        let mut record = record();
        record.history.events.clear();
        record.history.database.clear();
        record.history.silences.clear();
        record.expectations.clear();
        let run = Summary::of(&Judged::new(record));
        let exploration = Exploration::new("example", Engine::Native, vec![run]);
        assert_eq!(exploration.outcome, Outcome::NothingExpected);
        assert_eq!(exploration.findings[0].what, ["nothing expected"]);
    }

    #[test]
    fn what_must_be_violated_must_be_seen_once() {
        assert_eq!(outcome(Some(Violated), 9, 1), Outcome::AsExpected);
        assert_eq!(outcome(Some(Violated), 9, 0), Outcome::NotAsExpected);
    }

    #[test]
    fn what_was_never_put_to_the_test_is_no_pass() {
        assert_eq!(outcome(Some(Held), 0, 0), Outcome::NotExercised);
        assert_eq!(outcome(Some(Violated), 0, 0), Outcome::NotExercised);
    }
}
