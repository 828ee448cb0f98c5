//! The effects of a fault on the world when its time has come.

use super::{Due, World};
use crate::error::Error;
use crate::hits::{Meter, Struck};
use crate::ids::{FaultId, MachineId};
use crate::intervention::Intervention;
use crate::kernel::clock::ClockChange;
use crate::kernel::cpu::WorkCost;
use crate::kernel::strikes::Strike;
use crate::machine::Machine;
use crate::network::syn;
use crate::time::nanos;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

impl World {
    pub(super) fn strike(&mut self, id: FaultId, fault: Intervention) -> Result<(), Error> {
        let (machine, words) = fault.describe(|machine| self.name(machine));
        self.machines.tell("fault", machine, words);
        match fault {
            Intervention::Cut { from, to } => {
                pairs(&from, &to).for_each(|(a, b)| self.cut(a, b, id))
            }
            Intervention::Mend { from, to } => pairs(&from, &to).for_each(|(a, b)| self.mend(a, b)),
            Intervention::Loss {
                between: (a, b),
                loss,
            } => {
                for (a, b) in pairs(&a, &b).chain(pairs(&b, &a)) {
                    self.machines.network.set_loss(a, b, loss, id);
                }
            }
            Intervention::Hold { from, to } => {
                pairs(&from, &to).for_each(|(a, b)| self.hold(a, b, id))
            }
            Intervention::Release { from, to } => {
                pairs(&from, &to).for_each(|(a, b)| self.release(a, b))
            }
            Intervention::Link { from, to, link } => {
                for (a, b) in pairs(&from, &to) {
                    let link = (*link).clone();
                    self.machines.network.change_direction(a, b, link, id);
                }
            }
            Intervention::SwallowCloses { from, to, swallow } => {
                for (a, b) in pairs(&from, &to) {
                    self.machines.network.swallow_closes(a, b, swallow, id);
                }
            }
            Intervention::Rule { from, to, rule } => {
                for (a, b) in pairs(&from, &to) {
                    self.machines.network.add_rule(a, b, rule.clone(), id);
                }
            }
            Intervention::EndRule { from, to, rule } => {
                for (a, b) in pairs(&from, &to) {
                    self.machines.network.remove_rule(a, b, &rule);
                }
            }
            Intervention::Gateway {
                between: (a, b),
                gateway,
            } => {
                let now = self.machines.now();
                for (a, b) in pairs(&a, &b) {
                    let gateway = gateway.clone();
                    self.machines.network.set_gateway(a, b, gateway, now, id);
                }
            }
            Intervention::Move(machine) => self.machines.move_away(machine, id),
            Intervention::UsePorts { machine, free } => {
                self.measure(id, machine, Meter::Ports, free.is_some());
                self.machines[machine].leave_ports(free);
            }
            Intervention::SynFlood {
                to,
                port,
                interval,
                until,
            } => return self.flood(id, to, port, interval, until),
            Intervention::Kill(machine) => {
                self.note_process(id, machine, Struck::Ended);
                return self.act(machine, Machine::kill);
            }
            Intervention::Terminate(machine) => {
                self.note_process(id, machine, Struck::Ended);
                return self.act(machine, |this, now| this.signal(now, libc::SIGTERM));
            }
            Intervention::Stop { machine, grace } => {
                self.note_process(id, machine, Struck::Ended);
                let ended = self.machines[machine].ends().len();
                if self.machines[machine].has_process() {
                    let at = nanos(self.now().saturating_add(grace));
                    self.faults.plan(at, Due::Grace { machine, ended });
                }
                return self.act(machine, |this, now| this.signal(now, libc::SIGTERM));
            }
            Intervention::Signal { machine, signal } => {
                let runs = self.machines[machine].has_process();
                self.machines.books.add(id, Struck::Signalled, runs.into());
                return self.act(machine, |this, now| this.signal(now, signal));
            }
            Intervention::Boot(machine) => {
                let starts = !self.machines[machine].has_process();
                self.machines.books.add(id, Struck::Started, starts.into());
                return self.act(machine, Machine::boot);
            }
            Intervention::PowerLoss(machine) => {
                self.note_power_loss(id, machine);
                return self.act(machine, |this, now| this.power_loss(now, None));
            }
            Intervention::TornPowerLoss { machine, sector } => {
                self.note_power_loss(id, machine);
                return self.act(machine, |this, now| this.power_loss(now, Some(sector)));
            }
            Intervention::Pause(machine) => {
                self.note_process(id, machine, Struck::Stopped);
                return self.act(machine, |this, _| this.set_paused(true));
            }
            Intervention::Resume(machine) => {
                return self.act(machine, |this, _| this.set_paused(false));
            }
            Intervention::Suspend(machine) => {
                let stops = self.machines[machine].has_power();
                self.machines.books.add(id, Struck::Stopped, stops.into());
                return self.act(machine, Machine::suspend);
            }
            Intervention::Wake {
                machine,
                clocks_jump,
            } => return self.act(machine, |this, now| this.resume(now, clocks_jump)),
            Intervention::Clock(machine, change) => {
                match change {
                    ClockChange::Drift { ppm } => {
                        self.measure(id, machine, Meter::ClockReads, ppm != 0);
                    }
                    ClockChange::StepForward(_)
                    | ClockChange::StepBack(_)
                    | ClockChange::FreezeWall
                    | ClockChange::ThawWall => self.begin(id, machine, Meter::WallReads),
                }
                return self.act(machine, |this, now| this.change_clock(now, change));
            }
            Intervention::Work(machine, cost) => {
                self.measure(id, machine, Meter::Turns, cost != WorkCost::default());
                return self.act(machine, |this, _| this.set_work_cost(cost));
            }
            Intervention::Disk(machine, change) => {
                let (meter, fails) = Meter::of(change);
                self.measure(id, machine, meter, fails);
                return self.act(machine, |this, _| this.change_disk(change));
            }
            Intervention::AtCall {
                machine,
                call,
                latest,
                strike,
            } => {
                self.machines[machine].arm(id, call, strike);
                let latest = nanos(latest).max(self.machines.now());
                self.faults.plan(latest, Due::Latest(id, machine));
            }
        }
        Ok(())
    }

    /// The time in which a process could be struck at a call has passed: it is struck now, unless
    /// it has been.
    pub(super) fn strike_at_last(&mut self, id: FaultId, machine: MachineId) -> Result<(), Error> {
        let fault = match self.machines[machine].disarm(id) {
            None => return Ok(()),
            Some(Strike::Kill) => Intervention::Kill(machine),
            Some(Strike::PowerLoss) => Intervention::PowerLoss(machine),
            Some(Strike::TornPowerLoss { sector }) => {
                Intervention::TornPowerLoss { machine, sector }
            }
            Some(Strike::Disk(change)) => Intervention::Disk(machine, change),
        };
        self.strike(id, fault)
    }

    /// The grace period of a process has passed: it is killed, unless it has ended. `ended` is how
    /// many processes had ended when the period began.
    pub(super) fn kill_at_last(&mut self, machine: MachineId, ended: usize) -> Result<(), Error> {
        if !self.machines[machine].has_process() || self.machines[machine].ends().len() > ended {
            return Ok(());
        }
        let name = self.name(machine).to_owned();
        self.machines.tell(
            "fault",
            machine,
            format!("kill {name}, whose grace is over"),
        );
        self.act(machine, Machine::kill)
    }

    /// Does something to a machine, and lets it do what follows from it.
    fn act(&mut self, id: MachineId, act: impl FnOnce(&mut Machine, u64)) -> Result<(), Error> {
        let now = self.machines.now();
        act(&mut self.machines[id], now);
        self.attend(id)
    }

    fn attend(&mut self, id: MachineId) -> Result<(), Error> {
        self.driver.attend(id, &mut self.machines)
    }

    /// From now on, what this meter counts is attributed to this fault, if it `begins` something,
    /// and no longer to an earlier one.
    fn measure(&mut self, fault: FaultId, machine: MachineId, meter: Meter, begins: bool) {
        let shows = self.machines[machine].shows(meter);
        self.machines.books.end(machine, meter, shows);
        if begins {
            self.begin(fault, machine, meter);
        }
    }

    fn begin(&mut self, fault: FaultId, machine: MachineId, meter: Meter) {
        let shows = self.machines[machine].shows(meter);
        self.machines.books.begin(fault, machine, meter, shows);
    }

    /// Something happens to a machine's process, if there is one.
    fn note_process(&mut self, fault: FaultId, machine: MachineId, struck: Struck) {
        let count = self.machines[machine].has_process();
        self.machines.books.add(fault, struck, count.into());
    }

    fn note_power_loss(&mut self, fault: FaultId, machine: MachineId) {
        self.note_process(fault, machine, Struck::Ended);
        let unsynced = self.machines[machine].unsynced() as u64;
        self.machines.books.add(fault, Struck::Unsynced, unsynced);
    }

    fn cut(&mut self, from: MachineId, to: MachineId, fault: FaultId) {
        self.machines.network.cut(from, to, fault);
        self.driver.set_cut(from, to, true);
    }

    fn mend(&mut self, from: MachineId, to: MachineId) {
        self.machines.network.mend(from, to);
        self.driver
            .set_cut(from, to, self.machines.network.is_cut(from, to));
    }

    fn hold(&mut self, from: MachineId, to: MachineId, fault: FaultId) {
        if self.machines.network.hold(from, to, fault) {
            self.driver.set_held(from, to, true, self.machines.now());
        }
    }

    fn release(&mut self, from: MachineId, to: MachineId) {
        if self.machines.network.release(from, to) {
            self.driver.set_held(from, to, false, self.machines.now());
        }
    }

    /// Makes one SYN arrive, and plans the next.
    fn flood(
        &mut self,
        id: FaultId,
        to: MachineId,
        port: u16,
        interval: Duration,
        until: Duration,
    ) -> Result<(), Error> {
        let sent = self.flooded;
        self.flooded += 1;
        // From the benchmarking network (RFC 2544), in which there are no machines.
        let source = Ipv4Addr::from(u32::from_be_bytes([198, 18, 0, 0]) + (sent & 0x1_ffff));
        let source = SocketAddrV4::new(source, 1024 + (sent >> 17) as u16);
        let target = SocketAddrV4::new(self.address(to), port);
        let packet = syn(source.into(), target.into(), sent as i32);
        let arrives = self.machines[to].has_power();
        self.machines.books.add(id, Struck::Forged, arrives.into());
        self.machines.receive_from_outside(to, packet);
        // Not at the same time again, otherwise the world would stand still.
        let next = self.now() + interval.max(Duration::from_nanos(1));
        if next <= until {
            let flood = Intervention::SynFlood {
                to,
                port,
                interval,
                until,
            };
            self.plan(next, id, flood);
        }
        self.attend(to)
    }
}

fn pairs<'a>(
    from: &'a [MachineId],
    to: &'a [MachineId],
) -> impl Iterator<Item = (MachineId, MachineId)> + 'a {
    from.iter()
        .flat_map(move |&a| to.iter().map(move |&b| (a, b)))
}
