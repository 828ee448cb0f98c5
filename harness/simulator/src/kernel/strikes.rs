//! What strikes a machine while its process is at work: at one of its system calls, in the middle
//! of a turn.
//!
//! So a process can be killed between two syncs of a commit, or between the commit and the answer
//! that should follow in the same turn. From that call on nothing the process does has an effect,
//! as with the destructors of a dead one. Its turn ends there, and then the process is taken apart.
//!
//! The calls that count are those that somebody else may notice: calls on descriptors, those of
//! SQLite to its disk, and notes of operations.

mod calls;

use super::Packet;
use super::disk::{DiskChange, Troubles};
use crate::ids::FaultId;
use rand_chacha::ChaCha8Rng;

/// Something that can strike in the middle of a turn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Strike {
    /// As [`Intervention::Kill`](crate::Intervention::Kill).
    Kill,
    /// As [`Intervention::PowerLoss`](crate::Intervention::PowerLoss).
    PowerLoss,
    /// As [`Intervention::TornPowerLoss`](crate::Intervention::TornPowerLoss).
    TornPowerLoss {
        /// The size of a sector in bytes.
        sector: usize,
    },
    /// As [`Intervention::Disk`](crate::Intervention::Disk).
    Disk(DiskChange),
}

impl Strike {
    fn ends_process(self) -> bool {
        !matches!(self, Self::Disk(_))
    }

    fn takes_power(self) -> bool {
        matches!(self, Self::PowerLoss | Self::TornPowerLoss { .. })
    }
}

/// What is going to strike a machine, and what has.
#[derive(Default)]
pub(crate) struct Strikes {
    /// Whether a turn of the process is worked out: what others do with the machine are no calls of
    /// its process.
    at_work: bool,
    calls: u64,
    armed: Vec<Armed>,
    fallen: Vec<Fallen>,
}

struct Armed {
    fault: FaultId,
    /// The call at which it strikes.
    at: u64,
    strike: Strike,
    /// For a disk on which something begins to be random.
    rng: ChaCha8Rng,
}

/// A strike that has fallen.
pub(crate) struct Fallen {
    pub(crate) fault: FaultId,
    pub(crate) strike: Strike,
    /// The count of the call.
    pub(crate) call: u64,
    /// What the disk had seen by then.
    pub(crate) troubles: Troubles,
    /// How many writes were not synced.
    pub(crate) unsynced: usize,
    /// What the machine had sent in its turn before it lost its power.
    pub(crate) sent: Vec<Packet>,
}

impl Strikes {
    /// Plans a strike at one of the next calls: the first is 1.
    pub(crate) fn arm(&mut self, fault: FaultId, call: u64, strike: Strike, rng: ChaCha8Rng) {
        let at = self.calls.saturating_add(call.max(1));
        self.armed.push(Armed {
            fault,
            at,
            strike,
            rng,
        });
    }

    /// Takes a strike back, unless it has fallen.
    pub(crate) fn disarm(&mut self, fault: FaultId) -> Option<Strike> {
        let place = self.armed.iter().position(|armed| armed.fault == fault)?;
        Some(self.armed.remove(place).strike)
    }

    /// What has fallen since this was asked last.
    pub(crate) fn take_fallen(&mut self) -> Vec<Fallen> {
        std::mem::take(&mut self.fallen)
    }

    pub(crate) fn set_at_work(&mut self, at_work: bool) {
        self.at_work = at_work;
    }
}
