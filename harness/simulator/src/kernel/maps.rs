//! Files in memory (`mmap(2)`): what is written to either one appears in the other.
//!
//! A private map is a copy of the file as it was. A shared one uses memory common to all shared
//! maps of a file. What calls write to the file is written there at once; what the program writes
//! there is found when the file is read, synced or unmapped, and at the end of the process. A read
//! beyond the last page of a file yields zeros instead of SIGBUS.

mod calls;

use super::disk::tree::Number;
use crate::host::SharedMemory;
use std::collections::BTreeMap;

/// The unit in which changes are looked for, in bytes.
const PAGE: usize = 4096;

/// The files that a process has mapped.
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

/// Which part of a file is in memory, and how.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    /// Where it begins in the file.
    pub(crate) offset: u64,
    /// The program's access to it, as for `mmap(2)`.
    pub(crate) protection: i32,
}
