//! `squall explore`: plays generated worlds, and reports what is wrong as stories.

use super::called::as_called;
use super::exit::{Exit, Failure, note, say};
use super::exploration_files::{read_exploration, write};
use super::files;
use super::format::TextOrJson;
use super::progress::spinner;
use super::reporting::Reporting;
use super::seeds::seeds;
use super::selection::{embedded, told};
use super::stop::{stop_on_ctrl_c, time};
use crate::search::{self, Document, Exploration, Progress, Span, Story, Stretch};
use squall::BadScenario;
use squall::parallel::{Effort, default_jobs};
use squall_guarantees::{Guarantee, counted};
use squall_reports::{Ended, Engine, Outcome};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What a world is called that completes nothing.
const WORLD: &str = "world";

/// How many seeds an exploration has if neither seeds nor a time is given.
const SEEDS: u64 = 1_000;

/// Composes worlds from seeds, plays them, and tells what is wrong in any.
///
/// A world is a scenario with everything that a scenario file can say: servers, clients, links,
/// options near their limits, a workload, and faults that come again, overlap and are aimed.
/// Whatever the chat of that configuration promises must hold. What is found is grouped into
/// stories, by what goes wrong; `squall shrink` makes the world of one small.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A scenario file: what it says stays as it is, and the seed decides the rest. Without it, all
    /// is open.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The seeds: `N` for 1 to N, or `N..M`. [default: 1000, or with --for as many as there is time
    /// for]
    #[arg(long, value_name = "N..M", value_parser = seeds)]
    seeds: Option<RangeInclusive<u64>>,
    /// No world is begun when so much time has passed, as in `10m` or `90s`.
    #[arg(long = "for", value_name = "TIME", value_parser = time)]
    longest: Option<Duration>,
    /// The k-th of n parts of the seeds, for n machines that share the work. `auto`: as the machine
    /// says, in the variables of a Slurm array job, of an indexed job of Kubernetes, or
    /// SQUALL_SHARD and SQUALL_SHARDS.
    #[arg(long, value_name = "K/N", value_parser = shard, default_value = "1/1")]
    shard: (u64, u64),
    /// How many worlds at a time; as many as there are cores, if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// A directory for the smallest world of each story, as a scenario file, for
    /// `exploration.json`, and for a page.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on where the exploration in `--out` was ended, with the seeds that are left of it.
    #[arg(long, requires = "out", conflicts_with_all = ["seeds", "shard"])]
    resume: bool,
    #[command(flatten)]
    reporting: Reporting,
    /// Stop at the first finding.
    #[arg(long)]
    fail_fast: bool,
    /// Make one world of a hundred say what is not so: an exploration must find it.
    #[arg(long, hide = true)]
    canary: bool,
}

const EXAMPLES: &str = "\
Examples:
  squall explore                                  a thousand worlds
  squall explore --for 10m --out found            in ten minutes, into found/
  squall explore my-chat.toml --seeds 5001..6000  what the file says is fixed
  squall explore --seeds 1..1000000 --shard 3/64  the third of 64 machines
  squall merge found-*/ --out found               what all of them have found
  squall explore --resume --out found --for 10m   ten minutes more";

/// More machines than anyone has.
const MOST_SHARDS: u64 = 1_000_000;

/// `3/64`, or `auto`.
fn shard(text: &str) -> Result<(u64, u64), String> {
    let numbers = match text {
        "auto" => return shard_of(|name| std::env::var(name).ok()),
        text => text.split_once('/'),
    };
    let numbers = numbers.and_then(|(k, n)| Some((k.trim().parse().ok()?, n.trim().parse().ok()?)));
    match numbers {
        Some((k, n)) if 1 <= k && k <= n && n <= MOST_SHARDS => Ok((k, n)),
        _ => Err("write two numbers such as 3/64, the first from 1 to the second".to_owned()),
    }
}

/// Which of how many machines this is, according to the variables that schedulers set: how many
/// there are, the number of this one, and the number of the first one.
fn shard_of(variable: impl Fn(&str) -> Option<String>) -> Result<(u64, u64), String> {
    const SCHEDULERS: [(&str, &str, &str); 3] = [
        ("SQUALL_SHARDS", "SQUALL_SHARD", "1"),
        ("SQUALL_SHARDS", "JOB_COMPLETION_INDEX", "0"),
        (
            "SLURM_ARRAY_TASK_COUNT",
            "SLURM_ARRAY_TASK_ID",
            "SLURM_ARRAY_TASK_MIN",
        ),
    ];
    for (count, number, least) in SCHEDULERS {
        let (Some(count), Some(number)) = (variable(count), variable(number)) else {
            continue;
        };
        let least = variable(least).unwrap_or_else(|| least.to_owned());
        let numbers = [number, least].map(|text| text.trim().parse::<u64>().ok());
        return match numbers {
            [Some(number), Some(least)] if number >= least => {
                shard(&format!("{}/{count}", number - least + 1))
            }
            _ => Err("the scheduler's variables are no numbers that count the machines".to_owned()),
        };
    }
    Err("nothing says which machine this is: set SQUALL_SHARD, from 1 on, and SQUALL_SHARDS, how many there are \
         (an indexed job of Kubernetes sets the first itself, Slurm both)"
        .to_owned())
}

pub(crate) fn explore(arguments: &Arguments) -> Result<Exit, Failure> {
    let fixed = read(arguments.file.as_deref())?;
    let before = match (&arguments.out, arguments.resume) {
        (Some(directory), true) => Some(read_exploration(directory)?),
        _ => None,
    };
    let span = Span {
        stretch: match &before {
            Some(before) => left_of(before)?,
            None => arguments.stretch(),
        },
        fail_fast: arguments.fail_fast,
        canary: arguments.canary,
    };
    let effort = Effort {
        jobs: arguments.jobs.map_or_else(default_jobs, usize::from),
        longest: arguments.longest,
        stop: stop_on_ctrl_c()?,
    };
    let bar = spinner("worlds");
    let began = Instant::now();
    let told = search::explore(&fixed, &span, &effort, |progress| {
        bar.inc(1);
        bar.set_message(stories(progress.stories));
        bar.suspend(|| {
            arguments
                .reporting
                .ended(&ended(&arguments.name(), progress))
        });
    });
    bar.finish_and_clear();
    let now = told.map_err(wrong)?;
    let played = now.worlds;
    let exploration = match before {
        // The stretch includes what was played before.
        Some(before) => search::go_on(before, now),
        None => now,
    };
    let json = document(&exploration)?;
    let reporting = arguments.reporting;
    reporting.say(|| exploration.text(), || json, || exploration.cases());
    if let Some(directory) = &arguments.out {
        write(&exploration, directory)?;
    }
    let took = began.elapsed().as_secs_f64();
    let speed = played as f64 / took * 60.0;
    let worlds = counted(played, "world");
    note(format_args!("{worlds} in {took:.1} s, {speed:.0} a minute"));
    Ok(match exploration.stories.is_empty() {
        true if exploration.worlds == 0 => Exit::NotExercised,
        true => Exit::AsExpected,
        false => Exit::NotAsExpected,
    })
}

/// A world that has been played. What is left open in it, its seed decides.
fn ended(name: &str, progress: Progress) -> Ended<'_> {
    let (story, evidence) = progress.found.unzip();
    let mut all = Guarantee::ALL.into_iter();
    let subject = story.as_ref().map(|story| &*story.subject);
    let violated = all.find(|it| Some(it.name()) == subject);
    let of = match name {
        WORLD => String::new(),
        file => format!(" {file}"),
    };
    Ended {
        scenario: name,
        seed: progress.seed,
        engine: Engine::Native,
        outcome: Some(match story {
            Some(_) => Outcome::NotAsExpected,
            None => Outcome::AsExpected,
        }),
        violated: violated.into_iter().collect(),
        what: (story.iter().map(Story::to_string).chain(evidence)).collect(),
        command: as_called(&format!(
            "squall explore{of} --seeds {0}..{0}",
            progress.seed
        )),
    }
}

impl Arguments {
    /// What the worlds complete.
    fn name(&self) -> String {
        let file = self.file.as_ref();
        file.map_or(WORLD.to_owned(), |file| file.display().to_string())
    }

    /// The requested seeds.
    fn stretch(&self) -> Stretch {
        let default = match self.longest {
            Some(_) => 1..=u64::MAX,
            None => 1..=SEEDS,
        };
        let seeds = self.seeds.clone().unwrap_or(default);
        let (part, parts) = self.shard;
        Stretch {
            first: *seeds.start(),
            last: *seeds.end(),
            part,
            parts,
            played: 0,
        }
    }
}

/// The seeds that an exploration has not reached.
fn left_of(exploration: &Exploration) -> Result<Stretch, Failure> {
    match exploration.stretches.as_slice() {
        [stretch] if !stretch.is_complete() => Ok(*stretch),
        [_] => Err(Failure::new(
            "all of its worlds have been played: take further seeds, into another directory",
        )),
        _ => Err(Failure::new(
            "it was merged from several: resume each of those, and merge them again",
        )),
    }
}

/// Prints what was found. As JSON it is what `--out` writes into `exploration.json`.
///
/// # Errors
/// If JSON cannot represent it.
pub(super) fn say_exploration(
    exploration: &Exploration,
    format: TextOrJson,
) -> Result<(), Failure> {
    let json = document(exploration)?;
    say(format.written(|| exploration.text(), || json));
    Ok(())
}

fn document(exploration: &Exploration) -> Result<String, Failure> {
    serde_json::to_string_pretty(exploration).map_err(Failure::new)
}

/// The scenario file that a world completes; without one, nothing is fixed.
///
/// # Errors
/// If it cannot be read or is not a scenario, in words for people.
pub(super) fn read(file: Option<&Path>) -> Result<Document, Failure> {
    let Some(file) = file else {
        return Ok(Document::default());
    };
    let name = file.display().to_string();
    // Reports every mistake with its place.
    super::selection::read_one(&name)?;
    let text = match embedded(&name) {
        Some(text) => text,
        None => files::read_text(file, files::TEXT_MAX)
            .map_err(|error| Failure::new(format!("the file {name} cannot be read: {error}")))?,
    };
    let text = squall::completed(&name, &text).map_err(Failure::new)?;
    Document::parse(&text).map_err(Failure::new)
}

/// A world was not a scenario: if there is a file, what it fixes does not go together with
/// something that was drawn.
pub(super) fn wrong(bad: BadScenario) -> Failure {
    Failure::told(told(&bad))
}

fn stories(count: usize) -> String {
    match count {
        1 => "1 story".to_owned(),
        _ => format!("{count} stories"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_one_of_so_many() {
        assert_eq!(shard("3/64"), Ok((3, 64)));
        assert!(shard("0/4").is_err() && shard("5/4").is_err() && shard("5").is_err());
    }

    #[test]
    fn a_scheduler_says_which_machine_this_is() {
        let shard = |variables: &[(&str, &str)]| {
            shard_of(|name| {
                let found = variables.iter().find(|(it, _)| *it == name);
                found.map(|(_, value)| (*value).to_owned())
            })
        };
        let own = [("SQUALL_SHARD", "3"), ("SQUALL_SHARDS", "64")];
        let kubernetes = [("JOB_COMPLETION_INDEX", "0"), ("SQUALL_SHARDS", "8")];
        let slurm = [
            ("SLURM_ARRAY_TASK_COUNT", "10"),
            ("SLURM_ARRAY_TASK_ID", "17"),
            ("SLURM_ARRAY_TASK_MIN", "10"),
        ];
        assert_eq!(shard(&own), Ok((3, 64)));
        assert_eq!(shard(&kubernetes), Ok((1, 8)));
        assert_eq!(shard(&slurm), Ok((8, 10)));
        assert!(shard(&kubernetes[..1]).is_err() && shard(&[]).is_err());
        assert!(shard(&[("SQUALL_SHARD", "0"), ("SQUALL_SHARDS", "4")]).is_err());
    }
}
