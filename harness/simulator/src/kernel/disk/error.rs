//! Why the disk refuses an operation.

/// Why the disk refuses an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DiskError {
    #[error(
        "there is no file of this name on the machine's disk: open it with a mode that creates"
    )]
    NotFound,
    #[error("a file of this name is already on the machine's disk: delete it or open it as it is")]
    Exists,
    #[error("this file was opened by a process that is gone, or on another machine: open it again")]
    Stale,
    #[error(
        "the machine's disk is full, or the real computer has no memory for a simulated file of \
         this size: write less"
    )]
    NoSpace,
    #[error("the machine's disk reports an error, as it was told to")]
    Io,
}
