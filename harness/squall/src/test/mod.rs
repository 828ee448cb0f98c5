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
//! | `shown` | what all runs have shown together |
//! | `shrink` | a run that fails, made smaller |
//! | `finding` | a failing seed: is it the same again, made smaller, told, written |
//! | `failure` | what is said then |
//! | `settings` | what the environment or a command line says |
//! | `command` | the command of a project: [`squall::main!`](crate::main) |

mod command;
mod dice;
mod failure;
mod faults;
mod finding;
mod play;
mod ranges;
mod settings;
mod shown;
mod shrink;
#[cfg_attr(not(feature = "tracing"), path = "untraced.rs")]
mod traced;
mod watch;
mod who;
mod world;

pub use command::command;
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
use finding::{Failure, SHRINKING};
use play::{Asked, Outcome};
use settings::Settings;
use shown::Shown;
use squall_simulator::{Crash, ProcessLimits, isolated};
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

/// Plays a test.
///
/// # Panics
///
/// If it fails, with everything that is known.
#[doc(hidden)]
#[track_caller]
pub fn run(test: Test) {
    let settings = Settings::read().unwrap_or_else(|wrong| panic!("{wrong}"));
    if let Err(failure) = test.passes(&settings, &mut |_, _| {}) {
        panic!("{}", failure.text);
    }
}

/// What is told of every run: its seed, and what came of it.
type Each<'e> = &'e mut dyn FnMut(u64, &Result<Outcome, Crash>);

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

    /// Plays the seeds that are asked for, until `done` has had enough.
    fn seeds(&self, settings: &Settings, mut done: impl FnMut(u64, Result<Outcome, Crash>, &Stop)) {
        let stop = Stop::default();
        let effort = Effort {
            stop: stop.clone(),
            longest: settings.length.filter(|_| !settings.is_one()),
            ..Effort::default()
        };
        parallel(
            settings.seeds(self.seeds),
            &effort,
            |&seed| self.play(seed, settings.fixed(), false),
            |seed, played| {
                if !stop.load(Ordering::Relaxed) {
                    done(seed, played, &stop);
                }
            },
        );
    }

    /// Plays it: what all runs have shown, and how many there were. `each` is told of every run.
    fn passes(&self, settings: &Settings, each: Each<'_>) -> Result<(Shown, u64), Failure> {
        let (mut shown, mut failed, mut digest, mut held) = (Shown::default(), None, None, 0);
        self.seeds(settings, |seed, played, stop| {
            each(seed, &played);
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
        });
        match failed {
            Some((seed, Ok(outcome))) => {
                let finding = self.find(settings, seed, outcome, SHRINKING)?;
                return Err(self.tell(settings, &finding, held));
            }
            Some((seed, Err(crash))) => return Err(self.tell_of_crash(settings, seed, &crash)),
            None => {}
        }
        if let Some((seed, digest)) = digest {
            self.same_again(settings, seed, digest)?;
        }
        match shown.complaints() {
            complaints if settings.is_one() || complaints.is_empty() => Ok((shown, held)),
            complaints => Err(Failure::shows_less(format!(
                "{}: nothing was broken, but this test shows less than it says\n    {}",
                self.path(),
                complaints.join("\n    ")
            ))),
        }
    }
}
