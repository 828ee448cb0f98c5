//! The world: machines, links and faults in virtual time. This is the native engine: a discrete-event
//! simulation in which time jumps from event to event, and an idle machine costs nothing.

use crate::digest::{Digest, TraceEvent};
use crate::entropy::Entropy;
use crate::kernel::{FIRST_DESCRIPTOR, Packet};
use crate::machine::{Machine, MachineId, Panic};
use crate::network::{Counts, Fate, Link, Network, nanos};
use crate::queue::Queue;
use crate::sys;
use std::cell::Cell;
use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

/// The first machine has the address after this one.
const NETWORK: u32 = u32::from_be_bytes([10, 0, 0, 0]);

/// How long a packet of a machine to itself takes, in nanoseconds.
const LOOPBACK_LATENCY: u64 = 10_000;

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
    sys::install();
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("world".to_owned())
            .stack_size(STACK);
        let world = thread
            .spawn_scoped(scope, || {
                let _thread = sys::enter_world(Entropy::new(seed, "world"));
                let mut world = World::new(seed);
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
    /// The process is killed. Its kernel goes on: it closes the connections, and answers later
    /// segments with RST. The disk keeps what was written.
    Kill(MachineId),
    /// The machine falls silent. Writes that were not synced are lost.
    PowerLoss(MachineId),
    /// The program is started again, after a power loss on a new kernel.
    Boot(MachineId),
    /// The process does not run, as after SIGSTOP; its kernel does.
    Pause(MachineId),
    /// Ends a [`Fault::Pause`].
    Resume(MachineId),
}

enum Event {
    Arrival {
        from: MachineId,
        to: MachineId,
        packet: Packet,
    },
    Wake(MachineId),
    Fault(Fault),
}

/// A world of machines. [`simulate`] makes one.
pub struct World {
    seed: u64,
    now: u64,
    machines: Vec<Machine>,
    by_address: HashMap<Ipv4Addr, MachineId>,
    network: Network,
    queue: Queue<Event>,
    digest: Digest,
    counts: Counts,
    panics: Vec<Panic>,
    next_descriptor: Rc<Cell<i32>>,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            seed,
            now: 0,
            machines: Vec::new(),
            by_address: HashMap::new(),
            network: Network::new(seed),
            queue: Queue::new(),
            digest: Digest::default(),
            counts: Counts::default(),
            panics: Vec::new(),
            next_descriptor: Rc::new(Cell::new(FIRST_DESCRIPTOR)),
        }
    }

    /// Adds a machine and boots it now. `program` makes the main task, anew at each boot; the
    /// process ends when that returns or panics.
    pub fn machine<F, Fut>(&mut self, name: &str, program: F) -> MachineId
    where
        F: Fn() -> Fut + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let id = MachineId(self.machines.len() as u32);
        let address = Ipv4Addr::from(NETWORK + id.0 + 1);
        let program = Box::new(move || Box::pin(program()) as _);
        self.machines.push(Machine::new(
            name,
            address,
            self.seed,
            Rc::clone(&self.next_descriptor),
            program,
        ));
        self.by_address.insert(address, id);
        self.queue.plan(self.now, Event::Fault(Fault::Boot(id)));
        id
    }

    /// The machine's address: 10.0.0.1 for the first.
    pub fn address(&self, machine: MachineId) -> Ipv4Addr {
        self.machines[machine.0 as usize].address
    }

    /// The machine's name.
    pub fn name(&self, machine: MachineId) -> &str {
        &self.machines[machine.0 as usize].name
    }

    /// What connects all machines that have no link of their own.
    pub fn set_default_link(&mut self, link: Link) {
        self.network.set_default(link);
    }

    /// What connects two machines, both ways.
    pub fn set_link(&mut self, a: MachineId, b: MachineId, link: Link) {
        self.network.set_link(a, b, link);
    }

    /// Plans a fault for a time since the world began; for now, if that has passed.
    pub fn at(&mut self, when: Duration, fault: Fault) {
        self.queue
            .plan(nanos(when).max(self.now), Event::Fault(fault));
    }

    /// Lets time pass until `when`, everything at that very time included.
    ///
    /// # Errors
    ///
    /// If a program asked for something that is not simulated.
    pub fn run_until(&mut self, when: Duration) -> Result<(), Error> {
        let limit = nanos(when);
        while let Some((at, event)) = self.queue.next_until(limit) {
            self.set_now(at);
            match event {
                Event::Arrival { from, to, packet } => self.arrive(from, to, packet)?,
                Event::Wake(machine) => self.wake(machine)?,
                Event::Fault(fault) => self.strike(fault)?,
            }
        }
        self.set_now(limit.max(self.now));
        Ok(())
    }

    /// Runs `f` as if it were a program on the machine: with its disk, its clock, its entropy. A
    /// machine without power gets it, but its program is not started.
    pub fn inside<T>(&mut self, machine: MachineId, f: impl FnOnce() -> T) -> T {
        let kernel = self.machines[machine.0 as usize].kernel(self.now);
        kernel.borrow_mut().set_now(self.now);
        kernel.borrow_mut().process_is_dead = false;
        sys::on_machine(&kernel, f)
    }

    /// The virtual time since the world began.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.now)
    }

    /// The hash of everything that has happened.
    pub fn digest(&self) -> u64 {
        self.digest.value()
    }

    /// What the network carried.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The panics of programs so far.
    pub fn panics(&self) -> &[Panic] {
        &self.panics
    }

    /// From now on, keep in words what goes into the digest.
    pub fn record_trace(&mut self) {
        self.digest.record_trace();
    }

    /// What went into the digest since [`World::record_trace`].
    pub fn trace(&self) -> &[TraceEvent] {
        self.digest.trace()
    }

    fn set_now(&mut self, now: u64) {
        self.now = now;
        sys::set_world_time(now);
    }

    fn arrive(&mut self, from: MachineId, to: MachineId, packet: Packet) -> Result<(), Error> {
        let machine = &mut self.machines[to.0 as usize];
        if !machine.has_power() || self.network.is_cut(from, to) {
            self.counts.cut += 1;
            self.log("cut", [from, to], &packet.0);
            return Ok(());
        }
        self.counts.delivered += 1;
        machine.receive(self.now, packet);
        let runnable = machine.is_runnable();
        self.log("arrive", [from, to], &[]);
        // Packets of the same nanosecond are one interrupt: the process runs after the last.
        let more = self.queue.peek().is_some_and(|(at, event)| {
            at == self.now && matches!(event, Event::Arrival { to: next, .. } if *next == to)
        });
        if runnable && !more {
            self.run(to)
        } else {
            self.settle(to)
        }
    }

    fn wake(&mut self, machine: MachineId) -> Result<(), Error> {
        let target = &mut self.machines[machine.0 as usize];
        if target.planned == Some(self.now) {
            target.planned = None;
        }
        // A plan that something overtook: the machine has run since, and asked for another time.
        if target.next_wake().is_none_or(|at| at > self.now) {
            return self.settle(machine);
        }
        self.run(machine)
    }

    fn strike(&mut self, fault: Fault) -> Result<(), Error> {
        let names = |machines: &[MachineId]| {
            machines
                .iter()
                .map(|&machine| self.name(machine))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let words = match &fault {
            Fault::Cut { from, to } => format!("cut {} > {}", names(from), names(to)),
            Fault::Mend { from, to } => format!("mend {} > {}", names(from), names(to)),
            Fault::Loss {
                between: (a, b),
                loss,
            } => {
                format!("loss {loss:?} {} <> {}", names(a), names(b))
            }
            Fault::Kill(machine) => format!("kill {}", self.name(*machine)),
            Fault::PowerLoss(machine) => format!("power loss {}", self.name(*machine)),
            Fault::Boot(machine) => format!("boot {}", self.name(*machine)),
            Fault::Pause(machine) => format!("pause {}", self.name(*machine)),
            Fault::Resume(machine) => format!("resume {}", self.name(*machine)),
        };
        self.digest
            .add(self.now, "fault", [0; 2], words.as_bytes(), || {
                words.clone()
            });
        let target = match fault {
            Fault::Cut { from, to } => {
                pairs(&from, &to).for_each(|(a, b)| self.network.cut(a, b));
                return Ok(());
            }
            Fault::Mend { from, to } => {
                pairs(&from, &to).for_each(|(a, b)| self.network.mend(a, b));
                return Ok(());
            }
            Fault::Loss {
                between: (a, b),
                loss,
            } => {
                for (a, b) in pairs(&a, &b).chain(pairs(&b, &a)) {
                    self.network.set_loss(a, b, loss);
                }
                return Ok(());
            }
            Fault::Kill(machine)
            | Fault::PowerLoss(machine)
            | Fault::Boot(machine)
            | Fault::Pause(machine)
            | Fault::Resume(machine) => machine,
        };
        let now = self.now;
        let machine = &mut self.machines[target.0 as usize];
        match fault {
            Fault::Kill(_) => machine.kill(now),
            Fault::PowerLoss(_) => machine.power_loss(now),
            Fault::Boot(_) => machine.boot(now),
            Fault::Pause(_) => machine.set_paused(true),
            Fault::Resume(_) => machine.set_paused(false),
            Fault::Cut { .. } | Fault::Mend { .. } | Fault::Loss { .. } => {}
        }
        self.run(target)
    }

    /// Lets a machine do what is due, and follows up.
    fn run(&mut self, id: MachineId) -> Result<(), Error> {
        let turn = self.machines[id.0 as usize].run(self.now);
        if turn.ran {
            self.log("turn", [id, id], &[]);
        }
        for what in sys::take_notes() {
            self.digest
                .add(self.now, "note", [id.0; 2], what.as_bytes(), || {
                    what.clone()
                });
        }
        let at = self.now();
        for (message, backtrace) in turn.panics {
            self.digest
                .add(self.now, "panic", [id.0; 2], message.as_bytes(), || {
                    message.clone()
                });
            self.panics.push(Panic {
                at,
                machine: id,
                message,
                backtrace,
            });
        }
        if let Some(unsupported) = turn.unsupported {
            return Err(Error::Unsupported {
                machine: self.name(id).to_owned(),
                call: unsupported.call,
                remedy: unsupported.remedy,
            });
        }
        self.settle(id)
    }

    /// Takes the machine's packets to the network and plans its next wake-up.
    fn settle(&mut self, id: MachineId) -> Result<(), Error> {
        for packet in self.machines[id.0 as usize].take_outgoing() {
            self.send(id, packet);
        }
        let machine = &mut self.machines[id.0 as usize];
        if let Some(wake) = machine.next_wake()
            && machine.planned.is_none_or(|planned| wake < planned)
        {
            let wake = wake.max(self.now);
            machine.planned = Some(wake);
            self.queue.plan(wake, Event::Wake(id));
        }
        Ok(())
    }

    fn send(&mut self, from: MachineId, packet: Packet) {
        self.counts.sent += 1;
        self.counts.bytes += packet.0.len() as u64;
        let to = packet
            .destination()
            .and_then(|address| match address.is_loopback() {
                true => Some(from),
                false => self.by_address.get(&address).copied(),
            });
        let Some(to) = to else {
            self.counts.cut += 1;
            return self.log("nowhere", [from, from], &packet.0);
        };
        let fate = match to == from {
            true => Fate::Arrives(self.now + LOOPBACK_LATENCY),
            false => self.network.send(self.now, from, to),
        };
        match fate {
            Fate::Arrives(at) => {
                self.log("send", [from, to], &packet.0);
                self.queue.plan(at, Event::Arrival { from, to, packet });
            }
            Fate::Lost => {
                self.counts.lost += 1;
                self.log("lose", [from, to], &packet.0);
            }
            Fate::Cut => {
                self.counts.cut += 1;
                self.log("cut", [from, to], &packet.0);
            }
        }
    }

    /// Adds something that happened between two machines to the digest.
    fn log(&mut self, kind: &'static str, machines: [MachineId; 2], bytes: &[u8]) {
        let [a, b] = machines;
        let table = &self.machines;
        self.digest.add(self.now, kind, [a.0, b.0], bytes, || {
            let (a, b) = (&table[a.0 as usize].name, &table[b.0 as usize].name);
            format!("{kind} {a} > {b}, {} bytes", bytes.len())
        });
    }
}

impl Drop for World {
    /// Ends all processes, so that their destructors run on their machines.
    fn drop(&mut self) {
        for machine in &mut self.machines {
            machine.kill(self.now);
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
