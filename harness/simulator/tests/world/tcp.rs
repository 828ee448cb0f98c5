//! Two programs talk over the simulated network.

use squall_simulator::{Intervention, Latency, Link, Loss, simulate};
use std::io::ErrorKind;
use std::os::fd::AsRawFd;
use std::sync::mpsc::channel;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn echo() {
    let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
    loop {
        let (mut peer, _) = listener.accept().await.unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(read @ 1..) = peer.read(&mut buffer).await {
                peer.write_all(&buffer[..read]).await.unwrap();
            }
        });
    }
}

#[test]
fn an_echo_takes_two_round_trips_with_its_handshake() {
    let elapsed = simulate(1, |world| {
        let latency = Latency::Fixed(Duration::from_millis(20));
        world.set_default_link(Link {
            latency,
            ..Link::default()
        });
        let server = world.machine("server", echo);
        let address = world.address(server);
        let (tell, told) = channel();
        world.machine("client", move || {
            let tell = tell.clone();
            async move {
                let mut peer = TcpStream::connect((address, 7)).await.unwrap();
                peer.write_all(b"ping").await.unwrap();
                let mut answer = [0; 4];
                peer.read_exact(&mut answer).await.unwrap();
                assert_eq!(&answer, b"ping");
                tell.send(squall_simulator::now()).unwrap();
            }
        });
        world.run_until(Duration::from_secs(10)).unwrap();
        assert_eq!(world.panics(), []);
        told.try_recv().unwrap()
    });
    assert_eq!(elapsed, Duration::from_millis(80));
}

#[test]
fn a_connection_to_a_port_without_listener_is_refused() {
    let kind = simulate(1, |world| {
        let server = world.machine("server", std::future::pending::<()>);
        let address = world.address(server);
        let (tell, told) = channel();
        world.machine("client", move || {
            let tell = tell.clone();
            async move {
                let error = TcpStream::connect((address, 9)).await.unwrap_err();
                tell.send(error.kind()).unwrap();
            }
        });
        world.run_until(Duration::from_secs(1)).unwrap();
        told.try_recv().unwrap()
    });
    assert_eq!(kind, ErrorKind::ConnectionRefused);
}

#[test]
fn a_megabyte_there_and_back_survives_a_lossy_link() {
    let (sent, received, lost) = simulate(3, |world| {
        world.set_default_link(Link {
            loss: Loss::from(0.05),
            ..Link::default()
        });
        let server = world.machine("server", echo);
        let address = world.address(server);
        let (tell, told) = channel();
        let data: Vec<u8> = (0..1_000_000_u32).map(|i| ((i * 31) >> 3) as u8).collect();
        let sent = data.clone();
        world.machine("client", move || {
            let (tell, data) = (tell.clone(), data.clone());
            async move {
                let peer = TcpStream::connect((address, 7)).await.unwrap();
                let (mut reader, mut writer) = peer.into_split();
                let length = data.len();
                tokio::spawn(async move { writer.write_all(&data).await.unwrap() });
                let mut answer = vec![0; length];
                reader.read_exact(&mut answer).await.unwrap();
                tell.send(answer).unwrap();
            }
        });
        world.run_until(Duration::from_secs(3600)).unwrap();
        assert_eq!(world.panics(), []);
        (sent, told.try_recv().unwrap(), world.counts().lost)
    });
    assert!(sent == received);
    assert!(lost > 10);
}

#[test]
fn the_peer_of_a_killed_program_reads_the_end_of_the_stream() {
    let read = simulate(1, |world| {
        let server = world.machine("server", echo);
        let address = world.address(server);
        let (tell, told) = channel();
        world.machine("client", move || {
            let tell = tell.clone();
            async move {
                let mut peer = TcpStream::connect((address, 7)).await.unwrap();
                tell.send(peer.read(&mut [0; 1]).await.map_err(|error| error.kind()))
                    .unwrap();
            }
        });
        world.at(Duration::from_secs(1), Intervention::Kill(server));
        world.run_until(Duration::from_secs(2)).unwrap();
        told.try_recv().unwrap()
    });
    assert_eq!(read, Ok(0));
}

#[test]
fn after_a_power_loss_the_new_kernel_resets_old_connections() {
    let (kind, at) = simulate(1, |world| {
        let server = world.machine("server", echo);
        let address = world.address(server);
        let (tell, told) = channel();
        world.machine("client", move || {
            let tell = tell.clone();
            async move {
                let mut peer = TcpStream::connect((address, 7)).await.unwrap();
                tokio::time::sleep(Duration::from_secs(2)).await;
                peer.write_all(b"are you there?").await.unwrap();
                let error = peer.read(&mut [0; 1]).await.unwrap_err();
                tell.send((error.kind(), squall_simulator::now())).unwrap();
            }
        });
        world.at(Duration::from_secs(1), Intervention::PowerLoss(server));
        world.at(Duration::from_secs(5), Intervention::Boot(server));
        world.run_until(Duration::from_secs(60)).unwrap();
        told.try_recv().unwrap()
    });
    assert_eq!(kind, ErrorKind::ConnectionReset);
    assert!(at > Duration::from_secs(5));
}

#[test]
fn a_partition_is_silence_and_tcp_goes_on_after_it() {
    let (at, cut) = simulate(1, |world| {
        let server = world.machine("server", echo);
        let address = world.address(server);
        let (tell, told) = channel();
        let client = world.machine("client", move || {
            let tell = tell.clone();
            async move {
                let mut peer = TcpStream::connect((address, 7)).await.unwrap();
                tokio::time::sleep(Duration::from_secs(2)).await;
                peer.write_all(b"still there?").await.unwrap();
                peer.read_exact(&mut [0; 12]).await.unwrap();
                tell.send(squall_simulator::now()).unwrap();
            }
        });
        for (from, to) in [(server, client), (client, server)] {
            let (from, to) = (vec![from], vec![to]);
            world.at(
                Duration::from_secs(1),
                Intervention::Cut {
                    from: from.clone(),
                    to: to.clone(),
                },
            );
            world.at(Duration::from_secs(10), Intervention::Mend { from, to });
        }
        world.run_until(Duration::from_secs(60)).unwrap();
        (told.try_recv().unwrap(), world.counts().cut)
    });
    assert!(
        at > Duration::from_secs(10) && at < Duration::from_secs(20),
        "{at:?}"
    );
    assert!(cut > 0);
}

/// Regression: a closed listener left its handshakes behind, and the next listener on the port
/// counted them as its own.
#[test]
fn a_handshake_with_a_killed_server_is_none_with_its_successor() {
    let ms = Duration::from_millis;
    let (first, second) = simulate(1, |world| {
        world.set_default_link(Link {
            latency: Latency::Fixed(ms(20)),
            ..Link::default()
        });
        let server = world.machine("server", echo);
        let address = world.address(server);
        let (tell, told) = channel();
        world.machine("client", move || {
            let tell = tell.clone();
            async move {
                for _ in 0..2 {
                    let mut peer = TcpStream::connect((address, 7)).await.unwrap();
                    let _ = peer.write_all(b"ping").await;
                    let read = peer.read_exact(&mut [0; 4]).await;
                    tell.send(read.map_err(|error| error.kind())).unwrap();
                }
            }
        });
        // The SYN arrives after 20 ms, the end of the handshake after 60 ms.
        world.at(ms(50), Intervention::Kill(server));
        world.at(ms(55), Intervention::Boot(server));
        world.run_until(Duration::from_secs(10)).unwrap();
        assert!(world.panics().is_empty(), "{:?}", world.panics());
        (told.try_recv().unwrap(), told.try_recv().unwrap())
    });
    assert_eq!(first, Err(ErrorKind::ConnectionReset));
    assert_eq!(second, Ok(4));
}

/// A field of `struct tcp_info` (`netinet/tcp.h`), at an offset in bytes.
fn told(peer: &TcpStream, at: usize) -> u32 {
    let mut bytes = [0_u8; 104];
    let mut length = bytes.len() as libc::socklen_t;
    // SAFETY: the option is written into `bytes`, which has enough room.
    let result = unsafe {
        libc::getsockopt(
            peer.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            bytes.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    assert_eq!((result, length), (0, 104));
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
}

/// The offsets of the smoothed round trip, in microseconds, the congestion window, in segments, and
/// the number of retransmitted segments.
const ROUND_TRIP: usize = 68;
const WINDOW: usize = 80;
const RETRANSMISSIONS: usize = 100;

#[test]
fn a_connection_tells_of_its_round_trips_window_and_losses() {
    let figures = simulate(1, |world| {
        world.set_default_link(Link {
            latency: Latency::Fixed(Duration::from_millis(20)),
            ..Link::default()
        });
        let server = world.machine("server", echo);
        let address = world.address(server);
        let (tell, told_by_client) = channel();
        let client = world.machine("client", move || {
            let tell = tell.clone();
            async move {
                let mut peer = TcpStream::connect((address, 7)).await.unwrap();
                for _ in 0..2 {
                    tell.send([ROUND_TRIP, WINDOW, RETRANSMISSIONS].map(|at| told(&peer, at)))
                        .unwrap();
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    peer.write_all(b"ping").await.unwrap();
                    peer.read_exact(&mut [0; 4]).await.unwrap();
                }
                let last = [ROUND_TRIP, WINDOW, RETRANSMISSIONS].map(|at| told(&peer, at));
                tell.send(last).unwrap();
            }
        });
        for (at, loss) in [(1.5, 1.0), (2.2, 0.0)] {
            let link = Box::new(Link {
                latency: Latency::Fixed(Duration::from_millis(20)),
                loss: Loss::from(loss),
                ..Link::default()
            });
            let (from, to) = (vec![client], vec![server]);
            world.at(
                Duration::from_secs_f64(at),
                Intervention::Link { from, to, link },
            );
        }
        world.run_until(Duration::from_secs(10)).unwrap();
        assert_eq!(world.panics(), []);
        told_by_client.try_iter().collect::<Vec<_>>()
    });
    assert_eq!(figures[..2], [[40_000, 10, 0], [40_000, 10, 0]]);
    assert_eq!(figures[2][2], 1, "the second ping was lost: {figures:?}");
}

/// How long each of the echoes of a request in two writes took.
fn requests_in_two_writes(no_delay: bool) -> Vec<u64> {
    simulate(1, |world| {
        world.set_default_link(Link {
            latency: Latency::Fixed(Duration::from_millis(10)),
            ..Link::default()
        });
        let server = world.machine("server", || async {
            let listener = TcpListener::bind("0.0.0.0:7").await.unwrap();
            let (mut peer, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 100];
            while peer.read_exact(&mut buffer).await.is_ok() {
                peer.write_all(&buffer).await.unwrap();
            }
        });
        let address = world.address(server);
        let (tell, told) = channel();
        world.machine("client", move || {
            let tell = tell.clone();
            async move {
                let mut peer = TcpStream::connect((address, 7)).await.unwrap();
                peer.set_nodelay(no_delay).unwrap();
                for _ in 0..3 {
                    let began = squall_simulator::now();
                    peer.write_all(&[1; 50]).await.unwrap();
                    peer.write_all(&[2; 50]).await.unwrap();
                    peer.read_exact(&mut [0; 100]).await.unwrap();
                    let took = squall_simulator::now() - began;
                    tell.send(took.as_millis() as u64).unwrap();
                }
            }
        });
        world.run_until(Duration::from_secs(10)).unwrap();
        told.try_iter().collect()
    })
}

/// Regression: whatever a program wrote in one turn left together, so this was never seen.
#[test]
fn two_small_writes_wait_for_a_delayed_acknowledgement() {
    assert_eq!(requests_in_two_writes(false), [40, 80, 80]);
    assert_eq!(requests_in_two_writes(true), [20, 20, 20]);
}

/// Regression: of 300 handshakes at once with a backlog of 128, those in excess of 256 were reset.
/// Linux resets none.
#[test]
fn who_connects_in_a_crowd_is_not_reset() {
    const CROWD: usize = 300;
    let served = simulate(1, |world| {
        let server = world.machine("server", || {
            let listener = std::net::TcpListener::bind("0.0.0.0:7").unwrap();
            for peer in listener.incoming() {
                use std::io::{Read, Write};
                let mut peer = peer.unwrap();
                peer.read_exact(&mut [0]).unwrap();
                peer.write_all(b"x").unwrap();
            }
        });
        let address = world.address(server);
        let (tell, told) = channel();
        world.machine("crowd", move || {
            let tell = tell.clone();
            async move {
                let connect = || async move {
                    let mut peer = TcpStream::connect((address, 7)).await?;
                    peer.write_all(b"x").await?;
                    peer.read_exact(&mut [0]).await
                };
                let crowd: Vec<_> = (0..CROWD).map(|_| tokio::spawn(connect())).collect();
                for one in crowd {
                    tell.send(one.await.unwrap().map_err(|error| error.kind()))
                        .unwrap();
                }
            }
        });
        world.run_until(Duration::from_secs(60)).unwrap();
        assert_eq!(world.panics(), []);
        told.try_iter().collect::<Vec<_>>()
    });
    assert_eq!(served, vec![Ok(1); CROWD]);
}
