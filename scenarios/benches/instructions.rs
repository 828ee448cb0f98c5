//! What an echo and a delivery of the chat cost in instructions: a figure that does not depend on
//! how busy the computer is.
//!
//! ```sh
//! CARGO_PROFILE_BENCH_LTO=off cargo bench -p squall-cli --bench instructions
//! ```
//!
//! It wants [valgrind](https://valgrind.org), and runs itself under callgrind: each load once, and
//! once longer. The difference is what the additional echoes or deliveries cost, without the
//! building of the world, the handshakes and the end.
//!
//! An echo is that of 101 clients of one server, ten times a second each, as in the bench
//! `engines`; a delivery that of ten clients of the chat who write to everybody, as in `scale`. All
//! of it counts: the programs, their runtimes, the kernels of both machines, the digest.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    reason = "people read the table where cargo bench prints"
)]

use squall_planted::{Client, ClientEvent, ClientOptions, Message, ServerOptions, serve};
use squall_simulator::{Latency, Link, World, simulate};
use std::future::pending;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{interval, sleep};

/// The argument by which this program asks itself to run one load.
const RUN: &str = "--run";

const SECOND: Duration = Duration::from_secs(1);

const PORT: u16 = 7;

/// Something to be counted.
struct Load {
    name: &'static str,
    /// How many messages each client writes in the short run, and in the longer one.
    messages: [u32; 2],
    /// Runs it, and says how many echoes or deliveries there were.
    run: fn(u32) -> u64,
}

const LOADS: [Load; 2] = [
    Load {
        name: "echo",
        messages: [10, 30],
        run: echoes,
    },
    Load {
        name: "delivery",
        messages: [20, 60],
        run: deliveries,
    },
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [RUN, name, messages, ..] => {
            let load = LOADS.iter().find(|load| load.name == name);
            let messages = messages.parse().expect("a number of messages");
            println!("{}", (load.expect("a load").run)(messages));
        }
        ["--bench", ..] => print_table(),
        // `cargo test --benches` runs this without `--bench`: then it is enough that it works.
        _ => LOADS.iter().for_each(|load| assert!((load.run)(1) > 0)),
    }
}

fn print_table() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        return println!("There is no valgrind to count instructions with.");
    }
    println!("{:>10}{:>16}", "", "instructions");
    for load in &LOADS {
        let [short, long] = load.messages.map(|messages| count(load.name, messages));
        let each = (long.instructions - short.instructions) / (long.heard - short.heard);
        println!("{:>10}{each:>16}", load.name);
    }
}

struct Count {
    instructions: u64,
    heard: u64,
}

/// Runs a load under callgrind.
fn count(name: &str, messages: u32) -> Count {
    let program = std::env::current_exe().expect("this program is a file");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([RUN, name, &messages.to_string()])
        .output()
        .expect("valgrind can be started");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {told}");
    let collected = told
        .lines()
        .find_map(|line| line.split("Collected : ").nth(1))
        .and_then(|count| count.trim().parse().ok());
    let heard = String::from_utf8_lossy(&output.stdout).trim().parse();
    Count {
        instructions: collected.expect("callgrind tells how many it has counted"),
        heard: heard.expect("a number"),
    }
}

/// Lets clients talk with a server for as long as they need, at links of a millisecond.
fn talk<F: Future<Output = ()> + 'static>(
    world: &mut World,
    clients: u32,
    server: impl Fn(TcpListener) -> F + Send + Sync + 'static,
    client: impl Fn(&mut World, u32, SocketAddr),
    until: Duration,
) {
    world.set_default_link(Link {
        latency: Latency::Fixed(Duration::from_millis(1)),
        ..Link::default()
    });
    let server = Arc::new(server);
    let machine = world.machine("server", move || {
        let server = Arc::clone(&server);
        async move { server(TcpListener::bind(("0.0.0.0", PORT)).await.expect("free")).await }
    });
    let address = SocketAddr::from((world.address(machine), PORT));
    (0..clients).for_each(|number| client(world, number, address));
    world.run_until(until).expect("all of it can be simulated");
    assert_eq!(world.panics(), []);
}

fn echoes(messages: u32) -> u64 {
    const CLIENTS: u32 = 101;
    const PERIOD: Duration = Duration::from_millis(100);
    let heard = Arc::new(AtomicU64::new(0));
    let client = |world: &mut World, number: u32, address| {
        let heard = Arc::clone(&heard);
        world.machine(&format!("client-{number}"), move || {
            let heard = Arc::clone(&heard);
            async move {
                sleep(PERIOD / CLIENTS * number).await;
                let mut peer = TcpStream::connect(address).await.expect("it listens");
                let (mut period, mut answer) = (interval(PERIOD), [0; 4]);
                for _ in 0..messages {
                    period.tick().await;
                    peer.write_all(b"echo").await.expect("it is connected");
                    peer.read_exact(&mut answer).await.expect("it answers");
                    heard.fetch_add(1, Ordering::Relaxed);
                }
                pending::<()>().await;
            }
        });
    };
    simulate(1, |world| {
        talk(world, CLIENTS, answer, client, PERIOD * (messages + 2));
    });
    heard.load(Ordering::Relaxed)
}

async fn answer(listener: TcpListener) {
    while let Ok((mut peer, _)) = listener.accept().await {
        tokio::spawn(async move {
            let mut message = [0; 4];
            while peer.read_exact(&mut message).await.is_ok() {
                peer.write_all(&message).await.expect("it is connected");
            }
        });
    }
}

fn deliveries(messages: u32) -> u64 {
    const CLIENTS: u32 = 10;
    let heard = Arc::new(AtomicU64::new(0));
    let client = |world: &mut World, number: u32, address: SocketAddr| {
        let heard = Arc::clone(&heard);
        world.machine(&format!("client-{number}"), move || {
            let heard = Arc::clone(&heard);
            let options = ClientOptions {
                name: format!("client-{number}"),
                server: address.to_string(),
                ..ClientOptions::default()
            };
            async move {
                let delivered = move |event| {
                    if let ClientEvent::Delivered { .. } = event {
                        heard.fetch_add(1, Ordering::Relaxed);
                    }
                };
                let client = Client::start(options, Arc::new(delivered));
                // Everybody is there before the first message, so that each is delivered live.
                sleep(SECOND).await;
                for message in 0..messages {
                    let operation = u64::from(number * messages + message);
                    client.send(
                        operation,
                        Message::to_room("lobby", "Is anybody out there?"),
                    );
                }
                pending::<()>().await;
            }
        });
    };
    simulate(1, |world| {
        talk(world, CLIENTS, serve_chat, client, 20 * SECOND);
    });
    heard.load(Ordering::Relaxed)
}

async fn serve_chat(listener: TcpListener) {
    let options = ServerOptions::default();
    serve(
        listener,
        Path::new("chat.db"),
        options,
        Arc::new(|_| ()),
        pending(),
    )
    .await
    .expect("the server serves");
}
