//! How long a machine's work takes.
//!
//! By default it takes no time. A machine may have a cost: for each turn of its process, for each
//! system call on a descriptor, and for each byte that the process sends or receives. What a turn
//! costs passes on the machine's clocks while the turn lasts, so the program can measure it. The
//! turn is computed at once when it begins; its packets leave, and the next turn begins, when its
//! time has passed. A slow disk blocks the process in the same way.
//!
//! The kernel takes no time: as on Linux, interrupts come before processes, so a busy machine still
//! acknowledges what arrives. Retransmissions wait with the rest. Not modelled: multiple processors
//! and cold caches.

mod calls;

use super::Packet;
use std::time::Duration;

/// What work costs on a machine. Nothing, by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkCost {
    /// For each time the process is woken and runs until it sleeps again.
    pub turn: Duration,
    /// For each system call on a descriptor.
    pub call: Duration,
    /// For each byte sent or received, in picoseconds.
    pub byte_ps: u64,
}

/// The processor of one machine.
#[derive(Default)]
pub(crate) struct Cpu {
    turn: u64,
    call: u64,
    byte_ps: u64,
    /// What the running turn has cost so far, in nanoseconds.
    charged: u64,
    /// When the last turn ends, in the machine's time.
    busy_until: Option<u64>,
    /// How many turns took time.
    slow_turns: u64,
    /// Packets with content. They leave when the turn is over.
    held: Vec<Packet>,
}

impl Cpu {
    pub(crate) fn set_cost(&mut self, cost: WorkCost) {
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        (self.turn, self.call) = (nanos(cost.turn), nanos(cost.call));
        self.byte_ps = cost.byte_ps;
    }

    pub(crate) fn slow_turns(&self) -> u64 {
        self.slow_turns
    }

    pub(super) fn charged(&self) -> u64 {
        self.charged
    }

    pub(super) fn busy_until(&self) -> Option<u64> {
        self.busy_until
    }

    /// Makes the process wait this long, in nanoseconds.
    pub(crate) fn charge(&mut self, nanos: u64) {
        self.charged = self.charged.saturating_add(nanos);
    }

    pub(crate) fn charge_call(&mut self) {
        self.charge(self.call);
    }

    pub(super) fn charge_bytes(&mut self, bytes: usize) {
        if self.byte_ps > 0 {
            self.charge((bytes as u64).saturating_mul(self.byte_ps) / 1000);
        }
    }

    /// Forgets what was in progress.
    pub(crate) fn power_loss(&mut self) {
        (self.charged, self.busy_until) = (0, None);
        self.held.clear();
    }

    pub(super) fn begin_turn(&mut self) {
        self.charged = self.turn;
    }
}
