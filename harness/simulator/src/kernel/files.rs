//! Calls on files, directories and links: what `open(2)` and the like do with the machine's file
//! system.

mod calls;

use super::disk::tree::{Number, ROOT};

/// The address that a waiting `flock(2)` waits at: no C lock has it.
pub(crate) const LOCKS: usize = 1;

/// An open file (*open file description*): duplicates of a descriptor share it.
pub(super) struct OpenFile {
    node: Number,
    offset: u64,
    /// As passed to `open(2)`.
    flags: i32,
    lock: FileLock,
}

/// What an open file has locked (`flock(2)`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum FileLock {
    #[default]
    None,
    Shared,
    Exclusive,
}

/// The working directory of the process, and the permissions it removes from what it creates.
pub(super) struct Working {
    directory: Number,
    mask: u32,
}

impl Default for Working {
    fn default() -> Self {
        Self {
            directory: ROOT,
            mask: 0o022,
        }
    }
}

/// A path, and the directory from which it starts if it is relative: a descriptor, or `AT_FDCWD`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct At<'a> {
    pub(crate) directory: i32,
    pub(crate) path: &'a [u8],
}

impl OpenFile {
    fn reads(&self) -> bool {
        self.flags & libc::O_ACCMODE != libc::O_WRONLY && self.flags & libc::O_PATH == 0
    }

    fn writes(&self) -> bool {
        self.flags & libc::O_ACCMODE != libc::O_RDONLY && self.flags & libc::O_PATH == 0
    }
}
