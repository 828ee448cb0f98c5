//! Threads of a machine: real threads of the host, of which one at a time has the baton.
//!
//! The main thread of a machine is the thread of its world. The others begin with a wait at their gate. Each
//! runs until it waits for something: a lock, a message, the end of another, a time. Then the world's thread
//! has the baton again, and passes it on to the next that is ready, or lets virtual time go on. So who runs
//! when is decided by the books in `kernel::threads`, and not by the host.
//!
//! # Why this is sound
//!
//! A kernel is made of `Rc` and `RefCell`, which are neither `Send` nor `Sync`, and yet all threads of a
//! machine enter it. Nothing in them belongs to a thread of the host; what must never happen is that two
//! threads use them at once, or without an order. That holds, because
//!
//! - a thread touches its world only between [`Gate::pass`] and the next [`Gate::open`]: its pointers to the
//!   world and to the machine's kernel are set after the first, and taken away before the last, when even the
//!   destructors of its thread-local variables have run;
//! - it gets the baton from that kernel's books and nowhere else, so the kernel is alive while it has it;
//! - whoever opens a gate waits at another one at once, or is at its end: one baton, never two;
//! - opening a gate releases and passing it acquires, so all that one thread did happened before all that
//!   the next one does;
//! - the baton is passed only in the functions here, which hold no borrow of the kernel meanwhile.
//!
//! A thread that does not end when its process is killed is never let through its gate again. It keeps its
//! memory for as long as the host's process lives, and touches nothing of a world that may be gone.

use super::baton::Gate;
use super::real::Original;
use super::{
    EntryPoint, MACHINE, WORLD, WorldThread, futex, machine, parking_lot, real, refused, sleep,
    world,
};
use crate::kernel::Kernel;
use crate::kernel::threads::{MAIN, Next, Outcome, ThreadId, Wait};
use libc::{c_int, c_void, pthread_attr_t, pthread_key_t, pthread_t};
use std::cell::{Cell, RefCell};
use std::ptr;
use std::sync::{Arc, OnceLock};

type ThreadMain = extern "C-unwind" fn(*mut c_void) -> *mut c_void;
type PthreadCreate =
    unsafe extern "C" fn(*mut pthread_t, *const pthread_attr_t, ThreadMain, *mut c_void) -> c_int;
type PthreadJoin = unsafe extern "C" fn(pthread_t, *mut *mut c_void) -> c_int;

static PTHREAD_CREATE: Original = Original::new(c"pthread_create");
static PTHREAD_JOIN: Original = Original::new(c"pthread_join");

/// How often threads may be let run before it is clear that what is waited for does not come: the end of the
/// threads of a dead process, or of a wait of the main one.
const CHANGES_AT_MOST: u32 = 10_000;

/// A thread of a machine, as it knows itself.
struct Myself {
    id: ThreadId,
    gate: Arc<Gate>,
    /// Where the world's thread waits.
    hub: Arc<Gate>,
    /// How often libc has told it that it ends.
    farewells: Cell<u32>,
}

thread_local! {
    /// Null on all threads but those that machines have started.
    static MYSELF: Cell<*const Myself> = const { Cell::new(ptr::null()) };
}

fn myself<R>(f: impl FnOnce(&Myself) -> R) -> Option<R> {
    // SAFETY: null, or a box of this thread that is freed after this was set to null.
    unsafe { MYSELF.get().as_ref() }.map(f)
}

/// Whether this is the main thread of the machine that runs.
pub(super) fn is_main() -> bool {
    MYSELF.get().is_null()
}

/// The number of the thread that runs among those of its process, as Linux counts them.
pub(super) fn number() -> c_int {
    myself(|myself| myself.id).unwrap_or(MAIN).number()
}

/// The threads of the machine that runs, besides its main one.
pub(super) fn has_others() -> bool {
    machine(|kernel| !kernel.threads.is_empty()) == Some(true)
}

/// What a new thread needs to know.
struct Start {
    main: ThreadMain,
    argument: *mut c_void,
    world: *const WorldThread,
    machine: *const RefCell<Kernel>,
    gate: Arc<Gate>,
    hub: Arc<Gate>,
    id: Cell<Option<ThreadId>>,
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_create(
    thread: *mut pthread_t,
    attributes: *const pthread_attr_t,
    main: ThreadMain,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: the original has this type.
    let original =
        unsafe { std::mem::transmute::<*mut c_void, PthreadCreate>(PTHREAD_CREATE.get()) };
    match machine(|kernel| kernel.process_is_dead) {
        // SAFETY: the arguments are the caller's.
        None => return unsafe { original(thread, attributes, main, argument) },
        Some(true) => return libc::EAGAIN,
        Some(false) => {}
    }
    let gate = Arc::new(Gate::default());
    let Some(hub) = world(|world| Arc::clone(&world.hub)) else {
        return libc::EAGAIN;
    };
    let start = Box::into_raw(Box::new(Start {
        main,
        argument,
        world: WORLD.get(),
        machine: MACHINE.get(),
        gate: Arc::clone(&gate),
        hub,
        id: Cell::new(None),
    }));
    // SAFETY: the place and the attributes are the caller's; the new thread takes the box, and does
    // not look at it before it has the baton.
    unsafe {
        let error = original(thread, attributes, run, start.cast());
        if error != 0 {
            drop(Box::from_raw(start));
            refused::refuse("pthread_create, more often than the host can", HOST_REMEDY);
            return error;
        }
        let id = machine(|kernel| kernel.threads.add(*thread as usize, gate));
        (*start).id.set(id);
    }
    0
}

const HOST_REMEDY: &str = "allow more threads (ulimit -u), or run fewer worlds at a time";

/// The whole life of a machine's thread.
extern "C-unwind" fn run(start: *mut c_void) -> *mut c_void {
    let start = start.cast::<Start>();
    // SAFETY: the box of `pthread_create`, which is this thread's. Its gate is shared, and stays.
    let start = unsafe {
        let gate = Arc::clone(&(*start).gate);
        gate.pass();
        Box::from_raw(start)
    };
    let Start {
        main,
        argument,
        world,
        machine: kernel,
        gate,
        hub,
        id,
    } = *start;
    let myself = Box::into_raw(Box::new(Myself {
        id: id.get().unwrap_or(MAIN),
        gate,
        hub,
        farewells: Cell::new(0),
    }));
    WORLD.set(world);
    MACHINE.set(kernel);
    MYSELF.set(myself);
    announce_end(myself);
    parking_lot::greet();
    if let Some(id) = id.get() {
        machine(|kernel| kernel.threads.runs_on(id, real::thread_id()));
    }
    main(argument)
}

/// libc calls [`end`] when the thread ends, however it ends.
fn announce_end(myself: *const Myself) {
    if let Some(&key) = AT_END.get() {
        // SAFETY: the key is ours, and its destructor takes this pointer.
        unsafe { libc::pthread_setspecific(key, myself.cast()) };
    }
}

static AT_END: OnceLock<pthread_key_t> = OnceLock::new();

/// Before any thread of a machine.
pub(super) fn install() {
    let mut key = 0;
    // SAFETY: the key is ours, and the destructor has the right type.
    let error = unsafe { libc::pthread_key_create(&raw mut key, Some(end)) };
    assert_eq!(error, 0, "the host has a key for thread-specific data");
    let _ = AT_END.set(key);
}

/// The thread ends, and gives the baton away for the last time.
///
/// libc calls the destructors of keys in rounds, after those of thread-local variables, and as long as
/// there are any: this one waits for the last round, so that all others run with the baton.
unsafe extern "C" fn end(this: *mut c_void) {
    let this = this.cast::<Myself>();
    // SAFETY: the box of `run`, which is this thread's.
    let farewells = unsafe { (*this).farewells.get() } + 1;
    if farewells < ROUNDS {
        // SAFETY: as before.
        unsafe { (*this).farewells.set(farewells) };
        return announce_end(this);
    }
    // SAFETY: nobody else has this pointer: `MYSELF` is null from here.
    let myself = unsafe {
        MYSELF.set(ptr::null());
        Box::from_raw(this)
    };
    machine(|kernel| kernel.threads.end(myself.id));
    MACHINE.set(ptr::null());
    WORLD.set(ptr::null());
    myself.hub.open(Outcome::Woken);
}

/// `PTHREAD_DESTRUCTOR_ITERATIONS` of glibc.
const ROUNDS: u32 = 4;

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_join(thread: pthread_t, result: *mut *mut c_void) -> c_int {
    let is_live = machine(|kernel| kernel.threads.is_live(thread as usize)) == Some(true);
    if is_live && wait(Wait::End(thread as usize), None).is_none() {
        main_is_stuck("the end of a thread");
    }
    // SAFETY: the original has this type; the arguments are the caller's. One of the machine's
    // threads has given its baton away for ever and ends without further ado.
    unsafe { std::mem::transmute::<*mut c_void, PthreadJoin>(PTHREAD_JOIN.get())(thread, result) }
}

/// Lets the calling thread of a machine wait, and others run meanwhile. None if it is the main thread and
/// no other can end its wait: then it does not wait any longer.
pub(super) fn wait(wait: Wait, until: Option<u64>) -> Option<Outcome> {
    sleep::begin_to_count_yields();
    let pass = |myself: &Myself| {
        machine(|kernel| kernel.threads.wait(myself.id, wait, until));
        give_back(myself)
    };
    myself(pass).or_else(|| {
        machine(|kernel| kernel.threads.wait(MAIN, wait, until));
        run_until_main_is_next()
    })
}

/// Lets the others run first that can.
pub(super) fn step_back() {
    let pass = |myself: &Myself| {
        machine(|kernel| kernel.threads.step_back(myself.id));
        give_back(myself);
    };
    if myself(pass).is_none() {
        machine(|kernel| kernel.threads.step_back(MAIN));
        run_until_main_is_next();
    }
}

fn give_back(myself: &Myself) -> Outcome {
    myself.hub.open(Outcome::Woken);
    myself.gate.pass()
}

/// On the world's thread, on a machine: passes the baton to the next thread until it comes back. None
/// if no thread can run; the outcome of its wait, if the main thread is next.
fn run_next() -> Option<Option<Outcome>> {
    let mut next = machine(|kernel| kernel.next_thread())?;
    if next.is_none() && futex::wake_changed() {
        next = machine(|kernel| kernel.next_thread())?;
    }
    match next? {
        Next::Main(outcome) => Some(Some(outcome)),
        Next::Thread(gate, outcome) => {
            let hub = world(|world| Arc::clone(&world.hub))?;
            gate.open(outcome);
            hub.pass();
            Some(None)
        }
    }
}

/// Lets the threads of the machine run until all of them wait. At the end of a turn of its main one.
pub(crate) fn run_threads() {
    while has_others() && run_next().is_some() {}
}

/// Lets the threads of a dead process come to their ends, as far as they do. Returns how many do not:
/// they are never heard of again.
pub(crate) fn end_threads() -> usize {
    for _ in 0..CHANGES_AT_MOST {
        if !has_others() || (run_next().is_none() && !wait_for_next_limit()) {
            break;
        }
    }
    machine(|kernel| kernel.abandon_threads()).unwrap_or(0)
}

/// The main thread waits. The world's time cannot go on meanwhile, because the world is further up on the
/// same stack. But the process may wait as a whole until the next of its threads, or its main one, has
/// waited long enough: then the rest of the world finds it busy for that long.
fn run_until_main_is_next() -> Option<Outcome> {
    for _ in 0..CHANGES_AT_MOST {
        match run_next() {
            Some(Some(outcome)) => return Some(outcome),
            Some(None) => {}
            None if wait_for_next_limit() => {}
            None => break,
        }
    }
    machine(|kernel| kernel.threads.give_up(MAIN));
    None
}

fn wait_for_next_limit() -> bool {
    machine(|kernel| kernel.wait_for_next_limit()) == Some(true)
}

/// Ends the process of the host: the program's main thread waits for what never comes, and there is no
/// way out of it.
pub(super) fn main_is_stuck(what: &str) -> ! {
    let on = machine(|kernel| kernel.name.clone()).unwrap_or_default();
    let place = std::backtrace::Backtrace::force_capture();
    eprintln!(
        "machine {on}: its main thread waits for {what} that cannot come while it waits: \
         let it await instead, or move what waits to tokio::task::spawn_blocking\n{place}"
    );
    std::process::abort();
}

/// What this file defines, for the check at the start.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![pthread_create, pthread_join]
}
