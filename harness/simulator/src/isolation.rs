//! Runs in processes of their own: what ends one of them is a finding, and not the end of
//! everything.

use crate::host::{self, End, Remains};
use std::io;
use std::time::Duration;

/// What an isolated run may use. What takes more is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessLimits {
    /// How long it may take, in real time.
    pub time: Duration,
    /// How much memory it may have in use at once, in bytes.
    pub memory: u64,
}

impl Default for ProcessLimits {
    /// A minute, and 4 GiB.
    fn default() -> Self {
        Self {
            time: Duration::from_secs(60),
            memory: 4 << 30,
        }
    }
}

/// How an isolated run has ended that did not come to its end. `told` is what it wrote to its
/// standard error: which machine did it, when in virtual time, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Crash {
    /// A program called `exit`, or the job itself panicked (101).
    #[error("it ended with exit code {code}\n{told}")]
    Exited {
        /// The exit code.
        code: i32,
        /// Its last words.
        told: String,
    },
    /// A fault, or `abort`.
    #[error("it was ended by signal {signal}\n{told}")]
    Signalled {
        /// The signal's number.
        signal: i32,
        /// Its last words.
        told: String,
    },
    /// It took longer than [`ProcessLimits::time`].
    #[error("it took too long\n{told}")]
    TookTooLong {
        /// Its last words.
        told: String,
    },
    /// It used more than [`ProcessLimits::memory`].
    #[error("it used too much memory\n{told}")]
    UsedTooMuchMemory {
        /// Its last words.
        told: String,
    },
    /// It has not begun: the host can bear no more, or cannot do it at all.
    #[error("it could not be isolated: {why}")]
    NotBegun {
        /// Why not.
        why: String,
    },
}

/// Runs `job(input)` in a process of its own, and returns what it returns.
///
/// The process is forked from one of the same executable in which nothing has happened yet. So what
/// a run has changed in static memory is gone with it, the same job gives the same bytes whatever
/// ran before and beside it, and whatever ends the process ends the run alone: `exit`, `abort`, a
/// segmentation fault, an endless loop, memory without end.
///
/// The job is a function and not a closure, because that process knows the executable and nothing
/// else: what it needs is in the input. It can [`simulate`](crate::simulate).
///
/// # Errors
///
/// If it did not come to its end.
pub fn isolated(
    job: fn(&[u8]) -> Vec<u8>,
    input: &[u8],
    bounds: ProcessLimits,
) -> Result<Vec<u8>, Crash> {
    conclude(host::nursery::run(job, input, bounds.into()))
}

pub(crate) fn conclude(remains: io::Result<Remains>) -> Result<Vec<u8>, Crash> {
    let Remains { end, answer, told } = remains.map_err(|error| Crash::NotBegun {
        why: error.to_string(),
    })?;
    let told = String::from_utf8_lossy(&told).into_owned();
    match (end, answer) {
        (End::Code(_), Some(answer)) => Ok(answer),
        (End::Code(code), None) => Err(Crash::Exited { code, told }),
        (End::Signal(signal), _) => Err(Crash::Signalled { signal, told }),
        (End::TooLong, _) => Err(Crash::TookTooLong { told }),
        (End::TooLarge, _) => Err(Crash::UsedTooMuchMemory { told }),
    }
}

impl From<ProcessLimits> for host::ProcessLimits {
    fn from(ProcessLimits { time, memory }: ProcessLimits) -> Self {
        Self { time, memory }
    }
}
