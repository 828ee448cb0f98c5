//! The faults of a plan, as interventions in the world and as what the checkers must know about
//! them.
//!
//! Faults of one kind may overlap when the seed decides about times and victims. A machine hit by
//! two of them is well again when the last one ends.

use crate::cast::MIDDLEBOX;
use crate::client::PlannedClient;
use crate::deeds::Deeds;
use crate::faults::{Hindrance, PlannedFault, Stage};
use crate::links::PlannedLink;
use crate::middlebox::PlannedMiddlebox;
use crate::plan::Plan;
use crate::spans::{Span, merged};
use indexmap::IndexMap;
use rustc_hash::FxHashMap;
use squall_guarantees::{ClientId, Lost, Silence, Standstill};
use squall_simulator::{FaultId, Intervention, MachineId, World};
use std::collections::HashSet;
use std::mem::discriminant;
use std::ops::Range;
use std::time::Duration;

/// When the programs of each machine ended.
pub(super) type Ends = IndexMap<String, Vec<Duration>>;

/// When each machine was at work for long.
pub(super) type LongTurns = IndexMap<String, Vec<Range<Duration>>>;

/// Intervenes in the world. Returns, for each fault of the plan, the interventions that begin it.
pub(super) fn strike(
    world: &mut World,
    machines: &IndexMap<String, MachineId>,
    plan: &Plan,
) -> Vec<Vec<FaultId>> {
    let links = links(plan, machines);
    let begun = plan.faults.iter();
    let begun = begun.map(|fault| begin(world, machines, plan, fault, &links));
    let begun = begun.collect();
    for (name, machine) in machines {
        boot(world, *machine, downtimes(plan, name));
    }
    begun
}

/// Intervenes in the world with one more fault, which overlaps with none that does the same: the
/// one at this place in the plan.
pub(super) fn strike_with(
    world: &mut World,
    machines: &IndexMap<String, MachineId>,
    plan: &Plan,
    place: usize,
) -> Vec<FaultId> {
    let fault = &plan.faults[place];
    let begun = begin(world, machines, plan, fault, &links(plan, machines));
    for name in &fault.victims {
        boot(world, machines[name.as_str()], fault.downtimes());
    }
    begun
}

type Links<'p> = FxHashMap<MachineId, &'p PlannedLink>;

fn links<'p>(plan: &'p Plan, machines: &IndexMap<String, MachineId>) -> Links<'p> {
    let link = |client: &'p PlannedClient| (machines[client.name.as_str()], &client.link);
    plan.clients.iter().map(link).collect()
}

fn begin(
    world: &mut World,
    machines: &IndexMap<String, MachineId>,
    plan: &Plan,
    fault: &PlannedFault,
    links: &Links<'_>,
) -> Vec<FaultId> {
    let servers = plan.servers().names;
    let between = plan.middleboxes.iter().map(|it| &it.name);
    let server = servers.iter().chain(between);
    let server = server.filter_map(|name| machines.get(name).copied());
    let victims = fault.victims.iter().map(|name| machines[name.as_str()]);
    let mut stage = Stage {
        from: fault.from,
        until: fault.until,
        names: &fault.victims,
        machines,
        server: server.collect(),
        victims: victims.collect(),
        links,
        taken_over: taken_over(plan, fault, machines),
        begun: Vec::new(),
        world,
    };
    fault.kind.kind().strike(&mut stage);
    stage.begun
}

/// Starts the machine's program again after each of these.
fn boot(world: &mut World, machine: MachineId, downtimes: Vec<Span>) {
    for (_, until) in downtimes {
        if let Some(until) = until {
            world.at(until, Intervention::Boot(machine));
        }
    }
}

/// The victims of a fault that another one of its kind has at its end, and after it.
fn taken_over(
    plan: &Plan,
    fault: &PlannedFault,
    machines: &IndexMap<String, MachineId>,
) -> Vec<MachineId> {
    let Some(until) = fault.until else {
        return Vec::new();
    };
    let kind = discriminant(&fault.kind);
    let others = plan.faults.iter().filter(|other| {
        let goes_on = other.from <= until && other.until.is_none_or(|end| end > until);
        goes_on && discriminant(&other.kind) == kind
    });
    let victims = others.flat_map(|other| &other.victims);
    let both = victims.filter(|name| fault.victims.contains(*name));
    both.map(|name| machines[name.as_str()]).collect()
}

/// How often these interventions have struck.
pub(super) fn hits(world: &World, begun: &[FaultId]) -> u64 {
    let hits = begun.iter().map(|&intervention| world.hits(intervention));
    hits.map(|hits| hits.iter().map(|(_, count)| count).sum::<u64>())
        .sum()
}

/// When the machine's program is down.
fn downtimes(plan: &Plan, machine: &str) -> Vec<Span> {
    let faults = plan.faults.iter().filter(|fault| fault.hits(machine));
    merged(faults.flat_map(PlannedFault::downtimes).collect())
}

/// When a client and a server could not hear each other, in a run that ended at this time, given
/// when the programs of each machine ended.
pub(super) fn silences(plan: &Plan, ends: &Ends, end: Duration) -> Vec<Silence> {
    let mut silences = Vec::new();
    let servers = plan.servers().names;
    let sides: Vec<_> = plan.faults.iter().map(PlannedFault::sides).collect();
    for (client, number) in plan.clients.iter().zip(0..) {
        let middlebox = plan.middlebox_of(&client.name);
        for (fault, sides) in plan.faults.iter().zip(&sides) {
            let until = fault.until.unwrap_or(end);
            let Some(from) = strikes(fault, ends, until) else {
                continue;
            };
            let mut silence = |lost: Option<Lost>, server: Option<String>| {
                silences.extend(lost.map(|lost| Silence {
                    client: ClientId(number),
                    server,
                    lost,
                    from,
                    until,
                }));
            };
            match (sides, middlebox) {
                // The middlebox is all that it hears, whichever server speaks through it.
                (Some(sides), Some(PlannedMiddlebox { name, .. })) => {
                    silence(sides.silence(&client.name, name), None);
                }
                _ => {
                    for server in &servers {
                        let lost = match sides {
                            Some(sides) => sides.silence(&client.name, server),
                            None => unheard(fault, &client.name, std::slice::from_ref(server)),
                        };
                        silence(lost, (servers.len() > 1).then(|| server.clone()));
                    }
                }
            }
        }
        if let Some(middlebox) = middlebox
            && let Some(lost) = middlebox.silence()
        {
            silences.push(Silence {
                client: ClientId(number),
                server: None,
                lost,
                from: middlebox.from,
                until: middlebox.until.unwrap_or(end),
            });
        }
    }
    silences
}

/// When a fault that begins has struck; none if the system call that it waits for never came.
fn strikes(fault: &PlannedFault, ends: &Ends, until: Duration) -> Option<Duration> {
    if !fault.kind.kind().waits_for_a_call() {
        return Some(fault.from);
    }
    let of_victims = ends.iter().filter(|(machine, _)| fault.hits(machine));
    let ends = of_victims.flat_map(|(_, ends)| ends.iter().copied());
    ends.filter(|at| (fault.from..until).contains(at)).min()
}

/// What a client and the server do not hear of each other because of a fault. A program that stands
/// still says nothing, but what it is told is kept for it.
fn unheard(fault: &PlannedFault, client: &str, servers: &[String]) -> Option<Lost> {
    let kind = fault.kind.kind();
    let server = servers.iter().any(|server| fault.hits(server));
    let still = kind.hinders() == Some(Hindrance::Still);
    match (fault.hits(client), server) {
        (true, _) | (_, true) if kind.silence().is_some() => kind.silence(),
        (true, true) if still => Some(Lost::BothWays),
        (true, false) if still => Some(Lost::ToServer),
        (false, true) if still => Some(Lost::ToClient),
        _ => None,
    }
}

/// When programs did not run, or only slowly, in a run that ended at this time. What a program has
/// begun on a slow disk or processor goes on when these are as fast as ever.
pub(super) fn standstills(plan: &Plan, long_turns: &LongTurns, end: Duration) -> Vec<Standstill> {
    let hinders = |fault: &&PlannedFault| fault.kind.kind().hinders().is_some();
    let clients = plan.clients.iter().zip(0..);
    let clients = clients.map(|(client, number)| (client.name.as_str(), Some(ClientId(number))));
    let servers = plan.servers().names;
    let servers = servers.iter().map(|name| (name.as_str(), None));
    let machines: Vec<_> = servers.chain(clients).collect();
    let mut standstills = Vec::new();
    for fault in plan.faults.iter().filter(hinders) {
        for &(name, client) in &machines {
            if fault.hits(name) {
                let until = fault.until.unwrap_or(end);
                let turns = long_turns.get(name).into_iter().flatten();
                let begun = turns.filter(|turn| turn.contains(&until));
                let done = begun.map(|turn| turn.end).max();
                standstills.push(Standstill {
                    client,
                    from: fault.from,
                    until: done.unwrap_or(until).min(end),
                });
            }
        }
    }
    standstills
}

/// The faults for the record, in the order in which they begin, given how often each fault of the
/// plan and its middleboxes struck.
pub(super) fn told(plan: &Plan, hits: &[u64], deeds: &Deeds) -> Vec<squall_reports::InjectedFault> {
    let of_fault = |label: &str| label.split(',').next().map(str::to_owned);
    let labels = plan
        .faults
        .iter()
        .zip(1..)
        .map(|(fault, place)| of_fault(&fault.label(place)));
    let struck = labels.zip(hits).filter(|(_, hits)| **hits > 0);
    let struck: HashSet<_> = struck.map(|(label, _)| label).collect();
    let others_strike = |label: &str| struck.contains(&of_fault(label));
    let mut faults: Vec<_> = plan
        .faults
        .iter()
        .zip(hits)
        .zip(1..)
        .map(|((fault, &hits), number)| squall_reports::InjectedFault {
            label: fault.label(number),
            kind: fault.kind.word().to_owned(),
            victims: fault.victims.iter().cloned().collect(),
            // For a fault that comes again, one occurrence that strikes is enough.
            hits: (hits > 0 || !others_strike(&fault.label(number))).then_some(hits),
            what: fault.words(),
            from: fault.from,
            until: fault.until,
        })
        .chain(plan.middleboxes.iter().filter_map(|middlebox| {
            let planned = || deeds.planned(&middlebox.name);
            Some(squall_reports::InjectedFault {
                label: middlebox.name.clone(),
                kind: MIDDLEBOX.to_owned(),
                victims: middlebox.clients.clone(),
                hits: middlebox.tells_deeds().then(planned),
                what: middlebox.words()?,
                from: middlebox.from,
                until: middlebox.until,
            })
        }))
        .chain(
            plan.hostile
                .iter()
                .map(|peer| squall_reports::InjectedFault {
                    label: peer.name.clone(),
                    kind: "hostile".to_owned(),
                    victims: plan.servers().names,
                    hits: None,
                    what: peer.words(),
                    from: peer.from,
                    until: peer.until,
                }),
        )
        .collect();
    faults.sort_by_key(|fault| fault.from);
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cast::SERVER;
    use crate::testing;
    use squall_guarantees::Lost;

    /// A plan with these faults.
    fn plan(faults: &str) -> Plan {
        testing::plan(&format!("settle = '10s'\n{faults}"))
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_fault_ends_for_those_whom_no_other_fault_of_its_kind_has_by_then() {
        let plan = plan(
            r#"
            [[fault]]
            kind = "pause"
            victims = ["server", "alice"]
            at = "10s"
            for = "10s"

            [[fault]]
            kind = "pause"
            victims = ["server", "bob"]
            at = "12s"
            for = "2s"

            [[fault]]
            kind = "suspend"
            victims = "bob"
            at = "13s"
            for = "5s"
            "#,
        );
        let names = ["server", "alice", "bob"].map(str::to_owned);
        let taken = squall_simulator::simulate(1, |world| {
            let machines = names.map(|name| {
                let machine = world.machine(&name, std::future::pending::<()>);
                (name, machine)
            });
            let machines = IndexMap::from(machines);
            let taken = plan.faults.iter().map(|fault| {
                let taken = taken_over(&plan, fault, &machines).into_iter();
                let name = |machine| machines.iter().find(|(_, it)| **it == machine);
                taken
                    .map(|it| name(it).expect("a name").0.clone())
                    .collect()
            });
            taken.collect::<Vec<Vec<String>>>()
        });
        assert_eq!(taken, [vec![], vec!["server".to_owned()], vec![]]);
    }

    #[test]
    fn a_machine_that_is_hit_twice_is_started_again_after_the_last_fault() {
        let plan = plan(
            r#"
            [[fault]]
            kind = "power-loss"
            victims = "server"
            at = "2s"
            for = "5s"
            [[fault]]
            kind = "kill"
            victims = "server"
            at = "2s..9s"
            for = "4s"
            [[fault]]
            kind = "kill"
            victims = "server"
            at = "20s"
            "#,
        );
        let kill = &plan.faults[1];
        assert!(kill.from < seconds(7), "the seed lets them overlap");
        let expected = vec![
            (seconds(2), kill.until.max(Some(seconds(7)))),
            (seconds(20), None),
        ];
        assert_eq!(downtimes(&plan, SERVER), expected);
        assert_eq!(downtimes(&plan, "alice"), []);
    }

    #[test]
    fn what_comes_again_has_struck_if_one_of_its_times_has() {
        let plan = plan(
            r#"
            [[fault]]
            kind = "partition"
            victims = "alice"
            at = "1s"
            for = "1s"
            every = "2s"
            times = 3
            "#,
        );
        let hits = |hits: [u64; 3]| -> Vec<_> {
            let told = told(&plan, &hits, &Deeds::default()).into_iter();
            told.map(|fault| fault.hits).collect()
        };
        assert_eq!(hits([0, 0, 0]), [Some(0); 3]);
        assert_eq!(hits([0, 2, 0]), [None, Some(2), None]);
    }

    #[test]
    fn a_killed_process_is_not_silent_and_a_machine_without_power_is() {
        let plan = plan(
            r#"
            [[fault]]
            kind = "kill"
            victims = "alice"
            at = "1s"
            for = "1s"
            [[fault]]
            kind = "power-loss"
            victims = "bob"
            at = "2s"
            for = "3s"
            "#,
        );
        let bob = ClientId(1);
        let (from, until) = (seconds(2), seconds(5));
        let expected = Silence {
            client: bob,
            server: None,
            lost: Lost::BothWays,
            from,
            until,
        };
        assert_eq!(silences(&plan, &Ends::new(), plan.ends_at()), [expected]);
    }

    #[test]
    fn a_power_loss_at_a_system_call_is_silent_from_that_call_on() {
        let plan = plan(
            r#"
            [[fault]]
            kind = "power-loss"
            victims = "bob"
            at = "2s"
            for = "5s"
            at-call = 100
            "#,
        );
        let since = |ended: &[u64]| {
            let ended = ended.iter().map(|&at| seconds(at)).collect();
            let ends = Ends::from_iter([
                ("alice".to_owned(), vec![seconds(3)]),
                ("bob".to_owned(), ended),
            ]);
            let silences = silences(&plan, &ends, plan.ends_at());
            silences.first().map(|silence| silence.from)
        };
        assert_eq!(since(&[1, 4, 9]), Some(seconds(4)));
        assert_eq!(since(&[1, 7]), None, "it struck nothing while it lasted");
    }

    #[test]
    fn a_program_in_a_restart_loop_is_down_again_and_again() {
        let plan = plan(
            r#"
            [[fault]]
            kind = "restart-loop"
            victims = "server"
            at = "5s"
            count = 3
            every = "2s"
            down = "1s"
            "#,
        );
        let expected = [5, 7, 9].map(|kill| (seconds(kill), Some(seconds(kill + 1))));
        assert_eq!(downtimes(&plan, SERVER), expected);
        assert_eq!(plan.healed_at(plan.ends_at()), seconds(10));
    }

    #[test]
    fn a_paused_server_is_silent_to_clients_and_asked_for_nothing() {
        let plan = plan(
            r#"
            [clients]
            names = ["alice"]
            [[fault]]
            kind = "pause"
            victims = "server"
            at = "2s"
            for = "3s"
            "#,
        );
        let (from, until) = (seconds(2), seconds(5));
        let expected = Silence {
            client: ClientId(0),
            server: None,
            lost: Lost::ToClient,
            from,
            until,
        };
        assert_eq!(silences(&plan, &Ends::new(), plan.ends_at()), [expected]);
        let expected = Standstill {
            client: None,
            from,
            until,
        };
        let standstills = standstills(&plan, &LongTurns::new(), plan.ends_at());
        assert_eq!(standstills, [expected]);
    }

    #[test]
    fn a_slow_client_is_not_silent_and_asked_for_nothing() {
        let plan = plan(
            r#"
            [[fault]]
            kind = "slow-cpu"
            turn = "1ms"
            victims = "bob"
            at = "2s"
            for = "3s"
            "#,
        );
        assert_eq!(silences(&plan, &Ends::new(), plan.ends_at()), []);
        let standstills = |turns: &[Range<u64>], end| {
            let turns = turns.iter();
            let turns = turns.map(|turn| seconds(turn.start)..seconds(turn.end));
            let turns = LongTurns::from([("bob".to_owned(), turns.collect())]);
            let told = standstills(&plan, &turns, end);
            let told = told.iter().map(|it| (it.client, it.from, it.until));
            told.collect::<Vec<_>>()
        };
        let slow = |until| [(Some(ClientId(1)), seconds(2), seconds(until))];
        assert_eq!(standstills(&[], plan.ends_at()), slow(5));
        // What it has begun takes longer than the fault.
        let turns = [2..4, 4..9, 10..11];
        assert_eq!(standstills(&turns, plan.ends_at()), slow(9));
        assert_eq!(standstills(&turns, seconds(8)), slow(8));
        assert_eq!(standstills(&[2..5, 6..9], plan.ends_at()), slow(5));
    }

    #[test]
    fn one_server_of_several_is_silent_and_the_others_are_not() {
        let plan = plan(
            r#"
            clients.names = ["alice"]
            cluster.servers = 2
            [[fault]]
            kind = "power-loss"
            victims = "server-2"
            at = "2s"
            for = "3s"
            "#,
        );
        let silences = silences(&plan, &Ends::new(), plan.ends_at());
        let servers: Vec<_> = silences.iter().map(|it| it.server.as_deref()).collect();
        assert_eq!(servers, [Some("server-2")]);
    }

    #[test]
    fn a_server_without_power_is_silent_to_everybody() {
        let plan = plan(
            r#"
            [[fault]]
            kind = "power-loss"
            victims = "server"
            at = "2s"
            for = "3s"
            "#,
        );
        let clients: Vec<_> = silences(&plan, &Ends::new(), plan.ends_at())
            .iter()
            .map(|silence| silence.client.0)
            .collect();
        assert_eq!(clients, [0, 1, 2]);
    }

    #[test]
    fn a_one_way_partition_is_silent_in_its_direction_until_the_end_of_the_run() {
        let plan = plan(
            r#"
            [[fault]]
            kind = "partition"
            direction = "to-victims"
            victims = "carol"
            at = "30s"
            "#,
        );
        let (from, until) = (seconds(30), seconds(40));
        let expected = Silence {
            client: ClientId(2),
            server: None,
            lost: Lost::ToClient,
            from,
            until,
        };
        assert_eq!(silences(&plan, &Ends::new(), plan.ends_at()), [expected]);
    }

    /// What clients and servers do not hear of each other: which client, which server, which
    /// direction.
    fn unheard(faults: &str) -> Vec<(u32, String, Lost)> {
        let plan = plan(faults);
        let silences = silences(&plan, &Ends::new(), plan.ends_at()).into_iter();
        silences
            .map(|it| (it.client.0, it.server.unwrap_or_default(), it.lost))
            .collect()
    }

    #[test]
    fn who_stands_still_is_not_heard_and_who_is_not_running_is_no_silence() {
        let of = |kind: &str, victims: &str| {
            unheard(&format!(
                "clients.names = ['alice']\n[[fault]]\nkind = '{kind}'\nvictims = {victims}\nat = '2s'\nfor = '3s'"
            ))
        };
        let told = |lost| [(0, String::new(), lost)];
        assert_eq!(of("pause", "'alice'"), told(Lost::ToServer));
        assert_eq!(of("pause", "'server'"), told(Lost::ToClient));
        assert_eq!(of("pause", "['alice', 'server']"), told(Lost::BothWays));
        for victims in ["'alice'", "'server'", "['alice', 'server']"] {
            assert_eq!(of("kill", victims), [], "{victims}");
        }
    }

    #[test]
    fn who_is_behind_a_box_has_nobody_but_the_box_to_hear() {
        let behind = |faults: &str| {
            unheard(&format!(
                "clients.names = ['alice', 'bob']\ncluster.servers = 2\n\
                 [middlebox]\nkind = 'behaves'\nclients = ['alice']\n\
                 [[fault]]\nat = '2s'\nfor = '3s'\n{faults}"
            ))
        };
        let both =
            |client, servers: [&str; 2]| servers.map(|it| (client, it.to_owned(), Lost::BothWays));
        let servers = ["server-1", "server-2"];
        assert_eq!(
            behind("kind = 'partition'\nvictims = 'bob'"),
            both(1, servers)
        );
        let alice = behind("kind = 'partition'\nvictims = 'alice'");
        assert_eq!(alice, both(0, ["", ""])[..1]);
    }

    /// Seed 13789 of the worlds: a client whose session was on another server was asked to notice.
    #[test]
    fn a_server_that_loses_its_power_behind_a_box_is_silent_to_those_whom_it_serves() {
        let behind = |kind: &str, victims: &str| {
            unheard(&format!(
                "clients.names = ['alice', 'bob']\ncluster.servers = 2\n\
                 [middlebox]\nkind = 'behaves'\nclients = ['alice']\n\
                 [[fault]]\nat = '2s'\nfor = '3s'\nkind = '{kind}'\nvictims = '{victims}'"
            ))
        };
        for (kind, lost) in [("power-loss", Lost::BothWays), ("pause", Lost::ToClient)] {
            let expected = [0, 1].map(|client| (client, "server-1".to_owned(), lost));
            assert_eq!(behind(kind, "server-1"), expected, "{kind}");
        }
        let of_alice = ["server-1", "server-2"].map(|it| (0, it.to_owned(), Lost::BothWays));
        assert_eq!(behind("power-loss", "alice"), of_alice);
    }
}
