//! Semaphores of C libraries (`sem_wait(3)`), which would wait unseen inside libc, as their locks
//! do.
//!
//! The count is libc's. On a machine, a thread that finds it at zero waits in the machine's books,
//! as for a condition variable.

use super::answers::fail;
use super::handlers::Interruption;
use super::here::{EntryPoint, machine};
use super::time::time_at;
use super::waiting;
use crate::host::real::Original;
use crate::kernel::errno::Errno;
use crate::kernel::threads::{Outcome, Wait};
use libc::{c_int, c_void, clockid_t, sem_t, timespec};
use std::mem::transmute;

type OfSemaphore = unsafe extern "C" fn(*mut sem_t) -> c_int;
type Timedwait = unsafe extern "C" fn(*mut sem_t, *const timespec) -> c_int;
type Clockwait = unsafe extern "C" fn(*mut sem_t, clockid_t, *const timespec) -> c_int;

static TRYWAIT: Original = Original::new(c"sem_trywait");
static WAIT: Original = Original::new(c"sem_wait");
static TIMEDWAIT: Original = Original::new(c"sem_timedwait");
static CLOCKWAIT: Original = Original::new(c"sem_clockwait");
static POST: Original = Original::new(c"sem_post");

/// libc's own function on a semaphore.
fn original(function: &Original) -> OfSemaphore {
    // SAFETY: the three functions passed have this type.
    unsafe { transmute::<*mut c_void, OfSemaphore>(function.get()) }
}

/// Waits on a machine.
///
/// # Safety
///
/// The semaphore must be valid, as for sem_wait(3).
unsafe fn wait(semaphore: *mut sem_t, until: Option<u64>) -> c_int {
    // SAFETY: guaranteed by the caller.
    while unsafe { original(&TRYWAIT)(semaphore) } != 0 {
        // SAFETY: `errno` is this thread's own.
        if unsafe { *libc::__errno_location() } != libc::EAGAIN {
            return -1;
        }
        match waiting::wait_or_signal(Wait::Condition(semaphore as usize), until) {
            Err(Interruption::Fails) => return fail(Errno(libc::EINTR)) as c_int,
            Err(_) | Ok(Outcome::Woken | Outcome::Interrupted) => {}
            Ok(Outcome::TimedOut) => return fail(Errno(libc::ETIMEDOUT)) as c_int,
        }
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sem_wait(semaphore: *mut sem_t) -> c_int {
    // SAFETY: the semaphore is the caller's.
    unsafe {
        match machine(|_| ()) {
            Some(()) => wait(semaphore, None),
            None => original(&WAIT)(semaphore),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sem_timedwait(semaphore: *mut sem_t, until: *const timespec) -> c_int {
    // SAFETY: both are the caller's; the original has this type.
    unsafe {
        match machine(|_| ()) {
            Some(()) => wait(semaphore, time_at(libc::CLOCK_REALTIME, true, &*until)),
            None => transmute::<*mut c_void, Timedwait>(TIMEDWAIT.get())(semaphore, until),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sem_clockwait(
    semaphore: *mut sem_t,
    clock: clockid_t,
    until: *const timespec,
) -> c_int {
    // SAFETY: all are the caller's; the original has this type.
    unsafe {
        match machine(|_| ()) {
            Some(()) => wait(semaphore, time_at(clock, true, &*until)),
            None => transmute::<*mut c_void, Clockwait>(CLOCKWAIT.get())(semaphore, clock, until),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sem_post(semaphore: *mut sem_t) -> c_int {
    // SAFETY: the semaphore is the caller's.
    let error = unsafe { original(&POST)(semaphore) };
    machine(|kernel| kernel.threads.signal(semaphore as usize, 1));
    error
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![sem_wait, sem_timedwait, sem_clockwait, sem_post]
}
