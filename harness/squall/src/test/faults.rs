//! What can go wrong in a test: whom it hits, when, and how long, each fixed or left to the seed.

use super::dice::Dice;
use super::ranges::{Chances, Counts, Times};
use super::who::Who;
use crate::setting::Setting;
use squall_simulator::{FaultId, Intervention, Latency, Link, Loss, MachineId, Strike};
use std::time::Duration;

/// Something that goes wrong. [`partition`], [`kill`] and the like make one; by default it begins
/// between 1 and 10 s after the world, and lasts for 1 to 10 s.
#[derive(Clone, Debug)]
#[must_use = "a fault is to be given to `world.faults`"]
pub struct Fault {
    kind: Kind,
    begins: Setting<Duration>,
    lasts: Setting<Duration>,
    restarts: Option<Setting<Duration>>,
    grace: Option<Setting<Duration>>,
    times: Setting<u32>,
    probability: f64,
}

#[derive(Clone, Debug)]
enum Kind {
    Partition(Who, Who),
    OneWay(Who, Who),
    Isolate(Who),
    Hold(Who, Who),
    Loss(Who, Who, Setting<f64>),
    Latency(Who, Who, Setting<Duration>),
    Kill(Who),
    KillAtWork(Who),
    Terminate(Who),
    PowerLoss(Who),
    TornPowerLoss(Who),
    Pause(Who),
    Suspend(Who),
    NewAddress(Who),
}

/// No packet passes between the two, in either direction.
pub fn partition(a: impl Into<Who>, b: impl Into<Who>) -> Fault {
    Fault::new(Kind::Partition(a.into(), b.into()))
}

/// No packet passes from the first to the second; those the other way do.
pub fn one_way(from: impl Into<Who>, to: impl Into<Who>) -> Fault {
    Fault::new(Kind::OneWay(from.into(), to.into()))
}

/// No packet passes between these machines and all others.
pub fn isolate(who: impl Into<Who>) -> Fault {
    Fault::new(Kind::Isolate(who.into()))
}

/// Packets between the two wait, and arrive when it ends.
pub fn hold(a: impl Into<Who>, b: impl Into<Who>) -> Fault {
    Fault::new(Kind::Hold(a.into(), b.into()))
}

/// Packets between the two are lost with this probability.
pub fn loss(a: impl Into<Who>, b: impl Into<Who>, chance: impl Chances) -> Fault {
    Fault::new(Kind::Loss(a.into(), b.into(), chance.setting()))
}

/// Packets between the two need this long, each way.
pub fn latency(a: impl Into<Who>, b: impl Into<Who>, time: impl Times) -> Fault {
    Fault::new(Kind::Latency(a.into(), b.into(), time.setting()))
}

/// The program is killed, as by SIGKILL. It stays down unless [`Fault::restarting_after`] says
/// otherwise.
pub fn kill(who: impl Into<Who>) -> Fault {
    Fault::new(Kind::Kill(who.into()))
}

/// The program is killed in the middle of its work, at a system call that the seed chooses.
pub fn kill_at_work(who: impl Into<Who>) -> Fault {
    Fault::new(Kind::KillAtWork(who.into()))
}

/// The program is asked to end (SIGTERM), which kills it if it has no handler.
/// [`Fault::killing_after`] says how long it may take.
pub fn terminate(who: impl Into<Who>) -> Fault {
    Fault::new(Kind::Terminate(who.into()))
}

/// The machine loses its power: it falls silent, and its disk loses unsynced data. It stays down
/// unless [`Fault::restarting_after`] says otherwise.
pub fn power_loss(who: impl Into<Who>) -> Fault {
    Fault::new(Kind::PowerLoss(who.into()))
}

/// The same, but some unsynced sectors are written and some are not.
pub fn torn_power_loss(who: impl Into<Who>) -> Fault {
    Fault::new(Kind::TornPowerLoss(who.into()))
}

/// The program stands still, as after SIGSTOP; its kernel goes on.
pub fn pause(who: impl Into<Who>) -> Fault {
    Fault::new(Kind::Pause(who.into()))
}

/// The whole machine stands still, its clocks included; they jump when it goes on.
pub fn suspend(who: impl Into<Who>) -> Fault {
    Fault::new(Kind::Suspend(who.into()))
}

/// The machine gets another address; its connections no longer hear anything.
pub fn new_address(who: impl Into<Who>) -> Fault {
    Fault::new(Kind::NewAddress(who.into()))
}

fn seconds(from: u64, to: u64) -> Setting<Duration> {
    Setting::Between(Duration::from_secs(from), Duration::from_secs(to))
}

impl Fault {
    fn new(kind: Kind) -> Self {
        Fault {
            kind,
            begins: seconds(1, 10),
            lasts: seconds(1, 10),
            restarts: None,
            grace: None,
            times: Setting::Fixed(1),
            probability: 1.0,
        }
    }

    /// When it begins, counted from the beginning of the world: `2..8`.
    #[track_caller]
    pub fn between(mut self, times: impl Times) -> Self {
        self.begins = times.setting();
        self
    }

    /// When it begins, counted from the beginning of the world: `5`.
    #[track_caller]
    pub fn at(self, time: impl Times) -> Self {
        self.between(time)
    }

    /// How long it lasts: `1..30`.
    ///
    /// # Panics
    ///
    /// If it ends as soon as it begins, as a kill does.
    #[track_caller]
    pub fn lasting(mut self, time: impl Times) -> Self {
        assert!(
            !self.kind.ends_programs(),
            "this fault ends as soon as it begins; when the program is started again is set with \
             `restarting_after`"
        );
        assert!(
            self.kind.lasts(),
            "a {} takes no time, and stays",
            self.kind.word()
        );
        self.lasts = time.setting();
        self
    }

    /// How long after it ends the program is restarted: `1..5`.
    ///
    /// # Panics
    ///
    /// If it does not end programs.
    #[track_caller]
    pub fn restarting_after(mut self, time: impl Times) -> Self {
        assert!(
            self.kind.ends_programs() || self.kind.lasts(),
            "a {} ends no program, and takes no time",
            self.kind.word()
        );
        assert!(
            self.kind.ends_programs(),
            "this fault ends no program; how long it lasts is said by `lasting`"
        );
        self.restarts = Some(time.setting());
        self
    }

    /// How long a program that is asked to end may take before it is killed (SIGKILL), as by a
    /// supervisor: `10`. Without this it is left alone.
    ///
    /// # Panics
    ///
    /// If it is not a [`terminate`].
    #[track_caller]
    pub fn killing_after(mut self, time: impl Times) -> Self {
        assert!(
            matches!(self.kind, Kind::Terminate(_)),
            "only `terminate` asks a program to end"
        );
        self.grace = Some(time.setting());
        self
    }

    /// How often it happens, each time with its own dice: `1..4`.
    #[track_caller]
    pub fn times(mut self, times: impl Counts) -> Self {
        self.times = times.setting();
        self
    }

    /// The probability that it happens at all.
    #[track_caller]
    pub fn with_probability(mut self, probability: f64) -> Self {
        let Setting::Fixed(probability) = Chances::setting(probability) else {
            unreachable!("a number is no range");
        };
        self.probability = probability;
        self
    }
}

impl Kind {
    fn ends_programs(&self) -> bool {
        use Kind::*;
        matches!(
            self,
            Kill(_) | KillAtWork(_) | Terminate(_) | PowerLoss(_) | TornPowerLoss(_)
        )
    }

    fn lasts(&self) -> bool {
        !self.ends_programs() && !matches!(self, Kind::NewAddress(_))
    }

    fn word(&self) -> &'static str {
        match self {
            Kind::Partition(..) => "partition",
            Kind::OneWay(..) => "one-way partition",
            Kind::Isolate(_) => "isolation",
            Kind::Hold(..) => "hold",
            Kind::Loss(..) => "losses",
            Kind::Latency(..) => "latency",
            Kind::Kill(_) => "kill",
            Kind::KillAtWork(_) => "kill at work",
            Kind::Terminate(_) => "termination",
            Kind::PowerLoss(_) => "power loss",
            Kind::TornPowerLoss(_) => "torn power loss",
            Kind::Pause(_) => "pause",
            Kind::Suspend(_) => "suspension",
            Kind::NewAddress(_) => "new address",
        }
    }
}

/// A fault in a plan: nothing is left open.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    /// The same whatever the seed: `fault 2`.
    pub(super) label: String,
    pub(super) what: String,
    pub(super) from: Duration,
    /// When all of it has ended; none if it stays.
    pub(super) until: Option<Duration>,
    /// The machines whose programs it ends, and when.
    pub(super) kills: Vec<usize>,
    pub(super) latest: Duration,
    interventions: Vec<(Duration, Intervention)>,
}

/// The machines of a world, by place.
pub(super) struct Places<'a> {
    pub(super) names: &'a [String],
    pub(super) ids: &'a [MachineId],
    /// The path between any two.
    pub(super) link: &'a Link,
}

impl Places<'_> {
    fn ids(&self, places: &[usize]) -> Vec<MachineId> {
        places.iter().map(|&place| self.ids[place]).collect()
    }

    fn names(&self, places: &[usize]) -> String {
        let names = places.iter().map(|&place| &*self.names[place]);
        names.collect::<Vec<_>>().join(", ")
    }

    fn others(&self, places: &[usize]) -> Vec<usize> {
        let all = 0..self.ids.len();
        all.filter(|place| !places.contains(place)).collect()
    }
}

/// How long a program may take to reach the system call at which it is killed.
const SOON: Duration = Duration::from_secs(1);

impl Fault {
    /// Decides what is open. `number` is its place among all faults, counted from 1.
    pub(super) fn plan(&self, number: usize, dice: &mut Dice, world: &Places<'_>) -> Vec<Planned> {
        let label = format!("fault {number} ({})", self.kind.word());
        let times = dice.count(&format!("{label}, times"), self.times, 1);
        (1..=times)
            .filter_map(|time| {
                let label = match time {
                    1 => label.clone(),
                    time => format!("{label}, time {time}"),
                };
                let happens = dice.happens(&label, self.probability);
                happens.then(|| self.plan_once(label, dice, world))
            })
            .collect()
    }

    fn plan_once(&self, label: String, dice: &mut Dice, world: &Places<'_>) -> Planned {
        let from = dice.time(&format!("{label}, begins"), self.begins);
        let lasting = match self.kind.lasts() {
            true => dice.time(&format!("{label}, lasts"), self.lasts),
            false => Duration::ZERO,
        };
        let end = from + lasting;
        let mut interventions = Vec::new();
        let mut both = |begin: Intervention, over: Intervention| {
            interventions.extend([(from, begin), (end, over)])
        };
        let choose = |dice: &mut Dice, who: &Who, part: &str| {
            who.choose(&format!("{label}, {part}"), dice, world.names)
        };
        let (mut kills, mut grace) = (Vec::new(), None);
        let what = match &self.kind {
            Kind::Partition(a, b) | Kind::Hold(a, b) => {
                let (a, b) = (choose(dice, a, "one side"), choose(dice, b, "other side"));
                let words = format!(
                    "{} between {} and {}",
                    self.kind.word(),
                    world.names(&a),
                    world.names(&b)
                );
                let (a, b) = (world.ids(&a), world.ids(&b));
                for (from, to) in [(a.clone(), b.clone()), (b, a)] {
                    match self.kind {
                        Kind::Hold(..) => {
                            both(holding(&from, &to), Intervention::Release { from, to })
                        }
                        _ => both(cutting(&from, &to), Intervention::Mend { from, to }),
                    }
                }
                words
            }
            Kind::OneWay(a, b) => {
                let (a, b) = (choose(dice, a, "senders"), choose(dice, b, "receivers"));
                let words = format!("partition from {} to {}", world.names(&a), world.names(&b));
                let (from, to) = (world.ids(&a), world.ids(&b));
                both(cutting(&from, &to), Intervention::Mend { from, to });
                words
            }
            Kind::Isolate(who) => {
                let who = choose(dice, who, "whom");
                let (a, b) = (world.ids(&who), world.ids(&world.others(&who)));
                for (from, to) in [(a.clone(), b.clone()), (b, a)] {
                    both(cutting(&from, &to), Intervention::Mend { from, to });
                }
                format!("isolation of {}", world.names(&who))
            }
            Kind::Loss(a, b, chance) => {
                let (a, b) = (choose(dice, a, "one side"), choose(dice, b, "other side"));
                let chance = dice.chance(&format!("{label}, probability"), *chance);
                let words = format!(
                    "{}% losses between {} and {}",
                    (chance * 1e4).round() / 100.0,
                    world.names(&a),
                    world.names(&b)
                );
                let between = (world.ids(&a), world.ids(&b));
                let (begin, over) = (between.clone(), between);
                let begin = Intervention::Loss {
                    between: begin,
                    loss: Some(chance),
                };
                both(
                    begin,
                    Intervention::Loss {
                        between: over,
                        loss: None,
                    },
                );
                words
            }
            Kind::Latency(a, b, time) => {
                let (a, b) = (choose(dice, a, "one side"), choose(dice, b, "other side"));
                let time = dice.time(&format!("{label}, latency"), *time);
                let words = format!(
                    "latency of {time:?} between {} and {}",
                    world.names(&a),
                    world.names(&b)
                );
                let (a, b) = (world.ids(&a), world.ids(&b));
                let slow = Link {
                    latency: Latency::Fixed(time),
                    ..world.link.clone()
                };
                for (from, to) in [(a.clone(), b.clone()), (b, a)] {
                    both(
                        Intervention::Link {
                            from: from.clone(),
                            to: to.clone(),
                            link: Box::new(slow.clone()),
                        },
                        Intervention::Link {
                            from,
                            to,
                            link: Box::new(world.link.clone()),
                        },
                    );
                }
                words
            }
            Kind::Kill(who)
            | Kind::Terminate(who)
            | Kind::PowerLoss(who)
            | Kind::TornPowerLoss(who) => {
                kills = choose(dice, who, "whom");
                if let Some(time) = self.grace {
                    grace = Some(dice.time(&format!("{label}, grace"), time));
                }
                for id in world.ids(&kills) {
                    let intervention = match self.kind {
                        Kind::Terminate(_) => match grace {
                            None => Intervention::Terminate(id),
                            Some(grace) => Intervention::Stop { machine: id, grace },
                        },
                        Kind::PowerLoss(_) => Intervention::PowerLoss(id),
                        Kind::TornPowerLoss(_) => Intervention::TornPowerLoss {
                            machine: id,
                            sector: 4096,
                        },
                        _ => Intervention::Kill(id),
                    };
                    interventions.push((from, intervention));
                }
                format!("{} of {}", self.kind.word(), world.names(&kills))
            }
            Kind::KillAtWork(who) => {
                kills = choose(dice, who, "whom");
                let call = dice.count(&format!("{label}, call"), Setting::Between(1, 200), 1);
                for machine in world.ids(&kills) {
                    let (call, latest) = (call.into(), from + SOON);
                    let strike = Strike::Kill;
                    interventions.push((
                        from,
                        Intervention::AtCall {
                            machine,
                            call,
                            latest,
                            strike,
                        },
                    ));
                }
                format!("kill of {} at its system call {call}", world.names(&kills))
            }
            Kind::Pause(who) | Kind::Suspend(who) => {
                let who = choose(dice, who, "whom");
                for machine in world.ids(&who) {
                    match self.kind {
                        Kind::Pause(_) => {
                            both(Intervention::Pause(machine), Intervention::Resume(machine))
                        }
                        _ => both(
                            Intervention::Suspend(machine),
                            Intervention::Wake {
                                machine,
                                clocks_jump: true,
                            },
                        ),
                    }
                }
                format!("{} of {}", self.kind.word(), world.names(&who))
            }
            Kind::NewAddress(who) => {
                let who = choose(dice, who, "whom");
                let moves = world
                    .ids(&who)
                    .into_iter()
                    .map(|id| (from, Intervention::Move(id)));
                interventions.extend(moves);
                format!("new address of {}", world.names(&who))
            }
        };
        let latest = match self.kind {
            Kind::KillAtWork(_) => from + SOON,
            _ => end + grace.unwrap_or_default(),
        };
        let restart = self.restarts.map(|after| {
            let restart = latest + dice.time(&format!("{label}, restarts after"), after);
            interventions.extend(
                world
                    .ids(&kills)
                    .into_iter()
                    .map(|id| (restart, Intervention::Boot(id))),
            );
            restart
        });
        let until = match (self.kind.ends_programs(), restart) {
            (false, _) => Some(end),
            (true, restart) => restart,
        };
        Planned {
            label,
            what,
            from,
            until,
            kills,
            latest,
            interventions,
        }
    }
}

fn cutting(from: &[MachineId], to: &[MachineId]) -> Intervention {
    let (from, to) = (from.to_vec(), to.to_vec());
    Intervention::Cut { from, to }
}

fn holding(from: &[MachineId], to: &[MachineId]) -> Intervention {
    let (from, to) = (from.to_vec(), to.to_vec());
    Intervention::Hold { from, to }
}

impl Planned {
    pub(super) fn strike(&mut self, world: &mut squall_simulator::World) -> Vec<FaultId> {
        let interventions = std::mem::take(&mut self.interventions);
        interventions
            .into_iter()
            .map(|(at, intervention)| world.at(at, intervention))
            .collect()
    }
}

/// What all paths are like when no fault says otherwise.
#[derive(Clone, Debug)]
pub(super) struct Network {
    pub(super) latency: Setting<Duration>,
    pub(super) loss: Setting<f64>,
}

impl Default for Network {
    fn default() -> Self {
        Network {
            latency: Setting::Fixed(Duration::from_millis(1)),
            loss: Setting::Fixed(0.0),
        }
    }
}

impl Network {
    pub(super) fn link(&self, dice: &mut Dice) -> Link {
        Link {
            latency: Latency::Fixed(dice.time("network, latency", self.latency)),
            loss: Loss::from(dice.chance("network, losses", self.loss)),
            ..Link::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Who {
        super::super::who::Machine::new(0, [192, 168, 0, 1].into()).into()
    }

    #[test]
    #[should_panic(expected = "a new address takes no time, and stays")]
    fn a_new_address_is_not_said_to_restart_a_program() {
        let _ = new_address(server()).lasting(5);
    }

    #[test]
    #[should_panic(expected = "a new address ends no program, and takes no time")]
    fn a_new_address_is_not_said_to_last() {
        let _ = new_address(server()).restarting_after(5);
    }
}
