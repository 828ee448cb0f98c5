//! Which process's statics are in place while threads of a machine run.

use crate::kernel::SharedKernel;

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
