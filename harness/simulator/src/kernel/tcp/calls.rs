//! What the kernel does for TCP: packets in and out, timers.

use crate::kernel::Kernel;
use crate::kernel::ids::FlowId;
use crate::kernel::packet::Packet;
use smoltcp::wire::IpProtocol;

impl Kernel {
    /// A packet arrives from the network.
    pub(crate) fn receive_packet(&mut self, packet: Packet) {
        match packet.ip().map(|ip| ip.protocol) {
            Some(IpProtocol::Tcp) => {
                // The kernel's answer waits for the process's turn only if that takes no time.
                let at_once = self.is_slow();
                let watcher = self.tcp.receive_packet(&packet, self.now, at_once);
                self.notify(watcher);
            }
            Some(IpProtocol::Udp) => self.receive_udp(&packet),
            Some(IpProtocol::Icmp | IpProtocol::Icmpv6) => self.receive_icmp(&packet),
            _ => {}
        }
    }

    /// Makes TCP do what is due by now.
    pub(crate) fn run_timers(&mut self) {
        while let Some((at, flow)) = self.tcp.timers.first()
            && at <= self.now
        {
            let watcher = self.tcp.run_timer(FlowId(flow as usize), self.now);
            self.notify(watcher);
        }
    }

    /// Makes TCP send what follows from what has arrived, and from what the process has written,
    /// since the last time.
    pub(in crate::kernel) fn flush(&mut self) {
        while let Some(flow) = self.tcp.dirty.pop_front() {
            let watcher = self.tcp.work(flow, self.now);
            self.notify(watcher);
        }
    }

    /// When TCP next wants to run.
    pub(crate) fn next_timer(&self) -> Option<u64> {
        self.tcp.timers.first().map(|(at, _)| at)
    }

    /// Moves the packets to be sent to the end of `packets`.
    pub(in crate::kernel) fn take_outgoing(&mut self, packets: &mut Vec<Packet>) {
        packets.append(&mut self.tcp.outgoing);
        packets.append(&mut self.udp.outgoing);
    }
}
