//! Work that takes time: when packets leave, when the next turn begins, what the program can
//! measure of it, and that the kernel keeps working.

use squall_simulator::{DiskChange, DiskLatency, Intervention, WorkCost, World, now, simulate};
use std::future::pending;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// A server that answers every byte, and a client that sends ten, one after another. Returns how
/// long each answer took.
fn echoes(prepare: impl FnOnce(&mut World, squall_simulator::MachineId) + Send) -> Vec<Duration> {
    simulate(1, |world| {
        let server = world.machine("server", || async {
            let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
            let (mut peer, _) = listener.accept().await.unwrap();
            while let Ok(byte) = peer.read_u8().await {
                peer.write_u8(byte).await.unwrap();
            }
        });
        let address = world.address(server);
        let (tell, told) = channel();
        world.machine("client", move || {
            let tell = tell.clone();
            async move {
                let mut peer = TcpStream::connect((address, 7)).await.unwrap();
                sleep(SECOND).await;
                for byte in 0..10 {
                    let sent = now();
                    peer.write_u8(byte).await.unwrap();
                    peer.read_u8().await.unwrap();
                    tell.send(now() - sent).unwrap();
                    sleep(100 * MS).await;
                }
            }
        });
        prepare(world, server);
        world.run_until(10 * SECOND).unwrap();
        told.try_iter().collect()
    })
}

#[test]
fn work_takes_no_time_by_default() {
    assert_eq!(echoes(|_, _| {}), [2 * MS; 10]);
}

#[test]
fn the_answer_leaves_when_the_turn_is_over() {
    let turn = |turn| {
        let cost = WorkCost {
            turn,
            ..WorkCost::default()
        };
        echoes(move |world, server| world.set_work_cost(server, cost))
    };
    assert_eq!(turn(5 * MS), [7 * MS; 10]);
}

#[test]
fn each_call_and_each_byte_has_its_price() {
    let calls = WorkCost {
        call: MS,
        ..WorkCost::default()
    };
    let with_calls = echoes(move |world, server| world.set_work_cost(server, calls));
    // At least a wait, a read and a write.
    assert!(
        with_calls.iter().all(|took| *took >= 5 * MS),
        "{with_calls:?}"
    );
    let bytes = WorkCost {
        byte_ps: 1_000_000_000,
        ..WorkCost::default()
    };
    let with_bytes = echoes(move |world, server| world.set_work_cost(server, bytes));
    // One byte in, one byte out.
    assert_eq!(with_bytes, [4 * MS; 10]);
}

#[test]
fn a_machine_is_slow_for_as_long_as_the_fault_lasts() {
    let cost = WorkCost {
        turn: 50 * MS,
        ..WorkCost::default()
    };
    let took = echoes(move |world, server| {
        world.at(SECOND + 150 * MS, Intervention::Work(server, cost));
        world.at(
            SECOND + 500 * MS,
            Intervention::Work(server, WorkCost::default()),
        );
    });
    assert_eq!(took[0], 2 * MS);
    assert_eq!(took[2], 52 * MS);
    assert_eq!(took[9], 2 * MS);
}

#[test]
fn a_program_can_measure_its_own_work() {
    let measured = simulate(1, |world| {
        let (tell, told) = channel();
        let machine = world.machine("server", move || {
            let tell = tell.clone();
            async move {
                let start = Instant::now();
                // Each is a system call.
                for _ in 0..5 {
                    let _ = TcpListener::bind("0.0.0.0:0").await;
                }
                tell.send(start.elapsed()).unwrap();
            }
        });
        let cost = WorkCost {
            call: MS,
            ..WorkCost::default()
        };
        world.set_work_cost(machine, cost);
        world.run_until(SECOND).unwrap();
        told.try_recv().unwrap()
    });
    assert!(measured >= 5 * MS, "{measured:?}");
}

/// Requests that come faster than they are answered have to wait.
#[test]
fn an_overloaded_server_falls_behind() {
    let took = simulate(1, |world| {
        let server = world.machine("server", || async {
            let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
            loop {
                let (mut peer, _) = listener.accept().await.unwrap();
                tokio::spawn(async move {
                    let byte = peer.read_u8().await.unwrap();
                    peer.write_u8(byte).await.unwrap();
                    let _ = peer.read_u8().await;
                });
            }
        });
        let cost = WorkCost {
            call: 10 * MS,
            ..WorkCost::default()
        };
        world.set_work_cost(server, cost);
        let address = world.address(server);
        let (tell, told) = channel();
        for client in 0..10 {
            let tell = tell.clone();
            world.machine(&format!("client {client}"), move || {
                let tell = tell.clone();
                async move {
                    sleep(SECOND).await;
                    let mut peer = TcpStream::connect((address, 7)).await.unwrap();
                    peer.write_u8(1).await.unwrap();
                    peer.read_u8().await.unwrap();
                    tell.send(now() - SECOND).unwrap();
                    pending::<()>().await
                }
            });
        }
        world.run_until(60 * SECOND).unwrap();
        told.try_iter().max().unwrap()
    });
    // Ten requests of at least accept, read and write.
    assert!(took >= 300 * MS, "{took:?}");
}

/// The kernel of a busy machine acknowledges what arrives, so it is not resent.
#[test]
fn a_busy_machine_causes_no_retransmissions() {
    let packets = |turn| {
        simulate(1, |world| {
            let server = world.machine("server", || async {
                let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
                let (mut peer, _) = listener.accept().await.unwrap();
                while peer.read_u8().await.is_ok() {}
            });
            let address = world.address(server);
            world.machine("client", move || async move {
                let mut peer = TcpStream::connect((address, 7)).await.unwrap();
                sleep(20 * SECOND).await;
                peer.write_u8(1).await.unwrap();
                sleep(5 * SECOND).await;
                peer.write_u8(2).await.unwrap();
                pending::<()>().await
            });
            let cost = WorkCost {
                turn,
                ..WorkCost::default()
            };
            world.set_work_cost(server, cost);
            world.run_until(60 * SECOND).unwrap();
            world.counts().sent
        })
    };
    assert_eq!(packets(8 * SECOND), packets(Duration::ZERO));
}

#[test]
fn a_slow_disk_blocks_the_process_for_its_time() {
    let (inserted, woke) = simulate(1, |world| {
        let (tell, told) = channel();
        let machine = world.machine("server", move || {
            let tell = tell.clone();
            async move {
                let sql = rusqlite::Connection::open("chat.db").unwrap();
                sql.execute_batch("PRAGMA synchronous=FULL; CREATE TABLE messages (content)")
                    .unwrap();
                sleep(SECOND).await;
                let start = Instant::now();
                sql.execute("INSERT INTO messages VALUES (1)", []).unwrap();
                let inserted = start.elapsed();
                sleep(MS).await;
                tell.send((inserted, now())).unwrap();
            }
        });
        let latency = DiskLatency {
            sync: 100 * MS,
            ..DiskLatency::default()
        };
        world.at(
            SECOND / 2,
            Intervention::Disk(machine, DiskChange::Latency(latency)),
        );
        world.run_until(60 * SECOND).unwrap();
        told.try_recv().unwrap()
    });
    // The journal is synced twice (content, then header) or once, and then the database.
    assert!((200 * MS..=400 * MS).contains(&inserted), "{inserted:?}");
    assert!(woke >= SECOND + inserted, "{woke:?}");
}

#[test]
fn a_turn_that_takes_long_is_told_until_its_end_or_that_of_its_process() {
    let long_turns = |killed: Option<Duration>| {
        simulate(1, |world| {
            let server = world.machine("server", || async {
                for pause in [1, 2, 30] {
                    sleep(pause * SECOND).await;
                }
            });
            let cost = |turn| WorkCost {
                turn,
                ..WorkCost::default()
            };
            let at_work = |turn| Intervention::Work(server, cost(turn));
            world.at(SECOND / 2, at_work(4 * MS));
            world.at(2 * SECOND, at_work(5 * SECOND));
            // What has begun goes on.
            world.at(4 * SECOND, at_work(Duration::ZERO));
            if let Some(at) = killed {
                world.at(at, Intervention::Kill(server));
            }
            world.run_until(20 * SECOND).unwrap();
            world.long_turns(server)
        })
    };
    // The first sleep ended with a turn of 4 ms, and the second one with a long turn.
    let whole = long_turns(None);
    let begun = whole[0].start;
    assert!((2 * SECOND..4 * SECOND).contains(&begun), "{begun:?}");
    assert_eq!(whole, [begun..begun + 5 * SECOND]);
    let killed = 6 * SECOND;
    assert_eq!(long_turns(Some(killed)), [begun..killed]);
    assert_eq!(long_turns(Some(killed * 2)), whole);
}

#[test]
fn a_slow_run_repeats_itself() {
    let digest = || {
        let cost = WorkCost {
            turn: MS,
            call: MS / 10,
            byte_ps: 1_000_000,
        };
        simulate(1, |world| {
            let server = world.machine("server", || async {
                let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
                loop {
                    let _ = listener.accept().await;
                }
            });
            world.set_work_cost(server, cost);
            let address = world.address(server);
            world.machine("client", move || async move {
                while TcpStream::connect((address, 7)).await.is_ok() {
                    sleep(10 * MS).await;
                }
            });
            world.run_until(SECOND).unwrap();
            world.digest()
        })
    };
    assert_eq!(digest(), digest());
}

/// A debug build of std checks whether a descriptor is open before closing it; a release build does
/// not.
#[test]
fn closing_costs_one_call_in_every_build() {
    let took = simulate(1, |world| {
        let (tell, told) = channel();
        let machine = world.machine("machine", move || {
            let tell = tell.clone();
            async move {
                let socket = std::net::UdpSocket::bind("0.0.0.0:7").unwrap();
                let before = Instant::now();
                drop(socket);
                tell.send(before.elapsed()).unwrap();
                pending::<()>().await
            }
        });
        let call = WorkCost {
            call: MS,
            ..WorkCost::default()
        };
        world.set_work_cost(machine, call);
        world.run_until(SECOND).unwrap();
        told.recv().unwrap()
    });
    assert_eq!(took, MS);
}
