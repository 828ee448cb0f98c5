//! Calls that cannot be simulated. On a machine they fail and end the run with an error that says
//! what to do instead: silence would be a leak of determinism.

use super::real::{self, Original};
use super::{EntryPoint, fail, machine};
use crate::kernel::{Errno, FIRST_DESCRIPTOR};
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
    timerfd_create, SYS_timerfd_create, "timerfd_create (a timer)", "use tokio::time";
}

refused_pair! {
    chdir, SYS_chdir, "chdir (of the whole real process)", "use absolute paths";
}

/// Calls that the real kernel would do between descriptors, of which those at these places are simulated.
macro_rules! refused_between_descriptors {
    ($($name:ident, $number:ident, $places:expr;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            a: usize,
            b: usize,
            c: usize,
            d: usize,
            e: usize,
            f: usize,
        ) -> isize {
            let arguments = [a, b, c, d, e, f];
            let is_simulated = |&place: &usize| arguments[place] as c_int >= FIRST_DESCRIPTOR;
            if $places.iter().any(is_simulated) && refuse(stringify!($name), "read the bytes, and write them") {
                return fail(Errno(libc::EINVAL));
            }
            // SAFETY: the caller's, as for the system call of the same name.
            unsafe { real::syscall(libc::$number, arguments) }
        }
    )*};
}

refused_between_descriptors! {
    sendfile, SYS_sendfile, [0, 1];
    sendfile64, SYS_sendfile, [0, 1];
    splice, SYS_splice, [0, 2];
    tee, SYS_tee, [0, 1];
    vmsplice, SYS_vmsplice, [0];
    copy_file_range, SYS_copy_file_range, [0, 2];
}

/// What this file defines, for the check at the start.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![
        fork,
        posix_spawnp,
        timerfd_create,
        chdir,
        sendfile,
        sendfile64,
        splice,
        tee,
        vmsplice,
        copy_file_range
    ]
}
