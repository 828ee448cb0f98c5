//! `squall check-determinism`: the same run again and again, in fresh threads and in fresh
//! processes, must leave the same digest.

use super::engine::On;
use super::selection::Selection;
use super::{Exit, Failure, say};
use crate::draw::Plan;
use crate::parallel::{default_jobs, parallel};
use crate::runner::{self, Trace};
use crate::scenario::Scenario;
use std::process::Command;

/// Repeats runs in fresh threads and in fresh processes, and compares them event by event.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// How often to repeat each run: half of it in threads, half in processes.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..))]
    runs: u32,
    /// The seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many runs at a time; as many as there are cores, if not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    #[command(flatten)]
    on: On,
}

/// Where a repeat takes place.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Thread,
    Process,
}

pub(crate) fn check(arguments: &Arguments) -> Result<Exit, Failure> {
    let jobs = arguments.jobs.map_or_else(default_jobs, usize::from);
    let mut exit = Exit::AsExpected;
    for scenario in arguments.selection.read()? {
        let (name, runs) = (&scenario.name, arguments.runs);
        let which = format!("seed {}{}", arguments.seed, arguments.on.engine.aside());
        match compare(&scenario, arguments, jobs)? {
            Comparison::Equal(trace) => say(format_args!(
                "{name} with {which}: {runs} equal runs, {} events, digest {}",
                trace.events.len(),
                trace.digest
            )),
            Comparison::Different(difference) => {
                say(format_args!(
                    "{name} with {which}: NOT DETERMINISTIC\n{difference}"
                ));
                exit = Exit::NotDeterministic;
            }
        }
    }
    Ok(exit)
}

enum Comparison {
    Equal(Trace),
    Different(String),
}

fn compare(scenario: &Scenario, arguments: &Arguments, jobs: usize) -> Result<Comparison, Failure> {
    let plan = scenario.plan(arguments.seed).on(arguments.on.engine);
    let reference = in_thread(&plan)?;
    let places: Vec<_> = (1..arguments.runs)
        .map(|run| {
            if run < arguments.runs.div_ceil(2) {
                Place::Thread
            } else {
                Place::Process
            }
        })
        .collect();
    let mut result = Ok(None);
    let work = |place: &Place| {
        let repeat = match place {
            Place::Thread => in_thread(&plan),
            Place::Process => in_process(&plan),
        }?;
        Ok(first_difference(&reference, &repeat))
    };
    parallel(&places, jobs, work, |run, difference| {
        match (&result, difference) {
            (Ok(None), Ok(Some(difference))) => {
                let place = match places[run] {
                    Place::Thread => "a fresh thread",
                    Place::Process => "a fresh process",
                };
                result = Ok(Some(format!(
                    "  in {place}, repeat {}:\n{difference}",
                    run + 1
                )));
            }
            (Ok(_), Err(failure)) => result = Err(failure),
            _ => {}
        }
    });
    Ok(match result? {
        Some(difference) => Comparison::Different(difference),
        None => Comparison::Equal(reference),
    })
}

fn in_thread(plan: &Plan) -> Result<Trace, Failure> {
    runner::trace(plan).map_err(Failure::new)
}

fn in_process(plan: &Plan) -> Result<Trace, Failure> {
    let itself = std::env::current_exe().map_err(Failure::new)?;
    let output = Command::new(itself)
        .args(["trace", "--engine", &plan.engine.to_string()])
        .args(["--seed", &plan.seed.to_string(), "--", &plan.source])
        .output()
        .map_err(Failure::new)?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        return Err(Failure(format!(
            "a repeat in a fresh process failed: {}",
            complaint.trim()
        )));
    }
    serde_json::from_slice(&output.stdout).map_err(Failure::new)
}

/// The first event that is not the same, in words.
fn first_difference(reference: &Trace, repeat: &Trace) -> Option<String> {
    if reference == repeat {
        return None;
    }
    let both = reference.events.len().max(repeat.events.len());
    let position = (0..both).find(|&i| reference.events.get(i) != repeat.events.get(i));
    let Some(position) = position else {
        return Some(format!(
            "    the events are equal, but the digests are {} and {}",
            reference.digest, repeat.digest
        ));
    };
    let words = |trace: &Trace| match trace.events.get(position) {
        Some(event) => event.to_string(),
        None => "(no further event)".to_owned(),
    };
    Some(format!(
        "    the first difference is at event {}\n    first run: {}\n    repeat:    {}",
        position + 1,
        words(reference),
        words(repeat)
    ))
}
