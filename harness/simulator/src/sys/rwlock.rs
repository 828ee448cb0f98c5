//! Read-write locks of C libraries (`pthread_rwlock_rdlock(3)`), which would wait unseen inside
//! libc.
//!
//! As with a mutex, the wait for a lock held by a thread of the same machine is recorded in the
//! machine's books. libc notes the writer and the number of readers, but not which they are, so the
//! books also record which locks are held here.

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
    // SAFETY: the functions passed have this type.
    unsafe { transmute::<*mut c_void, OfLock>(function.get()) }
}

impl Way {
    /// Takes a lock on a machine.
    ///
    /// # Safety
    ///
    /// The lock must be valid, as for pthread_rwlock_rdlock(3).
    unsafe fn take(&self, lock: *mut pthread_rwlock_t, until: Option<u64>) -> c_int {
        loop {
            // SAFETY: guaranteed by the caller.
            let error = unsafe { self.try_to_take(lock) };
            if error != libc::EBUSY {
                return error;
            }
            if machine(|kernel| kernel.threads.holds(lock as usize)) != Some(true) {
                // Another world holds it, and will release it in a moment: this world's time limits
                // do not apply. SAFETY: guaranteed by the caller.
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
        // SAFETY: guaranteed by the caller.
        noted(lock, unsafe { original(&self.try_lock)(lock) })
    }

    /// # Safety
    ///
    /// As for [`Way::take`].
    unsafe fn lock(&self, lock: *mut pthread_rwlock_t) -> c_int {
        // SAFETY: guaranteed by the caller.
        unsafe {
            match machine(|_| ()) {
                Some(()) => self.take(lock, None),
                None => original(&self.lock)(lock),
            }
        }
    }

    /// # Safety
    ///
    /// As for [`Way::take`]; the time must be valid, too.
    unsafe fn timed_lock(&self, lock: *mut pthread_rwlock_t, until: *const timespec) -> c_int {
        // SAFETY: guaranteed by the caller; the original has this type.
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
        // SAFETY: guaranteed by the caller; the original has this type.
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

/// Notes that a thread of the machine holds a lock, if it has acquired it.
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
            // SAFETY: as above.
            unsafe { $way.try_to_take(lock) }
        }

        #[unsafe(no_mangle)]
        unsafe extern "C" fn $timed_lock(
            lock: *mut pthread_rwlock_t,
            until: *const timespec,
        ) -> c_int {
            // SAFETY: as above; likewise the time.
            unsafe { $way.timed_lock(lock, until) }
        }

        #[unsafe(no_mangle)]
        unsafe extern "C" fn $clock_lock(
            lock: *mut pthread_rwlock_t,
            clock: clockid_t,
            until: *const timespec,
        ) -> c_int {
            // SAFETY: as above.
            unsafe { $way.clock_lock(lock, clock, until) }
        }
    };
}

entry_points_of!(READ: pthread_rwlock_rdlock, pthread_rwlock_tryrdlock, pthread_rwlock_timedrdlock,
    pthread_rwlock_clockrdlock);
entry_points_of!(WRITE: pthread_rwlock_wrlock, pthread_rwlock_trywrlock, pthread_rwlock_timedwrlock,
    pthread_rwlock_clockwrlock);

/// The entry points in this file, for the check at startup.
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
