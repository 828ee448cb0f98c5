//! A fault between two groups of machines affects each machine of one group with each of the other,
//! in the directions that it names, and no others; and it ends for each of them.

use squall_simulator::{Engine, Intervention, Link, Loss, MachineId, Places, World, simulate_on};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::mpsc::channel;
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::time::sleep;

const BOTH: [Engine; 2] = [Engine::Native, Engine::Turmoil];
const MS: Duration = Duration::from_millis(1);

/// How many machines there are: two groups of two.
const MACHINES: usize = 4;

/// Who hears whom: (speaker, listener).
type Heard = BTreeSet<(usize, usize)>;

/// Every machine sends its number to every other one every 10 ms. Returns who heard whom in the 100
/// ms after each of these times; `strike` plans the faults.
fn heard(
    engine: Engine,
    strike: impl FnOnce(&mut World, &[MachineId]) + Send,
    times: &[Duration],
) -> Vec<Heard> {
    simulate_on(engine, 1, |world| {
        let (hear, heard) = channel();
        let mut places = Places::default();
        let addresses = (0..MACHINES).map(|number| places.next(&format!("machine {number}")));
        let addresses: Vec<Ipv4Addr> = addresses.collect();
        let machines: Vec<MachineId> = (0..MACHINES)
            .map(|own| {
                let (hear, addresses) = (hear.clone(), addresses.clone());
                world.machine(&format!("machine {own}"), move || {
                    let (hear, addresses) = (hear.clone(), addresses.clone());
                    async move {
                        let socket = UdpSocket::bind("0.0.0.0:7").await.unwrap();
                        loop {
                            for other in (0..MACHINES).filter(|&other| other != own) {
                                let address = (addresses[other], 7);
                                // ICMP may have reported that a peer is gone.
                                let _ = socket.send_to(&[own as u8], address).await;
                            }
                            sleep(10 * MS).await;
                            let mut from = [0];
                            while socket.try_recv(&mut from).is_ok() {
                                let at = squall_simulator::now();
                                hear.send((at, usize::from(from[0]), own)).unwrap();
                            }
                        }
                    }
                })
            })
            .collect();
        strike(world, &machines);
        let last = times.last().copied().unwrap_or_default();
        world.run_until(last + 200 * MS).unwrap();
        assert_eq!(world.panics(), []);
        let all: Vec<_> = heard.try_iter().collect();
        let between = |from: Duration| {
            let within = all
                .iter()
                .filter(|(at, ..)| (from..from + 100 * MS).contains(at));
            within.map(|&(_, from, to)| (from, to)).collect()
        };
        times.iter().map(|&from| between(from)).collect()
    })
}

/// All pairs, except those for which `cut` is true.
fn all_but(cut: impl Fn(usize, usize) -> bool) -> Heard {
    (0..MACHINES)
        .flat_map(|from| (0..MACHINES).map(move |to| (from, to)))
        .filter(|&(from, to)| from != to && !cut(from, to))
        .collect()
}

fn groups(machines: &[MachineId]) -> (Vec<MachineId>, Vec<MachineId>) {
    (machines[..2].to_vec(), machines[2..].to_vec())
}

/// From the first group to the second.
fn is_forth(from: usize, to: usize) -> bool {
    from < 2 && to >= 2
}

/// The fault lasts from 200 ms to 500 ms. Returns what holds before, during (once earlier packets
/// are no longer in flight), and after it.
fn before_meanwhile_after(
    engine: Engine,
    begin: impl Fn(Vec<MachineId>, Vec<MachineId>) -> Intervention + Send,
    end: impl Fn(Vec<MachineId>, Vec<MachineId>) -> Intervention + Send,
) -> Vec<Heard> {
    let strike = move |world: &mut World, machines: &[MachineId]| {
        let (a, b) = groups(machines);
        world.at(200 * MS, begin(a.clone(), b.clone()));
        world.at(500 * MS, end(a, b));
    };
    heard(engine, strike, &[50 * MS, 300 * MS, 600 * MS])
}

#[test]
fn a_cut_and_a_hold_are_one_way_and_for_all() {
    for engine in BOTH {
        let all = all_but(|_, _| false);
        let expected = [all.clone(), all_but(is_forth), all];
        let cut = before_meanwhile_after(
            engine,
            |from, to| Intervention::Cut { from, to },
            |from, to| Intervention::Mend { from, to },
        );
        assert_eq!(cut, expected, "{engine}");
        let held = before_meanwhile_after(
            engine,
            |from, to| Intervention::Hold { from, to },
            |from, to| Intervention::Release { from, to },
        );
        assert_eq!(held, expected, "{engine}");
    }
}

#[test]
fn a_loss_is_both_ways_and_a_link_is_one_way_and_both_are_for_all() {
    for engine in BOTH {
        let all = all_but(|_, _| false);
        let lost = before_meanwhile_after(
            engine,
            |a, b| Intervention::Loss {
                between: (a, b),
                loss: Some(1.0),
            },
            |a, b| Intervention::Loss {
                between: (a, b),
                loss: None,
            },
        );
        let apart = all_but(|from, to| is_forth(from, to) || is_forth(to, from));
        assert_eq!(lost, [all.clone(), apart, all.clone()], "{engine}");
        let link = |loss| {
            move |from, to| {
                let link = Box::new(Link {
                    loss: Loss::from(loss),
                    ..Link::default()
                });
                Intervention::Link { from, to, link }
            }
        };
        let lossy = before_meanwhile_after(engine, link(1.0), link(0.0));
        assert_eq!(lossy, [all.clone(), all_but(is_forth), all], "{engine}");
    }
}
