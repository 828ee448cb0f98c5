//! A program's identity: it is the only process of its machine, and an ordinary user there. Nothing
//! of the host is visible.
//!
//! Whatever a process does to itself or to others, the real process would do for all simulations in
//! it, so it can only do what its machine can keep to itself.

use super::here::{EntryPoint, machine};
use super::{crash, myself, note_failure};
use crate::host::real::{self, Original};
use libc::{c_char, c_int, c_void, gid_t, passwd, pid_t, size_t, uid_t};
use std::mem::transmute;

/// As in a container, the program is the first process.
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
type Exit = unsafe extern "C" fn(c_int) -> !;

static GETPWUID_R: Original = Original::new(c"getpwuid_r");
static GETPWNAM_R: Original = Original::new(c"getpwnam_r");
static EXIT: Original = Original::new(c"exit");

/// The answers that are the same on every machine.
macro_rules! numbers {
    ($($name:ident: $kind:ty, $call:ident, $number:expr;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name() -> $kind {
            machine(|_| $number).unwrap_or_else(|| {
                // SAFETY: this call has no arguments.
                unsafe { real::syscall(libc::$call, [0; 6]) as $kind }
            })
        }
    )*};
}

numbers! {
    getpid: pid_t, SYS_getpid, PROCESS;
    getppid: pid_t, SYS_getppid, NOBODY;
    gettid: pid_t, SYS_gettid, myself::number();
    getuid: uid_t, SYS_getuid, USER;
    geteuid: uid_t, SYS_geteuid, USER;
    getgid: gid_t, SYS_getgid, USER;
    getegid: gid_t, SYS_getegid, USER;
}

/// A machine has no user database, so no user has a home directory.
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

#[unsafe(no_mangle)]
unsafe extern "C" fn exit(code: c_int) -> ! {
    if machine(|_| ()).is_some() {
        crash::exit_on_machine(code);
    }
    // SAFETY: the original has this type.
    unsafe { transmute::<*mut c_void, Exit>(EXIT.get())(code) }
}

/// Ends the process at once: no destructors, no buffers.
#[unsafe(no_mangle)]
unsafe extern "C" fn _exit(code: c_int) -> ! {
    if machine(|_| ()).is_some() {
        if code != 0 {
            note_failure(format!("the program ended with _exit({code})"));
        }
        myself::end_process();
    }
    real::exit(code)
}

/// The same under its C standard name.
#[unsafe(no_mangle)]
unsafe extern "C" fn _Exit(code: c_int) -> ! {
    // SAFETY: guaranteed by the caller.
    unsafe { _exit(code) }
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![
        getpid, getppid, gettid, getuid, geteuid, getgid, getegid, getpwuid_r, getpwnam_r, exit,
        _exit, _Exit
    ]
}
