//! Threads of a machine: contexts that the world's one thread becomes, one after the other.
//!
//! Each thread of each process, its main one too, has a stack and thread-locals of its own, which a parked thread of
//! the host lends ([`Loan`]). The world's thread runs on them until they wait for something: a lock, a message, the
//! end of another, a time, a socket. Then it is itself again (the *hub*) and becomes the next that is ready, or lets
//! virtual time go on. So who runs when is decided by the books in `kernel::threads`, and not by the host.
//!
//! # Why this is sound
//!
//! A kernel is made of `Rc` and `RefCell`, which are neither `Send` nor `Sync`, and all threads of a machine enter it.
//! To the host they are one thread: the world's. A context is left only in the functions here, which hold no borrow of
//! the kernel meanwhile; and the parked thread that lends one touches nothing of the world before the loan is over.
//!
//! A context of a dead process that does not come to its end is never run again. Its thread ends all the same and gives
//! back stack and thread-locals; what only that stack knew is forgotten, as the memory of a process is that is killed.

use super::real::Original;
use super::signals::Interruption;
use super::{
    EntryPoint, MACHINE, WORLD, WorldThread, futex, machine, parking_lot, refused, signals, sleep,
    spin, statics, world,
};
use crate::host::{Given, Loan, Statics};
use crate::kernel::Kernel;
use crate::kernel::threads::{Ended, MAIN, Outcome, ThreadId, Wait};
use crate::machine::SharedKernel;
use libc::{c_int, c_void, pthread_attr_t, pthread_t};
use std::cell::{Cell, OnceCell, RefCell};
use std::mem::{MaybeUninit, transmute};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;

type ThreadMain = extern "C-unwind" fn(*mut c_void) -> *mut c_void;
type PthreadCreate =
    unsafe extern "C" fn(*mut pthread_t, *const pthread_attr_t, ThreadMain, *mut c_void) -> c_int;
type PthreadJoin = unsafe extern "C" fn(pthread_t, *mut *mut c_void) -> c_int;
type PthreadDetach = unsafe extern "C" fn(pthread_t) -> c_int;
type PthreadExit = unsafe extern "C" fn(*mut c_void) -> !;
type AtThreadExit = unsafe extern "C" fn(Destroy, *mut c_void, *mut c_void) -> c_int;

static PTHREAD_CREATE: Original = Original::new(c"pthread_create");
static PTHREAD_JOIN: Original = Original::new(c"pthread_join");
static PTHREAD_DETACH: Original = Original::new(c"pthread_detach");
static PTHREAD_EXIT: Original = Original::new(c"pthread_exit");
static AT_THREAD_EXIT: Original = Original::new(c"__cxa_thread_atexit_impl");

/// As much stack as the main thread of a process has on Linux, in bytes. What is not used takes no memory.
const MAIN_STACK: usize = 8 << 20;

/// How often the threads of a dead process are let run to come to their ends.
const CHANGES_AT_MOST: u32 = 10_000;

type Destroy = unsafe extern "C" fn(*mut c_void);

/// A thread of a machine.
pub(crate) struct Thread {
    id: ThreadId,
    /// Set before it runs.
    loan: OnceCell<Loan>,
    world: *const WorldThread,
    machine: *const RefCell<Kernel>,
    work: Cell<Option<Box<dyn FnOnce() -> *mut c_void>>>,
    /// How its last wait has ended.
    outcome: Cell<Outcome>,
    result: Cell<*mut c_void>,
    /// Of its thread-local variables, in the order in which they were first used.
    destructors: RefCell<Vec<(Destroy, *mut c_void)>>,
}

thread_local! {
    /// The thread of a machine whose thread-locals these are; null on all others.
    static MYSELF: Cell<*const Thread> = const { Cell::new(ptr::null()) };
}

fn myself<R>(f: impl FnOnce(&Thread) -> R) -> Option<R> {
    // SAFETY: null, or the thread that runs, which whoever resumed it keeps.
    unsafe { MYSELF.get().as_ref() }.map(f)
}

/// The number of the thread that runs among those of its process, as Linux counts them.
pub(super) fn number() -> c_int {
    id().number()
}

/// Whether the process that runs has more than one thread.
pub(super) fn has_others() -> bool {
    machine(|kernel| !kernel.threads.is_alone()) == Some(true)
}

impl Thread {
    fn new(
        id: ThreadId,
        machine: *const RefCell<Kernel>,
        work: Box<dyn FnOnce() -> *mut c_void>,
    ) -> Rc<Self> {
        Rc::new(Self {
            id,
            loan: OnceCell::new(),
            world: WORLD.get(),
            machine,
            work: Cell::new(Some(work)),
            outcome: Cell::new(Outcome::Woken),
            result: Cell::new(ptr::null_mut()),
            destructors: RefCell::default(),
        })
    }

    /// Borrows a stack and thread-locals from a thread with these attributes.
    ///
    /// # Safety
    ///
    /// The attributes must be null or valid.
    unsafe fn borrow_context(
        self: &Rc<Self>,
        attributes: *const pthread_attr_t,
    ) -> Result<(), c_int> {
        let mut create = |thread: &mut pthread_t, main: ThreadMain, argument| {
            // SAFETY: the original has this type; the attributes are the caller's, and the rest is as it wants it.
            unsafe {
                let original = transmute::<*mut c_void, PthreadCreate>(PTHREAD_CREATE.get());
                original(thread, attributes, main, argument)
            }
        };
        let loan = Loan::new(&mut create, base, Rc::as_ptr(self).cast(), forget_myself)?;
        self.loan.set(loan).expect("it is set once");
        Ok(())
    }

    fn loan(&self) -> &Loan {
        self.loan
            .get()
            .expect("a thread has its context before it runs")
    }

    /// About how much stack it has, in bytes.
    fn stack_size(&self) -> usize {
        let mut attributes = MaybeUninit::uninit();
        let (mut start, mut size) = (ptr::null_mut(), 0);
        // SAFETY: the places are ours; the attributes are used between their making and their end.
        unsafe {
            if libc::pthread_getattr_np(self.loan().thread(), attributes.as_mut_ptr()) == 0 {
                libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut start, &raw mut size);
                libc::pthread_attr_destroy(attributes.as_mut_ptr());
            }
        }
        size
    }

    pub(crate) fn id(&self) -> ThreadId {
        self.id
    }

    /// The `pthread_t`.
    pub(crate) fn handle(&self) -> usize {
        self.loan().thread() as usize
    }

    /// As the host numbers the thread that lends: the holder of what is locked.
    pub(crate) fn host_number(&self) -> i32 {
        self.loan().number()
    }

    /// From the hub: becomes this thread until it waits or ends.
    fn resume(&self, outcome: Outcome) {
        self.outcome.set(outcome);
        world(|world| {
            // SAFETY: the hub runs; the thread waits or has not begun, and lives while its context runs.
            unsafe { world.hub.switch_to(self.loan().context()) }
        });
    }

    /// From the thread: becomes the hub, until somebody resumes the thread.
    fn give_back(&self) -> Outcome {
        // SAFETY: the hub waits in `resume`, further up on its stack; the world lives as long.
        unsafe { self.loan().context().switch_to(&(*self.world).hub) };
        self.outcome.get()
    }

    /// This thread never runs again: its process is over.
    fn vanish(&self) -> ! {
        loop {
            machine(|kernel| kernel.threads.wait(self.id, Wait::Time, None));
            self.give_back();
        }
    }

    /// Ends the thread that runs.
    fn end(&self, result: *mut c_void) -> ! {
        self.result.set(result);
        self.destroy_locals();
        machine(|kernel| kernel.threads.end(self.id));
        forget_myself();
        self.give_back();
        unreachable!("nobody resumes a thread that has ended")
    }

    /// Runs the destructors of its thread-local variables, also of those that they use for the first time.
    fn destroy_locals(&self) {
        loop {
            let last = self.destructors.borrow_mut().pop();
            let Some((destroy, object)) = last else {
                return;
            };
            // SAFETY: so it was asked for, once, and the variable is still there.
            unsafe { destroy(object) };
        }
    }
}

impl Drop for Thread {
    /// A thread that has not come to its end still has this destructor, the first: that of what parking_lot keeps of
    /// it. The others are forgotten.
    fn drop(&mut self) {
        if let Some(&(destroy, object)) = self.destructors.get_mut().first() {
            // SAFETY: its thread-locals are there as long as the loan, and the thread never runs again.
            unsafe { destroy(object) };
        }
    }
}

/// The whole life of a machine's thread, on its own context.
unsafe extern "C" fn base(thread: *const ()) -> ! {
    // SAFETY: it is kept by whoever has resumed it, also when it ends.
    let thread = unsafe { &*thread.cast::<Thread>() };
    WORLD.set(thread.world);
    MACHINE.set(thread.machine);
    MYSELF.set(thread);
    parking_lot::greet();
    signals::handle();
    let work = thread.work.take().expect("a thread begins once");
    let result = work();
    thread.end(result)
}

/// These thread-locals are no machine's any more. To be called on them.
fn forget_myself() {
    MYSELF.set(ptr::null());
    MACHINE.set(ptr::null());
    WORLD.set(ptr::null());
}

/// Starts the main thread of a process. It runs when its turn comes, and with its end the process is over.
pub(crate) fn start_main(kernel: &SharedKernel, main: impl FnOnce() + 'static) {
    let work = Box::new(|| {
        // A panic has been noted.
        let _ = catch_unwind(AssertUnwindSafe(main));
        main_is_over();
        ptr::null_mut()
    });
    let thread = Thread::new(MAIN, Rc::as_ptr(kernel), work);
    let mut attributes = MaybeUninit::uninit();
    // SAFETY: the attributes are ours, and used between their making and their end.
    let borrowed = unsafe {
        libc::pthread_attr_init(attributes.as_mut_ptr());
        libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), MAIN_STACK);
        let borrowed = thread.borrow_context(attributes.as_ptr());
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

/// The main thread of the process has come to its end: what others do from here, and its destructors, changes nothing.
pub(crate) fn main_is_over() {
    machine(|kernel| kernel.process_is_dead = true);
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_create(
    thread: *mut pthread_t,
    attributes: *const pthread_attr_t,
    main: ThreadMain,
    argument: *mut c_void,
) -> c_int {
    let id = match machine(|kernel| (!kernel.process_is_dead).then(|| kernel.threads.next_id())) {
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
        let borrowed = started.borrow_context(attributes);
        if detached {
            libc::pthread_attr_setdetachstate(attributes.cast_mut(), libc::PTHREAD_CREATE_DETACHED);
        }
        if let Err(error) = borrowed {
            refused::refuse("pthread_create, more often than the host can", HOST_REMEDY);
            return error;
        }
        let handle = started.handle();
        *thread = handle as pthread_t;
        machine(|kernel| {
            kernel.inherit_mask(self::id(), started.id);
            kernel.threads.add(started);
            if detached {
                kernel.threads.detach(handle);
            }
        });
    }
    0
}

const HOST_REMEDY: &str = "allow more threads (ulimit -u) and memory maps (vm.max_map_count), or run fewer worlds at a time";

/// A thread that lends its stack is joined by us, also if nobody else wants that. Says whether nobody does.
///
/// # Safety
///
/// The attributes must be null or valid.
unsafe fn make_joinable(attributes: *const pthread_attr_t) -> bool {
    let mut state = libc::PTHREAD_CREATE_JOINABLE;
    // SAFETY: the caller's; attributes are variables, and are set back.
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
    loop {
        match machine(|kernel| kernel.threads.take_ended(thread as usize)) {
            Some(Ended::Not) => {
                wait(Wait::End(thread as usize), None);
            }
            Some(Ended::With(ended)) => {
                if !result.is_null() {
                    // SAFETY: the place is the caller's, as for pthread_join(3).
                    unsafe { *result = ended.result.get() };
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
        // What has ended is dropped here, without the kernel.
        Some(Ended::Not | Ended::With(_)) => 0,
        // SAFETY: the original has this type; the thread is the caller's.
        Some(Ended::Unknown) | None => unsafe {
            transmute::<*mut c_void, PthreadDetach>(PTHREAD_DETACH.get())(thread)
        },
    }
}

/// Ends the thread. Unlike libc's it does not unwind: what lies on the stack is forgotten.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_exit(result: *mut c_void) -> ! {
    match myself(ptr::from_ref) {
        // SAFETY: as in `myself`.
        Some(thread) => unsafe { (*thread).end(result) },
        // SAFETY: the original has this type.
        None => unsafe { transmute::<*mut c_void, PthreadExit>(PTHREAD_EXIT.get())(result) },
    }
}

/// The destructors of thread-local variables: std and C++ register them here. Those of a machine's thread run on it,
/// as its last act.
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

/// Lets the calling thread of a machine wait, and others run meanwhile. Whoever waits so looks again whether it is over:
/// the handler of a signal ends the wait too.
///
/// # Panics
///
/// If there is no thread that could: in [`World::inside`](crate::World::inside) nobody else runs. There a wait for a
/// time keeps the machine busy for so long.
pub(super) fn wait(wait: Wait, until: Option<u64>) -> Outcome {
    wait_or_signal(wait, until).unwrap_or(Outcome::Woken)
}

/// The same for a call that a signal interrupts.
///
/// # Errors
///
/// What has interrupted it, after the handlers have run.
///
/// # Panics
///
/// As [`wait`].
pub(super) fn wait_or_signal(wait: Wait, until: Option<u64>) -> Result<Outcome, Interruption> {
    let outcome = pass(wait, until);
    match (signals::handle(), outcome) {
        (Some(interruption), Outcome::Interrupted) => Err(interruption),
        // Another thread has taken the signal.
        (None, Outcome::Interrupted) => Err(Interruption::OfAnother),
        (_, outcome) => Ok(outcome),
    }
}

fn pass(wait: Wait, until: Option<u64>) -> Outcome {
    spin::has_waited();
    sleep::begin_to_count_yields();
    let pass = |myself: &Thread| {
        machine(|kernel| kernel.threads.wait(myself.id, wait.clone(), until));
        myself.give_back()
    };
    myself(pass).unwrap_or_else(|| {
        let until =
            until.unwrap_or_else(|| panic!("nothing ends a wait inside of a machine: {wait:?}"));
        machine(|kernel| kernel.be_busy_until(until));
        Outcome::TimedOut
    })
}

/// Whether an address is on the stack of the thread that runs.
pub(super) fn is_on_stack(address: usize) -> bool {
    let here = ptr::from_ref(&address) as usize;
    myself(|myself| (here..myself.loan().stack_top()).contains(&address)) == Some(true)
}

/// Whether an address is where the stack of the thread that runs has no room any more.
pub(super) fn is_below_stack(address: usize) -> bool {
    /// A guard page, and what a function may reach over it.
    const REACH: usize = 64 << 10;
    myself(|myself| {
        let size = myself.stack_size();
        let end = myself.loan().stack_top() - size;
        (end.saturating_sub(REACH)..end + REACH).contains(&address)
    }) == Some(true)
}

/// Lets the others run first that can.
pub(super) fn step_back() {
    myself(|myself| {
        machine(|kernel| kernel.threads.step_back(myself.id));
        myself.give_back();
    });
    signals::handle();
}

/// Ends the process of the machine that runs, with whatever its threads are at.
pub(super) fn end_process() -> ! {
    main_is_over();
    match myself(ptr::from_ref) {
        // SAFETY: as in `myself`.
        Some(thread) => unsafe { (*thread).vanish() },
        None => panic!("a process cannot end inside of World::inside"),
    }
}

/// The thread that runs; the main one for whoever is only inside of a machine.
pub(super) fn id() -> ThreadId {
    myself(|myself| myself.id).unwrap_or(MAIN)
}

/// From the hub: lets the threads of a process run until all of them wait, or the process is dead.
pub(crate) fn run_threads(kernel: &SharedKernel) {
    let _statics = statics::enter(kernel);
    while run_next(kernel) && !kernel.borrow().process_is_dead {}
}

/// Lets the next thread run; false if none can.
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

/// Lets the threads of a dead process come to their ends, as far as they do. Returns how many do not: they never run
/// again.
pub(crate) fn end_threads(kernel: &SharedKernel) -> usize {
    let _statics = statics::enter(kernel);
    for _ in 0..CHANGES_AT_MOST {
        if !run_next(kernel) && !kernel.borrow_mut().wait_for_next_limit() {
            break;
        }
    }
    // The contexts are given back without the kernel.
    let left = std::mem::take(&mut kernel.borrow_mut().threads);
    for (thread, word) in left.at_futexes() {
        if thread.loan().has_local(word) {
            // SAFETY: the thread is given back below.
            unsafe { parking_lot::leave_queue(word) };
        }
    }
    left.live()
}

/// What this file defines, for the check at the start.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![
        pthread_create,
        pthread_join,
        pthread_detach,
        pthread_exit,
        __cxa_thread_atexit_impl
    ]
}
