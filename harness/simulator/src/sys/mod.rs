//! The libc entry points: apart from `host`, the only module with `unsafe`, and the border of the
//! simulated world.
//!
//! The functions here have the names of libc's, so the linker binds std, mio, tokio, socket2 and
//! the C libraries to them. Each asks which machine is running on this thread. If none is, the real
//! system call is made: the test runner, other threads and other worlds in the process notice
//! nothing. If one is, its kernel answers.
//!
//! From the bottom up: `here` knows which world and machine are running on this thread, `myself`
//! which thread of the machine, `handlers` runs signal handlers, `waiting` makes a thread wait,
//! `answers` asks the kernel and answers as libc does. The entry points for each subject are in a
//! separate file.

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
mod answers;
mod audit;
mod barrier;
mod begin;
mod by_number;
mod condition;
mod control;
mod crash;
mod descriptors;
mod entropy;
mod environment;
mod events;
mod files;
mod futex;
mod handlers;
mod here;
mod host;
mod identity;
mod interfaces;
mod memory;
mod messages;
mod mutex;
mod myself;
mod names;
mod notes;
mod options;
mod panics;
mod parking_lot;
mod pipes;
mod refuse;
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
mod streaks;
mod threads;
mod time;
mod transfer;
mod waiting;

pub(crate) use audit::{asked_by_machine, sources, start_audit};
#[cfg(not(tokio_unstable))]
pub(crate) use crash::is_isolated;
#[cfg(tokio_unstable)]
pub(crate) use entropy::seed_of_runtime;
pub(crate) use files::part_maps_from_parent;
pub(crate) use here::Note;
pub(crate) use here::{
    ask_for_death, name_of_machine, note_failure, on_machine, set_world_time, world_time,
};
pub use memory::Counting;
pub(crate) use memory::{Count, aside, hand_over};
pub(crate) use myself::main_is_over;
pub(crate) use notes::{keep_words, note, take_notes};
pub(crate) use panics::take_hook_of_program;
pub(crate) use statics::separate_statics;
pub(crate) use threads::{end_threads, run_threads, start_main};

use crate::entropy::Entropy;
use crate::host::{Context, real};
use here::{WORLD, WORLDS, WorldThread};
use std::cell::{Cell, RefCell};

use std::ptr;
use std::sync::Once;
use std::sync::atomic::Ordering;

/// Makes this thread a world's thread until the guard is dropped.
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
        warm: RefCell::default(),
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

/// This process is a fork of another one, and has only the thread of this world: makes it one whose
/// end does no harm, and lets the world draw from another seed.
pub(crate) fn part_from_parent(seed: u64) {
    crash::isolate();
    crash::listen();
    WORLDS.store(1, Ordering::Relaxed);
    here::world(|world| world.entropy.borrow_mut().reseed(seed));
}

/// Prepares the process for worlds. Cheap after the first time.
///
/// # Panics
///
/// If a libc symbol is not ours: then nothing would be simulated, without any sign of it.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        check_symbols();
        // With tokio's `signal` feature, the first runtime creates a socket for the whole process.
        // It must be a real one.
        drop(
            tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build(),
        );
        #[cfg(feature = "sqlite")]
        sqlite::install();
        crash::install();
        panics::install();
    });
}

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
