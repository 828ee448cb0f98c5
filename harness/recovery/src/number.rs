//! The numbers of sessions.

/// Counts sessions in the order in which they were opened.
pub(crate) type Number = u64;
