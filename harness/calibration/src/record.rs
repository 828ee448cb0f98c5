//! What Linux was measured to do: measuring it, and the stored form.

use crate::conversation::Segments;
use crate::linux::OnLinux;
use crate::question::Question;
use crate::side_by_side::side_by_side;
use crate::{conversation, questions};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// How many measurements run at the same time. They spend most of their time waiting.
const AT_ONCE: usize = 40;

/// What Linux did.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    /// Its name, release and machine, as reported by `uname`.
    pub kernel: String,
    /// The segments of one conversation, each direction in the order of sending.
    pub conversation: Segments,
    /// Everything that was measured.
    #[serde(rename = "answer")]
    pub answers: Vec<Recorded>,
}

/// One thing that was measured, several times.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Recorded {
    /// What was measured, and under which conditions.
    pub what: String,
    /// The unit of the values.
    pub unit: String,
    /// The result of each run.
    pub values: Vec<f64>,
}

impl Recording {
    /// Replaces whatever was measured again. The conversation is kept.
    pub fn update(&mut self, newer: Recording) {
        self.kernel = newer.kernel;
        for answer in newer.answers {
            match self.answers.iter_mut().find(|one| one.what == answer.what) {
                Some(known) => *known = answer,
                None => self.answers.push(answer),
            }
        }
    }
}

impl Recorded {
    /// The mean of the values.
    pub fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len() as f64
    }

    /// How far this mean may be from the true mean: two standard errors, as a fraction of it.
    pub fn doubt(&self) -> f64 {
        let (mean, count) = (self.mean(), self.values.len() as f64);
        let squares = self.values.iter().map(|value| (value - mean).powi(2));
        2.0 * (squares.sum::<f64>() / (count * (count - 1.0).max(1.0))).sqrt() / mean
    }

    /// The largest value.
    pub fn best(&self) -> f64 {
        self.values.iter().copied().fold(0.0, f64::max)
    }
}

/// Measures what the Linux kernel of this computer does, for the names that `wanted` accepts. All
/// of it takes about twenty minutes, and needs root and `/dev/net/tun`. `progress` receives the
/// number of finished measurements and the total.
///
/// # Errors
///
/// If namespaces or devices cannot be created.
pub fn record(
    wanted: impl Fn(&str) -> bool,
    progress: impl Fn(usize, usize) + Sync,
) -> Result<Recording, nix::Error> {
    OnLinux::is_possible()?;
    let mut questions = questions::all();
    questions.retain(|question| question.answers.iter().any(|answer| wanted(&answer.what)));
    // The longest come last in the table, and are started first.
    let mut runs: Vec<(usize, u64)> = Vec::new();
    for (index, question) in questions.iter().enumerate().rev() {
        runs.extend((1..=u64::from(question.linux_runs)).map(|seed| (index, seed)));
    }
    let (heavy, light): (Vec<_>, Vec<_>) =
        (runs.iter().copied()).partition(|&(index, _)| questions[index].is_heavy);
    let total = runs.len();
    let ask = |&(index, seed): &(usize, u64)| (index, (questions[index].ask)(&OnLinux, seed));
    let mut answered = side_by_side(&light, AT_ONCE, ask, |done| progress(done, total));
    answered.extend(side_by_side(&heavy, 1, ask, |done| {
        progress(light.len() + done, total);
    }));
    Ok(Recording {
        kernel: kernel()?,
        conversation: conversation::held(&OnLinux),
        answers: collect(&questions, &answered),
    })
}

fn collect(questions: &[Question], answered: &[(usize, Vec<f64>)]) -> Vec<Recorded> {
    let mut all = Vec::new();
    for (index, question) in questions.iter().enumerate() {
        for (place, answer) in question.answers.iter().enumerate() {
            let of_it = answered.iter().filter(|(of, _)| *of == index);
            all.push(Recorded {
                what: answer.what.clone(),
                unit: answer.unit.to_owned(),
                // The jitter leaves fewer than four significant digits.
                values: of_it.map(|(_, values)| round(values[place])).collect(),
            });
        }
    }
    all
}

/// To four significant digits.
fn round(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

fn kernel() -> Result<String, nix::Error> {
    let names = nix::sys::utsname::uname()?;
    let mut kernel = String::new();
    for name in [names.sysname(), names.release(), names.machine()] {
        let _ = write!(kernel, "{} ", name.to_string_lossy());
    }
    Ok(kernel.trim_end().to_owned())
}
