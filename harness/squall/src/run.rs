//! Plan → record: builds the world of a plan, lets its time pass, and collects what was left
//! behind.
//!
//! Every machine runs the programs of its system as they are. What their observers are told is
//! recorded with its virtual time, and added to the world's digest. When the time has passed, the
//! process of the server, or of the broker, is killed, and the database is read from what is on its
//! disk.

mod begun;
mod conditions;
mod ending;
mod ends;
mod futures;
mod hardships;
mod leftovers;
mod pcapng;
mod peaks;
mod sayings;
mod traffic;
mod waiting;

use crate::cast::{BROKER, ROOT, is_middlebox};
use crate::deeds::Deeds;
use crate::log::{Log, Told};
use crate::plan::Plan;
use crate::site::Site;
use begun::Begun;
use ending::Ending;
pub use futures::{Futures, futures};
use hardships::{Ends, LongTurns};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use squall_guarantees::{ClientId, Held, History, MemoryUse, StoredMessage, Unfinished};
use squall_reports::{Expectation, Machine, NetworkCounts, Panic, Record, Role};
use squall_simulator::{
    Crash, Engine, Intervention, MachineId, Passage, Source, TraceEvent, World, simulate_on,
};
use std::collections::BTreeMap;
use std::time::Duration;

/// Why there is no record.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A machine did something that the simulator cannot do.
    #[error("{scenario} with seed {seed} cannot go on: {cause}")]
    Simulator {
        /// The scenario's name.
        scenario: String,
        /// The seed.
        seed: u64,
        /// What was called, by whom, and what to do about it.
        cause: squall_simulator::Error,
    },
    /// The plan is for turmoil, which this build does not have.
    #[error("this build has no turmoil: build with the feature `turmoil` of the crate squall")]
    NoTurmoil,
    /// The server's database cannot be read at the end.
    #[error("{scenario} with seed {seed}: the database cannot be read at the end: {cause}")]
    Database {
        /// The scenario's name.
        scenario: String,
        /// The seed.
        seed: u64,
        /// What SQLite says.
        cause: String,
    },
    /// It was played in a separate process, and ended that process.
    #[error("{scenario} with seed {seed} ended the process that played it: {crash}")]
    Crashed {
        /// The scenario's name.
        scenario: String,
        /// The seed.
        seed: u64,
        /// How, and which machine caused it.
        crash: Crash,
    },
}

/// Everything that went into the digest of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The digest, in hexadecimal.
    pub digest: String,
    /// The digest of each machine, by name.
    pub machines: BTreeMap<String, String>,
    /// The events, in order.
    pub events: Vec<TraceEvent>,
}

/// Plays a plan in its own world, on its own thread.
///
/// # Errors
/// If the world cannot go on, or the database cannot be read at the end.
pub fn run(plan: &Plan) -> Result<Record, RunError> {
    simulate_on(engine_of(plan)?, plan.seed, |world| {
        play(plan, world, false).map(|played| played.record)
    })
}

/// Plays a plan like [`run`], and keeps its packets in the record: the run is the same, takes a
/// little longer, and can be shown packet by packet.
///
/// # Errors
/// Like [`run`].
pub fn run_in_detail(plan: &Plan) -> Result<Record, RunError> {
    simulate_on(engine_of(plan)?, plan.seed, |world| {
        play(plan, world, true).map(|played| played.record)
    })
}

/// Plays a plan like [`run`], and gives its packets as a capture file, pcapng: the same run, with
/// an interface for each machine. A packet that did not arrive says why in its comment.
///
/// # Errors
/// Like [`run`].
pub fn capture(plan: &Plan) -> Result<(Record, Vec<u8>), RunError> {
    simulate_on(engine_of(plan)?, plan.seed, |world| {
        let played = play(plan, world, true)?;
        let machines: Vec<(MachineId, &str)> = (played.machines.iter())
            .map(|(name, id)| (*id, name.as_str()))
            .collect();
        let file = pcapng::file(&machines, &played.packets);
        Ok((played.record, file))
    })
}

/// Plays a plan like [`run`], but lets one packet through that a link would lose at random: the one
/// with this [number](squall_reports::Packet::number). Until it is sent the run is the same.
///
/// # Errors
/// Like [`run`].
pub fn run_sparing(plan: &Plan, packet: u64) -> Result<Record, RunError> {
    simulate_on(engine_of(plan)?, plan.seed, |world| {
        world.spare_packet(packet);
        play(plan, world, false).map(|played| played.record)
    })
}

/// Plays a plan like [`run`], and returns everything that went into its digest.
///
/// # Errors
/// Like [`run`].
pub fn trace(plan: &Plan) -> Result<Trace, RunError> {
    simulate_on(engine_of(plan)?, plan.seed, |world| {
        world.record_trace();
        let Played { record, trace, .. } = play(plan, world, false)?;
        let machines = record.machines.into_iter();
        Ok(Trace {
            digest: record.digest,
            machines: machines.map(|told| (told.name, told.digest)).collect(),
            events: trace,
        })
    })
}

/// What the programs of a run asked their systems for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// The digest of the run, in hexadecimal: the same as without an audit.
    pub digest: String,
    /// Every source of entropy and time, and whatever reached the host.
    pub sources: Vec<Source>,
}

/// Plays a plan like [`run`], and reports which sources of entropy and time it used, and who asked.
/// What a library draws once for the whole host process is reported only for the first run of that
/// process.
///
/// # Errors
/// Like [`run`].
pub fn audit(plan: &Plan) -> Result<Audited, RunError> {
    simulate_on(engine_of(plan)?, plan.seed, |world| {
        world.audit();
        let played = play(plan, world, false)?;
        Ok(Audited {
            digest: played.record.digest,
            sources: played.sources,
        })
    })
}

fn engine_of(plan: &Plan) -> Result<Engine, RunError> {
    match plan.engine {
        squall_reports::Engine::Native => Ok(Engine::Native),
        #[cfg(feature = "turmoil")]
        squall_reports::Engine::Turmoil => Ok(Engine::Turmoil),
        #[cfg(not(feature = "turmoil"))]
        squall_reports::Engine::Turmoil => Err(RunError::NoTurmoil),
    }
}

/// The record of a run, and what else the world has kept if it was told to.
struct Played {
    record: Record,
    machines: IndexMap<String, MachineId>,
    packets: Vec<Passage>,
    trace: Vec<TraceEvent>,
    sources: Vec<Source>,
}

/// What was on the machines' disks when the run was over.
struct Disks {
    /// The messages.
    database: Vec<StoredMessage>,
    /// How many rows are in the outbox of each client, where known.
    outboxes: Vec<Option<u64>>,
    /// What the storing machine has kept for clients that may come back.
    kept: Vec<(Held, u64)>,
}

/// `keep` says whether the record gets the packets.
fn play(plan: &Plan, world: &mut World, keep: bool) -> Result<Played, RunError> {
    if keep {
        world.keep_packets();
    }
    let begun = begin(plan, world);
    finish(world, begun, keep)
}

/// Builds the world of a plan. No time has passed in it yet.
fn begin<'p>(plan: &'p Plan, world: &mut World) -> Begun<'p> {
    if !plan.memory.is_none() {
        world.count_memory();
    }
    let (plan, waiting) = waiting::separate(plan);
    let (log, deeds) = (Log::default(), Deeds::default());
    let machines = build(&plan, world, &log, &deeds);
    for clock in &plan.clocks {
        // A machine of the plan may be missing: the seed says how many clients there are.
        if let Some(&machine) = machines.get(&clock.machine) {
            let changes = clock.changes();
            changes
                .into_iter()
                .for_each(|change| world.change_clock(machine, change));
        }
    }
    let faults = hardships::strike(world, &machines, &plan);
    Begun {
        plan,
        waiting,
        machines,
        log,
        deeds,
        faults,
    }
}

/// Lets the rest of the time pass, and collects what was left behind. `keep` says whether the
/// record gets the packets that the world has kept.
fn finish(world: &mut World, mut begun: Begun<'_>, keep: bool) -> Result<Played, RunError> {
    let ending =
        ending::run_to_the_end(&mut begun, world).map_err(|cause| RunError::Simulator {
            scenario: begun.plan.scenario.clone(),
            seed: begun.plan.seed,
            cause,
        })?;
    let Begun {
        plan,
        waiting,
        machines,
        log,
        deeds,
        faults,
    } = &begun;
    let plan = &**plan;
    let told = machines
        .values()
        .map(|&id| tell_machine(plan, world, id))
        .collect();
    // Reading the database ends the server, which is no longer part of the run; nor is what its
    // observers are told about that end.
    let told_so_far = log.take();
    let hits = faults.iter().map(|begun| hardships::hits(world, begun));
    let hits: Vec<u64> = hits.collect();
    let ends = machines
        .iter()
        .map(|(name, &machine)| (name.clone(), world.ends(machine).to_vec()));
    let ends: Ends = ends.collect();
    let long_turns = machines
        .iter()
        .map(|(name, &machine)| (name.clone(), world.long_turns(machine)));
    let long_turns: LongTurns = long_turns.collect();
    let (digest, counts) = (world.digest(), world.counts());
    let memory = memory_held(plan, world, machines);
    let (trace, sources) = (world.trace().to_vec(), world.sources());
    let (packets, missing) = world.packets();
    let packets = packets.to_vec();
    let database =
        read_database(plan, world, machines[plan.servers().keeper()]).map_err(|cause| {
            RunError::Database {
                scenario: plan.scenario.clone(),
                seed: plan.seed,
                cause,
            }
        })?;
    let keeper = machines[plan.servers().keeper()];
    let kept = world.inside(keeper, || plan.system.kept());
    let outboxes = leftovers::rows_of_outboxes(plan, world, machines, &told_so_far);
    let disks = Disks {
        database,
        outboxes,
        kept,
    };
    let named = |machine: MachineId| world.name(machine).to_owned();
    let history = History {
        memory,
        ..history(plan, told_so_far, (&ends, &long_turns), &ending, disks)
    };
    let ids: Vec<MachineId> = machines.values().copied().collect();
    let traffic = keep.then(|| traffic::told(&ids, (&packets, missing), &history));
    let record = Record {
        scenario: plan.scenario.clone(),
        description: plan.shows.clone(),
        seed: plan.seed,
        engine: plan.engine,
        command: plan.command(),
        digest: format!("{digest:016x}"),
        drawn: plan.drawn.clone(),
        machines: told,
        faults: hardships::told(plan, &hits, deeds)
            .into_iter()
            .chain(waiting.told(ending.at))
            .collect(),
        incidents: deeds.told(),
        panics: world
            .panics()
            .iter()
            .map(|panic| Panic {
                at: panic.at,
                machine: named(panic.machine),
                message: panic.message.clone(),
                backtrace: panic.backtrace.clone(),
            })
            .collect(),
        history,
        expectations: plan
            .expect
            .iter()
            .map(|&(guarantee, expected)| Expectation {
                guarantee,
                expected,
            })
            .collect(),
        exercises: plan.exercises.clone(),
        network: NetworkCounts {
            sent: counts.sent,
            delivered: counts.delivered,
            lost: counts.lost,
            cut: counts.cut,
            bytes: counts.bytes,
        },
        traffic,
        why: None,
        duration: ending.at,
    };
    Ok(Played {
        record,
        machines: machines.clone(),
        packets,
        trace,
        sources,
    })
}

/// The most memory that programs have held, of those that may hold only so much.
fn memory_held(
    plan: &Plan,
    world: &World,
    machines: &IndexMap<String, MachineId>,
) -> Vec<MemoryUse> {
    let servers = plan.servers();
    let broker = servers.broker().map(str::to_owned);
    let servers = servers.names.into_iter().chain(broker);
    let servers = servers.map(|name| (name, plan.memory.servers));
    let clients = plan.clients.iter();
    let clients = clients.map(|client| (client.name.clone(), plan.memory.clients));
    let limited = servers.chain(clients).filter_map(|(machine, limit)| {
        let (bytes, at) = world.memory(*machines.get(&machine)?)?;
        Some(MemoryUse {
            machine,
            at,
            bytes,
            limit: limit?,
        })
    });
    limited.collect()
}

fn tell_machine(plan: &Plan, world: &World, id: MachineId) -> Machine {
    let name = world.name(id);
    let is_hostile = |name| plan.hostile.iter().any(|peer| peer.name == name);
    Machine {
        role: match name {
            BROKER if plan.servers().broker => Role::Broker,
            _ if is_middlebox(name) => Role::Proxy,
            _ if plan.servers().names.iter().any(|server| server == name) => Role::Server,
            _ if is_hostile(name) => Role::Hostile,
            _ => Role::Client,
        },
        name: name.to_owned(),
        address: world.address(id).to_string(),
        digest: format!("{:016x}", world.machine_digest(id)),
    }
}

/// Sets up the machines and their links: the system's, and those of hostile peers.
fn build(plan: &Plan, world: &mut World, log: &Log, deeds: &Deeds) -> IndexMap<String, MachineId> {
    let (clients, middleboxes) = (&plan.clients, &plan.middleboxes);
    let mut site = Site::new(world, clients, middleboxes, log.clone(), deeds.clone());
    plan.system.build(&mut site);
    let server = site.first_server();
    for (peer, number) in plan.hostile.iter().zip(plan.clients.len() as u32..) {
        let (planned, log) = (peer.clone(), log.clone());
        let manners = plan.system.manners(&peer.name, &peer.rooms);
        site.machine(&peer.name, move || {
            let log = log.clone();
            let leak = move |message| log.add(ClientId(number), message);
            planned.clone().program(server, manners.clone(), leak)
        });
    }
    site.finish()
}

/// Kills the process that has the database open, as only a closed database can be read, and reads
/// what is on the disk.
fn read_database(
    plan: &Plan,
    world: &mut World,
    keeper: MachineId,
) -> Result<Vec<StoredMessage>, String> {
    world.at(world.now(), Intervention::Kill(keeper));
    // A killed process makes no more calls, so nothing can be refused.
    let _ = world.run_until(world.now());
    world.inside(keeper, || plan.system.stored(&plan.clients))
}

fn history(
    plan: &Plan,
    mut told: Told,
    (ends, long_turns): (&Ends, &LongTurns),
    ending: &Ending,
    Disks {
        database,
        outboxes,
        kept,
    }: Disks,
) -> History {
    let clients = plan.clients.iter().zip((0..).map(ClientId));
    let ends_of_clients = clients.flat_map(|(client, id)| {
        let own = match client.stay.is_whole_run() {
            true => ends[&client.name].clone(),
            false => ends::of_begun(&ends[&client.name], id, &told.events),
        };
        own.into_iter().map(move |at| (id, at))
    });
    let ends_of_clients: Vec<_> = ends_of_clients.collect();
    ends::add(&mut told.events, ends_of_clients.into_iter());
    let mut history = History {
        clients: plan
            .clients
            .iter()
            .map(|client| squall_guarantees::Client {
                name: client.name.clone(),
                user: client.user.clone(),
                namespace: client.namespace.clone(),
                rooms: plan.system.entitlements(client),
            })
            .chain(plan.hostile.iter().map(|peer| squall_guarantees::Client {
                name: peer.name.clone(),
                user: None,
                namespace: ROOT.to_owned(),
                // What it hears of its own rooms is not in the history.
                rooms: Vec::new(),
            }))
            .collect(),
        events: std::mem::take(&mut told.events),
        database: dated(database, &told),
        silences: hardships::silences(plan, ends, ending.at),
        standstills: hardships::standstills(plan, long_turns, ending.at),
        server_stops: stops_of_servers(plan, ends),
        bounds: plan.bounds(),
        healed_at: plan.healed_at(ending.at),
        ended_at: ending.at,
        links: conditions::links(plan),
        disturbances: conditions::disturbances(plan),
        unfinished: Unfinished {
            still_sending: ending.still_sending.clone(),
            cut_off: ending.limit_reached,
        },
        ..History::default()
    };
    history.leftovers = leftovers::of_servers(plan, &told, ends, &history);
    let outboxes = leftovers::of_outboxes(&outboxes, &history);
    history.leftovers.extend(outboxes);
    let files = leftovers::of_files(plan, &kept, &history);
    history.leftovers.extend(files);
    history.peaks = peaks::of_servers(plan, &told, &history);
    let idle = leftovers::of_network(plan, ending.idle, &history);
    history.leftovers.extend(idle);
    history
}

/// The rows with the time of their commit.
fn dated(rows: Vec<StoredMessage>, told: &Told) -> Vec<StoredMessage> {
    let dated = rows.into_iter().map(|row| StoredMessage {
        stored_at: told.stored.get(&row.id).copied(),
        ..row
    });
    dated.collect()
}

/// When any server's program ended.
fn stops_of_servers(plan: &Plan, ends: &Ends) -> Vec<Duration> {
    let servers = plan.servers().names;
    let stops = servers.iter().flat_map(|server| ends[server].clone());
    let mut stops: Vec<_> = stops.collect();
    stops.sort();
    stops
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::plan;
    use squall_simulator::simulate;

    /// What machines with these names are in a plan.
    fn roles(plan: &Plan, names: &[&str]) -> Vec<Role> {
        let told = |world: &mut World| -> Vec<Role> {
            let machines: Vec<_> = names
                .iter()
                .map(|name| world.machine(name, || ()))
                .collect();
            let roles = machines
                .iter()
                .map(|&id| tell_machine(plan, world, id).role);
            roles.collect()
        };
        simulate(1, told)
    }

    #[test]
    fn machines_are_what_the_plan_says_of_their_names() {
        let names = [
            "alice",
            "server-1",
            "server-2",
            BROKER,
            "middlebox",
            "hostile-1",
        ];
        let all = plan("cluster.servers = 2\n[[hostile]]\nkind = 'half-open'");
        use Role::{Broker, Client, Hostile, Proxy, Server};
        assert_eq!(
            roles(&all, &names),
            [Client, Server, Server, Broker, Proxy, Hostile]
        );
        let alone = roles(&plan(""), &["alice", "server", "broker"]);
        assert_eq!(alone, [Client, Server, Client]);
    }

    #[test]
    fn rows_have_the_time_of_their_commit_if_it_was_told() {
        let row = |id| StoredMessage {
            id,
            sender: "alice".to_owned(),
            room: "lobby".to_owned(),
            content: "m".to_owned(),
            kind: squall_guarantees::MessageKind::Message,
            client_offset: None,
            nickname: None,
            stored_at: None,
        };
        let mut told = Told::default();
        told.stored.insert(2, Duration::from_secs(7));
        let dated = dated(vec![row(1), row(2)], &told);
        let times: Vec<_> = dated.iter().map(|row| (row.id, row.stored_at)).collect();
        assert_eq!(times, [(1, None), (2, Some(Duration::from_secs(7)))]);
    }

    #[test]
    fn the_ends_of_all_servers_count_in_the_order_of_time() {
        let ends = |name: &str, times: &[u64]| {
            let times = times.iter().map(|&at| Duration::from_secs(at)).collect();
            (name.to_owned(), times)
        };
        let ends = Ends::from([
            ends("server-1", &[2, 9]),
            ends("server-2", &[5]),
            ends("alice", &[7]),
        ]);
        let stops = stops_of_servers(&plan("cluster.servers = 2"), &ends);
        assert_eq!(stops, [2, 5, 9].map(Duration::from_secs));
    }
}
