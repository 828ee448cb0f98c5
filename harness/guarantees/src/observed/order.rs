//! The order in which things arrive.
//!
//! Each receiver gets the things of one sender in the order in which they were sent. Only what a
//! program receives for the first time counts, and each life of a program begins anew: duplicates
//! and loss have guarantees of their own.

use super::history::{received, sent};
use super::verdict::Findings;
use super::{Checker, Group, Observed, Verdict};
use crate::{Time, seconds};
use std::collections::{BTreeMap, BTreeSet};

/// Whether things arrive in the order in which they were sent. [`in_order`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a guarantee is to be checked"]
pub struct Order {
    sent: Group,
    received: Group,
}

/// What one sender sends, each receiver gets in that order.
pub fn in_order() -> Order {
    Order {
        sent: Group::new("", ""),
        received: Group::new("", ""),
    }
}

impl Order {
    /// What is sent: what machines of this group, or this machine, tell as sent under this topic.
    pub fn sent(mut self, who: &str, topic: &str) -> Self {
        self.sent = Group::new(who, topic);
        self
    }

    /// Where it arrives: at machines of this group, under this topic.
    pub fn received(mut self, who: &str, topic: &str) -> Self {
        self.received = Group::new(who, topic);
        self
    }
}

/// What a program last got from a sender.
#[derive(Clone, Copy)]
struct Last<'o> {
    number: usize,
    id: &'o str,
    place: usize,
}

impl Checker for Order {
    fn name(&self) -> String {
        let Group { who, topic } = &self.sent;
        let at = &self.received;
        format!(
            "in order: `{topic}` of {who} as `{}` at {}",
            at.topic, at.who
        )
    }

    fn check(&self, history: &Observed) -> Verdict {
        let mut sendings: BTreeMap<&str, (usize, usize, usize, Time)> = BTreeMap::new();
        for (number, (place, told, id)) in history.of(&self.sent, sent).enumerate() {
            let sending = (number, told.machine, place, told.at);
            sendings.entry(id).or_insert(sending);
        }
        let mut findings = Findings::default();
        let mut known = BTreeSet::new();
        let mut last: BTreeMap<(usize, usize, usize), Last<'_>> = BTreeMap::new();
        for (place, told, id) in history.of(&self.received, received) {
            let Some(&(number, sender, sent_place, sent_at)) = sendings.get(id) else {
                continue;
            };
            if !known.insert((told.machine, told.life, id)) {
                continue;
            }
            let key = (told.machine, told.life, sender);
            let this = Last { number, id, place };
            match last.get(&key).copied() {
                Some(before) if before.number > number => {
                    let places = vec![sent_place, before.place, place];
                    findings.violated(told.at, places, || {
                        format!(
                            "{} received `{id}` at {} after `{}`, although {} sent `{id}` before it, at {}.",
                            history.name(told.machine),
                            seconds(told.at),
                            before.id,
                            history.name(sender),
                            seconds(sent_at)
                        )
                    });
                }
                before => {
                    if before.is_some() {
                        findings.held();
                    }
                    last.insert(key, this);
                }
            }
        }
        findings.verdict(|| match (sendings.is_empty(), known.is_empty()) {
            (true, _) => history.instead("sent", &self.sent, sent),
            (false, true) => history.instead("received", &self.received, received),
            (false, false) => "nobody received two things of one sender".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Run, run};
    use super::*;

    fn judge(run: Run) -> String {
        let check = in_order().sent("client", "say").received("client", "say");
        check.check(&run.history()).to_string()
    }

    fn two() -> Run {
        run(&["client-1", "client-2"])
            .sent(1, "client-1", "say", "a")
            .sent(2, "client-1", "say", "b")
    }

    #[test]
    fn holds_whatever_is_lost_doubled_or_said_by_others_between() {
        let run = two()
            .sent(3, "client-2", "say", "c")
            .sent(4, "client-1", "say", "d")
            .received(5, "client-2", "say", "c")
            .received(6, "client-2", "say", "a")
            .received(7, "client-2", "say", "d")
            .received(8, "client-2", "say", "a");
        insta::assert_snapshot!(judge(run), @"held in 1 case");
    }

    #[test]
    fn is_violated_by_what_comes_after_what_was_sent_later() {
        let run = two()
            .received(5, "client-2", "say", "b")
            .received(6, "client-2", "say", "a");
        insta::assert_snapshot!(judge(run), @"violated: client-2 received `a` at 6.000 s after `b`, although client-1 sent `a` before it, at 1.000 s.");
    }

    #[test]
    fn begins_anew_with_each_life_of_a_program() {
        let run = two()
            .received(5, "client-2", "say", "b")
            .killed(6, "client-2", Some(7))
            .received(8, "client-2", "say", "a");
        insta::assert_snapshot!(judge(run), @"not put to the test: nobody received two things of one sender");
    }
}
