//! Files: the entry points for names, for file descriptors, and for directories. On a machine they
//! use its own file system; of the host's files, only those mounted by a test exist there.

mod answers;
mod descriptors;
mod directories;
mod maps;
mod names;
mod streams;

use crate::sys::here::EntryPoint;
pub(super) use descriptors::lock_part;
pub(crate) use maps::part_maps_from_parent;

/// The entry points in these files, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    [
        descriptors::all(),
        directories::all(),
        maps::all(),
        names::all(),
        streams::all(),
    ]
    .concat()
}
