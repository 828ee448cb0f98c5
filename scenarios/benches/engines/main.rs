//! How much virtual time passes in a second of real time: our two engines beside plain turmoil-net
//! and plain turmoil.
//!
//! ```sh
//! cargo bench -p squall-cli --bench engines            # all, in about four minutes
//! cargo bench -p squall-cli --bench engines -- echo    # one load
//! ```
//!
//! Crowds of 12 to 1002 machines, one of them a server, with a latency of one millisecond and four
//! loads: *idle*, where no client says anything; *heartbeat*, where each client has an open
//! connection and exchanges a message for its echo every 25 seconds; *echo*, where it does so ten
//! times a second; and *chat*, where the server and the clients are Squall's, over Socket.IO, and
//! each client writes to all twice a minute. Each column of the table is a function in [`ENGINES`];
//! the machines' programs are in `crowd`.
//!
//! This is a plain program rather than criterion's: a run of a large crowd takes seconds, and
//! criterion would need ten of each. A run of less than a second is made three times, and the
//! fastest counts. A run that has not ended after three seconds is stopped; its figure has a star
//! and covers the part it got through, in which some clients may not even have started: it
//! flatters. Each load and size is measured on all engines before the next, so that a computer that
//! is busy for a while favours none of them.
//!
//! The measurement covers the whole run, from building the world to its end. turmoil and
//! turmoil-net are used as their documentation says: `turmoil::Sim` and `fixture::ClientServer`,
//! with their default tick of 1 ms. They do not do the same work: on our engines the programs are
//! unmodified, each with its own runtime, packets are bytes with checksums, and everything goes
//! into a digest.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

mod crowd;
mod simulators;

use crowd::{Crowd, LOADS, Load};
use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, Instant};

/// Runs a crowd, and returns how much virtual time passed until it ended; none if the engine cannot
/// run it.
type Simulate = fn(&Crowd) -> Option<Duration>;

/// The columns of the table. To add an engine, write a function that runs a crowd on it.
const ENGINES: [(&str, Simulate); 4] = [
    ("squall", simulators::squall),
    ("squall on turmoil", simulators::squall_on_turmoil),
    ("turmoil-net 0.1.0", simulators::turmoil_net),
    ("turmoil 0.7.2", simulators::turmoil),
];

/// The numbers of machines, including the server.
const MACHINES: [u32; 6] = [12, 32, 102, 202, 502, 1002];

/// A run that takes less real time than this is repeated.
const SHORT: Duration = Duration::from_secs(1);

fn main() {
    // `cargo test --benches` runs this without `--bench`: then it only has to work.
    let benchmark = std::env::args().any(|argument| argument == "--bench");
    // How much real time a run may take.
    let (sizes, budget) = match benchmark {
        true => (&MACHINES[..], Duration::from_secs(3)),
        false => (&MACHINES[..1], Duration::from_millis(200)),
    };

    let only: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| !argument.starts_with('-'))
        .collect();
    let is_wanted = |load: &Load| only.is_empty() || only.iter().any(|name| name == load.name);

    println!("Simulated seconds per real second (*: stopped after {budget:?} of real time)\n");
    print!("| load | machines |");
    ENGINES.iter().for_each(|(name, _)| print!(" {name} |"));
    println!("\n|---|---:|{}", "---:|".repeat(ENGINES.len()));
    for load in LOADS.into_iter().filter(is_wanted) {
        for &machines in sizes {
            print!("| {} | {machines} |", load.name);
            for (_, engine) in ENGINES {
                match best(engine, load, machines, budget) {
                    Some(measurement) => print!(" {measurement} |"),
                    None => print!(" – |"),
                }
                io::stdout().flush().expect("somebody reads the table");
            }
            println!();
        }
    }
}

/// How far an engine got, and how long it took.
struct Measurement {
    virtual_time: Duration,
    real_time: Duration,
    /// Whether it was stopped before the load's virtual time had passed.
    stopped: bool,
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let speed = self.virtual_time.as_secs_f64() / self.real_time.as_secs_f64();
        // Three digits are enough.
        let decimals = (2.0 - speed.log10().floor()).clamp(0.0, 5.0) as usize;
        let star = if self.stopped { "*" } else { "" };
        write!(f, "{speed:.decimals$}{star}")
    }
}

/// One run, or the best of three if it is short.
fn best(engine: Simulate, load: Load, machines: u32, budget: Duration) -> Option<Measurement> {
    let run = || run(engine, load, machines, budget);
    let first = run()?;
    if first.real_time > SHORT {
        return Some(first);
    }
    let runs = [first, run()?, run()?];
    runs.into_iter().min_by_key(|run| run.real_time)
}

fn run(engine: Simulate, load: Load, machines: u32, budget: Duration) -> Option<Measurement> {
    let begin = Instant::now();
    let crowd = Crowd::new(load, machines - 1, begin + budget);
    let virtual_time = engine(&crowd)?;
    let real_time = begin.elapsed();
    crowd.assert_that_all_were_answered(virtual_time);
    Some(Measurement {
        virtual_time,
        real_time,
        stopped: virtual_time < load.virtual_time,
    })
}
