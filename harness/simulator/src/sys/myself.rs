//! The running thread of a machine, and how the world's thread becomes one and returns to itself.

use super::here::{MACHINE, WORLD, WorldThread, machine, world};
use crate::host::Loan;
use crate::host::real::Original;
use crate::kernel::Kernel;
use crate::kernel::ids::{MAIN, ThreadId};
use crate::kernel::threads::{Lent, Outcome, Wait};
use libc::{c_int, c_void, pthread_attr_t, pthread_t};
use std::cell::{Cell, OnceCell, RefCell};
use std::mem::transmute;
use std::ptr;
use std::rc::Rc;

pub(super) type ThreadMain = extern "C-unwind" fn(*mut c_void) -> *mut c_void;

pub(super) type PthreadCreate =
    unsafe extern "C" fn(*mut pthread_t, *const pthread_attr_t, ThreadMain, *mut c_void) -> c_int;

pub(super) static PTHREAD_CREATE: Original = Original::new(c"pthread_create");

/// The entry function of a thread, on its own context.
type Base = unsafe extern "C" fn(*const ()) -> !;

pub(super) type Destroy = unsafe extern "C" fn(*mut c_void);

/// A thread of a machine.
pub(crate) struct Thread {
    pub(super) id: ThreadId,
    /// Set before it runs.
    pub(super) loan: OnceCell<Rc<Loan>>,
    pub(super) world: *const WorldThread,
    pub(super) machine: *const RefCell<Kernel>,
    pub(super) work: Cell<Option<Box<dyn FnOnce() -> *mut c_void>>>,
    /// How its last wait ended.
    pub(super) outcome: Cell<Outcome>,
    pub(super) result: Cell<*mut c_void>,
    /// The destructors of its thread-local variables, in the order of first use.
    pub(super) destructors: RefCell<Vec<(Destroy, *mut c_void)>>,
}

thread_local! {
    /// The thread of a machine that owns these thread-locals; null on all others.
    pub(super) static MYSELF: Cell<*const Thread> = const { Cell::new(ptr::null()) };
}

pub(super) fn myself<R>(f: impl FnOnce(&Thread) -> R) -> Option<R> {
    // SAFETY: null, or the running thread, which is kept alive by its resumer.
    unsafe { MYSELF.get().as_ref() }.map(f)
}

/// The running thread's number within its process, in Linux's numbering.
pub(super) fn number() -> c_int {
    id().number()
}

/// Whether the running process has more than one thread.
pub(super) fn has_others() -> bool {
    machine(|kernel| !kernel.threads.is_alone()) == Some(true)
}

impl Thread {
    pub(super) fn new(
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
    pub(super) unsafe fn borrow_context(
        self: &Rc<Self>,
        base: Base,
        attributes: *const pthread_attr_t,
    ) -> Result<(), c_int> {
        let mut create = |thread: &mut pthread_t, main: ThreadMain, argument| {
            // SAFETY: the original has this type; the attributes are the caller's, and the rest is
            // as it expects.
            unsafe {
                let original = transmute::<*mut c_void, PthreadCreate>(PTHREAD_CREATE.get());
                original(thread, attributes, main, argument)
            }
        };
        let loan = Loan::new(&mut create, base, Rc::as_ptr(self).cast(), forget_myself)?;
        self.loan.set(Rc::new(loan)).expect("it is set once");
        Ok(())
    }

    pub(super) fn loan(&self) -> &Rc<Loan> {
        self.loan
            .get()
            .expect("a thread has its context before it runs")
    }

    /// On the thread: switches to the hub, until the thread is resumed.
    pub(super) fn give_back(&self) -> Outcome {
        // SAFETY: the hub waits in `resume`, further up on its stack; the world lives as long.
        unsafe { self.loan().context().switch_to(&(*self.world).hub) };
        self.outcome.get()
    }

    /// This thread never runs again: its process has ended.
    pub(super) fn vanish(&self) -> ! {
        loop {
            machine(|kernel| kernel.threads.wait(self.id, Wait::Time, None));
            self.give_back();
        }
    }

    /// Ends the running thread.
    pub(super) fn end(&self, result: *mut c_void) -> ! {
        self.result.set(result);
        self.destroy_locals();
        machine(|kernel| kernel.threads.end(self.id));
        forget_myself();
        self.give_back();
        unreachable!("nobody resumes a thread that has ended")
    }

    /// Runs the destructors of its thread-local variables, including those that destructors use for
    /// the first time.
    pub(super) fn destroy_locals(&self) {
        loop {
            let last = self.destructors.borrow_mut().pop();
            let Some((destroy, object)) = last else {
                return;
            };
            // SAFETY: it was registered like this, once, and the variable still exists.
            unsafe { destroy(object) };
        }
    }
}

impl Lent for Thread {
    fn id(&self) -> ThreadId {
        self.id
    }

    fn handle(&self) -> usize {
        self.loan().thread() as usize
    }

    fn host_number(&self) -> i32 {
        self.loan().number()
    }

    fn resume(&self, outcome: Outcome) {
        self.outcome.set(outcome);
        world(|world| {
            // SAFETY: the hub is running; the thread is waiting or has not begun, and lives while
            // its context runs.
            unsafe { world.hub.switch_to(self.loan().context()) }
            // SAFETY: the hub is running.
            unsafe { world.warm.borrow_mut().has_run(self.loan()) };
        });
    }

    fn result(&self) -> *mut c_void {
        self.result.get()
    }

    fn has_local(&self, address: usize) -> bool {
        self.loan().has_local(address)
    }
}

impl Drop for Thread {
    /// A thread that has not finished still runs its first destructor, which is that of
    /// parking_lot's per-thread data. The others are forgotten.
    fn drop(&mut self) {
        if let Some(&(destroy, object)) = self.destructors.get_mut().first() {
            // SAFETY: its thread-locals exist as long as the loan, and the thread never runs again.
            unsafe { destroy(object) };
        }
    }
}

/// These thread-locals no longer belong to a machine. To be called on them.
pub(super) fn forget_myself() {
    MYSELF.set(ptr::null());
    MACHINE.set(ptr::null());
    WORLD.set(ptr::null());
}

/// The main thread of the process has finished: whatever others do from here on, including
/// destructors, changes nothing.
pub(crate) fn main_is_over() {
    machine(|kernel| kernel.process_is_dead = true);
}

/// Whether an address is on the stack of the running thread.
pub(super) fn is_on_stack(address: usize) -> bool {
    let here = ptr::from_ref(&address) as usize;
    myself(|myself| (here..myself.loan().stack_top()).contains(&address)) == Some(true)
}

/// Whether an address is where the running thread's stack has no more room.
pub(super) fn is_below_stack(address: usize) -> bool {
    /// The guard page, and how far a function may reach beyond it.
    const REACH: usize = 64 << 10;
    myself(|myself| {
        let end = myself.loan().stack().map(|stack| stack.start);
        end.is_some_and(|end| (end.saturating_sub(REACH)..end + REACH).contains(&address))
    }) == Some(true)
}

/// Ends the process of the running machine, whatever its threads are doing.
pub(super) fn end_process() -> ! {
    main_is_over();
    match myself(ptr::from_ref) {
        // SAFETY: as in `myself`.
        Some(thread) => unsafe { (*thread).vanish() },
        None => panic!("a process cannot end inside of World::inside"),
    }
}

/// The running thread; the main one for code that is merely inside a machine.
pub(super) fn id() -> ThreadId {
    myself(|myself| myself.id).unwrap_or(MAIN)
}
