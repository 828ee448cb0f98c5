//! Plays of the command: with all switches off, to learn what is normal and which switches a
//! scenario reaches; and with one of them on.

use crate::error::Error;
use crate::parallel::side_by_side;
use crate::switched::{ON, REACHED};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The exit code of the command for "not as expected".
const NOT_AS_EXPECTED: i32 = 1;
/// How often to check whether a play has ended.
const LOOK: Duration = Duration::from_millis(20);

/// What the command is asked to play.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Play {
    /// One scenario with seed 1, as `run --all` does with each.
    Once(String),
    /// One scenario with the seeds from 1 to this.
    Seeds(String, u32),
    /// The whole matrix with this many seeds.
    Matrix(u32),
    /// A range of generated worlds: the seed of the first, and how many.
    Worlds(u32, u32),
}

/// How a play ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    /// None if it took too long.
    code: Option<i32>,
    /// The guarantees that were violated unexpectedly; for worlds, their stories.
    pub(crate) violated: Vec<String>,
    /// How many runs it took.
    pub(crate) runs: u32,
    /// The world of the first story; none if no worlds were played, or none tells one.
    pub(crate) world: Option<u64>,
}

impl Ended {
    /// Whether it found something wrong.
    pub(crate) fn is_finding(&self) -> bool {
        self.code == Some(NOT_AS_EXPECTED)
    }

    pub(crate) fn took_too_long(&self) -> bool {
        self.code.is_none()
    }
}

/// What the command has said.
pub(crate) struct Said {
    /// On standard output.
    pub(crate) told: String,
    /// On standard error.
    pub(crate) complaints: String,
}

/// A play without any defect.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Normal {
    /// Whether it was as expected; otherwise it cannot find anything.
    pub(crate) usable: bool,
    reached: BTreeSet<usize>,
    pub(crate) seconds: f64,
}

impl Normal {
    pub(crate) fn reaches(&self, number: usize) -> bool {
        self.reached.contains(&number)
    }
}

/// The command with switches.
pub(crate) struct Stage {
    pub(crate) command: PathBuf,
    /// A folder for what plays leave behind.
    pub(crate) scratch: PathBuf,
    pub(crate) longest: Duration,
}

impl Stage {
    /// Plays with one switch on, or none.
    pub(crate) fn play(
        &self,
        play: &Play,
        on: Option<usize>,
        reached: &Path,
    ) -> Result<Ended, Error> {
        // An earlier play has left its own.
        let _ = fs::remove_file(reached);
        let told = reached.with_extension("told");
        let output = File::create(&told).map_err(|error| Error::file(&told, error))?;
        let mut command = Command::new(&self.command);
        command
            .args(play.arguments())
            .env(REACHED, reached)
            .current_dir(&self.scratch)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(Stdio::null());
        if let Some(number) = on {
            command.env(ON, number.to_string());
        }
        let failed = |error| Error::file(&self.command, error);
        let mut child = command.spawn().map_err(failed)?;
        let due = Instant::now() + self.longest;
        let code = loop {
            match child.try_wait().map_err(failed)? {
                // A signal means that the command crashed: there is no exit code, and no verdict.
                Some(status) => break Some(status.code().unwrap_or(-1)),
                None if Instant::now() >= due => {
                    let _ = child.kill();
                    let _ = child.wait();
                    break None;
                }
                None => sleep(LOOK),
            }
        };
        let text = fs::read_to_string(&told).unwrap_or_default();
        let worlds = matches!(play, Play::Worlds(..)).then(|| worlds(&text));
        let world = worlds.is_some().then(|| first_world(&text)).flatten();
        let (violated, runs) = match worlds {
            Some((stories, worlds)) => (stories, worlds),
            None => (violated(&text), play.runs()),
        };
        Ok(Ended {
            code,
            violated,
            runs,
            world,
        })
    }

    /// What the command says to something else than a play, with a switch on or without any.
    pub(crate) fn ask(&self, arguments: &[&str], on: Option<usize>) -> Result<Said, Error> {
        let failed = |error| Error::file(&self.command, error);
        let output = Command::new(&self.command)
            .args(arguments)
            .envs(on.map(|on| (ON, on.to_string())))
            .current_dir(&self.scratch)
            .stdin(Stdio::null())
            .output()
            .map_err(failed)?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Said {
            told: text(output.stdout),
            complaints: text(output.stderr),
        })
    }

    /// Plays without a defect, or returns the remembered result of doing so with this very command.
    pub(crate) fn normal(&self, play: &Play) -> Result<Normal, Error> {
        let name = play.arguments().join("_").replace('/', "-");
        let kept = self.scratch.join(format!("normal-{name}.json"));
        let newer = |path: &Path| Some(path.metadata().ok()?.modified().ok());
        if newer(&kept) > newer(&self.command)
            && let Ok(text) = fs::read_to_string(&kept)
            && let Ok(normal) = serde_json::from_str(&text)
        {
            return Ok(normal);
        }
        let reached = self.scratch.join(format!("normal-{name}.reached"));
        let began = Instant::now();
        let ended = self.play(play, None, &reached)?;
        let flags = fs::read(&reached).unwrap_or_default();
        let numbers = flags.iter().zip(0..).filter(|(flag, _)| **flag != 0);
        let normal = Normal {
            usable: !ended.is_finding() && !ended.took_too_long(),
            reached: numbers.map(|(_, number)| number).collect(),
            seconds: began.elapsed().as_secs_f64(),
        };
        let json = serde_json::to_string(&normal).expect("it has text keys only");
        fs::write(&kept, json).map_err(|error| Error::file(&kept, error))?;
        Ok(normal)
    }

    /// What is normal for each of many plays, several at a time.
    pub(crate) fn normals(
        &self,
        plays: &[Play],
        jobs: usize,
    ) -> Result<BTreeMap<Play, Normal>, Error> {
        let all = side_by_side(plays, jobs, |play| {
            self.normal(play).map(|normal| (play.clone(), normal))
        });
        all.into_iter().collect()
    }
}

impl Play {
    fn arguments(&self) -> Vec<String> {
        let worlds = |first: &u32, count: &u32| format!("{first}..{}", first + count - 1);
        let arguments: &[&str] = match self {
            Play::Once(name) => &["run", name],
            Play::Seeds(name, seeds) => {
                &["run", name, "--seeds", &seeds.to_string(), "--jobs", "1"]
            }
            Play::Matrix(seeds) => &["matrix", "--seeds", &seeds.to_string(), "--jobs", "1"],
            Play::Worlds(first, count) => &[
                "explore",
                "--seeds",
                &worlds(first, count),
                "--jobs",
                "1",
                "--fail-fast",
            ],
        };
        arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .collect()
    }

    /// What is played, regardless of seeds.
    pub(crate) fn subject(&self) -> &str {
        match self {
            Play::Once(name) | Play::Seeds(name, _) => name,
            Play::Matrix(_) => "the matrix",
            Play::Worlds(..) => "worlds",
        }
    }

    /// How many runs it is; zero if the command decides.
    pub(crate) fn runs(&self) -> u32 {
        match self {
            Play::Once(_) => 1,
            Play::Seeds(_, seeds) => *seeds,
            Play::Matrix(_) => 0,
            Play::Worlds(_, worlds) => *worlds,
        }
    }
}

impl std::fmt::Display for Play {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Play::Once(name) => f.write_str(name),
            Play::Seeds(name, seeds) => write!(f, "{name}, {seeds} seeds"),
            Play::Matrix(seeds) => write!(f, "the matrix, {seeds} seeds"),
            Play::Worlds(first, count) => write!(f, "{count} worlds from {first} on"),
        }
    }
}

/// The guarantees in a report's table that were violated though expected to hold, or not mentioned
/// in the expectation.
fn violated(report: &str) -> Vec<String> {
    let rows = report.lines().filter_map(|line| {
        let mut columns = line.strip_prefix("  ")?.split_whitespace();
        let guarantee = columns.next()?;
        (columns.next()? == "violated" && columns.next()? != "violated")
            .then(|| guarantee.to_owned())
    });
    rows.collect()
}

/// The stories of an exploration, and how many worlds were played to find them.
fn worlds(report: &str) -> (Vec<String>, u32) {
    let mut lines = report.lines();
    let played = lines.next().and_then(|head| head.split(' ').next());
    let stories = lines.filter(|line| {
        let is_name = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        line.split_once(": ")
            .is_some_and(|(subject, _)| is_name(subject))
    });
    let played = played.and_then(|number| number.parse().ok());
    (stories.map(str::to_owned).collect(), played.unwrap_or(0))
}

/// The seed of the smallest world of the first story.
fn first_world(report: &str) -> Option<u64> {
    let mut lines = report.lines();
    let line = lines.find_map(|line| line.trim().strip_prefix("smallest: seed "))?;
    line.split(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worlds_are_counted_and_their_stories_told() {
        let report = "\
17 worlds: 1 story

no-phantom: phantom, own-echo
  1 world: seed 17
  smallest: seed 17, 0 faults, 2 clients, 3 messages

Never put to the test: fairness
";
        let stories = vec!["no-phantom: phantom, own-echo".to_owned()];
        assert_eq!(worlds(report), (stories, 17));
        assert_eq!(first_world(report), Some(17));
    }

    #[test]
    fn what_was_meant_to_be_violated_is_no_finding() {
        let report = "\
Guarantees                verdict        expected
  ordering                held           held
  at-least-once           violated       violated
  total-order             violated       held
  presence                violated       -
      the room was violated by nobody
";
        assert_eq!(violated(report), ["total-order", "presence"]);
    }
}
