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
use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

const STARTING: u32 = 0;
const LENT: u32 = 1;
const OVER: u32 = 2;

/// The space left to the frames of the parked thread, which waits in a function that is not
/// inlined.
const PARKED: usize = 8 << 10;

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
        })
    }

    pub(crate) fn context(&self) -> &Context {
        &self.context
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
