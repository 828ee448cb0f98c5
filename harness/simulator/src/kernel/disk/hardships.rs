//! How a disk fails its owner: it is full, slow, reports errors, or lies about its syncs.
//!
//! Each of these is as it would look from the system call. A full disk refuses to grow a file
//! (`ENOSPC`) and overwrites all the same. A slow one blocks the process. An error (`EIO`) leaves
//! everything as it was: a write wrote nothing, and what a sync should have brought onto the
//! platter is still not there, but may be after the next one. (Linux is harsher: after a failed
//! sync it may forget what it should have written.) A sync that lies says that all is well and
//! does nothing, like a drive with a volatile cache.

use super::{Disk, DiskError, Handle};
use rand::RngExt;
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

impl Disk {
    /// Whether operations take time.
    pub(crate) fn is_slow(&self) -> bool {
        let hardships = self.hardships.as_deref();
        hardships.is_some_and(|hardships| hardships.latency != DiskLatency::default())
    }

    /// Whether a read may take time or fail.
    pub(crate) fn is_hard_to_read(&self) -> bool {
        let hardships = self.hardships.as_deref();
        hardships.is_some_and(|this| !this.latency.read.is_zero() || this.errors.read > 0.0)
    }

    /// Changes what is wrong with the disk. `rng` decides which operations fail from now on, if
    /// nothing was ever wrong before.
    pub(crate) fn change(&mut self, change: DiskChange, rng: impl FnOnce() -> ChaCha8Rng) {
        let used = self.used();
        let hardships = self.hardships.get_or_insert_with(|| {
            Box::new(Hardships {
                capacity: None,
                latency: DiskLatency::default(),
                errors: DiskErrors::default(),
                lying_sync: false,
                waited: 0,
                troubles: Troubles::default(),
                rng: rng(),
            })
        });
        match change {
            DiskChange::Capacity(capacity) => hardships.capacity = capacity,
            DiskChange::Free(bytes) => hardships.capacity = Some(used.saturating_add(bytes)),
            DiskChange::Latency(latency) => hardships.latency = latency,
            DiskChange::Errors(errors) => hardships.errors = errors,
            DiskChange::LyingSync(lies) => hardships.lying_sync = lies,
        }
    }

    /// How long the process has to wait for what it has done since the last time, in nanoseconds.
    pub(crate) fn take_wait(&mut self) -> u64 {
        self.hardships
            .as_mut()
            .map_or(0, |hardships| std::mem::take(&mut hardships.waited))
    }

    /// The operation takes its time, and may fail.
    pub(super) fn meet_hardships(&mut self, operation: Operation) -> Result<(), DiskError> {
        let Some(hardships) = &mut self.hardships else {
            return Ok(());
        };
        let (latency, errors) = (&hardships.latency, &hardships.errors);
        let (takes, fails) = match operation {
            Operation::Read => (latency.read, errors.read),
            Operation::Write => (latency.write, errors.write),
            Operation::Sync => (latency.sync, errors.sync),
        };
        let takes = u64::try_from(takes.as_nanos()).unwrap_or(u64::MAX);
        hardships.waited = hardships.waited.saturating_add(takes);
        hardships.troubles.slow += u64::from(takes > 0);
        match fails > 0.0 && hardships.rng.random_bool(fails.min(1.0)) {
            true => {
                hardships.troubles.errors += 1;
                Err(DiskError::Io)
            }
            false => Ok(()),
        }
    }

    /// Whether the file may grow to `size` bytes.
    pub(super) fn check_room(&mut self, handle: Handle, size: usize) -> Result<(), DiskError> {
        let Some(capacity) = self.hardships.as_ref().and_then(|this| this.capacity) else {
            return Ok(());
        };
        let growth = (size as u64).saturating_sub(self.size(handle)?);
        // A machine has a handful of files.
        if growth == 0 || self.used().saturating_add(growth) <= capacity {
            return Ok(());
        }
        if let Some(hardships) = &mut self.hardships {
            hardships.troubles.full += 1;
        }
        Err(DiskError::NoSpace)
    }

    /// Whether this sync only says that all is well.
    pub(super) fn lies(&mut self) -> bool {
        let lying = self.hardships.as_mut().filter(|this| this.lying_sync);
        lying
            .map(|hardships| hardships.troubles.lies += 1)
            .is_some()
    }

    /// How often it has failed its owner so far.
    pub(crate) fn troubles(&self) -> Troubles {
        let hardships = self.hardships.as_ref();
        hardships.map_or_else(Troubles::default, |hardships| hardships.troubles)
    }

    /// The bytes of all files, those without a name included.
    fn used(&self) -> u64 {
        self.files
            .values()
            .map(|file| file.content.len() as u64)
            .sum()
    }
}
