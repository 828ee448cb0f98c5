//! The locks of C libraries (`pthread_mutex_lock(3)`), which wait inside of libc, unseen.
//!
//! A thread of a machine that waited there would keep the baton, and a holder without the baton
//! never lets go. So a lock that another thread of the same machine holds is waited for here. One
//! that another world holds is waited for as ever: it is free in a moment.

use super::answers::unnoticed_call;
use super::here::{EntryPoint, machine, world};
use super::myself::has_others;
use super::waiting;
use crate::host::real::Original;
use crate::kernel::threads::Wait;
use libc::{c_int, c_void, pthread_mutex_t};

type OfMutex = unsafe extern "C" fn(*mut pthread_mutex_t) -> c_int;

static LOCK: Original = Original::new(c"pthread_mutex_lock");
static TRYLOCK: Original = Original::new(c"pthread_mutex_trylock");
static UNLOCK: Original = Original::new(c"pthread_mutex_unlock");

/// libc's own function on a mutex.
fn original(function: &Original) -> OfMutex {
    // SAFETY: the three that are asked for have this type.
    unsafe { std::mem::transmute::<*mut c_void, OfMutex>(function.get()) }
}

/// # Safety
///
/// `mutex` must point to a mutex.
unsafe fn wait_for(mutex: *mut pthread_mutex_t) -> Wait {
    Wait::Futex {
        address: mutex as usize,
        // SAFETY: glibc's lock word is the first of a mutex.
        value: unsafe { mutex.cast::<u32>().read_volatile() },
        bits: u32::MAX,
    }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn pthread_mutex_lock(mutex: *mut pthread_mutex_t) -> c_int {
    // SAFETY: the mutex is the caller's, as for pthread_mutex_lock(3).
    unsafe {
        if !has_others() {
            return original(&LOCK)(mutex);
        }
        unnoticed_call(|_| ());
        loop {
            let error = original(&TRYLOCK)(mutex);
            if error != libc::EBUSY {
                return error;
            }
            if !is_held_here(mutex) {
                return original(&LOCK)(mutex);
            }
            waiting::wait(wait_for(mutex), None);
        }
    }
}

#[unsafe(no_mangle)]
pub(super) unsafe extern "C" fn pthread_mutex_unlock(mutex: *mut pthread_mutex_t) -> c_int {
    // SAFETY: the mutex is the caller's, as for pthread_mutex_unlock(3).
    let error = unsafe { original(&UNLOCK)(mutex) };
    if has_others() {
        unnoticed_call(|kernel| kernel.threads.wake(mutex as usize, 1, u32::MAX));
    }
    error
}

/// Whether the thread that holds the mutex is of the machine that runs.
///
/// # Safety
///
/// `mutex` must point to a mutex.
unsafe fn is_held_here(mutex: *mut pthread_mutex_t) -> bool {
    // SAFETY: glibc keeps the holder's thread id behind the lock word and a count, on all machines
    // with 64 bits and for every kind of mutex; it is a part of its binary interface.
    let holder = unsafe { mutex.cast::<c_int>().add(2).read_volatile() };
    world(|world| world.host_thread) == Some(holder)
        || machine(|kernel| kernel.threads.is_on(holder)) == Some(true)
}

/// What this file defines, for the check at the start.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![pthread_mutex_lock, pthread_mutex_unlock]
}
