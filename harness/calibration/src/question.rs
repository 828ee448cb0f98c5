//! What is asked of both: a way to measure, and what comes out of it.

use crate::stage::Stage;
use std::ops::RangeInclusive;

/// How close the world has to come to Linux, and how close where the losses are random, beside what
/// chance leaves open ([`Recorded::doubt`](crate::Recorded::doubt)).
pub(crate) const CLOSE: RangeInclusive<f64> = 0.85..=1.15;
pub(crate) const RANDOM: RangeInclusive<f64> = 0.75..=1.25;

/// A way to measure.
pub(crate) type Ask = dyn Fn(&dyn Stage, u64) -> Vec<f64> + Send + Sync;

/// What is measured in one go.
pub(crate) struct Question {
    pub(crate) answers: Vec<Answer>,
    /// Measures, with a seed for what is random.
    pub(crate) ask: Box<Ask>,
    /// How many times it is asked in the world, with seeds from 1. The mean is told.
    pub(crate) runs: u32,
    /// How many times Linux is asked.
    pub(crate) linux_runs: u32,
    /// It needs a processor of Linux for itself.
    pub(crate) is_heavy: bool,
}

/// A value that comes out.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    /// What decides it.
    pub(crate) why: &'static str,
    pub(crate) bounds: RangeInclusive<f64>,
    /// It is a mean of what chance makes of it: the bounds are wider by how little is known of
    /// Linux's.
    pub(crate) is_random: bool,
    /// Whatever disturbs it on a real computer makes it less, so of several runs the best one
    /// counts.
    pub(crate) best_counts: bool,
}

impl Question {
    /// One that is the same each time.
    pub(crate) fn new(
        answers: Vec<Answer>,
        ask: impl Fn(&dyn Stage) -> Vec<f64> + Send + Sync + 'static,
    ) -> Question {
        Question {
            answers,
            ask: Box::new(move |stage, _| ask(stage)),
            runs: 1,
            linux_runs: 2,
            is_heavy: false,
        }
    }

    /// The means of what came out of its runs.
    pub(crate) fn means(&self, stage: &dyn Stage) -> Vec<f64> {
        let mut means = vec![0.0; self.answers.len()];
        for seed in 1..=u64::from(self.runs) {
            let values = (self.ask)(stage, seed);
            for (mean, value) in means.iter_mut().zip(values) {
                *mean += value / f64::from(self.runs);
            }
        }
        means
    }
}

impl Answer {
    pub(crate) fn new(what: impl Into<String>, unit: &'static str, why: &'static str) -> Answer {
        Answer {
            what: what.into(),
            unit,
            why,
            bounds: CLOSE,
            is_random: false,
            best_counts: false,
        }
    }
}

/// The middle one; infinite if there is none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.get(values.len() / 2);
    middle.copied().unwrap_or(f64::INFINITY)
}
