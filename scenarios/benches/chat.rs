//! How long a minute of chat takes: whole runs with 3, 30 and 300 clients over WebSockets.
//!
//! A run is what `squall run` does for one seed, without the checkers and the report: it builds the
//! world, lets the server and the clients chat for 60 virtual seconds, and reads the database at
//! the end. Everything in the digest counts as an event: a packet sent, its arrival, a turn of a
//! machine, an operation of a client.
//!
//! With 3 and with 30 clients, each sends a message every three seconds. 300 such clients would
//! deliver 1.8 million messages to one another, so they send as many messages altogether as the 30
//! do: one each every thirty seconds.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    reason = "people read the table where cargo bench prints"
)]

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput};
use squall::{Plan, Scenario, run, trace};
use squall_cli::SYSTEMS;
use squall_guarantees::EventKind;
use squall_reports::Record;
use std::time::{Duration, Instant};

/// How many clients there are, and how many seconds each waits between messages.
const CROWDS: [(u32, u32); 3] = [(3, 3), (30, 3), (300, 30)];

/// The virtual time of a run, in seconds.
const MINUTE: u32 = 60;

fn main() {
    let plans = CROWDS.map(|(clients, interval)| plan(clients, interval));
    // `cargo test --benches` runs this without `--bench`: then it only has to work.
    if std::env::args().any(|argument| argument == "--bench") {
        print_table(&plans);
    }
    let mut criterion = Criterion::default().configure_from_args();
    measure(&mut criterion, &plans);
    criterion.final_summary();
}

/// The clients start one by one, and their last message is due before the minute ends.
fn plan(clients: u32, interval: u32) -> Plan {
    let text = format!(
        r#"
        shows = "A minute of chat."
        [clients]
        count = {clients}
        [chat]
        transport = "websocket"
        [workload]
        messages = {}
        start = "500ms..{}ms"
        interval = "{interval}s"
        "#,
        MINUTE / interval,
        interval * 1000 - 500,
    );
    let scenario = Scenario::parse("minute", &text, SYSTEMS).expect("the scenario is well-formed");
    let plan = Plan {
        settle: Some(Duration::ZERO),
        ..scenario.plan(1)
    };
    // From the last message to the end of the minute.
    let settle = Duration::from_secs(MINUTE.into()) - plan.ends_at();
    Plan {
        settle: Some(settle),
        ..plan
    }
}

fn print_table(plans: &[Plan]) {
    println!(
        "{:>8}{:>19}{:>10}{:>12}{:>17}{:>35}",
        "clients",
        "simulated seconds",
        "packets",
        "deliveries",
        "wall ms per run",
        "simulated seconds per real second",
    );
    for plan in plans {
        let (record, wall) = best_of_three(plan);
        println!(
            "{:>8}{MINUTE:>19}{:>10}{:>12}{:>17.1}{:>35.0}",
            plan.clients.len(),
            record.network.sent,
            deliveries(plan, &record),
            wall.as_secs_f64() * 1000.0,
            f64::from(MINUTE) / wall.as_secs_f64(),
        );
    }
    println!();
}

fn best_of_three(plan: &Plan) -> (Record, Duration) {
    let once = || {
        let start = Instant::now();
        let record = run(plan).expect("the chat does nothing that cannot be simulated");
        (record, start.elapsed())
    };
    [once(), once(), once()]
        .into_iter()
        .min_by_key(|(_, wall)| *wall)
        .expect("three is more than none")
}

/// How many messages the clients handled: there is no point in measuring a chat that loses any.
fn deliveries(plan: &Plan, record: &Record) -> usize {
    let events = record.history.events.iter();
    let deliveries = events
        .filter(|event| matches!(event.kind, EventKind::Delivered { .. }))
        .count();
    let messages: usize = plan
        .clients
        .iter()
        .map(|client| client.messages.len())
        .sum();
    assert_eq!(deliveries, messages * plan.clients.len());
    deliveries
}

fn measure(criterion: &mut Criterion, plans: &[Plan]) {
    let mut group = criterion.benchmark_group("a minute of chat");
    // A run with 300 clients is slow: ten of them are enough, in samples of equal length.
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    for plan in plans {
        let events = trace(plan).expect("the chat can be simulated").events.len();
        group.throughput(Throughput::Elements(events as u64));
        let id = BenchmarkId::new("clients", plan.clients.len());
        group.bench_with_input(id, plan, |bencher, plan| bencher.iter(|| run(plan)));
    }
}
