//! The rolling hash of a run, and the list of what went into it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::hash::{Hash, Hasher as _};
use std::time::Duration;
use xxhash_rust::xxh3::{Xxh3, xxh3_64_with_seed};

/// The hash of everything that has happened so far: every packet, wake-up, fault and operation,
/// with its virtual time. Two runs with equal digests did the same things at the same nanoseconds.
///
/// Each machine also has its own digest of what happened on it. An event is hashed once and added
/// to both.
#[derive(Default)]
pub(crate) struct Digest {
    value: u64,
    of_machines: Vec<u64>,
    trace: Option<Vec<TraceEvent>>,
}

/// One thing that went into the digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TraceEvent {
    /// When, in virtual time.
    pub at: Duration,
    /// The digest after it.
    pub digest: u64,
    /// What happened, in words.
    pub what: String,
}

impl fmt::Display for TraceEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.9} s  {:016x}  {}",
            self.at.as_secs_f64(),
            self.digest,
            self.what
        )
    }
}

impl Digest {
    pub(crate) fn value(&self) -> u64 {
        self.value
    }

    /// The hash of what happened on one machine.
    pub(crate) fn of_machine(&self, machine: u32) -> u64 {
        let digest = self.of_machines.get(machine as usize);
        digest.copied().unwrap_or_default()
    }

    /// From now on, also keeps every event in words.
    pub(crate) fn record_trace(&mut self) {
        self.trace.get_or_insert_default();
    }

    pub(crate) fn trace(&self) -> &[TraceEvent] {
        self.trace.as_deref().unwrap_or_default()
    }

    /// Adds an event on the machine with this number. It is between two machines, or between one
    /// and itself, each of which has a number that follows from its name. `what` is called only
    /// when there is a trace to keep the words in.
    pub(crate) fn add(
        &mut self,
        at: u64,
        machine: u32,
        kind: &'static str,
        machines: [u32; 2],
        bytes: &[u8],
        what: impl FnOnce() -> String,
    ) {
        let mut head = [0; 16];
        head[..8].copy_from_slice(&at.to_le_bytes());
        head[8..12].copy_from_slice(&machines[0].to_le_bytes());
        head[12..].copy_from_slice(&machines[1].to_le_bytes());
        let mut event = xxh3_64_with_seed(&head, tag(kind));
        if !bytes.is_empty() {
            event = xxh3_64_with_seed(bytes, event);
        }
        self.value = extend(self.value, event);
        let index = machine as usize;
        if index >= self.of_machines.len() {
            self.of_machines.resize(index + 1, 0);
        }
        self.of_machines[index] = extend(self.of_machines[index], event);
        if let Some(trace) = &mut self.trace {
            let at = Duration::from_nanos(at);
            trace.push(TraceEvent {
                at,
                digest: self.value,
                what: what(),
            });
        }
    }
}

/// The hash of a value reported by a program.
pub(crate) fn of<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = Xxh3::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Adds an event to a digest. The order matters.
fn extend(digest: u64, event: u64) -> u64 {
    xxh3_64_with_seed(&event.to_le_bytes(), digest)
}

/// The first eight letters of a word, as a number.
fn tag(word: &str) -> u64 {
    let letters = word.bytes().take(8);
    letters.fold(0, |tag, letter| tag << 8 | u64::from(letter))
}
