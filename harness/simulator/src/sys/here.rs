//! Which world and which machine are running on this thread.

use crate::audit::Audit;
use crate::entropy::Entropy;
use crate::host::{Context, WarmStacks};
use crate::kernel::{Kernel, SharedKernel};
use std::cell::{Cell, RefCell};
use std::ffi::{CStr, c_int, c_void};
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Waker;
use std::time::Duration;

/// What the world of a thread shares with the libc calls made on it, including as a thread of its
/// machines.
pub(super) struct WorldThread {
    pub(super) entropy: RefCell<Entropy>,
    pub(super) time: Cell<u64>,
    pub(super) notes: RefCell<Vec<Note>>,
    /// Whether notes are kept in words as well.
    pub(super) keeps_words: Cell<bool>,
    /// Whether calls are recorded in `audit`.
    pub(super) audits: Cell<bool>,
    pub(super) audit: RefCell<Audit>,
    /// The world's own context, while the world's thread runs as a thread of a machine.
    pub(super) hub: Context,
    pub(super) warm: RefCell<WarmStacks>,
    /// The world's own thread, by its libc handle: also in a fork of the process, where the
    /// thread's number differs.
    pub(super) host_thread: c_int,
}

thread_local! {
    /// Null on a thread without a world. Without a destructor, because libc calls are made until
    /// the very end of a thread.
    pub(super) static WORLD: Cell<*const WorldThread> = const { Cell::new(ptr::null()) };

    /// The kernel of the machine running on this thread; null if there is none. It lives at least
    /// as long as [`on_machine`], which sets it; on a thread of the machine, as long as that may
    /// run.
    pub(super) static MACHINE: Cell<*const RefCell<Kernel>> = const { Cell::new(ptr::null()) };
}

pub(super) fn world<R>(f: impl FnOnce(&WorldThread) -> R) -> Option<R> {
    let world = WORLD.get();
    // SAFETY: the pointer is null, or points to a box that its guard frees after setting it to
    // null; and a guard cannot leave the thread on which it was created. On a thread of a machine
    // it is the same pointer, and no machine outlives its world.
    unsafe { world.as_ref() }.map(f)
}

/// Lets the kernel of the machine running on this thread answer; none if no machine is running.
///
/// Also none while the kernel is busy: then the call comes from the memory allocator used by the
/// kernel, which is the host's.
pub(super) fn machine<R>(f: impl FnOnce(&mut Kernel) -> R) -> Option<R> {
    // SAFETY: the pointer is null, or points to a kernel that `on_machine` borrows on this thread
    // until it has restored the old one. A thread of a machine gets it from there; see `threads`.
    let kernel = unsafe { MACHINE.get().as_ref() }?;
    Some(f(&mut *kernel.try_borrow_mut().ok()?))
}

/// How many worlds there are in the host process.
pub(super) static WORLDS: AtomicU32 = AtomicU32::new(0);

/// Whether another world is running in parallel with this thread's. This may change at any moment.
pub(super) fn other_worlds() -> bool {
    WORLDS.load(Ordering::Relaxed) > 1
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
            // Tokio catches panics of tasks. A panic that gets here ends the world, and the hook
            // has kept it from the terminal.
            if std::thread::panicking() {
                let kernel = self.kernel.borrow();
                for (message, backtrace) in kernel.panics.iter().chain(&kernel.panic_in_death) {
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

/// Whether the running process is dead. Asked by its main task, which is woken when it dies.
pub(crate) fn ask_for_death(waker: &Waker) -> bool {
    machine(|kernel| kernel.ask_for_death(waker)).unwrap_or_default()
}

/// Notes that the running program has failed, as if it had panicked.
pub(crate) fn note_failure(message: String) {
    machine(|kernel| {
        if !kernel.process_is_dead {
            kernel.panics.push((message, String::new()));
        }
    });
}

/// An entry point: its name, and the address of our definition.
pub(super) type EntryPoint = (&'static CStr, *const c_void);

/// An operation reported by a program.
pub(crate) struct Note {
    pub(crate) hash: u64,
    /// Empty if words are not kept.
    pub(crate) words: String,
}

/// Whether a machine is running on this thread.
#[cfg(feature = "sqlite")]
pub(super) fn runs_on_machine() -> bool {
    machine(|_| ()).is_some()
}
