//! The libc entry points: with `host` the only place with `unsafe`, and the border of the simulated world.
//!
//! The functions here have the names of libc's, so the linker binds std, mio, tokio, socket2 and the
//! C libraries to them. Each asks which machine runs on this thread. If none does, the real system call is
//! made: the test runner, other threads and other worlds of the process notice nothing. If one does, its
//! kernel answers.

/// The entry points of a file. Naming them here also keeps the linker from dropping them.
macro_rules! entry_points {
    ($($name:ident),* $(,)?) => {
        vec![$((
            const {
                match ::std::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                    Ok(name) => name,
                    Err(_) => unreachable!(),
                }
            },
            $name as *const ::std::ffi::c_void,
        )),*]
    };
}

mod addresses;
mod audit;
mod barrier;
mod by_number;
mod condition;
mod crash;
mod descriptors;
mod entropy;
mod environment;
mod events;
mod files;
mod futex;
mod host;
mod identity;
mod interfaces;
mod messages;
mod mutex;
mod names;
mod options;
mod parking_lot;
mod pipes;
mod refused;
mod resources;
mod rwlock;
mod select;
mod semaphore;
mod shared;
mod signals;
mod sleep;
mod sockets;
mod spin;
#[cfg(feature = "sqlite")]
mod sqlite;
mod statics;
mod threads;
mod time;

pub(crate) use audit::{asked_by_machine, sources, start_audit};
#[cfg(not(tokio_unstable))]
pub(crate) use crash::is_isolated;
pub(crate) use threads::{Thread, end_threads, main_is_over, run_threads, start_main};

use crate::audit::Audit;
use crate::entropy::Entropy;
use crate::host::{Context, real};
use crate::kernel::{Errno, Kernel};
use crate::machine::SharedKernel;
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_int, c_void};
use std::panic::PanicHookInfo;
use std::ptr;
use std::rc::Rc;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Waker;
use std::time::Duration;

/// What the world of a thread shares with the libc calls made on it, also as a thread of its machines.
struct WorldThread {
    entropy: RefCell<Entropy>,
    time: Cell<u64>,
    notes: RefCell<Vec<Note>>,
    /// Whether notes are kept in words as well.
    keeps_words: Cell<bool>,
    /// Whether calls are noted in `audit`.
    audits: Cell<bool>,
    audit: RefCell<Audit>,
    /// The world's own context, while it is a thread of a machine.
    hub: Context,
    /// The world's own thread, as the host numbers it.
    host_thread: c_int,
}

thread_local! {
    /// Null on a thread without a world. Without a destructor, because libc calls are made until a
    /// thread's very end.
    static WORLD: Cell<*const WorldThread> = const { Cell::new(ptr::null()) };

    /// The kernel of the machine that runs on this thread; null if none does. It lives at least as long as
    /// [`on_machine`], which sets it; on a thread of the machine, as long as that may run.
    static MACHINE: Cell<*const RefCell<Kernel>> = const { Cell::new(ptr::null()) };
}

fn world<R>(f: impl FnOnce(&WorldThread) -> R) -> Option<R> {
    let world = WORLD.get();
    // SAFETY: the pointer is null, or that of a box which its guard frees after setting it to null;
    // and a guard cannot leave the thread on which it was made. On a thread of a machine it is the same
    // pointer, and no machine outlives its world.
    unsafe { world.as_ref() }.map(f)
}

/// Lets the kernel of the machine that runs on this thread answer; none if no machine runs.
///
/// None also while the kernel is at work: then the call comes from the memory allocator that the
/// kernel uses, which is the host's.
fn machine<R>(f: impl FnOnce(&mut Kernel) -> R) -> Option<R> {
    // SAFETY: the pointer is null, or that of a kernel which `on_machine` borrows on this thread until it
    // has set it back. A thread of a machine has it from there; see `threads`.
    let kernel = unsafe { MACHINE.get().as_ref() }?;
    Some(f(&mut *kernel.try_borrow_mut().ok()?))
}

/// As [`machine`], for a system call that others can notice: a strike can fall at it.
fn call<R>(f: impl FnOnce(&mut Kernel) -> R) -> Option<R> {
    let mut struck = false;
    let answer = machine(|kernel| {
        struck = kernel.begin_call();
        f(kernel)
    });
    if struck {
        threads::step_back();
    }
    answer
}

/// How many worlds there are in the host's process.
static WORLDS: AtomicU32 = AtomicU32::new(0);

/// Whether another world runs beside that of this thread. A moment later it may be otherwise.
fn other_worlds() -> bool {
    WORLDS.load(Ordering::Relaxed) > 1
}

/// Makes this thread the thread of a world, until the guard is dropped.
pub(crate) fn enter_world(entropy: Entropy) -> WorldGuard {
    assert!(WORLD.get().is_null(), "one world at a time on a thread");
    let world = Box::new(WorldThread {
        entropy: RefCell::new(entropy),
        time: Cell::new(0),
        notes: RefCell::default(),
        keeps_words: Cell::new(false),
        audits: Cell::new(false),
        audit: RefCell::default(),
        hub: Context::of_this_thread(),
        host_thread: real::thread_id(),
    });
    WORLD.set(&raw const *world);
    WORLDS.fetch_add(1, Ordering::Relaxed);
    parking_lot::greet();
    WorldGuard {
        _world: world,
        _prepared: crash::prepare_this_thread(),
    }
}

/// Ends the world of its thread when dropped.
pub(crate) struct WorldGuard {
    /// What [`WORLD`] points to.
    _world: Box<WorldThread>,
    _prepared: crash::Prepared,
}

impl Drop for WorldGuard {
    fn drop(&mut self) {
        WORLD.set(ptr::null());
        WORLDS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs `f` as a program of the machine with this kernel, on the world's own context.
pub(crate) fn on_machine<R>(kernel: &SharedKernel, f: impl FnOnce() -> R) -> R {
    struct Leave<'a> {
        kernel: &'a SharedKernel,
        before: *const RefCell<Kernel>,
    }
    impl Drop for Leave<'_> {
        fn drop(&mut self) {
            MACHINE.set(self.before);
            // Tokio stops the panics of tasks. One that comes through here ends the world, and
            // the hook has kept it from the terminal.
            if std::thread::panicking() {
                for (message, backtrace) in &self.kernel.borrow().panics {
                    eprintln!("{message}\n{backtrace}");
                }
            }
        }
    }
    let before = MACHINE.replace(Rc::as_ptr(kernel));
    let _leave = Leave { kernel, before };
    f()
}

pub(crate) fn set_world_time(now: u64) {
    world(|world| world.time.set(now));
}

pub(crate) fn world_time() -> Duration {
    Duration::from_nanos(world(|world| world.time.get()).unwrap_or(0))
}

pub(crate) fn name_of_machine() -> Option<String> {
    machine(|kernel| kernel.name.clone())
}

/// The seed of a runtime, from the entropy of the machine that runs.
#[cfg(tokio_unstable)]
pub(crate) fn seed_of_runtime() -> u64 {
    use crate::audit::Call;
    use crate::entropy::Door;
    audit::asked(|| Call::entropy("tokio's rng_seed", size_of::<u64>()));
    machine(|kernel| kernel.entropy.next_u64(Door::Tokio)).unwrap_or_default()
}

/// Whether the process that runs is dead, for its main task: which is woken when it is.
pub(crate) fn ask_for_death(waker: &Waker) -> bool {
    machine(|kernel| kernel.ask_for_death(waker)).unwrap_or_default()
}

/// Notes that the program which runs has failed, as if it had panicked.
pub(crate) fn note_failure(message: String) {
    machine(|kernel| {
        if !kernel.process_is_dead {
            kernel.panics.push((message, String::new()));
        }
    });
}

/// An operation that a program has told of.
pub(crate) struct Note {
    pub(crate) hash: u64,
    /// Empty where nobody keeps them.
    pub(crate) words: String,
}

/// Notes an operation, and says whether it is one: what a dead process does is none.
pub(crate) fn note(hash: u64, words: impl FnOnce() -> String) -> bool {
    let lives = call(|kernel| kernel.process_is_dead) != Some(true);
    if lives {
        world(|world| {
            let words = world.keeps_words.get().then(words).unwrap_or_default();
            world.notes.borrow_mut().push(Note { hash, words });
        });
    }
    lives
}

pub(crate) fn take_notes() -> Vec<Note> {
    world(|world| world.notes.take()).unwrap_or_default()
}

/// From now on notes are kept in words as well.
pub(crate) fn keep_words() {
    world(|world| world.keeps_words.set(true));
}

/// Prepares the process for worlds. Cheap after the first time.
///
/// # Panics
///
/// If a libc symbol is not ours: then nothing would be simulated, and silently so.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        check_symbols();
        // With tokio's `signal` feature the first runtime makes a socket for the whole process. It
        // must be a real one.
        drop(
            tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build(),
        );
        #[cfg(feature = "sqlite")]
        sqlite::install();
        crash::install();
        report_panics_to_machines();
    });
}

/// An entry point: its name, and where our definition of it is.
type EntryPoint = (&'static CStr, *const c_void);

fn check_symbols() {
    let all = [
        barrier::all(),
        by_number::all(),
        condition::all(),
        crash::all(),
        descriptors::all(),
        entropy::all(),
        environment::all(),
        events::all(),
        files::all(),
        host::all(),
        identity::all(),
        interfaces::all(),
        messages::all(),
        mutex::all(),
        names::all(),
        options::all(),
        pipes::all(),
        refused::all(),
        resources::all(),
        rwlock::all(),
        select::all(),
        semaphore::all(),
        signals::all(),
        sleep::all(),
        sockets::all(),
        threads::all(),
        time::all(),
    ];
    for (name, ours) in all.into_iter().flatten() {
        // SAFETY: the name is a C string; dlsym only looks it up.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        assert!(
            ptr::eq(found, ours),
            "the libc function {name:?} is not the simulator's: the executable must be linked \
             dynamically against glibc, and must itself contain squall-simulator (not load it as a \
             shared library)"
        );
    }
}

/// A panic on a machine belongs to the run, and to nobody's terminal.
fn report_panics_to_machines() {
    let others = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let noted = machine(|kernel| {
            if !kernel.process_is_dead {
                let backtrace = std::backtrace::Backtrace::force_capture().to_string();
                kernel.panics.push((describe(panic), backtrace));
            }
        });
        // Nobody's, or the kernel's own: then it is everybody's.
        if noted.is_none() {
            others(panic);
        }
    }));
}

/// Place and message of a panic. Where cargo keeps the sources of crates is the host's affair.
fn describe(panic: &PanicHookInfo) -> String {
    let message = panic.payload_as_str().unwrap_or("(no message)");
    let Some(place) = panic.location() else {
        return message.to_owned();
    };
    let file = place.file();
    let in_registry = file.split_once("/registry/src/");
    let file = in_registry
        .and_then(|(_, path)| path.split_once('/'))
        .map_or(file, |(_, path)| path);
    format!("{message} ({file}:{}:{})", place.line(), place.column())
}

/// What a libc function returns: the value, or -1 with `errno` set.
fn answer<T: Into<i64>>(result: Result<T, Errno>) -> isize {
    match result {
        Ok(value) => {
            spin::has_waited();
            value.into() as isize
        }
        Err(errno) => fail(errno),
    }
}

/// [`answer`] for functions that return an int.
fn answer_int<T: Into<i64>>(result: Result<T, Errno>) -> c_int {
    answer(result) as c_int
}

fn fail(Errno(code): Errno) -> isize {
    if code == libc::EAGAIN {
        spin::has_looked();
    }
    // SAFETY: `errno` is the calling thread's own.
    unsafe { *libc::__errno_location() = code };
    -1
}
