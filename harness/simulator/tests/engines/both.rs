//! One body, both engines: what a program sees of the world does not depend on what simulates it.

use squall_simulator::{
    Engine, Intervention, Latency, Link, Loss, MachineId, World, now, simulate_on,
};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::time::{Instant, sleep, sleep_until, timeout};

const BOTH: [Engine; 2] = [Engine::Native, Engine::Turmoil];
const SECOND: Duration = Duration::from_secs(1);

async fn echo() {
    let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
    loop {
        let (mut peer, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = peer.read(&mut buffer).await {
                if peer.write_all(&buffer[..read]).await.is_err() {
                    break;
                }
            }
        });
    }
}

/// A client that sends a number every 100 ms over one connection, reports each that comes back, and
/// reports how the connection ended.
async fn count(address: std::net::Ipv4Addr, tell: Sender<String>) {
    let mut peer = TcpStream::connect((address, 7)).await.unwrap();
    for number in 0_u8.. {
        peer.write_u8(number).await.unwrap();
        match peer.read_u8().await {
            Ok(number) => tell.send(number.to_string()).unwrap(),
            Err(error) => return tell.send(format!("{:?}", error.kind())).unwrap(),
        }
        sleep(Duration::from_millis(100)).await;
    }
}

/// What the counting client reports within a minute, on this engine, with these faults.
fn told(
    engine: Engine,
    seed: u64,
    link: Link,
    hardships: impl FnOnce(&mut World, MachineId, MachineId) + Send,
) -> (Vec<String>, u64) {
    simulate_on(engine, seed, |world| {
        world.set_default_link(link);
        let server = world.machine("server", echo);
        let address = world.address(server);
        let (tell, told) = channel();
        let client = world.machine("client", move || count(address, tell.clone()));
        hardships(world, server, client);
        world.run_until(20 * SECOND).unwrap();
        assert!(world.panics().is_empty(), "{:?}", world.panics());
        (told.try_iter().collect(), world.digest())
    })
}

fn fixed(milliseconds: u64) -> Link {
    Link {
        latency: Latency::Fixed(Duration::from_millis(milliseconds)),
        ..Link::default()
    }
}

#[test]
fn a_round_trip_takes_twice_the_latency() {
    for engine in BOTH {
        let (numbers, _) = told(engine, 1, fixed(25), |_, _, _| ());
        // The handshake takes 50 ms, then each number 50 ms plus the wait of 100 ms.
        assert!(
            (125..=133).contains(&numbers.len()),
            "{engine}: {}",
            numbers.len()
        );
    }
}

#[test]
fn a_killed_server_ends_the_stream() {
    for engine in BOTH {
        let (numbers, _) = told(engine, 1, fixed(5), |world, server, _| {
            world.at(5 * SECOND, Intervention::Kill(server));
        });
        assert_eq!(numbers.last().unwrap(), "UnexpectedEof", "{engine}");
    }
}

#[test]
fn a_server_that_lost_its_power_resets_the_connection_after_its_reboot() {
    for engine in BOTH {
        let (numbers, _) = told(engine, 1, fixed(5), |world, server, _| {
            world.at(5 * SECOND, Intervention::PowerLoss(server));
            world.at(7 * SECOND, Intervention::Boot(server));
        });
        assert_eq!(numbers.last().unwrap(), "ConnectionReset", "{engine}");
    }
}

#[test]
fn a_machine_that_is_booted_again_has_its_timers_and_its_network_in_time() {
    for engine in BOTH {
        let answers = simulate_on(engine, 1, |world| {
            world.set_default_link(fixed(5));
            let server = world.machine("server", async || {
                let socket = UdpSocket::bind("0.0.0.0:7").await.unwrap();
                let mut buffer = [0; 1];
                loop {
                    let (_, peer) = socket.recv_from(&mut buffer).await.unwrap();
                    sleep(Duration::from_millis(20)).await;
                    socket.send_to(&buffer, peer).await.unwrap();
                }
            });
            let address = world.address(server);
            let (tell, told) = channel();
            world.machine("client", move || {
                let tell = tell.clone();
                async move {
                    let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
                    let mut buffer = [0; 1];
                    for number in 0_u8..100 {
                        socket.send_to(&[number], (address, 7)).await.unwrap();
                        let answer = socket.recv_from(&mut buffer);
                        if let Ok(answer) = timeout(Duration::from_millis(100), answer).await {
                            answer.unwrap();
                            tell.send(number).unwrap();
                        }
                        sleep_until(Instant::now() + Duration::from_millis(100)).await;
                    }
                }
            });
            world.at(2 * SECOND, Intervention::PowerLoss(server));
            world.at(4 * SECOND, Intervention::Boot(server));
            world.run_until(20 * SECOND).unwrap();
            assert!(world.panics().is_empty(), "{:?}", world.panics());
            told.try_iter().collect::<Vec<u8>>()
        });
        let lost: Vec<u8> = (0..100).filter(|it| !answers.contains(it)).collect();
        assert!((9..=11).contains(&lost.len()), "{engine}: {lost:?}");
        let in_a_row = lost.windows(2).all(|pair| pair[1] == pair[0] + 1);
        assert!(in_a_row, "{engine}: {lost:?}");
    }
}

#[test]
fn what_has_left_a_machine_before_its_power_is_gone_arrives() {
    for engine in BOTH {
        let arrived = simulate_on(engine, 1, |world| {
            world.set_default_link(fixed(100));
            let (tell, told) = channel();
            let receiver = world.machine("receiver", move || {
                let tell = tell.clone();
                async move {
                    let socket = UdpSocket::bind("0.0.0.0:7").await.unwrap();
                    socket.recv_from(&mut [0; 1]).await.unwrap();
                    tell.send(now()).unwrap();
                }
            });
            let address = world.address(receiver);
            let sender = world.machine("sender", move || async move {
                let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
                sleep(SECOND).await;
                socket.send_to(b"x", (address, 7)).await.unwrap();
            });
            world.at(
                SECOND + Duration::from_millis(50),
                Intervention::PowerLoss(sender),
            );
            world.run_until(2 * SECOND).unwrap();
            told.try_recv().ok()
        });
        let arrived = arrived.unwrap_or_else(|| panic!("{engine}: it was lost"));
        let late = arrived.abs_diff(SECOND + Duration::from_millis(100));
        assert!(late < Duration::from_millis(5), "{engine}: {arrived:?}");
    }
}

#[test]
fn a_call_that_cannot_be_simulated_ends_the_run_at_once_on_each_engine() {
    for engine in BOTH {
        let (ended, ticks) = simulate_on(engine, 1, |world| {
            let (tell, told) = channel();
            world.machine("ticker", move || {
                let tell = tell.clone();
                async move {
                    loop {
                        sleep(Duration::from_millis(100)).await;
                        tell.send(()).unwrap();
                    }
                }
            });
            world.machine("refused", || async {
                sleep(SECOND).await;
                let _ = std::os::unix::net::UnixDatagram::unbound();
            });
            let ended = world.run_until(10 * SECOND);
            (ended, told.try_iter().count())
        });
        assert!(ended.is_err(), "{engine}");
        assert!((9..=10).contains(&ticks), "{engine}: {ticks}");
    }
}

#[test]
fn a_partition_delays_and_loses_nothing() {
    for engine in BOTH {
        let (numbers, _) = told(engine, 1, fixed(5), |world, server, client| {
            for (from, to) in [(server, client), (client, server)] {
                let (from, to) = (vec![from], vec![to]);
                world.at(
                    5 * SECOND,
                    Intervention::Cut {
                        from: from.clone(),
                        to: to.clone(),
                    },
                );
                world.at(8 * SECOND, Intervention::Mend { from, to });
            }
        });
        let expected: Vec<String> = (0..numbers.len())
            .map(|number| number.to_string())
            .collect();
        assert_eq!(numbers, expected, "{engine}");
        assert!(
            (110..160).contains(&numbers.len()),
            "{engine}: {}",
            numbers.len()
        );
    }
}

#[test]
fn a_lossy_link_with_jitter_delays_and_loses_nothing() {
    let latency = Latency::Uniform {
        min: Duration::from_millis(2),
        max: Duration::from_millis(40),
    };
    for engine in BOTH {
        let link = Link {
            latency: latency.clone(),
            loss: Loss::from(0.05),
            ..Link::default()
        };
        let (numbers, _) = told(engine, 7, link, |_, _, _| ());
        let expected: Vec<String> = (0..numbers.len())
            .map(|number| number.to_string())
            .collect();
        assert_eq!(numbers, expected, "{engine}");
        assert!(numbers.len() > 30, "{engine}: {}", numbers.len());
    }
}

#[test]
fn each_engine_repeats_itself() {
    for engine in BOTH {
        let digest = || {
            let link = Link {
                loss: Loss::from(0.05),
                ..fixed(5)
            };
            told(engine, 3, link, |world, server, _| {
                world.at(5 * SECOND, Intervention::PowerLoss(server));
                world.at(7 * SECOND, Intervention::Boot(server));
            })
            .1
        };
        assert_eq!(digest(), digest(), "{engine}");
    }
}

#[test]
fn a_world_that_is_abandoned_ends_on_each_engine() {
    for engine in BOTH {
        let abandoned = std::panic::catch_unwind(|| {
            simulate_on(engine, 1, |world| {
                world.machine("server", echo);
                world.run_until(SECOND).unwrap();
                panic!("abandoned");
            })
        });
        assert!(abandoned.is_err(), "{engine}");
    }
}
