//! `squall run`: plays scenarios with one seed, or explores one or more with many.

use super::annotations;
use super::called::{self, as_called};
use super::engine::On;
use super::exit::{Exit, Failure, complain, error_line, note, say, say_text};
use super::files::{TEXT_MAX, read_text};
use super::format::one_of;
use super::isolate::Isolate;
use super::many::Many;
use super::output::Output;
use super::progress::{figure, progress};
use super::seeds::{count, seeds};
use super::selection::{Given, Limit, Selection, check_names, embedded};
use super::stop::{stop_on_ctrl_c, time};
use super::summary::{self, Summed};
use crate::apart::{BOUNDS, WITHOUT_BOUNDS, batches, play_apart};
use crate::process::How;
use crate::search::canary;
use squall::parallel::{Effort, default_jobs, parallel};
use squall::{Plan, RunError, Scenario};
use squall_guarantees::counted;
use squall_reports::html::Listed;
use squall_reports::{Ended, Engine, Exploration, Format, Judged, Outcome};
use squall_simulator::ProcessLimits;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// The default seed of a run.
const SEED: u64 = 1;
/// Where the reports of `--all` go by default.
const REPORTS: &str = "report";

/// Plays scenarios and says which guarantees held.
///
/// Without --out, the reports are printed. With it (and --all, --group and --failed, which imply
/// --out report), each run's reports become files, one for each format, and a line for each run is
/// printed: no line for those as expected with -q, and what repeats each with -v.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    #[command(flatten)]
    selection: Selection,
    /// What was not as expected last time, with the same seeds: as `summary.json` in the directory
    /// for the reports says.
    #[arg(long, group = "Selection", conflicts_with_all = ["seed", "seeds", "engine"])]
    failed: bool,
    /// The seed that decides everything the scenario leaves open. [default: 1]
    #[arg(long, value_name = "N", conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Explore: run with many seeds, and group what is found. `N` is 1 to N.
    #[arg(long, value_name = "N..M", value_parser = seeds)]
    seeds: Option<RangeInclusive<u64>>,
    /// How many runs at a time; as many as there are cores, if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// No run is begun when so much time has passed, as in `10m` or `90s`.
    #[arg(long = "for", value_name = "TIME", value_parser = time, requires = "seeds")]
    longest: Option<Duration>,
    #[command(flatten)]
    on: On,
    #[command(flatten)]
    limit: Limit,
    #[command(flatten)]
    isolate: Isolate,
    /// How to write the reports; several with commas. [default: text, or with --out all of them]
    #[arg(long, value_parser = one_of(&Format::ALL), value_delimiter = ',')]
    format: Vec<Format>,
    /// The directory for the reports; it is created if there is none.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print what is not as expected as annotations of a GitHub workflow, too.
    #[arg(long)]
    annotate: bool,
    /// Makes one run of a hundred wrong, to see that it is found.
    #[arg(long, hide = true)]
    canary: bool,
}

/// How each run is played.
#[derive(Clone, Copy)]
struct Way {
    engine: Engine,
    /// Whether unexpected results are printed for a GitHub workflow.
    annotate: bool,
    /// Whether the record keeps the packets.
    in_detail: bool,
    canary: bool,
    isolate: Isolate,
    /// The resources that a process with some of the runs may use.
    bounds: ProcessLimits,
}

const EXAMPLES: &str = "\
Examples:
  squall run lossy-link --seed 17                 one run, told in words
  squall run --all                                all of them, into report/
  squall run my-chat.toml --format json           one of your own, for a program
  squall run exactly-once-partition --seeds 1000  many seeds, on all cores";

pub(crate) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let is_list = arguments.selection.is_list() || arguments.failed;
    let out = arguments.out.clone();
    let directory = out.or_else(|| is_list.then(|| PathBuf::from(REPORTS)));
    let again = match (&directory, arguments.failed) {
        (Some(directory), true) => Some(summary::what_failed(directory)?),
        _ => None,
    };
    if again.as_ref().is_some_and(Vec::is_empty) {
        say("Nothing was against the expectation last time.");
        return Ok(Exit::AsExpected);
    }
    let given = match &again {
        Some(again) => again.iter().map(|(given, ..)| given.clone()).collect(),
        None => arguments.selection.read_any()?,
    };
    let open = given.iter().filter_map(Given::scenario);
    arguments.limit.check(open)?;
    if directory.is_some() && again.is_none() {
        check_names(given.iter().map(Given::called))?;
    }
    let output = Output::new(directory, &arguments.format)?;
    let effort = Effort {
        jobs: arguments.jobs.map_or_else(default_jobs, usize::from),
        longest: arguments.longest,
        stop: stop_on_ctrl_c()?,
    };
    let way = Way {
        engine: arguments.on.engine,
        annotate: arguments.annotate,
        in_detail: output.shows_packets(),
        canary: arguments.canary,
        isolate: arguments.isolate,
        bounds: match arguments.limit.no_limit {
            true => WITHOUT_BOUNDS,
            false => BOUNDS,
        },
    };
    if let Some(again) = again {
        let plans = again.into_iter();
        let plans = plans.map(|(given, seed, engine)| given.plan(seed, engine));
        return play_all(plans.collect(), way, &effort, &output);
    }
    match &arguments.seeds {
        Some(seeds) => explore_all(&scenarios(given)?, seeds, way, &effort, &output),
        None => {
            if arguments.seed.is_some() {
                scenarios(given.clone())?;
            }
            let seed = arguments.seed.unwrap_or(SEED);
            let plans = given.into_iter().map(|given| given.plan(seed, way.engine));
            play_all(plans.collect(), way, &effort, &output)
        }
    }
}

/// The given scenarios, if all of them are open to a seed.
fn scenarios(given: Vec<Given>) -> Result<Vec<Scenario>, Failure> {
    let open = given.into_iter().map(|given| match given {
        Given::Scenario(scenario) => Ok(*scenario),
        Given::Plan(plan) => Err(Failure::new(format_args!(
            "{} is a plan, and has its seed in it: leave out `--seed` and `--seeds`",
            plan.source
        ))),
    });
    open.collect()
}

/// Plays each plan.
fn play_all(plans: Vec<Plan>, way: Way, effort: &Effort, output: &Output) -> Result<Exit, Failure> {
    let all = plans.len() as u64;
    let progress = progress(all);
    let (mut results, mut listed, mut summary) = (Vec::new(), Vec::new(), Summed::default());
    let mut failure = None;
    let work = |plan: &Plan| play(plan, way);
    let played = parallel(plans, effort, work, |plan, result| {
        progress.inc(1);
        progress.suspend(|| match result {
            Ok(judged) => {
                if way.annotate {
                    let (source, text) = (&plan.source, text_of(&plan.source));
                    annotations::of(&judged, source, &text).iter().for_each(say);
                }
                failure = failure.take().or(output.run(&judged).err());
                listed.push(output.listed(&judged));
                summary.add(&judged, &plan.source);
                results.push(exit_of(judged.outcome));
            }
            Err(error) => {
                complain(error_line(&error.to_string()));
                output.ended(&unfinished(&plan, &error.to_string()));
                summary.add_failure(&plan);
                results.push(exit_without_record(&error));
            }
        });
    });
    progress.finish_and_clear();
    if let Some(failure) = failure {
        return Err(failure);
    }
    if output.is_in_files() {
        output.index(listed)?;
        output.summary(&summary)?;
    }
    if (output.is_in_files() || played > 1) && output.is_for_people() {
        say_text(summary.text(&output.whereabouts()));
    }
    results.extend((played < all).then_some(Exit::Interrupted));
    Ok(worst(results))
}

/// A run that has no record.
fn unfinished<'p>(plan: &'p Plan, told: &str) -> Ended<'p> {
    Ended {
        scenario: &plan.scenario,
        seed: plan.seed,
        engine: plan.engine,
        outcome: None,
        violated: Vec::new(),
        what: vec![told.to_owned()],
        command: as_called(&plan.command()),
    }
}

/// The text of what was played.
fn text_of(source: &str) -> String {
    match embedded(source) {
        Some(text) => text,
        None => read_text(Path::new(source), TEXT_MAX).unwrap_or_default(),
    }
}

fn play(plan: &Plan, way: Way) -> Result<Judged, RunError> {
    let how = match way.in_detail {
        true => How::InDetail,
        false => How::Plain,
    };
    let process = way.isolate.process(plan, way.bounds);
    let mut record = process.play(plan, how)?;
    if way.canary {
        canary::sing(&mut record);
    }
    called::tell(&mut record);
    Ok(Judged::new(record))
}

/// Explores each scenario with these seeds.
fn explore_all(
    scenarios: &[Scenario],
    seeds: &RangeInclusive<u64>,
    way: Way,
    effort: &Effort,
    output: &Output,
) -> Result<Exit, Failure> {
    let (mut results, mut listed, mut summary) = (Vec::new(), Vec::new(), Summed::default());
    for scenario in scenarios {
        let (exit, explored) = explore(scenario, seeds, way, effort, output)?;
        results.push(exit);
        if let Some((exploration, entry)) = explored {
            listed.push(entry);
            summary.add_exploration(&exploration, &scenario.source);
        }
    }
    if output.is_in_files() {
        output.index(listed)?;
        output.summary(&summary)?;
    }
    if scenarios.len() > 1 && output.is_for_people() {
        say_text(summary.text(&output.whereabouts()));
    }
    Ok(worst(results))
}

fn explore(
    scenario: &Scenario,
    seeds: &RangeInclusive<u64>,
    way: Way,
    effort: &Effort,
    output: &Output,
) -> Result<(Exit, Option<(Exploration, Listed)>), Failure> {
    let progress = progress(count(seeds));
    let began = Instant::now();
    let (mut summaries, mut failed, mut crashed) = (Vec::new(), false, false);
    let play = |seed, way: Way| play(&scenario.plan(seed).on(way.engine), way);
    let many = Many {
        source: scenario.source.clone(),
        engine: way.engine,
        canary: way.canary,
    };
    let (mut played, mut unreadable) = (0, None);
    let work = |seeds: &Vec<u64>| play_apart(&many, seeds, way.bounds);
    parallel(batches(seeds.clone()), effort, work, |seeds, results| {
        let results = match results {
            Ok(results) => results,
            Err(failure) => {
                unreadable = Some(failure);
                return effort.stop.store(true, Ordering::Relaxed);
            }
        };
        progress.inc(results.len() as u64);
        played += results.len() as u64;
        for (seed, result) in seeds.into_iter().zip(results) {
            match result {
                Ok(mut summary) => {
                    summary.command = as_called(&summary.command);
                    let ended = Ended::of(&scenario.name, way.engine, &summary);
                    progress.suspend(|| output.ended(&ended));
                    summaries.push(summary);
                }
                Err(error) => {
                    match error.crashed {
                        true => crashed = true,
                        false => failed = true,
                    }
                    progress.suspend(|| {
                        complain(error_line(&error.told));
                        let plan = scenario.plan(seed).on(way.engine);
                        output.ended(&unfinished(&plan, &error.told));
                    });
                }
            }
        }
    });
    progress.finish_and_clear();
    if let Some(failure) = unreadable {
        return Err(failure);
    }
    let took = began.elapsed().as_secs_f64();
    if played == 0 {
        return Ok((Exit::Interrupted, None));
    }
    let exploration = Exploration::new(&scenario.name, way.engine, summaries);
    output.exploration(&exploration, played)?;
    if way.annotate {
        let (source, text) = (&scenario.source, text_of(&scenario.source));
        let annotations = annotations::of_exploration(&exploration, source, &text);
        annotations.iter().for_each(say);
    }
    if output.is_in_files() {
        for finding in &exploration.findings {
            let judged = play(finding.first.seed, way).map_err(Failure::new)?;
            output.write_run(&judged)?;
        }
    }
    let speed = figure(played as f64 / took);
    note(format_args!(
        "{} in {took:.1} s, {speed} runs per second",
        counted(played, "run")
    ));
    let exit = match exit_of(exploration.outcome) {
        _ if failed => Exit::Failed,
        _ if crashed => Exit::NotAsExpected,
        Exit::AsExpected if effort.stop.load(Ordering::Relaxed) => Exit::Interrupted,
        exit => exit,
    };
    let listed = output.listed_exploration(&exploration, played);
    Ok((exit, Some((exploration, listed))))
}

/// Whatever ends the process of a run is a finding; anything else is a failure of ours.
fn exit_without_record(error: &RunError) -> Exit {
    match error {
        RunError::Crashed { .. } => Exit::NotAsExpected,
        _ => Exit::Failed,
    }
}

fn exit_of(outcome: Outcome) -> Exit {
    match outcome {
        Outcome::AsExpected => Exit::AsExpected,
        Outcome::NotAsExpected => Exit::NotAsExpected,
        Outcome::NothingExpected | Outcome::NotExercised => Exit::NotExercised,
    }
}

/// The exit code for several runs: our own failures outweigh findings, and what went wrong
/// outweighs what was not tried.
fn worst(results: Vec<Exit>) -> Exit {
    [
        Exit::Failed,
        Exit::NotAsExpected,
        Exit::Interrupted,
        Exit::NotExercised,
    ]
    .into_iter()
    .find(|exit| results.contains(exit))
    .unwrap_or(Exit::AsExpected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_ours_outweighs_a_finding_and_a_finding_outweighs_a_gap() {
        assert_eq!(worst(vec![Exit::NotAsExpected, Exit::Failed]), Exit::Failed);
        assert_eq!(
            worst(vec![Exit::NotExercised, Exit::NotAsExpected]),
            Exit::NotAsExpected
        );
        assert_eq!(
            worst(vec![Exit::AsExpected, Exit::NotExercised]),
            Exit::NotExercised
        );
    }
}
