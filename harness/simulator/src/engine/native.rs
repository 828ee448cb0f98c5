//! The native engine: a discrete-event simulation. Time jumps from event to event, and an idle machine
//! costs nothing.

use super::Driver;
use crate::kernel::Packet;
use crate::machine::MachineId;
use crate::machines::Machines;
use crate::queue::Queue;
use crate::world::Error;

pub(super) struct Native {
    queue: Queue<Event>,
    /// The earliest wake-up planned for each machine.
    planned: Vec<Option<u64>>,
}

enum Event {
    Arrival {
        from: MachineId,
        to: MachineId,
        packet: Packet,
    },
    Wake(MachineId),
}

impl Native {
    pub(super) fn new() -> Self {
        Self {
            queue: Queue::new(),
            planned: Vec::new(),
        }
    }

    fn arrive(
        &mut self,
        from: MachineId,
        to: MachineId,
        packet: Packet,
        machines: &mut Machines,
    ) -> Result<(), Error> {
        machines.receive(from, to, packet);
        let now = machines.now();
        // Packets of the same nanosecond are one interrupt: the process runs after the last.
        let more = self.queue.peek().is_some_and(|(at, event)| {
            at == now && matches!(event, Event::Arrival { to: next, .. } if *next == to)
        });
        if machines[to].is_runnable() && !more {
            return self.attend(to, machines);
        }
        self.settle(to, machines);
        Ok(())
    }

    fn wake(&mut self, machine: MachineId, machines: &mut Machines) -> Result<(), Error> {
        let now = machines.now();
        let planned = &mut self.planned[machine.0 as usize];
        if *planned == Some(now) {
            *planned = None;
        }
        // A plan that something overtook: the machine has run since, and asked for another time.
        if machines[machine].next_wake().is_none_or(|at| at > now) {
            self.settle(machine, machines);
            return Ok(());
        }
        self.attend(machine, machines)
    }

    /// Takes the machine's packets under way and plans its next wake-up.
    fn settle(&mut self, machine: MachineId, machines: &mut Machines) {
        machines.departures(machine, |departure| {
            if !departure.cut {
                let (to, packet) = (departure.to, departure.packet);
                let from = machine;
                self.queue
                    .plan(departure.arrives, Event::Arrival { from, to, packet });
            }
        });
        let planned = &mut self.planned[machine.0 as usize];
        if let Some(wake) = machines[machine].next_wake()
            && planned.is_none_or(|planned| wake < planned)
        {
            let wake = wake.max(machines.now());
            *planned = Some(wake);
            self.queue.plan(wake, Event::Wake(machine));
        }
    }
}

impl Driver for Native {
    fn add(&mut self, _: MachineId) {
        self.planned.push(None);
    }

    // What the two concern is asked of the machines and of their network when a packet arrives.
    fn set_power(&mut self, _: MachineId, _: bool) {}
    fn set_cut(&mut self, _: MachineId, _: MachineId, _: bool) {}

    fn attend(&mut self, machine: MachineId, machines: &mut Machines) -> Result<(), Error> {
        machines.run(machine)?;
        self.settle(machine, machines);
        Ok(())
    }

    fn run_until(&mut self, limit: u64, machines: &mut Machines) -> Result<(), Error> {
        while let Some((at, event)) = self.queue.next_until(limit) {
            machines.set_now(at);
            match event {
                Event::Arrival { from, to, packet } => self.arrive(from, to, packet, machines)?,
                Event::Wake(machine) => self.wake(machine, machines)?,
            }
        }
        Ok(())
    }
}
