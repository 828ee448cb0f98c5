//! Runs in separate processes: what ends one of them is a finding, and not the end of everything.

use crate::host::{self, End, Remains};
use serde::{Deserialize, Serialize};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// What an isolated run may use. If it uses more, it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessLimits {
    /// How long it may take, in real time.
    pub time: Duration,
    /// How much memory it may use at once, in bytes.
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

/// How an isolated run ended that did not finish. `told` is what it wrote to its standard error:
/// which machine caused it, when in virtual time, and where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
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
    /// It has not begun: the host has no more resources, or cannot do it at all.
    #[error("it could not be isolated: {why}")]
    NotBegun {
        /// Why not.
        why: String,
    },
}

/// Runs `job(input)` in a separate process, and returns what it returns.
///
/// The process is forked from one of the same executable in which nothing has happened yet. So a
/// run's changes to static memory vanish with it, the same job returns the same bytes whatever ran
/// before or beside it, and whatever ends the process ends only the run: `exit`, `abort`, a
/// segmentation fault, an endless loop, unlimited memory use.
///
/// The job is a function and not a closure, because that process knows only the executable;
/// everything else it needs is in the input. It can [`simulate`](crate::simulate).
///
/// # Errors
///
/// If it did not finish.
pub fn isolated(
    job: fn(&[u8]) -> Vec<u8>,
    input: &[u8],
    bounds: ProcessLimits,
) -> Result<Vec<u8>, Crash> {
    conclude(host::nursery::run(job, input, bounds.into()))
}

/// Says that this process plays one world and no other, as one of [`isolated`] does, or that it
/// does not matter: what `select!` does there depends on nothing that was played before. For
/// commands that are built without `--cfg tokio_unstable`.
pub fn plays_one_world() {
    PLAYS_ONE_WORLD.store(true, Ordering::Relaxed);
}

/// Whether it [said so](plays_one_world).
#[cfg(not(tokio_unstable))]
pub(crate) fn is_alone() -> bool {
    PLAYS_ONE_WORLD.load(Ordering::Relaxed)
}

static PLAYS_ONE_WORLD: AtomicBool = AtomicBool::new(false);

/// From now on, each process of [`isolated`] does this before its job, because `main` has not run
/// there. The first call counts. It must be a function of the executable, or nothing is isolated.
pub fn before_isolated(first: fn()) {
    host::nursery::set_first(first);
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
