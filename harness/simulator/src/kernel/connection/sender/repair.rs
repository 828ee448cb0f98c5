//! What a sender knows of the losses that it repairs.

use crate::kernel::connection::sequence::Seq;

/// In what state the sender is. Linux calls them by the names in brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// All goes well, or something was overtaken ("Open", "Disorder").
    Open,
    /// Losses are being repaired, at a window that comes down in a round trip ("Recovery").
    Recovery,
    /// A time-out: the window begins with one segment ("Loss").
    Loss,
}

#[derive(Debug)]
pub(super) struct Repair {
    pub(super) phase: Phase,
    /// Up to where something was sent when it began: it is over when that is acknowledged.
    pub(super) high: Seq,
    /// The window and the threshold before, to go back to.
    pub(super) window_before: u32,
    pub(super) threshold_before: u32,
    /// Segments that have arrived, and left, since.
    pub(super) delivered: u32,
    pub(super) left: u32,
    /// From where on retransmissions may turn out to have been needless, and how many of them the
    /// peer has not yet told as such; none before the first.
    pub(super) undo: Option<Seq>,
    pub(super) doubtful: Option<u32>,
    /// Whether the time-out itself may have been needless (F-RTO, RFC 5682).
    pub(super) in_doubt: bool,
    /// Only what is new may leave, to find that out.
    pub(super) new_only: bool,
    /// What the last probe of the tail ended with, and whether it repeated something.
    pub(super) probe: Option<Seq>,
    pub(super) probe_is_old: bool,
    /// Acknowledgements that said nothing new, of a peer without SACK (RFC 5681, section 3.2).
    pub(super) duplicates: u32,
}

impl Repair {
    pub(super) fn new(first: Seq) -> Self {
        Self {
            phase: Phase::Open,
            high: first,
            window_before: 0,
            threshold_before: u32::MAX,
            delivered: 0,
            left: 0,
            undo: None,
            doubtful: None,
            new_only: false,
            in_doubt: false,
            probe: None,
            probe_is_old: false,
            duplicates: 0,
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) fn high(&self) -> Seq {
        self.high
    }

    pub(super) fn is_over(&self) -> bool {
        self.phase == Phase::Open
    }
}
