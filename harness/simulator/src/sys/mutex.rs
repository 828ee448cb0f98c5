//! The locks of C libraries (`pthread_mutex_lock(3)`), which would wait unseen inside libc.
//!
//! A thread of a machine that waited there would keep the baton, and a holder without the baton
//! never releases its lock. So the wait for a lock held by another thread of the same machine
//! happens here. A lock held by another world is waited for as usual: it will be free in a moment.

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
    // SAFETY: the three functions passed have this type.
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

/// Whether the thread holding the mutex belongs to the running machine.
///
/// # Safety
///
/// `mutex` must point to a mutex.
unsafe fn is_held_here(mutex: *mut pthread_mutex_t) -> bool {
    // SAFETY: glibc keeps the holder's thread id after the lock word and a count, on all 64-bit
    // machines and for every kind of mutex; it is part of its binary interface.
    let holder = unsafe { mutex.cast::<c_int>().add(2).read_volatile() };
    world(|world| world.host_thread) == Some(holder)
        || machine(|kernel| kernel.threads.is_on(holder)) == Some(true)
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![pthread_mutex_lock, pthread_mutex_unlock]
}
