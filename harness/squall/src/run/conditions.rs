//! The conditions under which a run took place, as the checkers are told: what the clients' links
//! carry, and which fault could touch whom.

use crate::client::PlannedClient;
use crate::faults::PlannedFault;
use crate::links::PlannedLink;
use crate::middlebox::PlannedMiddlebox;
use crate::plan::Plan;
use squall_guarantees::{Capacity, ClientId, Direction, Disturbance, DisturbanceKind};
use squall_simulator::{Chance, Latency, Link, Loss};
use std::time::Duration;

/// What each client's link carries while no fault strikes it. If a fault changes it permanently,
/// the worse of both counts.
pub(super) fn links(plan: &Plan) -> Vec<Capacity> {
    let capacity = |client: &PlannedClient| {
        let faults = plan.faults.iter().filter(|fault| fault.hits(&client.name));
        let for_good = faults.filter_map(|fault| fault.kind.kind().link_for_good(&client.link));
        for_good.fold(of_link(&client.link), |worse, link| {
            worse_of(worse, of_link(&link))
        })
    };
    plan.clients.iter().map(capacity).collect()
}

fn of_link(link: &PlannedLink) -> Capacity {
    Capacity {
        to_client: direction(&link.down),
        to_server: direction(&link.up),
    }
}

fn direction(link: &Link) -> Direction {
    let held_back = link.reorder.map_or(Duration::ZERO, |reorder| reorder.by);
    let survives = (1.0 - lost(&link.loss)) * (1.0 - link.corrupt.probability);
    let next_survives = (1.0 - lost_again(&link.loss)) * (1.0 - again(link.corrupt));
    let ppm = |survives: f64| ((1.0 - survives) * 1e6).round() as u32;
    Direction {
        rate: link.rate.map(|rate| rate.bits_per_second / 8),
        latency: longest(&link.latency) + held_back,
        loss_ppm: ppm(survives),
        next_loss_ppm: ppm(next_survives),
    }
}

fn longest(latency: &Latency) -> Duration {
    match *latency {
        Latency::Fixed(latency) => latency,
        Latency::Uniform { max, .. } | Latency::Pareto { max, .. } => max,
        // Beyond five deviations there is one packet in three million.
        Latency::Normal {
            mean,
            deviation,
            min,
        } => (mean + deviation * 5).max(min),
    }
}

/// The share of all packets that is lost in the long run: what the models' Markov chains settle at.
fn lost(loss: &Loss) -> f64 {
    match *loss {
        Loss::Random(chance) => chance.probability,
        Loss::GilbertElliott {
            fail,
            recover,
            loss_bad,
            loss_good,
        } => {
            let bad = if fail == 0.0 {
                0.0
            } else {
                fail / (fail + recover)
            };
            bad * loss_bad + (1.0 - bad) * loss_good
        }
        Loss::FourState {
            p13,
            p31,
            p32,
            p23,
            p14,
        } => {
            // Relative to the time in state 1. A burst that is never left is all there is in the
            // end.
            let ratio = |part: f64, whole: f64| if part == 0.0 { 0.0 } else { part / whole };
            let burst = ratio(p13, p31);
            if burst.is_infinite() {
                return if p32 == 0.0 { 1.0 } else { p23 / (p23 + p32) };
            }
            let gap = burst * ratio(p32, p23);
            (burst + p14) / (1.0 + burst + gap + p14)
        }
    }
}

/// The share of the packets after a lost one that are lost too.
fn lost_again(loss: &Loss) -> f64 {
    match *loss {
        Loss::Random(chance) => again(chance),
        // After a loss the state is the bad one, as far as losses in the good one are negligible.
        Loss::GilbertElliott {
            recover,
            loss_bad,
            loss_good,
            ..
        } => (1.0 - recover) * loss_bad + recover * loss_good,
        Loss::FourState { p31, p32, .. } => 1.0 - p31 - p32,
    }
}

/// How often something happens to a packet right after it has happened to one.
fn again(chance: Chance) -> f64 {
    match chance.probability {
        0.0 => 0.0,
        probability => chance.correlation + (1.0 - chance.correlation) * probability,
    }
}

fn worse_of(a: Capacity, b: Capacity) -> Capacity {
    let worse = |a: Direction, b: Direction| Direction {
        rate: a.rate.into_iter().chain(b.rate).min(),
        latency: a.latency.max(b.latency),
        loss_ppm: a.loss_ppm.max(b.loss_ppm),
        next_loss_ppm: a.next_loss_ppm.max(b.next_loss_ppm),
    };
    Capacity {
        to_client: worse(a.to_client, b.to_client),
        to_server: worse(a.to_server, b.to_server),
    }
}

/// Every fault, by whom it can touch: a fault that strikes a server or the broker touches everyone.
/// Hostile peers touch nobody: that is what a server is supposed to ensure.
pub(super) fn disturbances(plan: &Plan) -> Vec<Disturbance> {
    let mut disturbances = Vec::new();
    for fault in &plan.faults {
        let Some(kind) = fault.kind.kind().disturbs() else {
            continue;
        };
        let escape = escape(plan, fault);
        let until = fault.ends().into_iter().chain(escape).min();
        let touched = touched(plan, fault).into_iter();
        disturbances.extend(touched.map(|client| Disturbance {
            client,
            from: fault.from,
            until,
            kind,
        }));
    }
    let clients = plan.clients.iter().zip(0..);
    for (client, number) in clients {
        let middlebox = plan.middlebox_of(&client.name);
        let middlebox = middlebox.filter(|it| it.words().is_some());
        disturbances.extend(middlebox.map(|middlebox| Disturbance {
            client: Some(ClientId(number)),
            from: middlebox.from,
            until: middlebox.until,
            kind: DisturbanceKind::Middlebox,
        }));
    }
    disturbances
}

/// When everybody has found another server, if all that a fault does is to take some servers away,
/// and nothing else is wrong on the servers' side while it lasts.
fn escape(plan: &Plan, fault: &PlannedFault) -> Option<Duration> {
    let failover = plan.bounds().failover?;
    let servers = plan.servers();
    let sides = fault.sides();
    let divides = |one: &str, other: &str| {
        (sides.as_ref()).is_some_and(|sides| {
            sides.divide_any(&[one], &[other]) || sides.divide_any(&[other], &[one])
        })
    };
    let kills = fault.kind.kind().disturbs() == Some(DisturbanceKind::Killed);
    let is_hit = |name: &str| kills && fault.hits(name);
    let others = || plan.clients.iter().map(|client| &*client.name);
    let others = || others().chain([servers.keeper()]);
    let is_gone = |server: &&String| is_hit(server) || others().any(|it| divides(server, it));
    let gone = servers.names.iter().filter(is_gone).count();
    let is_all = (1..servers.names.len()).contains(&gone)
        && plan.middleboxes.is_empty()
        && (kills || sides.is_some())
        && !others().any(is_hit)
        && !plan
            .clients
            .iter()
            .any(|it| divides(&it.name, servers.keeper()));
    let last = fault.until.unwrap_or(Duration::MAX);
    let is_alone = plan.faults.iter().all(|other| {
        let apart = other.from > last || other.until.is_some_and(|until| until < fault.from);
        std::ptr::eq(other, fault) || apart || !touched(plan, other).contains(&None)
    });
    (is_all && is_alone).then(|| fault.from + failover * gone as u32)
}

/// Whom a fault can touch; `None` for everyone.
fn touched(plan: &Plan, fault: &PlannedFault) -> Vec<Option<ClientId>> {
    let servers = plan.servers();
    let on_servers_side: Vec<&str> = (servers.names.iter().map(String::as_str))
        .chain([servers.keeper()])
        .collect();
    let sides = fault.sides();
    let everybody = match &sides {
        Some(sides) => sides.divide_any(&on_servers_side, &on_servers_side),
        None => on_servers_side.iter().any(|name| fault.hits(name)),
    };
    if everybody {
        return vec![None];
    }
    let touches = |client: &str| match &sides {
        Some(sides) => {
            let divides = |some: &[&str], others: &[&str]| {
                sides.divide_any(some, others) || sides.divide_any(others, some)
            };
            match plan.middlebox_of(client) {
                // What a client behind a middlebox says goes on to the servers from there.
                Some(PlannedMiddlebox { name, .. }) => {
                    divides(&[client], &[name]) || divides(&[name], &on_servers_side)
                }
                None => divides(&[client], &on_servers_side),
            }
        }
        None => fault.hits(client),
    };
    let clients = plan.clients.iter().zip(0..);
    clients
        .filter(|(client, _)| touches(&client.name))
        .map(|(_, number)| Some(ClientId(number)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::plan;

    fn touched_by(fault: &str) -> Vec<Option<u32>> {
        let plan = plan(&format!(
            "cluster.servers = 2\n[[fault]]\nat = '2s'\nfor = '1s'\n{fault}"
        ));
        let disturbances = disturbances(&plan).into_iter();
        disturbances
            .map(|it| it.client.map(|client| client.0))
            .collect()
    }

    #[test]
    fn a_fault_touches_its_victims_and_that_of_a_server_everybody() {
        for (fault, touched) in [
            (
                "kind = 'pause'\nvictims = ['alice', 'carol']",
                vec![Some(0), Some(2)],
            ),
            ("kind = 'kill'\nvictims = 'server-2'", vec![None]),
            ("kind = 'kill'\nvictims = 'broker'", vec![None]),
            ("kind = 'partition'\nvictims = 'bob'", vec![Some(1)]),
            (
                "kind = 'partition'\nvictims = 'bob'\ndirection = 'to-victims'",
                vec![Some(1)],
            ),
            (
                "kind = 'partition'\nvictims = 'server-1'\nothers = 'broker'",
                vec![None],
            ),
            (
                "kind = 'partition'\nvictims = 'alice'\nothers = 'bob'",
                vec![],
            ),
            ("kind = 'loss'\nvictims = 'bob'\nloss = 0", vec![]),
            ("kind = 'loss'\nvictims = 'bob'\nloss = 0.1", vec![Some(1)]),
        ] {
            assert_eq!(touched_by(fault), touched, "{fault}");
        }
    }

    #[test]
    fn a_server_that_a_box_does_not_hear_is_not_heard_by_the_clients_behind_the_box() {
        for kind in ["partition", "hold"] {
            let plan = plan(&format!(
                "[middlebox]\nkind = 'behaves'\nclients = ['alice']\n[[fault]]\nkind = '{kind}'\n\
                 victims = 'server'\nat = '2s'\nfor = '1s'"
            ));
            let touched: Vec<_> = disturbances(&plan).iter().map(|it| it.client).collect();
            assert!(touched.contains(&Some(ClientId(0))), "{kind}: {touched:?}");
        }
    }

    #[test]
    fn who_can_go_to_another_server_is_not_disturbed_for_as_long_as_one_is_away() {
        let until = |faults: &[&str]| {
            let faults = faults.iter();
            let faults: String = faults.map(|it| format!("[[fault]]\n{it}\n")).collect();
            let plan = plan(&format!("cluster.servers = 3\n{faults}"));
            let failover = plan.bounds().failover.expect("there are others");
            let disturbance = disturbances(&plan).remove(0);
            let until = disturbance.until.map(|until| until - disturbance.from);
            until.map(|until| until.div_duration_f64(failover))
        };
        let long = "at = '10s'\nfor = '1h'";
        let kill = |who: &str| format!("kind = 'kill'\nvictims = {who}\n{long}");
        let cut = |who: &str, others: &str| {
            format!("kind = 'partition'\nvictims = {who}\nothers = {others}\n{long}")
        };
        assert_eq!(until(&[&kill("'server-2'")]), Some(1.0));
        assert_eq!(until(&[&kill("['server-1', 'server-2']")]), Some(2.0));
        assert_eq!(until(&[&cut("'server-2'", "'broker'")]), Some(1.0));
        let forever = "kind = 'kill'\nvictims = 'server-2'\nat = '10s'";
        assert_eq!(until(&[forever]), Some(1.0));
        let short = "kind = 'kill'\nvictims = 'server-2'\nat = '10s'\nfor = '1s'";
        assert!(until(&[short]) < Some(0.1));
        // Where there is no other server, or something else is wrong, it is as long as it is.
        let all = "['server-1', 'server-2', 'server-3']";
        for faults in [
            &[&*kill(all)][..],
            &[&kill("'broker'")],
            &[&kill("['server-2', 'alice']")],
            &[&cut("['server-2', 'alice']", "'broker'")],
            &[&cut(all, "'broker'")],
            &[&kill("'server-2'"), &kill("'server-1'")],
            &[&kill("'server-2'"), &cut("'server-1'", "'broker'")],
            &[&format!("kind = 'pause'\nvictims = 'server-2'\n{long}")],
        ] {
            assert!(until(faults) > Some(4.0), "{faults:?}");
        }
        // What strikes clients strikes them alone.
        let alice = "kind = 'pause'\nvictims = 'alice'\nat = '11s'\nfor = '1s'";
        assert_eq!(until(&[&kill("'server-2'"), alice]), Some(1.0));
    }

    #[test]
    fn a_fault_without_an_end_has_none() {
        let plan = plan("[[fault]]\nkind = 'kill'\nvictims = 'server'\nat = '2s'");
        let [killed] = &disturbances(&plan)[..] else {
            panic!("{:?}", disturbances(&plan));
        };
        assert_eq!((killed.from, killed.until), (Duration::from_secs(2), None));
        assert_eq!(killed.kind, DisturbanceKind::Killed);
    }

    #[test]
    fn a_link_carries_what_the_scenario_says() {
        let plan = plan(
            r#"
            [client.alice.link]
            down = { rate = "40kbit", latency = "30ms" }
            up = { loss = 0.5, corrupt = 0.5 }
            [client.bob.link]
            loss = { gilbert-elliott = { fail = "1%", recover = "19%", bad = 0.5 } }
            [client.carol.link]
            loss = { four-state = { p13 = "1%", p31 = "25%", p14 = "6%" } }
            "#,
        );
        let links = links(&plan);
        assert_eq!(links[0].to_client.rate, Some(5_000));
        assert_eq!(links[0].to_client.latency, Duration::from_millis(30));
        assert_eq!(links[0].to_server.loss_ppm, 750_000);
        assert_eq!(links[1].to_client.loss_ppm, 25_000);
        assert_eq!(links[2].to_client.loss_ppm, 90_909);
        assert_eq!(links[2].to_client.rate, None);
    }

    /// What a link of this TOML does to alice's packets.
    fn to_alice(link: &str) -> Direction {
        links(&plan(&format!("[link]\n{link}")))[0].to_client
    }

    #[test]
    fn a_link_is_as_slow_as_its_slowest_packets() {
        let ms = Duration::from_millis;
        let normal = "latency = { normal = { mean = '100ms', deviation = '10ms', min = '1ms' } }";
        assert_eq!(to_alice(normal).latency, ms(150));
        let held_back = "latency = '30ms'\nreorder = 0.1\nreorder-by = '40ms'";
        assert_eq!(to_alice(held_back).latency, ms(70));
    }

    #[test]
    fn what_a_link_loses_and_what_it_damages_are_lost_alike() {
        let link = to_alice("loss = 0.25\ncorrupt = 0.5");
        assert_eq!(link.loss_ppm, 625_000);
        assert_eq!(link.next_loss_ppm, 625_000);
        assert_eq!(to_alice("").next_loss_ppm, 0);
    }

    #[test]
    fn losses_that_are_correlated_are_more_likely_after_a_loss() {
        let link = to_alice("loss = 0.2\nloss-correlation = 0.5");
        assert_eq!((link.loss_ppm, link.next_loss_ppm), (200_000, 600_000));
    }

    #[test]
    fn a_link_that_is_bad_loses_as_much_as_it_does_then_until_it_recovers() {
        let link = to_alice(
            "loss = { gilbert-elliott = { fail = 0.1, recover = 0.3, bad = 0.8, good = 0.4 } }",
        );
        // It is bad a quarter of the time.
        assert_eq!(link.loss_ppm, 500_000);
        // 0.7 * 0.8 + 0.3 * 0.4.
        assert_eq!(link.next_loss_ppm, 680_000);
    }

    #[test]
    fn a_burst_of_four_states_lets_packets_through_and_ends() {
        let link =
            to_alice("loss = { four-state = { p13 = 0.02, p31 = 0.1, p32 = 0.3, p23 = 0.05 } }");
        // For each packet in state 1 there are 0.2 in state 3 and 1.2 in state 2.
        assert_eq!(link.loss_ppm, 83_333);
        assert_eq!(link.next_loss_ppm, 600_000);
    }

    #[test]
    fn a_burst_that_never_ends_is_all_there_is() {
        let endless = |more: &str| {
            to_alice(&format!(
                "loss = {{ four-state = {{ p13 = 0.02, p31 = 0.0{more} }} }}"
            ))
        };
        assert_eq!(endless(", p32 = 0.0").loss_ppm, 1_000_000);
        assert_eq!(endless(", p32 = 0.3, p23 = 0.1").loss_ppm, 250_000);
    }

    #[test]
    fn a_box_that_behaves_disturbs_nobody() {
        let touched = |kind: &str| -> Vec<_> {
            let plan = plan(&format!(
                "[middlebox]\nkind = '{kind}'\nclients = ['bob']\nat = '2s'\nfor = '3s'"
            ));
            let disturbances = disturbances(&plan);
            disturbances.iter().map(|it| it.client).collect()
        };
        assert_eq!(touched("stalls"), [Some(ClientId(1))]);
        assert_eq!(touched("behaves"), []);
    }

    #[test]
    fn a_link_that_changes_for_good_counts_with_the_worse_figures() {
        let rate = |fault: &str| {
            let link = "victims = 'alice'\nat = '2s'\nlink.rate = '80kbit'\n[link]\nrate = '1Mbit'";
            links(&plan(&format!("[[fault]]\n{fault}\n{link}")))[0]
                .to_server
                .rate
        };
        assert_eq!(rate("kind = 'address-change'"), Some(10_000));
        assert_eq!(rate("kind = 'link'"), Some(125_000));
    }
}
