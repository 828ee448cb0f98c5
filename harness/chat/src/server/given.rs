//! What clients ask of the server.

use super::reply::Reply;
use crate::message::MessageKind;
use crate::wire::{PieceRequest, Submission};

/// Something that a client asks for.
pub(super) enum Given {
    /// To say something.
    Message(Submission, Reply),
    /// What comes after this offset.
    Sync(i64),
    /// More of a large content.
    Piece(PieceRequest),
    /// To know who is online.
    Who,
}

/// What a request takes besides its content, in bytes, roughly.
const AROUND: usize = 256;

impl Given {
    /// Whether its session's next request is independent of it.
    pub(super) fn stands_alone(&self) -> bool {
        matches!(self, Given::Message(said, _) if said.kind == MessageKind::Message)
    }

    /// How much memory it takes while it waits, in bytes.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Given::Message(said, _) => said.content.len() + AROUND,
            Given::Sync(_) | Given::Piece(_) | Given::Who => AROUND,
        }
    }
}
