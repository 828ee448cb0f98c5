//! Which process's statics are in place while threads of a machine run.

use crate::host::Statics;
use crate::kernel::SharedKernel;

/// Gives each process that begins its own statics of a path; returns how many there are.
pub(crate) fn separate_statics(path: &str) -> usize {
    Statics::separate_those_of(path)
}

/// Puts the statics of a machine's process in place, until the guard is dropped.
pub(super) fn enter(kernel: &SharedKernel) -> Entered<'_> {
    kernel.borrow_mut().statics.exchange();
    Entered(kernel)
}

/// Restores those of the world's thread when dropped.
pub(super) struct Entered<'a>(&'a SharedKernel);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().statics.exchange();
    }
}
