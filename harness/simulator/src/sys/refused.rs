//! Calls that cannot be simulated. On a machine they fail and end the run with an error that says
//! what to do instead: silence would be a leak of determinism.

use super::real::{self, Original};
use super::{EntryPoint, machine};
use libc::{
    addrinfo, c_char, c_int, c_uint, c_void, clockid_t, pid_t, pollfd, pthread_attr_t, pthread_t,
    timespec, useconds_t,
};

const SLEEP_REMEDY: &str = "use tokio::time::sleep, which takes virtual time";
const THREAD_REMEDY: &str =
    "use tokio::spawn; a machine has one thread, so no spawn_blocking, tokio::fs or thread pools";
const PROCESS_REMEDY: &str = "give the other program a machine of its own";

/// Notes the call if a machine runs. True if so.
fn refuse(call: &str, remedy: &'static str) -> bool {
    machine(|kernel| kernel.refuse(call, remedy)).is_some()
}

static PTHREAD_CREATE: Original = Original::new(c"pthread_create");
type ThreadMain = extern "C" fn(*mut c_void) -> *mut c_void;
type PthreadCreate =
    unsafe extern "C" fn(*mut pthread_t, *const pthread_attr_t, ThreadMain, *mut c_void) -> c_int;

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_create(
    thread: *mut pthread_t,
    attributes: *const pthread_attr_t,
    main: ThreadMain,
    argument: *mut c_void,
) -> c_int {
    if refuse("pthread_create (a thread)", THREAD_REMEDY) {
        return libc::EAGAIN;
    }
    // SAFETY: the original has this type; the arguments are the caller's.
    unsafe {
        let original = std::mem::transmute::<*mut c_void, PthreadCreate>(PTHREAD_CREATE.get());
        original(thread, attributes, main, argument)
    }
}

static GETADDRINFO: Original = Original::new(c"getaddrinfo");
type Getaddrinfo = unsafe extern "C" fn(
    *const c_char,
    *const c_char,
    *const addrinfo,
    *mut *mut addrinfo,
) -> c_int;

#[unsafe(no_mangle)]
unsafe extern "C" fn getaddrinfo(
    node: *const c_char,
    service: *const c_char,
    hints: *const addrinfo,
    found: *mut *mut addrinfo,
) -> c_int {
    if refuse(
        "getaddrinfo (a host name)",
        "use the machine's IP address, World::address",
    ) {
        return libc::EAI_FAIL;
    }
    // SAFETY: the original has this type; the arguments are the caller's.
    unsafe {
        let original = std::mem::transmute::<*mut c_void, Getaddrinfo>(GETADDRINFO.get());
        original(node, service, hints, found)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn nanosleep(wanted: *const timespec, left: *mut timespec) -> c_int {
    if refuse("nanosleep (a blocking sleep)", SLEEP_REMEDY) {
        return 0;
    }
    // SAFETY: the caller's, as for nanosleep(2).
    unsafe { real::syscall(libc::SYS_nanosleep, [wanted as _, left as _, 0, 0, 0, 0]) as c_int }
}

/// Unlike the others, this function returns its error number.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_nanosleep(
    clock: clockid_t,
    flags: c_int,
    wanted: *const timespec,
    left: *mut timespec,
) -> c_int {
    if refuse("clock_nanosleep (a blocking sleep)", SLEEP_REMEDY) {
        return 0;
    }
    // SAFETY: the caller's, as for clock_nanosleep(2).
    unsafe {
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
    // SAFETY: a time of our own, and no place for what is left.
    unsafe { nanosleep(&raw const wanted, std::ptr::null_mut()) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sleep(seconds: c_uint) -> c_uint {
    let mut time = timespec {
        tv_sec: seconds.into(),
        tv_nsec: 0,
    };
    // SAFETY: a time of our own, for both purposes as nanosleep(2) allows.
    match unsafe { nanosleep(&raw const time, &raw mut time) } {
        0 => 0,
        _ => time.tv_sec as c_uint,
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn poll(fds: *mut pollfd, count: libc::nfds_t, timeout_ms: c_int) -> c_int {
    if timeout_ms != 0 && refuse("poll (a blocking wait)", "use tokio's sockets") {
        return -1;
    }
    let limit = timespec {
        tv_sec: (timeout_ms / 1000).into(),
        tv_nsec: i64::from(timeout_ms % 1000) * 1_000_000,
    };
    let limit = if timeout_ms < 0 {
        std::ptr::null()
    } else {
        &raw const limit
    };
    // SAFETY: the caller's, as for poll(2), which aarch64 has only as ppoll.
    unsafe { real::syscall(libc::SYS_ppoll, [fds as _, count as _, limit as _, 0, 8, 0]) as c_int }
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
    entry_points![
        pthread_create,
        getaddrinfo,
        nanosleep,
        clock_nanosleep,
        usleep,
        sleep,
        poll,
        fork,
        posix_spawnp,
        socketpair,
        pipe2,
        timerfd_create
    ]
}
