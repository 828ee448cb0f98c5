//! How long a machine's work takes.
//!
//! By default it takes no time. A machine may have a cost: for each turn of its process, for each system call
//! on a descriptor, and for each byte that the process sends or receives. What a turn costs passes on the
//! machine's clocks while the turn lasts, so the program can measure it. The turn is worked out at once, when
//! it begins; its packets leave, and the next turn begins, when its time is over. A slow disk blocks the process in
//! the same way.
//!
//! The kernel takes no time: as on Linux, interrupts come before processes, so a machine that is busy still
//! acknowledges what arrives. What it would send again waits with the rest. Left out: several processors, and
//! caches that are cold.

use super::{Kernel, Packet};
use std::time::Duration;

/// What work costs on a machine. Nothing, by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkCost {
    /// Each time that the process is woken and runs until it sleeps again.
    pub turn: Duration,
    /// Each system call on a descriptor.
    pub call: Duration,
    /// Each byte that is sent or received, in picoseconds.
    pub byte_ps: u64,
}

/// The processor of one machine.
#[derive(Default)]
pub(crate) struct Cpu {
    turn: u64,
    call: u64,
    byte_ps: u64,
    /// What the turn that is running has cost so far, in nanoseconds.
    charged: u64,
    /// Until when the last turn lasts, in the machine's time.
    busy_until: Option<u64>,
    /// How many turns took time.
    slow_turns: u64,
    /// Packets with something to say. They leave when the turn is over.
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

    /// The process has to wait so long, in nanoseconds.
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

    /// Forgets what was going on.
    pub(crate) fn power_loss(&mut self) {
        (self.charged, self.busy_until) = (0, None);
        self.held.clear();
    }

    pub(super) fn begin_turn(&mut self) {
        self.charged = self.turn;
    }
}

impl Kernel {
    /// The process waits until then, and does nothing else meanwhile.
    pub(crate) fn be_busy_until(&mut self, until: u64) {
        let left = until.saturating_sub(self.time_of_process());
        self.hardware.cpu.charge(left);
    }

    /// The turn has been worked out; it lasts for what it has cost.
    pub(crate) fn end_turn(&mut self) {
        self.hardware.strikes.set_at_work(false);
        let charged = std::mem::take(&mut self.hardware.cpu.charged);
        if charged > 0 {
            self.hardware.cpu.slow_turns += 1;
            self.hardware.cpu.busy_until = Some(self.now.saturating_add(charged));
        }
    }

    /// Whether the last turn still lasts.
    pub(crate) fn is_busy(&self) -> bool {
        self.hardware.cpu.busy_until.is_some()
    }

    /// Whether this turn, or the next one, may take time.
    pub(super) fn is_slow(&self) -> bool {
        let cpu = &self.hardware.cpu;
        let has_cost = cpu.turn > 0 || cpu.call > 0 || cpu.byte_ps > 0;
        has_cost || self.is_busy() || self.hardware.disk.is_slow()
    }

    /// Ends the last turn if its time is over.
    pub(crate) fn end_work(&mut self) {
        let cpu = &mut self.hardware.cpu;
        if cpu.busy_until.is_some_and(|at| at <= self.now) {
            cpu.busy_until = None;
        }
    }

    /// Ends the last turn now: the process is gone.
    pub(super) fn abandon_work(&mut self) {
        self.hardware.cpu.busy_until = None;
        self.hardware.cpu.charged = 0;
    }

    /// Moves the packets that may leave to the end of `packets`: while a turn lasts, only those that
    /// the kernel sends on its own.
    pub(crate) fn take_departing(&mut self, packets: &mut Vec<Packet>) {
        if !self.is_busy() {
            self.flush();
            packets.append(&mut self.hardware.cpu.held);
            return self.take_outgoing(packets);
        }
        let mut outgoing = Vec::new();
        self.take_outgoing(&mut outgoing);
        for packet in outgoing {
            match packet.is_of_the_kernel() {
                true => packets.push(packet),
                false => self.hardware.cpu.held.push(packet),
            }
        }
    }
}
