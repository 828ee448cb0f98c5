//! The same runs of a scenario on both engines, side by side: does a verdict rest on the simulator?
//!
//! Engines must agree on whether a guarantee held or was violated, and on whether a machine
//! panicked. A guarantee that one engine never exercised is reported, but is no contradiction: with
//! the same seed, the engines lose and delay different packets. For the same reason digests are not
//! compared. And a race that is decided within a tick may be won with one seed on one engine and
//! with another seed on the other: where a scenario does not promise that a guarantee holds, it is
//! enough that both engines see it violated.

use crate::document;
use crate::text::{line, paragraph, styled, title};
use crate::{Case, Engine, Expected, Judgement, Styles, Summary, Tally};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use squall_guarantees::{Guarantee, Verdict, counted};
use std::collections::BTreeMap;
use std::time::Duration;

/// The same seeds of one scenario on both engines.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Comparison {
    /// The scenario's name.
    pub scenario: String,
    /// How many seeds were run on both engines.
    pub seeds: u64,
    /// Whether the verdicts agree; a difference in exercise or in a race does not count.
    pub agree: bool,
    /// Where the engines differ: verdicts first, then races and exercise, each in the order of
    /// [`Guarantee::ALL`].
    pub differences: Vec<Difference>,
    /// The verdicts per guarantee, in the order of [`Guarantee::ALL`].
    pub guarantees: Both<Vec<Tally>>,
    /// What the runs cost. The only part that varies from one time to the next.
    pub cost: Both<Cost>,
}

/// One of something for each engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Both<T> {
    /// For the native engine.
    pub native: T,
    /// For turmoil.
    pub turmoil: T,
}

/// Something on which the engines disagree with some seeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Difference {
    /// In which way.
    pub differs: Differs,
    /// What it concerns: a guarantee's name, or `no-panic`.
    pub what: String,
    /// With how many seeds.
    pub seeds: u64,
    /// The smallest of these seeds.
    pub first_seed: u64,
    /// What the engines say with that seed.
    pub first: Both<Statement>,
}

/// In which way two verdicts differ. The worse is the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Differs {
    /// Held on one engine, violated on the other.
    Verdict,
    /// The same, but with other seeds both engines see it violated, and the scenario does not
    /// expect it to hold.
    Race,
    /// Held or violated on one engine, not exercised on the other.
    Exercise,
}

/// What a comparison needs of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measured {
    /// What it showed.
    pub summary: Summary,
    /// The real time from the start of the run to its record.
    pub wall: Duration,
    /// The virtual time that passed in it.
    pub simulated: Duration,
}

/// What an engine reports for one run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Statement {
    /// The verdict with what it rests on, in words.
    pub says: String,
    /// The command that repeats the run.
    pub command: String,
}

/// What runs cost on one engine.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Cost {
    /// Real seconds from a run's start to its record. Concurrent runs slow each other down.
    pub wall_seconds_per_run: f64,
    /// Virtual seconds that pass per real second.
    pub simulated_seconds_per_real_second: f64,
}

#[derive(Serialize, JsonSchema)]
struct Document<'a> {
    comparison: &'a Comparison,
}

impl Comparison {
    /// Compares runs of a scenario, at least one on each engine; both runs of a pair have the same
    /// seed.
    pub fn new(scenario: impl Into<String>, mut runs: Vec<Both<Measured>>) -> Self {
        runs.sort_by_key(|pair| pair.native.summary.seed);
        let native = runs.iter().map(|pair| &pair.native);
        let turmoil = runs.iter().map(|pair| &pair.turmoil);
        let guarantees = Both {
            native: tallies(native.clone()),
            turmoil: tallies(turmoil.clone()),
        };
        let differences = differences(&runs, &guarantees);
        let in_verdict = |this: &Difference| this.differs == Differs::Verdict;
        Comparison {
            scenario: scenario.into(),
            seeds: runs.len() as u64,
            agree: !differences.iter().any(in_verdict),
            differences,
            guarantees,
            cost: Both {
                native: Cost::of(native),
                turmoil: Cost::of(turmoil),
            },
        }
    }

    /// For test runners: a case for each guarantee that was put to the test.
    pub fn cases(&self) -> Vec<Case> {
        let mut cases: Vec<Case> = Vec::new();
        for (native, turmoil) in self.guarantees.native.iter().zip(&self.guarantees.turmoil) {
            if native.is_exercised() || turmoil.is_exercised() {
                cases.push(Case::passed(&*self.scenario, native.guarantee.to_string()));
            }
        }
        let differences = self.differences.iter();
        for it in differences.filter(|it| it.differs == Differs::Verdict) {
            let place = cases.iter().position(|case| case.name == it.what);
            let case = place.map(|place| cases.remove(place));
            let case = case.unwrap_or_else(|| Case::passed(&*self.scenario, &*it.what));
            let first = [&it.first.native, &it.first.turmoil];
            let first = first.map(|it| format!("{}\n{}", it.says, it.command));
            let message = format!("the engines differ with {}", counted(it.seeds, "seed"));
            cases.push(case.failed(message, first.join("\n")));
        }
        cases
    }

    /// For the terminal.
    pub fn text(&self, styles: &Styles) -> String {
        let mut text = String::new();
        let scenario = styled(styles.heading, &self.scenario);
        let agreement = match self.agree {
            true => styled(styles.good, "the engines agree"),
            false => styled(styles.bad, "the engines do not agree"),
        };
        let seeds = counted(self.seeds, "seed");
        line(
            &mut text,
            format_args!("{scenario}: {agreement}, {seeds} on each"),
        );
        self.table(&mut text, styles);
        if !self.differences.is_empty() {
            title(&mut text, "Differences", styles);
        }
        for difference in &self.differences {
            difference.text(&mut text, styles);
        }
        let columns = ["real seconds per run", "simulated seconds per real second"];
        let [wall, speed] = columns;
        title(
            &mut text,
            &format!("{:<10}{wall:>24}{speed:>38}", "Cost"),
            styles,
        );
        for (engine, cost) in self.cost.named() {
            let Cost {
                wall_seconds_per_run: wall,
                simulated_seconds_per_real_second: speed,
            } = cost;
            line(
                &mut text,
                format_args!("  {engine:<8}{wall:>24.4}{speed:>38.0}"),
            );
        }
        text
    }

    fn table(&self, text: &mut String, styles: &Styles) {
        let [native, turmoil] = self.guarantees.named().map(|(engine, _)| engine);
        title(
            text,
            &format!("{:<26}{native:>33}{turmoil:>33}", "Guarantees"),
            styles,
        );
        let columns = format!("{:>8}{:>10}{:>15}", "held", "violated", "not exercised");
        line(text, format_args!("{:<26}{columns}{columns}", ""));
        let counts = |tally: &Tally| {
            format!(
                "{:>8}{:>10}{:>15}",
                tally.held, tally.violated, tally.not_exercised
            )
        };
        let Both { native, turmoil } = &self.guarantees;
        for (native, turmoil) in native.iter().zip(turmoil) {
            let name = native.guarantee.to_string();
            let mut differences = self.differences.iter();
            let mark = differences
                .find(|difference| difference.what == name)
                .map_or(' ', |difference| difference.differs.mark());
            let (native, turmoil) = (counts(native), counts(turmoil));
            line(text, format_args!("{mark} {name:<24}{native}{turmoil}"));
        }
    }

    /// For programs: a document with the version of [`json`](crate::json) and this type's fields.
    pub fn json(&self) -> String {
        document::write(Document { comparison: self })
    }

    /// The JSON Schema of that document.
    pub fn schema() -> Value {
        document::schema::<Document<'_>>(
            "What `squall compare-engines --format json` prints for each scenario: the same runs on both engines.",
        )
    }
}

impl<T> Both<T> {
    fn named(&self) -> [(Engine, &T); 2] {
        [
            (Engine::Native, &self.native),
            (Engine::Turmoil, &self.turmoil),
        ]
    }
}

impl Differs {
    fn mark(self) -> char {
        match self {
            Differs::Verdict => '!',
            Differs::Race => '~',
            Differs::Exercise => '?',
        }
    }
}

impl Difference {
    fn text(&self, text: &mut String, styles: &Styles) {
        let (style, differs) = match self.differs {
            Differs::Verdict => (styles.bad, "verdict differs"),
            Differs::Race => (styles.unsure, "race falls otherwise"),
            Differs::Exercise => (styles.unsure, "exercise differs"),
        };
        let (mark, what) = (self.differs.mark(), &self.what);
        let what = styled(style, format_args!("{what}: {differs}"));
        let (seeds, first) = (counted(self.seeds, "seed"), self.first_seed);
        line(
            text,
            format_args!("{mark} {what} with {seeds}, first with seed {first}"),
        );
        for (engine, Statement { says, command }) in self.first.named() {
            paragraph(text, &format!("{engine}: {says}"), 6, styles);
            line(text, format_args!("        repeat with: {command}"));
        }
    }
}

impl Cost {
    /// The cost of all these runs, of which there is at least one.
    fn of<'a>(runs: impl Iterator<Item = &'a Measured> + Clone) -> Self {
        let wall: Duration = runs.clone().map(|run| run.wall).sum();
        let simulated: Duration = runs.clone().map(|run| run.simulated).sum();
        Cost {
            wall_seconds_per_run: wall.as_secs_f64() / runs.count() as f64,
            simulated_seconds_per_real_second: simulated.as_secs_f64() / wall.as_secs_f64(),
        }
    }
}

fn tallies<'a>(runs: impl Iterator<Item = &'a Measured> + Clone) -> Vec<Tally> {
    let summaries = runs.map(|run| &run.summary);
    let tallies = Guarantee::ALL.map(|guarantee| Tally::new(guarantee, summaries.clone()));
    tallies.to_vec()
}

/// Whether a violation of the guarantee is left to chance, and happens on both engines.
fn is_race(native: &Tally, turmoil: &Tally) -> bool {
    let left_open = matches!(native.expected, Some(it) if it != Expected::Held);
    left_open && native.violated > 0 && turmoil.violated > 0
}

/// Where the pairs of runs, ascending by seed, differ.
fn differences(runs: &[Both<Measured>], guarantees: &Both<Vec<Tally>>) -> Vec<Difference> {
    let tallies = guarantees.native.iter().zip(&guarantees.turmoil);
    let races: Vec<bool> = tallies
        .map(|(native, turmoil)| is_race(native, turmoil))
        .collect();
    let mut differences: BTreeMap<(Differs, usize), Difference> = BTreeMap::new();
    for pair in runs {
        let (native, turmoil) = (&pair.native.summary, &pair.turmoil.summary);
        let answers = answers(native).zip(answers(turmoil));
        for (position, (native, turmoil)) in answers.enumerate() {
            let differs = match (native.holds, turmoil.holds) {
                (native, turmoil) if native == turmoil => continue,
                // After the guarantees come the panics, which are never left to chance.
                (Some(_), Some(_)) if races.get(position) == Some(&true) => Differs::Race,
                (Some(_), Some(_)) => Differs::Verdict,
                _ => Differs::Exercise,
            };
            let difference = differences
                .entry((differs, position))
                .or_insert_with(|| Difference {
                    differs,
                    what: native.what,
                    seeds: 0,
                    first_seed: pair.native.summary.seed,
                    first: Both {
                        native: native.statement,
                        turmoil: turmoil.statement,
                    },
                });
            difference.seeds += 1;
        }
    }
    differences.into_values().collect()
}

/// What a run says about one of the things on which engines may differ.
struct Answer {
    what: String,
    /// None if it was not exercised.
    holds: Option<bool>,
    statement: Statement,
}

/// Every run's answers, always in the same order.
fn answers(run: &Summary) -> impl Iterator<Item = Answer> {
    let statement = |says| Statement {
        says,
        command: run.command.clone(),
    };
    let of_guarantee = move |judgement: &Judgement| Answer {
        what: judgement.guarantee.to_string(),
        holds: match judgement.verdict {
            Verdict::Held(_) => Some(true),
            Verdict::Violated(_) => Some(false),
            Verdict::NotExercised(_) => None,
        },
        statement: statement(format!(
            "{}, {}",
            judgement.verdict.word(),
            judgement.grounds()
        )),
    };
    let of_panics = Answer {
        what: "no-panic".to_owned(),
        holds: Some(run.panics.is_empty()),
        statement: statement(match &run.panics[..] {
            [] => "held".to_owned(),
            panics => format!("violated, panic on {}", panics.join(", ")),
        }),
    };
    let of_guarantees = run.judgements.iter().map(of_guarantee);
    of_guarantees.chain([of_panics])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Judged;
    use crate::testing::{is_reviewed, record};
    use squall_guarantees::{Asked, Exercise, check};

    /// The hand-made run with this verdict on at-most-once: 30 virtual seconds.
    fn run(seed: u64, command: String, wall_ms: u64, verdict: Verdict) -> Measured {
        let mut judged = Judged::new(record());
        let mut judgements = judged.judgements.iter_mut();
        let at_most_once = judgements.find(|this| this.guarantee == Guarantee::AtMostOnce);
        at_most_once.expect("every guarantee").verdict = verdict;
        Measured {
            summary: Summary {
                seed,
                command,
                ..Summary::of(&judged)
            },
            wall: Duration::from_millis(wall_ms),
            simulated: judged.record.duration,
        }
    }

    fn pair(seed: u64, native: Verdict, turmoil: Verdict) -> Both<Measured> {
        let command = format!("squall run example --seed {seed}");
        let on_turmoil = format!("{command} --engine turmoil");
        Both {
            native: run(seed, command, 4, native),
            turmoil: run(seed, on_turmoil, 250, turmoil),
        }
    }

    fn held() -> Verdict {
        Verdict::Held(Exercise {
            count: 5,
            what: "5 deliveries to 2 receivers".to_owned(),
            asked: Asked::default(),
        })
    }

    /// What the checker says about the hand-made run.
    fn violated() -> Verdict {
        let verdicts = check(&record().history).into_iter();
        let mut at_most_once = verdicts.filter(|(this, _)| *this == Guarantee::AtMostOnce);
        at_most_once.next().expect("every guarantee").1
    }

    fn compare(runs: Vec<Both<Measured>>) -> Comparison {
        Comparison::new("example", runs)
    }

    /// Seeds 4, 3, 2, 1: two differences in the verdict, one in exercise with a panic, none.
    fn comparison() -> Comparison {
        let mut panicked = pair(2, held(), Verdict::NotExercised(Asked::default()));
        panicked.turmoil.summary.panics = vec!["server: index out of bounds".to_owned()];
        let mut comparison = compare(vec![
            pair(4, violated(), held()),
            pair(3, held(), violated()),
            panicked,
            pair(1, violated(), violated()),
        ]);
        let Both { native, turmoil } = &mut comparison.guarantees;
        for tallies in [native, turmoil] {
            tallies.retain(|tally| is_reviewed(tally.guarantee));
        }
        comparison
    }

    #[test]
    fn text() {
        insta::assert_snapshot!(comparison().text(&Styles::plain()));
    }

    #[test]
    fn json() {
        crate::testing::assert_is(&comparison().json(), Comparison::schema());
        insta::assert_snapshot!(comparison().json());
    }

    #[test]
    fn engines_agree_unless_one_says_held_and_the_other_violated() {
        let none = || Verdict::NotExercised(Asked::default());
        let table = [
            (held(), held(), None),
            (violated(), violated(), None),
            (none(), none(), None),
            (held(), violated(), Some(Differs::Verdict)),
            (violated(), held(), Some(Differs::Verdict)),
            (held(), none(), Some(Differs::Exercise)),
            (none(), violated(), Some(Differs::Exercise)),
        ];
        for (native, turmoil, expected) in table {
            let words = (native.word(), turmoil.word());
            let comparison = compare(vec![pair(1, native, turmoil)]);
            let differs = comparison.differences.first().map(|first| first.differs);
            assert_eq!(differs, expected, "{words:?}");
            let agree = expected != Some(Differs::Verdict);
            assert_eq!(comparison.agree, agree, "{words:?}");
        }
    }

    #[test]
    fn the_same_verdict_on_other_grounds_is_no_difference() {
        let more = Verdict::Held(Exercise {
            count: 9,
            what: "9 deliveries".to_owned(),
            asked: Asked::default(),
        });
        assert_eq!(compare(vec![pair(1, held(), more)]).differences, []);
    }

    #[test]
    fn a_panic_on_one_engine_only_is_a_difference() {
        let mut panicked = pair(1, held(), held());
        panicked.native.summary.panics = vec!["server: index out of bounds".to_owned()];
        let comparison = compare(vec![panicked]);
        assert!(!comparison.agree);
        assert_eq!(comparison.differences[0].what, "no-panic");
    }

    #[test]
    fn a_race_that_both_engines_see_is_no_difference_in_the_verdict_unless_it_must_not_be_lost() {
        let runs = |expected: Option<Expected>| {
            let mut runs = vec![
                pair(1, held(), violated()),
                pair(2, violated(), held()),
                pair(3, held(), held()),
            ];
            for Both { native, turmoil } in &mut runs {
                for run in [native, turmoil] {
                    let judgements = run.summary.judgements.iter_mut();
                    judgements.for_each(|this| this.expected = expected);
                }
            }
            compare(runs)
        };
        for (expected, differs) in [
            (Some(Expected::Violated), Differs::Race),
            (Some(Expected::Either), Differs::Race),
            (None, Differs::Verdict),
            (Some(Expected::Held), Differs::Verdict),
        ] {
            let comparison = runs(expected);
            assert_eq!(comparison.differences[0].differs, differs);
            assert_eq!(comparison.agree, differs == Differs::Race);
        }
        let on_one_engine = compare(vec![pair(1, violated(), held())]);
        assert!(!on_one_engine.agree);
    }

    #[test]
    fn equal_tallies_do_not_hide_that_seeds_differ() {
        let comparison = compare(vec![
            pair(1, violated(), violated()),
            pair(2, held(), violated()),
            pair(3, violated(), held()),
        ]);
        assert_eq!(comparison.guarantees.native, comparison.guarantees.turmoil);
        let difference = &comparison.differences[0];
        assert_eq!((difference.seeds, difference.first_seed), (2, 2));
    }
}
