//! `signalfd(2)` and the signal mask: how a program hears that it should end.
//!
//! `sigaction(2)` is refused on a machine. Its handlers are the real process's: one simulation would
//! hear the signals of all.

use super::real::{self, Original};
use super::{EntryPoint, answer_int, fail, machine};
use crate::kernel::Errno;
use crate::kernel::signals::SignalSet;
use libc::{c_int, c_void, sigset_t};
use std::mem::transmute;

type Sigmask = unsafe extern "C" fn(c_int, *const sigset_t, *mut sigset_t) -> c_int;
type Sigaction = unsafe extern "C" fn(c_int, *const libc::sigaction, *mut libc::sigaction) -> c_int;

static PTHREAD_SIGMASK: Original = Original::new(c"pthread_sigmask");
static SIGPROCMASK: Original = Original::new(c"sigprocmask");
static SIGACTION: Original = Original::new(c"sigaction");

/// The first 64 signals of a set: there are no more on Linux.
///
/// # Safety
///
/// `set` must be valid for reads.
unsafe fn read_set(set: *const sigset_t) -> SignalSet {
    // SAFETY: the caller's; a sigset_t is larger than a u64.
    unsafe { set.cast::<SignalSet>().read_unaligned() }
}

/// Changes the mask of the machine's process; none if no machine runs.
///
/// # Safety
///
/// The pointers are null, or valid as for sigprocmask(2).
unsafe fn change_mask(
    how: c_int,
    set: *const sigset_t,
    old: *mut sigset_t,
) -> Option<Result<(), Errno>> {
    machine(|kernel| {
        let before = kernel.blocked_signals();
        if !set.is_null() {
            // SAFETY: the caller's.
            let set = unsafe { read_set(set) };
            kernel.block_signals(match how {
                libc::SIG_BLOCK => before | set,
                libc::SIG_UNBLOCK => before & !set,
                libc::SIG_SETMASK => set,
                _ => return Err(Errno(libc::EINVAL)),
            });
        }
        if !old.is_null() {
            // SAFETY: the caller's; a sigset_t of zeros is empty.
            unsafe {
                old.write_bytes(0, 1);
                old.cast::<SignalSet>().write_unaligned(before);
            }
        }
        Ok(())
    })
}

/// Unlike the other, this function returns its error number.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_sigmask(
    how: c_int,
    set: *const sigset_t,
    old: *mut sigset_t,
) -> c_int {
    // SAFETY: the caller's; the original has this type.
    unsafe {
        match change_mask(how, set, old) {
            Some(Ok(())) => 0,
            Some(Err(Errno(code))) => code,
            None => transmute::<*mut c_void, Sigmask>(PTHREAD_SIGMASK.get())(how, set, old),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sigprocmask(how: c_int, set: *const sigset_t, old: *mut sigset_t) -> c_int {
    // SAFETY: the caller's; the original has this type.
    unsafe {
        match change_mask(how, set, old) {
            Some(Ok(())) => 0,
            Some(Err(error)) => fail(error) as c_int,
            None => transmute::<*mut c_void, Sigmask>(SIGPROCMASK.get())(how, set, old),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn signalfd(fd: c_int, set: *const sigset_t, flags: c_int) -> c_int {
    let result = machine(|kernel| {
        if flags & libc::SFD_NONBLOCK == 0 {
            let remedy = "open it with SFD_NONBLOCK, and let tokio's AsyncFd wait for it";
            kernel.refuse("signalfd without SFD_NONBLOCK (a blocking read)", remedy);
        }
        // SAFETY: the caller's, as for signalfd(2).
        kernel.signalfd((fd >= 0).then_some(fd), unsafe { read_set(set) })
    });
    match result {
        Some(result) => answer_int(result),
        // SAFETY: the caller's, as for signalfd(2), with the size of the kernel's set.
        None => unsafe {
            let size = size_of::<SignalSet>();
            let arguments = [fd as _, set as _, size, flags as _, 0, 0];
            real::syscall(libc::SYS_signalfd4, arguments) as c_int
        },
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sigaction(
    signal: c_int,
    new: *const libc::sigaction,
    old: *mut libc::sigaction,
) -> c_int {
    let refused = machine(|kernel| {
        let remedy = "block the signal and read it from a signalfd (nix::sys::signalfd) with \
            tokio's AsyncFd; tokio::signal is shared by all runtimes of the real process";
        kernel.refuse("sigaction (a signal handler)", remedy);
    });
    match refused {
        Some(()) => fail(Errno(libc::ENOSYS)) as c_int,
        // SAFETY: the caller's; the original has this type.
        None => unsafe { transmute::<*mut c_void, Sigaction>(SIGACTION.get())(signal, new, old) },
    }
}

/// What this file defines, for the check at the start.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![pthread_sigmask, sigprocmask, signalfd, sigaction]
}
