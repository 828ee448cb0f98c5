//! How a disk applies what is wrong with it.

use super::{DiskChange, DiskErrors, DiskLatency, Hardships, Operation, Troubles};
use crate::kernel::disk::error::DiskError;
use crate::kernel::disk::{Disk, Handle};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

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
    /// nothing has been wrong before.
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

    /// From now on, other random numbers decide which operations fail.
    pub(crate) fn reseed(&mut self, rng: ChaCha8Rng) {
        if let Some(hardships) = &mut self.hardships {
            hardships.rng = rng;
        }
    }

    /// How long the process has to wait for its operations since the last call, in nanoseconds.
    pub(crate) fn take_wait(&mut self) -> u64 {
        self.hardships
            .as_mut()
            .map_or(0, |hardships| std::mem::take(&mut hardships.waited))
    }

    /// Makes the operation take its time, and perhaps fail.
    pub(in crate::kernel::disk) fn meet_hardships(
        &mut self,
        operation: Operation,
    ) -> Result<(), DiskError> {
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
    pub(in crate::kernel::disk) fn check_room(
        &mut self,
        handle: Handle,
        size: usize,
    ) -> Result<(), DiskError> {
        let growth = (size as u64).saturating_sub(self.size(handle)?);
        self.check_growth(growth)
    }

    /// Whether there is room for `growth` more bytes.
    pub(in crate::kernel::disk) fn check_growth(&mut self, growth: u64) -> Result<(), DiskError> {
        let Some(capacity) = self.hardships.as_ref().and_then(|this| this.capacity) else {
            return Ok(());
        };
        // A machine has a handful of files.
        if growth == 0 || self.used().saturating_add(growth) <= capacity {
            return Ok(());
        }
        if let Some(hardships) = &mut self.hardships {
            hardships.troubles.full += 1;
        }
        Err(DiskError::NoSpace)
    }

    /// Whether this sync only pretends to succeed.
    pub(in crate::kernel::disk) fn lies(&mut self) -> bool {
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

    /// The bytes of all files, including nameless ones.
    fn used(&self) -> u64 {
        let files = self.files.values();
        let files = files.map(|file| file.content.bytes.len() as u64);
        files.sum::<u64>() + self.tree.used()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::stream;
    use crate::kernel::disk::OpenMode;
    use std::path::Path;
    use std::time::Duration;

    /// A disk with this trouble.
    fn disk(change: DiskChange) -> Disk {
        let mut disk = Disk::default();
        disk.change(change, || stream(1, "disk"));
        disk
    }

    fn open(disk: &mut Disk, path: &str) -> Handle {
        disk.open(Path::new(path), OpenMode::Create).unwrap()
    }

    #[test]
    fn every_sync_of_a_disk_that_lies_is_a_lie() {
        let mut disk = disk(DiskChange::LyingSync(true));
        let files: Vec<_> = (0..4).map(|n| open(&mut disk, &format!("/{n}"))).collect();
        for round in 0..3 {
            for &file in &files {
                disk.write_at(file, round, b"x").unwrap();
                disk.sync(file).unwrap();
            }
        }
        assert_eq!(disk.unsynced(), 12);
        assert_eq!(disk.troubles().lies, 12);
        disk.power_loss();
        assert!(disk.list().iter().all(|&(_, bytes)| bytes == 0));
    }

    #[test]
    fn a_disk_that_lies_no_more_syncs_also_what_it_lied_about() {
        let mut disk = disk(DiskChange::LyingSync(true));
        let file = open(&mut disk, "/f");
        disk.write_at(file, 0, b"x").unwrap();
        disk.sync(file).unwrap();
        disk.change(DiskChange::LyingSync(false), || stream(1, "disk"));
        disk.sync(file).unwrap();
        assert_eq!((disk.unsynced(), disk.troubles().lies), (0, 1));
        disk.power_loss();
        assert_eq!(disk.find(Path::new("/f")), Some(1));
    }

    #[test]
    fn files_together_grow_to_the_capacity_and_not_beyond() {
        let mut disk = disk(DiskChange::Capacity(Some(10)));
        let (one, other) = (open(&mut disk, "/one"), open(&mut disk, "/other"));
        assert_eq!(disk.write_at(one, 0, b"123456"), Ok(()));
        assert_eq!(disk.write_at(other, 0, b"12345"), Err(DiskError::NoSpace));
        assert_eq!(disk.truncate(other, 5), Err(DiskError::NoSpace));
        assert_eq!(disk.write_at(other, 0, b"1234"), Ok(()));
        // Existing bytes can be overwritten.
        assert_eq!(disk.write_at(one, 0, b"654321"), Ok(()));
        assert_eq!(disk.troubles().full, 2);
        disk.change(DiskChange::Free(2), || stream(1, "disk"));
        assert_eq!(disk.write_at(one, 6, b"789"), Err(DiskError::NoSpace));
        assert_eq!(disk.write_at(one, 6, b"78"), Ok(()));
        disk.change(DiskChange::Capacity(None), || stream(1, "disk"));
        assert_eq!(disk.truncate(one, 1000), Ok(()));
    }

    #[test]
    fn each_operation_takes_its_own_time_and_is_slow_only_then() {
        let nanos = Duration::from_nanos;
        let mut disk = disk(DiskChange::Latency(DiskLatency {
            read: nanos(1),
            write: nanos(10),
            sync: nanos(100),
        }));
        assert!(disk.is_slow() && disk.is_hard_to_read());
        let file = open(&mut disk, "/f");
        assert_eq!(disk.take_wait(), 0);
        disk.write_at(file, 0, b"x").unwrap();
        assert_eq!(disk.take_wait(), 10);
        disk.truncate(file, 0).unwrap();
        disk.sync(file).unwrap();
        disk.read_at(file, 0, &mut [0]).unwrap();
        assert_eq!(disk.take_wait(), 111);
        assert_eq!(disk.take_wait(), 0);
        assert_eq!(disk.troubles().slow, 4);
        let only_syncs = DiskLatency {
            sync: nanos(1),
            ..DiskLatency::default()
        };
        disk.change(DiskChange::Latency(only_syncs), || stream(1, "disk"));
        disk.write_at(file, 0, b"x").unwrap();
        assert!(disk.is_slow() && !disk.is_hard_to_read());
        assert_eq!((disk.take_wait(), disk.troubles().slow), (0, 4));
    }

    #[test]
    fn each_operation_fails_as_often_as_it_should_and_then_has_done_nothing() {
        let chances = [(0.2, 0.0, 0.0), (0.0, 0.2, 0.0), (0.0, 0.0, 0.2)];
        for (read, write, sync) in chances {
            let mut disk = disk(DiskChange::Errors(DiskErrors { read, write, sync }));
            assert!(!disk.is_slow());
            assert_eq!(disk.is_hard_to_read(), read > 0.0);
            let file = open(&mut disk, "/f");
            let mut failed = [0; 3];
            for number in 0..10_000_u32 {
                let bytes = number.to_ne_bytes();
                let before = disk.unsynced();
                let written = disk.write_at(file, 0, &bytes);
                assert_eq!(disk.unsynced() > before, written.is_ok());
                let mut found = [0; 4];
                let found_all = disk.read_at(file, 0, &mut found);
                let synced = disk.sync(file);
                assert_eq!(
                    disk.unsynced() == 0,
                    synced.is_ok() || written.is_err() && before == 0
                );
                let results = [found_all.map(drop), written, synced];
                for (failed, result) in failed.iter_mut().zip(results) {
                    *failed += u32::from(result == Err(DiskError::Io));
                }
            }
            let expected = [read, write, sync].map(|chance| (chance * 10_000.0) as u32);
            for (failed, expected) in failed.into_iter().zip(expected) {
                assert!(failed.abs_diff(expected) < 150, "{failed}, not {expected}");
                assert_eq!(failed == 0, expected == 0);
            }
            let all: u32 = failed.iter().sum();
            assert_eq!(disk.troubles().errors, u64::from(all));
        }
    }
}
