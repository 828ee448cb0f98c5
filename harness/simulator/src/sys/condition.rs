//! Condition variables of C and C++ libraries (`pthread_cond_wait(3)`), which would wait unseen
//! inside libc, as their locks do.
//!
//! On a machine they are nothing but addresses: their waiters are recorded in the machine's books.
//! No other thread runs between releasing the lock and beginning the wait, so no signal is missed.
//! Not covered: a condition shared by several worlds, each of which sees only its own signals.

use super::here::{EntryPoint, machine};
use super::mutex::{pthread_mutex_lock, pthread_mutex_unlock};
use super::time::time_at;
use super::waiting;
use crate::host::real::Original;
use crate::kernel::threads::{Outcome, Wait};
use libc::{
    c_int, c_void, clockid_t, pthread_cond_t, pthread_condattr_t, pthread_mutex_t, timespec,
};
use std::mem::transmute;

type Init = unsafe extern "C" fn(*mut pthread_cond_t, *const pthread_condattr_t) -> c_int;
type OfCondition = unsafe extern "C" fn(*mut pthread_cond_t) -> c_int;
type CondWait = unsafe extern "C" fn(*mut pthread_cond_t, *mut pthread_mutex_t) -> c_int;
type Timedwait =
    unsafe extern "C" fn(*mut pthread_cond_t, *mut pthread_mutex_t, *const timespec) -> c_int;
type Clockwait = unsafe extern "C" fn(
    *mut pthread_cond_t,
    *mut pthread_mutex_t,
    clockid_t,
    *const timespec,
) -> c_int;

static INIT: Original = Original::new(c"pthread_cond_init");
static DESTROY: Original = Original::new(c"pthread_cond_destroy");
static SIGNAL: Original = Original::new(c"pthread_cond_signal");
static BROADCAST: Original = Original::new(c"pthread_cond_broadcast");
static WAIT: Original = Original::new(c"pthread_cond_wait");
static TIMEDWAIT: Original = Original::new(c"pthread_cond_timedwait");
static CLOCKWAIT: Original = Original::new(c"pthread_cond_clockwait");

/// libc's own function on a condition.
fn original(function: &Original) -> OfCondition {
    // SAFETY: the three functions passed have this type.
    unsafe { transmute::<*mut c_void, OfCondition>(function.get()) }
}

/// Notes which clock is used for timed waits on the condition.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_cond_init(
    condition: *mut pthread_cond_t,
    attributes: *const pthread_condattr_t,
) -> c_int {
    let mut clock = libc::CLOCK_REALTIME;
    // SAFETY: guaranteed by the caller, as for pthread_cond_init(3); the original has this type.
    unsafe {
        if !attributes.is_null() {
            libc::pthread_condattr_getclock(attributes, &raw mut clock);
        }
        machine(|kernel| {
            let of_boot = clock == libc::CLOCK_MONOTONIC;
            kernel.threads.set_clock(condition as usize, of_boot);
        });
        transmute::<*mut c_void, Init>(INIT.get())(condition, attributes)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_cond_destroy(condition: *mut pthread_cond_t) -> c_int {
    machine(|kernel| kernel.threads.set_clock(condition as usize, false));
    // SAFETY: the condition is the caller's. As far as libc knows, no thread waits for it.
    unsafe { original(&DESTROY)(condition) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_cond_signal(condition: *mut pthread_cond_t) -> c_int {
    match machine(|kernel| kernel.threads.signal(condition as usize, 1)) {
        Some(()) => 0,
        // SAFETY: the condition is the caller's.
        None => unsafe { original(&SIGNAL)(condition) },
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_cond_broadcast(condition: *mut pthread_cond_t) -> c_int {
    match machine(|kernel| kernel.threads.signal(condition as usize, usize::MAX)) {
        Some(()) => 0,
        // SAFETY: the condition is the caller's.
        None => unsafe { original(&BROADCAST)(condition) },
    }
}

/// Waits on a machine, releasing the lock.
///
/// # Safety
///
/// Both must be valid, as for pthread_cond_wait(3).
unsafe fn wait(
    condition: *mut pthread_cond_t,
    mutex: *mut pthread_mutex_t,
    until: Option<u64>,
) -> c_int {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let error = pthread_mutex_unlock(mutex);
        if error != 0 {
            return error;
        }
        let outcome = waiting::wait(Wait::Condition(condition as usize), until);
        match (pthread_mutex_lock(mutex), outcome) {
            (0, Outcome::TimedOut) => libc::ETIMEDOUT,
            (error, _) => error,
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_cond_wait(
    condition: *mut pthread_cond_t,
    mutex: *mut pthread_mutex_t,
) -> c_int {
    // SAFETY: both are the caller's; the original has this type.
    unsafe {
        match machine(|_| ()) {
            Some(()) => wait(condition, mutex, None),
            None => transmute::<*mut c_void, CondWait>(WAIT.get())(condition, mutex),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_cond_timedwait(
    condition: *mut pthread_cond_t,
    mutex: *mut pthread_mutex_t,
    until: *const timespec,
) -> c_int {
    let clock = machine(
        |kernel| match kernel.threads.is_of_boot(condition as usize) {
            true => libc::CLOCK_MONOTONIC,
            false => libc::CLOCK_REALTIME,
        },
    );
    // SAFETY: all are the caller's; the original has this type.
    unsafe {
        match clock {
            Some(clock) => wait(condition, mutex, time_at(clock, true, &*until)),
            None => {
                let original = transmute::<*mut c_void, Timedwait>(TIMEDWAIT.get());
                original(condition, mutex, until)
            }
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_cond_clockwait(
    condition: *mut pthread_cond_t,
    mutex: *mut pthread_mutex_t,
    clock: clockid_t,
    until: *const timespec,
) -> c_int {
    // SAFETY: all are the caller's; the original has this type.
    unsafe {
        match machine(|_| ()) {
            Some(()) => wait(condition, mutex, time_at(clock, true, &*until)),
            None => {
                let original = transmute::<*mut c_void, Clockwait>(CLOCKWAIT.get());
                original(condition, mutex, clock, until)
            }
        }
    }
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![
        pthread_cond_init,
        pthread_cond_destroy,
        pthread_cond_signal,
        pthread_cond_broadcast,
        pthread_cond_wait,
        pthread_cond_timedwait,
        pthread_cond_clockwait
    ]
}
