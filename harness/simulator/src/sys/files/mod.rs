//! Files: the entry points of what works with names, with descriptors of files, and with
//! directories. On a machine they are on its own file system; of the host's files only those are
//! there that a test has mounted.

mod answers;
mod descriptors;
mod directories;
mod maps;
mod names;
mod streams;

use crate::sys::here::EntryPoint;
pub(super) use descriptors::lock_part;
pub(crate) use maps::part_maps_from_parent;

/// What these files define, for the check at the start.
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
