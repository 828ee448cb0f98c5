//! `squall why`: the cause of a violation.

use super::called;
use super::engine::On;
use super::exit::{Exit, Failure, say, say_text};
use super::format::one_of;
use super::isolate::Isolate;
use super::output::{Output, say_whole};
use super::progress::progress;
use super::selection::read_any_one;
use super::stop::{stop_on_ctrl_c, time};
use crate::apart::BOUNDS;
use crate::search::{self, Question};
use schemars::JsonSchema;
use serde::Serialize;
use squall::parallel::{Effort, default_jobs};
use squall_guarantees::Guarantee;
use squall_reports::{Format, Judged, Why, document};
use std::path::PathBuf;
use std::time::Duration;

/// Says what a violation depends on: the faults, or whatever else of the plan, without which it
/// does not happen.
///
/// The run is played again without each fault, each hostile peer, each middlebox, each wrong clock
/// and each trait of the links, with the same dice and with others; then with each packet that a
/// link has lost let through. And of the runs with other dice that held, the one that was alike the
/// longest is told, and where it parts.
///
/// At last the world is copied at fifty moments, and each copy goes on with other dice: where most
/// of them suddenly come to the same, it was decided.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The name of a scenario (see `squall list`), a file, or a plan.
    #[arg(value_name = "SCENARIO|FILE")]
    scenario: String,
    /// The seed with which it goes wrong.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The guarantee in question; if not given, the one whose violation says most.
    #[arg(long, value_name = "NAME")]
    guarantee: Option<Guarantee>,
    /// With how many other dice each is played.
    #[arg(long, value_name = "N", default_value_t = 20)]
    dice: u64,
    /// How many futures each of fifty moments on the way to the violation has: copies of the world
    /// that go on from there with other dice, and tell how probable it was then; 0 leaves that out.
    /// It takes as long as so many runs.
    #[arg(long, value_name = "N", default_value_t = 20)]
    futures: u64,
    /// Leave out single packets.
    #[arg(long)]
    no_packets: bool,
    /// How many runs at a time; as many as there are cores, if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// No run is begun when so much time has passed, as in `10m` or `90s`.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    longest: Option<Duration>,
    #[command(flatten)]
    on: On,
    #[command(flatten)]
    isolate: Isolate,
    /// How to write it.
    #[arg(long, value_parser = one_of(&[Format::Text, Format::Json]), default_value = "text")]
    format: Format,
    /// A directory for the reports of the run, which tell it as well.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  squall why at-most-once-partition               what its violation depends on
  squall why my-chat.toml --seed 17 --out why     the same on a page, in why/
  squall why p.toml --dice 200                    of a plan, with more dice
  squall why p.toml --futures 100                 when it was decided, more exactly

Exit codes:
  1  something is violated, and it says what that depends on
  2  nothing is violated
  4  bad input, or a failure of Squall itself
  130  ended by Ctrl-C: what was found until then is told";

/// What a violation depends on, for programs.
#[derive(Serialize, JsonSchema)]
pub(super) struct Document<'a> {
    /// The scenario's name.
    scenario: &'a str,
    seed: u64,
    /// The command that repeats the run.
    command: &'a str,
    why: &'a Why,
}

pub(crate) fn why(arguments: &Arguments) -> Result<Exit, Failure> {
    let plan = read_any_one(&arguments.scenario)?.plan(arguments.seed, arguments.on.engine);
    let output = match &arguments.out {
        Some(_) => Some(Output::new(arguments.out.clone(), &[])?),
        None => None,
    };
    let effort = Effort {
        jobs: arguments.jobs.map_or_else(default_jobs, usize::from),
        longest: arguments.longest,
        stop: stop_on_ctrl_c()?,
    };
    let question = Question {
        guarantee: arguments.guarantee,
        dice: arguments.dice,
        packets: !arguments.no_packets,
        futures: arguments.futures,
        process: arguments.isolate.process(&plan, BOUNDS),
        effort: &effort,
    };
    let bar = progress(1);
    let record = search::why(&plan, &question, &mut |played, due| {
        bar.set_length(due);
        bar.set_position(played);
    });
    bar.finish_and_clear();
    let Some(mut record) = record.map_err(Failure::new)? else {
        say(format_args!(
            "Nothing that was asked for is violated in {} with seed {}.",
            plan.scenario, plan.seed
        ));
        return Ok(Exit::NotExercised);
    };
    called::tell(&mut record);
    let Some(why) = record.why.clone() else {
        return Ok(Exit::NotExercised);
    };
    match arguments.format {
        Format::Json => {
            let document = Document {
                scenario: &record.scenario,
                seed: record.seed,
                command: &record.command,
                why: &why,
            };
            say_whole(&document::write(document));
        }
        _ => {
            let (scenario, seed) = (&record.scenario, record.seed);
            say_text(format_args!("{scenario}, seed {seed}: {}", why.text()));
        }
    }
    if let Some(output) = output {
        output.write_run(&Judged::new(record))?;
    }
    Ok(match why.done {
        true => Exit::NotAsExpected,
        false => Exit::Interrupted,
    })
}
