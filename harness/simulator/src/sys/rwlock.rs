//! Locks for readers and writers of C libraries (`pthread_rwlock_rdlock(3)`), which wait inside of
//! libc, unseen.
//!
//! As with a mutex, a lock that a thread of the same machine holds is waited for in the machine's
//! books. libc notes who writes and how many read, but not who reads: so the books also tell which
//! locks are held here.

use super::here::{EntryPoint, machine};
use super::time::time_at;
use super::waiting;
use crate::host::real::Original;
use crate::kernel::threads::{Outcome, Wait};
use libc::{c_int, c_void, clockid_t, pthread_rwlock_t, timespec};
use std::mem::transmute;

type OfLock = unsafe extern "C" fn(*mut pthread_rwlock_t) -> c_int;
type Timedlock = unsafe extern "C" fn(*mut pthread_rwlock_t, *const timespec) -> c_int;
type Clocklock = unsafe extern "C" fn(*mut pthread_rwlock_t, clockid_t, *const timespec) -> c_int;

/// libc's functions to take a lock in one of two ways.
struct Way {
    lock: Original,
    try_lock: Original,
    timed_lock: Original,
    clock_lock: Original,
}

static READ: Way = Way {
    lock: Original::new(c"pthread_rwlock_rdlock"),
    try_lock: Original::new(c"pthread_rwlock_tryrdlock"),
    timed_lock: Original::new(c"pthread_rwlock_timedrdlock"),
    clock_lock: Original::new(c"pthread_rwlock_clockrdlock"),
};

static WRITE: Way = Way {
    lock: Original::new(c"pthread_rwlock_wrlock"),
    try_lock: Original::new(c"pthread_rwlock_trywrlock"),
    timed_lock: Original::new(c"pthread_rwlock_timedwrlock"),
    clock_lock: Original::new(c"pthread_rwlock_clockwrlock"),
};

static UNLOCK: Original = Original::new(c"pthread_rwlock_unlock");

/// libc's own function on a lock.
fn original(function: &Original) -> OfLock {
    // SAFETY: those that are asked for have this type.
    unsafe { transmute::<*mut c_void, OfLock>(function.get()) }
}

impl Way {
    /// Takes a lock on a machine.
    ///
    /// # Safety
    ///
    /// The lock must be the caller's, as for pthread_rwlock_rdlock(3).
    unsafe fn take(&self, lock: *mut pthread_rwlock_t, until: Option<u64>) -> c_int {
        loop {
            // SAFETY: the caller's.
            let error = unsafe { self.try_to_take(lock) };
            if error != libc::EBUSY {
                return error;
            }
            if machine(|kernel| kernel.threads.holds(lock as usize)) != Some(true) {
                // Another world holds it, and lets it go in a moment: no time limit of this one
                // counts. SAFETY: the caller's.
                return unsafe { noted(lock, original(&self.lock)(lock)) };
            }
            match waiting::wait(Wait::Condition(lock as usize), until) {
                Outcome::Woken | Outcome::Interrupted => {}
                Outcome::TimedOut => return libc::ETIMEDOUT,
            }
        }
    }

    /// # Safety
    ///
    /// As for [`Way::take`].
    unsafe fn try_to_take(&self, lock: *mut pthread_rwlock_t) -> c_int {
        // SAFETY: the caller's.
        noted(lock, unsafe { original(&self.try_lock)(lock) })
    }

    /// # Safety
    ///
    /// As for [`Way::take`].
    unsafe fn lock(&self, lock: *mut pthread_rwlock_t) -> c_int {
        // SAFETY: the caller's.
        unsafe {
            match machine(|_| ()) {
                Some(()) => self.take(lock, None),
                None => original(&self.lock)(lock),
            }
        }
    }

    /// # Safety
    ///
    /// As for [`Way::take`]; the time must be the caller's too.
    unsafe fn timed_lock(&self, lock: *mut pthread_rwlock_t, until: *const timespec) -> c_int {
        // SAFETY: the caller's; the original has this type.
        unsafe {
            match machine(|_| ()) {
                Some(()) => self.take(lock, time_at(libc::CLOCK_REALTIME, true, &*until)),
                None => transmute::<*mut c_void, Timedlock>(self.timed_lock.get())(lock, until),
            }
        }
    }

    /// # Safety
    ///
    /// As for [`Way::timed_lock`].
    unsafe fn clock_lock(
        &self,
        lock: *mut pthread_rwlock_t,
        clock: clockid_t,
        until: *const timespec,
    ) -> c_int {
        // SAFETY: the caller's; the original has this type.
        unsafe {
            match machine(|_| ()) {
                Some(()) => self.take(lock, time_at(clock, true, &*until)),
                None => {
                    let original = transmute::<*mut c_void, Clocklock>(self.clock_lock.get());
                    original(lock, clock, until)
                }
            }
        }
    }
}

/// Notes that a thread of the machine holds a lock, if it has got it.
fn noted(lock: *mut pthread_rwlock_t, error: c_int) -> c_int {
    if error == 0 {
        machine(|kernel| kernel.threads.hold(lock as usize));
    }
    error
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_rwlock_unlock(lock: *mut pthread_rwlock_t) -> c_int {
    // SAFETY: the lock is the caller's, as for pthread_rwlock_unlock(3).
    let error = unsafe { original(&UNLOCK)(lock) };
    if error == 0 {
        machine(|kernel| kernel.threads.let_go(lock as usize));
    }
    error
}

/// Defines libc's functions for one way to take a lock.
macro_rules! entry_points_of {
    ($way:ident: $lock:ident, $try_lock:ident, $timed_lock:ident, $clock_lock:ident) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $lock(lock: *mut pthread_rwlock_t) -> c_int {
            // SAFETY: the lock is the caller's, as for pthread_rwlock_rdlock(3).
            unsafe { $way.lock(lock) }
        }

        #[unsafe(no_mangle)]
        unsafe extern "C" fn $try_lock(lock: *mut pthread_rwlock_t) -> c_int {
            // SAFETY: as before.
            unsafe { $way.try_to_take(lock) }
        }

        #[unsafe(no_mangle)]
        unsafe extern "C" fn $timed_lock(
            lock: *mut pthread_rwlock_t,
            until: *const timespec,
        ) -> c_int {
            // SAFETY: as before; so is the time.
            unsafe { $way.timed_lock(lock, until) }
        }

        #[unsafe(no_mangle)]
        unsafe extern "C" fn $clock_lock(
            lock: *mut pthread_rwlock_t,
            clock: clockid_t,
            until: *const timespec,
        ) -> c_int {
            // SAFETY: as before.
            unsafe { $way.clock_lock(lock, clock, until) }
        }
    };
}

entry_points_of!(READ: pthread_rwlock_rdlock, pthread_rwlock_tryrdlock, pthread_rwlock_timedrdlock,
    pthread_rwlock_clockrdlock);
entry_points_of!(WRITE: pthread_rwlock_wrlock, pthread_rwlock_trywrlock, pthread_rwlock_timedwrlock,
    pthread_rwlock_clockwrlock);

/// What this file defines, for the check at the start.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![
        pthread_rwlock_rdlock,
        pthread_rwlock_tryrdlock,
        pthread_rwlock_timedrdlock,
        pthread_rwlock_clockrdlock,
        pthread_rwlock_wrlock,
        pthread_rwlock_trywrlock,
        pthread_rwlock_timedwrlock,
        pthread_rwlock_clockwrlock,
        pthread_rwlock_unlock
    ]
}
