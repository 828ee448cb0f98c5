//! Many seeds of a test, and all the stories that they tell: violations of the same guarantee in
//! the same words, whoever and whenever.

use super::speech::{complain, say};
use crate::exit::Exit;
use crate::test::failure::{broken, mechanism};
use crate::test::finding::{Failure, Finding};
use crate::test::play::Outcome;
use crate::test::playing::Test;
use crate::test::settings::Settings;
use crate::test::shown::Shown;
use crate::test::shrink::Effort;
use squall_guarantees::counted;
use squall_simulator::Crash;
use std::io::{IsTerminal, Write, stderr};
use std::time::{Duration, Instant};

/// A story, and the seeds that tell it, of which the first is kept.
struct Story {
    title: String,
    seeds: Vec<u64>,
    first: Result<Outcome, Crash>,
}

/// Plays the seeds of a test, and tells what they have to tell.
///
/// # Errors
///
/// If a run is not the same twice.
pub(super) fn explore(test: &Test, settings: &Settings, effort: Effort) -> Result<Exit, Failure> {
    let (mut stories, mut shown, mut played) = (Vec::<Story>::new(), Shown::default(), 0);
    let mut progress = Progress::default();
    test.seeds(settings, |seed, outcome, _| {
        played += 1;
        progress.show(|| {
            let stories = counted(stories.len() as u64, "story");
            format!("{}: {}, {stories}", test.path(), counted(played, "seed"))
        });
        let title = match &outcome {
            Ok(outcome) => {
                shown.add(outcome);
                match broken(outcome)[..] {
                    [] => return,
                    [first, ..] => format!("{first}: {}", mechanism(outcome)),
                }
            }
            Err(crash) => {
                let words = crash.to_string();
                format!(
                    "a process ends: {}",
                    words.lines().last().unwrap_or_default()
                )
            }
        };
        match stories.iter_mut().find(|it| it.title == title) {
            Some(story) => story.seeds.push(seed),
            None => {
                progress.over();
                complain(format_args!("{}: seed {seed}: {title}", test.path()));
                stories.push(Story {
                    title,
                    seeds: vec![seed],
                    first: outcome,
                });
            }
        }
    });
    progress.over();
    if stories.is_empty() {
        say(format_args!(
            "{}: {}, and nothing is broken\n    {}",
            test.path(),
            counted(played, "seed"),
            shown.judged().join("\n    ")
        ));
        let complaints = shown.complaints();
        complaints
            .iter()
            .for_each(|it| say(format_args!("    {it}")));
        return Ok(match complaints.is_empty() {
            true => Exit::AsExpected,
            false => Exit::NotExercised,
        });
    }
    stories.sort_by_key(|story| std::cmp::Reverse(story.seeds.len()));
    say(format_args!(
        "{}: {}, {}",
        test.path(),
        counted(played, "seed"),
        counted(stories.len() as u64, "story")
    ));
    for (story, number) in stories.into_iter().zip(1..) {
        say(format_args!(
            "\n{number}. {}\n   {} of {played}: {}\n",
            story.title,
            counted(story.seeds.len() as u64, "seed"),
            some(&story.seeds)
        ));
        let seed = story.seeds[0];
        let told = match story.first {
            Err(crash) => test.tell_of_crash(settings, seed, &crash),
            Ok(outcome) => {
                let finding: Finding = test.find(settings, seed, outcome, effort)?;
                test.tell(settings, &finding, 0)
            }
        };
        say(&told.text);
    }
    Ok(Exit::NotAsExpected)
}

/// How many seeds of a story are named.
const NAMED: usize = 10;

fn some(seeds: &[u64]) -> String {
    let named = seeds.iter().take(NAMED).map(u64::to_string);
    let named = named.collect::<Vec<_>>().join(", ");
    match seeds.len() > NAMED {
        true => format!("{named}, …"),
        false => named,
    }
}

/// A line on a terminal that says how far it is; nothing elsewhere.
#[derive(Default)]
struct Progress {
    shown: Option<Instant>,
}

impl Progress {
    fn show(&mut self, line: impl FnOnce() -> String) {
        let is_due = self
            .shown
            .is_none_or(|it| it.elapsed() >= Duration::from_millis(200));
        if is_due && stderr().is_terminal() {
            let _ = write!(stderr(), "\r\x1b[K{}", line());
            self.shown = Some(Instant::now());
        }
    }

    /// Takes the line away.
    fn over(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}
