//! The rolling hash of a run, and the list of what went into it.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The hash of everything that happened so far: every packet, wake-up, fault and operation, with
/// its virtual time. Two runs with equal digests did the same things at the same nanoseconds.
#[derive(Default)]
pub(crate) struct Digest {
    value: u64,
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

    /// From now on, keep every event in words as well.
    pub(crate) fn record_trace(&mut self) {
        self.trace.get_or_insert_default();
    }

    pub(crate) fn trace(&self) -> &[TraceEvent] {
        self.trace.as_deref().unwrap_or_default()
    }

    /// Adds an event. `what` is asked for words only when there is a trace to keep them in.
    pub(crate) fn add(
        &mut self,
        at: u64,
        kind: &'static str,
        machines: [u32; 2],
        bytes: &[u8],
        what: impl FnOnce() -> String,
    ) {
        let mut head = [0; 16];
        head[..8].copy_from_slice(&at.to_le_bytes());
        head[8..12].copy_from_slice(&machines[0].to_le_bytes());
        head[12..].copy_from_slice(&machines[1].to_le_bytes());
        self.value = xxh3_64_with_seed(&head, self.value ^ tag(kind));
        if !bytes.is_empty() {
            self.value = xxh3_64_with_seed(bytes, self.value);
        }
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

/// The first eight letters of a word, as a number.
fn tag(word: &str) -> u64 {
    let letters = word.bytes().take(8);
    letters.fold(0, |tag, letter| tag << 8 | u64::from(letter))
}
