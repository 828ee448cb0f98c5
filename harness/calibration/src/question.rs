//! What is asked of both sides: how to measure, and what results.

use crate::stage::Stage;
use std::ops::RangeInclusive;

/// How close the world has to come to Linux, and how close where losses are random, in addition to
/// the uncertainty left by chance ([`Recorded::doubt`](crate::Recorded::doubt)).
pub(crate) const CLOSE: RangeInclusive<f64> = 0.85..=1.15;
pub(crate) const RANDOM: RangeInclusive<f64> = 0.75..=1.25;

/// A way to measure.
pub(crate) type Ask = dyn Fn(&dyn Stage, u64) -> Vec<f64> + Send + Sync;

/// Values that are measured together.
pub(crate) struct Question {
    pub(crate) answers: Vec<Answer>,
    /// Measures, with a seed for the randomness.
    pub(crate) ask: Box<Ask>,
    /// How many times it is asked in the world, with seeds starting at 1. The mean is reported.
    pub(crate) runs: u32,
    /// How many times Linux is asked.
    pub(crate) linux_runs: u32,
    /// It needs a whole processor when measured on Linux.
    pub(crate) is_heavy: bool,
}

/// One resulting value.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) what: String,
    pub(crate) unit: &'static str,
    /// What decides it.
    pub(crate) why: &'static str,
    pub(crate) bounds: RangeInclusive<f64>,
    /// It is a mean over random outcomes: the bounds are widened by the uncertainty of Linux's
    /// value.
    pub(crate) is_random: bool,
    /// Any disturbance on a real computer lowers it, so the best of several runs counts.
    pub(crate) best_counts: bool,
}

impl Question {
    /// An answer that is the same each time.
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

    /// The means of the results of its runs.
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

/// The median; infinite if there are no values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.get(values.len() / 2);
    middle.copied().unwrap_or(f64::INFINITY)
}
