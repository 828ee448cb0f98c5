//! Strikes on a machine while its process is at work: at one of its system calls, in the middle of
//! a turn.
//!
//! So a process can be killed between two syncs of a commit, or between the commit and the answer
//! that should follow in the same turn. From that call on, nothing the process does has any effect,
//! as with the destructors of a dead one. Its turn ends there, and then the process is taken apart.
//!
//! Only calls with effects that others may notice count: calls on descriptors, SQLite's calls to
//! its disk, and notes of operations.

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

/// What is going to strike a machine, and what already has.
#[derive(Default)]
pub(crate) struct Strikes {
    /// Whether a turn of the process is being computed: what others do with the machine does not
    /// count as calls of its process.
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
    /// For a disk that becomes random in some way.
    rng: ChaCha8Rng,
}

/// A strike that has happened.
pub(crate) struct Fallen {
    pub(crate) fault: FaultId,
    pub(crate) strike: Strike,
    /// The number of the call.
    pub(crate) call: u64,
    /// The disk's troubles up to then.
    pub(crate) troubles: Troubles,
    /// How many writes were not synced.
    pub(crate) unsynced: usize,
    /// What the machine had sent in its turn before it lost its power.
    pub(crate) sent: Vec<Packet>,
}

impl Strikes {
    /// Plans a strike at one of the next calls, counted from 1.
    pub(crate) fn arm(&mut self, fault: FaultId, call: u64, strike: Strike, rng: ChaCha8Rng) {
        let at = self.calls.saturating_add(call.max(1));
        self.armed.push(Armed {
            fault,
            at,
            strike,
            rng,
        });
    }

    /// Withdraws a strike, unless it has happened.
    pub(crate) fn disarm(&mut self, fault: FaultId) -> Option<Strike> {
        let place = self.armed.iter().position(|armed| armed.fault == fault)?;
        Some(self.armed.remove(place).strike)
    }

    /// The strikes that have happened since the last call.
    pub(crate) fn take_fallen(&mut self) -> Vec<Fallen> {
        std::mem::take(&mut self.fallen)
    }

    pub(crate) fn set_at_work(&mut self, at_work: bool) {
        self.at_work = at_work;
    }
}
