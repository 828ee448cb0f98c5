//! How a process of the host has ended.

/// How a child has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It was ended because it took too long.
    TooLong,
    /// It was ended because it took too much memory.
    TooLarge,
}
