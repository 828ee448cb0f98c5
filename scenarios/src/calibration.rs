//! Calibration: what TCP does in the simulated world, beside what theory says it should do.
//!
//! Each row is measured with ordinary tokio programs on two machines. The theory is that of RFC 6298
//! for time-outs, of `min(rate, window / round trip)` for throughput without losses, and for
//! throughput with them the bound of Mathis and others ("The Macroscopic Behavior of the TCP
//! Congestion Avoidance Algorithm", 1997): `MSS / round trip · sqrt(3 / 2p)`.

use squall_simulator::{Fault, Latency, Link, Loss, MachineId, Rate, World, now, simulate};
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::sync::mpsc::channel;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// One thing that was measured.
#[derive(Clone, Debug)]
pub struct Row {
    /// What, under which conditions.
    pub what: String,
    /// What came out.
    pub measured: f64,
    /// What theory says.
    pub theory: f64,
    /// The unit of both.
    pub unit: &'static str,
    /// Why they differ, or why they do not.
    pub why: &'static str,
    /// Between what their ratio must be.
    pub bounds: RangeInclusive<f64>,
}

impl Row {
    /// What was measured over what theory says.
    pub fn ratio(&self) -> f64 {
        self.measured / self.theory
    }
}

const PORT: u16 = 80;
const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// What a connection buffers at each end, in bytes: no more is under way at a time.
const WINDOW: f64 = 32.0 * 1024.0;

/// Bytes of data in a full segment, and of the packet that carries it.
const MSS: f64 = 1460.0;
const PACKET: f64 = 1500.0;

/// Measures everything. It takes some seconds.
pub fn calibrate() -> Vec<Row> {
    let mut rows: Vec<Row> = [1, 25, 280].map(|ms| handshake(ms * MS)).into();
    rows.extend(syn_retransmissions());
    rows.extend(data_retransmissions());
    for (rate, round_trip) in [(1, 20), (10, 20), (1000, 20), (1000, 100), (1000, 560)] {
        rows.push(throughput_without_loss(rate, round_trip * MS));
    }
    for (loss, round_trip) in [(0.01, 100), (0.02, 100), (0.05, 100), (0.02, 400)] {
        rows.push(throughput_with_loss(loss, round_trip * MS));
    }
    rows
}

/// The rows as a table in Markdown.
pub fn table(rows: &[Row]) -> String {
    let mut table =
        String::from("| what | measured | theory | ratio | why |\n|---|---:|---:|---:|---|\n");
    for row in rows {
        let (measured, theory, unit) = (row.measured, row.theory, row.unit);
        let _ = writeln!(
            table,
            "| {} | {measured:.3} {unit} | {theory:.3} {unit} | {:.2} | {} |",
            row.what,
            row.ratio(),
            row.why
        );
    }
    table
}

fn plain(round_trip: Duration) -> Link {
    Link {
        latency: Latency::Fixed(round_trip / 2),
        ..Link::default()
    }
}

/// A connect takes a round trip.
fn handshake(latency: Duration) -> Row {
    let took = simulate(1, |world| {
        world.set_default_link(plain(latency * 2));
        let server = world.machine("server", listen);
        let address = world.address(server);
        let (tell, told) = channel();
        world.machine("client", move || {
            let tell = tell.clone();
            async move {
                let began = now();
                let _peer = TcpStream::connect((address, PORT))
                    .await
                    .expect("it listens");
                let _ = tell.send(now() - began);
            }
        });
        run(world, 10 * SECOND);
        told.try_recv().expect("it connects")
    });
    Row {
        what: format!("handshake, {latency:?} each way"),
        measured: took.as_secs_f64() * 1e3,
        theory: latency.as_secs_f64() * 2e3,
        unit: "ms",
        why: "a round trip",
        bounds: 0.99..=1.01,
    }
}

/// A server that takes connections and says nothing.
async fn listen() {
    let listener = TcpListener::bind(("0.0.0.0", PORT))
        .await
        .expect("a free port");
    let mut peers = Vec::new();
    while let Ok((peer, _)) = listener.accept().await {
        peers.push(peer);
    }
}

/// When packets from a machine to another were dropped by a partition.
fn cut_times(world: &World, from: &str, to: &str) -> Vec<Duration> {
    let what = format!("cut {from} > {to},");
    let events = world.trace().iter();
    events
        .filter(|event| event.what.starts_with(&what))
        .map(|event| event.at)
        .collect()
}

fn cut(from: MachineId, to: MachineId) -> Fault {
    let (from, to) = (vec![from], vec![to]);
    Fault::Cut { from, to }
}

/// A SYN that is not answered is sent again after the initial time-out, and then after twice as long
/// each time.
fn syn_retransmissions() -> Vec<Row> {
    let sent = simulate(1, |world| {
        world.record_trace();
        let server = world.machine("server", listen);
        let address = world.address(server);
        let client = world.machine("client", move || async move {
            tokio::time::sleep(SECOND).await;
            let _ = TcpStream::connect((address, PORT)).await;
        });
        world.at(Duration::ZERO, cut(client, server));
        run(world, 40 * SECOND);
        cut_times(world, "client", "server")
    });
    retransmissions(
        "SYN",
        &sent,
        "RFC 6298: 1 s, then doubled; Linux does the same",
    )
}

/// Data that is not acknowledged is sent again after the time-out, which is at least a second.
fn data_retransmissions() -> Vec<Row> {
    let sent = simulate(1, |world| {
        world.record_trace();
        world.set_default_link(plain(100 * MS));
        let server = world.machine("server", listen);
        let address = world.address(server);
        let client = world.machine("client", move || async move {
            let mut peer = TcpStream::connect((address, PORT))
                .await
                .expect("it listens");
            // Round trips to measure, and then a byte into the partition.
            for _ in 0..30 {
                peer.write_u8(1).await.expect("it is connected");
                tokio::time::sleep(SECOND).await;
            }
            std::future::pending::<()>().await;
        });
        world.at(Duration::from_millis(28_500), cut(client, server));
        run(world, 60 * SECOND);
        cut_times(world, "client", "server")
    });
    // The second byte of the partition joins the first one's retransmission.
    retransmissions(
        "data",
        &sent,
        "RFC 6298: at least 1 s (section 2.4), then doubled; Linux begins with 200 ms",
    )
}

/// How long after the first time a segment was sent again, each time.
fn retransmissions(what: &str, sent: &[Duration], why: &'static str) -> Vec<Row> {
    let expected = [1.0, 3.0, 7.0, 15.0];
    let first = sent.first().copied().unwrap_or_default();
    expected
        .into_iter()
        .zip(1..)
        .map(|(theory, number)| Row {
            what: format!("retransmission {number} of {what}, after the first sending"),
            measured: sent
                .iter()
                .skip(number)
                .map(|&at| (at - first).as_secs_f64())
                .next()
                .unwrap_or(f64::INFINITY),
            theory,
            unit: "s",
            why,
            bounds: 0.95..=1.05,
        })
        .collect()
}

fn throughput_without_loss(megabits: u64, round_trip: Duration) -> Row {
    let measured = throughput(Link {
        rate: Some(Rate::bits_per_second(megabits * 1_000_000)),
        ..plain(round_trip)
    });
    let rate = megabits as f64 * MSS / PACKET;
    let window = WINDOW * 8e-6 / round_trip.as_secs_f64();
    Row {
        what: format!("throughput, {megabits} Mbit/s, round trip {round_trip:?}"),
        measured,
        theory: rate.min(window),
        unit: "Mbit/s",
        why: if rate * 2.0 < window {
            "the rate, less headers of 40 bytes in 1500"
        } else if rate < window {
            "the rate; the buffer, not always full, is just enough for it"
        } else {
            "32 KiB of buffer in a round trip; a quarter of it is empty on average, because a writer \
            is woken when a third is free"
        },
        bounds: 0.7..=1.02,
    }
}

fn throughput_with_loss(loss: f64, round_trip: Duration) -> Row {
    let measured = throughput(Link {
        loss: Loss::from(loss),
        ..plain(round_trip)
    });
    let segments = (1.5 / loss).sqrt().min(WINDOW / MSS);
    Row {
        what: format!(
            "throughput, {}% lost, round trip {round_trip:?}",
            loss * 100.0
        ),
        measured,
        theory: segments * MSS * 8e-6 / round_trip.as_secs_f64(),
        unit: "Mbit/s",
        why: "a bound: acknowledgements are lost and delayed as well, without SACK several losses in \
            a round trip end in a time-out, and that is at least 1 s",
        bounds: 0.1..=1.05,
    }
}

/// Megabits per second that arrive over a link from the tenth second on.
fn throughput(link: Link) -> f64 {
    const FROM: Duration = Duration::from_secs(10);
    const UNTIL: Duration = Duration::from_secs(40);
    let bytes = simulate(1, |world| {
        world.set_default_link(link);
        let server = world.machine("server", give);
        let address = world.address(server);
        let (tell, told) = channel();
        world.machine("client", move || {
            let tell = tell.clone();
            async move {
                let mut peer = TcpStream::connect((address, PORT))
                    .await
                    .expect("it listens");
                let mut buffer = vec![0; 1 << 16];
                while let Ok(read @ 1..) = peer.read(&mut buffer).await {
                    if now() >= FROM {
                        let _ = tell.send(read);
                    }
                }
            }
        });
        run(world, UNTIL);
        told.try_iter().sum::<usize>()
    });
    bytes as f64 * 8e-6 / (UNTIL - FROM).as_secs_f64()
}

/// A server that sends as much as it can.
async fn give() {
    let listener = TcpListener::bind(("0.0.0.0", PORT))
        .await
        .expect("a free port");
    while let Ok((mut peer, _)) = listener.accept().await {
        tokio::spawn(async move {
            let bytes = vec![7; 1 << 16];
            while peer.write_all(&bytes).await.is_ok() {}
        });
    }
}

fn run(world: &mut World, until: Duration) {
    world
        .run_until(until)
        .expect("these programs ask for nothing that is not simulated");
}
