//! The real operating system, for threads on which no machine runs.

use super::end::End;
use libc::{pid_t, pthread_t};
use std::arch::asm;
use std::ffi::{CStr, c_int, c_long, c_void};
use std::io;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::time::Duration;

/// Makes a system call as libc's `syscall` would, without calling any of our own functions.
///
/// # Safety
///
/// As for the system call.
pub(crate) unsafe fn syscall(number: c_long, arguments: [usize; 6]) -> isize {
    // SAFETY: guaranteed by the caller.
    let result = unsafe { trap(number, arguments) };
    match result {
        -4095..=-1 => {
            // SAFETY: `errno` is the calling thread's own.
            unsafe { *libc::__errno_location() = -result as c_int };
            -1
        }
        _ => result,
    }
}

#[cfg(target_arch = "x86_64")]
unsafe fn trap(number: c_long, [a, b, c, d, e, f]: [usize; 6]) -> isize {
    let result;
    // SAFETY: the x86_64 convention of Linux (syscall(2)): the kernel clobbers rcx and r11.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

#[cfg(target_arch = "aarch64")]
unsafe fn trap(number: c_long, [a, b, c, d, e, f]: [usize; 6]) -> isize {
    let result;
    // SAFETY: the aarch64 convention of Linux (syscall(2)).
    unsafe {
        asm!(
            "svc #0",
            in("x8") number,
            inlateout("x0") a => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            options(nostack),
        );
    }
    result
}

/// The host's number for the calling thread.
pub(crate) fn thread_id() -> c_int {
    // SAFETY: this call has no arguments and cannot fail.
    unsafe { trap(libc::SYS_gettid, [0; 6]) as c_int }
}

/// Waits on the host, if the word has this value, until [`wake`] is called for it, or at most this
/// long.
pub(crate) fn wait(word: &AtomicU32, value: u32, limit: Option<Duration>) {
    let limit = limit.map(|limit| libc::timespec {
        tv_sec: limit.as_secs() as _,
        tv_nsec: limit.subsec_nanos().into(),
    });
    let limit = limit.as_ref().map_or(ptr::null(), ptr::from_ref);
    let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    let arguments = [
        word.as_ptr() as usize,
        operation as _,
        value as _,
        limit as _,
        0,
        0,
    ];
    // SAFETY: the word and the time are valid for the call. However it ends, the caller checks
    // again.
    unsafe { trap(libc::SYS_futex, arguments) };
}

/// Wakes one waiter for this word.
pub(crate) fn wake(word: &AtomicU32) {
    let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the kernel uses the word only as a name.
    unsafe {
        trap(
            libc::SYS_futex,
            [word.as_ptr() as usize, operation as _, 1, 0, 0, 0],
        )
    };
}

/// Blocks all signals in the calling thread, including libc's own.
pub(crate) fn block_signals() {
    let all = u64::MAX;
    let set = &raw const all as usize;
    let arguments = [libc::SIG_BLOCK as _, set, 0, size_of_val(&all), 0, 0];
    // SAFETY: the set is ours and has the size that the kernel expects; no place is given for the
    // old one.
    unsafe { trap(libc::SYS_rt_sigprocmask, arguments) };
}

/// Blocks a signal in the calling thread, or unblocks it.
pub(crate) fn mask_signal(signal: c_int, keep_away: bool) {
    let only = 1_u64 << (signal - 1);
    let how = if keep_away {
        libc::SIG_BLOCK
    } else {
        libc::SIG_UNBLOCK
    };
    let set = &raw const only as usize;
    let arguments = [how as _, set, 0, size_of_val(&only), 0, 0];
    // SAFETY: as in `block_signals`.
    unsafe { trap(libc::SYS_rt_sigprocmask, arguments) };
}

/// Waits until a thread has really ended.
///
/// # Safety
///
/// The thread must be joinable, and nothing else may join it.
pub(crate) unsafe fn join(thread: pthread_t) {
    type PthreadJoin = unsafe extern "C" fn(pthread_t, *mut *mut c_void) -> c_int;
    static PTHREAD_JOIN: Original = Original::new(c"pthread_join");
    // SAFETY: the original has this type; the rest is the caller's.
    unsafe {
        let join = std::mem::transmute::<*mut c_void, PthreadJoin>(PTHREAD_JOIN.get());
        join(thread, ptr::null_mut());
    }
}

/// Libc's own version of a function that we define too, looked up once.
pub(crate) struct Original {
    name: &'static CStr,
    found: AtomicPtr<c_void>,
}

impl Original {
    pub(crate) const fn new(name: &'static CStr) -> Self {
        Self {
            name,
            found: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// The function's address, never null.
    pub(crate) fn get(&self) -> *mut c_void {
        let found = self.found.load(Ordering::Relaxed);
        if !found.is_null() {
            return found;
        }
        // SAFETY: the name is a C string; dlsym only looks it up.
        let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
        assert!(!found.is_null(), "libc has {:?}", self.name);
        self.found.store(found, Ordering::Relaxed);
        found
    }
}

/// Makes a copy of the process that has only the calling thread. Returns 0 in the copy.
///
/// This is not libc's `fork`: in the copy, that one reclaims the stacks and thread-locals of all
/// other threads, but a world continues to use those that are [lent](super::Loan).
///
/// # Errors
///
/// As `fork(2)`.
///
/// # Safety
///
/// As `fork(2)`: what other threads had locked stays locked in the copy. There, libc still believes
/// the calling thread to have its old number.
pub(crate) unsafe fn fork() -> io::Result<pid_t> {
    // SAFETY: without flags nothing is shared, and the stack is that of the caller.
    let child = unsafe { trap(libc::SYS_clone, [libc::SIGCHLD as _, 0, 0, 0, 0, 0]) };
    match child {
        0.. => Ok(child as pid_t),
        error => Err(io::Error::from_raw_os_error(-error as c_int)),
    }
}

/// Ends the process at once: no destructors, no buffers.
pub(crate) fn exit(code: c_int) -> ! {
    loop {
        // SAFETY: nothing follows.
        unsafe { trap(libc::SYS_exit_group, [code as _, 0, 0, 0, 0, 0]) };
    }
}

/// The number of this process.
pub(crate) fn process() -> pid_t {
    // SAFETY: this call has no arguments.
    unsafe { trap(libc::SYS_getpid, [0; 6]) as pid_t }
}

/// Makes this process end together with the thread that started it, which belongs to `parent`; or
/// at once, if that is already gone.
pub(crate) fn end_with(parent: pid_t) {
    let arguments = [libc::PR_SET_PDEATHSIG as _, libc::SIGKILL as _, 0, 0, 0, 0];
    // SAFETY: this option takes a signal, and the other call has no arguments.
    let now = unsafe {
        trap(libc::SYS_prctl, arguments);
        trap(libc::SYS_getppid, [0; 6]) as pid_t
    };
    if now != parent {
        exit(1);
    }
}

/// Makes a descriptor refer to what another one refers to.
pub(crate) fn replace(fd: c_int, with: c_int) {
    // SAFETY: the descriptors are the caller's.
    unsafe { trap(libc::SYS_dup3, [with as _, fd as _, 0, 0, 0, 0]) };
}

pub(crate) fn kill(process: pid_t, signal: c_int) {
    // SAFETY: this call takes no pointers.
    unsafe { trap(libc::SYS_kill, [process as _, signal as _, 0, 0, 0, 0]) };
}

/// How a child ended, if it has.
pub(crate) fn try_wait(child: pid_t) -> Option<End> {
    let mut status: c_int = 0;
    let place = &raw mut status as usize;
    let arguments = [child as _, place, libc::WNOHANG as _, 0, 0, 0];
    // SAFETY: the place is ours, and no other pointer is given.
    let ended = unsafe { trap(libc::SYS_wait4, arguments) };
    match ended {
        0 => None,
        _ if libc::WIFSIGNALED(status) => Some(End::Signal(libc::WTERMSIG(status))),
        _ => Some(End::Code(libc::WEXITSTATUS(status))),
    }
}

/// How much memory a process has in use, in bytes; zero if unknown.
pub(crate) fn resident_memory(process: pid_t) -> u64 {
    const PAGE: u64 = 4096;
    let told = std::fs::read_to_string(format!("/proc/{process}/statm")).unwrap_or_default();
    let resident = told.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    resident.unwrap_or(0_u64) * PAGE
}

/// Waits, at most this long, until one of two descriptors has something to read or has ended.
/// Returns which of them.
pub(crate) fn wait_for_input(fds: [c_int; 2], limit: Duration) -> [bool; 2] {
    let mut asked = fds.map(|fd| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    });
    let limit = libc::timespec {
        tv_sec: limit.as_secs() as _,
        tv_nsec: limit.subsec_nanos().into(),
    };
    let (place, limit) = (asked.as_mut_ptr() as usize, &raw const limit as usize);
    // SAFETY: there are two of them, and the time is ours; no set of signals is given.
    unsafe { trap(libc::SYS_ppoll, [place, asked.len(), limit, 0, 8, 0]) };
    asked.map(|asked| asked.revents != 0)
}

/// Gives whole pages of memory back to the host. When they are next used, they are zero.
///
/// # Safety
///
/// What is in them must not be needed any more.
pub(super) unsafe fn give_back(pages: Range<usize>) {
    let advice = libc::MADV_DONTNEED as usize;
    // SAFETY: guaranteed by the caller.
    unsafe {
        trap(
            libc::SYS_madvise,
            [pages.start, pages.len(), advice, 0, 0, 0],
        )
    };
}

/// A host file mapped into memory for reading.
pub(crate) struct Mapped {
    start: *const u8,
    length: usize,
}

impl Mapped {
    /// The executable of this process.
    pub(crate) fn executable() -> Option<Self> {
        let file = std::fs::File::open("/proc/self/exe").ok()?;
        let length = usize::try_from(file.metadata().ok()?.len()).ok()?;
        let (protection, flags) = (libc::PROT_READ as usize, libc::MAP_PRIVATE as usize);
        let arguments = [0, length, protection, flags, file.as_raw_fd() as _, 0];
        // SAFETY: this is a new mapping, placed by the host.
        match unsafe { trap(libc::SYS_mmap, arguments) } {
            -4095..=0 => None,
            start => Some(Self {
                start: start as *const u8,
                length,
            }),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: it stays mapped as long as `self` exists; a running executable is not written to.
        unsafe { std::slice::from_raw_parts(self.start, self.length) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: no reference into it is left.
        unsafe { trap(libc::SYS_munmap, [self.start as _, self.length, 0, 0, 0, 0]) };
    }
}
