//! `squall compare-engines`: the same runs must give the same verdicts on both engines.

use super::called;
use super::exit::{Exit, Failure, complain, error_line, note};
use super::progress::progress;
use super::reporting::Reporting;
use super::screen::paragraph;
use super::selection::{Limit, Selection};
use super::stop::stop_on_ctrl_c;
use crate::apart::BOUNDS;
use crate::process::{How, Process};
use squall::Plan;
use squall::RunError;
use squall::Scenario;
use squall::parallel::{Effort, default_jobs, parallel};
use squall_guarantees::counted;
use squall_reports::{
    Both, Comparison, Ended, Engine, Judged, Measured, Styles, Summary, Uncompared,
};
use std::time::Instant;

/// Runs scenarios on both engines, and sets the verdicts beside one another.
///
/// Squall can simulate a world in two ways (see --engine of `squall run`). The machines and the
/// chat on them are the same; what schedules them, keeps the time and delivers packets was written
/// twice, by different people. So a verdict that both come to is no artefact of one of them. Their
/// digests differ, because turmoil's time advances in ticks of 1 ms; their verdicts must not.
///
/// For each scenario this prints in how many runs each guarantee held, was violated or was not
/// exercised; each difference with the commands that repeat its first pair of runs; and what a run
/// costs on each engine. Scenarios of very many machines are left out; each is told, with the
/// reason.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// Run with the seeds 1 to N, each on both engines.
    #[arg(long, value_name = "N", default_value_t = 20)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// How many runs at a time; as many as there are cores, if not given. Take 1 to compare costs.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Leave out, and tell, scenarios of more machines: turmoil's cost grows with their square.
    #[arg(long, value_name = "N", default_value_t = 50)]
    most_machines: usize,
    #[command(flatten)]
    limit: Limit,
    #[command(flatten)]
    reporting: Reporting,
}

const NOTES: &str = "\
Marks:
  !  With some seeds it held on one engine and was violated on the other. That a machine panicked
     on one engine only is told in the same way, as no-panic.
  ~  The same, but with other seeds both engines see it violated, and the scenario does not expect
     it to hold: a race, which a tick decides otherwise. It does not count for the exit code.
  ?  With some seeds it was not exercised on one engine. That contradicts nothing, because the
     engines lose and delay other packets, and does not count for the exit code.

Examples:
  squall compare-engines --all                           every named scenario, 20 seeds
  squall compare-engines lossy-link --seeds 500          one of them, thoroughly
  squall compare-engines lossy-link --jobs 1             what each engine costs, undisturbed
  squall run lossy-link --seed 7 --engine turmoil        one run on turmoil, told in words

Exit codes:
  0  no verdict differs    1  one does    4  bad input, or a failure of Squall itself";

pub(crate) fn compare(arguments: &Arguments) -> Result<Exit, Failure> {
    let scenarios = arguments.selection.read()?;
    arguments.limit.check(&scenarios)?;
    let effort = Effort {
        jobs: arguments.jobs.map_or_else(default_jobs, usize::from),
        stop: stop_on_ctrl_c()?,
        ..Effort::default()
    };
    let began = Instant::now();
    let (mut exits, mut cases) = (Vec::new(), Vec::new());
    for scenario in &scenarios {
        match too_large(scenario, arguments) {
            Some(uncompared) => {
                let text = || uncompared.text(&Styles::coloured().within(paragraph()));
                // In a document, its own line break ends it.
                let json = || uncompared.json().trim_end().to_owned();
                arguments.reporting.say_document(text, json);
                cases.push(uncompared.case());
            }
            None => {
                let (exit, comparison) = compare_one(scenario, arguments, &effort);
                exits.push(exit);
                cases.extend(comparison.iter().flat_map(Comparison::cases));
            }
        }
    }
    arguments.reporting.say_cases(&cases);
    let agree = exits.iter().filter(|exit| **exit == Exit::AsExpected);
    note(format_args!(
        "the engines agree on {} of {}; {} not compared; found in {:.1} s",
        agree.count(),
        counted(exits.len() as u64, "scenario"),
        scenarios.len() - exits.len(),
        began.elapsed().as_secs_f64()
    ));
    Ok(exits.into_iter().max().unwrap_or(Exit::AsExpected))
}

/// The scenario, if it has too many machines with any of the seeds.
fn too_large(scenario: &Scenario, arguments: &Arguments) -> Option<Uncompared> {
    let machines = (1..=arguments.seeds).map(|seed| scenario.plan(seed).machines());
    let (machines, most) = (machines.max()?, arguments.most_machines);
    (machines > most).then(|| Uncompared::new(&scenario.name, machines, most))
}

/// Runs a scenario with all seeds on both engines, and prints the comparison.
fn compare_one(
    scenario: &Scenario,
    arguments: &Arguments,
    effort: &Effort,
) -> (Exit, Option<Comparison>) {
    let progress = progress(2 * arguments.seeds);
    let mut runs = Vec::new();
    let on_both = |&seed: &u64| -> Result<_, RunError> {
        Ok(Both {
            native: measure(&scenario.plan(seed).on(Engine::Native))?,
            turmoil: measure(&scenario.plan(seed).on(Engine::Turmoil))?,
        })
    };
    let mut failed = false;
    let played = parallel(1..=arguments.seeds, effort, on_both, |_, result| {
        progress.inc(2);
        match result {
            Ok(pair) => {
                let line = |measured: &Measured, engine| {
                    let ended = Ended::of(&scenario.name, engine, &measured.summary);
                    progress.suspend(|| arguments.reporting.ended(&ended));
                };
                line(&pair.native, Engine::Native);
                line(&pair.turmoil, Engine::Turmoil);
                runs.push(pair);
            }
            Err(error) => {
                failed = true;
                progress.suspend(|| complain(error_line(&error.to_string())));
            }
        }
    });
    progress.finish_and_clear();
    if runs.is_empty() {
        let exit = match failed {
            true => Exit::Failed,
            false => Exit::Interrupted,
        };
        return (exit, None);
    }
    let comparison = Comparison::new(&scenario.name, runs);
    // The text with an empty line before the next one.
    let text = || comparison.text(&Styles::coloured().within(paragraph()));
    let json = || comparison.json().trim_end().to_owned();
    arguments.reporting.say_document(text, json);
    let exit = match comparison.agree {
        _ if failed => Exit::Failed,
        true if played < arguments.seeds => Exit::Interrupted,
        true => Exit::AsExpected,
        false => Exit::NotAsExpected,
    };
    (exit, Some(comparison))
}

fn measure(plan: &Plan) -> Result<Measured, RunError> {
    let began = Instant::now();
    let mut record = Process::of(plan, BOUNDS).play(plan, How::Plain)?;
    called::tell(&mut record);
    let (wall, simulated) = (began.elapsed(), record.duration);
    Ok(Measured {
        summary: Summary::of(&Judged::new(record)),
        wall,
        simulated,
    })
}
