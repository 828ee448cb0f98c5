//! The world as its user sees it: machines, links and faults in virtual time.

mod fork;
mod strike;

use crate::audit::Source;
use crate::digest::{self, TraceEvent};
use crate::engine::{Driver, Engine};
use crate::entropy::Entropy;
use crate::error::Error;
use crate::hits::Hits;
use crate::ids::{FaultId, MachineId};
use crate::intervention::Intervention;
use crate::journal::Passage;
use crate::kernel::clock::ClockChange;
use crate::kernel::cpu::WorkCost;
use crate::kernel::disk::DiskChange;
use crate::machine::Panic;
use crate::machines::Machines;
use crate::network::{Counts, Link};
use crate::process::Main;
use crate::queue::Queue;
use crate::sys;
use crate::time::nanos;
use std::hash::Hash;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// Runs `body` in a new world, on a new thread, and returns what it returns.
///
/// A world needs its own thread: the first `HashMap` and the first random number of a thread
/// determine all later ones. Worlds on other threads are not affected.
///
/// # Panics
///
/// If `body` panics, if the program was linked in a way that leaves libc's own symbols in place
/// (the message says which, and what to do), or if it was built without `--cfg tokio_unstable` and
/// does not run [`isolated`](crate::isolated), nor is [alone](crate::plays_one_world): then
/// `select!` would depend on what ran before.
pub fn simulate<T: Send>(seed: u64, body: impl FnOnce(&mut World) -> T + Send) -> T {
    simulate_on(Engine::Native, seed, body)
}

/// [`simulate`] on the given engine.
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
    #[cfg(not(tokio_unstable))]
    assert!(
        sys::is_isolated() || crate::isolation::is_alone(),
        "tokio's `select!` is seeded by a counter of the whole process: run this in \
         `squall_simulator::isolated`, or put\n\
         [build]\nrustflags = [\"--cfg\", \"tokio_unstable\"]\n\
         into .cargo/config.toml (an environment variable RUSTFLAGS replaces that setting)"
    );
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

/// The virtual time since the world began. Zero outside a world.
pub fn now() -> Duration {
    sys::world_time()
}

/// The name of the machine whose program is running. None outside a world.
pub fn here() -> Option<String> {
    sys::name_of_machine()
}

/// Notes an operation of the program that is running: it becomes part of the digest. Has no effect
/// outside a world.
///
/// Returns whether the operation takes place. It does not if the process is dead: if it was struck
/// in the middle of its turn ([`Intervention::AtCall`], possibly at this very call), or is being
/// taken apart. In that case a record of what the program does must leave it out.
pub fn note(what: &str) -> bool {
    sys::note(digest::of(what), || what.to_owned())
}

/// The same for an operation that is a value, for use with frequent operations: it is hashed as it
/// is, and put into words only if a trace is kept.
pub fn note_value(what: &impl Hash, words: impl FnOnce() -> String) -> bool {
    sys::note(digest::of(what), words)
}

/// Does something with which the running program's memory has nothing to do, such as noting for the
/// world what it does: what is asked for in the meantime is not counted as the program's
/// ([`World::memory`]).
pub fn aside<T>(f: impl FnOnce() -> T) -> T {
    sys::aside(f)
}

/// Hands a value of the running program over to whoever keeps it: the program is not charged with
/// it any more.
pub fn hand_over<T: Clone>(value: T) -> T {
    sys::hand_over(value)
}

/// A world of machines. Created by [`simulate`].
pub struct World {
    // Dropped first: it may wait for a thread that asks the machines.
    driver: Box<dyn Driver>,
    machines: Machines,
    faults: Queue<Due>,
    /// How many SYNs came from nowhere.
    flooded: u32,
    /// While it counts what programs hold.
    counts: Option<sys::Count>,
}

/// What happens at a planned time.
enum Due {
    Intervention(FaultId, Intervention),
    /// The latest time of an [`Intervention::AtCall`] on a machine.
    Latest(FaultId, MachineId),
    /// The end of the grace period of an [`Intervention::Stop`], for the process that ran when
    /// `ended` processes had ended.
    Grace {
        machine: MachineId,
        ended: usize,
    },
}

impl World {
    fn new(engine: Engine, seed: u64) -> Self {
        Self {
            driver: engine.start(),
            machines: Machines::new(seed),
            faults: Queue::default(),
            flooded: 0,
            counts: None,
        }
    }

    /// Adds a machine and boots it now. Its addresses and all its randomness follow from the seed
    /// and its name: leaving out another machine changes neither. (Among several with the same
    /// name, the order matters.) The program is what a `main` can be, an ordinary function or an
    /// asynchronous one, and is called again at each boot; the process ends when it returns or
    /// panics.
    pub fn machine<Kind>(&mut self, name: &str, program: impl Main<Kind>) -> MachineId {
        let id = self.machines.add(name, Rc::new(move || program.run()));
        self.driver.add(id);
        self.at(self.now(), Intervention::Boot(id));
        id
    }

    /// Does something to a machine's clocks now, before its program is started, so that they were
    /// never right. See [`Intervention::Clock`] for later.
    pub fn change_clock(&mut self, machine: MachineId, change: ClockChange) {
        let now = self.machines.now();
        self.machines[machine].change_clock(now, change);
    }

    /// Does something to a machine's disk now. See [`Intervention::Disk`] for later.
    pub fn change_disk(&mut self, machine: MachineId, change: DiskChange) {
        self.machines[machine].change_disk(change);
    }

    /// What the work of a machine costs from the beginning. See [`Intervention::Work`] for later.
    pub fn set_work_cost(&mut self, machine: MachineId, cost: WorkCost) {
        self.machines[machine].set_work_cost(cost);
    }

    /// From its next start on, each process of a machine is pre-empted `times` times: a thread that
    /// calls libc loses the processor to the others although it could continue. The seed decides at
    /// which of its first calls (up to 65,536, and rather early ones), and which of the ready
    /// threads runs. Nothing changes for a process with a single thread.
    ///
    /// Without it, a thread runs until it waits, and then the one that became ready first: a race
    /// between two threads stays unseen if it takes more than that. Not every operation is a call:
    /// taking a free lock of std's or tokio's does not involve the kernel.
    pub fn set_preemptions(&mut self, machine: MachineId, times: u32) {
        self.machines[machine].setup.preemptions = times;
    }

    /// When threads of a machine were pre-empted, in order of time.
    pub fn preempted(&self, machine: MachineId) -> Vec<Duration> {
        self.machines[machine].preempted()
    }

    /// Gives each process that begins from now on its own statics of a crate, or of a module of it,
    /// with the values that they have now: a runtime, a client or a pool kept in one. All other
    /// statics are shared by the machines of a run, except those of rayon, `log`, `tracing` and
    /// signal libraries.
    ///
    /// Returns how many there are. This works only in an [isolated](crate::isolated) run: elsewhere
    /// it does nothing and returns 0.
    pub fn separate_statics(&mut self, path: &str) -> usize {
        sys::separate_statics(path)
    }

    /// Sets an environment variable for the programs of a machine, from their next start on. None
    /// of the host's environment exists on a machine. Variables set by a program vanish with its
    /// process.
    ///
    /// # Panics
    ///
    /// If the name is empty or contains `=`, or either contains a zero byte.
    #[track_caller]
    pub fn set_variable(&mut self, machine: MachineId, name: &str, value: &str) {
        let is_name = !name.is_empty() && !name.contains(['=', '\0']);
        assert!(is_name, "{name:?} cannot be the name of a variable");
        assert!(
            !value.contains('\0'),
            "{name} cannot have the value {value:?}"
        );
        let variables = &mut self.machines[machine].setup.variables;
        variables.insert(name.to_owned(), value.to_owned());
    }

    /// Sets the arguments for the programs of a machine, from their next start on. The first one
    /// that a program sees is its own name, which is the machine's. Only an isolated run
    /// ([`isolated`](crate::isolated)) has its own arguments; elsewhere a program sees those of the
    /// host process.
    ///
    /// # Panics
    ///
    /// If one of them contains a zero byte.
    #[track_caller]
    pub fn set_arguments(&mut self, machine: MachineId, arguments: &[&str]) {
        let has_zero = arguments.iter().find(|argument| argument.contains('\0'));
        assert_eq!(has_zero, None, "there is a zero in an argument");
        let arguments = arguments.iter().map(|&argument| argument.to_owned());
        self.machines[machine].setup.arguments = arguments.collect();
    }

    /// Copies a host file or directory, with everything in it, to a path on a machine. Programs can
    /// read it there but not change it; no other host files exist on a machine. Missing parent
    /// directories are created.
    ///
    /// # Errors
    ///
    /// If the host's file cannot be read, or if something exists at the path already.
    pub fn mount(
        &mut self,
        machine: MachineId,
        host: impl AsRef<Path>,
        path: &str,
    ) -> io::Result<()> {
        self.machines[machine].mount(host.as_ref(), path.as_bytes())
    }

    /// The content of a file on a machine, as its programs would read it now, whether or not it is
    /// on the platter; none if there is no such file. For SQLite's own files, use SQLite in
    /// [`World::inside`].
    pub fn read_file(&mut self, machine: MachineId, path: &str) -> Option<Vec<u8>> {
        self.machines[machine].read_file(path.as_bytes())
    }

    /// The files on a machine's disk and their sizes in bytes, sorted by name. [`World::read_file`]
    /// and [`World::inside`] read them.
    pub fn files(&self, machine: MachineId) -> Vec<(PathBuf, u64)> {
        self.machines[machine].files()
    }

    /// The machine's IPv4 address, in 10.0.0.0/8. It follows from the machine's name, and does not
    /// depend on other machines. The machine keeps it until an [`Intervention::Move`].
    pub fn address(&self, machine: MachineId) -> Ipv4Addr {
        self.machines[machine].addresses.v4
    }

    /// The machine's IPv6 address, in fd00::/64, which changes together with the IPv4 address.
    pub fn address_v6(&self, machine: MachineId) -> Ipv6Addr {
        self.machines[machine].addresses.v6
    }

    /// The machine's name.
    pub fn name(&self, machine: MachineId) -> &str {
        &self.machines[machine].name
    }

    /// The link between machines that have no link of their own.
    pub fn set_default_link(&mut self, link: Link) {
        self.machines.network.set_default(link);
    }

    /// The link between two machines, both ways.
    pub fn set_link(&mut self, a: MachineId, b: MachineId, link: Link) {
        self.set_direction(a, b, link.clone());
        self.set_direction(b, a, link);
    }

    /// The link from one machine to another, one way.
    pub fn set_direction(&mut self, from: MachineId, to: MachineId, link: Link) {
        self.machines.network.set_direction(from, to, link);
    }

    /// Plans a fault for a time since the world began; or for now, if that time has passed. It
    /// strikes before anything else that happens at that time. [`World::hits`] reports what it
    /// strikes.
    pub fn at(&mut self, when: Duration, fault: Intervention) -> FaultId {
        let id = self.machines.books.open();
        self.plan(when, id, fault);
        id
    }

    fn plan(&mut self, when: Duration, id: FaultId, fault: Intervention) {
        let when = nanos(when).max(self.machines.now());
        self.faults.plan(when, Due::Intervention(id, fault));
    }

    /// What a fault of this world has struck so far. One that lasts, like an [`Intervention::Cut`],
    /// continues to strike until another one ends it; what that one strikes is counted separately.
    ///
    /// # Panics
    ///
    /// May panic if the fault was given to another world.
    pub fn hits(&self, fault: FaultId) -> Hits {
        self.machines.hits(fault)
    }

    /// Lets time pass up to and including `when`.
    ///
    /// # Errors
    ///
    /// If a program asked for something that is not simulated.
    pub fn run_until(&mut self, when: Duration) -> Result<(), Error> {
        let limit = nanos(when);
        while let Some((at, due)) = self.faults.next_until(limit) {
            if at > self.machines.now() {
                self.go_on_until(at - 1)?;
                self.machines.set_now(at);
            }
            match due {
                Due::Intervention(id, fault) => self.strike(id, fault)?,
                Due::Latest(id, machine) => self.strike_at_last(id, machine)?,
                Due::Grace { machine, ended } => self.kill_at_last(machine, ended)?,
            }
        }
        self.go_on_until(limit)?;
        self.machines.set_now(limit.max(self.machines.now()));
        Ok(())
    }

    fn go_on_until(&mut self, limit: u64) -> Result<(), Error> {
        self.driver.run_until(limit, &mut self.machines)
    }

    /// Runs `f` as if it were a program on the machine: with its disk, its clock, its entropy. A
    /// machine without power is powered on, but its program is not started.
    pub fn inside<T>(&mut self, machine: MachineId, f: impl FnOnce() -> T) -> T {
        let now = self.machines.now();
        let kernel = self.machines[machine].kernel(now);
        kernel.borrow_mut().set_now(now);
        kernel.borrow_mut().process_is_dead = false;
        sys::on_machine(&kernel, f)
    }

    /// When the machine's processes ended, in order of time: because they were killed or lost
    /// power, or because their main task returned or panicked.
    pub fn ends(&self, machine: MachineId) -> &[Duration] {
        self.machines[machine].ends()
    }

    /// The turns of the machine's processes that took 5 ms or more, because its work costs
    /// something or its disk is slow; in order of time. The last one may end in the future.
    pub fn long_turns(&self, machine: MachineId) -> Vec<Range<Duration>> {
        self.machines[machine].long_turns()
    }

    /// From now on, counts how much memory the programs of its machines hold, if the executable's
    /// allocator is [`Counting`](crate::Counting).
    pub fn count_memory(&mut self) {
        self.counts.get_or_insert_with(sys::Count::begin);
    }

    /// The most memory that the machine's programs have held when they waited, in bytes, and when
    /// that was. None if it was not counted ([`World::count_memory`]).
    ///
    /// What was asked for is counted, not what the allocator takes for it.
    pub fn memory(&self, machine: MachineId) -> Option<(u64, Duration)> {
        self.counts.as_ref().filter(|counts| counts.works())?;
        self.machines[machine].memory()
    }

    /// The virtual time since the world began.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.machines.now())
    }

    /// The hash of everything that has happened.
    pub fn digest(&self) -> u64 {
        self.machines.digest.value()
    }

    /// The hash of everything that has happened on one machine: what it sent, what arrived, its
    /// turns, its operations. If two runs differ, the digests of the machines show where.
    pub fn machine_digest(&self, machine: MachineId) -> u64 {
        self.machines.digest.of_machine(machine.0)
    }

    /// What the network has carried.
    pub fn counts(&self) -> Counts {
        self.machines.counts
    }

    /// The panics of programs so far.
    pub fn panics(&self) -> &[Panic] {
        &self.machines.panics
    }

    /// From now on, notes which sources of entropy and time are used, by which code, and what
    /// reaches the host. The run stays the same, but takes longer.
    pub fn audit(&mut self) {
        sys::start_audit();
    }

    /// What has been used since [`World::audit`], in a well-defined order.
    pub fn sources(&self) -> Vec<Source> {
        sys::sources()
    }

    /// From now on, keeps what goes into the digest in words.
    pub fn record_trace(&mut self) {
        self.machines.digest.record_trace();
        sys::keep_words();
    }

    /// What has gone into the digest since [`World::record_trace`].
    pub fn trace(&self) -> &[TraceEvent] {
        self.machines.digest.trace()
    }

    /// From now on, keeps every packet and what becomes of it. The run stays the same, but takes
    /// more memory: up to 256 MiB, after which packets are only counted.
    pub fn keep_packets(&mut self) {
        self.machines.journal.open();
    }

    /// The packets since [`World::keep_packets`], in the order of sending, and how many are missing
    /// for lack of room.
    pub fn packets(&self) -> (&[Passage], u64) {
        self.machines.journal.passages()
    }

    /// Saves one packet from being lost at random on a link: the one with this number among those
    /// sent, from 1, as in [`Passage::number`](crate::Passage::number). Up to then the run is the
    /// same.
    pub fn spare_packet(&mut self, number: u64) {
        self.machines.spared = Some(number);
    }
}
