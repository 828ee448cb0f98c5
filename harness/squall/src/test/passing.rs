//! Whether a test passes.

use super::failure::broken;
use super::finding::{Failure, SHRINKING};
use super::play::Outcome;
use super::playing::Test;
use super::settings::Settings;
use super::shown::Shown;
use squall_simulator::Crash;
use std::sync::atomic::Ordering;

/// What is told of every run: its seed, and what came of it.
type Each<'e> = &'e mut dyn FnMut(u64, &Result<Outcome, Crash>);

impl Test {
    /// Plays it: what all runs have shown, and how many there were. `each` is told of every run.
    pub(super) fn passes(
        &self,
        settings: &Settings,
        each: Each<'_>,
    ) -> Result<(Shown, u64), Failure> {
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
