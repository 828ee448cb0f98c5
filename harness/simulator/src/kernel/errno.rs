//! How system calls fail.

/// An error number of the operating system (`errno(3)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) i32);

/// The result of a system call.
pub(crate) type Result<T> = std::result::Result<T, Errno>;
