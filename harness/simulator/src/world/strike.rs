//! What a fault does to the world when its time has come.

use super::{Error, World};
use crate::fault::Fault;
use crate::machine::{Machine, MachineId};
use crate::network::syn;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

impl World {
    pub(super) fn strike(&mut self, fault: Fault) -> Result<(), Error> {
        let (machine, words) = fault.describe(|machine| self.name(machine));
        self.machines.tell("fault", machine, words);
        match fault {
            Fault::Cut { from, to } => pairs(&from, &to).for_each(|(a, b)| self.cut(a, b)),
            Fault::Mend { from, to } => pairs(&from, &to).for_each(|(a, b)| self.mend(a, b)),
            Fault::Loss {
                between: (a, b),
                loss,
            } => {
                for (a, b) in pairs(&a, &b).chain(pairs(&b, &a)) {
                    self.machines.network.set_loss(a, b, loss);
                }
            }
            Fault::Hold { from, to } => pairs(&from, &to).for_each(|(a, b)| self.hold(a, b)),
            Fault::Release { from, to } => pairs(&from, &to).for_each(|(a, b)| self.release(a, b)),
            Fault::Link { from, to, link } => {
                pairs(&from, &to).for_each(|(a, b)| self.set_direction(a, b, (*link).clone()));
            }
            Fault::SwallowCloses { from, to, swallow } => {
                for (a, b) in pairs(&from, &to) {
                    self.machines.network.swallow_closes(a, b, swallow);
                }
            }
            Fault::Gateway {
                between: (a, b),
                gateway,
            } => {
                let now = self.machines.now();
                for (a, b) in pairs(&a, &b) {
                    let gateway = gateway.clone();
                    self.machines.network.set_gateway(a, b, gateway, now);
                }
            }
            Fault::Move(machine) => self.machines.move_away(machine),
            Fault::UsePorts { machine, free } => self.machines[machine].leave_ports(free),
            Fault::SynFlood {
                to,
                port,
                interval,
                until,
            } => return self.flood(to, port, interval, until),
            Fault::Kill(machine) => return self.act(machine, Machine::kill),
            Fault::Terminate(machine) => {
                return self.act(machine, |this, now| this.signal(now, libc::SIGTERM));
            }
            Fault::Boot(machine) => {
                self.driver.set_power(machine, true);
                return self.act(machine, Machine::boot);
            }
            Fault::PowerLoss(machine) => {
                self.driver.set_power(machine, false);
                return self.act(machine, |this, now| this.power_loss(now, None));
            }
            Fault::TornPowerLoss { machine, sector } => {
                self.driver.set_power(machine, false);
                return self.act(machine, |this, now| this.power_loss(now, Some(sector)));
            }
            Fault::Pause(machine) => return self.act(machine, |this, _| this.set_paused(true)),
            Fault::Resume(machine) => return self.act(machine, |this, _| this.set_paused(false)),
            Fault::Suspend(machine) => return self.act(machine, Machine::suspend),
            Fault::Wake {
                machine,
                clocks_jump,
            } => return self.act(machine, |this, now| this.resume(now, clocks_jump)),
            Fault::Clock(machine, change) => {
                return self.act(machine, |this, now| this.change_clock(now, change));
            }
            Fault::Work(machine, cost) => {
                return self.act(machine, |this, _| this.set_work_cost(cost));
            }
            Fault::Disk(machine, change) => {
                return self.act(machine, |this, _| this.change_disk(change));
            }
        }
        Ok(())
    }

    /// Does something to a machine, and lets it do what follows.
    fn act(&mut self, id: MachineId, act: impl FnOnce(&mut Machine, u64)) -> Result<(), Error> {
        let now = self.machines.now();
        act(&mut self.machines[id], now);
        self.driver.attend(id, &mut self.machines)
    }

    fn cut(&mut self, from: MachineId, to: MachineId) {
        self.machines.network.cut(from, to);
        self.driver.set_cut(from, to, true);
    }

    fn mend(&mut self, from: MachineId, to: MachineId) {
        self.machines.network.mend(from, to);
        self.driver
            .set_cut(from, to, self.machines.network.is_cut(from, to));
    }

    fn hold(&mut self, from: MachineId, to: MachineId) {
        if self.machines.network.hold(from, to) {
            self.driver.set_held(from, to, true, self.machines.now());
        }
    }

    fn release(&mut self, from: MachineId, to: MachineId) {
        if self.machines.network.release(from, to) {
            self.driver.set_held(from, to, false, self.machines.now());
        }
    }

    /// Lets one SYN arrive, and plans the next.
    fn flood(
        &mut self,
        to: MachineId,
        port: u16,
        interval: Duration,
        until: Duration,
    ) -> Result<(), Error> {
        let sent = self.flooded;
        self.flooded += 1;
        // Of the network for benchmarks (RFC 2544), which no machine is in.
        let source = Ipv4Addr::from(u32::from_be_bytes([198, 18, 0, 0]) + (sent & 0x1_ffff));
        let source = SocketAddrV4::new(source, 1024 + (sent >> 17) as u16);
        let target = SocketAddrV4::new(self.address(to), port);
        let packet = syn(source.into(), target.into(), sent as i32);
        self.machines.receive_from_outside(to, packet);
        // Not at the same time again, or the world would stand still.
        let next = self.now() + interval.max(Duration::from_nanos(1));
        if next <= until {
            let flood = Fault::SynFlood {
                to,
                port,
                interval,
                until,
            };
            self.at(next, flood);
        }
        self.driver.attend(to, &mut self.machines)
    }
}

fn pairs<'a>(
    from: &'a [MachineId],
    to: &'a [MachineId],
) -> impl Iterator<Item = (MachineId, MachineId)> + 'a {
    from.iter()
        .flat_map(move |&a| to.iter().map(move |&b| (a, b)))
}
