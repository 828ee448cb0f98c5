//! Makes every random number of SQLite depend on the machine that draws it.
//!
//! SQLite has one generator for the whole operating system process. It asks the VFS for 44 bytes
//! once, and stretches them for ever, for all users: with simulations running in parallel,
//! `random()` and the salts of a journal would depend on earlier draws elsewhere. SQLite offers no
//! hook at a draw, but each one begins by taking the generator's own mutex, and mutexes can be
//! replaced. Ours are SQLite's own, except that taking that one on a machine leaves the generator
//! unseeded, so that it asks the VFS, and hence the machine, again. Elsewhere it is unseeded if a
//! machine drew last.
//!
//! Mutexes can be replaced only before SQLite is first used. A test may open real databases on one
//! thread before a simulation starts on another, so this is done before `main`.

use super::page_cache;
use crate::sys::here::runs_on_machine;
use libsqlite3_sys as ffi;
use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Once, OnceLock};

/// SQLite's own mutexes, and the one that guards the generator.
struct Mutexes {
    methods: ffi::sqlite3_mutex_methods,
    generator: usize,
}

static ORIGINAL: OnceLock<Mutexes> = OnceLock::new();

/// Whether a machine drew last. Guarded by the generator's mutex.
static MACHINE_DREW_LAST: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Whether this thread, which holds the generator's mutex, is about to unseed the generator;
    /// for this, SQLite takes that mutex again, and it is not recursive.
    static UNSEEDING: Cell<bool> = const { Cell::new(false) };
}

/// # Panics
///
/// If the mutexes were not replaced: the linker dropped the code that runs before `main`, or other
/// code that runs before `main` uses SQLite.
pub(super) fn assert_prepared() {
    assert!(
        ORIGINAL.get().is_some(),
        "SQLite's random numbers cannot follow the seed: its mutexes were not replaced before main"
    );
}

#[used]
#[unsafe(link_section = ".init_array")]
static BEFORE_MAIN: extern "C" fn() = before_main;

/// Other code that runs before `main` may need this to be done first: the linker decides the order.
pub(super) extern "C" fn before_main() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        replace_mutexes();
        page_cache::replace();
    });
}

fn replace_mutexes() {
    let none = ffi::sqlite3_mutex_methods {
        xMutexInit: None,
        xMutexEnd: None,
        xMutexAlloc: None,
        xMutexFree: None,
        xMutexEnter: None,
        xMutexTry: None,
        xMutexLeave: None,
        xMutexHeld: None,
        xMutexNotheld: None,
    };
    let mut methods = none;
    // SAFETY: no other thread that could use SQLite exists yet. Asking for a static mutex
    // initialises only the mutexes, so the configuration can still be read and changed; SQLite
    // copies the table passed to it.
    unsafe {
        let generator = ffi::sqlite3_mutex_alloc(ffi::SQLITE_MUTEX_STATIC_PRNG).addr();
        let read = ffi::sqlite3_config(ffi::SQLITE_CONFIG_GETMUTEX, &raw mut methods);
        let ours = ffi::sqlite3_mutex_methods {
            xMutexEnter: Some(enter),
            xMutexLeave: Some(leave),
            ..methods
        };
        if read == ffi::SQLITE_OK
            && ffi::sqlite3_config(ffi::SQLITE_CONFIG_MUTEX, &raw const ours) == ffi::SQLITE_OK
        {
            // It cannot be set already: this runs once.
            let _ = ORIGINAL.set(Mutexes { methods, generator });
        }
    }
}

unsafe extern "C" fn enter(mutex: *mut ffi::sqlite3_mutex) {
    let Some(original) = ORIGINAL.get() else {
        return;
    };
    let guards_generator = mutex.addr() == original.generator;
    if guards_generator && UNSEEDING.get() {
        return;
    }
    if let Some(enter) = original.methods.xMutexEnter {
        // SAFETY: SQLite's own function and argument.
        unsafe { enter(mutex) };
    }
    if guards_generator {
        let on_machine = runs_on_machine();
        if MACHINE_DREW_LAST.swap(on_machine, Ordering::Relaxed) || on_machine {
            UNSEEDING.set(true);
            // SAFETY: without a buffer this only marks the generator as unseeded. SQLite is
            // initialised, otherwise it would not draw.
            unsafe { ffi::sqlite3_randomness(0, ptr::null_mut()) };
            UNSEEDING.set(false);
        }
    }
}

unsafe extern "C" fn leave(mutex: *mut ffi::sqlite3_mutex) {
    let Some(original) = ORIGINAL.get() else {
        return;
    };
    if mutex.addr() == original.generator && UNSEEDING.get() {
        return;
    }
    if let Some(leave) = original.methods.xMutexLeave {
        // SAFETY: SQLite's own function and argument.
        unsafe { leave(mutex) };
    }
}
