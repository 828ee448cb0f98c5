//! How long an acknowledgement takes while nothing disturbs.
//!
//! Anything that a disturbance touches is left out: it may take as long as TCP's time-outs. So is
//! anything sent in the grace period after one, in which connections come back.

use super::history::{acknowledged, failed, sent};
use super::verdict::Findings;
use super::{Checker, Group, InSeconds, Observed, Verdict};
use crate::{Time, seconds};
use std::collections::BTreeMap;
use std::time::Duration;

/// Whether acknowledgements come in time. [`acknowledged_within`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a guarantee is to be checked"]
pub struct Latency {
    bound: Duration,
    grace: Duration,
    sent: Group,
}

/// What is sent while nothing disturbs is acknowledged within this time: a number of seconds, or a
/// duration.
pub fn acknowledged_within(bound: impl InSeconds) -> Latency {
    Latency {
        bound: bound.duration(),
        grace: Duration::from_secs(30),
        sent: Group::new("", ""),
    }
}

impl Latency {
    /// What is sent: what machines of this group, or this machine, tell as sent under this topic.
    pub fn sent(mut self, who: &str, topic: &str) -> Self {
        self.sent = Group::new(who, topic);
        self
    }

    /// How long there must have been no disturbance before; 30 s by default.
    pub fn undisturbed_for(mut self, grace: impl InSeconds) -> Self {
        self.grace = grace.duration();
        self
    }
}

impl Checker for Latency {
    fn name(&self) -> String {
        let Group { who, topic } = &self.sent;
        format!("acknowledged within {:?}: `{topic}` of {who}", self.bound)
    }

    fn check(&self, history: &Observed) -> Verdict {
        let mut ends: BTreeMap<&str, Time> = BTreeMap::new();
        let of = |kind| history.of(&self.sent, kind);
        for (_, told, id) in of(acknowledged).chain(of(failed)) {
            let end = ends.entry(id).or_insert(told.at);
            *end = (*end).min(told.at);
        }
        let mut findings = Findings::default();
        let mut none = true;
        for (place, told, id) in of(sent) {
            none = false;
            let due = told.at + self.bound;
            let end = ends.get(id).copied();
            let disturbs = |from: Time, until: Time| from <= due && until + self.grace >= told.at;
            let disturbed = history
                .disturbances
                .iter()
                .any(|it| disturbs(it.from, it.until));
            match end {
                Some(end) if end <= due => findings.held(),
                _ if disturbed => findings.leave_out("something disturbed"),
                _ if due > history.ended_at => findings.leave_out("the run ended too soon"),
                _ => findings.violated(due, vec![place], || {
                    let who = history.name(told.machine);
                    let at = seconds(told.at);
                    match end {
                        Some(end) => format!(
                            "{who} sent `{id}` at {at} and knew only at {} what became of it; it was due by {}.",
                            seconds(end),
                            seconds(due)
                        ),
                        None => format!(
                            "{who} sent `{id}` at {at} and never knew what became of it; it was due by {}.",
                            seconds(due)
                        ),
                    }
                }),
            }
        }
        findings.verdict(|| match none {
            true => history.instead("sent", &self.sent, sent),
            false => "nothing was judged".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Run, run};
    use super::*;

    fn judge(run: Run) -> String {
        let check = acknowledged_within(2)
            .undisturbed_for(10)
            .sent("client", "order");
        check.check(&run.history()).to_string()
    }

    fn order() -> Run {
        run(&["client"]).sent(50, "client", "order", "7")
    }

    #[test]
    fn an_acknowledgement_comes_in_time_or_too_late_or_never() {
        insta::assert_snapshot!(judge(order().acknowledged(52, "client", "order", "7")), @"held in 1 case");
        insta::assert_snapshot!(judge(order().acknowledged(53, "client", "order", "7")), @"violated: client sent `7` at 50.000 s and knew only at 53.000 s what became of it; it was due by 52.000 s.");
        insta::assert_snapshot!(judge(order()), @"violated: client sent `7` at 50.000 s and never knew what became of it; it was due by 52.000 s.");
    }

    #[test]
    fn to_be_told_of_a_failure_in_time_is_an_answer() {
        insta::assert_snapshot!(judge(order().failed(51, "client", "order", "7")), @"held in 1 case");
    }

    #[test]
    fn a_disturbance_excuses_what_it_touches_and_the_time_of_grace() {
        for (from, until) in [(40, 40), (45, 60), (52, 60)] {
            let excused = judge(order().disturbed(from, until));
            assert_eq!(
                excused,
                "not put to the test: 1 not judged: something disturbed"
            );
        }
        for (from, until) in [(30, 39), (53, 60)] {
            assert!(judge(order().disturbed(from, until)).starts_with("violated"));
        }
    }
}
