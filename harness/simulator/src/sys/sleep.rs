//! Thread sleeps take virtual time. A thread that yields lets the others run.

use super::answers::fail;
use super::here::{EntryPoint, machine, other_worlds};
use super::time::time_at;
use super::{myself, real, spin, streaks, waiting};
use crate::kernel::errno::Errno;
use crate::kernel::threads::Wait;
use libc::{c_int, c_uint, clockid_t, timespec, useconds_t};
use std::time::Duration;

/// Sleeps if a machine is running on this thread; none if not.
///
/// # Errors
///
/// The remaining time, if a signal interrupted the sleep.
///
/// # Safety
///
/// `wanted` must point to a time.
unsafe fn sleep_on_machine(
    clock: clockid_t,
    absolute: bool,
    wanted: *const timespec,
) -> Option<Result<(), Duration>> {
    // SAFETY: guaranteed by the caller.
    let until = time_at(clock, absolute, unsafe { &*wanted })?;
    let slept = waiting::wait_or_signal(Wait::Time, Some(until));
    Some(slept.map(|_| ()).map_err(|_| {
        let left = machine(|kernel| until.saturating_sub(kernel.time_of_process()));
        Duration::from_nanos(left.unwrap_or(0))
    }))
}

/// # Safety
///
/// The place must be null or have room for a time.
unsafe fn tell_rest(place: *mut timespec, rest: Duration) {
    let rest = timespec {
        tv_sec: rest.as_secs() as _,
        tv_nsec: rest.subsec_nanos().into(),
    };
    if !place.is_null() {
        // SAFETY: guaranteed by the caller.
        unsafe { place.write(rest) };
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nanosleep(wanted: *const timespec, left: *mut timespec) -> c_int {
    // SAFETY: guaranteed by the caller, as for nanosleep(2).
    unsafe {
        match sleep_on_machine(libc::CLOCK_MONOTONIC, false, wanted) {
            Some(Ok(())) => return 0,
            Some(Err(rest)) => {
                tell_rest(left, rest);
                return fail(Errno(libc::EINTR)) as c_int;
            }
            None => {}
        }
        real::syscall(libc::SYS_nanosleep, [wanted as _, left as _, 0, 0, 0, 0]) as c_int
    }
}

/// Unlike the others, this function returns its error number.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_nanosleep(
    clock: clockid_t,
    flags: c_int,
    wanted: *const timespec,
    left: *mut timespec,
) -> c_int {
    // SAFETY: guaranteed by the caller, as for clock_nanosleep(2).
    unsafe {
        let absolute = flags & libc::TIMER_ABSTIME != 0;
        match sleep_on_machine(clock, absolute, wanted) {
            Some(Ok(())) => return 0,
            Some(Err(rest)) => {
                if !absolute {
                    tell_rest(left, rest);
                }
                return libc::EINTR;
            }
            None => {}
        }
        let arguments = [clock as _, flags as _, wanted as _, left as _, 0, 0];
        match real::syscall(libc::SYS_clock_nanosleep, arguments) {
            0 => 0,
            _ => *libc::__errno_location(),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn usleep(microseconds: useconds_t) -> c_int {
    let wanted = timespec {
        tv_sec: (microseconds / 1_000_000).into(),
        tv_nsec: (i64::from(microseconds) % 1_000_000) * 1000,
    };
    // SAFETY: the time is ours, and there is no place for the remainder.
    unsafe { nanosleep(&raw const wanted, std::ptr::null_mut()) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sleep(seconds: c_uint) -> c_uint {
    let mut time = timespec {
        tv_sec: seconds.into(),
        tv_nsec: 0,
    };
    // SAFETY: the time is ours, and serves both purposes as nanosleep(2) allows.
    match unsafe { nanosleep(&raw const time, &raw mut time) } {
        0 => 0,
        _ => time.tv_sec as c_uint,
    }
}

/// A thread that waits for another world to release a lock yields a few times. In that case no
/// other thread of this machine may go first, but the other world must have the time that it needs.
/// A thread that yields more often than that is waiting for another thread of its machine.
const YIELDS_FOR_OTHER_WORLDS: u32 = 16;
static TIME_FOR_OTHER_WORLDS: timespec = timespec {
    tv_sec: 0,
    tv_nsec: 50_000,
};

#[unsafe(no_mangle)]
unsafe extern "C" fn sched_yield() -> c_int {
    if machine(|_| ()).is_none() {
        // SAFETY: this call takes no pointers.
        return unsafe { real::syscall(libc::SYS_sched_yield, [0; 6]) as c_int };
    }
    if streaks::count_yield() > YIELDS_FOR_OTHER_WORLDS {
        spin::has_looked();
        if myself::has_others() {
            waiting::step_back();
        }
    } else if other_worlds() {
        let time = &raw const TIME_FOR_OTHER_WORLDS as usize;
        // SAFETY: the time is ours, and there is no place for the remainder.
        unsafe { real::syscall(libc::SYS_nanosleep, [time, 0, 0, 0, 0, 0]) };
    }
    0
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![nanosleep, clock_nanosleep, usleep, sleep, sched_yield]
}
