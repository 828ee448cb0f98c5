//! Calibration: what TCP does in the simulated world, beside what theory says it should do, and what Linux does.
//!
//! Each row is measured with ordinary tokio programs on two machines. The theory is small: a handshake takes a round
//! trip, and a link carries its rate. The rest was measured on Linux (`linux`).

mod linux;
mod stage;

pub use stage::Row;

use squall_simulator::{Link, Rate, now, simulate};
use stage::{MS, PORT, SECOND, plain, run};
use std::fmt::Write as _;
use std::sync::mpsc::channel;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Bytes of data in a full segment, beside its timestamps, and of the packet that carries it.
const MSS: f64 = 1448.0;
const PACKET: f64 = 1500.0;

/// Measures everything. It takes a minute or two.
pub fn calibrate() -> Vec<Row> {
    let mut rows: Vec<Row> = [1, 25, 280].map(|ms| handshake(ms * MS)).into();
    rows.extend([1, 10].map(throughput));
    rows.extend(linux::rows());
    rows
}

/// The rows as a table in Markdown.
pub fn table(rows: &[Row]) -> String {
    let mut table =
        String::from("| what | world | expected | ratio | why |\n|---|---:|---:|---:|---|\n");
    for row in rows {
        let (measured, expected, unit) = (row.measured, row.expected, row.unit);
        let _ = writeln!(
            table,
            "| {} | {measured:.3} {unit} | {expected:.3} {unit} | {:.2} | {} |",
            row.what,
            row.ratio(),
            row.why
        );
    }
    table
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
        expected: latency.as_secs_f64() * 2e3,
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

/// Megabits per second that arrive over a link with a rate from the tenth second on.
fn throughput(megabits: u64) -> Row {
    const FROM: Duration = Duration::from_secs(10);
    const UNTIL: Duration = Duration::from_secs(40);
    let round_trip = 20 * MS;
    let bytes = simulate(1, |world| {
        world.set_default_link(Link {
            rate: Some(Rate::bits_per_second(megabits * 1_000_000)),
            ..plain(round_trip)
        });
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
    Row {
        what: format!("throughput, {megabits} Mbit/s, round trip {round_trip:?}"),
        measured: bytes as f64 * 8e-6 / (UNTIL - FROM).as_secs_f64(),
        expected: megabits as f64 * MSS / PACKET,
        unit: "Mbit/s",
        why: "the rate, less headers of 52 bytes in 1500",
        bounds: 0.95..=1.02,
    }
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
