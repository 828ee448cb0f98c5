//! What a sender knows about the losses that it is repairing.

use crate::kernel::connection::sequence::Seq;

/// The state of the sender. Linux uses the names in brackets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// All is well, or something was overtaken ("Open", "Disorder").
    Open,
    /// Losses are being repaired, while the window shrinks over a round trip ("Recovery").
    Recovery,
    /// A time-out: the window restarts at one segment ("Loss").
    Loss,
}

#[derive(Debug)]
pub(super) struct Repair {
    pub(super) phase: Phase,
    /// The end of what had been sent when it began: when that is acknowledged, it is over.
    pub(super) high: Seq,
    /// The window and the threshold before, to be restored on undo.
    pub(super) window_before: u32,
    pub(super) threshold_before: u32,
    /// Segments that have arrived and been sent since.
    pub(super) delivered: u32,
    pub(super) left: u32,
    /// Retransmissions from this number on may turn out to have been needless, and how many of them
    /// the peer has not yet reported as such; none before the first.
    pub(super) undo: Option<Seq>,
    pub(super) doubtful: Option<u32>,
    /// Whether the time-out itself may have been needless (F-RTO, RFC 5682).
    pub(super) in_doubt: bool,
    /// To find that out, only new data may be sent.
    pub(super) new_only: bool,
    /// The end of the last tail probe, and whether it was a retransmission.
    pub(super) probe: Option<Seq>,
    pub(super) probe_is_old: bool,
    /// Acknowledgements that said nothing new, from a peer without SACK (RFC 5681, section 3.2).
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
