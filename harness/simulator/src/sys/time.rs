//! Clocks and their time zone. A machine's clocks show its own virtual time, which passes during a
//! turn only if work costs time.

use super::answers::{fail, unnoticed_call};
use super::audit::asked;
use super::here::{EntryPoint, machine};
use super::{parking_lot, spin};
use crate::audit::Call;
use crate::host::real::Original;
use crate::kernel::errno::Errno;
use libc::{c_int, c_void, clockid_t, time_t, timespec, timeval, tm};
use std::borrow::Cow;
use std::time::Duration;

type ClockGettime = unsafe extern "C" fn(clockid_t, *mut timespec) -> c_int;
type Gettimeofday = unsafe extern "C" fn(*mut timeval, *mut c_void) -> c_int;
type Time = unsafe extern "C" fn(*mut time_t) -> time_t;

// libc's own functions read the clock without a system call.
static CLOCK_GETTIME: Original = Original::new(c"clock_gettime");
static GETTIMEOFDAY: Original = Original::new(c"gettimeofday");
static TIME: Original = Original::new(c"time");

type LocaltimeR = unsafe extern "C" fn(*const time_t, *mut tm) -> *mut tm;
type Localtime = unsafe extern "C" fn(*const time_t) -> *mut tm;

static LOCALTIME_R: Original = Original::new(c"localtime_r");
static LOCALTIME: Original = Original::new(c"localtime");

#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(clock: clockid_t, time: *mut timespec) -> c_int {
    let at_greeting = || parking_lot::clock_at_greeting().map(Some);
    let shown = at_greeting().or_else(|| {
        asked(|| Call::time("clock_gettime").of(name_of(clock)));
        unnoticed_call(|kernel| match clock {
            libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE | libc::CLOCK_TAI => {
                Some(kernel.wall_clock())
            }
            libc::CLOCK_MONOTONIC
            | libc::CLOCK_MONOTONIC_COARSE
            | libc::CLOCK_MONOTONIC_RAW
            | libc::CLOCK_BOOTTIME => Some(kernel.monotonic_clock()),
            libc::CLOCK_PROCESS_CPUTIME_ID | libc::CLOCK_THREAD_CPUTIME_ID => {
                Some(kernel.processor_time())
            }
            _ => None,
        })
    });
    match shown {
        // SAFETY: the original has this type, and the pointer is the caller's.
        None => unsafe {
            std::mem::transmute::<*mut c_void, ClockGettime>(CLOCK_GETTIME.get())(clock, time)
        },
        Some(None) => fail(Errno(libc::EINVAL)) as c_int,
        Some(Some(shown)) => {
            spin::has_looked();
            let (tv_sec, tv_nsec) = (shown.as_secs() as _, shown.subsec_nanos().into());
            // SAFETY: the pointer is the caller's, as for clock_gettime(2).
            unsafe { *time = timespec { tv_sec, tv_nsec } };
            0
        }
    }
}

fn name_of(clock: clockid_t) -> Cow<'static, str> {
    Cow::Borrowed(match clock {
        libc::CLOCK_REALTIME => "CLOCK_REALTIME",
        libc::CLOCK_REALTIME_COARSE => "CLOCK_REALTIME_COARSE",
        libc::CLOCK_TAI => "CLOCK_TAI",
        libc::CLOCK_MONOTONIC => "CLOCK_MONOTONIC",
        libc::CLOCK_MONOTONIC_COARSE => "CLOCK_MONOTONIC_COARSE",
        libc::CLOCK_MONOTONIC_RAW => "CLOCK_MONOTONIC_RAW",
        libc::CLOCK_BOOTTIME => "CLOCK_BOOTTIME",
        libc::CLOCK_PROCESS_CPUTIME_ID => "CLOCK_PROCESS_CPUTIME_ID",
        libc::CLOCK_THREAD_CPUTIME_ID => "CLOCK_THREAD_CPUTIME_ID",
        other => return Cow::Owned(other.to_string()),
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn gettimeofday(time: *mut timeval, zone: *mut c_void) -> c_int {
    asked(|| Call::time("gettimeofday"));
    match machine(|kernel| kernel.wall_clock()) {
        // SAFETY: the original has this type, and the pointers are the caller's.
        None => unsafe {
            std::mem::transmute::<*mut c_void, Gettimeofday>(GETTIMEOFDAY.get())(time, zone)
        },
        Some(shown) => {
            spin::has_looked();
            let (tv_sec, tv_usec) = (shown.as_secs() as _, shown.subsec_micros().into());
            // SAFETY: the pointer is the caller's, as for gettimeofday(2).
            unsafe { *time = timeval { tv_sec, tv_usec } };
            0
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn time(time: *mut time_t) -> time_t {
    asked(|| Call::time("time"));
    match machine(|kernel| kernel.wall_clock().as_secs() as time_t) {
        // SAFETY: the original has this type, and the pointer is the caller's.
        None => unsafe { std::mem::transmute::<*mut c_void, Time>(TIME.get())(time) },
        Some(shown) => {
            spin::has_looked();
            if !time.is_null() {
                // SAFETY: the pointer is the caller's, as for time(2).
                unsafe { *time = shown };
            }
            shown
        }
    }
}

/// All machines are in UTC, whatever the host's `/etc/localtime` says.
#[unsafe(no_mangle)]
unsafe extern "C" fn localtime_r(time: *const time_t, place: *mut tm) -> *mut tm {
    // SAFETY: the original has this type; the pointers are the caller's, and valid for gmtime_r(3)
    // too.
    unsafe {
        match machine(|_| ()) {
            Some(()) => libc::gmtime_r(time, place),
            None => std::mem::transmute::<*mut c_void, LocaltimeR>(LOCALTIME_R.get())(time, place),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn localtime(time: *const time_t) -> *mut tm {
    // SAFETY: as above.
    unsafe {
        match machine(|_| ()) {
            Some(()) => libc::gmtime(time),
            None => std::mem::transmute::<*mut c_void, Localtime>(LOCALTIME.get())(time),
        }
    }
}

/// The machine's time at which a wait on the running machine ends: after this much time on a clock,
/// or (absolute) when the clock shows it. None if no machine is running.
pub(super) fn time_at(clock: clockid_t, absolute: bool, time: &timespec) -> Option<u64> {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let time = Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0));
    machine(|kernel| {
        let shown = match (absolute, clock) {
            (false, _) => Duration::ZERO,
            (true, libc::CLOCK_REALTIME) => kernel.wall_clock(),
            (true, _) => kernel.monotonic_clock(),
        };
        let left = u64::try_from(time.saturating_sub(shown).as_nanos()).unwrap_or(u64::MAX);
        kernel.time_of_process().saturating_add(left)
    })
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![clock_gettime, gettimeofday, time, localtime_r, localtime]
}
