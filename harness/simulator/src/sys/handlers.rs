//! Signal handlers: each runs on the thread that its signal interrupts, when that thread is
//! resumed.

use super::here::{machine, note_failure};
use super::myself;
use super::refuse::refuse;
use crate::kernel::signals::{Delivery, Sent};
use libc::{c_int, c_void, siginfo_t};
use std::mem::{MaybeUninit, transmute};

/// How the call continues after handlers have interrupted its wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Interruption {
    /// As if nothing had happened, where that is possible: all handlers have `SA_RESTART`.
    Restarts,
    /// It fails with `EINTR`.
    Fails,
    /// Another thread has handled the signal.
    OfAnother,
}

impl Interruption {
    /// Whether this thread has run a handler.
    pub(super) fn has_handled(self) -> bool {
        self != Self::OfAnother
    }
}

/// Runs the handlers of the signals that have arrived for the running thread; none if there were
/// none.
pub(super) fn handle() -> Option<Interruption> {
    let mut interruption = None;
    while let Some(delivery) = next() {
        // SAFETY: the program set this address as that of a handler.
        unsafe { run(&delivery) };
        machine(|kernel| kernel.block_signals(myself::id(), delivery.mask));
        let restarts = delivery.action.flags & libc::SA_RESTART != 0;
        interruption = match interruption {
            None | Some(Interruption::Restarts) if restarts => Some(Interruption::Restarts),
            _ => Some(Interruption::Fails),
        };
    }
    interruption
}

fn next() -> Option<Delivery> {
    let taken = machine(|kernel| match kernel.process_is_dead {
        true => Ok(None),
        false => kernel.take_signal(myself::id()),
    });
    taken?.unwrap_or_else(|sent| {
        conclude(sent, "a pending signal");
        None
    })
}

/// # Safety
///
/// The address must be that of a handler of the kind indicated by its flags.
unsafe fn run(Delivery { signal, action, .. }: &Delivery) {
    // SAFETY: guaranteed by the caller. What the kernel would report about the sender and the
    // registers is zero: the world sent the signal, and it interrupted a call. Both structures are
    // larger than what is written there, and valid as zeroes.
    unsafe {
        if action.flags & libc::SA_SIGINFO == 0 {
            let handler = transmute::<usize, unsafe extern "C" fn(c_int)>(action.handler);
            return handler(*signal);
        }
        type Handler = unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void);
        let handler = transmute::<usize, Handler>(action.handler);
        let mut info = MaybeUninit::<siginfo_t>::zeroed();
        (*info.as_mut_ptr()).si_signo = *signal;
        let mut context = MaybeUninit::<libc::ucontext_t>::zeroed();
        handler(*signal, info.as_mut_ptr(), context.as_mut_ptr().cast());
    }
}

/// What happens to a process that sends itself a signal.
pub(super) fn conclude(sent: Sent, signal: impl std::fmt::Display) {
    match sent {
        Sent::Taken | Sent::Continues => {}
        Sent::Ends => {
            note_failure(format!("the program has ended itself with {signal}"));
            myself::end_process();
        }
        Sent::Stops => {
            let remedy = "let the world do it, with Intervention::Pause";
            refuse("a signal that stops the program itself", remedy);
        }
    }
}
