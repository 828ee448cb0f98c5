//! What a test describes: machines, what goes wrong, and what must hold all the same.

use super::dice::Dice;
use super::explained::Explained;
use super::faults::{Fault, Network};
use super::ranges::{Chances, Counts, Times};
use super::who::{Machine, Machines};
use super::wire::Wire;
use crate::setting::Setting;
use squall_guarantees::observed::{Checker, InSeconds, Observed, always, that};
use squall_simulator::{AsyncFunction, Ending, Function, MachineId, Main, Places};
use std::cell::Cell;
use std::fmt;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

/// A world, as a test describes it: who is in it, what goes wrong, what must hold. The seed decides
/// what it leaves open.
pub struct World {
    pub(super) dice: Dice,
    pub(super) machines: Vec<Described>,
    places: Places,
    pub(super) faults: Vec<Fault>,
    pub(super) checks: Vec<Box<dyn Checker>>,
    pub(super) finally: Vec<(usize, Box<dyn FnOnce()>)>,
    pub(super) network: Network,
    pub(super) lasting: Setting<Duration>,
    pub(super) settling: Duration,
    pub(super) preemptions: Setting<u32>,
    pub(super) may_panic: bool,
    /// Paths whose statics each process has for itself.
    pub(super) statics: Vec<String>,
    pub(super) explained: Explained,
    pub(super) wires: Vec<Wire>,
    beginning: Beginning,
}

/// What happens in each process before its program begins. A test may say so after it has added
/// machines.
#[derive(Clone)]
struct Beginning(Rc<Cell<fn()>>);

/// A machine that is to be built.
pub(super) struct Described {
    pub(super) name: String,
    pub(super) group: String,
    pub(super) address: Ipv4Addr,
    pub(super) build: Build,
    /// Environment variables and their values.
    pub(super) variables: Vec<(String, String)>,
    pub(super) arguments: Vec<String>,
}

/// Adds a machine with this name to a world.
pub(super) type Build = Box<dyn FnOnce(&mut squall_simulator::World, &str) -> MachineId>;

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.machines.iter().map(|it| &*it.name).collect();
        f.debug_struct("World")
            .field("machines", &names)
            .finish_non_exhaustive()
    }
}

/// What each machine of a group runs: anything that `main` can be, given the machine's number in
/// its group, from 0.
///
/// `Kind` distinguishes functions from asynchronous functions, and is inferred by the compiler.
pub trait Program<Kind>: 'static {
    /// Runs the program of the machine with this number.
    #[doc(hidden)]
    fn run(self: Rc<Self>, number: usize);
}

impl<F, T> Program<Function<T>> for F
where
    F: Fn(usize) -> T + 'static,
    T: Ending + 'static,
{
    fn run(self: Rc<Self>, number: usize) {
        Main::<Function<T>>::run(&move || self(number));
    }
}

impl<F, T> Program<AsyncFunction<T>> for F
where
    F: Fn(usize) -> T + 'static,
    T: Future<Output: Ending> + 'static,
{
    fn run(self: Rc<Self>, number: usize) {
        Main::<AsyncFunction<T>>::run(&move || self(number));
    }
}

impl World {
    pub(super) fn new(dice: Dice) -> Self {
        World {
            dice,
            machines: Vec::new(),
            places: Places::default(),
            faults: Vec::new(),
            checks: vec![Box::new(always())],
            finally: Vec::new(),
            network: Network::default(),
            lasting: Setting::Fixed(Duration::from_secs(30)),
            settling: Duration::from_secs(60),
            preemptions: Setting::Between(0, 3),
            may_panic: false,
            statics: Vec::new(),
            explained: Explained::default(),
            wires: Vec::new(),
            beginning: Beginning(Rc::new(Cell::new(|| {}))),
        }
    }

    /// Adds a machine that runs a program: anything that `main` can be, `fn` or `async fn`, with
    /// `#[tokio::main]` or without, or a closure. It begins anew at each start.
    ///
    /// # Panics
    ///
    /// If a machine or a group with this name exists already.
    #[track_caller]
    pub fn machine<Kind>(&mut self, name: &str, program: impl Main<Kind>) -> Machine {
        self.expect_new(name);
        self.add(name.to_owned(), name, move || program.run())
    }

    /// Adds this many machines that run a program, given each machine's number, from 0. They are
    /// called `client-1`, `client-2` and so on, and `client` means all of them.
    ///
    /// # Panics
    ///
    /// If a machine or a group with this name exists already.
    #[track_caller]
    pub fn machines<F, T, Kind>(&mut self, count: impl Counts, name: &str, program: F) -> Machines
    where
        F: Fn(usize) -> T + Program<Kind>,
    {
        self.expect_new(name);
        let program = Rc::new(program);
        let count = self
            .dice
            .count(&format!("machines, {name}"), count.setting(), 1);
        let machines = (0..count as usize).map(|number| {
            let program = Rc::clone(&program);
            let run = move || Rc::clone(&program).run(number);
            self.add(format!("{name}-{}", number + 1), name, run)
        });
        Machines::new(machines.collect())
    }

    #[track_caller]
    fn expect_new(&self, name: &str) {
        let known = |it: &Described| it.name == name || it.group == name;
        assert!(
            !self.machines.iter().any(known),
            "there is a machine `{name}` already"
        );
    }

    fn add(&mut self, name: String, group: &str, program: impl Fn() + 'static) -> Machine {
        let beginning = self.beginning.clone();
        let program = move || {
            beginning.0.get()();
            program();
        };
        let build: Build = Box::new(move |world, name| world.machine(name, program));
        let place = self.machines.len();
        let (group, address) = (group.to_owned(), self.places.next(&name));
        self.machines.push(Described {
            name,
            group,
            address,
            build,
            variables: Vec::new(),
            arguments: Vec::new(),
        });
        Machine::new(place, address)
    }

    /// Sets an environment variable for a machine's programs: `world.env(server, "PORT", "3000")`.
    /// Machines see nothing of the test's own environment.
    pub fn env(&mut self, machine: Machine, name: &str, value: &str) {
        let variables = &mut self.machines[machine.place()].variables;
        variables.push((name.to_owned(), value.to_owned()));
    }

    /// Sets the arguments of a machine's programs, after their name: `world.args(server, ["--port",
    /// "3000"])`.
    pub fn args<'a>(&mut self, machine: Machine, arguments: impl IntoIterator<Item = &'a str>) {
        let arguments = arguments.into_iter().map(str::to_owned);
        self.machines[machine.place()].arguments = arguments.collect();
    }

    /// Gives each process its own statics of a crate, or of a module of it, as on a computer:
    /// `world.separate_statics("my_service")`, if `my_service` keeps a runtime, a client or a pool
    /// in a static. Otherwise all machines of a run, and all their boots, share them.
    pub fn separate_statics(&mut self, path: &str) {
        self.statics.push(path.to_owned());
    }

    /// Something that goes wrong: `world.faults(partition(server, any(1,
    /// &clients)).lasting(1..30))`.
    pub fn faults(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Something that must hold: `world.check(exactly_once().sent("client",
    /// "order").received("server", "order"))`.
    pub fn check(&mut self, checker: impl Checker + 'static) {
        self.checks.push(Box::new(checker));
    }

    /// Something of your own that must hold for everything that was told; an error says why it does
    /// not.
    pub fn check_that(
        &mut self,
        name: &str,
        check: impl Fn(&Observed) -> Result<(), String> + 'static,
    ) {
        self.check(that(name, check));
    }

    /// Reads off the connections of all machines what they send and receive, so that the programs
    /// need no calls of their own: `world.observe(wire::socketio("message"))`. What has arrived at
    /// a machine counts as received, whether its program has read it or not.
    pub fn observe(&mut self, wire: Wire) {
        self.wires.push(wire);
    }

    /// What happens at the very end on a machine, whose program is killed first: reading its disk,
    /// and telling what is there.
    pub fn finally(&mut self, machine: Machine, read: impl FnOnce() + 'static) {
        self.finally.push((machine.place(), Box::new(read)));
    }

    /// How long packets need between any two machines, each way; 1 ms by default.
    #[track_caller]
    pub fn latency(&mut self, time: impl Times) {
        self.network.latency = time.setting();
    }

    /// How likely a packet is to be lost between any two machines; 0 by default.
    #[track_caller]
    pub fn loss(&mut self, chance: impl Chances) {
        self.network.loss = chance.setting();
    }

    /// How long the world lasts, if its faults do not last longer; 30 s by default.
    #[track_caller]
    pub fn lasting(&mut self, time: impl Times) {
        self.lasting = time.setting();
    }

    /// How long everything works after that, so that everything that must end can; 60 s by default.
    pub fn settling(&mut self, time: impl InSeconds) {
        self.settling = time.duration();
    }

    /// How often each process is pre-empted: a thread loses the processor to the others though it
    /// could go on, so that races between them are found. Up to three times by default. A process
    /// with one thread never is.
    ///
    /// It happens at libc calls: taking a free lock of std's makes none.
    pub fn preemptions(&mut self, times: impl Counts) {
        self.preemptions = times.setting();
    }

    /// A thread runs until it waits.
    pub fn no_preemptions(&mut self) {
        self.preemptions = Setting::Fixed(0);
    }

    /// This happens in each process before its program begins.
    pub(super) fn begin_with(&self, begin: fn()) {
        self.beginning.0.set(begin);
    }

    /// A program may panic, or end with an error.
    pub fn may_panic(&mut self) {
        self.may_panic = true;
    }
}
