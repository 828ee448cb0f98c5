//! What faults have struck: each is charged with what it did, from its beginning to its end, and
//! one that did nothing is charged with nothing.

use rusqlite::Connection;
use squall_simulator::{
    ClockChange, DiskChange, DiskErrors, DiskLatency, Engine, Gateway, Intervention, Latency, Link,
    Loss, MachineId, Struck, WorkCost, World, simulate, simulate_on,
};
use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// A server that stores a row and reads the wall clock for each byte that it receives, and answers
/// it.
async fn serve() {
    let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
    loop {
        let (mut peer, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            while let Ok(byte) = peer.read_u8().await {
                store();
                let _ = SystemTime::now();
                if peer.write_u8(byte).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Reopens the database, so that it is read from the disk.
fn store() {
    if let Ok(all) = Connection::open("all.db") {
        let _ = all.execute_batch("CREATE TABLE IF NOT EXISTS n (n); INSERT INTO n VALUES (1)");
    }
}

/// A client that says something every 100 ms and connects again when it gets no answer.
async fn speak(server: Ipv4Addr) {
    loop {
        if let Ok(Ok(mut peer)) = timeout(SECOND, TcpStream::connect((server, 7))).await {
            while peer.write_u8(1).await.is_ok()
                && matches!(timeout(SECOND, peer.read_u8()).await, Ok(Ok(_)))
            {
                sleep(100 * MS).await;
            }
        }
        sleep(100 * MS).await;
    }
}

/// Server and client, and a silent machine.
fn machines(world: &mut World) -> [MachineId; 3] {
    let server = world.machine("server", serve);
    let address = world.address(server);
    let client = world.machine("client", move || speak(address));
    let silent = world.machine("silent", std::future::pending::<()>);
    [server, client, silent]
}

/// What a fault at 2 s has struck by 6 s. What ends it, if anything, comes at 4 s; then it strikes
/// nothing more.
fn struck(
    engine: Engine,
    fault: impl FnOnce([MachineId; 3]) -> Intervention + Send,
    end: impl FnOnce([MachineId; 3]) -> Option<Intervention> + Send,
) -> Vec<Struck> {
    simulate_on(engine, 1, |world| {
        let machines = machines(world);
        let id = world.at(2 * SECOND, fault(machines));
        let end = end(machines);
        let ends = end.is_some();
        end.into_iter().for_each(|end| {
            world.at(4 * SECOND, end);
        });
        world.run_until(2 * SECOND - MS).unwrap();
        assert!(world.hits(id).is_empty(), "{:?}", world.hits(id));
        // What is in flight at the end arrives.
        world.run_until(4 * SECOND + 500 * MS).unwrap();
        let at_end = world.hits(id);
        world.run_until(6 * SECOND).unwrap();
        let hits = world.hits(id);
        if ends {
            assert_eq!(hits, at_end);
        }
        assert_eq!(world.panics(), []);
        hits.iter().map(|(struck, _)| struck).collect()
    })
}

fn both<T>(a: T, b: T) -> (Vec<T>, Vec<T>) {
    (vec![a], vec![b])
}

/// A one-way link with this change.
fn link(change: impl FnOnce(&mut Link)) -> Box<Link> {
    let mut link = Box::<Link>::default();
    change(&mut link);
    link
}

fn no_end(_: [MachineId; 3]) -> Option<Intervention> {
    None
}

#[test]
fn faults_of_the_network_are_charged_with_packets() {
    for engine in [Engine::Native, Engine::Turmoil] {
        let cut = |[server, client, _]: [MachineId; 3]| (vec![client], vec![server]);
        let hits = struck(
            engine,
            |all| {
                let (from, to) = cut(all);
                Intervention::Cut { from, to }
            },
            |all| {
                let (from, to) = cut(all);
                Some(Intervention::Mend { from, to })
            },
        );
        assert_eq!(hits, [Struck::Cut], "{engine}");
        let hits = struck(
            engine,
            |all| {
                let (from, to) = cut(all);
                Intervention::Hold { from, to }
            },
            |all| {
                let (from, to) = cut(all);
                Some(Intervention::Release { from, to })
            },
        );
        assert_eq!(hits, [Struck::Held], "{engine}");
        let hits = struck(
            engine,
            |[server, client, _]| Intervention::Loss {
                between: both(client, server),
                loss: Some(0.5),
            },
            |[server, client, _]| {
                Some(Intervention::Loss {
                    between: both(client, server),
                    loss: None,
                })
            },
        );
        assert_eq!(hits, [Struck::Lost], "{engine}");
        let hits = struck(
            engine,
            |all| {
                let (from, to) = cut(all);
                let link = link(|link| link.latency = Latency::Fixed(30 * MS));
                Intervention::Link { from, to, link }
            },
            |all| {
                let (from, to) = cut(all);
                let link = Box::default();
                Some(Intervention::Link { from, to, link })
            },
        );
        assert_eq!(hits, [Struck::Delayed], "{engine}");
    }
}

#[test]
fn a_gateway_that_forgets_is_charged_with_the_connections_it_breaks() {
    let hits = simulate(1, |world| {
        let [server, client, _] = machines(world);
        let gateway = Gateway {
            idle: None,
            knows_old: false,
            resets: vec![client],
        };
        let fault = Intervention::Gateway {
            between: both(client, server),
            gateway: Some(gateway),
        };
        let id = world.at(2 * SECOND, fault);
        world.run_until(6 * SECOND).unwrap();
        world.hits(id)
    });
    assert_eq!(hits.of(Struck::Connection), 1);
    assert!(hits.of(Struck::Refused) >= 1);
}

#[test]
fn a_machine_that_moves_away_loses_its_connections_and_what_they_say() {
    let hits = struck(
        Engine::Native,
        |[_, client, _]| Intervention::Move(client),
        no_end,
    );
    assert_eq!(hits, [Struck::Cut, Struck::Connection]);
    let hits = struck(
        Engine::Native,
        |[_, _, silent]| Intervention::Move(silent),
        no_end,
    );
    assert_eq!(hits, []);
}

#[test]
fn swallowed_closes_forged_syns_and_refused_ports_are_counted() {
    let hits = struck(
        Engine::Native,
        |[server, client, _]| Intervention::SwallowCloses {
            from: vec![server],
            to: vec![client],
            swallow: true,
        },
        no_end,
    );
    // No connection is closed.
    assert_eq!(hits, []);
    let hits = simulate(1, |world| {
        let [server, client, _] = machines(world);
        let swallow = Intervention::SwallowCloses {
            from: vec![server],
            to: vec![client],
            swallow: true,
        };
        let swallow = world.at(2 * SECOND, swallow);
        let kill = world.at(3 * SECOND, Intervention::Kill(server));
        let again = world.at(3 * SECOND, Intervention::Kill(server));
        let boot = world.at(3 * SECOND, Intervention::Boot(server));
        world.run_until(4 * SECOND).unwrap();
        [swallow, kill, again, boot].map(|id| world.hits(id))
    });
    assert!(hits[0].of(Struck::Swallowed) >= 1, "{hits:?}");
    assert_eq!(hits[1].of(Struck::Ended), 1);
    assert!(hits[2].is_empty(), "nothing is left to be killed");
    assert_eq!(hits[3].of(Struck::Started), 1);
    let hits = struck(
        Engine::Native,
        |[server, ..]| Intervention::SynFlood {
            to: server,
            port: 7,
            interval: 10 * MS,
            until: 3 * SECOND,
        },
        no_end,
    );
    assert_eq!(hits, [Struck::Forged]);
    let ports = simulate(1, |world| {
        let [_, client, silent] = machines(world);
        let take = |machine| Intervention::UsePorts {
            machine,
            free: Some(0),
        };
        let taken = world.at(2 * SECOND, take(client));
        let in_vain = world.at(2 * SECOND, take(silent));
        world.at(2 * SECOND, Intervention::Kill(client));
        world.at(2 * SECOND, Intervention::Boot(client));
        world.run_until(3 * SECOND).unwrap();
        let before = world.hits(taken);
        // The count outlives the kernel that counted.
        world.at(3 * SECOND, Intervention::PowerLoss(client));
        world.run_until(4 * SECOND).unwrap();
        assert_eq!(world.hits(taken), before);
        [taken, in_vain].map(|id| world.hits(id).of(Struck::Port))
    });
    assert!(ports[0] > 0 && ports[1] == 0, "{ports:?}");
}

#[test]
fn faults_of_a_machine_are_charged_with_what_they_stopped() {
    let pause = |[_, client, _]: [MachineId; 3]| Intervention::Pause(client);
    assert_eq!(struck(Engine::Native, pause, no_end), [Struck::Stopped]);
    let suspend = |[_, client, _]: [MachineId; 3]| Intervention::Suspend(client);
    assert_eq!(struck(Engine::Native, suspend, no_end), [Struck::Stopped]);
    let hits = struck(
        Engine::Native,
        |[server, ..]| {
            let cost = WorkCost {
                turn: MS,
                ..WorkCost::default()
            };
            Intervention::Work(server, cost)
        },
        |[server, ..]| Some(Intervention::Work(server, WorkCost::default())),
    );
    assert_eq!(hits, [Struck::Turn]);
    let step = ClockChange::StepBack(SECOND);
    let hits = struck(
        Engine::Native,
        |[server, ..]| Intervention::Clock(server, step),
        no_end,
    );
    assert_eq!(hits, [Struck::ClockRead]);
    // Its program never reads a clock.
    let hits = struck(
        Engine::Native,
        |[_, _, silent]| Intervention::Clock(silent, step),
        no_end,
    );
    assert_eq!(hits, []);
    let drift = |ppm| {
        move |[server, ..]: [MachineId; 3]| Intervention::Clock(server, ClockChange::Drift { ppm })
    };
    let hits = struck(Engine::Native, drift(100), |all| Some(drift(0)(all)));
    assert_eq!(hits, [Struck::ClockRead]);
    let off = simulate(1, |world| {
        let [server, ..] = machines(world);
        world.at(SECOND, Intervention::PowerLoss(server));
        let faults = [
            Intervention::Pause(server),
            Intervention::Suspend(server),
            Intervention::Kill(server),
            Intervention::Terminate(server),
            Intervention::PowerLoss(server),
        ];
        let ids = faults.map(|fault| world.at(2 * SECOND, fault));
        world.run_until(3 * SECOND).unwrap();
        ids.map(|id| world.hits(id).is_empty())
    });
    assert_eq!(off, [true; 5]);
}

#[test]
fn faults_of_a_disk_are_charged_with_the_operations_they_spoiled() {
    let cases = [
        (
            DiskChange::Free(0),
            DiskChange::Capacity(None),
            Struck::DiskFull,
        ),
        (
            DiskChange::Latency(DiskLatency {
                sync: MS,
                ..DiskLatency::default()
            }),
            DiskChange::Latency(DiskLatency::default()),
            Struck::DiskSlow,
        ),
        (
            DiskChange::Errors(DiskErrors {
                sync: 0.5,
                ..DiskErrors::default()
            }),
            DiskChange::Errors(DiskErrors::default()),
            Struck::DiskError,
        ),
        (
            DiskChange::LyingSync(true),
            DiskChange::LyingSync(false),
            Struck::DiskLie,
        ),
    ];
    for (begin, end, expected) in cases {
        let hits = struck(
            Engine::Native,
            |[server, ..]| Intervention::Disk(server, begin),
            |[server, ..]| Some(Intervention::Disk(server, end)),
        );
        assert_eq!(hits, [expected], "{begin:?}");
        let in_vain = |[_, client, _]: [MachineId; 3]| Intervention::Disk(client, begin);
        assert_eq!(struck(Engine::Native, in_vain, no_end), [], "{begin:?}");
    }
}

#[test]
fn a_loss_of_power_tells_how_much_was_not_synced() {
    let unsynced = |pragma: &'static str| {
        simulate(1, |world| {
            let machine = world.machine("server", move || async move {
                let all = Connection::open("all.db").unwrap();
                all.execute_batch(pragma).unwrap();
                all.execute_batch("CREATE TABLE n (n); INSERT INTO n VALUES (1)")
                    .unwrap();
                std::future::pending::<()>().await;
                drop(all);
            });
            let id = world.at(SECOND, Intervention::PowerLoss(machine));
            world.run_until(2 * SECOND).unwrap();
            assert_eq!(world.hits(id).of(Struck::Ended), 1);
            world.hits(id).of(Struck::Unsynced)
        })
    };
    assert_eq!(unsynced("PRAGMA synchronous=FULL"), 0);
    assert!(unsynced("PRAGMA synchronous=OFF") > 0);
}

#[test]
fn what_is_under_way_when_a_partition_begins_is_its_first_hit() {
    for engine in [Engine::Native, Engine::Turmoil] {
        let (cut, arrived) = simulate_on(engine, 1, |world| {
            let [server, client, _] = machines(world);
            let link = Link {
                latency: Latency::Fixed(5 * SECOND),
                ..Link::default()
            };
            world.set_link(client, server, link);
            let (from, to) = (vec![client], vec![server]);
            // The first SYN is in flight, the next one follows later.
            let id = world.at(500 * MS, Intervention::Cut { from, to });
            world.run_until(900 * MS).unwrap();
            let (from, to) = (vec![client], vec![server]);
            assert!(world.hits(id).is_empty());
            world.run_until(5 * SECOND + 100 * MS).unwrap();
            let hits = world.hits(id).of(Struck::Cut);
            world.at(world.now(), Intervention::Mend { from, to });
            (hits, world.counts().delivered)
        });
        assert!(cut >= 1, "{engine}");
        assert_eq!(arrived, 0, "{engine}");
    }
}

#[test]
fn faults_between_machines_that_never_speak_strike_nothing() {
    let between = |[server, _, silent]: [MachineId; 3]| both(server, silent);
    let hits = struck(
        Engine::Native,
        |all| {
            let (from, to) = between(all);
            Intervention::Cut { from, to }
        },
        no_end,
    );
    assert_eq!(hits, []);
    let loss_of = |loss| {
        move |[server, client, _]: [MachineId; 3]| Intervention::Loss {
            between: both(client, server),
            loss: Some(loss),
        }
    };
    assert_eq!(struck(Engine::Native, loss_of(0.0), no_end), []);
    assert_eq!(struck(Engine::Native, loss_of(1.0), no_end), [Struck::Lost]);
    let gateway = |idle| {
        move |[server, client, _]: [MachineId; 3]| Intervention::Gateway {
            between: both(client, server),
            gateway: Some(Gateway {
                idle: Some(idle),
                knows_old: true,
                resets: Vec::new(),
            }),
        }
    };
    assert_eq!(struck(Engine::Native, gateway(SECOND), no_end), []);
    let hits = struck(Engine::Native, gateway(50 * MS), no_end);
    assert_eq!(hits, [Struck::Refused, Struck::Connection]);
    let unlikely = |[server, client, _]: [MachineId; 3]| Intervention::Link {
        from: vec![client],
        to: vec![server],
        link: link(|link| link.loss = Loss::from(1e-9)),
    };
    assert_eq!(struck(Engine::Native, unlikely, no_end), []);
}
