//! How a disk fails its owner: it is full, slow, reports errors, or lies about its syncs.
//!
//! Each of these is as it would look from the system call. A full disk refuses to grow a file
//! (`ENOSPC`) and overwrites all the same. A slow one blocks the process. An error (`EIO`) leaves
//! everything as it was: a write wrote nothing, and what a sync should have brought onto the
//! platter is still not there, but may be after the next one. (Linux is harsher: after a failed
//! sync it may forget what it should have written.) A sync that lies says that all is well and
//! does nothing, like a drive with a volatile cache.

mod disk;

use rand_chacha::ChaCha8Rng;
use std::time::Duration;

/// Something that is done to a machine's disk.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DiskChange {
    /// All files together cannot grow beyond so many bytes; with `None` they can again.
    Capacity(Option<u64>),
    /// The files that there are now can grow by so many bytes together, and not more.
    Free(u64),
    /// Operations take time; the process waits.
    Latency(DiskLatency),
    /// Operations fail at random.
    Errors(DiskErrors),
    /// Whether a sync only says that it has brought everything onto the platter.
    LyingSync(bool),
}

/// How long operations take. No time, by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskLatency {
    /// Each read.
    pub read: Duration,
    /// Each write.
    pub write: Duration,
    /// Each sync.
    pub sync: Duration,
}

/// The probabilities, from 0 to 1, that operations fail. None does, by default.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DiskErrors {
    /// Of a read.
    pub read: f64,
    /// Of a write.
    pub write: f64,
    /// Of a sync.
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
    /// Syncs that only said that all is well.
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
