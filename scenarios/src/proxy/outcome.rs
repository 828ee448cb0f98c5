//! What a proxy has carried and done, for people and for programs.

use super::line::Line;
use super::timetable::Turn;
use schemars::JsonSchema;
use serde::Serialize;
use squall::Plan;
use squall_guarantees::{Nanoseconds, NanosecondsOrNull, counted};
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a proxy has carried and done.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Outcome {
    scenario: String,
    seed: u64,
    /// Where the server is.
    #[schemars(with = "String")]
    to: SocketAddr,
    /// How long it went on from the first connection; none if none came.
    #[serde(with = "NanosecondsOrNull")]
    lasted: Option<Duration>,
    /// What the seed drew, as pairs of what and value.
    drawn: Vec<(String, String)>,
    clients: Vec<Client>,
    faults: Vec<Fault>,
    /// Whether its log could be written.
    #[serde(skip)]
    pub(crate) log: io::Result<()>,
}

/// A client's line.
#[derive(Serialize, JsonSchema)]
struct Client {
    name: String,
    /// Where it connects to.
    #[schemars(with = "String")]
    at: SocketAddr,
    connections: u64,
    /// How many of them could not be carried on: the server could not be reached.
    unreachable: u64,
    #[serde(rename = "bytes_up")]
    up: u64,
    #[serde(rename = "bytes_down")]
    down: u64,
}

/// What a fault did.
#[derive(Serialize, JsonSchema)]
struct Fault {
    label: String,
    words: String,
    #[serde(with = "Nanoseconds")]
    from: Duration,
    /// None if it had not ended.
    #[serde(with = "NanosecondsOrNull")]
    until: Option<Duration>,
    /// How often it touched something.
    struck: u64,
    /// How often it has begun because somebody said so; none if it had a time.
    told: Option<usize>,
}

impl Outcome {
    pub(super) fn of(
        plan: &Plan,
        to: SocketAddr,
        lines: &[Arc<Line>],
        lasted: Option<Duration>,
        told: Option<Vec<Turn>>,
        log: io::Result<()>,
    ) -> Self {
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        let clients = lines.iter().map(|line| Client {
            name: line.name.clone(),
            at: line.at,
            connections: count(&line.connections),
            unreachable: count(&line.unreachable),
            up: count(&line.bytes[0]),
            down: count(&line.bytes[1]),
        });
        let faults = plan.faults.iter().enumerate();
        let faults = faults.map(|(place, fault)| {
            let own = |turn: &&Turn| turn.fault == place;
            let turns = told.iter().flatten().filter(own);
            let (from, until) = match (&told, turns.clone().next_back()) {
                (None, _) => (fault.from, fault.until),
                (Some(_), Some(turn)) => (turn.from, turn.until),
                (Some(_), None) => Default::default(),
            };
            Fault {
                label: fault.label(place + 1),
                words: fault.words(),
                from,
                until,
                struck: lines.iter().map(|line| line.hits(place)).sum(),
                told: told.as_ref().map(|_| turns.count()),
            }
        });
        Outcome {
            scenario: plan.scenario.clone(),
            seed: plan.seed,
            to,
            lasted,
            drawn: plan.drawn.clone(),
            clients: clients.collect(),
            faults: faults.collect(),
            log,
        }
    }

    /// Whether it was ended before all faults were over, as far as they end.
    pub(crate) fn is_early(&self) -> bool {
        let lasted = self.lasted.unwrap_or_default();
        // Nobody knows what would still have been told.
        let over =
            |fault: &Fault| fault.told == Some(0) || lasted >= fault.until.unwrap_or(fault.from);
        !self.faults.iter().all(over)
    }

    /// Whether a fault has touched nothing.
    pub(crate) fn is_idle(&self) -> bool {
        self.faults.iter().any(|fault| fault.struck == 0)
    }

    pub(crate) fn text(&self) -> String {
        let mut text = format!("{} on real sockets, seed {}", self.scenario, self.seed);
        let _ = match self.lasted {
            Some(lasted) => write!(text, ", for {lasted:.1?}"),
            None => write!(text, ": no client came"),
        };
        text.push_str("\n\nLines");
        for it in &self.clients {
            let connections = counted(it.connections, "connection");
            let _ = write!(text, "\n  {} ({}): {connections}, ", it.name, it.at);
            let _ = write!(text, "{} bytes up, {} down", it.up, it.down);
            if it.unreachable > 0 {
                let _ = write!(
                    text,
                    "; for {} of them {} could not be reached",
                    it.unreachable, self.to
                );
            }
        }
        if !self.drawn.is_empty() {
            text.push_str("\n\nDrawn");
        }
        for (what, value) in &self.drawn {
            let _ = write!(text, "\n  {what}: {value}");
        }
        if !self.faults.is_empty() {
            text.push_str("\n\nFaults");
        }
        for it in &self.faults {
            let seconds = |at: Duration| format!("{:.3} s", at.as_secs_f64());
            let until = it.until.map_or("the end".to_owned(), seconds);
            let struck = match it.struck {
                0 => "struck nothing".to_owned(),
                count => format!("struck {}", counted(count, "time")),
            };
            let from = seconds(it.from);
            let when = match it.told {
                None => format!("{from} to {until}"),
                Some(0) => "never told to begin".to_owned(),
                Some(1) => format!("told to begin, {from} to {until}"),
                Some(times) => format!("told to begin {times} times, the last {from} to {until}"),
            };
            let _ = write!(text, "\n  {}: {}, {when}: {struck}", it.label, it.words);
        }
        text
    }
}
