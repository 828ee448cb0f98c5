//! Faults that wait for events.

use crate::faults::{After, PlannedFault};
use crate::log::Told;
use crate::plan::Plan;
use squall_reports::InjectedFault;
use std::borrow::Cow;
use std::mem::discriminant;
use std::time::Duration;

/// The faults whose events have not happened yet.
#[derive(Clone, Default)]
pub(super) struct Waiting {
    faults: Vec<Waiter>,
    /// How many events have been read.
    read: usize,
}

#[derive(Clone)]
struct Waiter {
    fault: PlannedFault,
    after: After,
    /// How often its event has happened.
    seen: u32,
}

/// Separates the faults that wait from the others, which are a plan of their own.
pub(super) fn separate(plan: &Plan) -> (Cow<'_, Plan>, Waiting) {
    if plan.faults.iter().all(|fault| fault.after.is_none()) {
        return (Cow::Borrowed(plan), Waiting::default());
    }
    let (mut timed, mut waiting) = (plan.clone(), Waiting::default());
    for (fault, place) in std::mem::take(&mut timed.faults).into_iter().zip(1..) {
        let label = Some(fault.label(place));
        let mut fault = PlannedFault { label, ..fault };
        match fault.after.take() {
            None => timed.faults.push(fault),
            Some(after) => waiting.faults.push(Waiter {
                fault,
                after,
                seen: 0,
            }),
        }
    }
    (Cow::Owned(timed), waiting)
}

impl Waiting {
    /// Whether none waits.
    pub(super) fn is_over(&self) -> bool {
        self.faults.is_empty()
    }

    /// Those that still wait when the run ends, for the record: they have struck nothing.
    pub(super) fn told(&self, end: Duration) -> impl Iterator<Item = InjectedFault> {
        self.faults
            .iter()
            .map(move |Waiter { fault, .. }| InjectedFault {
                label: fault.label.clone().unwrap_or_default(),
                kind: fault.kind.word().to_owned(),
                victims: fault.victims.iter().cloned().collect(),
                what: fault.words(),
                hits: Some(0),
                from: end,
                until: None,
            })
    }

    /// Reads what has been told since, and gives those faults whose event is in it, with their
    /// times in the run.
    pub(super) fn due(&mut self, told: &Told, plan: &Plan) -> Vec<PlannedFault> {
        let mut due = Vec::new();
        let name = |client: usize| plan.clients.get(client).map_or("", |it| it.name.as_str());
        for event in &told.events[self.read..] {
            let client = name(event.client.0 as usize);
            let waits = |waiter: &Waiter| waiter.after.counts(event, client);
            for waiter in self.faults.iter_mut().filter(|waiter| waits(waiter)) {
                waiter.seen += 1;
                if waiter.seen == waiter.after.nth.min() {
                    due.push(waiter.fault.starting_from(event.at));
                }
            }
        }
        self.read = told.events.len();
        let mut stored: Vec<Duration> = told.stored.values().copied().collect();
        stored.sort_unstable();
        for waiter in &mut self.faults {
            let nth = waiter.after.nth.min();
            let is_new = waiter.after.is_for_storage() && waiter.seen < nth;
            if let Some(&at) = stored.get(nth as usize - 1).filter(|_| is_new) {
                waiter.seen = nth;
                due.push(waiter.fault.starting_from(at));
            }
        }
        self.faults
            .retain(|waiter| waiter.seen < waiter.after.nth.min());
        due
    }
}

/// The fault at the first time from its own on at which no other one does the same to a victim of
/// it; none if that never ends.
pub(super) fn in_its_turn(plan: &Plan, mut fault: PlannedFault) -> Option<PlannedFault> {
    let end = |it: &PlannedFault| it.ends().unwrap_or(Duration::MAX);
    loop {
        let mut others = plan.faults.iter();
        let Some(other) = others.find(|other| {
            let meet = other.from < end(&fault) && fault.from < end(other);
            meet && does_the_same(other, &fault)
        }) else {
            return Some(fault);
        };
        fault = fault.not_before(other.ends()?);
    }
}

/// Whether two faults are of one kind, or both end programs, and have a victim in common.
fn does_the_same(one: &PlannedFault, other: &PlannedFault) -> bool {
    let ends_programs = |it: &PlannedFault| !it.downtimes().is_empty();
    let is_alike = discriminant(&one.kind) == discriminant(&other.kind)
        || ends_programs(one) && ends_programs(other);
    is_alike && one.victims.iter().any(|name| other.hits(name))
}
