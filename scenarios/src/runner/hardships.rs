//! The faults of a plan, as orders to the world and as what the checkers must know about them.
//!
//! Faults of one kind may overlap when the seed decides about times and victims. A machine that is
//! down because of two faults is started again when the last of them is over.

use crate::draw::{Plan, PlannedFault};
use crate::scenario::{Direction, FaultKind, SERVER, Setting};
use indexmap::IndexMap;
use squall_guarantees::{ClientId, Lost, Silence};
use squall_simulator::{Fault, MachineId, World};
use std::time::Duration;

/// Gives the world its orders.
pub(super) fn strike(world: &mut World, machines: &IndexMap<String, MachineId>, plan: &Plan) {
    let server = vec![machines[SERVER]];
    for fault in &plan.faults {
        let victims: Vec<_> = fault
            .victims
            .iter()
            .map(|name| machines[name.as_str()])
            .collect();
        let (begin, end) = match fault.kind {
            FaultKind::Partition(direction) => partition(direction, &server, &victims),
            FaultKind::Loss(loss) => {
                let set = |loss| {
                    vec![Fault::Loss {
                        between: (server.clone(), victims.clone()),
                        loss,
                    }]
                };
                (set(Some(loss.min())), set(None))
            }
            FaultKind::Kill => (each(&victims, Fault::Kill), Vec::new()),
            FaultKind::PowerLoss => (each(&victims, Fault::PowerLoss), Vec::new()),
            FaultKind::Pause => (each(&victims, Fault::Pause), each(&victims, Fault::Resume)),
        };
        begin
            .into_iter()
            .for_each(|order| world.at(fault.from, order));
        if let Some(until) = fault.until {
            end.into_iter().for_each(|order| world.at(until, order));
        }
    }
    for (name, machine) in machines {
        for (_, until) in downtimes(plan, name) {
            until
                .into_iter()
                .for_each(|until| world.at(until, Fault::Boot(*machine)));
        }
    }
}

fn each(victims: &[MachineId], order: fn(MachineId) -> Fault) -> Vec<Fault> {
    victims.iter().copied().map(order).collect()
}

fn partition(
    direction: Direction,
    server: &[MachineId],
    victims: &[MachineId],
) -> (Vec<Fault>, Vec<Fault>) {
    let (server, victims) = (server.to_vec(), victims.to_vec());
    let ways = match direction {
        Direction::ToServer => vec![(victims, server)],
        Direction::ToClient => vec![(server, victims)],
        Direction::Both => vec![(victims.clone(), server.clone()), (server, victims)],
    };
    ways.into_iter()
        .map(|(from, to)| {
            (
                Fault::Cut {
                    from: from.clone(),
                    to: to.clone(),
                },
                Fault::Mend { from, to },
            )
        })
        .unzip()
}

/// When the machine's program is down, from and until, without overlaps.
pub(super) fn downtimes(plan: &Plan, machine: &str) -> Vec<(Duration, Option<Duration>)> {
    let mut times: Vec<_> = plan
        .faults
        .iter()
        .filter(|fault| matches!(fault.kind, FaultKind::Kill | FaultKind::PowerLoss))
        .filter(|fault| fault.victims.iter().any(|victim| victim == machine))
        .map(|fault| (fault.from, fault.until))
        .collect();
    times.sort();
    let mut merged: Vec<(Duration, Option<Duration>)> = Vec::new();
    for (from, until) in times {
        match merged.last_mut() {
            Some((_, last)) if last.is_none_or(|last| from <= last) => {
                *last = last.zip(until).map(|(a, b)| a.max(b));
            }
            _ => merged.push((from, until)),
        }
    }
    merged
}

/// When a client and the server could not hear each other. A killed process is not silent: its
/// kernel closes the connections.
pub(super) fn silences(plan: &Plan) -> Vec<Silence> {
    let mut silences = Vec::new();
    for (client, number) in plan.clients.iter().zip(0..) {
        for fault in &plan.faults {
            let hits = |machine: &str| fault.victims.iter().any(|victim| victim == machine);
            let lost = match fault.kind {
                FaultKind::Partition(Direction::ToServer) if hits(&client.name) => Lost::ToServer,
                FaultKind::Partition(Direction::ToClient) if hits(&client.name) => Lost::ToClient,
                FaultKind::Partition(Direction::Both) if hits(&client.name) => Lost::BothWays,
                FaultKind::Loss(Setting::Fixed(1.0)) if hits(&client.name) => Lost::BothWays,
                FaultKind::PowerLoss if hits(&client.name) || hits(SERVER) => Lost::BothWays,
                _ => continue,
            };
            let until = fault.until.unwrap_or(plan.ends_at);
            silences.push(Silence {
                client: ClientId(number),
                lost,
                from: fault.from,
                until,
            });
        }
    }
    silences
}

/// The faults for the record, in the order of their beginning.
pub(super) fn told(plan: &Plan) -> Vec<squall_reports::Fault> {
    let mut faults: Vec<_> = plan
        .faults
        .iter()
        .map(|fault| squall_reports::Fault {
            what: words(fault),
            from: fault.from,
            until: fault.until,
        })
        .collect();
    faults.sort_by_key(|fault| fault.from);
    faults
}

fn words(fault: &PlannedFault) -> String {
    let victims = fault.victims.join(", ");
    match fault.kind {
        FaultKind::Partition(Direction::Both) => {
            format!("partition between {SERVER} and {victims}")
        }
        FaultKind::Partition(Direction::ToServer) => {
            format!("partition from {victims} to {SERVER}")
        }
        FaultKind::Partition(Direction::ToClient) => {
            format!("partition from {SERVER} to {victims}")
        }
        FaultKind::Loss(loss) => {
            format!("loss of {} between {SERVER} and {victims}", loss.min())
        }
        FaultKind::Kill => format!("kill of {victims}"),
        FaultKind::PowerLoss => format!("power loss of {victims}"),
        FaultKind::Pause => format!("pause of {victims}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;

    /// A plan with these faults.
    fn plan(faults: &str) -> Plan {
        let text = format!("shows = \"Faults.\"\nsettle = \"10s\"\n{faults}");
        Scenario::parse("test", &text)
            .expect("a right scenario")
            .plan(1)
    }

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_machine_that_is_hit_twice_is_started_again_after_the_last_fault() {
        let plan = plan(
            r#"
            [[fault]]
            kind = "kill"
            victims = "server"
            at = "5s"
            for = "4s"
            [[fault]]
            kind = "power-loss"
            victims = "server"
            at = "2s"
            for = "5s"
            [[fault]]
            kind = "kill"
            victims = "server"
            at = "20s"
            "#,
        );
        let expected = vec![(seconds(2), Some(seconds(9))), (seconds(20), None)];
        assert_eq!(downtimes(&plan, SERVER), expected);
        assert_eq!(downtimes(&plan, "alice"), []);
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
            lost: Lost::BothWays,
            from,
            until,
        };
        assert_eq!(silences(&plan), [expected]);
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
        let clients: Vec<_> = silences(&plan)
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
            direction = "to-client"
            victims = "carol"
            at = "30s"
            "#,
        );
        let (from, until) = (seconds(30), seconds(40));
        let expected = Silence {
            client: ClientId(2),
            lost: Lost::ToClient,
            from,
            until,
        };
        assert_eq!(silences(&plan), [expected]);
    }
}
