//! How the turns of a process take time.

use crate::kernel::{Kernel, Packet};

impl Kernel {
    /// Makes the process wait until then, doing nothing else.
    pub(crate) fn be_busy_until(&mut self, until: u64) {
        let left = until.saturating_sub(self.time_of_process());
        self.hardware.cpu.charge(left);
    }

    /// The turn has been computed; it lasts for as long as its cost.
    pub(crate) fn end_turn(&mut self) {
        self.hardware.strikes.set_at_work(false);
        let charged = std::mem::take(&mut self.hardware.cpu.charged);
        if charged > 0 {
            self.hardware.cpu.slow_turns += 1;
            self.hardware.cpu.busy_until = Some(self.now.saturating_add(charged));
        }
    }

    /// When the last turn ends, in the time of the world; none if it has ended.
    pub(crate) fn works_until(&self) -> Option<u64> {
        self.world_time(self.hardware.cpu.busy_until?)
    }

    /// Whether the last turn is still going on.
    pub(crate) fn is_busy(&self) -> bool {
        self.hardware.cpu.busy_until.is_some()
    }

    /// Whether this turn, or the next one, may take time.
    pub(in crate::kernel) fn is_slow(&self) -> bool {
        let cpu = &self.hardware.cpu;
        let has_cost = cpu.turn > 0 || cpu.call > 0 || cpu.byte_ps > 0;
        has_cost || self.is_busy() || self.hardware.disk.is_slow()
    }

    /// Ends the last turn if its time has passed.
    pub(crate) fn end_work(&mut self) {
        let cpu = &mut self.hardware.cpu;
        if cpu.busy_until.is_some_and(|at| at <= self.now) {
            cpu.busy_until = None;
        }
    }

    /// Ends the last turn now: the process is gone.
    pub(in crate::kernel) fn abandon_work(&mut self) {
        self.hardware.cpu.busy_until = None;
        self.hardware.cpu.charged = 0;
    }

    /// Moves the packets that may leave to the end of `packets`: while a turn lasts, only those
    /// that the kernel sends by itself.
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
