//! How a disk fails its owner: it is full, slow, reports errors, or lies about its syncs.
//!
//! Each of these appears as it would from the system call. A full disk refuses to grow a file
//! (`ENOSPC`) but can still overwrite. A slow one blocks the process. An error (`EIO`) leaves
//! everything as it was: a write wrote nothing, and what a sync should have written back is still
//! not on the platter, but may be after the next one. (Linux is harsher: after a failed sync it may
//! forget what it should have written.) A lying sync reports success and does nothing, like a drive
//! with a volatile cache.

mod disk;

use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// Something done to a machine's disk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DiskChange {
    /// The total size of all files cannot grow beyond this many bytes; `None` removes the limit.
    Capacity(Option<u64>),
    /// The existing files can grow by this many bytes in total, and no more.
    Free(u64),
    /// Operations take time; the process waits.
    Latency(DiskLatency),
    /// Operations fail at random.
    Errors(DiskErrors),
    /// Whether a sync only pretends to have written everything to the platter.
    LyingSync(bool),
}

/// How long operations take. By default, no time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskLatency {
    /// Time of each read.
    pub read: Duration,
    /// Time of each write.
    pub write: Duration,
    /// Time of each sync.
    pub sync: Duration,
}

/// The probabilities, from 0 to 1, with which operations fail. By default, none fails.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DiskErrors {
    /// For a read.
    pub read: f64,
    /// For a write.
    pub write: f64,
    /// For a sync.
    pub sync: f64,
}

/// How often a disk failed its owner, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Troubles {
    /// Writes that found it full.
    pub(crate) full: u64,
    /// Operations that took time.
    pub(crate) slow: u64,
    /// Operations that failed.
    pub(crate) errors: u64,
    /// Syncs that only pretended to succeed.
    pub(crate) lies: u64,
}

/// What is wrong with a disk.
pub(super) struct Hardships {
    capacity: Option<u64>,
    latency: DiskLatency,
    errors: DiskErrors,
    lying_sync: bool,
    /// How long the process has to wait for what it did, in nanoseconds.
    waited: u64,
    troubles: Troubles,
    rng: ChaCha8Rng,
}

/// What a process does with a file.
#[derive(Clone, Copy)]
pub(super) enum Operation {
    Read,
    Write,
    Sync,
}
