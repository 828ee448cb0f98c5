//! What is said on a connection, in whatever protocol.

use super::streams::Stream;

/// Something that is said on a connection.
pub(super) struct Said<'c> {
    pub(super) stream: &'c Stream,
    /// Where it ends in that stream.
    pub(super) end: usize,
    pub(super) what: What,
}

/// What is said.
pub(super) enum What {
    /// A message with this text, and how its answer will name it.
    Message { text: String, asks: Option<String> },
    /// The answer to a message that named itself so, from the other side.
    Answer(String),
}
