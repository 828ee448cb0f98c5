//! `syscall(2)`: calls by number. On a machine, each does what the function of the same name does,
//! or is refused: an unknown call would reach the host.

use super::answers::fail;
use super::audit::asked;
use super::entropy::fill_or_get;
use super::futex::futex;
use super::here::{EntryPoint, machine};
use super::real;
use super::refuse::refuse;
use crate::audit::Call;
use crate::kernel::errno::Errno;
use libc::{c_long, c_uint, c_void};

/// Calls that concern only the memory of the process and its threads, which are the host's.
const OF_MEMORY: [c_long; 7] = [
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_brk,
    libc::SYS_membarrier,
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
];

/// Maps the numbers of system calls to functions.
macro_rules! functions {
    ($($number:ident $name:ident;)*) => {
        // The functions are either ours, or libc's, which call ours or stay inside the process.
        mod declared {
            unsafe extern "C" {
                $(pub(super) fn $name(a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> isize;)*
            }
        }

        /// Calls the function with this number; none if there is none.
        ///
        /// # Safety
        ///
        /// The arguments must be as for the system call.
        unsafe fn call(number: c_long, arguments: [usize; 6]) -> Option<isize> {
            let [a, b, c, d, e, f] = arguments;
            match number {
                // SAFETY: guaranteed by the caller; Linux passes all these arguments in registers,
                // whatever their types and number.
                $(libc::$number => Some(unsafe { declared::$name(a, b, c, d, e, f) }),)*
                _ => None,
            }
        }
    };
}

functions! {
    SYS_read read;
    SYS_write write;
    SYS_readv readv;
    SYS_writev writev;
    SYS_close close;
    SYS_dup dup;
    SYS_fcntl fcntl;
    SYS_ioctl ioctl;
    SYS_socket socket;
    SYS_socketpair socketpair;
    SYS_bind bind;
    SYS_listen listen;
    SYS_accept accept;
    SYS_accept4 accept4;
    SYS_connect connect;
    SYS_shutdown shutdown;
    SYS_getsockname getsockname;
    SYS_getpeername getpeername;
    SYS_getsockopt getsockopt;
    SYS_setsockopt setsockopt;
    SYS_sendto sendto;
    SYS_recvfrom recvfrom;
    SYS_sendmsg sendmsg;
    SYS_recvmsg recvmsg;
    SYS_sendmmsg sendmmsg;
    SYS_recvmmsg recvmmsg;
    SYS_pipe2 pipe2;
    SYS_epoll_create1 epoll_create1;
    SYS_epoll_ctl epoll_ctl;
    SYS_epoll_pwait epoll_pwait;
    SYS_eventfd2 eventfd;
    SYS_ppoll ppoll;
    SYS_openat openat;
    SYS_mmap mmap;
    SYS_munmap munmap;
    SYS_mremap mremap;
    SYS_msync msync;
    SYS_pread64 pread64;
    SYS_pwrite64 pwrite64;
    SYS_lseek lseek;
    SYS_ftruncate ftruncate;
    SYS_fallocate fallocate;
    SYS_fsync fsync;
    SYS_fdatasync fdatasync;
    SYS_flock flock;
    SYS_fstat fstat;
    SYS_newfstatat fstatat;
    SYS_statx statx;
    SYS_mkdirat mkdirat;
    SYS_unlinkat unlinkat;
    SYS_renameat2 renameat2;
    SYS_linkat linkat;
    SYS_symlinkat symlinkat;
    SYS_readlinkat readlinkat;
    SYS_faccessat faccessat;
    SYS_utimensat utimensat;
    SYS_chdir chdir;
    SYS_umask umask;
    SYS_copy_file_range copy_file_range;
    SYS_sendfile sendfile;
    SYS_clock_gettime clock_gettime;
    SYS_nanosleep nanosleep;
    SYS_sched_yield sched_yield;
    SYS_gettimeofday gettimeofday;
    SYS_getpid getpid;
    SYS_getppid getppid;
    SYS_gettid gettid;
    SYS_getuid getuid;
    SYS_geteuid geteuid;
    SYS_getgid getgid;
    SYS_getegid getegid;
    SYS_kill kill;
    SYS_uname uname;
    SYS_getrusage getrusage;
    SYS_wait4 wait4;
    SYS_prctl prctl;
    SYS_exit_group _exit;
}

/// The result of a function, which may be an int: then its upper half is undefined.
fn widened(answer: isize) -> isize {
    const FAILED: isize = u32::MAX as isize;
    match answer {
        FAILED => -1,
        _ => answer,
    }
}

/// Variadic in C; Linux passes these arguments in registers, except for the last on x86_64, which
/// is not missed by any system call that takes fewer.
#[unsafe(no_mangle)]
unsafe extern "C" fn syscall(
    number: c_long,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> c_long {
    // SAFETY: guaranteed by the caller, as for the system call.
    unsafe {
        let arguments = [a, b, c, d, e, f];
        let answered = match number {
            libc::SYS_getrandom => {
                asked(|| Call::entropy("syscall", b).of("SYS_getrandom"));
                Some(fill_or_get(a as *mut c_void, b, c as c_uint))
            }
            libc::SYS_futex => futex(arguments),
            _ if OF_MEMORY.contains(&number) || machine(|_| ()).is_none() => {
                asked(|| Call::number("syscall", number));
                None
            }
            _ => Some(call(number, arguments).map_or_else(|| unknown(number), widened)),
        };
        answered.unwrap_or_else(|| real::syscall(number, arguments)) as c_long
    }
}

fn unknown(number: c_long) -> isize {
    let remedy = "call libc's function of that name, if there is one: system.md lists those that a machine knows";
    refuse(&format!("syscall number {number}"), remedy);
    fail(Errno(libc::ENOSYS))
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![syscall]
}
