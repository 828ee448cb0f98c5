//! The thread of a machine that runs, and how the world's thread becomes one and is itself again.

use super::here::{MACHINE, WORLD, WorldThread, machine, world};
use crate::host::Loan;
use crate::host::real::Original;
use crate::kernel::Kernel;
use crate::kernel::ids::{MAIN, ThreadId};
use crate::kernel::threads::{Lent, Outcome, Wait};
use libc::{c_int, c_void, pthread_attr_t, pthread_t};
use std::cell::{Cell, OnceCell, RefCell};
use std::mem::{MaybeUninit, transmute};
use std::ptr;
use std::rc::Rc;

pub(super) type ThreadMain = extern "C-unwind" fn(*mut c_void) -> *mut c_void;

pub(super) type PthreadCreate =
    unsafe extern "C" fn(*mut pthread_t, *const pthread_attr_t, ThreadMain, *mut c_void) -> c_int;

pub(super) static PTHREAD_CREATE: Original = Original::new(c"pthread_create");

/// The whole life of a thread, on its own context.
type Base = unsafe extern "C" fn(*const ()) -> !;

pub(super) type Destroy = unsafe extern "C" fn(*mut c_void);

/// A thread of a machine.
pub(crate) struct Thread {
    pub(super) id: ThreadId,
    /// Set before it runs.
    pub(super) loan: OnceCell<Loan>,
    pub(super) world: *const WorldThread,
    pub(super) machine: *const RefCell<Kernel>,
    pub(super) work: Cell<Option<Box<dyn FnOnce() -> *mut c_void>>>,
    /// How its last wait has ended.
    pub(super) outcome: Cell<Outcome>,
    pub(super) result: Cell<*mut c_void>,
    /// Of its thread-local variables, in the order in which they were first used.
    pub(super) destructors: RefCell<Vec<(Destroy, *mut c_void)>>,
}

thread_local! {
    /// The thread of a machine whose thread-locals these are; null on all others.
    pub(super) static MYSELF: Cell<*const Thread> = const { Cell::new(ptr::null()) };
}

pub(super) fn myself<R>(f: impl FnOnce(&Thread) -> R) -> Option<R> {
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
            // as it wants it.
            unsafe {
                let original = transmute::<*mut c_void, PthreadCreate>(PTHREAD_CREATE.get());
                original(thread, attributes, main, argument)
            }
        };
        let loan = Loan::new(&mut create, base, Rc::as_ptr(self).cast(), forget_myself)?;
        self.loan.set(loan).expect("it is set once");
        Ok(())
    }

    pub(super) fn loan(&self) -> &Loan {
        self.loan
            .get()
            .expect("a thread has its context before it runs")
    }

    /// About how much stack it has, in bytes.
    pub(super) fn stack_size(&self) -> usize {
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

    /// From the thread: becomes the hub, until somebody resumes the thread.
    pub(super) fn give_back(&self) -> Outcome {
        // SAFETY: the hub waits in `resume`, further up on its stack; the world lives as long.
        unsafe { self.loan().context().switch_to(&(*self.world).hub) };
        self.outcome.get()
    }

    /// This thread never runs again: its process is over.
    pub(super) fn vanish(&self) -> ! {
        loop {
            machine(|kernel| kernel.threads.wait(self.id, Wait::Time, None));
            self.give_back();
        }
    }

    /// Ends the thread that runs.
    pub(super) fn end(&self, result: *mut c_void) -> ! {
        self.result.set(result);
        self.destroy_locals();
        machine(|kernel| kernel.threads.end(self.id));
        forget_myself();
        self.give_back();
        unreachable!("nobody resumes a thread that has ended")
    }

    /// Runs the destructors of its thread-local variables, also of those that they use for the
    /// first time.
    pub(super) fn destroy_locals(&self) {
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
            // SAFETY: the hub runs; the thread waits or has not begun, and lives while its context
            // runs.
            unsafe { world.hub.switch_to(self.loan().context()) }
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
    /// A thread that has not come to its end still has this destructor, the first: that of what
    /// parking_lot keeps of it. The others are forgotten.
    fn drop(&mut self) {
        if let Some(&(destroy, object)) = self.destructors.get_mut().first() {
            // SAFETY: its thread-locals are there as long as the loan, and the thread never runs
            // again.
            unsafe { destroy(object) };
        }
    }
}

/// These thread-locals are no machine's any more. To be called on them.
pub(super) fn forget_myself() {
    MYSELF.set(ptr::null());
    MACHINE.set(ptr::null());
    WORLD.set(ptr::null());
}

/// The main thread of the process has come to its end: what others do from here, and its
/// destructors, changes nothing.
pub(crate) fn main_is_over() {
    machine(|kernel| kernel.process_is_dead = true);
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
