//! Calls that cannot be simulated. On a machine they fail and end the run with an error that says
//! what to do instead: silently allowing them would break determinism.

use super::answers::fail;
use super::here::{EntryPoint, machine};
use super::refuse::refuse;
use crate::host::real::{self, Original};
use crate::kernel::FIRST_DESCRIPTOR;
use crate::kernel::errno::Errno;
use libc::{c_int, c_uint, c_void};
use std::arch::naked_asm;

const PROCESS_REMEDY: &str = "give the other program a machine of its own";

/// Whether a program of a machine is about to write to a host descriptor other than its standard
/// output or error. That stops the run.
pub(super) fn writes_to_the_host(call: &str, fd: c_int) -> bool {
    let is_own = fd >= FIRST_DESCRIPTOR || matches!(fd, libc::STDOUT_FILENO | libc::STDERR_FILENO);
    let remedy = "open it on the machine: what is open outside of it is the real computer's";
    !is_own && fd >= 0 && refuse(&format!("{call}, to a descriptor of the host,"), remedy)
}

/// Functions that machines do not support, with the value they then return. They take up to six
/// arguments, which Linux passes in registers whatever their types.
macro_rules! refused {
    ($($name:ident, $words:literal, $remedy:expr, $failure:expr;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            a: usize,
            b: usize,
            c: usize,
            d: usize,
            e: usize,
            f: usize,
        ) -> isize {
            if refuse(concat!(stringify!($name), " (", $words, ")"), $remedy) {
                fail(Errno(libc::ENOSYS));
                return $failure;
            }
            static ORIGINAL: Original = original!($name);
            // SAFETY: the original takes these arguments, or fewer; they are the caller's.
            unsafe {
                let original = std::mem::transmute::<*mut c_void, OfSix>(ORIGINAL.get());
                original(a, b, c, d, e, f)
            }
        }
    )*};
}

/// libc's own function of this name.
macro_rules! original {
    ($name:ident) => {
        Original::new(
            const {
                match ::std::ffi::CStr::from_bytes_with_nul(
                    concat!(stringify!($name), "\0").as_bytes(),
                ) {
                    Ok(name) => name,
                    Err(_) => unreachable!(),
                }
            },
        )
    };
}

type OfSix = unsafe extern "C" fn(usize, usize, usize, usize, usize, usize) -> isize;

const FAILED: isize = -1;
const NULL: isize = 0;

const TIMER_REMEDY: &str = "use tokio::time, or a thread that sleeps";
const WATCH_REMEDY: &str = "poll the files";
const SHARED_REMEDY: &str = "a machine has one process: use memory of its own, or sockets";
const DUPLICATE_REMEDY: &str = "duplicate it with dup or F_DUPFD, which give it a new number";
const OUTSIDE_REMEDY: &str = "leave it out: it would be done to the real process or computer";

refused! {
    fork, "a process", PROCESS_REMEDY, FAILED;
    _Fork, "a process", PROCESS_REMEDY, FAILED;
    posix_spawn, "a process", PROCESS_REMEDY, libc::EAGAIN as isize;
    posix_spawnp, "a process", PROCESS_REMEDY, libc::EAGAIN as isize;
    posix_spawn_file_actions_adddup2, "a process", PROCESS_REMEDY, libc::ENOSYS as isize;
    system, "a process", PROCESS_REMEDY, FAILED;
    popen, "a process", PROCESS_REMEDY, NULL;
    daemon, "a process", PROCESS_REMEDY, FAILED;
    forkpty, "a process", PROCESS_REMEDY, FAILED;
    execv, "another program", PROCESS_REMEDY, FAILED;
    execve, "another program", PROCESS_REMEDY, FAILED;
    execvp, "another program", PROCESS_REMEDY, FAILED;
    execvpe, "another program", PROCESS_REMEDY, FAILED;
    execveat, "another program", PROCESS_REMEDY, FAILED;
    fexecve, "another program", PROCESS_REMEDY, FAILED;
    ualarm, "a timer", TIMER_REMEDY, FAILED;
    setitimer, "a timer", TIMER_REMEDY, FAILED;
    timer_create, "a timer", TIMER_REMEDY, FAILED;
    timerfd_create, "a timer", TIMER_REMEDY, FAILED;
    inotify_init, "watching files", WATCH_REMEDY, FAILED;
    inotify_init1, "watching files", WATCH_REMEDY, FAILED;
    fanotify_init, "watching files", WATCH_REMEDY, FAILED;
    shm_open, "shared memory", SHARED_REMEDY, FAILED;
    shm_unlink, "shared memory", SHARED_REMEDY, FAILED;
    shmget, "shared memory", SHARED_REMEDY, FAILED;
    memfd_create, "shared memory", SHARED_REMEDY, FAILED;
    sem_open, "a semaphore with a name", SHARED_REMEDY, NULL;
    sem_unlink, "a semaphore with a name", SHARED_REMEDY, FAILED;
    semget, "semaphores of several processes", SHARED_REMEDY, FAILED;
    mq_open, "a queue with a name", SHARED_REMEDY, FAILED;
    msgget, "a queue of several processes", SHARED_REMEDY, FAILED;
    dup2, "a descriptor in place of another", DUPLICATE_REMEDY, FAILED;
    dup3, "a descriptor in place of another", DUPLICATE_REMEDY, FAILED;
    ptrace, "another process", OUTSIDE_REMEDY, FAILED;
    process_vm_readv, "another process", OUTSIDE_REMEDY, FAILED;
    process_vm_writev, "another process", OUTSIDE_REMEDY, FAILED;
    sigqueue, "another process", OUTSIDE_REMEDY, FAILED;
    setsid, "a session", OUTSIDE_REMEDY, FAILED;
    setpgid, "a process group", OUTSIDE_REMEDY, FAILED;
    posix_openpt, "a terminal", OUTSIDE_REMEDY, FAILED;
    openpty, "a terminal", OUTSIDE_REMEDY, FAILED;
    chroot, "of the whole real process", OUTSIDE_REMEDY, FAILED;
    mount, "of the whole real computer", OUTSIDE_REMEDY, FAILED;
    umount, "of the whole real computer", OUTSIDE_REMEDY, FAILED;
    umount2, "of the whole real computer", OUTSIDE_REMEDY, FAILED;
    unshare, "of the whole real process", OUTSIDE_REMEDY, FAILED;
    setns, "of the whole real process", OUTSIDE_REMEDY, FAILED;
    reboot, "of the whole real computer", OUTSIDE_REMEDY, FAILED;
    sethostname, "of the whole real computer", OUTSIDE_REMEDY, FAILED;
    setdomainname, "of the whole real computer", OUTSIDE_REMEDY, FAILED;
    settimeofday, "of the whole real computer", OUTSIDE_REMEDY, FAILED;
    clock_settime, "of the whole real computer", OUTSIDE_REMEDY, FAILED;
    adjtimex, "of the whole real computer", OUTSIDE_REMEDY, FAILED;
    setuid, "of the whole real process", OUTSIDE_REMEDY, FAILED;
    setgid, "of the whole real process", OUTSIDE_REMEDY, FAILED;
    seteuid, "of the whole real process", OUTSIDE_REMEDY, FAILED;
    setegid, "of the whole real process", OUTSIDE_REMEDY, FAILED;
    setreuid, "of the whole real process", OUTSIDE_REMEDY, FAILED;
    setregid, "of the whole real process", OUTSIDE_REMEDY, FAILED;
    setresuid, "of the whole real process", OUTSIDE_REMEDY, FAILED;
    setresgid, "of the whole real process", OUTSIDE_REMEDY, FAILED;
    setgroups, "of the whole real process", OUTSIDE_REMEDY, FAILED;
    setpriority, "of the whole real process", OUTSIDE_REMEDY, FAILED;
    nice, "of the whole real process", OUTSIDE_REMEDY, FAILED;
    sched_setscheduler, "of the whole real process", OUTSIDE_REMEDY, FAILED;
    sched_setaffinity, "of the whole real process", OUTSIDE_REMEDY, FAILED;
    personality, "of the whole real process", OUTSIDE_REMEDY, FAILED;
}

/// A child of vfork(2) returns on its parent's stack, which does not work through us. The request
/// amounts to fork(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn vfork() -> isize {
    // SAFETY: guaranteed by the caller: a copy has everything that the child may use, and more.
    unsafe { fork(0, 0, 0, 0, 0, 0) }
}

/// Variadic in C, with up to seven arguments.
#[unsafe(no_mangle)]
unsafe extern "C" fn clone(
    main: usize,
    stack: usize,
    flags: usize,
    argument: usize,
    parent: usize,
    tls: usize,
    child: usize,
) -> isize {
    if refuse("clone (a process)", PROCESS_REMEDY) {
        return fail(Errno(libc::ENOSYS));
    }
    static CLONE: Original = Original::new(c"clone");
    type Clone = unsafe extern "C" fn(usize, usize, usize, usize, usize, usize, usize) -> isize;
    // SAFETY: the original has this type; the arguments are the caller's.
    unsafe {
        let original = std::mem::transmute::<*mut c_void, Clone>(CLONE.get());
        original(main, stack, flags, argument, parent, tls, child)
    }
}

/// Variadic in C, with any number of arguments: if no machine runs, the original finds all of them
/// in place.
macro_rules! refused_variadic {
    ($($name:ident, $target:ident;)*) => {$(
        #[unsafe(naked)]
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name() -> isize {
            #[cfg(target_arch = "x86_64")]
            naked_asm!(
                "push rdi",
                "push rsi",
                "push rdx",
                "push rcx",
                "push r8",
                "push r9",
                "push rax",
                "call {target}",
                "mov r11, rax",
                "pop rax",
                "pop r9",
                "pop r8",
                "pop rcx",
                "pop rdx",
                "pop rsi",
                "pop rdi",
                "jmp r11",
                target = sym $target,
            );
            #[cfg(target_arch = "aarch64")]
            naked_asm!(
                "stp x0, x1, [sp, #-80]!",
                "stp x2, x3, [sp, #16]",
                "stp x4, x5, [sp, #32]",
                "stp x6, x7, [sp, #48]",
                "str x30, [sp, #64]",
                "bl {target}",
                "mov x16, x0",
                "ldr x30, [sp, #64]",
                "ldp x6, x7, [sp, #48]",
                "ldp x4, x5, [sp, #32]",
                "ldp x2, x3, [sp, #16]",
                "ldp x0, x1, [sp], #80",
                "br x16",
                target = sym $target,
            );
        }

        /// The function that the call goes on to.
        extern "C" fn $target() -> usize {
            static ORIGINAL: Original = original!($name);
            match refuse(concat!(stringify!($name), " (another program)"), PROCESS_REMEDY) {
                true => not_done as *const () as usize,
                false => ORIGINAL.get() as usize,
            }
        }
    )*};
}

extern "C" fn not_done() -> isize {
    fail(Errno(libc::ENOSYS))
}

refused_variadic! {
    execl, target_of_execl;
    execlp, target_of_execlp;
    execle, target_of_execle;
}

/// The time until SIGALRM, in whole seconds; no alarm is ever pending on a machine, so zero cancels
/// nothing.
#[unsafe(no_mangle)]
unsafe extern "C" fn alarm(seconds: c_uint) -> c_uint {
    if machine(|_| ()).is_some() {
        if seconds > 0 {
            refuse("alarm (a timer)", TIMER_REMEDY);
        }
        return 0;
    }
    static ALARM: Original = Original::new(c"alarm");
    type Alarm = unsafe extern "C" fn(c_uint) -> c_uint;
    // SAFETY: the original has this type.
    unsafe { std::mem::transmute::<*mut c_void, Alarm>(ALARM.get())(seconds) }
}

/// A machine's process has no children.
macro_rules! waits_for_children {
    ($($name:ident),*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(a: usize, b: usize, c: usize, d: usize) -> isize {
            if machine(|_| ()).is_some() {
                return fail(Errno(libc::ECHILD));
            }
            static ORIGINAL: Original = original!($name);
            // SAFETY: the original takes these arguments, or fewer; they are the caller's.
            unsafe {
                let original = std::mem::transmute::<*mut c_void, OfSix>(ORIGINAL.get());
                original(a, b, c, d, 0, 0)
            }
        }
    )*};
}

waits_for_children! { wait, waitpid, waitid, wait3, wait4 }

/// The harmless options of `prctl(2)`: names of threads and of memory, and queries.
const HARMLESS: [c_int; 7] = [
    libc::PR_SET_NAME,
    libc::PR_GET_NAME,
    libc::PR_GET_DUMPABLE,
    libc::PR_GET_NO_NEW_PRIVS,
    libc::PR_GET_SECCOMP,
    libc::PR_GET_THP_DISABLE,
    libc::PR_SET_VMA,
];

/// Variadic in C. The real call, not libc's function: memory allocators make it before functions
/// can be looked up.
#[unsafe(no_mangle)]
unsafe extern "C" fn prctl(option: c_int, a: usize, b: usize, c: usize, d: usize) -> c_int {
    if !HARMLESS.contains(&option) && refuse(&format!("prctl with option {option}"), OUTSIDE_REMEDY)
    {
        return fail(Errno(libc::EINVAL)) as c_int;
    }
    // The name would become that of the world's thread.
    if option == libc::PR_SET_NAME && machine(|_| ()).is_some() {
        return 0;
    }
    // SAFETY: guaranteed by the caller, as for prctl(2).
    unsafe { real::syscall(libc::SYS_prctl, [option as _, a, b, c, d, 0]) as c_int }
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![
        fork,
        _Fork,
        vfork,
        clone,
        posix_spawn,
        posix_spawnp,
        posix_spawn_file_actions_adddup2,
        system,
        popen,
        daemon,
        forkpty,
        execl,
        execlp,
        execle,
        execv,
        execve,
        execvp,
        execvpe,
        execveat,
        fexecve,
        ualarm,
        setitimer,
        timer_create,
        timerfd_create,
        inotify_init,
        inotify_init1,
        fanotify_init,
        shm_open,
        shm_unlink,
        shmget,
        memfd_create,
        sem_open,
        sem_unlink,
        semget,
        mq_open,
        msgget,
        dup2,
        dup3,
        ptrace,
        process_vm_readv,
        process_vm_writev,
        sigqueue,
        setsid,
        setpgid,
        posix_openpt,
        openpty,
        chroot,
        mount,
        umount,
        umount2,
        unshare,
        setns,
        reboot,
        sethostname,
        setdomainname,
        settimeofday,
        clock_settime,
        adjtimex,
        setuid,
        setgid,
        seteuid,
        setegid,
        setreuid,
        setregid,
        setresuid,
        setresgid,
        setgroups,
        setpriority,
        nice,
        sched_setscheduler,
        sched_setaffinity,
        personality,
        alarm,
        wait,
        waitpid,
        waitid,
        wait3,
        wait4,
        prctl
    ]
}
