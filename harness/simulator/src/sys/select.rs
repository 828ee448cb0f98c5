//! `select(2)` and `pselect(2)`, as `poll(2)` answers them. The numbers of simulated descriptors
//! are too high for their sets, so on a machine the sets can contain only standard input and
//! output, and these calls are ways to sleep.

use super::events::{duration, poll_on_machine};
use super::here::{EntryPoint, machine};
use super::real;
use super::refuse::refuse;
use super::signals::with_mask;
use libc::{c_int, fd_set, sigset_t, timespec, timeval};
use std::time::Duration;

/// Waits on a machine.
///
/// # Safety
///
/// The sets must be null or valid.
unsafe fn wait(sets: [*mut fd_set; 3], limit: Option<Duration>) -> c_int {
    for set in sets {
        // SAFETY: guaranteed by the caller; a zeroed set is empty.
        unsafe {
            if set.is_null() {
                continue;
            }
            if (0..libc::FD_SETSIZE as c_int).any(|fd| libc::FD_ISSET(fd, set)) {
                let remedy =
                    "use poll(2), or a runtime: descriptors of a machine are too high for it";
                refuse("select, of a descriptor of the host", remedy);
            }
            libc::FD_ZERO(set);
        }
    }
    // SAFETY: there are no descriptors, only a time.
    unsafe { poll_on_machine(std::ptr::null_mut(), 0, limit) }.unwrap_or(0)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn select(
    count: c_int,
    read: *mut fd_set,
    write: *mut fd_set,
    other: *mut fd_set,
    limit: *mut timeval,
) -> c_int {
    // SAFETY: guaranteed by the caller, as for select(2). The time is modified as Linux does for
    // the real call.
    unsafe {
        let wanted = limit.as_ref().map(|limit| timespec {
            tv_sec: limit.tv_sec,
            tv_nsec: limit.tv_usec * 1000,
        });
        if machine(|_| ()).is_some() {
            return wait([read, write, other], wanted.as_ref().map(duration));
        }
        let mut rest = wanted;
        let place = rest.as_mut().map_or(std::ptr::null_mut(), |rest| rest);
        let arguments = [count as _, read as _, write as _, other as _, place as _, 0];
        let ready = real::syscall(libc::SYS_pselect6, arguments) as c_int;
        if let (Some(limit), Some(rest)) = (limit.as_mut(), rest) {
            limit.tv_sec = rest.tv_sec;
            limit.tv_usec = rest.tv_nsec / 1000;
        }
        ready
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pselect(
    count: c_int,
    read: *mut fd_set,
    write: *mut fd_set,
    other: *mut fd_set,
    limit: *const timespec,
    mask: *const sigset_t,
) -> c_int {
    // SAFETY: guaranteed by the caller, as for pselect(2). The kernel would modify the time passed
    // to it, and needs the size of the mask.
    unsafe {
        let wanted = limit.as_ref();
        if machine(|_| ()).is_some() {
            return with_mask(mask, || wait([read, write, other], wanted.map(duration)));
        }
        let mut rest = wanted.copied();
        let place = rest.as_mut().map_or(std::ptr::null_mut(), |rest| rest);
        let mask = [mask as usize, 8];
        let mask = &raw const mask as usize;
        let arguments = [
            count as _, read as _, write as _, other as _, place as _, mask,
        ];
        real::syscall(libc::SYS_pselect6, arguments) as c_int
    }
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![select, pselect]
}
