//! Threads of a machine: contexts that the world's single thread becomes, one after another.
//!
//! Each thread of each process, including its main one, has its own stack and thread-locals, lent
//! by a parked thread of the host ([`Loan`]). The world's thread runs on them until they wait for
//! something: a lock, a message, the end of another thread, a time, a socket. Then it becomes
//! itself again (the *hub*) and then the next ready thread, or lets virtual time advance. So the
//! books in `kernel::threads` decide which thread runs when, not the host.
//!
//! # Why this is sound
//!
//! A kernel is made of `Rc` and `RefCell`, which are neither `Send` nor `Sync`, and all threads of
//! a machine enter it. To the host they are one thread: the world's. A context is left only in the
//! functions here, which hold no borrow of the kernel at that point; and the parked thread that
//! lends one touches nothing of the world before the loan ends.
//!
//! A context of a dead process that does not finish is never run again. Its thread still ends, and
//! reclaims its stack and thread-locals; whatever only that stack referred to is forgotten, as the
//! memory of a killed process is.

use super::handlers::handle;
use super::here::{EntryPoint, MACHINE, WORLD, machine};
use super::myself::{
    self, Destroy, MYSELF, PTHREAD_CREATE, PthreadCreate, Thread, ThreadMain, main_is_over, myself,
};
use super::refuse::refuse;
use super::resources::THREADS;
use super::{futex, panics, parking_lot, statics, waiting};
use crate::host::real::Original;
use crate::host::{Given, Statics};
use crate::kernel::SharedKernel;
use crate::kernel::ids::MAIN;
use crate::kernel::threads::{Ended, Lent, Wait};
use libc::{c_int, c_void, pthread_attr_t, pthread_t};
use std::mem::{MaybeUninit, transmute};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

type PthreadJoin = unsafe extern "C" fn(pthread_t, *mut *mut c_void) -> c_int;
type PthreadDetach = unsafe extern "C" fn(pthread_t) -> c_int;
type PthreadExit = unsafe extern "C" fn(*mut c_void) -> !;
type AtThreadExit = unsafe extern "C" fn(Destroy, *mut c_void, *mut c_void) -> c_int;

static PTHREAD_JOIN: Original = Original::new(c"pthread_join");
static PTHREAD_DETACH: Original = Original::new(c"pthread_detach");
static PTHREAD_EXIT: Original = Original::new(c"pthread_exit");
static AT_THREAD_EXIT: Original = Original::new(c"__cxa_thread_atexit_impl");

/// The stack size of a process's main thread on Linux, in bytes. Unused stack takes no memory.
const MAIN_STACK: usize = 8 << 20;

/// How often the threads of a dead process are resumed so that they can finish.
const CHANGES_AT_MOST: u32 = 10_000;

/// The entry function of a machine's thread, on its own context.
unsafe extern "C" fn base(thread: *const ()) -> ! {
    // SAFETY: its resumer keeps it alive, even when it ends.
    let thread = unsafe { &*thread.cast::<Thread>() };
    WORLD.set(thread.world);
    MACHINE.set(thread.machine);
    MYSELF.set(thread);
    parking_lot::greet();
    handle();
    let work = thread.work.take().expect("a thread begins once");
    let result = work();
    thread.end(result)
}

/// Starts the main thread of a process. It runs when its turn comes, and the process ends with it.
pub(crate) fn start_main(kernel: &SharedKernel, main: impl FnOnce() + 'static) {
    let work = Box::new(|| {
        // A process that died before its first turn has not begun, and has nothing to finish.
        let is_dead = machine(|kernel| kernel.process_is_dead) == Some(true);
        if !is_dead && let Err(panic) = catch_unwind(AssertUnwindSafe(main)) {
            panics::note_unless_told(&*panic);
        }
        main_is_over();
        ptr::null_mut()
    });
    let thread = Thread::new(MAIN, Rc::as_ptr(kernel), work);
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: the attributes are ours, and used between being initialised and destroyed.
    let borrowed = unsafe {
        libc::pthread_attr_init(attributes.as_mut_ptr());
        libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), MAIN_STACK);
        let borrowed = thread.borrow_context(base, attributes.as_ptr());
        libc::pthread_attr_destroy(attributes.as_mut_ptr());
        borrowed
    };
    let mut kernel = kernel.borrow_mut();
    kernel.statics = Statics::new(Given {
        arguments: kernel.environment.arguments(),
        environment: kernel.environment.block(),
    });
    match borrowed {
        Ok(()) => kernel.threads.add(thread),
        Err(_) => kernel.refuse("a process, of which the host can bear no more", HOST_REMEDY),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_create(
    thread: *mut pthread_t,
    attributes: *const pthread_attr_t,
    main: ThreadMain,
    argument: *mut c_void,
) -> c_int {
    let id = match machine(|kernel| {
        let may = !kernel.process_is_dead && kernel.threads.live() < THREADS;
        may.then(|| kernel.threads.next_id())
    }) {
        // SAFETY: the original has this type; the arguments are the caller's.
        None => unsafe {
            let original = transmute::<*mut c_void, PthreadCreate>(PTHREAD_CREATE.get());
            return original(thread, attributes, main, argument);
        },
        Some(None) => return libc::EAGAIN,
        Some(Some(id)) => id,
    };
    let started = Thread::new(id, MACHINE.get(), Box::new(move || main(argument)));
    // SAFETY: the attributes and the place are the caller's, as for pthread_create(3).
    unsafe {
        let detached = make_joinable(attributes);
        let borrowed = started.borrow_context(base, attributes);
        if detached {
            libc::pthread_attr_setdetachstate(attributes.cast_mut(), libc::PTHREAD_CREATE_DETACHED);
        }
        if let Err(error) = borrowed {
            refuse("pthread_create, more often than the host can", HOST_REMEDY);
            return error;
        }
        let handle = started.handle();
        *thread = handle as pthread_t;
        machine(|kernel| {
            kernel.inherit_mask(myself::id(), started.id);
            kernel.threads.add(started);
            if detached {
                kernel.threads.detach(handle);
            }
        });
    }
    0
}

const HOST_REMEDY: &str = "allow more threads (ulimit -u) and memory maps (vm.max_map_count), or run fewer worlds at a time";

/// We join a thread that lends its stack, even if the program will not. Returns whether it is
/// detached.
///
/// # Safety
///
/// The attributes must be null or valid.
unsafe fn make_joinable(attributes: *const pthread_attr_t) -> bool {
    let mut state = libc::PTHREAD_CREATE_JOINABLE;
    // SAFETY: guaranteed by the caller; attributes are variables, and are restored.
    unsafe {
        if !attributes.is_null() {
            pthread_attr_getdetachstate(attributes, &raw mut state);
        }
        let detached = state == libc::PTHREAD_CREATE_DETACHED;
        if detached {
            libc::pthread_attr_setdetachstate(attributes.cast_mut(), libc::PTHREAD_CREATE_JOINABLE);
        }
        detached
    }
}

// The libc crate does not have it.
unsafe extern "C" {
    fn pthread_attr_getdetachstate(attributes: *const pthread_attr_t, state: *mut c_int) -> c_int;
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_join(thread: pthread_t, result: *mut *mut c_void) -> c_int {
    if myself(|myself| myself.handle() == thread as usize) == Some(true) {
        return libc::EDEADLK;
    }
    loop {
        match machine(|kernel| kernel.threads.take_ended(thread as usize)) {
            Some(Ended::Not) => {
                waiting::wait(Wait::End(thread as usize), None);
            }
            Some(Ended::With(ended)) => {
                if !result.is_null() {
                    // SAFETY: the place is the caller's, as for pthread_join(3).
                    unsafe { *result = ended.result() };
                }
                return 0;
            }
            // SAFETY: the original has this type; the arguments are the caller's.
            Some(Ended::Unknown) | None => unsafe {
                return transmute::<*mut c_void, PthreadJoin>(PTHREAD_JOIN.get())(thread, result);
            },
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_detach(thread: pthread_t) -> c_int {
    match machine(|kernel| kernel.threads.detach(thread as usize)) {
        // An ended thread is dropped here, without holding the kernel.
        Some(Ended::Not | Ended::With(_)) => 0,
        // SAFETY: the original has this type; the thread is the caller's.
        Some(Ended::Unknown) | None => unsafe {
            transmute::<*mut c_void, PthreadDetach>(PTHREAD_DETACH.get())(thread)
        },
    }
}

/// Ends the thread. Unlike libc's, it does not unwind: whatever is on the stack is forgotten.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_exit(result: *mut c_void) -> ! {
    match myself(ptr::from_ref) {
        // SAFETY: as in `myself`.
        Some(thread) => unsafe { (*thread).end(result) },
        // SAFETY: the original has this type.
        None => unsafe { transmute::<*mut c_void, PthreadExit>(PTHREAD_EXIT.get())(result) },
    }
}

/// The destructors of thread-local variables: std and C++ register them here. Those of a machine's
/// thread run on it as its last action.
#[unsafe(no_mangle)]
unsafe extern "C" fn __cxa_thread_atexit_impl(
    destroy: Destroy,
    object: *mut c_void,
    library: *mut c_void,
) -> c_int {
    match myself(|myself| myself.destructors.borrow_mut().push((destroy, object))) {
        Some(()) => 0,
        // SAFETY: the original has this type; the arguments are the caller's.
        None => unsafe {
            let original = transmute::<*mut c_void, AtThreadExit>(AT_THREAD_EXIT.get());
            original(destroy, object, library)
        },
    }
}

/// On the hub: runs the threads of a process until all of them wait or the process is dead.
pub(crate) fn run_threads(kernel: &SharedKernel) {
    let _statics = statics::enter(kernel);
    while run_next(kernel) && !kernel.borrow().process_is_dead {}
}

/// Runs the next thread; false if none can run.
fn run_next(kernel: &SharedKernel) -> bool {
    let mut next = kernel.borrow_mut().next_thread();
    if next.is_none() && futex::wake_changed(kernel) {
        next = kernel.borrow_mut().next_thread();
    }
    let Some((thread, outcome)) = next else {
        return false;
    };
    thread.resume(outcome);
    true
}

/// Lets the threads of a dead process finish, as far as they do. Returns how many do not: they
/// never run again.
pub(crate) fn end_threads(kernel: &SharedKernel) -> usize {
    let _statics = statics::enter(kernel);
    for _ in 0..CHANGES_AT_MOST {
        if !run_next(kernel) && !kernel.borrow_mut().wait_for_next_limit() {
            break;
        }
    }
    // The contexts are given back without holding the kernel.
    let left = std::mem::take(&mut kernel.borrow_mut().threads);
    for (thread, word) in left.at_futexes() {
        if thread.has_local(word) {
            // SAFETY: the thread is given back below.
            unsafe { parking_lot::leave_queue(word) };
        }
    }
    left.live()
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![
        pthread_create,
        pthread_join,
        pthread_detach,
        pthread_exit,
        __cxa_thread_atexit_impl
    ]
}
