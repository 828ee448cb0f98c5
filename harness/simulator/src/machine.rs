//! A simulated computer: its hardware, its kernel while it has power, and its process while one is
//! running.

use crate::audit::Call;
use crate::entropy::{Entropy, stream};
use crate::hits::Meter;
use crate::ids::{FaultId, MachineId};
use crate::kernel::clock::ClockChange;
use crate::kernel::cpu::WorkCost;
use crate::kernel::disk::DiskChange;
use crate::kernel::disk::mount::Copied;
use crate::kernel::disk::tree::ROOT;
use crate::kernel::environment::{Environment, Setup};
use crate::kernel::errno::Errno;
use crate::kernel::preemption::Preemption;
use crate::kernel::signals::{self, Sent, Target};
use crate::kernel::strikes::{Fallen, Strike};
use crate::kernel::{Addresses, Hardware, Kernel, Packet, Shared, SharedKernel, Unsupported};
use crate::process::{Process, Program};
use crate::sys;
use rand_chacha::ChaCha8Rng;
use std::cell::RefCell;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

/// A panic of a machine's program, in its main task or in any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Panic {
    /// When, in virtual time.
    pub at: Duration,
    /// On which machine.
    pub machine: MachineId,
    /// The message, with file, line and column.
    pub message: String,
    /// The backtrace. It contains the symbols of the build, and is not part of the digest.
    pub backtrace: String,
}

pub(crate) struct Machine {
    pub(crate) name: String,
    /// The name of its streams of random numbers.
    key: String,
    pub(crate) addresses: Addresses,
    program: Program,
    seed: u64,
    shared: Rc<Shared>,
    pub(crate) setup: Setup,
    boots: u32,
    /// When its processes ended.
    ends: Vec<Duration>,
    /// When turns that took long began, and when they were to end.
    long_turns: Vec<Range<Duration>>,
    /// How often its earlier kernels had no port left.
    ports_refused: u64,
    /// What it sent in the turn in which it lost power, and earlier.
    last_words: Vec<Packet>,
    state: Power,
}

enum Power {
    Off(Box<Hardware>),
    On {
        kernel: SharedKernel,
        process: Option<Process>,
        paused: bool,
        /// What has arrived while the machine is suspended; none if it is not.
        suspended: Option<Vec<Packet>>,
    },
}

/// How many packets wait for a suspended machine: as many as fit into the queue of a Linux tap
/// device.
const CARD_QUEUE: usize = 1000;

/// How long a turn takes that is kept in memory, at least.
const LONG: Duration = Duration::from_millis(5);

/// What a machine did in a turn.
#[derive(Default)]
pub(crate) struct Turn {
    pub(crate) ran: bool,
    pub(crate) panics: Vec<(String, String)>,
    pub(crate) unsupported: Option<Unsupported>,
    /// Threads of an ended process that did not end with it.
    pub(crate) abandoned_threads: usize,
    /// What struck it during the turn.
    pub(crate) fallen: Vec<Fallen>,
    /// The hash of its files, if they have changed.
    pub(crate) files: Option<u64>,
}

impl Machine {
    pub(crate) fn new(
        (name, key): (&str, &str),
        addresses: Addresses,
        seed: u64,
        shared: Rc<Shared>,
        program: Program,
    ) -> Self {
        Self {
            name: name.to_owned(),
            key: key.to_owned(),
            addresses,
            program,
            seed,
            shared,
            setup: Setup::default(),
            boots: 0,
            ends: Vec::new(),
            long_turns: Vec::new(),
            ports_refused: 0,
            last_words: Vec::new(),
            state: Power::Off(Box::default()),
        }
    }

    /// From now on, its randomness follows from another seed. What its programs have drawn before,
    /// they keep.
    pub(crate) fn reseed(&mut self, seed: u64) {
        self.seed = seed;
        let disk = self.stream_of_disk();
        self.with_hardware(|hardware| hardware.disk.reseed(disk));
        if let Power::On { kernel, .. } = &self.state {
            kernel.borrow_mut().entropy.reseed(seed);
        }
    }

    /// This host process is a fork of another one: stops sharing any memory of the machine with it.
    ///
    /// # Errors
    ///
    /// If the host provides no more memory.
    pub(crate) fn part_from_parent(&mut self) -> io::Result<()> {
        match &self.state {
            Power::On { kernel, .. } => sys::part_maps_from_parent(kernel),
            Power::Off(_) => Ok(()),
        }
    }

    /// The stream that decides which of its disk operations fail.
    fn stream_of_disk(&self) -> ChaCha8Rng {
        stream(self.seed, &format!("disk of {}", self.key))
    }

    /// Gives it other addresses. Existing connections keep theirs.
    pub(crate) fn set_addresses(&mut self, addresses: Addresses) {
        self.addresses = addresses;
        if let Power::On { kernel, .. } = &self.state {
            kernel.borrow_mut().addresses = addresses;
        }
    }

    pub(crate) fn has_power(&self) -> bool {
        matches!(self.state, Power::On { .. })
    }

    /// Starts the program: with a new kernel if the power was off, on the old one otherwise. Does
    /// nothing if a process is running.
    pub(crate) fn boot(&mut self, now: u64) {
        self.power_on(now);
        let Power::On {
            kernel, process, ..
        } = &mut self.state
        else {
            return;
        };
        if process.is_some() {
            return;
        }
        let mut kernel_now = kernel.borrow_mut();
        kernel_now.set_now(now);
        kernel_now.process_is_dead = false;
        kernel_now.hardware.memory.begin();
        kernel_now.environment = Environment::new(&self.name, &self.setup);
        kernel_now.hook = None;
        if self.setup.preemptions > 0 {
            let (name, process) = (&self.name, self.ends.len());
            let label = format!("preemptions of machine {name}, process {process}");
            let preemption = Preemption::new(self.setup.preemptions, stream(self.seed, &label));
            kernel_now.threads.preempt_by(preemption);
        }
        drop(kernel_now);
        *process = Some(Process::start(kernel, &self.program));
    }

    fn power_on(&mut self, now: u64) {
        let Power::Off(hardware) = &mut self.state else {
            return;
        };
        self.boots += 1;
        let owner = format!("machine {} boot {}", self.key, self.boots);
        let entropy = Entropy::new(self.seed, &owner);
        let (hardware, shared) = (std::mem::take(&mut **hardware), Rc::clone(&self.shared));
        let mut kernel = Kernel::new(&self.name, self.addresses, entropy, hardware, shared);
        kernel.set_now(now);
        sys::asked_by_machine(&self.name, || {
            Call::entropy("TCP's ports and sequence numbers", size_of::<u64>())
        });
        let kernel = Rc::new(RefCell::new(kernel));
        self.state = Power::On {
            kernel,
            process: None,
            paused: false,
            suspended: None,
        };
    }

    /// Kills the process, like SIGKILL. Its kernel closes what it had open.
    pub(crate) fn kill(&mut self, now: u64) {
        let Power::On {
            kernel,
            process,
            paused,
            ..
        } = &mut self.state
        else {
            return;
        };
        *paused = false;
        kernel.borrow_mut().set_now(now);
        end_process(kernel, process, &mut self.ends, now);
    }

    /// Sends a signal to the process, if there is one.
    pub(crate) fn signal(&mut self, now: u64, signal: i32) {
        let Power::On {
            kernel,
            process: Some(_),
            ..
        } = &mut self.state
        else {
            return;
        };
        if !signals::exists(signal) {
            return;
        }
        let mut kernel = kernel.borrow_mut();
        kernel.set_now(now);
        let sent = kernel.signal(signal, Target::Process);
        drop(kernel);
        match sent {
            Sent::Taken => {}
            Sent::Ends => self.kill(now),
            Sent::Stops => self.set_paused(true),
            Sent::Continues => self.set_paused(false),
        }
    }

    /// When its processes ended, for whatever reason; in order of time.
    pub(crate) fn ends(&self) -> &[Duration] {
        &self.ends
    }

    /// The turns of its processes that took long, in order of time. One whose process was killed in
    /// the middle of it ends there.
    pub(crate) fn long_turns(&self) -> Vec<Range<Duration>> {
        let turns = self.long_turns.iter().map(|turn| {
            let later = self.ends.iter().find(|end| **end > turn.start);
            turn.start..later.map_or(turn.end, |end| turn.end.min(*end))
        });
        turns.collect()
    }

    /// Cuts the power. Nothing is sent. Unsynced data on disk is lost or, if writes are torn, may
    /// be lost, sector by sector of the given size.
    pub(crate) fn power_loss(&mut self, now: u64, torn: Option<usize>) {
        self.resume(now, true);
        self.kill(now);
        let Power::On { kernel, .. } = &mut self.state else {
            return;
        };
        let mut hardware = std::mem::take(&mut kernel.borrow_mut().hardware);
        self.ports_refused += kernel.borrow().ports_refused();
        hardware.cpu.power_loss();
        match torn {
            None => hardware.disk.power_loss(),
            Some(sector) => {
                let label = format!("torn writes of {} after boot {}", self.key, self.boots);
                let mut rng = stream(self.seed, &label);
                hardware.disk.torn_power_loss(sector, &mut rng);
            }
        }
        self.state = Power::Off(Box::new(hardware));
    }

    /// Stops the whole machine and its clocks. Packets that arrive in the meantime wait at its
    /// network card.
    pub(crate) fn suspend(&mut self, now: u64) {
        if let Power::On {
            kernel, suspended, ..
        } = &mut self.state
        {
            suspended.get_or_insert_default();
            kernel.borrow_mut().hardware.clocks.suspend(now);
        }
    }

    /// Ends a suspension. The clocks jump to where they would have been, or continue from where
    /// they stopped.
    pub(crate) fn resume(&mut self, now: u64, clocks_jump: bool) {
        if let Power::On {
            kernel, suspended, ..
        } = &mut self.state
            && let Some(waiting) = suspended.take()
        {
            let mut kernel = kernel.borrow_mut();
            kernel.hardware.clocks.resume(now, clocks_jump);
            kernel.set_now(now);
            for packet in waiting {
                kernel.receive_packet(packet);
            }
        }
    }

    pub(crate) fn change_clock(&mut self, now: u64, change: ClockChange) {
        self.with_hardware(|hardware| hardware.clocks.change(now, change));
    }

    pub(crate) fn change_disk(&mut self, change: DiskChange) {
        let rng = self.stream_of_disk();
        self.with_hardware(|hardware| hardware.disk.change(change, || rng));
    }

    /// The reading of a meter, since the world began.
    pub(crate) fn shows(&self, meter: Meter) -> u64 {
        let of_hardware = |hardware: &Hardware| match meter {
            Meter::Ports => self.ports_refused,
            Meter::WallReads => hardware.clocks.wall_reads(),
            Meter::ClockReads => hardware.clocks.reads(),
            Meter::Turns => hardware.cpu.slow_turns(),
            Meter::DiskFull | Meter::DiskSlow | Meter::DiskErrors | Meter::DiskLies => {
                meter.of_disk(&hardware.disk.troubles())
            }
        };
        match &self.state {
            Power::Off(hardware) => of_hardware(hardware),
            Power::On { kernel, .. } => {
                let kernel = kernel.borrow();
                let of_kernel = match meter {
                    Meter::Ports => kernel.ports_refused(),
                    _ => 0,
                };
                of_hardware(&kernel.hardware) + of_kernel
            }
        }
    }

    /// How many writes a power loss would destroy or tear.
    pub(crate) fn unsynced(&mut self) -> usize {
        self.with_hardware(|hardware| hardware.disk.unsynced())
    }

    /// How many TCP connections it has.
    pub(crate) fn connections(&self) -> usize {
        match &self.state {
            Power::Off(_) => 0,
            Power::On { kernel, .. } => kernel.borrow().connections(),
        }
    }

    /// Whether a process is running, even if only to be stopped.
    pub(crate) fn has_process(&self) -> bool {
        matches!(
            &self.state,
            Power::On {
                process: Some(_),
                ..
            }
        )
    }

    pub(crate) fn leave_ports(&mut self, free: Option<u16>) {
        if let Power::On { kernel, .. } = &self.state {
            kernel.borrow_mut().leave_ports(free);
        }
    }

    pub(crate) fn set_work_cost(&mut self, cost: WorkCost) {
        self.with_hardware(|hardware| hardware.cpu.set_cost(cost));
    }

    /// When threads lost its processor to others although they could have continued.
    pub(crate) fn preempted(&self) -> Vec<Duration> {
        let times = |hardware: &Hardware| {
            let times = hardware.preempted.iter();
            times.map(|&at| Duration::from_nanos(at)).collect()
        };
        match &self.state {
            Power::Off(hardware) => times(hardware),
            Power::On { kernel, .. } => times(&kernel.borrow().hardware),
        }
    }

    /// The most that its programs have held when they waited, and when.
    pub(crate) fn memory(&self) -> Option<(u64, Duration)> {
        match &self.state {
            Power::Off(hardware) => hardware.memory.most(),
            Power::On { kernel, .. } => kernel.borrow().hardware.memory.most(),
        }
    }

    /// The files on the machine's disk, and their sizes in bytes.
    pub(crate) fn files(&self) -> Vec<(PathBuf, u64)> {
        match &self.state {
            Power::Off(hardware) => hardware.disk.list(),
            Power::On { kernel, .. } => kernel.borrow().hardware.disk.list(),
        }
    }

    /// The content of a file.
    pub(crate) fn read_file(&mut self, path: &[u8]) -> Option<Vec<u8>> {
        self.with_hardware(|hardware| {
            let tree = &hardware.disk.tree;
            let node = tree.find(ROOT, path, true).ok()?;
            tree.bytes(node).ok().map(<[u8]>::to_vec)
        })
    }

    /// Copies a host file or directory to a path, read-only.
    pub(crate) fn mount(&mut self, host: &Path, path: &[u8]) -> io::Result<()> {
        let copy = Copied::read(host)?;
        self.with_hardware(|hardware| hardware.disk.tree.mount(copy, path))
            .map_err(|Errno(code)| io::Error::from_raw_os_error(code))
    }

    fn with_hardware<T>(&mut self, f: impl FnOnce(&mut Hardware) -> T) -> T {
        match &mut self.state {
            Power::Off(hardware) => f(hardware),
            Power::On { kernel, .. } => f(&mut kernel.borrow_mut().hardware),
        }
    }

    /// Stops the process, like SIGSTOP, or continues it. Its kernel keeps working.
    pub(crate) fn set_paused(&mut self, pause: bool) {
        if let Power::On { paused, .. } = &mut self.state {
            *paused = pause;
        }
    }

    pub(crate) fn receive(&mut self, now: u64, packet: Packet) {
        match &mut self.state {
            Power::Off(_) => {}
            Power::On {
                suspended: Some(waiting),
                ..
            } => {
                if waiting.len() < CARD_QUEUE {
                    waiting.push(packet);
                }
            }
            Power::On { kernel, .. } => {
                let mut kernel = kernel.borrow_mut();
                kernel.set_now(now);
                kernel.receive_packet(packet);
            }
        }
    }

    /// Makes the machine do what is due by now.
    pub(crate) fn run(&mut self, now: u64) -> Turn {
        let mut turn = Turn::default();
        let Power::On {
            kernel,
            process,
            paused,
            suspended: None,
        } = &mut self.state
        else {
            return turn;
        };
        let mut kernel_now = kernel.borrow_mut();
        kernel_now.set_now(now);
        kernel_now.run_timers();
        kernel_now.end_work();
        let runnable = !*paused && process.is_some() && kernel_now.is_runnable();
        drop(kernel_now);
        if runnable {
            turn.ran = true;
            if let Some(process) = process {
                process.turn();
            }
            kernel.borrow_mut().end_turn();
        }
        turn.fallen = kernel.borrow_mut().hardware.strikes.take_fallen();
        let dead = kernel.borrow().process_is_dead;
        if process.is_some() && dead {
            end_process(kernel, process, &mut self.ends, now);
        }
        let mut kernel_now = kernel.borrow_mut();
        if let (true, Some(until)) = (runnable, kernel_now.works_until()) {
            let turn = Duration::from_nanos(now)..Duration::from_nanos(until);
            if turn.end >= turn.start + LONG {
                self.long_turns.push(turn);
            }
        }
        turn.panics = std::mem::take(&mut kernel_now.panics);
        turn.unsupported = kernel_now.unsupported.take();
        turn.abandoned_threads = std::mem::take(&mut kernel_now.abandoned_threads);
        turn.files = kernel_now.hardware.disk.tree.take_hash();
        drop(kernel_now);
        for fallen in &mut turn.fallen {
            self.last_words.append(&mut fallen.sent);
            match fallen.strike {
                Strike::Kill | Strike::Disk(_) => {}
                Strike::PowerLoss => self.power_loss(now, None),
                Strike::TornPowerLoss { sector } => self.power_loss(now, Some(sector)),
            }
        }
        turn
    }

    /// Plans a strike in the middle of a turn, at one of the next calls of the process.
    pub(crate) fn arm(&mut self, fault: FaultId, call: u64, strike: Strike) {
        let rng = self.stream_of_disk();
        self.with_hardware(|hardware| hardware.strikes.arm(fault, call, strike, rng));
    }

    /// Withdraws such a strike, unless it has happened.
    pub(crate) fn disarm(&mut self, fault: FaultId) -> Option<Strike> {
        self.with_hardware(|hardware| hardware.strikes.disarm(fault))
    }

    /// Moves the packets to be sent to the end of `packets`.
    pub(crate) fn take_outgoing(&mut self, packets: &mut Vec<Packet>) {
        packets.append(&mut self.last_words);
        if let Power::On {
            kernel,
            suspended: None,
            ..
        } = &self.state
        {
            kernel.borrow_mut().take_departing(packets);
        }
    }

    /// When the machine next wants to run, if nothing arrives before.
    pub(crate) fn next_wake(&self) -> Option<u64> {
        let Power::On {
            kernel,
            process,
            paused,
            suspended: None,
        } = &self.state
        else {
            return None;
        };
        let kernel = kernel.borrow();
        let process = if *paused || process.is_none() {
            None
        } else {
            kernel.process_wake()
        };
        let wakes = [process, kernel.kernel_wake()];
        kernel.world_time(wakes.into_iter().flatten().min()?)
    }

    /// Whether a packet that just arrived gives the process something to do.
    pub(crate) fn is_runnable(&self) -> bool {
        match &self.state {
            Power::On {
                kernel,
                process: Some(_),
                paused: false,
                suspended: None,
            } => kernel.borrow().is_runnable(),
            Power::On { .. } | Power::Off(_) => false,
        }
    }

    /// The kernel. If necessary, powers the machine on without starting its program.
    pub(crate) fn kernel(&mut self, now: u64) -> SharedKernel {
        self.power_on(now);
        match &self.state {
            Power::On { kernel, .. } => Rc::clone(kernel),
            Power::Off(_) => unreachable!("the power is on"),
        }
    }
}

/// Takes a dead process apart. Its destructors run, but the kernel does nothing for them.
fn end_process(
    kernel: &SharedKernel,
    process: &mut Option<Process>,
    ends: &mut Vec<Duration>,
    now: u64,
) {
    kernel.borrow_mut().process_is_dead = true;
    let mut abandoned = 0;
    if let Some(process) = process.take() {
        ends.push(Duration::from_nanos(now));
        abandoned = process.end();
    }
    let mut kernel = kernel.borrow_mut();
    kernel.abandoned_threads += abandoned;
    kernel.close_all();
}
