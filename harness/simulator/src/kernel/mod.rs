//! What a machine's operating system knows: its descriptors, its TCP, its entropy, and the hardware
//! below: clocks, processor, disk.
//!
//! The kernel outlives the process that runs on it: after a kill it still closes connections, and
//! acknowledges what arrives. Only a power loss ends it.
//!
//! Its parts know nothing about the kernel: sockets, pipes, threads and so on are data in `X.rs`,
//! and what programs and the network do with them is in `X/calls.rs`.

pub(crate) mod address;
pub(crate) mod ancillary;
mod blocking;
pub(crate) mod clock;
mod connection;
pub(crate) mod cpu;
mod datagram;
#[cfg_attr(
    not(feature = "sqlite"),
    expect(dead_code, reason = "its files with locks are for SQLite")
)]
pub(crate) mod disk;
mod envelope;
pub(crate) mod environment;
mod epoll;
pub(crate) mod errno;
pub(crate) mod files;
mod flow;
mod icmp;
pub(crate) mod ids;
mod linger;
mod listener;
mod maps;
mod memory;
pub(crate) mod names;
mod options;
mod packet;
mod pipe;
mod ports;
pub(crate) mod preemption;
pub(crate) mod signals;
mod socket;
pub(crate) mod strikes;
mod tcp;
pub(crate) mod threads;
pub(crate) mod transfer;
mod udp;
mod unix;

use crate::entropy::{Door, Entropy};
use crate::host::Statics;
pub(crate) use address::Addresses;

pub(crate) use blocking::{Blocked, Way};
use clock::Clocks;
use cpu::Cpu;
use disk::Disk;
pub(crate) use disk::tree::Stat;
pub(crate) use envelope::is_segment_intact;
use environment::Environment;
use epoll::{Epoll, EventCounter};
pub(crate) use epoll::{Interest, ReadyEvent};
pub(crate) use errno::{Errno, Result};
pub(crate) use files::At;
use files::{OpenFile, Working};

use ids::ObjectId;
pub(crate) use linger::Linger;
use maps::Maps;
pub(crate) use maps::Place;
use memory::Memory;
use names::Names;
pub(crate) use packet::{HOPS, Ip, Packet};
use pipe::PipeEnd;
pub(crate) use pipe::UnixName;
pub(crate) use ports::Protocol;
use rustc_hash::FxHashMap;
use signals::{SignalDescriptor, Signals};
use socket::Socket;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::panic::PanicHookInfo;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::Duration;
use strikes::Strikes;
use tcp::Tcp;
use threads::Threads;

use udp::Udp;
use unix::{Key, UnixSocket};

/// Simulated descriptors start here: the real kernel hands out none this high.
pub(crate) const FIRST_DESCRIPTOR: i32 = 1 << 24;

/// The length of a used-up time slice: this keeps a process that never sleeps from stopping time.
const SLICE: u64 = 1_000_000;

/// A call that the simulator cannot answer.
#[derive(Clone, Debug)]
pub(crate) struct Unsupported {
    pub(crate) call: String,
    pub(crate) remedy: &'static str,
}

/// The parts of a machine that survive a power loss.
#[derive(Default)]
pub(crate) struct Hardware {
    pub(crate) clocks: Clocks,
    pub(crate) cpu: Cpu,
    pub(crate) disk: Disk,
    pub(crate) memory: Memory,
    /// Planned strikes.
    pub(crate) strikes: Strikes,
    /// When threads have lost its processor to others although they could have continued.
    pub(crate) preempted: Vec<u64>,
}

/// The operating system of one machine, from power on to power off.
pub(crate) struct Kernel {
    pub(crate) name: String,
    pub(crate) addresses: Addresses,
    pub(crate) entropy: Entropy,
    pub(crate) hardware: Hardware,
    pub(crate) unsupported: Option<Unsupported>,
    /// What the last call would have had to wait for.
    pub(crate) blocked: Option<Blocked>,
    /// Message and backtrace of panics not yet reported.
    pub(crate) panics: Vec<(String, String)>,
    /// Those of the last panic of a dead process. It does no harm, unless it comes from the code
    /// that ends the process.
    pub(crate) panic_in_death: Option<(String, String)>,
    /// What the process wants to be called when it panics.
    pub(crate) hook: Option<Hook>,
    /// Set from the moment a process dies until it is taken apart: whatever it still does, in the
    /// turn in which it was struck or in its destructors, must change nothing.
    pub(crate) process_is_dead: bool,
    pub(crate) threads: Threads,
    /// The variables and arguments of its process.
    pub(crate) environment: Environment,
    /// The process's static memory, while another one runs.
    pub(crate) statics: Statics,
    /// Threads that did not end with their process, not yet reported.
    pub(crate) abandoned_threads: usize,
    /// The machine's own time, in nanoseconds, on which its timers are based.
    now: u64,
    descriptors: FxHashMap<i32, ObjectId>,
    shared: Rc<Shared>,
    objects: Vec<Option<Slot>>,
    free_objects: Vec<ObjectId>,
    signals: Signals,
    working: Working,
    maps: Maps,
    /// The names of Unix sockets.
    unix_names: BTreeMap<Key, ObjectId>,
    tcp: Tcp,
    udp: Udp,
    /// How often the process has polled an epoll in this turn.
    looks: u32,
    /// Wakes the main task of the process, if that is one.
    main_waker: Option<Waker>,
}

/// What to call at a panic.
pub(crate) type Hook = Arc<dyn Fn(&PanicHookInfo<'_>) + Send + Sync>;

/// A kernel, shared by the world and the libc calls of the programs on it.
pub(crate) type SharedKernel = Rc<RefCell<Kernel>>;

/// State shared by the kernels of all machines of a world.
pub(crate) struct Shared {
    /// A number is never reused, so a stale descriptor of an ended process cannot affect another
    /// process.
    next_descriptor: Cell<i32>,
    pub(crate) names: RefCell<Names>,
}

impl Default for Shared {
    fn default() -> Self {
        Self {
            next_descriptor: Cell::new(FIRST_DESCRIPTOR),
            names: RefCell::default(),
        }
    }
}

/// An object, and the number of its descriptors.
struct Slot {
    object: Object,
    descriptors: u32,
}

/// What a descriptor refers to.
enum Object {
    Epoll(Epoll),
    Event(EventCounter),
    Signal(SignalDescriptor),
    Socket(Socket),
    Pipe(PipeEnd),
    File(OpenFile),
    Unix(UnixSocket),
}

impl Kernel {
    pub(crate) fn new(
        name: &str,
        addresses: Addresses,
        mut entropy: Entropy,
        hardware: Hardware,
        shared: Rc<Shared>,
    ) -> Self {
        let seed = entropy.next_u64(Door::Tcp);
        Self {
            name: name.to_owned(),
            addresses,
            entropy,
            hardware,
            unsupported: None,
            blocked: None,
            panics: Vec::new(),
            panic_in_death: None,
            hook: None,
            process_is_dead: false,
            threads: Threads::default(),
            environment: Environment::default(),
            statics: Statics::default(),
            abandoned_threads: 0,
            now: 0,
            descriptors: FxHashMap::default(),
            shared,
            objects: Vec::new(),
            free_objects: Vec::new(),
            signals: Signals::default(),
            working: Working::default(),
            maps: Maps::default(),
            unix_names: BTreeMap::new(),
            tcp: Tcp::new(seed),
            udp: Udp::new(seed.rotate_left(32)),
            looks: 0,
            main_waker: None,
        }
    }

    /// Tells the machine the time of the world, in nanoseconds since it began.
    pub(crate) fn set_now(&mut self, world: u64) {
        let now = self.hardware.clocks.machine_time(world);
        debug_assert!(now >= self.now, "time goes forward");
        self.now = now;
    }

    /// The machine's own time as its process sees it: including what the turn has cost so far.
    pub(crate) fn time_of_process(&self) -> u64 {
        self.now.saturating_add(self.hardware.cpu.charged())
    }

    pub(crate) fn wall_clock(&mut self) -> Duration {
        let now = self.time_of_process();
        self.hardware.clocks.read_wall(now)
    }

    pub(crate) fn monotonic_clock(&mut self) -> Duration {
        let now = self.time_of_process();
        self.hardware.clocks.read_monotonic(now)
    }

    /// Other programs take all but this many ephemeral ports, or release them.
    pub(crate) fn leave_ports(&mut self, free: Option<u16>) {
        self.tcp.ports.leave(free);
        self.udp.ports.leave(free);
    }

    /// How often no ephemeral port was available.
    pub(crate) fn ports_refused(&self) -> u64 {
        self.tcp.ports.refused() + self.udp.ports.refused()
    }

    /// How many TCP connections there are.
    pub(crate) fn connections(&self) -> usize {
        self.tcp.connections()
    }

    /// The processor time reported to the process: as if it had worked all the time.
    pub(crate) fn processor_time(&self) -> Duration {
        Duration::from_nanos(self.time_of_process())
    }

    /// Makes the process wait for its disk operations.
    pub(crate) fn wait_for_disk(&mut self) {
        let waited = self.hardware.disk.take_wait();
        self.hardware.cpu.charge(waited);
    }

    /// The addresses of a machine of the world.
    pub(crate) fn look_up(&self, name: &str) -> Option<Addresses> {
        self.shared.names.borrow().find(name)
    }

    /// Notes a call that cannot be simulated: the run ends after this turn. Only the first one
    /// counts.
    pub(crate) fn refuse(&mut self, call: impl Into<String>, remedy: &'static str) {
        if !self.process_is_dead {
            let call = call.into();
            self.unsupported.get_or_insert(Unsupported { call, remedy });
        }
    }

    /// Closes everything the process has open, as the operating system does when a process ends.
    pub(crate) fn close_all(&mut self) {
        let mut open: Vec<i32> = self.descriptors.keys().copied().collect();
        open.sort_unstable();
        for fd in open {
            self.close_descriptor(fd);
        }
        self.unmap_all();
        self.working = Working::default();
        self.hardware.disk.process_gone();
        self.forget_signals();
        self.hardware.strikes.set_at_work(false);
        self.abandon_work();
    }

    /// Closes a descriptor. Returns what the caller has to wait for, if anything.
    ///
    /// What the destructors of a dead process close stays open until [`Kernel::close_all`]: their
    /// order depends on how many tasks other worlds have had.
    pub(crate) fn close(&mut self, fd: i32) -> Result<Option<Linger>> {
        if self.process_is_dead {
            return Ok(None);
        }
        self.find(fd)?;
        let linger = self.linger_of_close(fd);
        self.close_descriptor(fd);
        Ok(linger.filter(|linger| self.tcp.is_closing(linger.flow)))
    }

    fn close_descriptor(&mut self, fd: i32) {
        let Some(id) = self.descriptors.remove(&fd) else {
            return;
        };
        let Some(slot) = &mut self.objects[id.0] else {
            return;
        };
        slot.descriptors -= 1;
        if slot.descriptors == 0 {
            self.release(id);
        }
    }

    /// The last descriptor of an object is closed.
    fn release(&mut self, id: ObjectId) {
        self.free_objects.push(id);
        match self.objects[id.0].take().map(|slot| slot.object) {
            Some(Object::Socket(socket)) => {
                self.close_socket(id, &socket);
                self.forget(&socket.watches);
            }
            Some(Object::Pipe(end)) => {
                self.forget_name(id);
                self.close_pipe_end(&end);
                self.forget(&end.watches);
            }
            Some(Object::Event(counter)) => self.forget(&counter.watches),
            Some(Object::Signal(descriptor)) => {
                self.close_signalfd(id);
                self.forget(&descriptor.watches);
            }
            Some(Object::File(file)) => self.close_file(&file),
            Some(Object::Unix(socket)) => {
                self.forget(&socket.watches);
                self.close_unix(id, socket);
            }
            Some(Object::Epoll(epoll)) => {
                self.forget_epoll(id, &epoll);
                self.forget(epoll.watches());
            }
            None => {}
        }
    }

    fn insert(&mut self, object: Object) -> i32 {
        let id = self.free_objects.pop().unwrap_or_else(|| {
            self.objects.push(None);
            ObjectId(self.objects.len() - 1)
        });
        self.objects[id.0] = Some(Slot {
            object,
            descriptors: 0,
        });
        self.describe(id)
    }

    /// Gives an object one more descriptor.
    fn describe(&mut self, id: ObjectId) -> i32 {
        if let Some(slot) = &mut self.objects[id.0] {
            slot.descriptors += 1;
        }
        let fd = self.shared.next_descriptor.get();
        self.shared.next_descriptor.set(fd + 1);
        self.descriptors.insert(fd, id);
        fd
    }

    /// `dup(2)`.
    pub(crate) fn duplicate(&mut self, fd: i32) -> Result<i32> {
        let id = self.find(fd)?;
        Ok(self.describe(id))
    }

    fn find(&self, fd: i32) -> Result<ObjectId> {
        self.descriptors.get(&fd).copied().ok_or(Errno(libc::EBADF))
    }

    fn object(&mut self, id: ObjectId) -> Result<&mut Object> {
        let slot = self.objects.get_mut(id.0).and_then(Option::as_mut);
        slot.map(|slot| &mut slot.object).ok_or(Errno(libc::EBADF))
    }

    fn object_at(&mut self, fd: i32) -> Result<&mut Object> {
        let id = self.find(fd)?;
        self.object(id)
    }

    /// Whether the process could run right now.
    pub(crate) fn is_runnable(&self) -> bool {
        !self.is_busy() && self.has_work()
    }

    fn has_work(&self) -> bool {
        self.threads_wake().is_some_and(|at| at <= self.now)
    }

    /// When the process next wants to run, unless a descriptor becomes ready before.
    pub(crate) fn process_wake(&self) -> Option<u64> {
        let wake = self.threads_wake()?;
        Some(wake.max(self.hardware.cpu.busy_until().unwrap_or(wake)))
    }

    /// When something is due that does not involve the process.
    pub(crate) fn kernel_wake(&self) -> Option<u64> {
        let timers = [self.next_timer(), self.hardware.cpu.busy_until()];
        timers.into_iter().flatten().min()
    }

    /// When the machine's own time reaches `at`, in the time of the world.
    pub(crate) fn world_time(&self, at: u64) -> Option<u64> {
        self.hardware.clocks.world_time(at)
    }

    /// The main task asks whether the process is dead, and leaves a waker to be notified. For a
    /// dead process no waker is kept: it would be woken again with the next process, should that
    /// one end before its own task has asked.
    pub(crate) fn ask_for_death(&mut self, waker: &Waker) -> bool {
        if self.process_is_dead {
            return true;
        }
        match &mut self.main_waker {
            Some(old) => old.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
        false
    }

    /// The waker to wake when the process has died. To be woken without holding the kernel.
    pub(crate) fn take_main_waker(&mut self) -> Option<Waker> {
        self.main_waker.take()
    }

    /// A turn begins: the process has the processor until all its threads wait.
    pub(crate) fn begin_turn(&mut self) {
        self.looks = 0;
        self.hardware.cpu.begin_turn();
        self.hardware.strikes.set_at_work(true);
    }
}
