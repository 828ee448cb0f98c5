//! Calls on files, directories and links: what `open(2)` and its like do with the machine's file
//! system.

mod calls;

use super::disk::tree::{Number, ROOT};

/// For whom a `flock(2)` has to wait: no lock of C has this address.
pub(crate) const LOCKS: usize = 1;

/// A file that was opened (an *open file description*): duplicates of a descriptor share it.
pub(super) struct OpenFile {
    node: Number,
    offset: u64,
    /// As `open(2)` was given them.
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

/// Where the process is, and what it takes away from the permissions of what it makes.
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

/// A path, and the directory from which it leads if it is relative: a descriptor, or `AT_FDCWD`.
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
