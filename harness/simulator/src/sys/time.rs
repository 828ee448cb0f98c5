//! Clocks. A machine's clocks show its own virtual time, which passes during a turn only if work costs time.

use super::real::Original;
use super::{EntryPoint, fail, machine};
use crate::kernel::Errno;
use libc::{c_int, c_void, clockid_t, time_t, timespec, timeval};

type ClockGettime = unsafe extern "C" fn(clockid_t, *mut timespec) -> c_int;
type Gettimeofday = unsafe extern "C" fn(*mut timeval, *mut c_void) -> c_int;
type Time = unsafe extern "C" fn(*mut time_t) -> time_t;

// libc's own read the clock without a system call.
static CLOCK_GETTIME: Original = Original::new(c"clock_gettime");
static GETTIMEOFDAY: Original = Original::new(c"gettimeofday");
static TIME: Original = Original::new(c"time");

#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    let shown = machine(|kernel| match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE | libc::CLOCK_TAI => {
            Some(kernel.wall_clock())
        }
        libc::CLOCK_MONOTONIC
        | libc::CLOCK_MONOTONIC_COARSE
        | libc::CLOCK_MONOTONIC_RAW
        | libc::CLOCK_BOOTTIME
        | libc::CLOCK_PROCESS_CPUTIME_ID
        | libc::CLOCK_THREAD_CPUTIME_ID => Some(kernel.monotonic_clock()),
        _ => None,
    });
    match shown {
        // SAFETY: the original has this type, and the pointer is the caller's.
        None => unsafe {
            std::mem::transmute::<*mut c_void, ClockGettime>(CLOCK_GETTIME.get())(clock, time)
        },
        Some(None) => fail(Errno(libc::EINVAL)) as c_int,
        Some(Some(shown)) => {
            let (tv_sec, tv_nsec) = (shown.as_secs() as _, shown.subsec_nanos().into());
            // SAFETY: the pointer is the caller's, as for clock_gettime(2).
            unsafe { *time = timespec { tv_sec, tv_nsec } };
            0
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn gettimeofday(time: *mut timeval, zone: *mut c_void) -> c_int {
    match machine(|kernel| kernel.wall_clock()) {
        // SAFETY: the original has this type, and the pointers are the caller's.
        None => unsafe {
            std::mem::transmute::<*mut c_void, Gettimeofday>(GETTIMEOFDAY.get())(time, zone)
        },
        Some(shown) => {
            let (tv_sec, tv_usec) = (shown.as_secs() as _, shown.subsec_micros().into());
            // SAFETY: the pointer is the caller's, as for gettimeofday(2).
            unsafe { *time = timeval { tv_sec, tv_usec } };
            0
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn time(time: *mut time_t) -> time_t {
    match machine(|kernel| kernel.wall_clock().as_secs() as time_t) {
        // SAFETY: the original has this type, and the pointer is the caller's.
        None => unsafe { std::mem::transmute::<*mut c_void, Time>(TIME.get())(time) },
        Some(shown) => {
            if !time.is_null() {
                // SAFETY: the pointer is the caller's, as for time(2).
                unsafe { *time = shown };
            }
            shown
        }
    }
}

/// What this file defines, for the check at the start.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![clock_gettime, gettimeofday, time]
}
