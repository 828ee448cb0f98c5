//! `futex(2)`, on which std, tokio and parking_lot build their locks, channels and parking. They
//! call it through `syscall`, so a thread of a machine waits here and nowhere else.
//!
//! Worlds running in parallel share the locks of the host's process: those of std's panic hook, of
//! lazily built tables, of parking_lot's queues. A thread that waits for one of those waits for
//! another world, really and only briefly, and no other thread of its machine may run in the
//! meantime. Such locks are in the program's static memory, or their waiters wait at a word on
//! their own stacks, as in parking_lot's queues; the locks of a machine hardly ever do, and this is
//! how the two are told apart. If another world does not release its lock for long, the machine
//! checks again from time to time. A thread that is alone in its process cannot be waiting for
//! another thread of the process, so it waits for other worlds.

use super::answers::{fail, unnoticed_call};
use super::here::{machine, other_worlds};
use super::myself::has_others;
use super::refuse::refuse;
use super::time::time_at;
use super::{myself, real, waiting};
use crate::kernel::SharedKernel;
use crate::kernel::errno::Errno;
use crate::kernel::threads::{Outcome, Wait};
use libc::{c_int, c_void, dl_phdr_info, size_t, timespec};
use std::ops::Range;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How long another world may hold a lock before the lock is assumed to be one of the machine's
/// own.
const FOR_OTHER_WORLDS: Duration = Duration::from_millis(100);

/// How long a machine waits before it checks again whether another world has released a lock after
/// all, in nanoseconds of its own time: it doubles each time.
const FIRST_PAUSE: u64 = 1_000_000;
const LAST_PAUSE: u64 = 1_000_000_000;

/// The part of `futex(2)` that a machine answers; none if it is left to the host.
///
/// # Safety
///
/// The arguments must be as for `futex(2)`.
pub(super) unsafe fn futex(arguments: [usize; 6]) -> Option<isize> {
    machine(|_| ())?;
    let [address, operation, value, limit, _, bits] = arguments;
    let clock = match operation as c_int & libc::FUTEX_CLOCK_REALTIME {
        0 => libc::CLOCK_MONOTONIC,
        _ => libc::CLOCK_REALTIME,
    };
    // SAFETY: from the caller: a word to wait for, and a time limit or null.
    let (word, limit) = unsafe {
        let word = AtomicU32::from_ptr(address as *mut u32);
        (word, (limit as *const timespec).as_ref())
    };
    let value = value as u32;
    match operation as c_int & !(libc::FUTEX_PRIVATE_FLAG | libc::FUTEX_CLOCK_REALTIME) {
        libc::FUTEX_WAIT => {
            let until = limit.and_then(|limit| time_at(clock, false, limit));
            Some(wait(word, value, until, u32::MAX))
        }
        libc::FUTEX_WAIT_BITSET => {
            let until = limit.and_then(|limit| time_at(clock, true, limit));
            Some(wait(word, value, until, bits as u32))
        }
        libc::FUTEX_WAKE => wake(arguments, u32::MAX),
        libc::FUTEX_WAKE_BITSET => wake(arguments, bits as u32),
        operation if has_others() => {
            let call = format!("futex with operation {operation}");
            refuse(&call, "use locks that wait and wake only");
            Some(fail(Errno(libc::ENOSYS)))
        }
        _ => None,
    }
}

fn wait(word: &AtomicU32, value: u32, until: Option<u64>, bits: u32) -> isize {
    if word.load(Ordering::SeqCst) != value {
        return fail(Errno(libc::EAGAIN));
    }
    let wait = Wait::Futex {
        address: word.as_ptr() as usize,
        value,
        bits,
    };
    if until.is_none() && other_worlds() && may_be_of_another_world(word) {
        wait_for_other_worlds(word, value, &wait);
        return 0;
    }
    match waiting::wait_or_signal(wait, until) {
        Ok(Outcome::TimedOut) => fail(Errno(libc::ETIMEDOUT)),
        Ok(_) => 0,
        // A waiter checks the word again, whether or not its handlers restart calls.
        Err(_) => fail(Errno(libc::EINTR)),
    }
}

fn may_be_of_another_world(word: &AtomicU32) -> bool {
    !has_others() || is_static(word) || myself::is_on_stack(word.as_ptr() as usize)
}

fn wait_for_other_worlds(word: &AtomicU32, value: u32, wait: &Wait) {
    real::wait(word, value, Some(FOR_OTHER_WORLDS));
    let mut pause = FIRST_PAUSE;
    while word.load(Ordering::SeqCst) == value {
        let until = machine(|kernel| kernel.time_of_process().saturating_add(pause));
        if waiting::wait(wait.clone(), until) == Outcome::Woken {
            return;
        }
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

/// Wakes threads of the machine whose word has been changed by another world, which cannot wake
/// them itself. False if there are none.
pub(super) fn wake_changed(kernel: &SharedKernel) -> bool {
    let changed = |address: usize, value: u32| {
        // SAFETY: the thread that waits there keeps the word alive. It was aligned for the wait.
        let word = unsafe { AtomicU32::from_ptr(address as *mut u32) };
        word.load(Ordering::SeqCst) != value
    };
    kernel.borrow_mut().threads.wake_changed(changed) > 0
}

/// Wakes those of the machine first, then those of the host: another world may be waiting for the
/// same lock.
fn wake(arguments: [usize; 6], bits: u32) -> Option<isize> {
    let [address, operation, most, rest @ ..] = arguments;
    let woken = machine(|kernel| kernel.threads.wake(address, most, bits)).unwrap_or(0);
    if woken == 0 {
        return None;
    }
    let most = most.saturating_sub(woken);
    if most == 0 {
        return Some(woken as isize);
    }
    let [a, b, c] = rest;
    // SAFETY: the host's kernel uses the address only as a name.
    let others = unsafe { real::syscall(libc::SYS_futex, [address, operation, most, a, b, c]) };
    unnoticed_call(|_| ());
    Some(woken as isize + others.max(0))
}

/// Whether a word is in the static memory of the executable or of a library.
fn is_static(word: &AtomicU32) -> bool {
    static MEMORY: OnceLock<Vec<Range<usize>>> = OnceLock::new();
    let memory = MEMORY.get_or_init(|| {
        let mut memory = Vec::new();
        // SAFETY: the function takes a library and the list, as `dl_iterate_phdr(3)` passes them.
        unsafe { libc::dl_iterate_phdr(Some(add_writable), (&raw mut memory).cast()) };
        memory
    });
    let address = word.as_ptr() as usize;
    memory.iter().any(|range| range.contains(&address))
}

/// Adds the location of a library's variables.
unsafe extern "C" fn add_writable(info: *mut dl_phdr_info, _: size_t, to: *mut c_void) -> c_int {
    // SAFETY: libc's description of a loaded library, and the list of `is_static`.
    let (headers, base, memory) = unsafe {
        let info = &*info;
        let headers = std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into());
        (
            headers,
            info.dlpi_addr as usize,
            &mut *to.cast::<Vec<Range<usize>>>(),
        )
    };
    let writable = headers
        .iter()
        .filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W != 0);
    memory.extend(writable.map(|header| {
        let start = base + header.p_vaddr as usize;
        start..start + header.p_memsz as usize
    }));
    0
}
