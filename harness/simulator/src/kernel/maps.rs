//! Files in memory (`mmap(2)`): what is written to one of the two is in the other.
//!
//! A private map is a copy of the file as it was. A shared one is on memory that all shared maps of
//! a file have in common. What calls write to the file is written there at once; what the program
//! writes there is found when somebody reads the file, syncs it or unmaps it, and at the end of the
//! process. A read beyond the last page of a file gives zeros, in place of SIGBUS.

mod calls;

use super::disk::tree::Number;
use crate::host::SharedMemory;
use std::collections::BTreeMap;

/// The unit in which changes are looked for, in bytes.
const PAGE: usize = 4096;

/// The files of a process that are in memory.
#[derive(Default)]
pub(super) struct Maps {
    shared: BTreeMap<Number, Shared>,
    /// By address.
    regions: BTreeMap<usize, Region>,
}

/// The memory of a file.
struct Shared {
    memory: SharedMemory,
    /// Whether the program may have written there.
    is_writable: bool,
}

struct Region {
    length: usize,
    node: Number,
    place: Place,
}

/// What of a file is in memory, and how.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Where in the file it begins.
    pub(crate) offset: u64,
    /// What the program may do there, as for `mmap(2)`.
    pub(crate) protection: i32,
}
