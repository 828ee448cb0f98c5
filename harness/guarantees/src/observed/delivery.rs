//! How often things that were sent arrive.
//!
//! A thing is due to each receiver within a bound, counted from the latest of three moments: it was
//! sent, the world was whole again, and the receiver's program last started. Receivers whose
//! program is gone at the end are excused; so are things reported as failed, and those whose sender
//! was killed before it knew more.

use super::history::{acknowledged, failed, received, sent};
use super::verdict::Findings;
use super::{Checker, Group, InSeconds, Observed, Verdict};
use crate::{Time, counted, seconds};
use std::collections::BTreeMap;
use std::time::Duration;

/// How often things that were sent must arrive. [`exactly_once`], [`at_least_once`],
/// [`at_most_once`] and [`durable`] make one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a guarantee is to be checked"]
pub struct Delivery {
    words: &'static str,
    least: bool,
    most: bool,
    only_acknowledged: bool,
    sent: Option<Group>,
    received: Option<Group>,
    by: By,
    each_life: bool,
    within: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Each,
    EachOther,
    OneOfThem,
}

/// How long something may take if the test does not say.
const WITHIN: Duration = Duration::from_secs(30);

impl Delivery {
    fn new(words: &'static str, least: bool, most: bool, only_acknowledged: bool) -> Self {
        Delivery {
            words,
            least,
            most,
            only_acknowledged,
            sent: None,
            received: None,
            by: By::Each,
            each_life: false,
            within: WITHIN,
        }
    }

    /// What is sent: what machines of this group, or this machine, tell as sent under this topic.
    pub fn sent(mut self, who: &str, topic: &str) -> Self {
        self.sent = Some(Group::new(who, topic));
        self
    }

    /// Where it must arrive: at each machine of this group, under this topic.
    pub fn received(mut self, who: &str, topic: &str) -> Self {
        self.received = Some(Group::new(who, topic));
        self.by = By::Each;
        self
    }

    /// Where it must arrive: at each machine of this group but the one that sent it.
    pub fn received_by_others(mut self, who: &str, topic: &str) -> Self {
        self.received = Some(Group::new(who, topic));
        self.by = By::EachOther;
        self
    }

    /// Where it must arrive: at any one machine of this group; all of them count together.
    pub fn received_by_one_of(mut self, who: &str, topic: &str) -> Self {
        self.received = Some(Group::new(who, topic));
        self.by = By::OneOfThem;
        self
    }

    /// A program that was restarted remembers nothing: receiving a thing again is then no
    /// duplicate.
    pub fn each_life(mut self) -> Self {
        self.each_life = true;
        self
    }

    /// How long it may take once nothing stands in its way: a number of seconds, or a duration. 30
    /// s by default.
    pub fn within(mut self, time: impl InSeconds) -> Self {
        self.within = time.duration();
        self
    }
}

/// What is sent arrives once.
pub fn exactly_once() -> Delivery {
    Delivery::new("exactly once", true, true, false)
}

/// What is sent arrives.
pub fn at_least_once() -> Delivery {
    Delivery::new("at least once", true, false, false)
}

/// What is sent does not arrive twice.
pub fn at_most_once() -> Delivery {
    Delivery::new("at most once", false, true, false)
}

/// What was acknowledged arrives, whatever has happened since.
pub fn durable() -> Delivery {
    Delivery::new("durable", true, false, true)
}

/// One thing, as its sender knows it.
struct Thing<'o> {
    id: &'o str,
    place: usize,
    sender: usize,
    at: Time,
    acknowledged: Option<(usize, Time)>,
    failed: bool,
}

impl Thing<'_> {
    fn words(&self, history: &Observed) -> String {
        let sender = history.name(self.sender);
        let acknowledged = self.acknowledged.map_or(String::new(), |(_, at)| {
            format!(" and got acknowledged at {}", seconds(at))
        });
        format!("{sender} sent it at {}{acknowledged}", seconds(self.at))
    }
}

impl Checker for Delivery {
    fn name(&self) -> String {
        let of = |group: &Option<Group>| match group {
            Some(Group { who, topic }) => format!("`{topic}` of {who}"),
            None => "what nobody named".to_owned(),
        };
        let by = match self.by {
            By::Each => "at",
            By::EachOther => "at others of",
            By::OneOfThem => "at one of",
        };
        let to = match &self.received {
            Some(Group { who, topic }) => format!("`{topic}` {by} {who}"),
            None => "nowhere".to_owned(),
        };
        format!("{}: {} as {to}", self.words, of(&self.sent))
    }

    fn check(&self, history: &Observed) -> Verdict {
        let (Some(from), Some(to)) = (&self.sent, &self.received) else {
            let why = "the check names no `.sent(who, topic)`, or no `.received(who, topic)`";
            return Verdict::NotExercised {
                why: why.to_owned(),
            };
        };
        let things = things(history, from);
        let arrivals = arrivals(history, to);
        let members = history.members(&to.who);
        let mut findings = Findings::default();
        for thing in &things {
            if self.only_acknowledged && thing.acknowledged.is_none() {
                continue;
            }
            let of_thing = arrivals.get(thing.id).map_or(&[][..], Vec::as_slice);
            match self.by {
                By::OneOfThem => {
                    let all: Vec<&Arrival> = of_thing.iter().collect();
                    self.judge(history, thing, None, &all, &mut findings);
                }
                By::Each | By::EachOther => {
                    for &member in &members {
                        if self.by == By::EachOther && member == thing.sender {
                            continue;
                        }
                        let own = of_thing.iter().filter(|it| it.machine == member);
                        let own: Vec<&Arrival> = own.collect();
                        self.judge(history, thing, Some(member), &own, &mut findings);
                    }
                }
            }
        }
        if self.most {
            phantoms(history, to, from, &mut findings);
        }
        findings.verdict(|| match (things.is_empty(), arrivals.is_empty()) {
            (true, _) => history.instead("sent", from, sent),
            (false, true) => history.instead("received", to, received),
            (false, false) => "nothing of it was acknowledged".to_owned(),
        })
    }
}

impl Delivery {
    /// Judges one thing at one receiver, or at all of them together.
    fn judge(
        &self,
        history: &Observed,
        thing: &Thing<'_>,
        receiver: Option<usize>,
        arrivals: &[&Arrival],
        findings: &mut Findings,
    ) {
        let who = || match (receiver, &self.received) {
            (Some(machine), _) => history.name(machine).to_owned(),
            (None, Some(group)) => format!("{} (all of them together)", group.who),
            (None, None) => String::new(),
        };
        let mut again = arrivals.iter().enumerate().filter(|(place, second)| {
            let before = &arrivals[..*place];
            let twice = |first: &&Arrival| !self.each_life || first.life == second.life;
            before.iter().any(twice)
        });
        if self.most
            && let Some((_, second)) = again.next()
        {
            let told = [
                vec![thing.place],
                arrivals.iter().map(|it| it.place).collect(),
            ]
            .concat();
            let times = arrivals.iter().map(|it| seconds(it.at));
            let times: Vec<String> = times.collect();
            return findings.violated(second.at, told, || {
                format!(
                    "{} received `{}` {} times, at {}; {}.",
                    who(),
                    thing.id,
                    arrivals.len(),
                    times.join(", "),
                    thing.words(history)
                )
            });
        }
        if !self.least || !arrivals.is_empty() {
            return findings.held();
        }
        let receivers = match (receiver, &self.received) {
            (Some(machine), _) => vec![machine],
            (None, Some(group)) => history.members(&group.who),
            (None, None) => Vec::new(),
        };
        let machines = receivers.iter().map(|&machine| &history.machines[machine]);
        let boots = machines.filter(|machine| !machine.is_gone);
        let Some(booted_at) = boots.map(|machine| machine.booted_at).max() else {
            return findings.leave_out("the receiver's program was gone");
        };
        let killed = |&at: &Time| at >= thing.at;
        let sender = &history.machines[thing.sender];
        if thing.acknowledged.is_none() && thing.failed {
            return findings.leave_out("it was told as failed");
        }
        if thing.acknowledged.is_none() && sender.killed.iter().any(killed) {
            return findings.leave_out("its sender was killed before it knew more");
        }
        let due = thing.at.max(history.healed_at).max(booted_at) + self.within;
        if due > history.ended_at {
            return findings.leave_out("the run ended too soon after it was sent");
        }
        let acknowledgement = thing.acknowledged.map(|(place, _)| place);
        let told = [Some(thing.place), acknowledgement];
        let told = told.into_iter().flatten().collect();
        findings.violated(due, told, || {
            format!(
                "{} never received `{}`; {}. It was due by {}.",
                who(),
                thing.id,
                thing.words(history),
                seconds(due)
            )
        });
    }
}

/// What was sent, in the order of first sending.
fn things<'o>(history: &'o Observed, from: &'o Group) -> Vec<Thing<'o>> {
    let mut things: Vec<Thing<'o>> = Vec::new();
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    for (place, told, id) in history.of(from, sent) {
        places.entry(id).or_insert_with(|| {
            things.push(Thing {
                id,
                place,
                sender: told.machine,
                at: told.at,
                acknowledged: None,
                failed: false,
            });
            things.len() - 1
        });
    }
    for (place, told, id) in history.of(from, acknowledged) {
        if let Some(&thing) = places.get(id) {
            things[thing].acknowledged.get_or_insert((place, told.at));
        }
    }
    for (_, _, id) in history.of(from, failed) {
        if let Some(&thing) = places.get(id) {
            things[thing].failed = true;
        }
    }
    things
}

struct Arrival {
    place: usize,
    machine: usize,
    life: usize,
    at: Time,
}

fn arrivals<'o>(history: &'o Observed, to: &'o Group) -> BTreeMap<&'o str, Vec<Arrival>> {
    let mut arrivals: BTreeMap<&str, Vec<Arrival>> = BTreeMap::new();
    for (place, told, id) in history.of(to, received) {
        arrivals.entry(id).or_default().push(Arrival {
            place,
            machine: told.machine,
            life: told.life,
            at: told.at,
        });
    }
    arrivals
}

/// What has arrived that nobody sent: any machine may send such things, not only the group in
/// question.
fn phantoms(history: &Observed, to: &Group, from: &Group, findings: &mut Findings) {
    let topic = &from.topic;
    let mut known: Vec<&str> = history
        .told
        .iter()
        .filter_map(|it| sent(&it.told))
        .filter(|thing| thing.topic == *topic)
        .map(|thing| &*thing.id)
        .collect();
    known.sort_unstable();
    for (place, told, id) in history.of(to, received) {
        if known.binary_search(&id).is_err() {
            findings.violated(told.at, vec![place], || {
                let of = counted(known.len() as u64, "other");
                format!(
                    "{} received `{id}` at {}, which nobody sent as `{topic}`; {of} were.",
                    history.name(told.machine),
                    seconds(told.at)
                )
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Run, run};
    use super::*;

    fn orders() -> Run {
        run(&["client", "worker-1", "worker-2"]).sent(1, "client", "order", "7")
    }

    fn judge(check: Delivery, run: Run) -> String {
        let check = check.sent("client", "order").received("worker", "order");
        check.check(&run.history()).to_string()
    }

    #[test]
    fn holds_when_each_receiver_has_it_once() {
        let run = orders()
            .received(2, "worker-1", "order", "7")
            .received(3, "worker-2", "order", "7");
        insta::assert_snapshot!(judge(exactly_once(), run), @"held in 2 cases");
    }

    #[test]
    fn what_never_arrives_is_a_violation_unless_only_doubling_is_asked_about() {
        let run = orders().received(2, "worker-1", "order", "7");
        insta::assert_snapshot!(judge(exactly_once(), run.clone()), @"violated: worker-2 never received `7`; client sent it at 1.000 s. It was due by 31.000 s.");
        insta::assert_snapshot!(judge(at_least_once(), run.clone()), @"violated: worker-2 never received `7`; client sent it at 1.000 s. It was due by 31.000 s.");
        insta::assert_snapshot!(judge(at_most_once(), run), @"held in 2 cases");
    }

    #[test]
    fn what_arrives_twice_is_a_violation_unless_only_loss_is_asked_about() {
        let run = orders()
            .received(2, "worker-1", "order", "7")
            .received(3, "worker-1", "order", "7")
            .received(3, "worker-2", "order", "7");
        insta::assert_snapshot!(judge(exactly_once(), run.clone()), @"violated: worker-1 received `7` 2 times, at 2.000 s, 3.000 s; client sent it at 1.000 s.");
        insta::assert_snapshot!(judge(at_most_once(), run.clone()), @"violated: worker-1 received `7` 2 times, at 2.000 s, 3.000 s; client sent it at 1.000 s.");
        insta::assert_snapshot!(judge(at_least_once(), run), @"held in 2 cases");
    }

    #[test]
    fn a_doubling_across_a_restart_counts_unless_a_life_remembers_nothing() {
        let run = orders()
            .received(2, "worker-1", "order", "7")
            .killed(3, "worker-1", Some(4))
            .received(5, "worker-1", "order", "7")
            .received(5, "worker-2", "order", "7");
        insta::assert_snapshot!(judge(exactly_once(), run.clone()), @"violated: worker-1 received `7` 2 times, at 2.000 s, 5.000 s; client sent it at 1.000 s.");
        insta::assert_snapshot!(judge(exactly_once().each_life(), run), @"held in 2 cases");
    }

    #[test]
    fn one_of_a_group_is_enough_and_two_are_too_many() {
        let once = orders().received(2, "worker-2", "order", "7");
        let judge = |run: Run| {
            let check = exactly_once().sent("client", "order");
            let check = check.received_by_one_of("worker", "order");
            check.check(&run.history()).to_string()
        };
        insta::assert_snapshot!(judge(once.clone()), @"held in 1 case");
        insta::assert_snapshot!(judge(once.received(3, "worker-1", "order", "7")), @"violated: worker (all of them together) received `7` 2 times, at 2.000 s, 3.000 s; client sent it at 1.000 s.");
        insta::assert_snapshot!(judge(orders()), @"violated: worker (all of them together) never received `7`; client sent it at 1.000 s. It was due by 31.000 s.");
    }

    #[test]
    fn the_sender_need_not_hear_itself_if_others_are_asked_for() {
        let run = run(&["client-1", "client-2"])
            .sent(1, "client-1", "say", "a")
            .received(2, "client-2", "say", "a");
        let check = exactly_once().sent("client", "say");
        let others = check.clone().received_by_others("client", "say");
        insta::assert_snapshot!(others.check(&run.clone().history()), @"held in 1 case");
        insta::assert_snapshot!(check.received("client", "say").check(&run.history()), @"violated: client-1 never received `a`; client-1 sent it at 1.000 s. It was due by 31.000 s.");
    }

    #[test]
    fn what_nobody_sent_is_told() {
        let run = orders()
            .received(2, "worker-1", "order", "7")
            .received(2, "worker-2", "order", "7")
            .received(4, "worker-2", "order", "8");
        insta::assert_snapshot!(judge(exactly_once(), run), @"violated: worker-2 received `8` at 4.000 s, which nobody sent as `order`; 1 other were.");
    }

    #[test]
    fn only_what_was_acknowledged_must_be_durable() {
        let lost = orders();
        insta::assert_snapshot!(judge(durable(), lost.clone()), @"not put to the test: worker received nothing at all");
        let acknowledged = lost.acknowledged(2, "client", "order", "7");
        insta::assert_snapshot!(judge(durable(), acknowledged), @"violated: worker-1 never received `7`; client sent it at 1.000 s and got acknowledged at 2.000 s. It was due by 31.000 s. And 1 more violation.");
    }

    #[test]
    fn each_excuse_covers_its_case_and_nothing_else() {
        let lost = |run: Run| judge(at_least_once(), run.received(2, "worker-1", "order", "7"));
        // The receiver is gone, or comes back.
        insta::assert_snapshot!(lost(orders().killed(3, "worker-2", None)), @"held in 1 case; 1 not judged: the receiver's program was gone");
        insta::assert_snapshot!(lost(orders().killed(3, "worker-2", Some(40))), @"violated: worker-2 never received `7`; client sent it at 1.000 s. It was due by 70.000 s.");
        // The sender was killed after it, or before it, or knows that it has arrived.
        insta::assert_snapshot!(lost(orders().killed(3, "client", Some(4))), @"held in 1 case; 1 not judged: its sender was killed before it knew more");
        let known = orders().acknowledged(2, "client", "order", "7");
        insta::assert_snapshot!(lost(known.killed(3, "client", Some(4))), @"violated: worker-2 never received `7`; client sent it at 1.000 s and got acknowledged at 2.000 s. It was due by 31.000 s.");
        // It was reported as failed.
        insta::assert_snapshot!(lost(orders().failed(3, "client", "order", "7")), @"held in 1 case; 1 not judged: it was told as failed");
        // The world was whole too late, or in time.
        insta::assert_snapshot!(lost(orders().disturbed(1, 71)), @"held in 1 case; 1 not judged: the run ended too soon after it was sent");
        insta::assert_snapshot!(lost(orders().disturbed(1, 70)), @"violated: worker-2 never received `7`; client sent it at 1.000 s. It was due by 100.000 s.");
    }

    #[test]
    fn a_mistyped_topic_is_told_with_those_that_were_seen() {
        let check = exactly_once()
            .sent("client", "oder")
            .received("worker", "order");
        insta::assert_snapshot!(check.check(&orders().history()), @"not put to the test: client sent no `oder`, but `order`");
    }

    #[test]
    fn a_check_without_an_end_says_so() {
        insta::assert_snapshot!(exactly_once().sent("client", "order").check(&orders().history()), @"not put to the test: the check names no `.sent(who, topic)`, or no `.received(who, topic)`");
    }
}
