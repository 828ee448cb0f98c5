//! Planted bugs: variants of the chat that each break one thing, and the named scenarios that must
//! bring them to light. A checker that never fails proves nothing.

use crate::apart::{BOUNDS, Work, play_apart};
use crate::library;
use crate::planted::{PLANTED_BUGS, PlantedBug};
use crate::process::Process;
use crate::search::{self, Document, Effort, Question, Size, Yardstick};
use crate::systems::SYSTEMS;
use serde::{Deserialize, Serialize};
use squall::parallel::{self, Stop};
use squall::{Plan, RunError, Scenario};
use squall_guarantees::{Guarantee, Verdict, check};
use squall_reports::{Expected, Why};
use squall_simulator::Crash;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use toml::Table;

/// The result of the hunt for a bug.
#[derive(Clone, Debug)]
pub struct Hunt {
    /// The bug.
    pub planted: PlantedBug,
    /// The first seed with which it was caught, and by what.
    pub caught: Option<Caught>,
    /// How often the chat reached the place of the mistake, in the runs of the hunt.
    pub reached: u64,
    /// What the correct chat violated with the same seeds: should be empty.
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
/// guarantee is violated. Each seed has a separate process: a bug may do anything to it.
///
/// # Errors
/// If a run cannot finish.
///
/// # Panics
/// If the bug's scenario is not in the library, which a test rules out.
pub fn hunt(planted: PlantedBug, seeds: u64) -> Result<Hunt, RunError> {
    let hunting = Hunting {
        bug: planted.name.to_owned(),
    };
    let mut hunt = Hunt {
        planted,
        caught: None,
        reached: 0,
        false_alarms: Vec::new(),
    };
    for seed in 1..=seeds {
        for tried in play_apart(&hunting, &[seed], BOUNDS)? {
            let tried = tried.map_err(|crash| RunError::Crashed {
                scenario: planted.scenario.to_owned(),
                seed,
                crash,
            })?;
            hunt.reached += tried.reached;
            let alarms = tried.false_alarms.into_iter();
            hunt.false_alarms
                .extend(alarms.map(|guarantee| (seed, guarantee)));
            hunt.caught = tried.evidence.map(|evidence| Caught { seed, evidence });
        }
        if hunt.caught.is_some() {
            break;
        }
    }
    Ok(hunt)
}

/// The hunt for a bug, by its name.
#[derive(Serialize, Deserialize)]
struct Hunting {
    bug: String,
}

/// What came of it with one seed.
#[derive(Serialize, Deserialize)]
struct Tried {
    /// How the bug's guarantee was violated.
    evidence: Option<String>,
    /// How often the chat came to where it makes the mistake.
    reached: u64,
    /// What the correct chat violated.
    false_alarms: Vec<Guarantee>,
}

impl Work for Hunting {
    type Outcome = Result<Tried, Crash>;
    type Error = RunError;

    fn play(&self, seeds: &[u64]) -> Result<Vec<Self::Outcome>, RunError> {
        let mut all = PLANTED_BUGS.iter();
        let planted = all.find(|planted| planted.name == self.bug);
        let planted = planted.expect("a planted bug is hunted");
        let tries = seeds.iter().map(|&seed| Ok(Ok(try_with(planted, seed)?)));
        tries.collect()
    }

    fn crashed(&self, _seed: u64, crash: &Crash) -> Self::Outcome {
        Err(crash.clone())
    }
}

fn try_with(planted: &PlantedBug, seed: u64) -> Result<Tried, RunError> {
    let name = planted.scenario;
    let text = library::text(name).unwrap_or_else(|| panic!("there is no scenario {name}"));
    let (correct, buggy) = (read(name, text), read(name, &with_bug(text, planted.name)));
    let reached_before = planted.bug.reached();
    let expected = |guarantee| guarantee == planted.guarantee || must_hold(&correct, guarantee);
    let alarms = violations(&correct, seed)?.into_iter();
    let alarms = alarms.map(|(guarantee, _)| guarantee);
    let false_alarms = alarms.filter(|guarantee| expected(*guarantee)).collect();
    let mut violated = violations(&buggy, seed)?.into_iter();
    let evidence = violated.find(|(guarantee, _)| *guarantee == planted.guarantee);
    let evidence = evidence.map(|(_, evidence)| evidence);
    Ok(Tried {
        evidence,
        reached: planted.bug.reached() - reached_before,
        false_alarms,
    })
}

/// What a planted bug looks like once its run was shrunk, and the cause of its violation.
#[derive(Clone, Debug)]
pub(crate) struct Explained {
    /// The bug.
    pub(crate) planted: PlantedBug,
    /// The first seed with which it was caught.
    pub(crate) seed: u64,
    /// How large the run is.
    pub(crate) before: Size,
    /// How large the smallest run found with the same story is; none if the story is not a
    /// violation of a promise, so that nothing could be shrunk.
    pub(crate) after: Option<Size>,
    /// How many runs shrinking took, how long it took, and whether nothing was left to try.
    pub(crate) shrinking: (u64, Duration, bool),
    /// The cause of its violation.
    pub(crate) why: Why,
    /// Whether what brings the bug to light is among the causes, or in what it needs; for a bug
    /// that needs nothing, whether no cause is named.
    pub(crate) names_trigger: bool,
    /// How long it took to find that out.
    pub(crate) asking: Duration,
}

/// Shrinks the run in which a bug was caught, and finds the cause of its violation, with this many
/// other dice.
///
/// # Errors
/// If a run cannot finish.
///
/// # Panics
/// Like [`hunt`].
pub(crate) fn explain(
    planted: PlantedBug,
    seed: u64,
    longest: Duration,
    dice: u64,
    stop: &Stop,
) -> Result<Option<Explained>, RunError> {
    let name = planted.scenario;
    let text = library::text(name).unwrap_or_else(|| panic!("there is no scenario {name}"));
    let text = with_bug(text, planted.name);
    let effort = parallel::Effort {
        jobs: 1,
        longest: None,
        stop: Stop::clone(stop),
    };
    let question = Question {
        guarantee: Some(planted.guarantee),
        dice,
        packets: false,
        futures: 0,
        process: Process::OWN,
        effort: &effort,
    };
    let began = Instant::now();
    let plan = read(name, &text).plan(seed);
    let Some(why) = search::why(&plan, &question, &mut |_, _| ())?.and_then(|it| it.why) else {
        return Ok(None);
    };
    let asking = began.elapsed();
    let world = Document::parse(&text).expect("a named scenario is TOML");
    let Some(before) = Size::of(&world, seed) else {
        return Ok(None);
    };
    let began = Instant::now();
    let effort = Effort {
        jobs: 1,
        longest,
        dice: 3,
    };
    let yardstick = Yardstick::of_file(&world);
    let story = search::play(&world, seed, &yardstick).ok().flatten();
    let shrunk = story
        .and_then(|found| search::shrink(&world, seed, &found.story, &yardstick, effort, stop));
    let shrinking = shrunk.as_ref().map_or((0, true), |it| (it.plays, it.done));
    let after = shrunk.and_then(|it| Size::of(&it.world, it.seed));
    Ok(Some(Explained {
        planted,
        seed,
        before,
        after,
        shrinking: (shrinking.0, began.elapsed(), shrinking.1),
        names_trigger: names_trigger(planted, &why, &plan),
        why,
        asking,
    }))
}

fn names_trigger(planted: PlantedBug, why: &Why, plan: &Plan) -> bool {
    let faults = plan.faults.iter().zip(1..);
    let kinds: HashMap<String, &str> = faults
        .map(|(fault, number)| (fault.label(number), fault.kind.word()))
        .collect();
    let known_by = |label: &String| {
        kinds
            .get(label)
            .map_or(label.clone(), |&kind| kind.to_owned())
    };
    let named: Vec<String> = why.causes.iter().chain(&why.needs).map(known_by).collect();
    let is_named = |trigger: &&str| named.iter().any(|it| it.contains(*trigger));
    match planted.triggers {
        [] => why.causes.is_empty(),
        triggers => triggers.iter().any(is_named),
    }
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

/// Whether a violation is a finding: if the scenario expects the guarantee to hold, or does not
/// mention it.
fn must_hold(scenario: &Scenario, guarantee: Guarantee) -> bool {
    let expected = Expected::of(guarantee, &scenario.expect);
    matches!(expected, None | Some(Expected::Held))
}

/// The guarantees that a run violates, with the evidence.
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
