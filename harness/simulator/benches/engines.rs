//! How much virtual time passes in a second of real time: our two engines beside plain turmoil-net and
//! plain turmoil.
//!
//! ```sh
//! cargo bench -p squall-simulator --features turmoil --bench engines
//! ```
//!
//! The same clients and the same echo server run everywhere, with 12 to 1002 machines and a latency of
//! one millisecond, under two loads: *echo*, where every client has an answer ten times a second, and
//! *heartbeat*, where it has an open connection and says something every 25 seconds. A column of the table
//! is a function in [`ENGINES`].
//!
//! This is a plain program and not criterion's: a run of a large crowd takes seconds, and criterion would
//! want ten of each. A run of less than a second is made three times, and the fastest counts. A run that
//! is not over after [`BUDGET`] is stopped; its figure has a star and is that of the part it got through, in
//! which some clients may not even have begun: it flatters. Each load and size is measured on all engines
//! before the next, so that a computer that is busy for a while favours none of them.
//!
//! What is measured is the whole run, from the building of the world to its end. turmoil and turmoil-net
//! are used as their documentation tells: `turmoil::Sim` and `fixture::ClientServer`, with the tick of 1 ms
//! that is their default. They do not do the same work: on our engines the clients are unmodified tokio
//! programs with a runtime of their own, packets are bytes with checksums, and all goes into a digest.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use squall_simulator::{Engine, Latency, Link, simulate_on};
use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::select;
use tokio::time::{interval, sleep};
use turmoil_net::fixture::ClientServer;

/// The columns of the table. To add an engine, write a function that runs a crowd on it.
const ENGINES: [(&str, Simulate); 4] = [
    ("squall", |crowd| on_squall(Engine::Native, crowd)),
    ("squall on turmoil", |crowd| {
        on_squall(Engine::Turmoil, crowd)
    }),
    ("turmoil-net 0.1.0", on_turmoil_net),
    ("turmoil 0.7.2", on_turmoil),
];

/// Runs a crowd, and says how much virtual time passed until it was over.
type Simulate = fn(&Crowd) -> Duration;

const LOADS: [Load; 2] = [
    Load {
        name: "echo",
        period: Duration::from_millis(100),
        virtual_time: Duration::from_secs(30),
    },
    Load {
        name: "heartbeat",
        period: Duration::from_secs(25),
        virtual_time: Duration::from_secs(1000),
    },
];

/// The numbers of machines, the server included.
const MACHINES: [u32; 6] = [12, 32, 102, 202, 502, 1002];

/// How much real time a run may take.
const BUDGET: Duration = Duration::from_secs(5);

/// A run that takes less real time than this is repeated.
const SHORT: Duration = Duration::from_secs(1);

/// How long a packet travels, on every engine.
const LATENCY: Duration = Duration::from_millis(1);

/// The virtual time between two looks at the real clock, where an engine runs on by itself.
const STEP: Duration = Duration::from_millis(10);

const PORT: u16 = 7;

fn main() {
    // `cargo test --benches` runs this without `--bench`: then it is enough that it works.
    let benchmark = std::env::args().any(|argument| argument == "--bench");
    let sizes = if benchmark {
        &MACHINES[..]
    } else {
        &MACHINES[..1]
    };

    println!("simulated seconds per real second\n");
    print!("{:10}{:>9}", "load", "machines");
    ENGINES.iter().for_each(|(name, _)| print!("{name:>20}"));
    println!();
    for load in LOADS {
        for &machines in sizes {
            print!("{:10}{machines:>9}", load.name);
            for (_, engine) in ENGINES {
                print!("{:>20}", best(engine, load, machines).to_string());
                io::stdout().flush().expect("somebody reads the table");
            }
            println!();
        }
    }
    println!("\n* stopped after {} s of real time", BUDGET.as_secs());
}

/// Who talks how often, and for how long.
#[derive(Clone, Copy)]
struct Load {
    name: &'static str,
    /// The time from one message of a client to its next.
    period: Duration,
    virtual_time: Duration,
}

/// A load on a number of machines, and how far it has come.
#[derive(Clone)]
struct Crowd {
    load: Load,
    clients: u32,
    /// When it has to be stopped, in real time.
    deadline: Instant,
    /// How many answers the clients have got.
    answers: Arc<AtomicU64>,
}

impl Crowd {
    fn new(load: Load, machines: u32) -> Self {
        Self {
            load,
            clients: machines - 1,
            deadline: Instant::now() + BUDGET,
            answers: Arc::default(),
        }
    }

    /// When a client sends its first message: they are spread evenly over the first period.
    fn start(&self, client: u32) -> Duration {
        self.load.period * client / self.clients
    }

    /// Whether the run ends here, with this much virtual time passed.
    fn is_over(&self, virtual_time: Duration) -> bool {
        virtual_time >= self.load.virtual_time || Instant::now() >= self.deadline
    }

    /// An engine that is fast because it does not do the work is no use.
    fn assert_that_all_were_answered(&self, virtual_time: Duration) {
        let due: u64 = (0..self.clients)
            .map(|client| virtual_time.saturating_sub(self.start(client)))
            .map(|active| active.as_nanos().div_ceil(self.load.period.as_nanos()) as u64)
            .sum();
        let answers = self.answers.load(Ordering::Relaxed);
        // The last message of each client may be under way.
        assert!(
            (due.saturating_sub(self.clients.into())..=due).contains(&answers),
            "{} clients got {answers} answers in {virtual_time:?} of {}, {due} were due",
            self.clients,
            self.load.name,
        );
    }

    /// A client's program: it connects when its turn has come, and then exchanges a message for its
    /// answer once in every period, without end.
    fn client<S, C>(&self, client: u32, connection: C) -> impl Future<Output = ()> + use<S, C>
    where
        S: AsyncRead + AsyncWrite + Unpin,
        C: Future<Output = io::Result<S>>,
    {
        let (start, period, answers) = (
            self.start(client),
            self.load.period,
            Arc::clone(&self.answers),
        );
        async move {
            sleep(start).await;
            let mut server = connection.await.expect("the server listens");
            let mut ticks = interval(period);
            loop {
                ticks.tick().await;
                server.write_all(b"2probe").await.expect("it is there");
                let mut answer = [0; 6];
                server.read_exact(&mut answer).await.expect("it is there");
                answers.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// The server's program: it sends back what it gets, on all connections in one task, because
/// turmoil-net's fixture knows of no other task which machine it belongs to.
async fn server<S, A>(accept: impl Fn() -> A)
where
    S: AsyncRead + AsyncWrite + Unpin,
    A: Future<Output = io::Result<(S, SocketAddr)>>,
{
    let mut connections = FuturesUnordered::new();
    loop {
        select! {
            accepted = accept() => connections.push(echo(accepted.expect("it listens").0)),
            Some(()) = connections.next() => (),
        }
    }
}

async fn echo<S: AsyncRead + AsyncWrite + Unpin>(mut client: S) {
    let mut buffer = [0; 64];
    while let Ok(length @ 1..) = client.read(&mut buffer).await {
        if client.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
}

fn on_squall(engine: Engine, crowd: &Crowd) -> Duration {
    use tokio::net::{TcpListener, TcpStream};
    simulate_on(engine, 1, |world| {
        world.set_default_link(Link {
            latency: Latency::Fixed(LATENCY),
            ..Link::default()
        });
        let machine = world.machine("server", || async {
            let listener = TcpListener::bind(("0.0.0.0", PORT)).await.expect("free");
            server(|| listener.accept()).await;
        });
        let address = (world.address(machine), PORT);
        for client in 0..crowd.clients {
            let crowd = crowd.clone();
            world.machine(&format!("client-{client}"), move || {
                crowd.client(client, TcpStream::connect(address))
            });
        }
        while !crowd.is_over(world.now()) {
            world
                .run_until(world.now() + STEP)
                .expect("all of it can be simulated");
        }
        assert_eq!(world.panics(), []);
        world.now()
    })
}

fn on_turmoil(crowd: &Crowd) -> Duration {
    use turmoil::net::{TcpListener, TcpStream};
    let mut sim = turmoil::Builder::new()
        .rng_seed(1)
        .simulation_duration(crowd.load.virtual_time * 2)
        .min_message_latency(LATENCY)
        .max_message_latency(LATENCY)
        .build();
    sim.host("server", || async {
        let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
        server(|| listener.accept()).await;
        Ok(())
    });
    for client in 0..crowd.clients {
        let program = crowd.client(client, TcpStream::connect(("server", PORT)));
        sim.client(format!("client-{client}"), async {
            program.await;
            Ok(())
        });
    }
    while !crowd.is_over(sim.elapsed()) {
        sim.step().expect("no program ends");
    }
    sim.elapsed()
}

fn on_turmoil_net(crowd: &Crowd) -> Duration {
    use turmoil_net::shim::tokio::net::{TcpListener, TcpStream};
    let server_address = ("server", PORT);
    let mut hosts = ClientServer::new().server("server", async move {
        turmoil_net::rule(turmoil_net::Latency::fixed(LATENCY)).forget();
        let listener = TcpListener::bind(("0.0.0.0", PORT)).await.expect("free");
        server(|| listener.accept()).await;
    });
    for client in 1..crowd.clients {
        hosts = hosts.server(
            format!("client-{client}"),
            crowd.client(client, TcpStream::connect(server_address)),
        );
    }
    // The fixture runs until its last host's program ends: that one looks at the clocks.
    let program = crowd.client(0, TcpStream::connect(server_address));
    let crowd = crowd.clone();
    hosts.run("client-0", async move {
        let begin = tokio::time::Instant::now();
        let clock = async {
            while !crowd.is_over(begin.elapsed()) {
                sleep(STEP).await;
            }
        };
        select! {
            () = program => unreachable!("a client never ends"),
            () = clock => begin.elapsed(),
        }
    })
}

/// How far an engine came, and how long it took.
struct Measurement {
    virtual_time: Duration,
    real_time: Duration,
    /// Whether it was stopped before the load's virtual time had passed.
    stopped: bool,
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let speed = self.virtual_time.as_secs_f64() / self.real_time.as_secs_f64();
        // Three digits say enough.
        let decimals = (2.0 - speed.log10().floor()).clamp(0.0, 5.0) as usize;
        let star = if self.stopped { '*' } else { ' ' };
        f.pad(&format!("{speed:.decimals$}{star}"))
    }
}

/// One run, or the best of three if it is short.
fn best(engine: Simulate, load: Load, machines: u32) -> Measurement {
    let first = run(engine, load, machines);
    if first.real_time > SHORT {
        return first;
    }
    let more = [run(engine, load, machines), run(engine, load, machines)];
    let fastest = more.into_iter().chain([first]);
    fastest.min_by_key(|run| run.real_time).expect("three")
}

fn run(engine: Simulate, load: Load, machines: u32) -> Measurement {
    let begin = Instant::now();
    let crowd = Crowd::new(load, machines);
    let virtual_time = engine(&crowd);
    let real_time = begin.elapsed();
    crowd.assert_that_all_were_answered(virtual_time);
    Measurement {
        virtual_time,
        real_time,
        stopped: virtual_time < load.virtual_time,
    }
}
