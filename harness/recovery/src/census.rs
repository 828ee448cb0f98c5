//! What there is in the books.

/// What there is in the books at a moment: what must come to nothing when clients have gone and
/// their time is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// The sessions that have a connection.
    pub connected: usize,
    /// The sessions that wait for their clients.
    pub waiting: usize,
    /// The packets that some session may still need.
    pub packets: usize,
    /// The bytes of these packets.
    pub bytes: usize,
    /// The changes that the storage could not keep yet.
    pub unsaved: usize,
}
