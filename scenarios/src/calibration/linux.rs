//! What Linux does, measured, and the same programs in the simulated world.
//!
//! Linux 6.18, x86-64, CUBIC, all settings as they come. Two network namespaces, a TUN device in each, and between
//! them a program that forwards packets after a delay, through a queue with a rate, and loses or cuts what it is told to:
//! it and the measuring program with real-time priority, 0.2 ms of jitter. A row is the median of what was measured, or
//! the mean of two runs where the losses were random (then in both directions, so acknowledgements were lost as well). The
//! metrics that Linux remembers of destinations were flushed between runs.
//!
//! Its timers go off up to an eighth of their time late (the timer wheel), and the world's at once: that is most of what
//! is left between the two where a time-out is measured.

use super::stage::{MS, PORT, Row, SECOND, cut, cut_times, plain, run};
use squall_simulator::{Fault, Link, Loss, MachineId, Rate, World, now, simulate};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How close the world has to come, and where the losses are random.
const CLOSE: RangeInclusive<f64> = 0.85..=1.15;
const RANDOM: RangeInclusive<f64> = 0.75..=1.25;

/// When the messages begin.
const START: Duration = Duration::from_secs(2);

/// Bytes of a message.
const MESSAGE: usize = 100;

/// The queue in front of a rate, in bytes.
const QUEUE: u64 = 1_500_000;

/// Measures everything that was measured on Linux.
pub(super) fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (round_trip, linux) in [
        (2, 209.1),
        (20, 238.0),
        (50, 304.3),
        (100, 371.9),
        (200, 515.5),
        (400, 852.5),
    ] {
        rows.push(tail_loss(round_trip, linux));
    }
    for (round_trip, spacing, linux) in [
        (20, 20, 50.6),
        (100, 20, 179.1),
        (200, 20, 358.0),
        (100, 5, 171.9),
        (100, 100, 251.0),
    ] {
        rows.push(loss_in_a_stream(round_trip, spacing, linux));
    }
    for (bytes, linux) in [
        (1_000, 200.5),
        (10_000, 200.6),
        (50_000, 408.0),
        (100_000, 459.4),
        (1_000_000, 811.7),
    ] {
        rows.push(fetch(100, bytes, linux));
    }
    rows.extend(small_writes());
    rows.extend(syns());
    rows.extend(silent_peers());
    rows.extend(goodputs());
    rows
}

/// Each costs seconds, so they are played side by side.
fn goodputs() -> Vec<Row> {
    let without_losses = [
        (1000, 20, 1000..1500, 891.4),
        (100, 20, 2000..5000, 97.4),
        (10, 20, 2000..17_000, 9.0),
        (1000, 100, 2000..3500, 228.0),
        (10, 100, 2000..17_000, 9.02),
    ];
    let with_losses = [
        (20, 0.001, 22.2),
        (20, 0.01, 5.86),
        (100, 0.001, 7.26),
        (100, 0.01, 1.40),
        (100, 0.02, 0.908),
        (100, 0.05, 0.477),
        (400, 0.02, 0.505),
    ];
    std::thread::scope(|scope| {
        let without_losses = without_losses.map(|(megabits, round_trip, span, linux)| {
            scope.spawn(move || goodput(megabits, round_trip, 0.0, span, linux))
        });
        let with_losses = with_losses.map(|(round_trip, loss, linux)| {
            scope.spawn(move || goodput(100, round_trip, loss, 2000..17_000, linux))
        });
        let all = without_losses.into_iter().chain(with_losses);
        all.map(|row| row.join().expect("a measurement does not panic"))
            .collect()
    })
}

fn row(what: String, measured: f64, linux: f64, unit: &'static str, why: &'static str) -> Row {
    Row {
        what,
        measured,
        expected: linux,
        unit,
        why,
        bounds: CLOSE,
    }
}

/// Whatever a program has measured: a name or number, and a value.
type Told = Sender<(u64, f64)>;

/// Lets a server and a client talk over a link, with faults from `prepare`, which knows them in this order.
fn talk<S, C>(
    seed: u64,
    link: Link,
    server: fn(Told) -> S,
    client: impl Fn(SocketAddr, Told) -> C + Send + 'static,
    until: Duration,
    prepare: impl FnOnce(&mut World, MachineId, MachineId) + Send,
) -> Vec<(u64, f64)>
where
    S: Future<Output = ()> + 'static,
    C: Future<Output = ()> + 'static,
{
    simulate(seed, move |world| {
        world.set_default_link(link);
        let (tell, told): (Told, Receiver<_>) = channel();
        let of_server = tell.clone();
        let a = world.machine("server", move || server(of_server.clone()));
        let address = (world.address(a), PORT).into();
        let b = world.machine("client", move || client(address, tell.clone()));
        prepare(world, a, b);
        run(world, until);
        told.try_iter().collect()
    })
}

async fn until(at: Duration) {
    tokio::time::sleep(at.saturating_sub(now())).await;
}

async fn listen() -> TcpListener {
    TcpListener::bind(("0.0.0.0", PORT))
        .await
        .expect("a free port")
}

async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.expect("it listens")
}

/// Tells how long each message was under way, in milliseconds.
async fn take_messages(tell: Told) {
    let (mut peer, _) = listen().await.accept().await.expect("somebody comes");
    peer.set_nodelay(true).expect("a connection");
    let mut message = [0; MESSAGE];
    while peer.read_exact(&mut message).await.is_ok() {
        let [number, sent] = [0, 8]
            .map(|at| u64::from_le_bytes(message[at..at + 8].try_into().expect("eight bytes")));
        let took = now().saturating_sub(Duration::from_nanos(sent));
        let _ = tell.send((number, took.as_secs_f64() * 1e3));
    }
}

/// Sends messages at equal times. The first packet of those of which `is_lost` says so is lost. Returns the median of
/// how long these took.
fn messages(round_trip: u64, interval: Duration, count: u64, is_lost: fn(u64) -> bool) -> f64 {
    let client = move |address, _: Told| async move {
        let mut peer = connect(address).await;
        peer.set_nodelay(true).expect("a connection");
        for number in 1..=count {
            until(START + interval * number as u32).await;
            let mut message = [0; MESSAGE];
            message[..8].copy_from_slice(&number.to_le_bytes());
            message[8..16].copy_from_slice(&(now().as_nanos() as u64).to_le_bytes());
            peer.write_all(&message).await.expect("it is connected");
        }
        std::future::pending::<()>().await;
    };
    let end = START + interval * (count as u32 + 1) + 5 * SECOND;
    let told = talk(
        1,
        plain(round_trip as u32 * MS),
        take_messages,
        client,
        end,
        |world, server, client| {
            for number in (1..=count).filter(|&number| is_lost(number)) {
                let at = START + interval * number as u32;
                // Not a partition: that would drop what is under way as well.
                for (at, loss) in [(at - MS * 2 / 5, 1.0), (at + MS * 2 / 5, 0.0)] {
                    let link = Link {
                        loss: Loss::from(loss),
                        ..plain(round_trip as u32 * MS)
                    };
                    let (from, to) = (vec![client], vec![server]);
                    let link = Box::new(link);
                    world.at(at, Fault::Link { from, to, link });
                }
            }
        },
    );
    let late = told.into_iter().filter(|&(number, _)| is_lost(number));
    median(late.map(|(_, took)| took).collect())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values
        .get(values.len() / 2)
        .copied()
        .unwrap_or(f64::INFINITY)
}

fn tail_loss(round_trip: u64, linux: f64) -> Row {
    let interval = Duration::from_millis((4 * round_trip + 400).max(1000));
    let measured = messages(round_trip, interval, 20, |number| {
        number >= 8 && number % 4 == 0
    });
    row(
        format!("a message whose only packet is lost, round trip {round_trip} ms"),
        measured,
        linux,
        "ms",
        "the tail-loss probe, or the time-out if that is sooner",
    )
}

fn loss_in_a_stream(round_trip: u64, spacing: u64, linux: f64) -> Row {
    let interval = Duration::from_millis(spacing);
    let measured = messages(round_trip, interval, 380, |number| {
        number >= 100 && number % 50 == 0
    });
    row(
        format!("a lost message, one each {spacing} ms, round trip {round_trip} ms"),
        measured,
        linux,
        "ms",
        "RACK: a round trip and a quarter, or three that arrived behind it",
    )
}

/// Gives as many bytes as it is asked for.
async fn give(_: Told) {
    let listener = listen().await;
    while let Ok((mut peer, _)) = listener.accept().await {
        tokio::spawn(async move {
            peer.set_nodelay(true).expect("a connection");
            if let Ok(bytes) = peer.read_u32().await {
                let _ = peer.write_all(&vec![7; bytes as usize]).await;
            }
            let _ = peer.read_u8().await;
        });
    }
}

fn fetch(round_trip: u64, bytes: u32, linux: f64) -> Row {
    let client = move |address, tell: Told| async move {
        let began = now();
        let mut peer = connect(address).await;
        peer.write_u32(bytes).await.expect("it is connected");
        let mut content = vec![0; bytes as usize];
        peer.read_exact(&mut content).await.expect("it is given");
        let _ = tell.send((0, (now() - began).as_secs_f64() * 1e3));
    };
    let told = talk(
        1,
        plain(round_trip as u32 * MS),
        give,
        client,
        60 * SECOND,
        |_, _, _| {},
    );
    row(
        format!(
            "fetch {} kB, with connect, round trip {round_trip} ms",
            bytes / 1000
        ),
        median(told.into_iter().map(|(_, took)| took).collect()),
        linux,
        "ms",
        "ten segments at first, twice as many in each round trip",
    )
}

async fn echo(_: Told) {
    let (mut peer, _) = listen().await.accept().await.expect("somebody comes");
    let mut message = [0; MESSAGE];
    while peer.read_exact(&mut message).await.is_ok() {
        peer.write_all(&message).await.expect("it is connected");
    }
}

/// A request in two writes, without `TCP_NODELAY`.
fn small_writes() -> Vec<Row> {
    let client = |address, tell: Told| async move {
        let mut peer = connect(address).await;
        for number in 0..20 {
            let began = now();
            for _ in 0..2 {
                peer.write_all(&[1; MESSAGE / 2])
                    .await
                    .expect("it is connected");
            }
            peer.read_exact(&mut [0; MESSAGE]).await.expect("an echo");
            let _ = tell.send((number, (now() - began).as_secs_f64() * 1e3));
        }
    };
    let told = talk(1, plain(20 * MS), echo, client, 60 * SECOND, |_, _, _| {});
    let last: Vec<f64> = told
        .iter()
        .filter(|(number, _)| *number >= 17)
        .map(|&(_, took)| took)
        .collect();
    let first = told.first().map_or(f64::INFINITY, |&(_, took)| took);
    vec![
        row(
            "the first write, write, read without TCP_NODELAY, round trip 20 ms".into(),
            first,
            40.5,
            "ms",
            "two round trips: Nagle's algorithm waits for an acknowledgement, which is not delayed yet",
        ),
        row(
            "a later one".into(),
            median(last),
            84.0,
            "ms",
            "two round trips, and the delayed acknowledgement",
        ),
    ]
}

/// When a SYN is sent again that is not answered.
fn syns() -> Vec<Row> {
    let sent = simulate(1, |world| {
        world.record_trace();
        let server = world.machine("server", || async {
            listen().await.accept().await.map_or((), drop)
        });
        let address = world.address(server);
        let client = world.machine("client", move || async move {
            until(SECOND).await;
            let _ = TcpStream::connect((address, PORT)).await;
        });
        world.at(Duration::ZERO, cut(client, server));
        run(world, 140 * SECOND);
        cut_times(world, "client", "server")
    });
    let first = sent.first().copied().unwrap_or_default();
    let again: Vec<f64> = sent
        .iter()
        .skip(1)
        .map(|&at| (at - first).as_secs_f64())
        .collect();
    let linux = [1.0, 2.0, 3.1, 4.1, 5.1, 7.1, 11.0, 19.0, 36.0, 69.0];
    linux
        .into_iter()
        .zip(1..)
        .map(|(linux, number)| {
            row(
                format!("retransmission {number} of a SYN"),
                again.get(number - 1).copied().unwrap_or(f64::INFINITY),
                linux,
                "s",
                "four times after a second (tcp_syn_linear_timeouts), then after twice as long each time",
            )
        })
        .collect()
}

/// How long it takes until a peer that has gone silent is given up.
fn silent_peers() -> Vec<Row> {
    const CUT: Duration = Duration::from_secs(12);
    let measure = |prepare: fn(&socket2::SockRef<'_>), writes: bool, limit: u32| {
        let client = move |address, tell: Told| async move {
            let mut peer = connect(address).await;
            peer.set_nodelay(true).expect("a connection");
            prepare(&socket2::SockRef::from(&peer));
            for _ in 0..10 {
                peer.write_all(&[1; 10]).await.expect("it is connected");
                tokio::time::sleep(200 * MS).await;
            }
            until(CUT + 50 * MS).await;
            let began = now();
            if writes {
                peer.write_all(&[1; 10]).await.expect("it is connected");
            }
            let error = peer.read_u8().await.expect_err("nobody answers");
            assert_eq!(error.kind(), ErrorKind::TimedOut);
            let _ = tell.send((0, (now() - began).as_secs_f64()));
        };
        let told = talk(
            1,
            plain(20 * MS),
            take_messages,
            client,
            limit * SECOND,
            |world, server, client| {
                world.at(CUT, cut(client, server));
                world.at(CUT, cut(server, client));
            },
        );
        median(told.into_iter().map(|(_, took)| took).collect())
    };
    let keep_alive = |socket: &socket2::SockRef<'_>| {
        let times = socket2::TcpKeepalive::new()
            .with_time(10 * SECOND)
            .with_interval(5 * SECOND)
            .with_retries(3);
        socket.set_tcp_keepalive(&times).expect("a connection");
    };
    let patience = |socket: &socket2::SockRef<'_>| {
        socket
            .set_tcp_user_timeout(Some(5 * SECOND))
            .expect("a connection");
    };
    vec![
        row(
            "a dead peer, with data under way".into(),
            measure(|_| {}, true, 1200),
            961.3,
            "s",
            "tcp_retries2: at the first time-out after 924.6 s",
        ),
        row(
            "the same with TCP_USER_TIMEOUT of 5 s".into(),
            measure(patience, true, 60),
            5.475,
            "s",
            "it begins with the first retransmission",
        ),
        row(
            "the same without data: keep-alive after 10 s, each 5 s, three times".into(),
            measure(keep_alive, false, 60),
            25.48,
            "s",
            "the last probe is waited for as well",
        ),
    ]
}

/// Takes all there is, and tells when how many bytes came.
async fn swallow(tell: Told) {
    let (mut peer, _) = listen().await.accept().await.expect("somebody comes");
    let mut buffer = vec![0; 1 << 18];
    while let Ok(read @ 1..) = peer.read(&mut buffer).await {
        let _ = tell.send((now().as_millis() as u64, read as f64));
    }
}

/// What arrives in a span of milliseconds. (On Linux it was that from 2 s to 17 s, of which the programs with the most
/// packets play less.)
fn goodput(megabits: u64, round_trip: u32, loss: f64, span: Range<u64>, linux: f64) -> Row {
    // With random losses a run says little, and with few packets least: the mean of several.
    let seeds: u32 = match linux {
        _ if loss == 0.0 => 1,
        10.0.. => 2,
        2.0.. => 4,
        _ => 16,
    };
    let link = Link {
        rate: Some(Rate {
            bits_per_second: megabits * 1_000_000,
            queue_bytes: QUEUE,
        }),
        loss: Loss::from(loss),
        ..plain(round_trip * MS)
    };
    let client = |address, _: Told| async move {
        let mut peer = connect(address).await;
        peer.set_nodelay(true).expect("a connection");
        let bytes = vec![7; 1 << 18];
        while peer.write_all(&bytes).await.is_ok() {}
    };
    let until = Duration::from_millis(span.end);
    let total: f64 = (1..=seeds)
        .flat_map(|seed| {
            let seed = seed.into();
            talk(seed, link.clone(), swallow, client, until, |_, _, _| {})
        })
        .filter(|(at, _)| span.contains(at))
        .map(|(_, bytes)| bytes)
        .sum();
    let seconds = (span.end - span.start) as f64 / 1e3;
    let measured = total * 8e-6 / seconds / f64::from(seeds);
    let what = match loss {
        0.0 => format!("goodput, {megabits} Mbit/s, round trip {round_trip} ms"),
        loss => format!(
            "goodput, {megabits} Mbit/s, round trip {round_trip} ms, {}% lost",
            loss * 100.0
        ),
    };
    Row {
        bounds: if loss > 0.0 { RANDOM } else { CLOSE },
        ..row(
            what,
            measured,
            linux,
            "Mbit/s",
            match (loss, megabits, round_trip) {
                (0.0, 1000, 100) => "3 MiB of window in a round trip",
                (0.0, ..) => "the rate, less headers, and what slow start loses of a deep queue",
                _ => "CUBIC",
            },
        )
    }
}
