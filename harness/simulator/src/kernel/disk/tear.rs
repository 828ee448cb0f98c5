//! Power losses that tear writes.
//!
//! A disk writes whole sectors, in an order of its choosing. The seed decides for each sector of
//! each write since the last sync whether it survives, and likewise for each change of a file's
//! size. A write across several sectors can be torn, and a later write can survive an earlier one.
//! Within a sector nothing is torn: that is what a drive promises.

use super::Disk;
use super::content::Content;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

/// What an unsynced change did to a file.
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Resize(usize),
}

impl Disk {
    /// Power is lost, and with it the process. `rng` decides for each sector of `sector` bytes of
    /// the unsynced writes whether it survives.
    pub(crate) fn torn_power_loss(&mut self, sector: usize, rng: &mut ChaCha8Rng) {
        self.process_gone();
        for file in self.files.values_mut() {
            file.content.tear(sector.max(1), rng);
        }
        self.tree.power_loss(Some((sector, rng)));
    }
}

impl Content {
    pub(super) fn tear(&mut self, sector: usize, rng: &mut ChaCha8Rng) {
        for change in self.take_unsynced().into_iter().rev() {
            match change {
                Change::Resize(size) if rng.random_bool(0.5) => self.bytes.resize(size, 0),
                Change::Resize(_) => {}
                Change::Write { offset, bytes } => {
                    let mut start = 0;
                    while start < bytes.len() {
                        let rest = sector - (offset + start) % sector;
                        let end = bytes.len().min(start + rest);
                        if rng.random_bool(0.5) {
                            self.put(offset + start, &bytes[start..end]);
                        }
                        start = end;
                    }
                }
            }
        }
    }

    /// Restores what is certainly on the platter. Returns what was done since, latest first.
    fn take_unsynced(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        while let Some(write) = self.unsynced.pop() {
            let size = self.bytes.len();
            changes.push(if size < write.size || write.offset >= size {
                Change::Resize(size)
            } else {
                let overwritten = write.offset + write.bytes.len();
                let end = if size > write.size { size } else { overwritten };
                Change::Write {
                    offset: write.offset,
                    bytes: self.bytes[write.offset..end].to_vec(),
                }
            });
            write.undo(&mut self.bytes);
        }
        changes
    }

    fn put(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[offset..end].copy_from_slice(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::super::OpenMode;
    use super::*;
    use crate::entropy::stream;
    use std::collections::BTreeSet;
    use std::path::Path;

    const SECTOR: usize = 4;

    /// Everything that can be on the platter after `act`, for any seed.
    fn outcomes(act: impl Fn(&mut Disk)) -> BTreeSet<String> {
        let outcome = |seed| {
            let mut disk = Disk::default();
            act(&mut disk);
            disk.torn_power_loss(SECTOR, &mut stream(seed, "tear"));
            let file = disk.files.values().next().unwrap();
            String::from_utf8(file.content.bytes.clone()).unwrap()
        };
        (0..200).map(outcome).collect()
    }

    fn write(disk: &mut Disk, offset: u64, bytes: &[u8], sync: bool) {
        let file = disk.open(Path::new("/f"), OpenMode::Create).unwrap();
        disk.write_at(file, offset, bytes).unwrap();
        if sync {
            disk.sync(file).unwrap();
        }
    }

    fn strings<const N: usize>(all: [&str; N]) -> BTreeSet<String> {
        all.map(str::to_owned).into()
    }

    #[test]
    fn what_was_synced_survives() {
        let outcomes = outcomes(|disk| write(disk, 0, b"abcdefgh", true));
        assert_eq!(outcomes, strings(["abcdefgh"]));
    }

    #[test]
    fn a_write_is_torn_between_sectors_and_nowhere_else() {
        let outcomes = outcomes(|disk| {
            write(disk, 0, b"abcdefgh", true);
            write(disk, 2, b"XXXX", false);
        });
        let expected = ["abcdefgh", "abXXefgh", "abcdXXgh", "abXXXXgh"];
        assert_eq!(outcomes, strings(expected));
    }

    #[test]
    fn a_later_write_can_survive_an_earlier_one() {
        let outcomes = outcomes(|disk| {
            write(disk, 0, b"abcd", false);
            write(disk, 4, b"efgh", false);
        });
        let expected = ["", "abcd", "\0\0\0\0efgh", "abcdefgh"];
        assert_eq!(outcomes, strings(expected));
    }

    #[test]
    fn a_change_of_size_survives_or_not() {
        let outcomes = outcomes(|disk| {
            write(disk, 0, b"abcdef", true);
            let file = disk.open(Path::new("/f"), OpenMode::Existing).unwrap();
            disk.truncate(file, 2).unwrap();
            disk.truncate(file, 3).unwrap();
        });
        assert_eq!(outcomes, strings(["abcdef", "ab", "abc", "ab\0"]));
    }
}
