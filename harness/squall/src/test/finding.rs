//! A seed that breaks something: whether it is the same again, made smaller, told, and written.

use super::failure::{self, broken};
#[cfg(feature = "pages")]
use super::page::page;
use super::play::Outcome;
use super::playing::Test;
use super::settings::{self, Settings};
use super::shrink::{self, Effort, Shrunk};
use squall_guarantees::counted;
use squall_simulator::Crash;
use std::path::Path;
use std::time::Duration;

/// How much effort goes into making a failing run smaller.
pub(super) const SHRINKING: Effort = Effort {
    runs: 150,
    time: Duration::from_secs(15),
};

/// Why a test fails, with everything that is known.
pub(super) struct Failure {
    pub(super) kind: Kind,
    pub(super) text: String,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// What must hold does not.
    Broken,
    /// Nothing is broken, but it shows less than it says.
    ShowsLess,
    /// A run is not the same twice.
    Differs,
}

impl Failure {
    pub(super) fn shows_less(text: String) -> Self {
        let kind = Kind::ShowsLess;
        Failure { kind, text }
    }
}

/// A seed that breaks something, and the smaller run in which it does.
pub(super) struct Finding {
    pub(super) seed: u64,
    pub(super) outcome: Outcome,
    pub(super) small: Shrunk,
}

impl Test {
    /// Plays a failing seed again, and makes it smaller while the same guarantee breaks.
    ///
    /// # Errors
    ///
    /// If it is not the same again: then nothing that was found can be repeated, and that comes
    /// first.
    pub(super) fn find(
        &self,
        settings: &Settings,
        seed: u64,
        outcome: Outcome,
        effort: Effort,
    ) -> Result<Finding, Failure> {
        self.same_again(settings, seed, outcome.digest)?;
        let name = broken(&outcome)[0].to_owned();
        let fixed = settings.fixed().clone();
        let small = shrink::shrink(fixed, outcome.clone(), effort, |fixed| {
            let smaller = self.play(seed, fixed, false).ok()?;
            broken(&smaller).contains(&&*name).then_some(smaller)
        });
        Ok(Finding {
            seed,
            outcome,
            small,
        })
    }

    /// Plays a seed again.
    ///
    /// # Errors
    ///
    /// If it is not the same.
    pub(super) fn same_again(
        &self,
        settings: &Settings,
        seed: u64,
        digest: u64,
    ) -> Result<(), Failure> {
        let play = |trace| self.play(seed, settings.fixed(), trace);
        match play(false) {
            Ok(again) if again.digest == digest => return Ok(()),
            Ok(_) => {}
            Err(crash) => return Err(self.tell_of_crash(settings, seed, &crash)),
        }
        let traces = [(); 2].map(|()| play(true).map(|outcome| outcome.trace));
        let difference = match traces {
            [Ok(one), Ok(other)] => {
                let differ = one.iter().zip(&other).find(|(one, other)| one != other);
                differ.map(|(one, other)| format!("first differing event:\n    {one}\n    {other}"))
            }
            _ => None,
        };
        let text = format!(
            "{}: seed {seed} DID NOT PLAY THE SAME TWICE, so nothing that it shows can be relied on.\n{}\n\
             Something asks the host for time or entropy without libc, or looks at addresses in memory.",
            self.path(),
            difference.unwrap_or_else(
                || "Two further runs were the same: the difference is rare.".to_owned()
            ),
        );
        let kind = Kind::Differs;
        Err(Failure { kind, text })
    }

    /// Everything there is to say about a finding, which is also written to files. `held`: how many
    /// seeds before it broke nothing.
    pub(super) fn tell(&self, settings: &Settings, finding: &Finding, held: u64) -> Failure {
        let Finding {
            seed,
            outcome,
            small,
        } = finding;
        let before = match held {
            0 => String::new(),
            1 => " (the seed before it does not)".to_owned(),
            held => format!(" (the {held} before it do not)"),
        };
        let mut text = format!(
            "{}: seed {seed} breaks what must hold{before}\nrepeat with: {}\n\n{}\n",
            self.path(),
            settings.repeat(&self.path(), *seed),
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
        let size = match size(outcome) == size(&small.outcome) {
            true => size(outcome),
            false => format!(
                "{}, made from {} in {}",
                size(&small.outcome),
                size(outcome),
                counted(small.runs as u64, "run")
            ),
        };
        text += &format!("What happened, with {size}:\n");
        text += &failure::story(&small.outcome);
        if let Some(out) = settings.out.clone().or_else(settings::default_out) {
            let mut folder = out.join(self.path().replace("::", "."));
            if settings.are_many {
                folder.push(format!("seed-{seed}"));
            }
            let plan = settings.play_plan(&self.path(), &folder.join(PLAN));
            let written = self.write(&folder, finding, &text);
            #[cfg(feature = "pages")]
            let written = written.and_then(|()| {
                let title = format!("{}, seed {seed}", self.path());
                let page = page(title, plan.clone(), size, &small.outcome);
                std::fs::write(folder.join(PAGE), page)
            });
            text += &match written {
                Ok(()) => format!(
                    "\nWritten to {}; play the smaller plan with\n    {plan}\n",
                    settings::short(&folder)
                ),
                Err(error) => format!(
                    "\nNothing could be written to {}: {error}\n",
                    folder.display()
                ),
            };
            #[cfg(feature = "pages")]
            {
                text += &format!("The page: {}\n", settings::short(&folder.join(PAGE)));
            }
        }
        let kind = Kind::Broken;
        Failure { kind, text }
    }

    fn write(&self, folder: &Path, finding: &Finding, text: &str) -> std::io::Result<()> {
        let Finding { outcome, small, .. } = finding;
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("story.txt"), text)?;
        std::fs::write(folder.join(PLAN), self.plan_of(finding))?;
        for (name, outcome) in [("run.json", outcome), ("smaller-run.json", &small.outcome)] {
            std::fs::write(folder.join(name), serde_json::to_vec_pretty(outcome)?)?;
        }
        Ok(())
    }

    /// The smaller plan, as it is written.
    pub(super) fn plan_of(&self, finding: &Finding) -> String {
        let head = format!(
            "# The smaller plan of `{}` with seed {}: what is decided, in place of the seed.",
            self.path(),
            finding.seed
        );
        settings::write_plan(&head, finding.seed, &finding.small.fixed)
    }

    /// A run that has ended its process.
    pub(super) fn tell_of_crash(&self, settings: &Settings, seed: u64, crash: &Crash) -> Failure {
        let text = format!(
            "{}: seed {seed} has ended its process\nrepeat with: {}\n\n{crash}",
            self.path(),
            settings.repeat(&self.path(), seed)
        );
        let kind = Kind::Broken;
        Failure { kind, text }
    }
}

const PLAN: &str = "plan.toml";
#[cfg(feature = "pages")]
const PAGE: &str = "report.html";
