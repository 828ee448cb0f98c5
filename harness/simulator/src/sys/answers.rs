//! How an entry point asks the running machine, and answers as libc does.

use super::here::machine;
use super::{spin, streaks, waiting};
use crate::kernel::Kernel;
use crate::kernel::errno::Errno;
use libc::c_int;

/// As [`machine`](super::here::machine), for a system call whose effects others can notice: a
/// strike can happen at it, and its thread can lose the processor after it.
pub(super) fn call<R>(f: impl FnOnce(&mut Kernel) -> R) -> Option<R> {
    let (mut struck, mut preempted) = (false, false);
    let answer = machine(|kernel| {
        struck = kernel.begin_call();
        preempted = kernel.loses_processor();
        f(kernel)
    });
    if struck {
        waiting::step_back();
    } else if preempted {
        waiting::preempt();
    }
    answer
}

/// As [`machine`](super::here::machine), for a call that nothing else can notice: its thread can
/// still lose the processor after it.
pub(super) fn unnoticed_call<R>(f: impl FnOnce(&mut Kernel) -> R) -> Option<R> {
    let mut preempted = false;
    let answer = machine(|kernel| {
        preempted = kernel.loses_processor();
        f(kernel)
    });
    if preempted {
        waiting::preempt();
    }
    answer
}

/// What a libc function returns: the value, or -1 with `errno` set.
pub(super) fn answer<T: Into<i64>>(result: Result<T, Errno>) -> isize {
    match result {
        Ok(value) => {
            streaks::has_waited();
            value.into() as isize
        }
        Err(errno) => fail(errno),
    }
}

/// [`answer`] for functions that return an int.
pub(super) fn answer_int<T: Into<i64>>(result: Result<T, Errno>) -> c_int {
    answer(result) as c_int
}

pub(super) fn fail(Errno(code): Errno) -> isize {
    if code == libc::EAGAIN {
        spin::has_looked();
    }
    // SAFETY: `errno` is the calling thread's own.
    unsafe { *libc::__errno_location() = code };
    -1
}
