//! Operations on the files of the file system, subject to what is wrong with the disk.

use super::Disk;
use super::hardships::Operation;
use super::tree::{Number, Tree};
use crate::kernel::disk::error::DiskError;
use crate::kernel::errno::{Errno, Result};
use std::time::Duration;

/// The error that a program gets when the disk refuses.
fn errno_of(error: DiskError) -> Errno {
    Errno(match error {
        DiskError::NotFound => libc::ENOENT,
        DiskError::Exists => libc::EEXIST,
        DiskError::Stale => libc::EBADF,
        DiskError::NoSpace => libc::ENOSPC,
        DiskError::Io => libc::EIO,
    })
}

impl Disk {
    fn meet(&mut self, operation: Operation) -> Result<()> {
        self.meet_hardships(operation).map_err(errno_of)
    }

    fn make_room(&mut self, node: Number, size: u64) -> Result<()> {
        let growth = size.saturating_sub(self.tree.size(node));
        self.check_growth(growth).map_err(errno_of)
    }

    /// Reads a file at an offset.
    pub(crate) fn read_node(
        &mut self,
        node: Number,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize> {
        self.tree.bytes(node)?;
        self.meet(Operation::Read)?;
        self.tree.read(node, offset, buffer)
    }

    /// Writes all of the bytes at an offset.
    pub(crate) fn write_node(
        &mut self,
        node: Number,
        offset: u64,
        bytes: &[u8],
        now: Duration,
    ) -> Result<()> {
        self.meet(Operation::Write)?;
        self.make_room(node, offset.saturating_add(bytes.len() as u64))?;
        self.tree.write(node, offset, bytes, now)
    }

    pub(crate) fn truncate_node(&mut self, node: Number, size: u64, now: Duration) -> Result<()> {
        self.tree.bytes(node)?;
        self.meet(Operation::Write)?;
        self.make_room(node, size)?;
        self.tree.truncate(node, size, now)
    }

    /// Creates, removes or changes names, or the metadata of a file.
    pub(crate) fn change_names<T>(
        &mut self,
        change: impl FnOnce(&mut Tree) -> Result<T>,
    ) -> Result<T> {
        self.meet(Operation::Write)?;
        change(&mut self.tree)
    }

    /// The names of a directory, with inode numbers, kinds and permissions.
    pub(crate) fn list_node(&mut self, node: Number) -> Result<Vec<(Vec<u8>, Number, u32)>> {
        self.meet(Operation::Read)?;
        self.tree.list(node)
    }

    /// Writes back what was done to a file or a directory.
    pub(crate) fn sync_node(&mut self, node: Number) -> Result<()> {
        self.meet(Operation::Sync)?;
        if !self.lies() {
            self.tree.sync(node);
        }
        Ok(())
    }

    /// The same for all of them.
    pub(crate) fn sync_nodes(&mut self) -> Result<()> {
        self.meet(Operation::Sync)?;
        if !self.lies() {
            self.tree.settle();
        }
        Ok(())
    }
}
