//! When a run ends: not while messages are still being sent or handled for the first time.
//!
//! How long that takes does not follow from the plan. What waits in an outbox is sent one at a
//! time, so it depends on round trips, on retries and on what a link carries. So the run is watched
//! instead: it goes on from the planned end as long as it makes progress, but no longer than
//! [`LIMIT`].

use super::begun::Begun;
use crate::plan::Plan;
use indexmap::IndexSet;
use rustc_hash::FxHashSet;
use squall_guarantees::{ClientId, Event, EventKind, OperationId};
use squall_simulator::{Error, World};
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

/// How long a run goes on after its planned end, at most. What is still being sent then is not
/// judged.
pub(crate) const LIMIT: Duration = Duration::from_secs(60 * 60);

/// A client that gets no acknowledgement waits up to a minute before it sends again, and TCP waits
/// up to two for an answer. If nothing has happened for longer than that, nothing more will.
const LONGEST_WAIT: Duration = Duration::from_secs(3 * 60);

/// Packets that are sent while nothing is said are counted during this fraction of the settling
/// time: one part in this many.
const IDLE: u32 = 4;

/// How often the run is checked.
const STEP: Duration = Duration::from_secs(1);

/// How a run came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    /// When.
    pub(super) at: Duration,
    /// How many messages each client had in hand then: given to it, with no end reported.
    pub(super) still_sending: Vec<u64>,
    /// Whether the run was still making progress when [`LIMIT`] was reached.
    pub(super) limit_reached: bool,
    /// Since when nothing was said, and how many packets were sent since; none if something was
    /// said.
    pub(super) idle: Option<(Duration, u64)>,
}

/// Whether somebody has said or learned something. A client that asks again and again for what it
/// believes to lack, or is sent again and again what it has, is what idle times are watched for.
fn is_news(event: &Event) -> bool {
    !matches!(
        event.kind,
        EventKind::Missed { .. } | EventKind::Repeated { .. }
    )
}

/// Lets time pass until the run has ended.
///
/// # Errors
/// If a machine did something that the simulator cannot do.
pub(super) fn run_to_the_end(begun: &mut Begun<'_>, world: &mut World) -> Result<Ending, Error> {
    // In the last part of the settling time there is normally nothing left to do.
    let nearly = |plan: &Plan| plan.ends_at().saturating_sub(plan.settle() / IDLE);
    loop {
        begun.run_until(world, nearly(&begun.plan))?;
        // A fault that has waited until now makes the run longer.
        if world.now() >= nearly(&begun.plan) {
            break;
        }
    }
    let Begun {
        plan,
        machines,
        log,
        ..
    } = &*begun;
    let told = || log.told().events.iter().filter(|it| is_news(it)).count();
    let (idle_since, sent, before) = (world.now(), world.counts().sent, told());
    world.run_until(plan.ends_at())?;
    let nothing_told = told() == before;
    let idle = nothing_told.then(|| (idle_since, world.counts().sent - sent));
    let mut watch = Watch::new(plan);
    let limit = plan.ends_at() + LIMIT;
    loop {
        watch.read(&log.told().events);
        let sending = plan.clients.iter().enumerate().map(|(number, client)| {
            let ends = world.ends(machines[client.name.as_str()]).iter();
            // What ends before it has come is not its program yet.
            let ends = ends.filter(|&&at| at >= client.stay.comes);
            watch.in_hand(number, ends.count())
        });
        let sending: Vec<u64> = sending.collect();
        let (now, due) = (
            world.now(),
            watch.due(sending.iter().any(|&count| count > 0)),
        );
        if now >= due.min(limit) {
            return Ok(Ending {
                at: now,
                limit_reached: now < due,
                idle: idle.filter(|_| now == plan.ends_at()),
                still_sending: sending,
            });
        }
        world.run_until(due.min(limit).min(now + STEP))?;
    }
}

/// What has become of the clients' messages so far.
struct Watch<'p> {
    plan: &'p Plan,
    clients: Vec<Sending>,
    /// Who has handled what.
    handled: FxHashSet<(ClientId, u64)>,
    /// When a message last ended, or was handled for the first time.
    progress: Duration,
    /// How many events have been read.
    read: usize,
}

/// What a client has in hand.
#[derive(Clone, Default)]
struct Sending {
    operations: IndexSet<OperationId>,
    /// How often its program was started.
    starts: usize,
}

impl<'p> Watch<'p> {
    fn new(plan: &'p Plan) -> Self {
        Watch {
            plan,
            clients: vec![Sending::default(); plan.clients.len()],
            handled: FxHashSet::default(),
            progress: Duration::ZERO,
            read: 0,
        }
    }

    /// Reads on from where it stopped.
    fn read(&mut self, events: &[Event]) {
        for event in &events[self.read..] {
            self.see(event);
        }
        self.read = events.len();
    }

    fn see(&mut self, event: &Event) {
        // Hostile peers come after the clients. The run does not wait for them.
        let Some(client) = self.clients.get_mut(event.client.0 as usize) else {
            return;
        };
        let got_on = match &event.kind {
            EventKind::Started => {
                client.starts += 1;
                if !self.plan.system.keeps_outboxes() {
                    client.operations.clear();
                }
                false
            }
            EventKind::Invoked { operation, .. } => {
                client.operations.insert(*operation);
                false
            }
            EventKind::Ok { operation, .. }
            | EventKind::Failed { operation, .. }
            | EventKind::Unknown { operation, .. } => client.operations.swap_remove(operation),
            EventKind::Delivered { content, .. } => {
                let content = xxh3_64(content.as_bytes());
                self.handled.insert((event.client, content))
            }
            _ => false,
        };
        if got_on {
            self.progress = event.at;
        }
    }

    /// How many messages a client has in hand, given how often its program has ended. A client that
    /// is not running has none: it sends nothing.
    fn in_hand(&self, number: usize, ends: usize) -> u64 {
        let client = &self.clients[number];
        match client.starts > ends {
            true => client.operations.len() as u64,
            false => 0,
        }
    }

    /// When the run is over, if nothing happens until then. Half of the settling time is left for
    /// what follows from the last thing that was done.
    fn due(&self, sending: bool) -> Duration {
        let (settle, ends_at) = (self.plan.settle(), self.plan.ends_at());
        let wait = match sending {
            true => (self.plan.bounds().delivery + LONGEST_WAIT).max(settle),
            false => settle / 2,
        };
        // Before this, faults and users had their turn.
        let quiet_since = ends_at.saturating_sub(settle);
        (self.progress.max(quiet_since) + wait).max(ends_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_guarantees::MessageKind;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A run that ends at 60 s as planned: its fault ends at 20 s, and it settles for 40 s.
    fn plan() -> Plan {
        crate::testing::plan(
            "settle = '40s'\nworkload.messages = 0\n[[fault]]\nkind = 'kill'\nvictims = 'bob'\nat = '15s'\nfor = '5s'",
        )
    }

    fn event(at: u64, kind: EventKind) -> Event {
        Event {
            at: seconds(at),
            client: ClientId(0),
            kind,
        }
    }

    fn given(at: u64, operation: u64) -> Event {
        event(
            at,
            EventKind::Invoked {
                operation: OperationId(operation),
                room: "lobby".to_owned(),
                content: "m".to_owned(),
                kind: MessageKind::Message,
                size: None,
                echo: true,
                nickname: None,
            },
        )
    }

    fn done(at: u64, operation: u64) -> Event {
        event(
            at,
            EventKind::Ok {
                operation: OperationId(operation),
                acknowledged: true,
            },
        )
    }

    fn handled(at: u64, content: &str) -> Event {
        event(
            at,
            EventKind::Delivered {
                id: 1,
                room: "lobby".to_owned(),
                sender: "bob".to_owned(),
                content: content.to_owned(),
                kind: None,
                nickname: None,
            },
        )
    }

    #[test]
    fn a_client_has_in_hand_what_it_was_given_and_what_has_not_come_to_its_end() {
        let plan = plan();
        let mut watch = Watch::new(&plan);
        let mut events = vec![event(0, EventKind::Started), given(1, 1), given(2, 2)];
        watch.read(&events);
        assert_eq!(watch.in_hand(0, 0), 2);
        assert_eq!(watch.in_hand(1, 0), 0);
        events.push(done(3, 1));
        watch.read(&events);
        assert_eq!(watch.in_hand(0, 0), 1);
        assert_eq!(watch.in_hand(0, 1), 0, "its program has ended");
        events.push(event(4, EventKind::Started));
        watch.read(&events);
        assert_eq!(watch.in_hand(0, 1), 0, "it began with nothing in memory");
    }

    #[test]
    fn a_run_in_which_nothing_was_done_late_ends_as_planned() {
        let plan = plan();
        let mut watch = Watch::new(&plan);
        assert_eq!(watch.due(false), seconds(60));
        watch.read(&[given(30, 1), done(40, 1)]);
        assert_eq!(watch.due(false), seconds(60));
    }

    #[test]
    fn what_was_done_late_has_half_of_the_time_to_settle_for_what_follows() {
        let plan = plan();
        let mut watch = Watch::new(&plan);
        let mut events = vec![given(1, 1), done(50, 1)];
        watch.read(&events);
        assert_eq!(watch.due(false), seconds(70));
        events.push(handled(55, "m"));
        watch.read(&events);
        assert_eq!(watch.due(false), seconds(75));
        events.extend([handled(58, "m"), done(59, 1)]);
        watch.read(&events);
        assert_eq!(watch.due(false), seconds(75), "nothing of that is new");
    }

    #[test]
    fn whoever_is_still_sending_is_waited_for_as_long_as_an_answer_may_take() {
        let plan = plan();
        let mut watch = Watch::new(&plan);
        let longest = plan.bounds().delivery + LONGEST_WAIT;
        // From 20 s on, when the fault ended.
        assert_eq!(watch.due(true), seconds(20) + longest);
        watch.read(&[given(1, 1), given(1, 2), done(50, 1)]);
        assert_eq!(watch.due(true), seconds(50) + longest);
    }

    #[test]
    fn an_answer_may_take_three_minutes_and_a_run_an_hour_longer_than_planned() {
        assert_eq!(LONGEST_WAIT, seconds(180));
        assert_eq!(LIMIT, seconds(3_600));
    }
}
