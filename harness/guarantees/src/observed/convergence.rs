//! Whether replicas come to show the same, once the world is whole.

use super::verdict::Findings;
use super::{Checker, InSeconds, Observed, Told, Verdict};
use crate::{Time, seconds};
use std::collections::BTreeMap;
use std::time::Duration;

/// Whether replicas show the same in the end. [`converges`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a guarantee is to be checked"]
pub struct Convergence {
    who: String,
    within: Duration,
}

/// The machines of this group that are there in the end show the same for each object.
pub fn converges(who: &str) -> Convergence {
    Convergence {
        who: who.to_owned(),
        within: Duration::from_secs(30),
    }
}

impl Convergence {
    /// How long they may take once the world is whole and they are started; 30 s by default.
    pub fn within(mut self, time: impl InSeconds) -> Self {
        self.within = time.duration();
        self
    }
}

impl Checker for Convergence {
    fn name(&self) -> String {
        format!("convergence of {}", self.who)
    }

    fn check(&self, history: &Observed) -> Verdict {
        // What each replica last showed, by object.
        let mut shown: BTreeMap<&str, BTreeMap<usize, (usize, Time, &str)>> = BTreeMap::new();
        for (place, it) in history.told.iter().enumerate() {
            let machine = &history.machines[it.machine];
            if let Told::Shows { object, value } = &it.told
                && machine.is(&self.who)
                && !machine.is_gone
            {
                let of_object = shown.entry(object).or_default();
                of_object.insert(it.machine, (place, it.at, value));
            }
        }
        let members = history.members(&self.who);
        let boots = members
            .iter()
            .map(|&member| history.machines[member].booted_at);
        let calm = boots.max().unwrap_or_default().max(history.healed_at);
        let mut findings = Findings::default();
        for (object, of_object) in &shown {
            let mut all = of_object.iter();
            let Some((&one, &(place, at, value))) = all.next() else {
                continue;
            };
            for (&other, &(other_place, other_at, other_value)) in all {
                if value == other_value {
                    findings.held();
                } else if calm + self.within > history.ended_at {
                    findings.leave_out("the run ended too soon");
                } else {
                    let places = vec![place, other_place];
                    findings.violated(calm + self.within, places, || {
                        format!(
                            "{} shows {value} for `{object}` since {}, and {} shows {other_value} since {}.",
                            history.name(one),
                            seconds(at),
                            history.name(other),
                            seconds(other_at)
                        )
                    });
                }
            }
        }
        findings.verdict(|| {
            let who = &self.who;
            if members.is_empty() {
                format!("no machine or group is called {who}")
            } else {
                format!("no two of {who} have shown anything of one object")
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Run, run};
    use super::*;

    fn judge(run: Run) -> String {
        converges("replica").check(&run.history()).to_string()
    }

    fn replicas() -> Run {
        run(&["replica-1", "replica-2"])
            .shows(1, "replica-1", "sum", "3")
            .shows(2, "replica-2", "sum", "2")
    }

    #[test]
    fn what_they_show_in_the_end_counts() {
        insta::assert_snapshot!(judge(replicas().shows(9, "replica-2", "sum", "3")), @"held in 1 case");
        insta::assert_snapshot!(judge(replicas()), @"violated: replica-1 shows 3 for `sum` since 1.000 s, and replica-2 shows 2 since 2.000 s.");
    }

    #[test]
    fn a_name_that_nobody_has_is_told() {
        let verdict = converges("sum").check(&replicas().history()).to_string();
        insta::assert_snapshot!(verdict, @"not put to the test: no machine or group is called sum");
    }

    #[test]
    fn who_is_gone_is_not_asked_and_who_had_no_time_is_not_judged() {
        insta::assert_snapshot!(judge(replicas().killed(5, "replica-2", None)), @"not put to the test: no two of replica have shown anything of one object");
        insta::assert_snapshot!(judge(replicas().disturbed(5, 71)), @"not put to the test: 1 not judged: the run ended too soon");
    }
}
