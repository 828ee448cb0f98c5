//! Tests in simulated worlds: what `#[squall::test]` plays.
//!
//! A test describes a [`World`]: machines that run programs as they are, what goes wrong, and what
//! must hold. It is played with one seed after another. Each run has its own process, forked from a
//! copy of this executable in which nothing has happened: so a run depends on its seed alone,
//! whatever statics the programs have, and anything that ends the process is a finding. When a
//! guarantee breaks, the run is played again (is it the same?), made smaller while the same
//! guarantee breaks, and reported.
//!
//! | file | subject |
//! |---|---|
//! | `world` | what a test describes: machines, checks |
//! | `who` | machines, and whom a fault hits |
//! | `faults` | what goes wrong |
//! | `ranges` | how a value is left to the seed |
//! | `dice` | what the seed decides |
//! | `watch`, `traced` | what programs tell, and what their events mean |
//! | `play` | one run |
//! | `shrink` | a run that fails, made smaller |
//! | `failure` | what is said then |
//! | `settings` | what the environment says |

mod dice;
mod failure;
mod faults;
mod play;
mod ranges;
mod settings;
mod shrink;
#[cfg_attr(not(feature = "tracing"), path = "untraced.rs")]
mod traced;
mod watch;
mod who;
mod world;

pub use faults::{
    Fault, hold, isolate, kill, kill_at_work, latency, loss, new_address, one_way, partition,
    pause, power_loss, suspend, terminate, torn_power_loss,
};
pub use play::play;
pub use ranges::{Chances, Counts, Times, ms};
pub use who::{Machine, Machines, Who, any};
pub use world::{Program, World};

use crate::parallel::{Effort, Stop, parallel};
use dice::Fixed;
use failure::broken;
use play::{Asked, Outcome};
use settings::Settings;
use squall_guarantees::observed::{Told, Verdict};
use squall_guarantees::{counted, natural};
use squall_simulator::{Crash, ProcessLimits, isolated};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A test, as `#[squall::test]` generates it.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct Test {
    /// Where it is: `module_path!()`.
    pub module: &'static str,
    /// The function's name.
    pub name: &'static str,
    /// How many seeds are played by default.
    pub seeds: u64,
    /// The job of a run's process.
    pub play: fn(&[u8]) -> Vec<u8>,
}

/// What a run may use of the host.
const LIMITS: ProcessLimits = ProcessLimits {
    time: Duration::from_secs(60),
    memory: 4 << 30,
};

/// How much effort goes into making a failing run smaller.
const SHRINKING: shrink::Effort = shrink::Effort {
    runs: 150,
    time: Duration::from_secs(15),
};

/// Plays a test.
///
/// # Panics
///
/// If it fails, with everything that is known.
#[doc(hidden)]
#[track_caller]
pub fn run(test: Test) {
    let told = Settings::read().and_then(|settings| test.passes(&settings));
    if let Err(failure) = told {
        panic!("{failure}");
    }
}

/// What all runs of a test have shown together.
#[derive(Default)]
struct Shown {
    /// For each guarantee, whether a run has exercised it, or else why not.
    exercised: BTreeMap<String, Option<String>>,
    /// For each fault, whether it has struck anything.
    struck: BTreeMap<String, bool>,
    /// For each `sometimes!`, whether it was ever true.
    sometimes: BTreeMap<String, bool>,
    /// For each event that is explained, whether a program has told something with it, or else why
    /// not.
    explained: BTreeMap<String, Option<String>>,
}

impl Shown {
    fn add(&mut self, outcome: &Outcome) {
        for (name, verdict) in &outcome.verdicts {
            let why = match verdict {
                Verdict::NotExercised { why } => Some(why.clone()),
                Verdict::Held { .. } | Verdict::Violated { .. } => None,
            };
            let known = self
                .exercised
                .entry(name.clone())
                .or_insert_with(|| why.clone());
            if why.is_none() {
                *known = None;
            }
        }
        for fault in &outcome.faults {
            let label = fault.label.split(", time ").next().unwrap_or_default();
            *self.struck.entry(label.to_owned()).or_default() |= fault.struck > 0;
        }
        for it in &outcome.observed.told {
            if let Told::Sometimes(claim) = &it.told {
                let what = format!("{} ({})", claim.what, claim.place);
                *self.sometimes.entry(what).or_default() |= claim.holds;
            }
        }
        for (message, why) in &outcome.explained {
            let known = self.explained.entry(message.clone());
            let known = known.or_insert_with(|| why.clone());
            if why.is_none() {
                *known = None;
            }
        }
    }

    /// What was never seen: a test that shows nothing is no test.
    fn complaints(&self) -> Vec<String> {
        // What programs claim is judged only where they claim something: not all do.
        let asked = self.exercised.iter().filter(|it| *it.0 != "always");
        let unasked = asked.filter_map(|(name, why)| {
            Some(format!("{name}: not put to the test: {}", why.as_ref()?))
        });
        let idle = self.struck.iter().filter(|it| !it.1);
        let mut idle: Vec<_> = idle.collect();
        idle.sort_by(|(one, _), (other, _)| natural(one, other));
        let idle = idle
            .into_iter()
            .map(|(label, _)| format!("{label} has struck nothing in any run"));
        let never = self.sometimes.iter().filter(|it| !it.1);
        let never = never.map(|(what, _)| format!("never was it so that {what}"));
        let dumb = self.explained.iter();
        let dumb = dumb.filter_map(|(message, why)| {
            Some(format!(
                "the event `{message}` has told nothing: {}",
                why.as_ref()?
            ))
        });
        unasked.chain(idle).chain(never).chain(dumb).collect()
    }
}

impl Test {
    /// What `cargo test` calls it.
    fn path(&self) -> String {
        match self.module.split_once("::") {
            Some((_, module)) => format!("{module}::{}", self.name),
            None => self.name.to_owned(),
        }
    }

    fn play(&self, seed: u64, fixed: &Fixed, trace: bool) -> Result<Outcome, Crash> {
        let fixed = fixed.clone();
        let asked = Asked { seed, fixed, trace };
        let asked = serde_json::to_vec(&asked).expect("what is asked for can be written");
        let answer = isolated(self.play, &asked, LIMITS)?;
        Ok(serde_json::from_slice(&answer).expect("a run answers so"))
    }

    fn passes(&self, settings: &Settings) -> Result<(), String> {
        let (first, fixed) = match (&settings.plan, settings.seed) {
            (Some((seed, fixed)), _) => (Some(*seed), fixed.clone()),
            (None, seed) => (seed, Fixed::new()),
        };
        let (from, count) = match first {
            Some(seed) => (seed, 1),
            None => (1, settings.seeds.unwrap_or(self.seeds)),
        };
        let stop = Stop::default();
        let effort = Effort {
            stop: stop.clone(),
            longest: settings.length.filter(|_| first.is_none()),
            ..Effort::default()
        };
        let seeds = match effort.longest {
            Some(_) => from..u64::MAX,
            None => from..from.saturating_add(count),
        };
        let (mut shown, mut failed, mut digest, mut held) = (Shown::default(), None, None, 0);
        parallel(
            seeds,
            &effort,
            |&seed| self.play(seed, &fixed, false),
            |seed, played| {
                if failed.is_some() {
                    return;
                }
                match played {
                    Ok(outcome) if broken(&outcome).is_empty() => {
                        digest.get_or_insert((seed, outcome.digest));
                        shown.add(&outcome);
                        held += 1;
                    }
                    other => {
                        stop.store(true, Ordering::Relaxed);
                        failed = Some((seed, other));
                    }
                }
            },
        );
        match failed {
            Some((seed, Ok(outcome))) => Err(self.tell(settings, seed, fixed, outcome, held)),
            Some((seed, Err(crash))) => Err(self.tell_of_crash(seed, &crash)),
            None => {
                if let Some((seed, digest)) = digest {
                    self.same_again(seed, &fixed, digest)?;
                }
                match shown.complaints() {
                    complaints if first.is_some() || complaints.is_empty() => Ok(()),
                    complaints => Err(format!(
                        "{}: nothing was broken, but this test shows less than it says\n    {}",
                        self.path(),
                        complaints.join("\n    ")
                    )),
                }
            }
        }
    }

    /// Plays a seed again.
    ///
    /// # Errors
    ///
    /// If it is not the same: then nothing that was found can be repeated, and that comes first.
    fn same_again(&self, seed: u64, fixed: &Fixed, digest: u64) -> Result<(), String> {
        match self.play(seed, fixed, false) {
            Ok(again) if again.digest == digest => return Ok(()),
            Ok(_) => {}
            Err(crash) => return Err(self.tell_of_crash(seed, &crash)),
        }
        let traces = [(); 2].map(|()| self.play(seed, fixed, true).map(|outcome| outcome.trace));
        let difference = match traces {
            [Ok(one), Ok(other)] => {
                let differ = one.iter().zip(&other).find(|(one, other)| one != other);
                differ.map(|(one, other)| format!("first differing event:\n    {one}\n    {other}"))
            }
            _ => None,
        };
        Err(format!(
            "{}: seed {seed} DID NOT PLAY THE SAME TWICE, so nothing that it shows can be relied on.\n{}\n\
             Something asks the host for time or entropy without libc, or looks at addresses in memory.",
            self.path(),
            difference.unwrap_or_else(
                || "Two further runs were the same: the difference is rare.".to_owned()
            ),
        ))
    }

    fn command(&self, variable: &str, value: &str) -> String {
        format!("{variable}={value} cargo test {}", self.path())
    }

    /// Everything there is to say about a run that breaks something.
    fn tell(
        &self,
        settings: &Settings,
        seed: u64,
        fixed: Fixed,
        outcome: Outcome,
        held: u64,
    ) -> String {
        if let Err(differs) = self.same_again(seed, &fixed, outcome.digest) {
            return differs;
        }
        let name = broken(&outcome)[0].to_owned();
        let decided = fixed.clone();
        let before = match held {
            0 => String::new(),
            1 => " (the seed before it does not)".to_owned(),
            held => format!(" (the {held} before it do not)"),
        };
        let small = shrink::shrink(fixed, outcome.clone(), SHRINKING, |fixed| {
            let smaller = self.play(seed, fixed, false).ok()?;
            broken(&smaller).contains(&&*name).then_some(smaller)
        });
        let mut text = format!(
            "{}: seed {seed} breaks what must hold{before}\n",
            self.path()
        );
        let repeat = match decided.is_empty() {
            true => self.command("SQUALL_SEED", &seed.to_string()),
            false => self.command(
                "SQUALL_PLAN",
                &std::env::var("SQUALL_PLAN").unwrap_or_default(),
            ),
        };
        text += &format!(
            "repeat with: {repeat}\n\n{}\n",
            failure::violations(&small.outcome)
        );
        let size = |outcome: &Outcome| {
            let (faults, machines) = (outcome.faults.len(), outcome.observed.machines.len());
            format!(
                "{} and {}",
                counted(faults as u64, "fault"),
                counted(machines as u64, "machine")
            )
        };
        text += &match size(&outcome) == size(&small.outcome) {
            true => format!("What happened, with {}:\n", size(&outcome)),
            false => format!(
                "What happened, with {}, made from {} in {}:\n",
                size(&small.outcome),
                size(&outcome),
                counted(small.runs as u64, "run")
            ),
        };
        text += &failure::story(&small.outcome);
        if let Some(out) = settings.out.clone().or_else(settings::default_out) {
            text += &match self.write(&out, seed, &outcome, &small, &text) {
                Ok(folder) => {
                    let plan = settings::short(&folder.join("plan.toml"));
                    format!(
                        "\nWritten to {}; play the smaller plan with\n    {}\n",
                        settings::short(&folder),
                        self.command("SQUALL_PLAN", &plan)
                    )
                }
                Err(error) => format!("\nNothing could be written to {}: {error}\n", out.display()),
            };
        }
        text
    }

    fn write(
        &self,
        out: &Path,
        seed: u64,
        outcome: &Outcome,
        small: &shrink::Shrunk,
        text: &str,
    ) -> std::io::Result<PathBuf> {
        let folder = out.join(self.path().replace("::", "."));
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("story.txt"), text)?;
        let head = format!(
            "# The smaller plan of `{}` with seed {seed}: what is decided, in place of the seed.",
            self.path()
        );
        std::fs::write(
            folder.join("plan.toml"),
            settings::write_plan(&head, seed, &small.fixed),
        )?;
        for (name, outcome) in [("run.json", outcome), ("smaller-run.json", &small.outcome)] {
            std::fs::write(folder.join(name), serde_json::to_vec_pretty(outcome)?)?;
        }
        Ok(folder)
    }

    fn tell_of_crash(&self, seed: u64, crash: &Crash) -> String {
        format!(
            "{}: seed {seed} has ended its process\nrepeat with: {}\n\n{crash}",
            self.path(),
            self.command("SQUALL_SEED", &seed.to_string())
        )
    }
}
