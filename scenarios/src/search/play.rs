//! World → findings.

use super::canary;
use super::dice::Dice;
use super::document::Document;
use super::draw::{aim, draw};
use super::reached::{Limit, reached};
use super::size::Size;
use super::story::Story;
use super::yardstick::Yardstick;
use serde::{Deserialize, Serialize};
use squall::{BadScenario, run};
use squall_guarantees::{Guarantee, Verdict};
use squall_reports::{Judged, Record};
use squall_simulator::Crash;
use std::collections::BTreeSet;

/// What a world brought to light.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// What went wrong.
    pub story: Story,
    /// The evidence in words.
    pub evidence: String,
    /// The kinds of the faults that struck something, each once, in alphabetical order.
    pub struck: Vec<String>,
}

/// The result of playing a world.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Played {
    pub(super) finding: Option<Finding>,
    pub(super) size: Size,
    /// The guarantees that were put to the test.
    pub(super) exercised: Vec<Guarantee>,
    /// The kinds of faults that struck something.
    pub(super) struck: Vec<String>,
    /// The limits that it came to.
    pub(super) reached: BTreeSet<Limit>,
}

impl Played {
    /// A run that ended its process.
    pub(super) fn crashed(world: &Document, seed: u64, crash: &Crash) -> Self {
        let told = crash.to_string();
        let finding = Finding {
            story: Story::crashed(told.lines().next().unwrap_or_default()),
            evidence: told,
            struck: Vec::new(),
        };
        Played::stuck(finding, Size::of(world, seed).unwrap_or_default())
    }

    /// A run that did not finish.
    pub(super) fn stuck(finding: Finding, size: Size) -> Self {
        Played {
            finding: Some(finding),
            size,
            exercised: Vec::new(),
            struck: Vec::new(),
            reached: BTreeSet::new(),
        }
    }
}

/// The fraction of seeds that play their world once more, with a fault aimed at something that
/// happened in it.
const AIMED: f64 = 0.5;

/// The world that is finally played with a seed.
pub(super) enum Composed {
    /// As drawn by the seed, with its result.
    Drawn(Document, Played),
    /// With a further [aimed](aim) fault, not played yet.
    Aimed(Document),
}

impl Composed {
    /// The world.
    pub(super) fn world(self) -> Document {
        match self {
            Composed::Drawn(world, _) | Composed::Aimed(world) => world,
        }
    }
}

/// Draws the world of a seed, which completes what a document fixes, and plays it. If nothing is
/// wrong in it, some seeds build on what happened there: their world is the same one with an aimed
/// fault.
///
/// `canary`: whether this may be a run that is made to report something false.
///
/// # Errors
/// If the document is not a scenario.
pub(super) fn compose(
    seed: u64,
    fixed: &Document,
    yardstick: &Yardstick,
    canary: bool,
) -> Result<Composed, BadScenario> {
    let world = draw(seed, fixed);
    let (played, record) = play_whole(&world, seed, yardstick, canary)?;
    let goes_on = played.finding.is_none() && Dice::new(seed, "whether to aim").chance(AIMED);
    let aimed = record.filter(|_| goes_on);
    let aimed = aimed.and_then(|record| aim(seed, &world, &record));
    Ok(aimed.map_or(Composed::Drawn(world, played), Composed::Aimed))
}

/// Plays a world with a seed, and returns what is wrong by this yardstick, if anything.
///
/// # Errors
/// If the document is not a scenario.
pub(super) fn play(
    world: &Document,
    seed: u64,
    yardstick: &Yardstick,
    canary: bool,
) -> Result<Played, BadScenario> {
    play_whole(world, seed, yardstick, canary).map(|(played, _)| played)
}

/// Returns the record as well, if the run finished.
fn play_whole(
    world: &Document,
    seed: u64,
    yardstick: &Yardstick,
    canary: bool,
) -> Result<(Played, Option<Record>), BadScenario> {
    let open = yardstick.leaves_open(world);
    let may_be_refused = yardstick.may_be_refused(world);
    let mut world = world.clone();
    // The yardstick judges by the verdicts, not by what the file says about them.
    world.remove("expect");
    let scenario = world.scenario()?;
    let plan = scenario.plan(seed);
    let size = Size::of_plan(&world, &plan);
    let mut record = match run(&plan) {
        Ok(record) => record,
        Err(error) => {
            let finding = Finding {
                story: Story::stuck(&error.to_string()),
                evidence: error.to_string(),
                struck: Vec::new(),
            };
            return Ok((Played::stuck(finding, size), None));
        }
    };
    if canary {
        canary::sing(&mut record);
    }
    let judged = Judged::new(record);
    let struck = struck(&world, &judged);
    let finding = Story::of(&judged, &open, may_be_refused).map(|(story, evidence)| Finding {
        story,
        evidence,
        struck: struck.clone(),
    });
    let exercised = judged.judgements.iter();
    let exercised = exercised.filter(|it| !matches!(it.verdict, Verdict::NotExercised(_)));
    let played = Played {
        finding,
        size,
        exercised: exercised.map(|it| it.guarantee).collect(),
        struck,
        reached: reached(&judged.record.history),
    };
    Ok((played, Some(judged.record)))
}

/// The kinds of a world's faults that struck something, each once.
fn struck(world: &Document, judged: &Judged) -> Vec<String> {
    let faults = world.list("fault");
    let kind = |label: &str| {
        let number = label.strip_prefix("fault ")?.split(',').next()?;
        let number = number.parse::<usize>().ok()?;
        Some(faults.get(number - 1)?.get("kind")?.as_str()?.to_owned())
    };
    let struck = judged.record.faults.iter();
    let struck = struck.filter(|fault| fault.hits != Some(0));
    let kinds = struck.map(|fault| kind(&fault.label).unwrap_or_else(|| fault.label.clone()));
    let kinds: BTreeSet<String> = kinds.collect();
    kinds.into_iter().collect()
}
