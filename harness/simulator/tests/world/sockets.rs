//! What sockets do between machines. Their behaviour on one machine is compared with the real
//! kernel's in `parity`.

use socket2::{SockRef, TcpKeepalive};
use squall_simulator::{
    Error, Intervention, Latency, Link, Loss, MachineId, Places, World, simulate,
};
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

const SECOND: Duration = Duration::from_secs(1);

/// Starts a machine whose program sends what it finds out.
fn tell<T, F, Fut>(world: &mut World, name: &str, program: F) -> Receiver<T>
where
    T: Send + 'static,
    F: Fn() -> Fut + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let (tell, told) = channel();
    world.machine(name, move || {
        let (tell, work) = (tell.clone(), program());
        async move { tell.send(work.await).unwrap() }
    });
    told
}

/// Accepts one connection, sends the peer's address to it, and also returns it.
async fn greet(bind: &str) -> SocketAddr {
    let listener = TcpListener::bind(bind).await.unwrap();
    let (mut stream, peer) = listener.accept().await.unwrap();
    stream.write_all(peer.to_string().as_bytes()).await.unwrap();
    peer
}

async fn own_address_as_told_by(server: SocketAddr) -> (SocketAddr, String) {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let mut told = String::new();
    stream.read_to_string(&mut told).await.unwrap();
    (stream.local_addr().unwrap(), told)
}

#[test]
fn two_machines_talk_over_ipv6() {
    simulate(1, |world| {
        let server = world.machine("server", || async {
            greet("[::]:80").await;
        });
        let address = SocketAddr::new(world.address_v6(server).into(), 80);
        let told = tell(world, "client", move || own_address_as_told_by(address));
        world.run_until(SECOND).unwrap();
        let (own, told) = told.try_recv().unwrap();
        assert!(own.is_ipv6() && own.ip() != address.ip(), "{own}");
        assert_eq!(own.to_string(), told);
    });
}

#[test]
fn a_dual_stack_listener_sees_ipv4_clients_with_mapped_addresses() {
    simulate(1, |world| {
        let seen = tell(world, "server", || greet("[::]:80"));
        let server = Places::default().next("server");
        let client = world.machine("client", move || async move {
            drop(own_address_as_told_by((server, 80).into()).await)
        });
        world.run_until(SECOND).unwrap();
        let ip = seen.try_recv().unwrap().ip();
        assert_eq!(ip, world.address(client).to_ipv6_mapped());
    });
}

#[test]
fn handshakes_are_completed_over_a_link_that_loses_a_fifth_of_the_packets() {
    simulate(1, |world| {
        world.set_default_link(Link {
            loss: Loss::from(0.2),
            ..Link::default()
        });
        world.machine("server", || async {
            let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                drop(stream);
            }
        });
        let clients: Vec<_> = (0..20)
            .map(|client| {
                tell(world, &format!("client {client}"), || async {
                    let mut stream = TcpStream::connect("server:80").await.unwrap();
                    stream.read(&mut [0]).await.unwrap()
                })
            })
            .collect();
        world.run_until(100 * SECOND).unwrap();
        assert_eq!(world.panics(), []);
        assert!(clients.iter().all(|told| told.try_recv() == Ok(0)));
    });
}

/// A UDP server that sends everything back.
async fn echo_datagrams(bind: &str) {
    let socket = UdpSocket::bind(bind).await.unwrap();
    let mut buffer = [0; 2048];
    while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
        socket.send_to(&buffer[..length], from).await.unwrap();
    }
}

#[test]
fn datagrams_travel_between_machines_over_both_versions_of_ip() {
    simulate(1, |world| {
        let server = world.machine("server", || echo_datagrams("[::]:7"));
        let ips: [IpAddr; 2] = [
            world.address(server).into(),
            world.address_v6(server).into(),
        ];
        let told = tell(world, "client", move || async move {
            let mut received = Vec::new();
            for ip in ips {
                let any = if ip.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(any).await.unwrap();
                socket.connect((ip, 7)).await.unwrap();
                socket.send(&[7; 1400]).await.unwrap();
                received.push(socket.recv(&mut [0; 2048]).await.unwrap());
            }
            received
        });
        world.run_until(SECOND).unwrap();
        assert_eq!(told.try_recv(), Ok(vec![1400, 1400]));
    });
}

#[test]
fn a_machine_without_a_server_answers_datagrams_with_port_unreachable() {
    simulate(1, |world| {
        let server = world.machine("server", std::future::pending::<()>);
        let address = world.address(server);
        let told = tell(world, "client", move || async move {
            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            socket.connect((address, 7)).await.unwrap();
            socket.send(b"anybody?").await.unwrap();
            socket.recv(&mut [0; 8]).await.unwrap_err().kind()
        });
        world.run_until(SECOND).unwrap();
        assert_eq!(told.try_recv(), Ok(ErrorKind::ConnectionRefused));
    });
}

/// The effect of sending a datagram on a world.
fn send(payload: usize, to: &str) -> Result<(), Error> {
    let to: SocketAddr = to.parse().unwrap();
    simulate(1, |world| {
        world.machine("server", std::future::pending::<()>);
        world.machine("client", move || async move {
            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            socket.set_broadcast(true).unwrap();
            let _ = socket.send_to(&vec![0; payload], to).await;
        });
        world.run_until(SECOND)
    })
}

#[test]
fn a_datagram_that_needs_fragments_stops_the_run_with_a_remedy() {
    let server = format!("{}:7", Places::default().next("server"));
    assert_eq!(send(1472, &server), Ok(()));
    let error = send(1473, &server).unwrap_err().to_string();
    assert!(error.contains("1473 bytes for another machine"), "{error}");
    assert!(error.contains("at most 1472 bytes"), "{error}");
}

#[test]
fn broadcast_and_multicast_stop_the_run_with_a_remedy() {
    for (to, what) in [
        ("255.255.255.255:7", "broadcast"),
        ("224.0.0.1:7", "multicast"),
    ] {
        let error = send(1, to).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
        assert!(error.contains("by its own address"), "{error}");
    }
}

/// Accepts a connection, and reads nothing from it for this long.
async fn read_after(pause: Duration) -> usize {
    let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
    let (mut stream, _) = listener.accept().await.unwrap();
    tokio::time::sleep(pause).await;
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await.unwrap();
    all.len()
}

/// Regression: a writer gave up after 15 minutes, although the reader's kernel answered its probes.
#[test]
fn a_reader_that_stops_for_two_hours_loses_nothing() {
    simulate(1, |world| {
        let read = tell(world, "server", || read_after(7200 * SECOND));
        world.machine("client", || async {
            let mut stream = TcpStream::connect("server:80").await.unwrap();
            stream.write_all(&vec![7; 500_000]).await.unwrap();
        });
        world.run_until(7400 * SECOND).unwrap();
        assert_eq!(world.panics(), []);
        assert_eq!(read.try_recv(), Ok(500_000));
    });
}

fn isolate(world: &mut World, at: Duration, server: MachineId, client: MachineId) {
    for (from, to) in [(server, client), (client, server)] {
        let (from, to) = (vec![from], vec![to]);
        world.at(at, Intervention::Cut { from, to });
    }
}

#[test]
fn keep_alive_notices_a_dead_peer_after_its_probes_and_survives_lost_ones() {
    let silent = |world: &mut World| {
        let server = world.machine("server", || async {
            read_after(100_000 * SECOND).await;
        });
        let (tell, told) = channel();
        let client = world.machine("client", move || {
            let tell = tell.clone();
            async move {
                let mut stream = TcpStream::connect("server:80").await.unwrap();
                let times = TcpKeepalive::new()
                    .with_time(10 * SECOND)
                    .with_interval(2 * SECOND)
                    .with_retries(5);
                SockRef::from(&stream).set_tcp_keepalive(&times).unwrap();
                let error = stream.read(&mut [0]).await.unwrap_err();
                tell.send((error.kind(), squall_simulator::now())).unwrap();
            }
        });
        (server, client, told)
    };
    simulate(1, |world| {
        let (server, client, told) = silent(world);
        isolate(world, 60 * SECOND, server, client);
        world.run_until(200 * SECOND).unwrap();
        let (kind, at) = told.try_recv().unwrap();
        assert_eq!(kind, ErrorKind::TimedOut);
        assert!((70 * SECOND..82 * SECOND).contains(&at), "{at:?}");
    });
    simulate(1, |world| {
        world.set_default_link(Link {
            loss: Loss::from(0.1),
            ..Link::default()
        });
        let (_, _, told) = silent(world);
        world.run_until(2000 * SECOND).unwrap();
        assert!(
            told.try_recv().is_err(),
            "an answer to one of five probes is enough"
        );
    });
}

#[test]
fn the_ephemeral_ports_run_out() {
    simulate(1, |world| {
        let told = tell(world, "machine", || async {
            let mut sockets = Vec::new();
            loop {
                match UdpSocket::bind("127.0.0.1:0").await {
                    Ok(socket) => sockets.push(socket),
                    Err(error) => break (sockets.len(), error.kind()),
                }
            }
        });
        world.run_until(SECOND).unwrap();
        assert_eq!(told.try_recv(), Ok((28_232, ErrorKind::AddrInUse)));
    });
}

#[test]
fn a_flood_of_forged_syns_locks_nobody_out() {
    simulate(1, |world| {
        let server = world.machine("server", || async {
            let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(b"welcome").await;
            }
        });
        world.at(
            SECOND,
            Intervention::SynFlood {
                to: server,
                port: 80,
                interval: Duration::from_micros(100),
                until: 6 * SECOND,
            },
        );
        let told = tell(world, "client", || async {
            tokio::time::sleep(3 * SECOND).await;
            let mut stream = TcpStream::connect("server:80").await.unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).await.unwrap();
            (text, squall_simulator::now() < 4 * SECOND)
        });
        world.run_until(10 * SECOND).unwrap();
        assert_eq!(told.try_recv(), Ok(("welcome".to_owned(), true)));
    });
}

/// Connects, writes, and closes with a linger time in the given way. Returns how long that took.
async fn linger<F: Future<Output = ()>>(close: impl FnOnce(TcpStream) -> F) -> Duration {
    let mut stream = TcpStream::connect("server:80").await.unwrap();
    SockRef::from(&stream)
        .set_linger(Some(10 * SECOND))
        .unwrap();
    stream.write_all(b"last words").await.unwrap();
    let start = squall_simulator::now();
    close(stream).await;
    squall_simulator::now() - start
}

async fn close_on_a_thread(stream: TcpStream) {
    tokio::task::spawn_blocking(move || drop(stream))
        .await
        .unwrap();
}

#[test]
fn a_close_with_a_linger_time_takes_a_round_trip_or_until_the_time_is_over() {
    let closing = |server_dies: bool| {
        simulate(1, move |world| {
            world.set_default_link(Link {
                latency: Latency::Fixed(Duration::from_millis(50)),
                ..Link::default()
            });
            let server = world.machine("server", || async {
                read_after(Duration::ZERO).await;
            });
            let told = tell(world, "client", || linger(close_on_a_thread));
            if server_dies {
                // After the handshake, and before the last words arrive.
                world.at(Duration::from_millis(120), Intervention::PowerLoss(server));
            }
            world.run_until(60 * SECOND).unwrap();
            told.try_recv().unwrap()
        })
    };
    assert_eq!(closing(false), Duration::from_millis(100));
    assert_eq!(closing(true), 10 * SECOND);
}

#[test]
fn a_close_with_a_linger_time_blocks_the_main_thread_like_any_other() {
    let took = simulate(1, |world| {
        world.set_default_link(Link {
            latency: Latency::Fixed(Duration::from_millis(50)),
            ..Link::default()
        });
        world.machine("server", || async {
            read_after(Duration::ZERO).await;
        });
        let told = tell(world, "client", || linger(async |stream| drop(stream)));
        world.run_until(60 * SECOND).unwrap();
        told.try_recv().unwrap()
    });
    assert_eq!(took, Duration::from_millis(100));
}
