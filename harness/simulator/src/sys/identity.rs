//! Who a program is: the only process of its machine, and an ordinary user there. Nothing of the host shows.
//!
//! What a process can do to itself or to others, the real one would do for all simulations in it: so it can only
//! do what its machine can keep to itself.

use super::real::{self, Original};
use super::{EntryPoint, crash, fail, machine, refused, threads};
use crate::kernel::{Errno, signals};
use libc::{c_char, c_int, c_void, gid_t, passwd, pid_t, sighandler_t, size_t, uid_t};
use std::mem::transmute;

/// As in a container, a program is the first process.
const PROCESS: pid_t = 1;
const NOBODY: pid_t = 0;
const USER: uid_t = 1000;

type GetpwuidR =
    unsafe extern "C" fn(uid_t, *mut passwd, *mut c_char, size_t, *mut *mut passwd) -> c_int;
type GetpwnamR = unsafe extern "C" fn(
    *const c_char,
    *mut passwd,
    *mut c_char,
    size_t,
    *mut *mut passwd,
) -> c_int;
type Signal = unsafe extern "C" fn(c_int, sighandler_t) -> sighandler_t;
type Raise = unsafe extern "C" fn(c_int) -> c_int;
type Exit = unsafe extern "C" fn(c_int) -> !;

static GETPWUID_R: Original = Original::new(c"getpwuid_r");
static GETPWNAM_R: Original = Original::new(c"getpwnam_r");
static SIGNAL: Original = Original::new(c"signal");
static RAISE: Original = Original::new(c"raise");
static EXIT: Original = Original::new(c"exit");

/// What these numbers are on every machine.
macro_rules! numbers {
    ($($name:ident: $kind:ty, $call:ident, $number:expr;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name() -> $kind {
            machine(|_| $number).unwrap_or_else(|| {
                // SAFETY: this call takes nothing.
                unsafe { real::syscall(libc::$call, [0; 6]) as $kind }
            })
        }
    )*};
}

numbers! {
    getpid: pid_t, SYS_getpid, PROCESS;
    getppid: pid_t, SYS_getppid, NOBODY;
    gettid: pid_t, SYS_gettid, threads::number();
    getuid: uid_t, SYS_getuid, USER;
    geteuid: uid_t, SYS_geteuid, USER;
    getgid: gid_t, SYS_getgid, USER;
    getegid: gid_t, SYS_getegid, USER;
}

/// The part of `syscall(2)` that a machine answers.
pub(super) fn by_number(number: libc::c_long) -> Option<isize> {
    machine(|_| match number {
        libc::SYS_getpid => Some(PROCESS as isize),
        libc::SYS_gettid => Some(threads::number() as isize),
        _ => None,
    })?
}

/// A machine has no list of users, so none has a home.
#[unsafe(no_mangle)]
unsafe extern "C" fn getpwuid_r(
    user: uid_t,
    entry: *mut passwd,
    buffer: *mut c_char,
    length: size_t,
    found: *mut *mut passwd,
) -> c_int {
    // SAFETY: the place is the caller's, as for getpwuid_r(3); the original has this type.
    unsafe {
        if machine(|_| ()).is_some() {
            *found = std::ptr::null_mut();
            return 0;
        }
        let original = transmute::<*mut c_void, GetpwuidR>(GETPWUID_R.get());
        original(user, entry, buffer, length, found)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getpwnam_r(
    name: *const c_char,
    entry: *mut passwd,
    buffer: *mut c_char,
    length: size_t,
    found: *mut *mut passwd,
) -> c_int {
    // SAFETY: as for `getpwuid_r`.
    unsafe {
        if machine(|_| ()).is_some() {
            *found = std::ptr::null_mut();
            return 0;
        }
        let original = transmute::<*mut c_void, GetpwnamR>(GETPWNAM_R.get());
        original(name, entry, buffer, length, found)
    }
}

/// A signal of the program for itself; none if no machine runs.
fn signal_to_itself(signal: c_int) -> Option<c_int> {
    machine(|kernel| {
        let is_blocked = kernel.blocked_signals() & signals::only(signal) != 0;
        match signal {
            0 => {}
            _ if is_blocked => drop(kernel.signal(signal)),
            _ => {
                let call = format!("kill with signal {signal}, of the program itself");
                kernel.refuse(call, "return from the main task, or let the world do it");
            }
        }
        0
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn kill(process: pid_t, signal: c_int) -> c_int {
    if machine(|_| ()).is_some() && !matches!(process, PROCESS | NOBODY) {
        return fail(Errno(libc::ESRCH)) as c_int;
    }
    signal_to_itself(signal).unwrap_or_else(|| {
        // SAFETY: this call takes no pointer.
        unsafe { real::syscall(libc::SYS_kill, [process as _, signal as _, 0, 0, 0, 0]) as c_int }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn raise(signal: c_int) -> c_int {
    signal_to_itself(signal).unwrap_or_else(|| {
        // SAFETY: the original has this type.
        unsafe { transmute::<*mut c_void, Raise>(RAISE.get())(signal) }
    })
}

/// No machine ever gets SIGPIPE: whoever does not want it gets what he wants.
#[unsafe(no_mangle)]
unsafe extern "C" fn signal(signal: c_int, handler: sighandler_t) -> sighandler_t {
    if signal == libc::SIGPIPE && handler == libc::SIG_IGN && machine(|_| ()).is_some() {
        return libc::SIG_IGN;
    }
    let remedy = "block the signal and read it from a signalfd with tokio's AsyncFd";
    if refused::refuse("signal (a signal handler)", remedy) {
        return libc::SIG_ERR;
    }
    // SAFETY: the original has this type; the arguments are the caller's.
    unsafe { transmute::<*mut c_void, Signal>(SIGNAL.get())(signal, handler) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn exit(code: c_int) -> ! {
    if machine(|_| ()).is_some() {
        crash::exit_on_machine(code);
    }
    // SAFETY: the original has this type.
    unsafe { transmute::<*mut c_void, Exit>(EXIT.get())(code) }
}

/// What this file defines, for the check at the start.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![
        getpid, getppid, gettid, getuid, geteuid, getgid, getegid, getpwuid_r, getpwnam_r, kill,
        raise, signal, exit
    ]
}
