//! Planted mistakes. A harness that never sees a checker fail proves nothing, so the chat can be
//! told to make exactly one mistake, and every checker has a chat that it must catch.
//!
//! The same value may be given to the server and to the clients; each side looks only at the
//! mistakes that are its own. Nothing of this is active unless it is asked for.

use serde::{Deserialize, Serialize};

/// One planted mistake, with the guarantee that it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Bug {
    /// *Acknowledgement truth.* The server acknowledges at once and stores half a second later; a
    /// crash in between loses what was promised.
    AckBeforeCommit,
    /// *Exactly once.* The server ignores the client offset, so a retried message is stored again.
    NoDeduplication,
    /// *At most once.* The client believes it has handled three messages fewer than it has: it asks
    /// for them again when it comes back, and handles them again.
    HandleTwice,
    /// *Ordering, at most once.* The mistake of the official tutorial: catching up runs while live
    /// messages go out, and the client stores the offset of the last message it saw instead of the
    /// highest. Older messages follow newer ones, and come again after the next reconnection.
    LastInsteadOfHighestOffset,
    /// *Ordering.* The server hands out each page of a catch-up newest first, under ids that
    /// pretend otherwise.
    CatchUpBackwards,
    /// *Total order.* Every second session sees the messages of two senders swapped. Each sender's
    /// own messages stay in order.
    ShuffledBroadcast,
    /// *At least once.* The client does not retry a message that was not acknowledged, and says
    /// that it was sent.
    ForgetRetry,
    /// *Durability to delivery.* The server tells a client that comes back that it has missed
    /// nothing.
    SkipCatchUp,
    /// *No phantom, no leak.* The server broadcasts to everybody, whatever the room.
    LeakRoom,
    /// *Detection.* The client does not notice that its connection is dead.
    DeafWatchdog,
    /// *Reconnection.* The client goes on under the id of its first session.
    ReusedSession,
    /// *Reconnection.* The client connects again at once, without waiting.
    EagerReconnect,
}
