//! `squall explore`: plays worlds that nobody made a scenario for, and tells what is wrong in stories.

use super::exit::{Exit, Failure, complain, say};
use super::stop::{stop_on_ctrl_c, time};
use crate::search::{self, Document, Exploration, Span, Told};
use indicatif::{ProgressBar, ProgressStyle};
use miette::GraphicalTheme;
use squall::BadScenario;
use squall::parallel::{Effort, default_jobs};
use squall_guarantees::counted;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The seeds of an exploration that is given neither seeds nor a time.
const SEEDS: u64 = 1_000;

/// Composes worlds from seeds, plays them, and tells what is wrong in any.
///
/// A world is a scenario with everything that a scenario file can say: servers, clients, links, options near their
/// limits, a workload, and faults that come again, overlap and are aimed. Whatever the chat of that configuration
/// promises must hold. What is found is grouped into stories, by what goes wrong; `squall shrink` makes the world of
/// one small.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A scenario file: what it says stays as it is, and the seed decides the rest. Without it, all is open.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The seeds: `N` for 1 to N, or `N..M`. [default: 1000, or with --for as many as there is time for]
    #[arg(long, value_name = "N..M", value_parser = seeds)]
    seeds: Option<RangeInclusive<u64>>,
    /// No world is begun when so much time has passed, as in `10m` or `90s`.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    longest: Option<Duration>,
    /// The k-th of n parts of the seeds, for n machines that share the work.
    #[arg(long, value_name = "K/N", value_parser = shard, default_value = "1/1")]
    shard: (u64, u64),
    /// How many worlds at a time; as many as there are cores, if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// A directory for the smallest world of each story, as a scenario file, and for `exploration.json`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Stop at the first finding.
    #[arg(long)]
    fail_fast: bool,
}

const EXAMPLES: &str = "\
Examples:
  squall explore                                  a thousand worlds
  squall explore --for 10m --out found            as many as ten minutes allow, what is found into found/
  squall explore my-chat.toml --seeds 5001..6000  what my file says is fixed, the rest is open
  squall explore --seeds 1..1000000 --shard 3/64  the third of 64 machines";

/// `1000`, or `1001..2000` with both ends.
fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let wanted = "write a number, or two as in 1001..2000";
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wanted.to_owned());
    let (first, last) = match text.split_once("..") {
        None => (1, number(text)?),
        Some((first, last)) => (number(first)?, number(last)?),
    };
    match first <= last && last > 0 {
        true => Ok(first..=last),
        false => Err("there are no seeds in it".to_owned()),
    }
}

/// `3/64`.
fn shard(text: &str) -> Result<(u64, u64), String> {
    let numbers = text
        .split_once('/')
        .and_then(|(k, n)| Some((k.trim().parse().ok()?, n.trim().parse().ok()?)));
    match numbers {
        Some((k, n)) if 1 <= k && k <= n => Ok((k, n)),
        _ => Err("write two numbers such as 3/64, the first from 1 to the second".to_owned()),
    }
}

pub(crate) fn explore(arguments: &Arguments) -> Result<Exit, Failure> {
    let fixed = read(arguments.file.as_deref())?;
    let default = match arguments.longest {
        Some(_) => 1..=u64::MAX,
        None => 1..=SEEDS,
    };
    let span = Span {
        seeds: arguments.seeds.clone().unwrap_or(default),
        shard: arguments.shard,
        fail_fast: arguments.fail_fast,
    };
    let effort = Effort {
        jobs: arguments.jobs.map_or_else(default_jobs, usize::from),
        longest: arguments.longest,
        stop: stop_on_ctrl_c()?,
    };
    let bar = bar();
    let began = Instant::now();
    let told = search::explore(&fixed, &span, &effort, |progress| {
        bar.inc(1);
        bar.set_message(stories(progress.stories));
    });
    bar.finish_and_clear();
    let exploration = told.map_err(wrong)?;
    say(exploration.text());
    if let Some(directory) = &arguments.out {
        write(&exploration, directory)?;
    }
    let took = began.elapsed().as_secs_f64();
    let speed = exploration.worlds as f64 / took * 60.0;
    let worlds = counted(exploration.worlds, "world");
    complain(format_args!("{worlds} in {took:.1} s, {speed:.0} a minute"));
    Ok(match exploration.stories.is_empty() {
        true if exploration.worlds == 0 => Exit::NotExercised,
        true => Exit::AsExpected,
        false => Exit::NotAsExpected,
    })
}

/// The scenario file that a world completes; without one, nothing is fixed.
///
/// # Errors
/// If it cannot be read or is no scenario, in words for people.
pub(super) fn read(file: Option<&Path>) -> Result<Document, Failure> {
    let Some(file) = file else {
        return Ok(Document::default());
    };
    let name = file.display().to_string();
    // Tells every mistake with its place.
    let scenario = super::selection::read_one(&name)?;
    if scenario.system.name() != "chat" {
        let what = format!("{name} is about the tutorial's chat, and worlds are composed for ours");
        return Err(Failure::new(what));
    }
    let text = match crate::library::text(&name) {
        Some(text) => text.to_owned(),
        None => std::fs::read_to_string(file)
            .map_err(|error| Failure::new(format!("the file {name} cannot be read: {error}")))?,
    };
    Document::parse(&text).map_err(Failure::new)
}

/// A world was no scenario: with the file, what it fixes does not go together with something that was drawn.
pub(super) fn wrong(bad: BadScenario) -> Failure {
    Failure::told(bad.report(GraphicalTheme::unicode()))
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {pos} worlds, {per_sec}, {msg}");
    ProgressBar::new_spinner()
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
}

fn stories(count: usize) -> String {
    match count {
        1 => "1 story".to_owned(),
        _ => format!("{count} stories"),
    }
}

fn write(exploration: &Exploration, directory: &Path) -> Result<(), Failure> {
    let failed = |error| {
        let directory = directory.display();
        Failure::new(format!("{directory} cannot be written: {error}"))
    };
    std::fs::create_dir_all(directory).map_err(failed)?;
    let json = serde_json::to_string_pretty(exploration).map_err(Failure::new)?;
    super::output::write_whole(&directory.join("exploration.json"), &json).map_err(failed)?;
    for told in &exploration.stories {
        let path = directory.join(format!("{}.toml", told.file_name()));
        super::output::write_whole(&path, &witness(told)).map_err(failed)?;
    }
    Ok(())
}

fn witness(told: &Told) -> String {
    search::witness(&told.world, told.seed, &told.story, &told.evidence)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_number_or_two() {
        assert_eq!(seeds("20"), Ok(1..=20));
        assert_eq!(seeds("5..7"), Ok(5..=7));
        assert!(seeds("7..5").is_err() && seeds("0").is_err() && seeds("many").is_err());
    }

    #[test]
    fn a_shard_is_one_of_so_many() {
        assert_eq!(shard("3/64"), Ok((3, 64)));
        assert!(shard("0/4").is_err() && shard("5/4").is_err() && shard("5").is_err());
    }
}
