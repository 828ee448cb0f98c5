//! Calls that cannot be simulated. On a machine they fail and end the run with an error that says
//! what to do instead: silence would be a leak of determinism.

use super::real::{self, Original};
use super::{EntryPoint, machine};
use libc::{c_char, c_int, c_void, pid_t};

const PROCESS_REMEDY: &str = "give the other program a machine of its own";

/// Notes the call if a machine runs. True if so.
pub(super) fn refuse(call: &str, remedy: &'static str) -> bool {
    machine(|kernel| kernel.refuse(call, remedy)).is_some()
}

static FORK: Original = Original::new(c"fork");

#[unsafe(no_mangle)]
unsafe extern "C" fn fork() -> pid_t {
    if refuse("fork (a process)", PROCESS_REMEDY) {
        return -1;
    }
    // SAFETY: the original has this type.
    unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> pid_t>(FORK.get())() }
}

static POSIX_SPAWNP: Original = Original::new(c"posix_spawnp");
type PosixSpawn = unsafe extern "C" fn(
    *mut pid_t,
    *const c_char,
    *const c_void,
    *const c_void,
    *const *mut c_char,
    *const *mut c_char,
) -> c_int;

#[unsafe(no_mangle)]
unsafe extern "C" fn posix_spawnp(
    pid: *mut pid_t,
    file: *const c_char,
    actions: *const c_void,
    attributes: *const c_void,
    arguments: *const *mut c_char,
    environment: *const *mut c_char,
) -> c_int {
    if refuse("posix_spawnp (a process)", PROCESS_REMEDY) {
        return libc::EAGAIN;
    }
    // SAFETY: the original has this type; the arguments are the caller's.
    unsafe {
        let original = std::mem::transmute::<*mut c_void, PosixSpawn>(POSIX_SPAWNP.get());
        original(pid, file, actions, attributes, arguments, environment)
    }
}

macro_rules! refused_pair {
    ($($name:ident, $number:ident, $call:literal, $remedy:literal;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(a: usize, b: usize, c: usize, d: usize) -> c_int {
            if refuse($call, $remedy) {
                // SAFETY: `errno` is the calling thread's own.
                unsafe { *libc::__errno_location() = libc::ENOSYS };
                return -1;
            }
            // SAFETY: the caller's, as for the system call of the same name.
            unsafe { real::syscall(libc::$number, [a, b, c, d, 0, 0]) as c_int }
        }
    )*};
}

refused_pair! {
    socketpair, SYS_socketpair, "socketpair (Unix sockets)", "use a tokio channel or TCP";
    pipe2, SYS_pipe2, "pipe2 (a pipe)", "use a tokio channel";
    timerfd_create, SYS_timerfd_create, "timerfd_create (a timer)", "use tokio::time";
}

/// What this file defines, for the check at the start.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![fork, posix_spawnp, socketpair, pipe2, timerfd_create]
}
