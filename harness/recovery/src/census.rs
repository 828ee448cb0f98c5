//! What is in the books.

/// What is in the books at a moment: this must fall to zero once clients have gone and their time
/// is up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// The sessions with a connection.
    pub connected: usize,
    /// The sessions that wait for their clients.
    pub waiting: usize,
    /// The packets that some session may still need.
    pub packets: usize,
    /// The bytes in these packets.
    pub bytes: usize,
    /// The changes that the storage has not been able to keep yet.
    pub unsaved: usize,
}
