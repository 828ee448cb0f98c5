//! `squall bugs`: is every planted bug caught?

use super::exit::{Exit, Failure, complain, error_line, say};
use super::format::TextOrJson;
use super::progress::progress;
use super::stop::stop_on_ctrl_c;
use crate::bugs::{Hunt, hunt};
use crate::planted::{PLANTED_BUGS, PlantedBug};
use serde_json::json;
use squall::parallel::{Effort, default_jobs, parallel};
use squall_guarantees::counted;
use std::time::Instant;

/// Plants one bug after the other into the chat, and says by what each was caught.
///
/// A checker that never fails proves nothing. Each planted bug is a variant of the chat that breaks
/// one thing; it is played in the named scenario that is to bring it to light, seed by seed, until the
/// guarantee that it breaks is violated. The correct chat is played with the same seeds, and must keep
/// to that and to all that the scenario expects.
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
    #[command(flatten)]
    format: TextOrJson,
}

const NOTES: &str = "\
Exit codes:
  0  every bug is caught, and the correct chat is not    1  one is not, or the correct chat is
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
            Ok(hunt) => hunts.push(hunt),
            Err(error) => {
                failed = true;
                progress.suspend(|| complain(error_line(&error.to_string())));
            }
        }
    });
    progress.finish_and_clear();
    say(arguments.format.written(
        || text(&hunts, arguments.seeds),
        || json(&hunts, arguments.seeds),
    ));
    let bugs = counted(hunts.len() as u64, "bug");
    complain(format_args!(
        "{bugs} hunted in {:.1} s",
        began.elapsed().as_secs_f64()
    ));
    Ok(match hunts.iter().all(Hunt::succeeded) {
        _ if failed => Exit::Failed,
        true if hunted < PLANTED_BUGS.len() as u64 => Exit::Interrupted,
        true => Exit::AsExpected,
        false => Exit::NotAsExpected,
    })
}

fn text(hunts: &[Hunt], seeds: u64) -> String {
    let mut text = format!(
        "{:32}{:>6}  {:24}{}\n",
        "bug", "seed", "guarantee", "scenario"
    );
    for Hunt {
        planted,
        caught,
        false_alarms,
    } in hunts
    {
        let seed = caught.as_ref().map(|caught| caught.seed.to_string());
        let seed = seed.unwrap_or_else(|| "never".to_owned());
        let PlantedBug {
            name,
            guarantee,
            scenario,
            ..
        } = planted;
        text += &format!("{name:32}{seed:>6}  {guarantee:24}{scenario}\n");
        for (seed, guarantee) in false_alarms {
            text += &format!("! the correct chat violates {guarantee} with seed {seed}\n");
        }
    }
    let caught = hunts.iter().filter(|hunt| hunt.caught.is_some()).count();
    text + &format!(
        "\n{caught} of {} caught within {}",
        hunts.len(),
        counted(seeds, "seed")
    )
}

fn json(hunts: &[Hunt], seeds: u64) -> String {
    let rows: Vec<_> = hunts
        .iter()
        .map(|hunt| {
            let alarms: Vec<_> = hunt
                .false_alarms
                .iter()
                .map(|(seed, guarantee)| json!({ "seed": seed, "guarantee": guarantee }))
                .collect();
            let caught = hunt.caught.as_ref();
            json!({
                "bug": hunt.planted.name,
                "scenario": hunt.planted.scenario,
                "seed": caught.map(|caught| caught.seed),
                "guarantee": hunt.planted.guarantee,
                "evidence": caught.map(|caught| &caught.evidence),
                "false_alarms": alarms,
            })
        })
        .collect();
    format!("{:#}", json!({ "squall": 1, "seeds": seeds, "bugs": rows }))
}
