//! Crowds: what a delivery costs here and on the real kernel, and how large a world can be.
//!
//! ```sh
//! cargo bench -p squall-cli --bench scale
//! ```
//!
//! Each line of the tables is measured in a separate process, so that its processor time and memory
//! are those of that line alone. The server and the clients are the chat's, with its default
//! options and over WebSockets; the world's links take one millisecond.
//!
//! On loopback the server has one thread and all clients share another, which is as little work as
//! two programs can make for the real kernel. There the clients send as fast as they are
//! acknowledged; in the world they do so too, and virtual time follows.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    reason = "people read the tables where cargo bench prints"
)]

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use squall_planted::{Client, ClientEvent, ClientOptions, Message, Observer, ServerOptions, serve};
use squall_simulator::{Latency, Link, simulate};
use std::future::pending;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::time::sleep;

/// The argument with which this program calls itself to measure one crowd.
const MEASURE: &str = "--measure";

const PORT: u16 = 3000;

/// How long a packet travels in the world.
const LATENCY: Duration = Duration::from_millis(1);

/// The virtual time between two checks of what was delivered.
const STEP: Duration = Duration::from_millis(100);

/// After this much real time a crowd on loopback is stuck.
const STUCK: Duration = Duration::from_secs(120);

/// Clients that connect, and then write to all.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Crowd {
    floor: Floor,
    clients: usize,
    /// How many of the clients write.
    writers: usize,
    /// How many messages each of them writes.
    messages: usize,
    /// The clients connect one by one within this time.
    #[serde(with = "millis")]
    arrive_within: Duration,
    /// How long the clients stay, in virtual time; on loopback they leave once everything is
    /// delivered.
    #[serde(with = "millis")]
    stay: Duration,
}

/// What the programs run on.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Floor {
    World,
    Loopback,
}

impl Crowd {
    fn deliveries(&self) -> usize {
        self.writers * self.messages * self.clients
    }

    /// When all clients are connected, and the first message is sent.
    fn complete_at(&self) -> Duration {
        self.arrive_within * 2
    }
}

/// What a crowd cost.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Cost {
    /// Processor time of all threads, in seconds.
    processor: f64,
    /// The part of it between the first message and the last delivery.
    talking: f64,
    /// Real time, in seconds.
    real: f64,
    /// The most memory used by the process, in MiB.
    memory: f64,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some(MEASURE) => {
            let crowd = arguments.next().expect("a crowd to measure");
            let crowd = serde_json::from_str(&crowd).expect("a crowd in JSON");
            println!(
                "{}",
                serde_json::to_string(&measure(crowd)).expect("figures")
            );
        }
        Some("--bench") => print_tables(),
        // `cargo test --benches` runs this without `--bench`: then it only has to work.
        _ => {
            measure(talkative(Floor::World, 5, 2));
        }
    }
}

/// A crowd in which all write to all.
fn talkative(floor: Floor, clients: usize, messages: usize) -> Crowd {
    Crowd {
        floor,
        clients,
        writers: clients,
        messages,
        arrive_within: Duration::from_millis(100),
        stay: Duration::from_secs(60),
    }
}

fn print_tables() {
    against_the_real_kernel();
    large_worlds();
}

/// 200,000 deliveries here and on loopback.
fn against_the_real_kernel() {
    println!(
        "{:>8}{:>12}{:>24}{:>24}{:>8}",
        "clients", "deliveries", "CPU s in the world", "CPU s on loopback", "ratio"
    );
    let [here, there] =
        [Floor::World, Floor::Loopback].map(|floor| best_of_three(talkative(floor, 100, 20)));
    println!(
        "{:>8}{:>12}{:>24.2}{:>24.2}{:>8.2}\n",
        100,
        200_000,
        here.processor,
        there.processor,
        here.processor / there.processor
    );
}

/// Quiet crowds, and what a delivery costs among many.
///
/// When a hundred write at once, a client gets their messages together, as in the table above. When
/// one writes alone, each delivery finds nothing of its client in the processor's caches.
fn large_worlds() {
    let hour = Duration::from_secs(3_600);
    let worlds = [
        ("idle for an hour", 1_000, hour, 1, 0),
        ("100 write at once", 100, MINUTE, 100, 20),
        ("100 write at once", 1_000, MINUTE, 100, 2),
        ("100 write at once", 10_000, MINUTE, 100, 1),
        ("one writes alone", 100, MINUTE, 1, 2_000),
        ("one writes alone", 10_000, MINUTE, 1, 20),
    ];
    println!(
        "{:20}{:>8}{:>10}{:>12}{:>14}{:>18}",
        "world", "clients", "real s", "memory MiB", "deliveries", "µs per delivery"
    );
    for (name, clients, stay, writers, messages) in worlds {
        let crowd = Crowd {
            floor: Floor::World,
            clients,
            writers,
            messages,
            arrive_within: Duration::from_secs(10),
            stay,
        };
        let cost = best_of_three(crowd);
        print!(
            "{name:20}{clients:>8}{:>10.2}{:>12.0}{:>14}",
            cost.real,
            cost.memory,
            crowd.deliveries()
        );
        if messages > 0 {
            let each = cost.talking / crowd.deliveries() as f64;
            print!("{:>18.2}", each * 1e6);
        }
        println!();
    }
}

const MINUTE: Duration = Duration::from_secs(60);

fn best_of_three(crowd: Crowd) -> Cost {
    let costs = [0; 3].map(|_| measure_apart(crowd));
    let least = |a: &Cost, b: &Cost| a.processor.total_cmp(&b.processor);
    costs.into_iter().min_by(least).expect("three")
}

/// Measures a crowd in a separate process.
fn measure_apart(crowd: Crowd) -> Cost {
    let program = std::env::current_exe().expect("this program is a file");
    let crowd = serde_json::to_string(&crowd).expect("a crowd is plain data");
    let output = Command::new(program)
        .args([MEASURE, &crowd])
        .output()
        .expect("this program can be started again");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{crowd} could not be measured: {told}"
    );
    serde_json::from_slice(&output.stdout).expect("figures in JSON")
}

fn measure(crowd: Crowd) -> Cost {
    let processor = processor_time();
    let begin = Instant::now();
    let talking = match crowd.floor {
        Floor::World => in_a_world(crowd),
        Floor::Loopback => on_loopback(crowd),
    };
    Cost {
        processor: processor_time() - processor,
        talking,
        real: begin.elapsed().as_secs_f64(),
        memory: peak_memory(),
    }
}

fn in_a_world(crowd: Crowd) -> f64 {
    let delivered = Arc::new(AtomicUsize::new(0));
    simulate(1, |world| {
        world.set_default_link(Link {
            latency: Latency::Fixed(LATENCY),
            ..Link::default()
        });
        let server = world.machine("server", || {
            serve_chat(listen(Ipv4Addr::UNSPECIFIED, PORT), "chat.db".into())
        });
        let address = SocketAddr::from((world.address(server), PORT));
        for number in 0..crowd.clients {
            let observer = counter(&delivered);
            let program = move || use_chat(crowd, number, address, observer.clone());
            world.machine(&format!("client-{number}"), program);
        }
        let mut go_on_until = |time| world.run_until(time).expect("all of it can be simulated");
        go_on_until(crowd.complete_at());
        let processor = processor_time();
        let mut now = crowd.complete_at();
        while delivered.load(Ordering::Relaxed) < crowd.deliveries() {
            assert!(
                now < crowd.stay,
                "the crowd did not get all that was written"
            );
            now += STEP;
            go_on_until(now);
        }
        let talking = processor_time() - processor;
        go_on_until(crowd.stay);
        assert_eq!(world.panics(), []);
        talking
    })
}

fn on_loopback(crowd: Crowd) -> f64 {
    let delivered = Arc::new(AtomicUsize::new(0));
    let folder = std::env::temp_dir().join(format!("squall-scale-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for the database");
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    let database = folder.join("chat.db");
    thread::spawn(move || {
        let listener = async move {
            listener.set_nonblocking(true).expect("a socket like any");
            TcpListener::from_std(listener).expect("the runtime runs")
        };
        runtime().block_on(serve_chat(listener, database));
    });
    let talking = runtime().block_on(async {
        for number in 0..crowd.clients {
            tokio::spawn(use_chat(crowd, number, address, counter(&delivered)));
        }
        sleep(crowd.complete_at()).await;
        let (begin, processor) = (Instant::now(), processor_time());
        while delivered.load(Ordering::Relaxed) < crowd.deliveries() {
            assert!(begin.elapsed() < STUCK, "the crowd on loopback is stuck");
            sleep(Duration::from_millis(1)).await;
        }
        processor_time() - processor
    });
    std::fs::remove_dir_all(folder).expect("the folder is still there");
    talking
}

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = Builder::new_current_thread();
    builder
        .enable_io()
        .enable_time()
        .build()
        .expect("a runtime")
}

async fn listen(address: Ipv4Addr, port: u16) -> TcpListener {
    TcpListener::bind((address, port))
        .await
        .expect("a free port")
}

async fn serve_chat(listener: impl Future<Output = TcpListener>, database: PathBuf) {
    let (listener, options) = (listener.await, ServerOptions::default());
    let database: &Path = &database;
    serve(listener, database, options, Arc::new(|_| ()), pending())
        .await
        .expect("the server serves");
}

async fn use_chat(
    crowd: Crowd,
    number: usize,
    server: SocketAddr,
    observer: Observer<ClientEvent>,
) {
    let arrives = crowd.arrive_within * number as u32 / crowd.clients as u32;
    sleep(arrives).await;
    let options = ClientOptions {
        name: format!("client-{number}"),
        server: server.to_string(),
        ..ClientOptions::default()
    };
    let client = Client::start(options, observer);
    // All are there before the first message, so that each message is delivered live.
    sleep(crowd.complete_at() - arrives).await;
    if number < crowd.writers {
        for message in 0..crowd.messages {
            let operation = (number * crowd.messages + message) as u64;
            client.send(
                operation,
                Message::to_room("lobby", "Is anybody out there?"),
            );
        }
    }
    pending::<()>().await
}

fn counter(delivered: &Arc<AtomicUsize>) -> Observer<ClientEvent> {
    let delivered = Arc::clone(delivered);
    Arc::new(move |event| {
        if let ClientEvent::Delivered { .. } = event {
            delivered.fetch_add(1, Ordering::Relaxed);
        }
    })
}

/// The processor time used by all threads of this process, in seconds.
fn processor_time() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The most memory used by this process, in MiB (proc(5), `VmHWM`).
fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux has /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    kib.and_then(|kib| kib.parse::<f64>().ok())
        .expect("a number of KiB")
        / 1024.0
}

/// A duration in JSON: milliseconds as a number.
mod millis {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(time: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(time.as_millis() as u64)
    }

    pub(super) fn deserialize<'d, D: Deserializer<'d>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_millis)
    }
}
