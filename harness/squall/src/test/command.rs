//! A project's own command: its simulated tests, played and explored by hand.
//!
//! | file | subject |
//! |---|---|
//! | `arguments` | what a command line says |
//! | `documents` | what programs read |
//! | `explore` | many seeds, and all the stories that they tell |
//! | `speech` | how it speaks |
//! | `why` | what a violation depends on |

mod arguments;
mod documents;
mod explore;
mod speech;
mod why;

use super::failure::broken;
use super::finding::{Failure, SHRINKING};
use super::play::Outcome;
use super::playing::Test;
use super::shrink::Effort;
use crate::exit::Exit;
use arguments::{Deed, Line, read};
use documents::{Run, Tests, schema};
use speech::{complain, say};
use squall_guarantees::counted;
use squall_simulator::Crash;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The whole command, given its name and its arguments; what [`squall::main!`](crate::main) makes
/// `main` of.
#[doc(hidden)]
pub fn command(tests: &[Test], mut line: impl Iterator<Item = String>) -> ExitCode {
    let program = line.next().unwrap_or_else(|| "squall".to_owned());
    let words: Vec<String> = line.collect();
    let exit = read(&program, &words, tests).and_then(|line| match line {
        None => Ok(Exit::AsExpected),
        Some(line) => match line.verb.deed {
            Deed::List => Ok(list(&line)),
            Deed::Run => Ok(run(&line)),
            Deed::Explore => Ok(explore(&line)),
            Deed::Shrink => shrink(&line),
            Deed::Why => why(&line),
        },
    });
    let exit = exit.unwrap_or_else(|wrong| {
        complain(format_args!("error: {wrong}"));
        Exit::Failed
    });
    exit.code()
}

/// `list`: the tests.
fn list(line: &Line<'_>) -> Exit {
    if line.is_schema() {
        say(schema::<Tests>());
        return Exit::AsExpected;
    }
    if line.is_json() {
        let tests = serde_json::to_string_pretty(&Tests::of(&line.tests));
        say(tests.expect("the list is valid JSON"));
        return Exit::AsExpected;
    }
    for test in &line.tests {
        say(format_args!(
            "{}: {}",
            test.path(),
            counted(test.seeds, "seed")
        ));
    }
    Exit::AsExpected
}

/// `run`: each test, as `cargo test` plays it.
fn run(line: &Line<'_>) -> Exit {
    if line.is_schema() {
        say(schema::<Run<'_>>());
        return Exit::AsExpected;
    }
    let mut worst = Exit::AsExpected;
    for test in &line.tests {
        let began = Instant::now();
        let mut each = |seed: u64, played: &Result<Outcome, Crash>| {
            if line.is_json() {
                let run = serde_json::to_string(&Run::of(test, seed, played));
                say(run.expect("a run is valid JSON"));
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
    worst
}

fn fails(line: &Line<'_>, failure: &Failure) -> Exit {
    match line.is_json() {
        true => complain(&failure.text),
        false => say(&failure.text),
    }
    failure.kind.into()
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
    if broken(&outcome).is_empty() {
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
fn explore(line: &Line<'_>) -> Exit {
    let mut worst = Exit::AsExpected;
    for test in &line.tests {
        let exit = match explore::explore(test, &line.settings, SHRINKING) {
            Ok(exit) => exit,
            Err(failure) => fails(line, &failure),
        };
        worst = worst.max(exit);
    }
    worst
}

/// `why`: what a violation depends on.
fn why(line: &Line<'_>) -> Result<Exit, String> {
    let (test, seed) = line.one()?;
    why::why(test, &line.settings, seed, line.dice()?).or_else(|failure| Ok(fails(line, &failure)))
}
