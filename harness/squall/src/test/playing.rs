//! A test, and the runs of it.

use super::dice::Fixed;
use super::play::{Asked, Outcome};
use super::settings::Settings;
use crate::parallel::{Effort, Stop, parallel};
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

impl Test {
    /// What `cargo test` calls it.
    pub(super) fn path(&self) -> String {
        match self.module.split_once("::") {
            Some((_, module)) => format!("{module}::{}", self.name),
            None => self.name.to_owned(),
        }
    }

    pub(super) fn play(&self, seed: u64, fixed: &Fixed, trace: bool) -> Result<Outcome, Crash> {
        let fixed = fixed.clone();
        let asked = Asked { seed, fixed, trace };
        let asked = serde_json::to_vec(&asked).expect("what is asked for can be written");
        let answer = isolated(self.play, &asked, LIMITS)?;
        Ok(serde_json::from_slice(&answer).expect("a run answers so"))
    }

    /// Plays the seeds that are asked for, until `done` has had enough.
    pub(super) fn seeds(
        &self,
        settings: &Settings,
        mut done: impl FnMut(u64, Result<Outcome, Crash>, &Stop),
    ) {
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
}
