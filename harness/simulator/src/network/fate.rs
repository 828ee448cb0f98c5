//! What becomes of a packet.

use crate::ids::MachineId;
use crate::kernel::Packet;

/// What becomes of a packet. Times are in nanoseconds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It arrives.
    Arrives {
        at: u64,
        /// And once more.
        again: Option<u64>,
    },
    /// It does not arrive.
    Dropped(Why),
    /// A middlebox drops it, and may answer.
    Refused(Vec<Answer>),
}

/// Why a packet does not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It is lost at random.
    Lost,
    /// The queue is full.
    Overflow,
    /// A partition drops it.
    Cut,
}

/// A packet sent by a middlebox.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) to: MachineId,
    pub(crate) packet: Packet,
    pub(crate) at: u64,
}
