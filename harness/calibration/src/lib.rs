#![doc = include_str!("../README.md")]

mod conversation;
mod linux;
mod question;
mod questions;
mod record;
mod segment;
mod side_by_side;
mod stage;
mod world;

pub use conversation::Segments;
pub use record::{Recorded, Recording, record};

use side_by_side::side_by_side;
use std::ops::RangeInclusive;
use std::thread;
use world::InTheWorld;

/// One thing that was measured in the world and on Linux.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was measured, and under which conditions.
    pub what: String,
    /// The result in the world.
    pub world: f64,
    /// The result on Linux.
    pub linux: f64,
    /// The unit of both.
    pub unit: &'static str,
    /// What decides it.
    pub why: &'static str,
    /// The bounds of their ratio.
    pub bounds: RangeInclusive<f64>,
}

impl Row {
    /// The world's over Linux's.
    pub fn ratio(&self) -> f64 {
        self.world / self.linux
    }
}

/// What [`record`] measured on Linux, as it is stored with this crate.
pub fn stored() -> Recording {
    toml::from_str(include_str!("../linux.toml")).expect("it is as it was written")
}

/// Measures the world and compares it with Linux.
///
/// # Errors
///
/// If an answer is missing from the recording, or the recording has one that is no longer measured.
pub fn calibrate(linux: &Recording) -> Result<Vec<Row>, String> {
    let questions = questions::all();
    // Checked before the minutes of measuring.
    let asked: Vec<&str> = (questions.iter().flat_map(|question| &question.answers))
        .map(|answer| &*answer.what)
        .collect();
    if let Some(gone) = (linux.answers.iter()).find(|one| !asked.contains(&&*one.what)) {
        return Err(format!("not measured any more: {}", gone.what));
    }
    let recorded = |what: &str| {
        let found = linux.answers.iter().find(|one| one.what == what);
        found.ok_or_else(|| format!("not recorded: {what}"))
    };
    for what in &asked {
        recorded(what)?;
    }
    let at_once = thread::available_parallelism().map_or(1, Into::into);
    let indices: Vec<_> = (0..questions.len()).rev().collect();
    let mut measured = side_by_side(
        &indices,
        at_once,
        |&index| (index, questions[index].means(&InTheWorld)),
        |_| {},
    );
    measured.sort_by_key(|(index, _)| *index);
    let answers = questions.iter().flat_map(|question| &question.answers);
    let values = measured.into_iter().flat_map(|(_, values)| values);
    answers
        .zip(values)
        .map(|(answer, world)| {
            let recorded = recorded(&answer.what)?;
            Ok(Row {
                what: answer.what.clone(),
                world,
                linux: match answer.best_counts {
                    true => recorded.best(),
                    false => recorded.mean(),
                },
                unit: answer.unit,
                why: answer.why,
                bounds: match answer.is_random {
                    false => answer.bounds.clone(),
                    true => {
                        let doubt = recorded.doubt();
                        *answer.bounds.start() - doubt..=*answer.bounds.end() + doubt
                    }
                },
            })
        })
        .collect()
}

/// The segments of one conversation in the world, for comparison with [`Recording::conversation`].
pub fn conversation_in_the_world() -> Segments {
    conversation::held(&InTheWorld)
}
