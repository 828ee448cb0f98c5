//! What a world guarantees: it is repeatable, it is isolated, and it says what it cannot do.

use squall_simulator::{Error, Intervention, Latency, Link, Loss, World, note, now, simulate};
use std::collections::HashMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SECOND: Duration = Duration::from_secs(1);

/// A server that answers with random numbers, and three clients that request them over a lossy
/// link.
fn gossip(world: &mut World) {
    let latency = Latency::Uniform {
        min: Duration::from_millis(1),
        max: Duration::from_millis(30),
    };
    world.set_default_link(Link {
        latency,
        loss: Loss::from(0.1),
        ..Link::default()
    });
    let server = world.machine("server", || async {
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        while let Ok((mut peer, _)) = listener.accept().await {
            tokio::spawn(async move {
                while peer.read_u8().await.is_ok() {
                    let keys: HashMap<u32, ()> = (0..8).map(|key| (key, ())).collect();
                    let order: Vec<u8> = keys.keys().map(|&key| key as u8).collect();
                    if peer.write_all(&order).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    let address = world.address(server);
    for name in ["alice", "bob", "carol"] {
        world.machine(name, move || async move {
            let mut peer = TcpStream::connect((address, 80)).await.unwrap();
            let mut ticks = tokio::time::interval(Duration::from_millis(100));
            loop {
                let mut order = [0; 8];
                tokio::select! {
                    _ = ticks.tick() => peer.write_u8(1).await.unwrap(),
                    read = peer.read_exact(&mut order) => {
                        read.unwrap();
                        note(&format!("{order:?}"));
                    }
                }
            }
        });
    }
    world.run_until(10 * SECOND).unwrap();
}

/// The digests of a server and its two clients, who talk over a lossy link in a world where these
/// others do the same.
fn digests_beside(others: &[&str]) -> Vec<u64> {
    let pair = |world: &mut World, server: &str, clients: [&str; 2]| {
        let server = world.machine(server, || async {
            let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
            while let Ok((mut peer, _)) = listener.accept().await {
                tokio::spawn(async move {
                    while let Ok(byte) = peer.read_u8().await {
                        let keys: HashMap<u8, ()> = (0..8).map(|key| (key, ())).collect();
                        note(&format!("{:?}", keys.keys().collect::<Vec<_>>()));
                        peer.write_u8(byte).await.unwrap();
                    }
                });
            }
        });
        let address = world.address(server);
        let clients = clients.map(|name| {
            world.machine(name, move || async move {
                let mut peer = TcpStream::connect((address, 80)).await.unwrap();
                loop {
                    peer.write_u8(1).await.unwrap();
                    peer.read_u8().await.unwrap();
                }
            })
        });
        [server, clients[0], clients[1]]
    };
    simulate(1, |world| {
        world.set_default_link(Link {
            latency: Latency::Uniform {
                min: Duration::from_millis(1),
                max: Duration::from_millis(30),
            },
            loss: Loss::from(0.1),
            ..Link::default()
        });
        for (number, name) in others.iter().enumerate() {
            let clients = [&*format!("{name} one"), &*format!("{name} two")];
            let other = pair(world, name, clients);
            world.at(number as u32 * SECOND, Intervention::Move(other[1]));
        }
        let asked = pair(world, "server", ["alice", "bob"]);
        world.at(SECOND, Intervention::Move(asked[1]));
        world.at(2 * SECOND, Intervention::Kill(asked[1]));
        world.at(3 * SECOND, Intervention::Boot(asked[1]));
        world.run_until(10 * SECOND).unwrap();
        asked.map(|machine| world.machine_digest(machine)).to_vec()
    })
}

#[test]
fn machines_that_are_left_out_move_nobody_elses_dice_and_addresses() {
    let alone = digests_beside(&[]);
    assert_eq!(digests_beside(&["another"]), alone);
    assert_eq!(digests_beside(&["a third", "another"]), alone);
}

fn digest_of(seed: u64) -> u64 {
    simulate(seed, |world| {
        gossip(world);
        world.digest()
    })
}

#[test]
fn the_same_seed_gives_the_same_digest() {
    assert_eq!(digest_of(1), digest_of(1));
}

#[test]
fn another_seed_gives_another_digest() {
    assert_ne!(digest_of(1), digest_of(2));
}

#[test]
fn the_digest_of_a_machine_changes_with_what_happens_at_it_and_with_nothing_else() {
    let digests = |operation: &'static str| {
        simulate(1, |world| {
            let talker = world.machine("talker", move || async move {
                note(operation);
            });
            let silent = world.machine("silent", || async {});
            world.run_until(SECOND).unwrap();
            (world.machine_digest(talker), world.machine_digest(silent))
        })
    };
    let (one, other) = (digests("one thing"), digests("another"));
    assert_ne!(one.0, other.0);
    assert_eq!(one.1, other.1);
    assert_ne!(one.1, 0);
}

#[test]
fn worlds_beside_one_another_do_not_affect_each_other() {
    let alone: Vec<u64> = (0..4).map(digest_of).collect();
    let together: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|seed| scope.spawn(move || digest_of(seed)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(alone, together);
}

#[test]
fn the_trace_tells_every_event_and_ends_with_the_digest() {
    simulate(1, |world| {
        world.record_trace();
        gossip(world);
        let last = world.trace().last().unwrap();
        assert_eq!(last.digest, world.digest());
        assert!(
            world
                .trace()
                .iter()
                .any(|event| event.what.starts_with("lose"))
        );
    });
}

/// Runs one program alone for a second.
fn run_alone<F, Fut>(program: F) -> Result<(), Error>
where
    F: Fn() -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    simulate(1, |world| {
        world.machine("server", program);
        world.run_until(SECOND)
    })
}

fn refused_call(result: Result<(), Error>) -> String {
    result.unwrap_err().to_string()
}

#[test]
fn a_unix_datagram_stops_the_run_with_a_remedy() {
    let error = refused_call(run_alone(|| async {
        let _ = tokio::net::UnixDatagram::bind("/tmp/chat");
    }));
    assert!(error.contains("socket of domain 1, type 2"), "{error}");
    assert!(error.contains("use TCP, UDP or Unix streams"), "{error}");
}

#[test]
fn a_process_stops_the_run_with_a_remedy() {
    let error = refused_call(run_alone(|| async {
        let _ = std::process::Command::new("true").spawn();
    }));
    assert!(error.contains("(a process)"), "{error}");
}

#[test]
fn a_panic_is_told_with_its_time_place_and_backtrace_and_the_others_go_on() {
    simulate(1, |world| {
        let (tell, told) = channel();
        world.machine("server", || async {
            tokio::time::sleep(SECOND).await;
            panic!("out of cheese");
        });
        world.machine("client", move || tick_until_the_end(tell.clone()));
        world.run_until(3 * SECOND).unwrap();
        let [panic] = world.panics() else {
            panic!("one panic: {:?}", world.panics())
        };
        assert_eq!(panic.at, SECOND);
        assert_eq!(world.name(panic.machine), "server");
        assert!(panic.message.contains("promises.rs"), "{}", panic.message);
        assert!(panic.message.contains("out of cheese"), "{}", panic.message);
        assert!(!panic.backtrace.is_empty());
        assert_eq!(drain(&told), [0, 1, 2, 3]);
    });
}

#[test]
fn a_panic_of_a_spawned_task_is_told_and_the_process_goes_on() {
    simulate(1, |world| {
        let (tell, told) = channel();
        world.machine("server", move || {
            tokio::spawn(async { panic!("only me") });
            tick_until_the_end(tell.clone())
        });
        world.run_until(2 * SECOND).unwrap();
        assert_eq!(world.panics().len(), 1);
        assert_eq!(drain(&told), [0, 1, 2]);
    });
}

async fn tick_until_the_end(tell: Sender<u64>) {
    let mut ticks = tokio::time::interval(SECOND);
    loop {
        ticks.tick().await;
        tell.send(now().as_secs()).unwrap();
    }
}

fn drain<T>(told: &Receiver<T>) -> Vec<T> {
    told.try_iter().collect()
}

#[test]
fn a_paused_process_does_nothing_until_it_is_resumed() {
    let ticks = simulate(1, |world| {
        let (tell, told) = channel();
        let machine = world.machine("server", move || tick_until_the_end(tell.clone()));
        world.at(Duration::from_millis(1500), Intervention::Pause(machine));
        world.at(Duration::from_millis(3500), Intervention::Resume(machine));
        world.run_until(4 * SECOND).unwrap();
        drain(&told)
    });
    assert_eq!(ticks, [0, 1, 3, 3, 4]);
}

#[test]
fn a_killed_program_starts_anew_when_it_is_booted() {
    let ticks = simulate(1, |world| {
        let (tell, told) = channel();
        let machine = world.machine("server", move || tick_until_the_end(tell.clone()));
        world.at(Duration::from_millis(1500), Intervention::Kill(machine));
        world.at(10 * SECOND, Intervention::Boot(machine));
        world.run_until(11 * SECOND).unwrap();
        drain(&told)
    });
    assert_eq!(ticks, [0, 1, 10, 11]);
}

#[test]
fn a_program_that_is_killed_before_its_first_turn_does_not_wake_the_one_before() {
    let starts = simulate(1, |world| {
        let (tell, told) = channel();
        // Does not wait for anything that the end of its runtime would wake it for.
        let machine = world.machine("server", move || {
            tell.send(now().as_secs()).unwrap();
            std::future::pending::<()>()
        });
        world.at(SECOND, Intervention::Suspend(machine));
        for second in [2, 4] {
            world.at(second * SECOND, Intervention::Kill(machine));
            world.at((second + 1) * SECOND, Intervention::Boot(machine));
        }
        let clocks_jump = true;
        let wake = Intervention::Wake {
            machine,
            clocks_jump,
        };
        world.at(6 * SECOND, wake);
        world.run_until(7 * SECOND).unwrap();
        drain(&told)
    });
    assert_eq!(starts, [0, 6]);
}

#[test]
fn the_destructors_of_a_killed_program_say_nothing_to_the_world() {
    struct LastWords;
    impl Drop for LastWords {
        fn drop(&mut self) {
            note("farewell");
        }
    }
    simulate(1, |world| {
        world.record_trace();
        let machine = world.machine("server", || async {
            let _last_words = LastWords;
            std::future::pending::<()>().await;
        });
        world.at(SECOND, Intervention::Kill(machine));
        world.run_until(2 * SECOND).unwrap();
        assert!(world.trace().iter().all(|event| event.what != "farewell"));
    });
}

#[test]
fn both_clocks_of_a_machine_show_virtual_time() {
    let (monotonic, wall, start) = simulate(1, |world| {
        let (tell, told) = channel();
        world.machine("server", move || {
            let tell = tell.clone();
            async move {
                let (monotonic, wall) = (Instant::now(), SystemTime::now());
                tokio::time::sleep(3600 * SECOND).await;
                tell.send((monotonic.elapsed(), wall.elapsed().unwrap(), wall))
                    .unwrap();
            }
        });
        world.run_until(4000 * SECOND).unwrap();
        told.try_recv().unwrap()
    });
    assert_eq!(monotonic, 3600 * SECOND);
    assert_eq!(wall, 3600 * SECOND);
    let new_year_2026 = SystemTime::UNIX_EPOCH + 1_767_225_600 * SECOND;
    assert_eq!(start, new_year_2026);
}

#[test]
fn a_program_that_never_sleeps_does_not_stop_time() {
    simulate(1, |world| {
        let (tell, told) = channel();
        world.machine("busy", || async {
            loop {
                tokio::task::yield_now().await;
            }
        });
        world.machine("client", move || tick_until_the_end(tell.clone()));
        world.run_until(SECOND).unwrap();
        assert_eq!(drain(&told), [0, 1]);
    });
}

#[test]
fn the_host_environment_is_not_visible_to_a_program() {
    let path = simulate(1, |world| {
        let (tell, told) = channel();
        world.machine("server", move || {
            let tell = tell.clone();
            async move { tell.send(std::env::var_os("PATH")).unwrap() }
        });
        world.run_until(SECOND).unwrap();
        told.try_recv().unwrap()
    });
    assert_eq!(path, None);
    assert!(std::env::var_os("PATH").is_some());
}

#[test]
fn outside_of_worlds_the_real_operating_system_answers() {
    simulate(1, |world| world.run_until(SECOND)).unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || std::net::TcpStream::connect(address).unwrap());
    let (_, peer) = listener.accept().unwrap();
    assert_eq!(thread.join().unwrap().local_addr().unwrap(), peer);
    assert!(SystemTime::now() > SystemTime::UNIX_EPOCH + 1_767_225_600 * SECOND);
}

/// Regression: tokio drops the tasks of a runtime in the order of process-wide ids, so a killed
/// server closed its connections in a different order each time.
#[test]
fn a_killed_server_closes_its_connections_in_the_same_order_each_time() {
    let digest = || {
        simulate(1, |world| {
            let server = world.machine("server", || async {
                let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
                while let Ok((mut peer, _)) = listener.accept().await {
                    tokio::spawn(async move { peer.read_u8().await });
                }
            });
            let address = world.address(server);
            for client in 0..20 {
                world.machine(&format!("client {client}"), move || async move {
                    let mut peer = TcpStream::connect((address, 80)).await.unwrap();
                    let _ = peer.read_u8().await;
                });
            }
            world.at(SECOND, Intervention::Kill(server));
            world.run_until(2 * SECOND).unwrap();
            world.digest()
        })
    };
    let first = digest();
    assert!((0..40).all(|_| digest() == first));
}

/// Regression: a program that panicked before its main task existed ended the world.
#[test]
fn a_panic_before_the_main_task_is_told_like_any_other() {
    simulate(1, |world| {
        let ready = |fine: bool| {
            assert!(fine, "no configuration");
            std::future::ready(())
        };
        let machine = world.machine("server", move || ready(false));
        world.run_until(SECOND).unwrap();
        let [panic] = world.panics() else {
            panic!("one panic: {:?}", world.panics())
        };
        assert_eq!(panic.machine, machine);
        assert!(
            panic.message.starts_with("no configuration"),
            "{}",
            panic.message
        );
    });
}
