//! `squall bugs`: is every planted bug caught?

use super::called::as_called;
use super::exit::{Exit, Failure, complain, error_line, note};
use super::progress::progress;
use super::reporting::Reporting;
use super::stop::stop_on_ctrl_c;
use crate::bugs::{self, Explained, Hunt, hunt};
use crate::planted::{PLANTED_BUGS, PlantedBug};
use crate::search::Size;
use squall::parallel::{Effort, default_jobs, parallel};
use squall_guarantees::counted;
use squall_reports::bugs::{self as report, Bugs, FalseAlarm, WorldSize};
use squall_reports::{Ended, Engine, Outcome};
use std::time::{Duration, Instant};

/// Plants one bug after the other into the chat, and says by what each was caught.
///
/// A checker that never fails proves nothing. Each planted bug is a variant of the chat that breaks
/// one thing; it is played in the named scenario that is to bring it to light, seed by seed, until
/// the guarantee that it breaks is violated. The correct chat is played with the same seeds, and
/// must keep to that and to all that the scenario expects.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct Arguments {
    /// Give a bug up after the seeds 1 to N.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// How many bugs at a time; as many as there are cores, if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Then make the run of each small, and say what it depends on: one table.
    #[arg(long)]
    explain: bool,
    /// How many seconds it may take to make one run small.
    #[arg(long, value_name = "N", default_value_t = 60, requires = "explain")]
    seconds: u64,
    /// With how many other dice is asked what one depends on.
    #[arg(long, value_name = "N", default_value_t = 5, requires = "explain")]
    dice: u64,
    #[command(flatten)]
    reporting: Reporting,
}

const NOTES: &str = "\
Exit codes:
  0  every bug is caught, and the correct chat is not
  1  one is not, or the correct chat is
  4  bad input, or a failure of Squall itself";

pub(crate) fn bugs(arguments: &Arguments) -> Result<Exit, Failure> {
    let effort = Effort {
        jobs: arguments.jobs.map_or_else(default_jobs, usize::from),
        stop: stop_on_ctrl_c()?,
        ..Effort::default()
    };
    let progress = progress(PLANTED_BUGS.len() as u64);
    let began = Instant::now();
    let (mut hunts, mut failed) = (Vec::new(), false);
    let work = |planted: &&PlantedBug| hunt(**planted, arguments.seeds);
    let hunted = parallel(PLANTED_BUGS, &effort, work, |_, result| {
        progress.inc(1);
        match result {
            Ok(hunt) => {
                progress.suspend(|| arguments.reporting.ended(&ended(&hunt, arguments.seeds)));
                hunts.push(hunt);
            }
            Err(error) => {
                failed = true;
                progress.suspend(|| complain(error_line(&error.to_string())));
            }
        }
    });
    progress.finish_and_clear();
    let took = began.elapsed().as_secs_f64();
    let mut explained = None;
    if arguments.explain {
        let (all, is_whole) = explain(arguments, &hunts, &effort);
        failed |= !is_whole;
        explained = Some(all.into_iter().map(told_small).collect());
    }
    let bugs = Bugs {
        seeds: arguments.seeds,
        bugs: hunts.iter().map(told).collect(),
        explained,
    };
    let reporting = arguments.reporting;
    let text = || bugs.text().trim_end().to_owned();
    let json = || bugs.json().trim_end().to_owned();
    reporting.say(text, json, || bugs.cases());
    let count = counted(hunts.len() as u64, "bug");
    note(format_args!("{count} hunted in {took:.1} s"));
    Ok(match hunts.iter().all(Hunt::succeeded) {
        _ if failed => Exit::Failed,
        true if hunted < PLANTED_BUGS.len() as u64 => Exit::Interrupted,
        true => Exit::AsExpected,
        false => Exit::NotAsExpected,
    })
}

/// Explains each bug that was caught; returns whether none of them failed.
fn explain(arguments: &Arguments, hunts: &[Hunt], effort: &Effort) -> (Vec<Explained>, bool) {
    let caught = hunts.iter();
    let caught = caught.filter_map(|hunt| Some((hunt.planted, hunt.caught.as_ref()?.seed)));
    let caught: Vec<(PlantedBug, u64)> = caught.collect();
    let progress = progress(caught.len() as u64);
    let longest = Duration::from_secs(arguments.seconds);
    let work = |&(planted, seed): &(PlantedBug, u64)| {
        bugs::explain(planted, seed, longest, arguments.dice, &effort.stop)
    };
    let (mut all, mut is_whole) = (Vec::new(), true);
    parallel(caught, effort, work, |_, result| {
        progress.inc(1);
        match result {
            Ok(explained) => all.extend(explained),
            Err(error) => {
                is_whole = false;
                progress.suspend(|| complain(error_line(&error.to_string())));
            }
        }
    });
    progress.finish_and_clear();
    (all, is_whole)
}

/// The last run of a hunt.
fn ended(hunt: &Hunt, seeds: u64) -> Ended<'static> {
    let PlantedBug {
        name,
        scenario,
        guarantee,
        ..
    } = hunt.planted;
    let seed = hunt.caught.as_ref().map_or(seeds, |caught| caught.seed);
    let alarms = hunt.false_alarms.iter();
    let alarms = alarms.map(|(seed, it)| format!("the correct chat violated {it}, seed {seed}"));
    let caught = match hunt.caught {
        Some(_) => format!("{name} was caught"),
        None => format!("{name} was not caught"),
    };
    Ended {
        scenario,
        seed,
        engine: Engine::Native,
        outcome: Some(match hunt.succeeded() {
            true => Outcome::AsExpected,
            false => Outcome::NotAsExpected,
        }),
        violated: hunt.caught.iter().map(|_| guarantee).collect(),
        what: std::iter::once(caught).chain(alarms).collect(),
        command: as_called(&format!("squall bugs --seeds {seeds}")),
    }
}

fn told(hunt: &Hunt) -> report::Bug {
    let caught = hunt.caught.as_ref();
    let alarms = hunt.false_alarms.iter();
    let alarms = alarms.map(|&(seed, guarantee)| FalseAlarm { seed, guarantee });
    report::Bug {
        bug: hunt.planted.name.to_owned(),
        scenario: hunt.planted.scenario.to_owned(),
        guarantee: hunt.planted.guarantee,
        seed: caught.map(|caught| caught.seed),
        evidence: caught.map(|caught| caught.evidence.clone()),
        reached: hunt.reached,
        false_alarms: alarms.collect(),
    }
}

fn told_small(explained: Explained) -> report::Explained {
    let (runs, took, done) = explained.shrinking;
    report::Explained {
        bug: explained.planted.name.to_owned(),
        scenario: explained.planted.scenario.to_owned(),
        guarantee: explained.planted.guarantee,
        seed: explained.seed,
        before: told_size(explained.before),
        after: explained.after.map(told_size),
        runs,
        seconds: took.as_secs_f64(),
        done,
        names_trigger: explained.names_trigger,
        why: explained.why,
        why_seconds: explained.asking.as_secs_f64(),
    }
}

fn told_size(size: Size) -> WorldSize {
    WorldSize {
        faults: size.faults,
        clients: size.clients,
        messages: size.messages,
        text: size.text,
    }
}
