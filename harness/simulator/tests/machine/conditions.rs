//! Locks, condition variables, semaphores and barriers of C libraries, between threads of a
//! machine.

use super::{SECOND, told_by};
use libc::{pthread_barrier_t, pthread_cond_t, pthread_mutex_t, pthread_rwlock_t, timespec};
use squall_simulator::now;
use std::cell::{Cell, UnsafeCell};
use std::ffi::c_int;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tokio::task::spawn_blocking;

/// A number guarded by a C library's lock, whose changes are signalled by its condition variable.
struct Guarded {
    lock: UnsafeCell<pthread_mutex_t>,
    changed: UnsafeCell<pthread_cond_t>,
    number: Cell<u32>,
}

// SAFETY: the number is accessed only under the lock.
unsafe impl Send for Guarded {}
// SAFETY: as above.
unsafe impl Sync for Guarded {}

impl Guarded {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            lock: UnsafeCell::new(libc::PTHREAD_MUTEX_INITIALIZER),
            changed: UnsafeCell::new(libc::PTHREAD_COND_INITIALIZER),
            number: Cell::new(0),
        })
    }

    /// One with time limits on this clock.
    fn by_clock(clock: libc::clockid_t) -> Arc<Self> {
        let guarded = Self::new();
        // SAFETY: the condition variable has not been used yet.
        unsafe {
            let mut attributes = std::mem::zeroed();
            libc::pthread_condattr_init(&raw mut attributes);
            libc::pthread_condattr_setclock(&raw mut attributes, clock);
            libc::pthread_cond_init(guarded.changed.get(), &raw const attributes);
        }
        guarded
    }

    fn locked<R>(&self, f: impl FnOnce() -> R) -> R {
        // SAFETY: the lock is this value's.
        unsafe {
            assert_eq!(libc::pthread_mutex_lock(self.lock.get()), 0);
            let result = f();
            assert_eq!(libc::pthread_mutex_unlock(self.lock.get()), 0);
            result
        }
    }

    /// Waits until the number is not zero, decrements it, and returns when that was.
    fn take(&self) -> Duration {
        self.locked(|| {
            while self.number.get() == 0 {
                // SAFETY: both are this value's, and the lock is held.
                unsafe { libc::pthread_cond_wait(self.changed.get(), self.lock.get()) };
            }
            self.number.set(self.number.get() - 1);
            now()
        })
    }

    fn add(&self, number: u32) {
        self.locked(|| self.number.set(self.number.get() + number));
    }

    fn signal(&self) {
        // SAFETY: the condition variable is this value's.
        unsafe { libc::pthread_cond_signal(self.changed.get()) };
    }

    fn broadcast(&self) {
        // SAFETY: as above.
        unsafe { libc::pthread_cond_broadcast(self.changed.get()) };
    }

    /// Waits for a signal until a clock has advanced this much.
    fn wait_for(&self, clock: libc::clockid_t, time: Duration) -> c_int {
        // SAFETY: everything is this value's or this function's.
        self.locked(|| unsafe {
            let mut until: timespec = std::mem::zeroed();
            libc::clock_gettime(clock, &raw mut until);
            until.tv_sec += time.as_secs() as libc::time_t;
            let (changed, lock) = (self.changed.get(), self.lock.get());
            libc::pthread_cond_timedwait(changed, lock, &raw const until)
        })
    }
}

#[test]
fn a_signal_wakes_one_of_those_who_wait_in_the_order_in_which_they_began() {
    let told = told_by(|tell| async move {
        let guarded = Guarded::new();
        let waiters = [1, 2, 3].map(|waiter| {
            let (guarded, tell) = (Arc::clone(&guarded), tell.clone());
            spawn_blocking(move || tell.send((waiter, guarded.take())).unwrap())
        });
        for _ in 0..3 {
            tokio::time::sleep(SECOND).await;
            guarded.add(1);
            guarded.signal();
        }
        for waiter in waiters {
            waiter.await.unwrap();
        }
    });
    assert_eq!(told, [(1, SECOND), (2, 2 * SECOND), (3, 3 * SECOND)]);
}

#[test]
fn a_broadcast_wakes_all() {
    let told = told_by(|tell| async move {
        let guarded = Guarded::new();
        for waiter in [1, 2, 3] {
            let (guarded, tell) = (Arc::clone(&guarded), tell.clone());
            spawn_blocking(move || tell.send((waiter, guarded.take())).unwrap());
        }
        let guarded = Arc::clone(&guarded);
        spawn_blocking(move || {
            thread::sleep(SECOND);
            guarded.add(2);
            guarded.broadcast();
            thread::sleep(SECOND);
            guarded.add(1);
            guarded.broadcast();
        })
        .await
        .unwrap();
        tokio::time::sleep(SECOND).await;
    });
    assert_eq!(told, [(1, SECOND), (2, SECOND), (3, 2 * SECOND)]);
}

#[test]
fn the_main_thread_may_wait_for_one_that_sleeps() {
    let told = told_by(|tell| async move {
        let guarded = Guarded::new();
        let other = Arc::clone(&guarded);
        thread::spawn(move || {
            thread::sleep(SECOND);
            other.add(1);
            other.signal();
        });
        let start = Instant::now();
        guarded.take();
        tell.send(start.elapsed()).unwrap();
    });
    assert_eq!(told, [SECOND]);
}

#[test]
fn a_wait_with_a_time_limit_takes_virtual_time_by_either_clock() {
    for clock in [libc::CLOCK_REALTIME, libc::CLOCK_MONOTONIC] {
        let told = told_by(move |tell| async move {
            let waits = move || {
                let guarded = Guarded::by_clock(clock);
                tell.send((guarded.wait_for(clock, 2 * SECOND), now()))
                    .unwrap();
            };
            spawn_blocking(waits).await.unwrap();
        });
        assert_eq!(told, [(libc::ETIMEDOUT, 2 * SECOND)]);
    }
}

#[test]
fn a_signal_ends_a_wait_before_its_time_limit() {
    let told = told_by(|tell| async move {
        let guarded = Guarded::new();
        let other = Arc::clone(&guarded);
        let waiter = spawn_blocking(move || {
            let result = other.wait_for(libc::CLOCK_REALTIME, 10 * SECOND);
            tell.send((result, now())).unwrap();
        });
        tokio::time::sleep(SECOND).await;
        guarded.signal();
        waiter.await.unwrap();
    });
    assert_eq!(told, [(0, SECOND)]);
}

/// A semaphore of a C library.
struct Semaphore(UnsafeCell<libc::sem_t>);

// SAFETY: all calls on it are thread-safe.
unsafe impl Send for Semaphore {}
// SAFETY: as above.
unsafe impl Sync for Semaphore {}

impl Semaphore {
    fn new(count: u32) -> Arc<Self> {
        // SAFETY: all zeroes is a valid value, and it has not been used yet.
        unsafe {
            let semaphore = Arc::new(Self(std::mem::zeroed()));
            libc::sem_init(semaphore.0.get(), 0, count);
            semaphore
        }
    }

    fn wait(&self) -> Duration {
        // SAFETY: it has been initialised.
        assert_eq!(unsafe { libc::sem_wait(self.0.get()) }, 0);
        now()
    }

    fn post(&self) {
        // SAFETY: as above.
        assert_eq!(unsafe { libc::sem_post(self.0.get()) }, 0);
    }
}

#[test]
fn a_semaphore_lets_as_many_through_as_it_counts() {
    let told = told_by(|tell| async move {
        let semaphore = Semaphore::new(1);
        let waiters = [1, 2, 3].map(|waiter| {
            let (semaphore, tell) = (Arc::clone(&semaphore), tell.clone());
            spawn_blocking(move || tell.send((waiter, semaphore.wait())).unwrap())
        });
        for _ in 0..2 {
            tokio::time::sleep(SECOND).await;
            semaphore.post();
        }
        for waiter in waiters {
            waiter.await.unwrap();
        }
    });
    assert_eq!(told, [(1, Duration::ZERO), (2, SECOND), (3, 2 * SECOND)]);
}

#[test]
fn a_wait_for_a_semaphore_with_a_time_limit_takes_virtual_time() {
    let told = told_by(|tell| async move {
        let wait = move || {
            let semaphore = Semaphore::new(0);
            // SAFETY: the semaphore has been initialised, and the time is this function's.
            let result = unsafe {
                let mut until: timespec = std::mem::zeroed();
                libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut until);
                until.tv_sec += 2;
                libc::sem_timedwait(semaphore.0.get(), &raw const until)
            };
            let error = std::io::Error::last_os_error().raw_os_error();
            tell.send((result, error, now())).unwrap();
        };
        spawn_blocking(wait).await.unwrap();
    });
    assert_eq!(told, [(-1, Some(libc::ETIMEDOUT), 2 * SECOND)]);
}

/// A read-write lock of a C library.
struct Shared(UnsafeCell<pthread_rwlock_t>);

// SAFETY: all calls on it are thread-safe.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

unsafe extern "C" {
    // The libc crate does not have it.
    fn pthread_rwlock_timedwrlock(lock: *mut pthread_rwlock_t, until: *const timespec) -> c_int;
}

/// A function of libc that acquires one.
type Take = unsafe extern "C" fn(*mut pthread_rwlock_t) -> c_int;

impl Shared {
    fn new() -> Arc<Self> {
        Arc::new(Self(UnsafeCell::new(libc::PTHREAD_RWLOCK_INITIALIZER)))
    }

    /// Holds it for a second; returns when that began.
    fn hold(&self, take: Take) -> Duration {
        // SAFETY: the lock is this value's.
        unsafe {
            assert_eq!(take(self.0.get()), 0);
            let since = now();
            thread::sleep(SECOND);
            assert_eq!(libc::pthread_rwlock_unlock(self.0.get()), 0);
            since
        }
    }
}

#[test]
fn readers_share_a_lock_and_writers_do_not() {
    let told = told_by(|tell| async move {
        let shared = Shared::new();
        let (read, write): (Take, Take) =
            (libc::pthread_rwlock_rdlock, libc::pthread_rwlock_wrlock);
        let threads = [read, read, write, write, read].map(|take| {
            let shared = Arc::clone(&shared);
            spawn_blocking(move || shared.hold(take))
        });
        for thread in threads {
            tell.send(thread.await.unwrap()).unwrap();
        }
    });
    // The last reader finds readers, and joins them.
    assert_eq!(told, [0, 0, 1, 2, 0].map(Duration::from_secs));
}

#[test]
fn a_wait_for_a_lock_with_a_time_limit_takes_virtual_time() {
    let told = told_by(|tell| async move {
        let shared = Shared::new();
        // SAFETY: the lock is this function's, and so is the time.
        let waits = move || unsafe {
            libc::pthread_rwlock_rdlock(shared.0.get());
            let mut until: timespec = std::mem::zeroed();
            libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut until);
            until.tv_sec += 2;
            let other =
                thread::spawn(move || pthread_rwlock_timedwrlock(shared.0.get(), &raw const until));
            tell.send((other.join().unwrap(), now())).unwrap();
        };
        spawn_blocking(waits).await.unwrap();
    });
    assert_eq!(told, [(libc::ETIMEDOUT, 2 * SECOND)]);
}

/// A barrier of a C library.
struct Barrier(UnsafeCell<pthread_barrier_t>);

// SAFETY: all calls on it are thread-safe.
unsafe impl Send for Barrier {}
// SAFETY: as above.
unsafe impl Sync for Barrier {}

#[test]
fn threads_meet_at_a_barrier_again_and_again() {
    let told = told_by(|tell| async move {
        // SAFETY: all zeroes is a valid value, and it has not been used yet.
        let barrier = unsafe {
            let barrier = Arc::new(Barrier(std::mem::zeroed()));
            libc::pthread_barrier_init(barrier.0.get(), std::ptr::null(), 3);
            barrier
        };
        let threads = [1, 2, 3].map(|seconds| {
            let barrier = Arc::clone(&barrier);
            let meet = move || {
                thread::sleep(seconds * SECOND);
                // SAFETY: it has been initialised.
                (
                    unsafe { libc::pthread_barrier_wait(barrier.0.get()) },
                    now(),
                )
            };
            spawn_blocking(move || [meet(), meet()])
        });
        for thread in threads {
            tell.send(thread.await.unwrap()).unwrap();
        }
    });
    let last = libc::PTHREAD_BARRIER_SERIAL_THREAD;
    let met = |result| [(result, 3 * SECOND), (result, 6 * SECOND)];
    assert_eq!(told, [met(0), met(0), met(last)]);
}
