//! What a context is made of: the stack and the thread-locals of a real thread, which is parked in
//! the meantime.
//!
//! A thread is started and parks at once. From then on it does not run: a borrower runs on the
//! stack below its few frames, with its thread-locals. Finally it is woken and ends as threads do,
//! so that libc and the memory allocator get back what is theirs.

use super::context::{Context, thread_pointer};
use super::{child, real};
use libc::{c_int, c_void, pthread_t};
use std::arch::asm;
use std::cell::{Cell, UnsafeCell};
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicU32, Ordering};

const STARTING: u32 = 0;
const LENT: u32 = 1;
const OVER: u32 = 2;

/// The space left to the frames of the parked thread, which waits in a function that is not
/// inlined.
const PARKED: usize = 8 << 10;

/// The size of a page, in bytes. A host with larger ones gets nothing back.
const PAGE: usize = 4 << 10;

/// Creates a thread that runs this: `pthread_create(3)` with attributes of the caller's choice.
/// Returns its error.
type Create<'a> = &'a mut dyn FnMut(
    &mut pthread_t,
    extern "C-unwind" fn(*mut c_void) -> *mut c_void,
    *mut c_void,
) -> c_int;

/// A context on loan.
#[derive(Debug)]
pub(crate) struct Loan {
    context: Context,
    thread: pthread_t,
    parked: ptr::NonNull<Parked>,
    /// The process that the thread is in.
    generation: u32,
    /// Whether it is among the [`WarmStacks`].
    is_warm: Cell<bool>,
}

/// The stacks that were used last, and may still hold the memory that their deepest calls needed.
///
/// A crowd has tens of thousands of stacks. Each has tens of kilobytes that its next turn will need
/// again, and nothing in between. Those that have waited longest give them back.
#[derive(Debug, Default)]
pub(crate) struct WarmStacks(VecDeque<Weak<Loan>>);

impl WarmStacks {
    const AT_MOST: usize = 1024;

    /// A context has run and runs no more.
    ///
    /// # Safety
    ///
    /// No context on loan must be running.
    pub(crate) unsafe fn has_run(&mut self, loan: &Rc<Loan>) {
        if loan.is_warm.replace(true) {
            return;
        }
        self.0.push_back(Rc::downgrade(loan));
        if self.0.len() > Self::AT_MOST
            && let Some(longest) = self.0.pop_front().and_then(|it| it.upgrade())
        {
            longest.is_warm.set(false);
            // SAFETY: guaranteed by the caller.
            unsafe { longest.give_stack_back() };
        }
    }
}

/// State shared by the parked thread and its borrower.
struct Parked {
    state: AtomicU32,
    /// Written before `state` is [`LENT`].
    lent: UnsafeCell<Lent>,
    /// What the thread does just before it ends.
    farewell: fn(),
}

#[derive(Clone, Copy, Default)]
struct Lent {
    stack_top: usize,
    thread_pointer: usize,
    number: c_int,
}

impl Loan {
    /// Starts a thread and borrows its stack and thread-locals. `base(argument)` will run on them
    /// when they are first switched to.
    ///
    /// When the loan ends, the thread calls `farewell` and ends.
    ///
    /// # Errors
    ///
    /// As `pthread_create(3)`.
    pub(crate) fn new(
        create: Create<'_>,
        base: unsafe extern "C" fn(*const ()) -> !,
        argument: *const (),
        farewell: fn(),
    ) -> Result<Self, c_int> {
        let parked = Box::into_raw(Box::new(Parked {
            state: AtomicU32::new(STARTING),
            lent: UnsafeCell::default(),
            farewell,
        }));
        let mut thread = 0;
        let error = create(&mut thread, park, parked.cast());
        if error != 0 {
            // SAFETY: this box was just created; no thread has it.
            drop(unsafe { Box::from_raw(parked) });
            return Err(error);
        }
        // SAFETY: the box is freed when the loan is dropped.
        let state = unsafe { &(*parked).state };
        while state.load(Ordering::Acquire) == STARTING {
            real::wait(state, STARTING, None);
        }
        // SAFETY: written before the state, and not changed any more. Below the address given
        // there, the stack is unused, and the thread that owns these thread-locals does not run
        // before the end of the loan.
        let context = unsafe {
            let lent = *(*parked).lent.get();
            Context::new(lent.stack_top, lent.thread_pointer, base, argument)
        };
        Ok(Self {
            context,
            thread,
            parked: ptr::NonNull::new(parked).expect("a box is not null"),
            generation: child::generation(),
            is_warm: Cell::new(false),
        })
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// The whole stack of the lending thread; none in a copy of the process, which has no such
    /// thread.
    pub(crate) fn stack(&self) -> Option<Range<usize>> {
        if self.generation != child::generation() {
            return None;
        }
        let mut attributes = MaybeUninit::uninit();
        let (mut start, mut size) = (ptr::null_mut(), 0);
        // SAFETY: the places are ours, and the attributes are used between being initialised and
        // destroyed.
        unsafe {
            if libc::pthread_getattr_np(self.thread, attributes.as_mut_ptr()) != 0 {
                return None;
            }
            libc::pthread_attr_getstack(attributes.as_ptr(), &raw mut start, &raw mut size);
            libc::pthread_attr_destroy(attributes.as_mut_ptr());
        }
        Some(start as usize..start as usize + size)
    }

    /// Gives the host the memory of the stack below all that is in use.
    ///
    /// # Safety
    ///
    /// The context must not be running.
    unsafe fn give_stack_back(&self) {
        let Some(stack) = self.stack() else { return };
        let unused = stack.start..self.context.stack_pointer() & !(PAGE - 1);
        if !unused.is_empty() {
            // SAFETY: these are whole pages of the stack, of which nothing is in use.
            unsafe { real::give_back(unused) };
        }
    }

    /// Whether an address is among the thread-locals.
    pub(crate) fn has_local(&self, address: usize) -> bool {
        /// More than any program has.
        const MOST: usize = 1 << 20;
        // SAFETY: written before the loan began.
        let Lent {
            stack_top,
            thread_pointer,
            ..
        } = unsafe { *self.parked.as_ref().lent.get() };
        // They lie between the stack and the control block on x86_64, and after the control block
        // on aarch64.
        match cfg!(target_arch = "x86_64") {
            true => (stack_top..thread_pointer).contains(&address),
            false => (thread_pointer..thread_pointer + MOST).contains(&address),
        }
    }

    /// The upper end of the stack.
    pub(crate) fn stack_top(&self) -> usize {
        // SAFETY: written before the loan began.
        unsafe { (*self.parked.as_ref().lent.get()).stack_top }
    }

    /// The lending thread's handle in libc. On the context, `pthread_self(3)` returns this.
    pub(crate) fn thread(&self) -> pthread_t {
        self.thread
    }

    /// The lending thread's number on the host: the owner of locks taken on the context.
    pub(crate) fn number(&self) -> c_int {
        // SAFETY: written before the loan began.
        unsafe { (*self.parked.as_ref().lent.get()).number }
    }
}

impl Drop for Loan {
    /// Makes the thread end, and waits for that. Whatever is on its stack is forgotten. A copy of
    /// the process has the stack, but not the thread.
    fn drop(&mut self) {
        if self.generation != child::generation() {
            return;
        }
        // SAFETY: this box is freed here and nowhere else, after the thread is gone. The thread was
        // created joinable, and nothing else joins it.
        unsafe {
            let state = &self.parked.as_ref().state;
            state.store(OVER, Ordering::Release);
            real::wake(state);
            real::join(self.thread);
            drop(Box::from_raw(self.parked.as_ptr()));
        }
    }
}

/// The main function of a lending thread.
extern "C-unwind" fn park(parked: *mut c_void) -> *mut c_void {
    // A signal would be handled on the lent stack.
    real::block_signals();
    // SAFETY: the box of `Loan::new`, which outlives this thread.
    let parked = unsafe { &*parked.cast::<Parked>() };
    // A memory allocator with per-thread state creates it now, and reclaims it from this thread.
    drop(std::hint::black_box(Box::new(0_u8)));
    wait_on_top(parked);
    (parked.farewell)();
    ptr::null_mut()
}

#[inline(never)]
fn wait_on_top(parked: &Parked) {
    let stack_pointer: usize;
    // SAFETY: this only reads the stack pointer.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        asm!("mov {}, rsp", out(reg) stack_pointer, options(nostack, nomem));
        #[cfg(target_arch = "aarch64")]
        asm!("mov {}, sp", out(reg) stack_pointer, options(nostack, nomem));
    }
    let lent = Lent {
        stack_top: stack_pointer - PARKED,
        thread_pointer: thread_pointer(),
        number: real::thread_id(),
    };
    // SAFETY: it is not read before the state has changed.
    unsafe { *parked.lent.get() = lent };
    parked.state.store(LENT, Ordering::Release);
    real::wake(&parked.state);
    while parked.state.load(Ordering::Acquire) == LENT {
        real::wait(&parked.state, LENT, None);
    }
}
