//! How a host process ended.

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// With this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It was killed because it took too long.
    TooLong,
    /// It was killed because it used too much memory.
    TooLarge,
}
