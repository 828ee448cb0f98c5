//! `squall check-determinism`: the same run again and again, in fresh threads and in fresh
//! processes, must produce the same digest; with a certificate, on other builds and computers too.

mod certificate;

use super::called::as_called;
use super::engine::On;
use super::exit::{Exit, Failure, say};
use super::format::one_of;
use super::reporting::Reporting;
use super::selection::{Limit, Selection};
use crate::apart::PLAYS_MANY;
pub(super) use certificate::Certificate;
use certificate::{Certified, different_machines};
use nix::sys::personality::{self, Persona};
use squall::Plan;
use squall::Trace;
use squall::parallel::{Effort, default_jobs, parallel};
use squall_reports::{Case, Ended, Format, Outcome};
use std::fmt;
use std::path::PathBuf;
use std::process::Command;

/// Repeats runs in fresh threads and in fresh processes, and compares them event by event.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// How often to play each run: the first time alone, then side by side, half of them in
    /// threads, a quarter in processes, and a quarter in processes without address randomisation.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(2..))]
    runs: u32,
    /// The seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many runs at a time; as many as there are cores, if not given.
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Writes what was compared, and the digests, for another build or computer to be checked
    /// against.
    #[arg(long, value_name = "FILE")]
    certificate: Option<PathBuf>,
    /// Compares the digests with those of a certificate of another build or computer as well.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// How to write it.
    #[arg(long, value_parser = one_of(&FORMATS), default_value = "text")]
    format: Format,
    /// Print what differs as annotations of a GitHub workflow, too.
    #[arg(long)]
    annotate: bool,
    #[command(flatten)]
    on: On,
    #[command(flatten)]
    limit: Limit,
}

/// The forms in which it can be written. For other builds there is the certificate.
const FORMATS: [Format; 3] = [Format::Text, Format::Junit, Format::Lines];

/// Where a repeat takes place.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Thread,
    Process,
    ProcessWithFixedAddresses,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Place::Thread => "a fresh thread",
            Place::Process => "a fresh process",
            Place::ProcessWithFixedAddresses => "a fresh process without address randomisation",
        })
    }
}

pub(crate) fn check(arguments: &Arguments) -> Result<Exit, Failure> {
    let jobs = arguments.jobs.map_or_else(default_jobs, usize::from);
    let other = arguments.against.as_deref().map(Certificate::read);
    let other = other.transpose()?;
    let mut certificate = Certificate::of_this_build();
    let mut exit = Exit::AsExpected;
    let scenarios = arguments.selection.read()?;
    arguments.limit.check(&scenarios)?;
    let reporting = Reporting {
        format: arguments.format,
        annotate: arguments.annotate,
    };
    let mut cases = Vec::new();
    // Says what became of the repeats of a run, however it is to be said.
    let mut tell = |plan: &Plan, words: String, difference: Option<&str>| {
        if arguments.format == Format::Text {
            say(&words);
        }
        let case = Case::passed("check-determinism", &*plan.scenario);
        cases.push(match difference {
            None => case,
            Some(difference) => case.failed("not the same bytes", difference),
        });
        reporting.ended(&Ended {
            scenario: &plan.scenario,
            seed: plan.seed,
            engine: plan.engine,
            outcome: Some(match difference {
                None => Outcome::AsExpected,
                Some(_) => Outcome::NotAsExpected,
            }),
            violated: Vec::new(),
            what: difference.iter().map(|it| (*it).to_owned()).collect(),
            command: as_called(&plan.command()),
        });
    };
    for scenario in scenarios {
        let (name, runs) = (&scenario.name, arguments.runs);
        let which = format!("seed {}{}", arguments.seed, arguments.on.engine.aside());
        let plan = scenario.plan(arguments.seed).on(arguments.on.engine);
        let trace = match compare(&plan, arguments, jobs)? {
            Comparison::Equal(trace) => trace,
            Comparison::Different(difference) => {
                let words = format!("{name} with {which}: NOT DETERMINISTIC\n{difference}");
                tell(&plan, words, Some(&difference));
                exit = Exit::NotDeterministic;
                continue;
            }
        };
        let certified = Certified::new(&plan, runs, &trace);
        if let Some(difference) = match &other {
            Some(other) => other.difference(&certified)?,
            None => None,
        } {
            let words = format!("{name} with {which}: NOT THE SAME AS CERTIFIED\n{difference}");
            tell(&plan, words, Some(&difference));
            exit = Exit::NotDeterministic;
            continue;
        }
        let (events, digest) = (trace.events.len(), &trace.digest);
        let equal = format!("{runs} equal runs, {events} events, digest {digest}");
        tell(&plan, format!("{name} with {which}: {equal}"), None);
        certificate.runs.push(certified);
    }
    reporting.say_cases(&cases);
    if let Some(file) = &arguments.certificate
        && exit == Exit::AsExpected
    {
        certificate.write(file)?;
    }
    Ok(exit)
}

enum Comparison {
    Equal(Trace),
    Different(String),
}

/// The first run has the computer to itself; its repeats are played side by side.
fn compare(plan: &Plan, arguments: &Arguments, jobs: usize) -> Result<Comparison, Failure> {
    let reference = match PLAYS_MANY {
        true => in_thread(plan),
        false => in_process(plan),
    }?;
    let place = |run| match run {
        run if run < arguments.runs.div_ceil(2) && PLAYS_MANY => Place::Thread,
        run if run % 2 == 0 => Place::Process,
        _ => Place::ProcessWithFixedAddresses,
    };
    let places = (1..arguments.runs).map(|run| (run, place(run)));
    let mut result = Ok(None);
    let work = |(_, place): &(u32, Place)| {
        let repeat = match place {
            Place::Thread => in_thread(plan),
            Place::Process => in_process(plan),
            Place::ProcessWithFixedAddresses => with_fixed_addresses(|| in_process(plan)),
        }?;
        Ok(first_difference(&reference, &repeat))
    };
    let effort = Effort {
        jobs,
        ..Effort::default()
    };
    parallel(places, &effort, work, |(run, place), difference| {
        match (&result, difference) {
            (Ok(None), Ok(Some(difference))) => {
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

/// Runs `f`, during which the processes that this thread starts have their code, heap and stack at
/// the same addresses each time, if the system allows that. Afterwards it starts processes as
/// before.
fn with_fixed_addresses<T>(f: impl FnOnce() -> T) -> T {
    let before = personality::get();
    if let Ok(before) = before {
        // Some containers forbid it: then this is just another fresh process.
        let _ = personality::set(before | Persona::ADDR_NO_RANDOMIZE);
    }
    let result = f();
    if let Ok(before) = before {
        let _ = personality::set(before);
    }
    result
}

fn in_thread(plan: &Plan) -> Result<Trace, Failure> {
    squall::trace(plan).map_err(Failure::new)
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

/// The first event that differs, in words.
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
        "    the first difference is at event {}\n    first run: {}\n    repeat:    {}\n    {}",
        position + 1,
        words(reference),
        words(repeat),
        different_machines(&reference.machines, &repeat.machines)
    ))
}
