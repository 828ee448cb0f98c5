//! The bytes of a file as processes see them, with undo information to restore what is certainly on
//! the platter.

use crate::kernel::disk::error::DiskError;

/// What a file holds.
#[derive(Clone)]
pub(super) struct Content {
    pub(super) bytes: Vec<u8>,
    /// What was overwritten since the last sync, oldest first.
    pub(super) unsynced: Vec<Overwritten>,
    /// Whether there is anything to lose in a power loss. A nameless file dies with its last
    /// handle.
    pub(super) is_logged: bool,
    /// Whether consecutive writes that only extend the file count as one: a program's log has many.
    merges: bool,
}

/// Undo information for one write or truncation.
#[derive(Clone)]
pub(super) struct Overwritten {
    pub(super) size: usize,
    pub(super) offset: usize,
    pub(super) bytes: Vec<u8>,
}

impl Content {
    pub(super) fn new(is_logged: bool, merges: bool) -> Self {
        Self {
            bytes: Vec::new(),
            unsynced: Vec::new(),
            is_logged,
            merges,
        }
    }

    /// Copies what is at `offset` into the buffer, and returns how many bytes there were before the
    /// end.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> usize {
        let length = self.bytes.len();
        let start = length.min(usize::try_from(offset).unwrap_or(usize::MAX));
        let count = buffer.len().min(length - start);
        buffer[..count].copy_from_slice(&self.bytes[start..start + count]);
        count
    }

    /// Writes at `start`. A gap after the old end is filled with zeros.
    pub(super) fn write(&mut self, start: usize, bytes: &[u8]) -> Result<(), DiskError> {
        let end = start.checked_add(bytes.len()).ok_or(DiskError::NoSpace)?;
        self.log_overwrite(start, end);
        if end > self.bytes.len() {
            self.resize(end)?;
        }
        self.bytes[start..end].copy_from_slice(bytes);
        Ok(())
    }

    /// Makes it `size` bytes long, filling any extension with zeros.
    pub(super) fn truncate(&mut self, size: usize) -> Result<(), DiskError> {
        self.log_overwrite(size, usize::MAX);
        self.resize(size)
    }

    /// Notes what a change of the bytes from `start` to `end` is about to overwrite.
    fn log_overwrite(&mut self, start: usize, end: usize) {
        if !self.is_logged {
            return;
        }
        let size = self.bytes.len();
        let appends = |last: &Overwritten| last.offset == last.size && last.bytes.is_empty();
        if self.merges && start == size && self.unsynced.last().is_some_and(appends) {
            return;
        }
        let bytes = self.bytes[start.min(size)..end.min(size)].to_vec();
        self.unsynced.push(Overwritten {
            size,
            offset: start,
            bytes,
        });
    }

    fn resize(&mut self, size: usize) -> Result<(), DiskError> {
        let added = size.saturating_sub(self.bytes.len());
        self.bytes
            .try_reserve(added)
            .map_err(|_| DiskError::NoSpace)?;
        self.bytes.resize(size, 0);
        Ok(())
    }

    /// Restores what is certainly on the platter.
    pub(super) fn lose(&mut self) {
        while let Some(write) = self.unsynced.pop() {
            write.undo(&mut self.bytes);
        }
    }
}

impl Overwritten {
    pub(super) fn undo(self, content: &mut Vec<u8>) {
        content.resize(self.size, 0);
        if !self.bytes.is_empty() {
            content[self.offset..self.offset + self.bytes.len()].copy_from_slice(&self.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_grows_is_one_change_until_something_else_happens_to_it() {
        let mut log = Content::new(true, true);
        for number in 0..10 {
            log.write(number, b"x").unwrap();
        }
        assert_eq!(log.unsynced.len(), 1);
        log.write(3, b"y").unwrap();
        log.write(10, b"x").unwrap();
        assert_eq!(log.unsynced.len(), 3);
    }

    #[test]
    fn what_was_overwritten_after_a_log_has_grown_comes_back_when_it_is_lost() {
        let mut log = Content::new(true, true);
        log.write(0, b"synced").unwrap();
        log.unsynced.clear();
        log.write(6, b" and longer").unwrap();
        log.write(0, b"S").unwrap();
        log.lose();
        assert_eq!(log.bytes, b"synced");
    }
}
