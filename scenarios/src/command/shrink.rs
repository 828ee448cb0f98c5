//! `squall shrink`: shrinks the world of a story, and writes it as a scenario that anyone can run.

use super::exit::{Exit, Failure, complain, is_verbose, note, say};
use super::explore::{read, wrong};
use super::stop::stop_on_ctrl_c;
use crate::search::{self, Document, Effort, Size, Yardstick};
use squall::parallel::default_jobs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Makes a failing world small: the fewest faults, clients and messages with which the same goes
/// wrong.
///
/// Without a file, or with `--open`, the world is the one that `squall explore` composes from the
/// seed. Otherwise it is the scenario of the file, as `squall run FILE --seed N` plays it. What
/// comes out is a scenario file with the seed that shows it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A scenario file, or the name of a scenario.
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// The seed with which it goes wrong.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// The file is completed by the seed, as `squall explore FILE` does it.
    #[arg(long)]
    open: bool,
    /// How many seconds it may take.
    #[arg(long, value_name = "N", default_value_t = 60)]
    seconds: u64,
    /// How many worlds at a time; as many as there are cores, if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// Where to write the scenario; it is printed if not given.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Where to write a Rust test that plays it.
    #[arg(long, value_name = "FILE")]
    emit_test: Option<PathBuf>,
    /// Tell what was tried.
    #[arg(long)]
    log: bool,
}

const EXAMPLES: &str = "\
Examples:
  squall shrink --seed 4711               a world that `explore` has found
  squall shrink my-chat.toml --seed 17    a scenario of your own that fails
  squall shrink --seed 4711 --out small.toml --emit-test tests/small.rs";

/// How many other dice to try when an edit changes which machines there are.
const DICE: u64 = 3;

pub(crate) fn shrink(arguments: &Arguments) -> Result<Exit, Failure> {
    let fixed = read(arguments.file.as_deref())?;
    let (world, yardstick) = match &arguments.file {
        Some(_) if !arguments.open => (fixed.clone(), Yardstick::of_file(&fixed)),
        _ => {
            let yardstick = Yardstick::completing(&fixed);
            let world = search::compose(arguments.seed, &fixed, &yardstick).map_err(wrong)?;
            (world, yardstick)
        }
    };
    let stop = stop_on_ctrl_c()?;
    let seed = arguments.seed;
    let Some(found) = search::play(&world, seed, &yardstick).map_err(wrong)? else {
        say(format_args!(
            "Nothing that must hold is violated with seed {seed}: there is nothing to make small."
        ));
        return Ok(Exit::NotExercised);
    };
    let began = Instant::now();
    let effort = Effort {
        jobs: arguments.jobs.map_or_else(default_jobs, usize::from),
        longest: Duration::from_secs(arguments.seconds),
        dice: DICE,
    };
    let shrunk = search::shrink(&world, seed, &found.story, &yardstick, effort, &stop);
    let shrunk = shrunk.ok_or_else(|| {
        Failure::new("the world went wrong once, and then it did not: please report this")
    })?;
    let size = |world: &Document, seed| {
        Size::of(world, seed).map_or_else(String::new, |size| size.to_string())
    };
    if arguments.log || is_verbose() {
        for (edit, kept) in &shrunk.log {
            complain(format_args!("{} {edit}", if *kept { "+" } else { "-" }));
        }
    }
    note(format_args!(
        "{}\nbefore: {}\nafter:  {}{}\n{} worlds played in {:.1} s",
        found.story,
        size(&world, seed),
        size(&shrunk.world, shrunk.seed),
        if shrunk.done {
            ""
        } else {
            " (there was no time for more)"
        },
        shrunk.plays,
        began.elapsed().as_secs_f64(),
    ));
    let evidence = &shrunk.finding.evidence;
    let witness = search::witness(
        &shrunk.world,
        shrunk.seed,
        &found.story,
        evidence,
        &yardstick,
    );
    match &arguments.out {
        None => say(witness.trim_end()),
        Some(path) => write(path, &witness)?,
    }
    if let Some(path) = &arguments.emit_test {
        write(path, &search::test_of(&witness, shrunk.seed, &found.story))?;
    }
    Ok(Exit::NotAsExpected)
}

fn write(path: &std::path::Path, text: &str) -> Result<(), Failure> {
    super::files::write(path, text.as_bytes())
        .map_err(|error| Failure::new(format!("{} cannot be written: {error}", path.display())))
}
