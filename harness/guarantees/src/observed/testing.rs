//! Runs in a few sentences, for the tests of the checkers. Times are in seconds; a run ends
//! after 100.

use super::{Action, Answer, Claim, Disturbance, Machine, Observation, Observed, Thing, Told};
use std::time::Duration;

#[derive(Clone)]
pub(super) struct Run {
    history: Observed,
    calls: u64,
}

/// A run with these machines. The part before the last `-` is the name of their group.
pub(super) fn run(machines: &[&str]) -> Run {
    let machine = |name: &&str| Machine {
        name: (*name).to_owned(),
        group: name
            .rsplit_once('-')
            .map_or(*name, |(group, _)| group)
            .to_owned(),
        ..Machine::default()
    };
    let history = Observed {
        machines: machines.iter().map(machine).collect(),
        ended_at: at(100),
        ..Observed::default()
    };
    Run { history, calls: 0 }
}

fn at(time: u64) -> Duration {
    Duration::from_secs(time)
}

fn thing(topic: &str, id: &str) -> Thing {
    Thing {
        topic: topic.to_owned(),
        id: id.to_owned(),
    }
}

impl Run {
    pub(super) fn history(mut self) -> Observed {
        self.history.told.sort_by_key(|told| told.at);
        self.history
    }

    fn machine(&mut self, who: &str) -> usize {
        let found = self.history.machines.iter().position(|it| it.name == who);
        found.expect("the run has this machine")
    }

    pub(super) fn tells(mut self, time: u64, who: &str, told: Told) -> Self {
        let machine = self.machine(who);
        let killed = &self.history.machines[machine].killed;
        let life = killed.iter().filter(|&&killed| killed < at(time)).count();
        self.history.told.push(Observation {
            at: at(time),
            machine,
            life,
            told,
        });
        self
    }

    pub(super) fn sent(self, time: u64, who: &str, topic: &str, id: &str) -> Self {
        self.tells(time, who, Told::Sent(thing(topic, id)))
    }

    pub(super) fn received(self, time: u64, who: &str, topic: &str, id: &str) -> Self {
        self.tells(time, who, Told::Received(thing(topic, id)))
    }

    pub(super) fn acknowledged(self, time: u64, who: &str, topic: &str, id: &str) -> Self {
        self.tells(time, who, Told::Acknowledged(thing(topic, id)))
    }

    pub(super) fn failed(self, time: u64, who: &str, topic: &str, id: &str) -> Self {
        self.tells(time, who, Told::Failed(thing(topic, id)))
    }

    pub(super) fn shows(self, time: u64, who: &str, object: &str, value: &str) -> Self {
        let (object, value) = (object.to_owned(), value.to_owned());
        self.tells(time, who, Told::Shows { object, value })
    }

    pub(super) fn claims(self, time: u64, who: &str, kind: fn(Claim) -> Told, holds: bool) -> Self {
        let claim = Claim {
            what: "it is so".to_owned(),
            holds,
            place: "src/main.rs:7".to_owned(),
        };
        self.tells(time, who, kind(claim))
    }

    /// A call from one time to another, on the object `x`; without an answer it never ends.
    pub(super) fn calls(
        mut self,
        from: u64,
        who: &str,
        action: Action,
        answer: Option<(u64, Answer)>,
    ) -> Self {
        self.calls += 1;
        let (call, object) = (self.calls, "x".to_owned());
        let run = self.tells(
            from,
            who,
            Told::Called {
                call,
                object,
                action,
            },
        );
        match answer {
            Some((until, answer)) => run.tells(until, who, Told::Returned { call, answer }),
            None => run,
        }
    }

    pub(super) fn writes(self, from: u64, until: u64, who: &str, value: &str) -> Self {
        let action = Action::Write(value.to_owned());
        self.calls(from, who, action, Some((until, Answer::Done)))
    }

    pub(super) fn reads(self, from: u64, until: u64, who: &str, value: &str) -> Self {
        let answer = match value {
            "" => Answer::Nothing,
            value => Answer::Value(value.to_owned()),
        };
        self.calls(from, who, Action::Read, Some((until, answer)))
    }

    /// A machine's program is killed, and perhaps restarted.
    pub(super) fn killed(mut self, time: u64, who: &str, restarted: Option<u64>) -> Self {
        let machine = self.machine(who);
        let machine = &mut self.history.machines[machine];
        machine.killed.push(at(time));
        machine.is_gone = restarted.is_none();
        machine.booted_at = restarted.map_or(machine.booted_at, at);
        self
    }

    pub(super) fn disturbed(mut self, from: u64, until: u64) -> Self {
        let (from, until) = (at(from), at(until));
        self.history.disturbances.push(Disturbance { from, until });
        self.history.healed_at = self.history.healed_at.max(until);
        self
    }
}
