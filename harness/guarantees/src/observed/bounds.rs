//! Whether something stays below a limit: a queue, a cache, the memory that a program counts.

use super::verdict::Findings;
use super::{Checker, Observed, Told, Verdict};
use crate::seconds;

/// Whether what programs show stays below a limit. [`bounded`] makes one.
#[derive(Clone, Debug, PartialEq)]
#[must_use = "a guarantee is to be checked"]
pub struct Bounded {
    object: String,
    most: f64,
}

/// No number that a program shows for this object is above the limit: `bounded("bytes queued",
/// 65_536)`, with `squall::shows("bytes queued", queue.bytes())` in the program.
pub fn bounded(object: &str, most: impl Into<f64>) -> Bounded {
    Bounded {
        object: object.to_owned(),
        most: most.into(),
    }
}

impl Checker for Bounded {
    fn name(&self) -> String {
        format!("bounded: `{}` to {}", self.object, self.most)
    }

    fn check(&self, history: &Observed) -> Verdict {
        let mut findings = Findings::default();
        for (place, it) in history.told.iter().enumerate() {
            let Told::Shows { object, value } = &it.told else {
                continue;
            };
            if *object != self.object {
                continue;
            }
            match value.parse::<f64>() {
                Err(_) => findings.leave_out("what is shown is no number"),
                Ok(value) if value <= self.most => findings.held(),
                // Not a number is above every limit.
                Ok(value) => findings.violated(it.at, vec![place], || {
                    format!(
                        "{} shows {value} for `{object}` at {}.",
                        history.name(it.machine),
                        seconds(it.at)
                    )
                }),
            }
        }
        findings.verdict(|| format!("nobody has shown `{}`", self.object))
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Run, run};
    use super::*;

    fn judge(run: Run) -> String {
        bounded("queue", 10).check(&run.history()).to_string()
    }

    #[test]
    fn the_limit_itself_is_allowed_and_nothing_above_it() {
        let full = run(&["server"])
            .shows(1, "server", "queue", "3")
            .shows(2, "server", "queue", "10")
            .shows(3, "server", "another", "11");
        insta::assert_snapshot!(judge(full.clone()), @"held in 2 cases");
        let too_full = full
            .shows(4, "server", "queue", "10.5")
            .shows(5, "server", "queue", "NaN");
        insta::assert_snapshot!(judge(too_full), @"violated: server shows 10.5 for `queue` at 4.000 s. And 1 more violation.");
    }

    #[test]
    fn what_is_no_number_is_not_judged() {
        insta::assert_snapshot!(judge(run(&["server"])), @"not put to the test: nobody has shown `queue`");
        let words = run(&["server"]).shows(1, "server", "queue", "full");
        insta::assert_snapshot!(judge(words), @"not put to the test: 1 not judged: what is shown is no number");
    }
}
