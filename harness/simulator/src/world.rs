//! The world, as its user holds it: machines, links and faults in virtual time.

use crate::digest::TraceEvent;
use crate::engine::{Driver, Engine};
use crate::entropy::Entropy;
use crate::kernel::clock::ClockChange;
use crate::kernel::cpu::WorkCost;
use crate::kernel::disk::DiskChange;
use crate::machine::{Machine, MachineId, Panic};
use crate::machines::Machines;
use crate::network::{Counts, Gateway, Link, nanos, syn};
use crate::queue::Queue;
use crate::sys;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4};
use std::path::PathBuf;
use std::time::Duration;

/// Runs `body` in a new world, on a new thread, and returns what it returns.
///
/// A world needs a thread of its own: the first `HashMap` and the first random number of a thread
/// decide about all later ones. Worlds in other threads are not affected.
///
/// # Panics
///
/// If `body` panics, or if the program was linked in a way that leaves libc's own symbols in place
/// (the message says which, and what to do).
pub fn simulate<T: Send>(seed: u64, body: impl FnOnce(&mut World) -> T + Send) -> T {
    simulate_on(Engine::Native, seed, body)
}

/// [`simulate`], on an engine of choice.
///
/// # Panics
///
/// As [`simulate`].
pub fn simulate_on<T: Send>(
    engine: Engine,
    seed: u64,
    body: impl FnOnce(&mut World) -> T + Send,
) -> T {
    sys::install();
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("world".to_owned())
            .stack_size(STACK);
        let world = thread
            .spawn_scoped(scope, || {
                let _thread = sys::enter_world(Entropy::new(seed, "world"));
                let mut world = World::new(engine, seed);
                body(&mut world)
            })
            .expect("the operating system gives a thread for a world");
        world
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Futures of unoptimised builds are large.
const STACK: usize = 16 << 20;

/// The virtual time since the world began. Zero outside of a world.
pub fn now() -> Duration {
    sys::world_time()
}

/// Notes an operation of the program that is running: it becomes a part of the digest.
/// Does nothing outside of a world.
pub fn note(what: &str) {
    sys::note(what);
}

/// Why a run could not go on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A program asked for something that is not simulated.
    #[error("machine {machine} called {call}, which cannot be simulated: {remedy}")]
    Unsupported {
        /// The machine's name.
        machine: String,
        /// What it called.
        call: String,
        /// What to do about it.
        remedy: &'static str,
    },
}

/// Something that happens to machines or to the network.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Packets from the first machines to the others are dropped, also those under way.
    /// For a partition both ways, cut both ways. What is cut twice has to be mended twice.
    Cut {
        /// The senders.
        from: Vec<MachineId>,
        /// The receivers.
        to: Vec<MachineId>,
    },
    /// Ends a [`Fault::Cut`].
    Mend {
        /// The senders.
        from: Vec<MachineId>,
        /// The receivers.
        to: Vec<MachineId>,
    },
    /// Packets between the two groups, both ways, are lost with this probability; with `None`
    /// again with that of their link.
    Loss {
        /// The two groups.
        between: (Vec<MachineId>, Vec<MachineId>),
        /// The probability, from 0 to 1.
        loss: Option<f64>,
    },
    /// Packets between the two groups, both ways, are held: they arrive when all holds between their
    /// machines have ended.
    Hold {
        /// The two groups.
        between: (Vec<MachineId>, Vec<MachineId>),
    },
    /// Ends a [`Fault::Hold`].
    Release {
        /// The two groups.
        between: (Vec<MachineId>, Vec<MachineId>),
    },
    /// The path from the first machines to the others is another one from now on.
    Link {
        /// The senders.
        from: Vec<MachineId>,
        /// The receivers.
        to: Vec<MachineId>,
        /// What the path is like.
        link: Box<Link>,
    },
    /// FIN and RST from the first machines to the others disappear, or do so no more. Who closes a
    /// connection meanwhile leaves the other end with a half-open one.
    SwallowCloses {
        /// The senders.
        from: Vec<MachineId>,
        /// The receivers.
        to: Vec<MachineId>,
        /// Whether they disappear.
        swallow: bool,
    },
    /// A NAT or firewall begins to work between each machine of a group and each of the other; with
    /// `None` it is taken away.
    Gateway {
        /// The two groups.
        between: (Vec<MachineId>, Vec<MachineId>),
        /// What it does.
        gateway: Option<Gateway>,
    },
    /// The machine gets another address, as when a phone leaves a wifi. Packets from and to the old
    /// address disappear, so its connections hear nothing any more.
    Move(MachineId),
    /// SYNs from addresses that nobody has arrive at a port of a machine.
    SynFlood {
        /// The machine.
        to: MachineId,
        /// The port.
        port: u16,
        /// The time from one to the next.
        interval: Duration,
        /// When the last may arrive, since the world began.
        until: Duration,
    },
    /// The process is killed. Its kernel goes on: it closes the connections, and answers later
    /// segments with RST. The disk keeps what was written.
    Kill(MachineId),
    /// The process is sent SIGTERM. One that has blocked it and reads it from a `signalfd(2)` can end
    /// in good order; any other one ends at once, like after a [`Fault::Kill`].
    Terminate(MachineId),
    /// The machine falls silent. Writes that were not synced are lost.
    PowerLoss(MachineId),
    /// The same, but of the writes that were not synced the seed says for each sector whether it
    /// is lost.
    TornPowerLoss {
        /// The machine.
        machine: MachineId,
        /// The size of a sector in bytes: 512 or 4096 on real disks.
        sector: usize,
    },
    /// The program is started again, after a power loss on a new kernel.
    Boot(MachineId),
    /// The process does not run, as after SIGSTOP; its kernel does.
    Pause(MachineId),
    /// Ends a [`Fault::Pause`].
    Resume(MachineId),
    /// The whole machine stands still, its kernel and its clocks included, like a virtual machine
    /// that is moved to another host. Up to 1,000 packets wait at its network card.
    Suspend(MachineId),
    /// Ends a [`Fault::Suspend`].
    Wake {
        /// The machine.
        machine: MachineId,
        /// Whether its clocks jump to where they would be. If not they go on from where they stopped.
        clocks_jump: bool,
    },
    /// Something is done to the machine's clocks.
    Clock(MachineId, ClockChange),
    /// From now on the machine's work costs this much time.
    Work(MachineId, WorkCost),
    /// Something is done to the machine's disk.
    Disk(MachineId, DiskChange),
}

/// A world of machines. [`simulate`] makes one.
pub struct World {
    // Dropped first: it may wait for a thread that asks the machines.
    driver: Box<dyn Driver>,
    machines: Machines,
    faults: Queue<Fault>,
    /// SYNs that came from nowhere.
    flooded: u32,
}

impl World {
    fn new(engine: Engine, seed: u64) -> Self {
        Self {
            driver: engine.start(),
            machines: Machines::new(seed),
            faults: Queue::default(),
            flooded: 0,
        }
    }

    /// Adds a machine and boots it now. `program` makes the main task, anew at each boot; the
    /// process ends when that returns or panics.
    pub fn machine<F, Fut>(&mut self, name: &str, program: F) -> MachineId
    where
        F: Fn() -> Fut + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let program = Box::new(move || Box::pin(program()) as _);
        let id = self.machines.add(name, program);
        self.driver.add(id);
        self.faults.plan(self.machines.now(), Fault::Boot(id));
        id
    }

    /// Does something to a machine's clocks now, before its program is started: such a clock was
    /// never right. See [`Fault::Clock`] for later.
    pub fn change_clock(&mut self, machine: MachineId, change: ClockChange) {
        let now = self.machines.now();
        self.machines[machine].change_clock(now, change);
    }

    /// Does something to a machine's disk now. See [`Fault::Disk`] for later.
    pub fn change_disk(&mut self, machine: MachineId, change: DiskChange) {
        self.machines[machine].change_disk(change);
    }

    /// What the work of a machine costs from the beginning. See [`Fault::Work`] for later.
    pub fn set_work_cost(&mut self, machine: MachineId, cost: WorkCost) {
        self.machines[machine].set_work_cost(cost);
    }

    /// The files on a machine's disk and their sizes in bytes, in the order of their names.
    /// [`World::inside`] reads them.
    pub fn files(&self, machine: MachineId) -> Vec<(PathBuf, u64)> {
        self.machines[machine].files()
    }

    /// The machine's IPv4 address: 10.0.0.1 for the first. It keeps it until a [`Fault::Move`].
    pub fn address(&self, machine: MachineId) -> Ipv4Addr {
        self.machines[machine].addresses.v4
    }

    /// The machine's IPv6 address: fd00::1 for the first.
    pub fn address_v6(&self, machine: MachineId) -> Ipv6Addr {
        self.machines[machine].addresses.v6
    }

    /// The machine's name.
    pub fn name(&self, machine: MachineId) -> &str {
        &self.machines[machine].name
    }

    /// What connects all machines that have no link of their own.
    pub fn set_default_link(&mut self, link: Link) {
        self.machines.network.set_default(link);
    }

    /// What connects two machines, both ways.
    pub fn set_link(&mut self, a: MachineId, b: MachineId, link: Link) {
        self.set_direction(a, b, link.clone());
        self.set_direction(b, a, link);
    }

    /// What connects a machine with another, one way.
    pub fn set_direction(&mut self, from: MachineId, to: MachineId, link: Link) {
        self.machines.network.set_direction(from, to, link);
    }

    /// Plans a fault for a time since the world began; for now, if that has passed. It strikes
    /// before anything else that happens at that time.
    pub fn at(&mut self, when: Duration, fault: Fault) {
        self.faults
            .plan(nanos(when).max(self.machines.now()), fault);
    }

    /// Lets time pass until `when`, everything at that very time included.
    ///
    /// # Errors
    ///
    /// If a program asked for something that is not simulated.
    pub fn run_until(&mut self, when: Duration) -> Result<(), Error> {
        let limit = nanos(when);
        while let Some((at, fault)) = self.faults.next_until(limit) {
            if at > self.machines.now() {
                self.driver.run_until(at - 1, &mut self.machines)?;
                self.machines.set_now(at);
            }
            self.strike(fault)?;
        }
        self.driver.run_until(limit, &mut self.machines)?;
        self.machines.set_now(limit.max(self.machines.now()));
        Ok(())
    }

    /// Runs `f` as if it were a program on the machine: with its disk, its clock, its entropy. A
    /// machine without power gets it, but its program is not started.
    pub fn inside<T>(&mut self, machine: MachineId, f: impl FnOnce() -> T) -> T {
        let now = self.machines.now();
        let kernel = self.machines[machine].kernel(now);
        kernel.borrow_mut().set_now(now);
        kernel.borrow_mut().process_is_dead = false;
        sys::on_machine(&kernel, f)
    }

    /// When the machine's processes ended, in the order of time: they were killed, lost their power,
    /// or their main task returned or panicked.
    pub fn ends(&self, machine: MachineId) -> &[Duration] {
        self.machines[machine].ends()
    }

    /// The virtual time since the world began.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.machines.now())
    }

    /// The hash of everything that has happened.
    pub fn digest(&self) -> u64 {
        self.machines.digest.value()
    }

    /// The hash of everything that has happened at one machine: what it sent, what arrived, its turns, its
    /// operations. When two runs differ, the digests of the machines tell where.
    pub fn machine_digest(&self, machine: MachineId) -> u64 {
        self.machines.digest.of_machine(machine.0)
    }

    /// What the network carried.
    pub fn counts(&self) -> Counts {
        self.machines.counts
    }

    /// The panics of programs so far.
    pub fn panics(&self) -> &[Panic] {
        &self.machines.panics
    }

    /// From now on, keep in words what goes into the digest.
    pub fn record_trace(&mut self) {
        self.machines.digest.record_trace();
    }

    /// What went into the digest since [`World::record_trace`].
    pub fn trace(&self) -> &[TraceEvent] {
        self.machines.digest.trace()
    }

    fn strike(&mut self, fault: Fault) -> Result<(), Error> {
        let (machine, words) = self.describe(&fault);
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
            Fault::Hold { between: (a, b) } => pairs(&a, &b).for_each(|(a, b)| self.hold(a, b)),
            Fault::Release { between: (a, b) } => {
                pairs(&a, &b).for_each(|(a, b)| self.release(a, b));
            }
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
        if self.machines.network.is_held(from, to) {
            self.driver.set_held(from, to, true, self.machines.now());
        }
    }

    fn hold(&mut self, a: MachineId, b: MachineId) {
        if self.machines.network.hold(a, b) {
            self.driver.set_held(a, b, true, self.machines.now());
        }
    }

    fn release(&mut self, a: MachineId, b: MachineId) {
        if self.machines.network.release(a, b) {
            self.driver.set_held(a, b, false, self.machines.now());
            for (from, to) in [(a, b), (b, a)] {
                let cut = self.machines.network.is_cut(from, to);
                self.driver.set_cut(from, to, cut);
            }
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
        let packet = syn(source, target, sent as i32);
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

    /// Whom a fault strikes first, and the fault in words.
    fn describe(&self, fault: &Fault) -> (MachineId, String) {
        let names = |machines: &[MachineId]| {
            let names: Vec<_> = machines.iter().map(|&machine| self.name(machine)).collect();
            names.join(" ")
        };
        let of_machine =
            |what: &str, machine: MachineId| (machine, format!("{what} {}", self.name(machine)));
        let of_links = |what: String, from: &[MachineId], to: &[MachineId]| {
            let first = from.first().copied().unwrap_or(MachineId(0));
            (first, format!("{what} {} > {}", names(from), names(to)))
        };
        match fault {
            Fault::Cut { from, to } => of_links("cut".to_owned(), from, to),
            Fault::Mend { from, to } => of_links("mend".to_owned(), from, to),
            Fault::Loss {
                between: (a, b),
                loss,
            } => of_links(format!("loss {loss:?}"), a, b),
            Fault::Hold { between: (a, b) } => of_links("hold".to_owned(), a, b),
            Fault::Release { between: (a, b) } => of_links("release".to_owned(), a, b),
            Fault::Link { from, to, link } => of_links(format!("link {link:?}"), from, to),
            Fault::SwallowCloses { from, to, swallow } => {
                of_links(format!("swallow closes {swallow}"), from, to)
            }
            Fault::Gateway {
                between: (a, b),
                gateway,
            } => of_links(format!("gateway {gateway:?}"), a, b),
            Fault::Move(machine) => of_machine("move", *machine),
            Fault::SynFlood { to, .. } => of_machine("syn flood", *to),
            Fault::Kill(machine) => of_machine("kill", *machine),
            Fault::Terminate(machine) => of_machine("terminate", *machine),
            Fault::PowerLoss(machine) => of_machine("power loss", *machine),
            Fault::Boot(machine) => of_machine("boot", *machine),
            Fault::Pause(machine) => of_machine("pause", *machine),
            Fault::Resume(machine) => of_machine("resume", *machine),
            Fault::TornPowerLoss { machine, sector } => of_machine(
                &format!("power loss with torn sectors of {sector}"),
                *machine,
            ),
            Fault::Suspend(machine) => of_machine("suspend", *machine),
            Fault::Wake {
                machine,
                clocks_jump,
            } => of_machine(&format!("wake, clocks jump: {clocks_jump}"), *machine),
            Fault::Clock(machine, change) => of_machine(&format!("{change:?}"), *machine),
            Fault::Work(machine, cost) => of_machine(&format!("{cost:?}"), *machine),
            Fault::Disk(machine, change) => of_machine(&format!("{change:?}"), *machine),
        }
    }
}

fn pairs<'a>(
    from: &'a [MachineId],
    to: &'a [MachineId],
) -> impl Iterator<Item = (MachineId, MachineId)> + 'a {
    from.iter()
        .flat_map(move |&a| to.iter().map(move |&b| (a, b)))
}
