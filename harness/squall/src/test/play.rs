//! One run: a description and a seed, played in a world, and what came of it. This is what happens
//! in a process of its own.

use super::dice::{Dice, Drawn, Fixed};
use super::faults::{Places, Planned};
use super::watch::{heard, listen};
use super::wire;
use super::world::World;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_guarantees::observed::{Disturbance, Machine, Observation, Observed, Verdict};
use squall_guarantees::seconds;
use squall_simulator::{FaultId, Intervention, MachineId, TraceEvent, simulate};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

/// What is to be played.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) seed: u64,
    /// What is decided in advance.
    pub(super) fixed: Fixed,
    /// Whether to return everything that goes into the digest.
    pub(super) trace: bool,
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) digest: u64,
    pub(super) drawn: Vec<Drawn>,
    pub(super) faults: Vec<Happened>,
    /// By name, in the order in which they are asked for.
    pub(super) verdicts: Vec<(String, Verdict)>,
    pub(super) panics: Vec<Panicked>,
    pub(super) ends: Vec<(usize, Duration)>,
    /// When a thread lost the processor though it could have gone on.
    pub(super) preempted: Vec<(usize, Duration)>,
    pub(super) observed: Observed,
    /// The messages of events that a test explains, and why nothing was told with them; none if
    /// something was.
    pub(super) explained: Vec<(String, Option<String>)>,
    pub(super) trace: Vec<TraceEvent>,
}

/// A fault, and what it has struck.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub(super) struct Happened {
    /// Its name in the run.
    pub(super) label: String,
    /// What it was, in words.
    pub(super) what: String,
    /// When it began.
    pub(super) from: Duration,
    /// When it ended; none if it did not.
    pub(super) until: Option<Duration>,
    /// How many packets, connections, processes.
    pub(super) struck: u64,
}

/// A program that panicked, or ended with an error.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Panicked {
    pub(super) at: Duration,
    pub(super) machine: usize,
    pub(super) message: String,
}

/// The name of the verdict on panics.
pub(super) const NO_PANIC: &str = "no panic";
/// The name of the verdict on things that cannot be simulated.
pub(super) const SIMULATED: &str = "everything can be simulated";

/// Plays what is asked for: the job of a run's process.
///
/// # Panics
///
/// If the description makes no sense: that ends the process, and the test reports it.
#[doc(hidden)]
pub fn play(asked: &[u8], describe: fn(&mut World)) -> Vec<u8> {
    let asked: Asked = serde_json::from_slice(asked).expect("the test has written it");
    let outcome = simulate(asked.seed, |simulated| {
        if asked.trace {
            simulated.record_trace();
        }
        let mut world = World::new(Dice::new(asked.seed, asked.fixed));
        describe(&mut world);
        assert!(
            !world.machines.is_empty(),
            "the world has no machines: add some with `world.machine`"
        );
        run(world, simulated)
    });
    serde_json::to_vec(&outcome).expect("an outcome can be written")
}

fn run(mut world: World, simulated: &mut squall_simulator::World) -> Outcome {
    let link = world.network.link(&mut world.dice);
    simulated.set_default_link(link.clone());
    if !world.wires.is_empty() {
        simulated.keep_packets();
    }
    listen();
    if let Some(begin) = world.explained.explain() {
        world.begin_with(begin);
    }
    for path in &world.statics {
        let separated = simulated.separate_statics(path);
        assert!(separated > 0, "there are no statics in `{path}`");
    }
    let (mut names, mut ids, mut machines) = (Vec::new(), Vec::new(), Vec::new());
    for described in std::mem::take(&mut world.machines) {
        let id = (described.build)(simulated, &described.name);
        assert_eq!(
            simulated.address(id),
            described.address,
            "it was told to others"
        );
        for (name, value) in &described.variables {
            simulated.set_variable(id, name, value);
        }
        let arguments: Vec<&str> = described.arguments.iter().map(|it| &**it).collect();
        simulated.set_arguments(id, &arguments);
        names.push(described.name.clone());
        ids.push(id);
        machines.push(Machine {
            name: described.name,
            group: described.group,
            ..Machine::default()
        });
    }
    let preemptions = world.dice.count("preemptions", world.preemptions, 0);
    for &id in &ids {
        simulated.set_preemptions(id, preemptions);
    }
    let places = Places {
        names: &names,
        ids: &ids,
        link: &link,
    };
    let faults = std::mem::take(&mut world.faults);
    let planned = faults.iter().zip(1..);
    let planned = planned.flat_map(|(fault, number)| fault.plan(number, &mut world.dice, &places));
    let mut planned: Vec<Planned> = planned.collect();
    let lasting = world.dice.time("length", world.lasting);
    let left_over = world.dice.left_over();
    assert!(
        left_over.is_empty(),
        "the plan decides what this test does not leave open: {}",
        left_over.join("; ")
    );
    let struck: Vec<Vec<FaultId>> = planned.iter_mut().map(|it| it.strike(simulated)).collect();
    let over = planned.iter().map(|it| it.until.unwrap_or(it.latest));
    let healed_at = over.max().unwrap_or_default();
    let ended_at = lasting.max(healed_at) + world.settling;
    let unsupported = simulated.run_until(ended_at).err();
    let ends: Vec<Vec<Duration>> = ids.iter().map(|&id| simulated.ends(id).to_vec()).collect();
    let mut told = observations(&names, &ends);
    told.extend(wire::observed(&world.wires, simulated, &ids, &ends));
    told.sort_by_key(|it| it.at);
    if unsupported.is_none() {
        for (place, read) in std::mem::take(&mut world.finally) {
            told.extend(read_at_the_end(
                simulated,
                ids[place],
                read,
                &names,
                ends[place].len(),
            ));
        }
    }
    for (place, machine) in machines.iter_mut().enumerate() {
        tell_lives(machine, place, &planned, &ends[place]);
    }
    let disturbance = |it: &Planned| Disturbance {
        from: it.from,
        until: it.until.unwrap_or(it.latest),
    };
    let observed = Observed {
        machines,
        told,
        disturbances: planned.iter().map(disturbance).collect(),
        healed_at,
        ended_at,
    };
    let panics = simulated.panics().iter().map(|panic| Panicked {
        at: panic.at,
        machine: ids
            .iter()
            .position(|&id| id == panic.machine)
            .unwrap_or_default(),
        message: panic.message.clone(),
    });
    let panics: Vec<Panicked> = panics.collect();
    let mut verdicts = Vec::new();
    if let Some(error) = unsupported {
        verdicts.push((SIMULATED.to_owned(), violated(ended_at, error.to_string())));
    }
    if !world.may_panic {
        verdicts.push((NO_PANIC.to_owned(), verdict_on(&panics, &observed)));
    }
    for check in &world.checks {
        verdicts.push((check.name(), judge(&**check, &observed)));
    }
    let happened = planned.iter().zip(&struck).map(|(fault, ids)| Happened {
        label: fault.label.clone(),
        what: fault.what.clone(),
        from: fault.from,
        until: fault.until,
        struck: ids
            .iter()
            .flat_map(|&id| simulated.hits(id).iter().map(|it| it.1).collect::<Vec<_>>())
            .sum(),
    });
    let ends = ends.iter().enumerate();
    let ends = ends.flat_map(|(place, ends)| ends.iter().map(move |&at| (place, at)));
    let preempted = ids.iter().enumerate().flat_map(|(place, &id)| {
        let times = simulated.preempted(id).into_iter();
        times.map(move |at| (place, at))
    });
    Outcome {
        digest: simulated.digest(),
        drawn: world.dice.drawn().to_vec(),
        faults: happened.collect(),
        verdicts,
        panics,
        ends: ends.collect(),
        preempted: preempted.collect(),
        observed,
        explained: world.explained.told(),
        trace: simulated.trace().to_vec(),
    }
}

/// What was told so far, with the lives of the programs that told it.
fn observations(names: &[String], ends: &[Vec<Duration>]) -> Vec<Observation> {
    let observation = |(at, name, told)| {
        let machine = names.iter().position(|it| *it == name)?;
        let life = ends[machine].iter().filter(|&&end| end < at).count();
        Some(Observation {
            at,
            machine,
            life,
            told,
        })
    };
    heard().into_iter().filter_map(observation).collect()
}

/// Kills a machine's program, and lets a closure read what it has left.
fn read_at_the_end(
    simulated: &mut squall_simulator::World,
    id: MachineId,
    read: Box<dyn FnOnce()>,
    names: &[String],
    lives: usize,
) -> Vec<Observation> {
    let now = simulated.now();
    simulated.at(now, Intervention::Kill(id));
    // A killed program makes no more calls, so nothing can be refused.
    let _ = simulated.run_until(now);
    listen();
    simulated.inside(id, read);
    let mut told = observations(names, &vec![Vec::new(); names.len()]);
    told.iter_mut().for_each(|it| it.life = lives);
    told
}

/// Which of a machine's ends had which cause, and whether it is there in the end.
fn tell_lives(machine: &mut Machine, place: usize, planned: &[Planned], ends: &[Duration]) {
    let of_machine = planned.iter().filter(|fault| fault.kills.contains(&place));
    let mut boots: Vec<Duration> = vec![Duration::ZERO];
    for fault in of_machine.clone() {
        boots.extend(fault.until);
    }
    let by_fault = |end: &&Duration| {
        of_machine
            .clone()
            .any(|it| (it.from..=it.latest).contains(*end))
    };
    machine.killed = ends.iter().filter(by_fault).copied().collect();
    machine.booted_at = boots.into_iter().max().unwrap_or_default();
    machine.is_gone = ends.last().is_some_and(|&end| end >= machine.booted_at);
}

fn violated(at: Duration, why: String) -> Verdict {
    Verdict::Violated {
        at,
        why,
        told: Vec::new(),
        count: 1,
        judged: 1,
    }
}

fn verdict_on(panics: &[Panicked], observed: &Observed) -> Verdict {
    let Some(first) = panics.first() else {
        let judged = observed.machines.len() as u64;
        return Verdict::Held {
            judged,
            left_out: Default::default(),
        };
    };
    let remedy = match first.message.contains("global default") {
        true => {
            " `world.traced` has set a subscriber in this process already. If the program has its own, let it add \
             `squall_observe::layer()` to it, and say `world.own_subscribers()` before `world.traced`."
        }
        false => "",
    };
    let who = observed.name(first.machine);
    let why = format!(
        "{who}, at {}: {}.{remedy}",
        seconds(first.at),
        first.message
    );
    let count = panics.len() as u64;
    match violated(first.at, why) {
        Verdict::Violated { at, why, told, .. } => Verdict::Violated {
            at,
            why,
            told,
            count,
            judged: count,
        },
        other => other,
    }
}

/// A closure of the test may panic, as `assert!` does: then the guarantee does not hold.
fn judge(check: &dyn squall_guarantees::observed::Checker, observed: &Observed) -> Verdict {
    catch_unwind(AssertUnwindSafe(|| check.check(observed))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
        violated(
            observed.ended_at,
            text.unwrap_or_else(|| "the check has panicked".to_owned()),
        )
    })
}
