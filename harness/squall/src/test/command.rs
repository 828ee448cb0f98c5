//! A project's own command: its simulated tests, played and explored by hand.
//!
//! | file | subject |
//! |---|---|
//! | `arguments` | what a command line says |
//! | `explore` | many seeds, and all the stories that they tell |
//! | `why` | what a violation depends on |

mod arguments;
mod explore;
mod why;

use super::Test;
use super::finding::{Failure, Kind, SHRINKING};
use super::play::Outcome;
use super::shrink::Effort;
use arguments::{Line, read};
use serde_json::json;
use squall_guarantees::counted;
use squall_simulator::Crash;
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How a command ends, as the operating system is told: as with the command `squall`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Exit {
    AsExpected = 0,
    NotAsExpected = 1,
    NotExercised = 2,
    NotDeterministic = 3,
    Failed = 4,
}

impl From<Kind> for Exit {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Broken => Exit::NotAsExpected,
            Kind::ShowsLess => Exit::NotExercised,
            Kind::Differs => Exit::NotDeterministic,
        }
    }
}

/// The version of the JSON that is written.
const VERSION: u32 = 1;

/// The whole command, given its name and its arguments; what [`squall::main!`](crate::main) makes
/// `main` of.
#[doc(hidden)]
pub fn command(tests: &[Test], mut line: impl Iterator<Item = String>) -> ExitCode {
    let program = line.next().unwrap_or_else(|| "squall".to_owned());
    let words: Vec<String> = line.collect();
    let exit = read(&program, &words, tests).and_then(|line| match line {
        None => Ok(Exit::AsExpected),
        Some(line) => (line.verb.run)(&line),
    });
    let exit = exit.unwrap_or_else(|wrong| {
        complain(format_args!("error: {wrong}"));
        Exit::Failed
    });
    ExitCode::from(exit as u8)
}

/// What people ask for. A reader that has gone away is not a failure.
fn say(what: impl Display) {
    let _ = writeln!(std::io::stdout(), "{what}");
}

/// What they must know besides.
fn complain(what: impl Display) {
    let _ = writeln!(std::io::stderr(), "{what}");
}

/// `list`: the tests.
fn list(line: &Line<'_>) -> Result<Exit, String> {
    if line.is_json() {
        let tests = line.tests.iter();
        let tests = tests.map(|test| json!({ "name": test.path(), "seeds": test.seeds }));
        let tests: Vec<_> = tests.collect();
        say(format_args!(
            "{:#}",
            json!({ "squall": VERSION, "tests": tests })
        ));
        return Ok(Exit::AsExpected);
    }
    for test in &line.tests {
        say(format_args!(
            "{}: {}",
            test.path(),
            counted(test.seeds, "seed")
        ));
    }
    Ok(Exit::AsExpected)
}

/// `run`: each test, as `cargo test` plays it.
fn run(line: &Line<'_>) -> Result<Exit, String> {
    let mut worst = Exit::AsExpected;
    for test in &line.tests {
        let began = Instant::now();
        let mut each = |seed: u64, played: &Result<Outcome, Crash>| {
            if line.is_json() {
                say(json_line(test, seed, played));
            }
        };
        match test.passes(&line.settings, &mut each) {
            Err(failure) => worst = worst.max(fails(line, &failure)),
            Ok(_) if line.is_json() => {}
            Ok((shown, held)) => say(format_args!(
                "{}: holds with {} in {:.1} s\n    {}",
                test.path(),
                counted(held, "seed"),
                began.elapsed().as_secs_f64(),
                shown.judged().join("\n    ")
            )),
        }
    }
    Ok(worst)
}

fn fails(line: &Line<'_>, failure: &Failure) -> Exit {
    match line.is_json() {
        true => complain(&failure.text),
        false => say(&failure.text),
    }
    failure.kind.into()
}

/// A run as a line of JSON.
fn json_line(test: &Test, seed: u64, played: &Result<Outcome, Crash>) -> String {
    let mut line = json!({ "squall": VERSION, "test": test.path(), "seed": seed });
    match played {
        Ok(outcome) => {
            line["digest"] = format!("{:016x}", outcome.digest).into();
            line["faults"] = json!(outcome.faults);
            let verdicts = outcome.verdicts.iter().map(|(name, verdict)| {
                let mut verdict = json!(verdict);
                verdict["guarantee"] = json!(name);
                verdict
            });
            line["verdicts"] = verdicts.collect();
        }
        Err(crash) => line["crash"] = crash.to_string().into(),
    }
    line.to_string()
}

/// How much `shrink` tries.
const THOROUGHLY: Effort = Effort {
    runs: 2000,
    time: Duration::from_secs(300),
};

/// `shrink`: the smaller plan of a seed that fails.
fn shrink(line: &Line<'_>) -> Result<Exit, String> {
    let (test, seed) = line.one()?;
    let settings = &line.settings;
    let outcome = match test.play(seed, settings.fixed(), false) {
        Ok(outcome) => outcome,
        Err(crash) => return Ok(fails(line, &test.tell_of_crash(settings, seed, &crash))),
    };
    if super::broken(&outcome).is_empty() {
        say(format_args!(
            "Seed {seed} of {} breaks nothing: there is nothing to make small.",
            test.path()
        ));
        return Ok(Exit::NotExercised);
    }
    match test.find(settings, seed, outcome, THOROUGHLY) {
        Err(failure) => Ok(fails(line, &failure)),
        Ok(finding) => {
            let failure = test.tell(settings, &finding, 0);
            complain(&failure.text);
            say(test.plan_of(&finding).trim_end());
            Ok(failure.kind.into())
        }
    }
}

/// `explore`: all that goes wrong in many seeds.
fn explore(line: &Line<'_>) -> Result<Exit, String> {
    let mut worst = Exit::AsExpected;
    for test in &line.tests {
        let exit = match explore::explore(test, &line.settings, SHRINKING) {
            Ok(exit) => exit,
            Err(failure) => fails(line, &failure),
        };
        worst = worst.max(exit);
    }
    Ok(worst)
}

/// `why`: what a violation depends on.
fn why(line: &Line<'_>) -> Result<Exit, String> {
    let (test, seed) = line.one()?;
    why::why(test, &line.settings, seed, line.dice()?).or_else(|failure| Ok(fails(line, &failure)))
}
