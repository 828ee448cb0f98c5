//! The native engine: a discrete-event simulation. Time jumps from event to event, and an idle
//! machine costs nothing.
//!
//! There are two kinds of events: a packet arrives, or a machine wakes up. At the same nanosecond
//! the packets come first.

use super::driver::Driver;
use crate::alarms::Alarms;
use crate::error::Error;
use crate::ids::MachineId;
use crate::kernel::Packet;
use crate::machines::Machines;
use crate::queue::Queue;

#[derive(Default)]
pub(super) struct Native {
    arrivals: Queue<Arrival>,
    /// When each machine wants to run next.
    wakes: Alarms,
    /// What would have arrived if it had not been held, in order of arrival.
    held: Vec<Arrival>,
}

struct Arrival {
    from: MachineId,
    to: MachineId,
    packet: Packet,
}

impl Native {
    fn arrive(&mut self, arrival: Arrival, machines: &mut Machines) -> Result<(), Error> {
        if machines.network.is_held(arrival.from, arrival.to) {
            self.held.push(arrival);
            return Ok(());
        }
        let Arrival { from, to, packet } = arrival;
        machines.receive(from, to, packet);
        // Packets in the same nanosecond are one interrupt: the process runs after the last.
        let next = self.arrivals.peek();
        let more = next.is_some_and(|(at, next)| at == machines.now() && next.to == to);
        if machines[to].is_runnable() && !more {
            return self.attend(to, machines);
        }
        self.settle(to, machines);
        Ok(())
    }

    /// Takes the machine's outgoing packets and schedules its next wake-up.
    fn settle(&mut self, machine: MachineId, machines: &mut Machines) {
        machines.departures(machine, |departure| {
            if !departure.cut {
                let (to, packet) = (departure.to, departure.packet);
                let from = machine;
                self.arrivals
                    .plan(departure.arrives, Arrival { from, to, packet });
            }
        });
        self.wakes.set(machine.0, machines[machine].next_wake());
    }

    /// The time of the next event, and the machine if it is a wake-up.
    fn next(&self) -> Option<(u64, Option<MachineId>)> {
        let arrival = self.arrivals.peek().map(|(at, _)| at);
        match (arrival, self.wakes.first()) {
            (Some(at), Some((wake, _))) if at <= wake => Some((at, None)),
            (_, Some((wake, machine))) => Some((wake, Some(MachineId(machine)))),
            (Some(at), None) => Some((at, None)),
            (None, None) => None,
        }
    }
}

impl Driver for Native {
    // The machines are asked about it when it matters.
    fn add(&mut self, _: MachineId) {}

    fn set_cut(&mut self, from: MachineId, to: MachineId, cut: bool) {
        // All other packets ask the network when they arrive.
        if cut && !self.held.is_empty() {
            (self.held).retain(|arrival| (arrival.from, arrival.to) != (from, to));
        }
    }

    fn set_held(&mut self, from: MachineId, to: MachineId, held: bool, now: u64) {
        if held {
            return;
        }
        let released = |arrival: &mut Arrival| (arrival.from, arrival.to) == (from, to);
        for arrival in self.held.extract_if(.., released) {
            self.arrivals.plan(now, arrival);
        }
    }

    fn attend(&mut self, machine: MachineId, machines: &mut Machines) -> Result<(), Error> {
        machines.run(machine)?;
        self.settle(machine, machines);
        Ok(())
    }

    fn run_until(&mut self, limit: u64, machines: &mut Machines) -> Result<(), Error> {
        while let Some((at, wakes)) = self.next().filter(|&(at, _)| at <= limit) {
            // A late machine has been paused or struck by a fault.
            machines.set_now(at.max(machines.now()));
            if let Some(machine) = wakes {
                self.attend(machine, machines)?;
            } else if let Some((_, arrival)) = self.arrivals.next_until(at) {
                self.arrive(arrival, machines)?;
            }
        }
        Ok(())
    }
}
