//! What a proxy has carried and done, for people and for programs.

use super::line::Line;
use super::timetable::Turn;
use serde_json::{Value, json};
use squall::Plan;
use squall_guarantees::counted;
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What a proxy has carried and done.
pub(crate) struct Outcome {
    scenario: String,
    seed: u64,
    to: SocketAddr,
    /// How long it went on from the first connection; none if none came.
    lasted: Option<Duration>,
    drawn: Vec<(String, String)>,
    clients: Vec<Client>,
    faults: Vec<Fault>,
    /// Whether its log could be written.
    pub(crate) log: io::Result<()>,
}

struct Client {
    name: String,
    at: SocketAddr,
    connections: u64,
    unreachable: u64,
    up: u64,
    down: u64,
}

struct Fault {
    label: String,
    words: String,
    from: Duration,
    until: Option<Duration>,
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

    pub(crate) fn json(&self) -> Value {
        let clients = self.clients.iter().map(|it| {
            json!({
                "name": it.name, "at": it.at.to_string(), "connections": it.connections,
                "unreachable": it.unreachable, "bytes_up": it.up, "bytes_down": it.down,
            })
        });
        let faults = self.faults.iter().map(|it| {
            json!({
                "label": it.label, "words": it.words, "from": it.from.as_nanos() as u64,
                "until": it.until.map(|until| until.as_nanos() as u64), "struck": it.struck,
                "told": it.told,
            })
        });
        json!({
            "scenario": self.scenario, "seed": self.seed, "to": self.to.to_string(),
            "lasted": self.lasted.map(|lasted| lasted.as_nanos() as u64),
            "drawn": self.drawn, "clients": clients.collect::<Vec<_>>(),
            "faults": faults.collect::<Vec<_>>(),
        })
    }
}
