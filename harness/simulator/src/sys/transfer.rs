//! What calls on descriptors share: who answers, how they block, and the bytes that a program
//! passes or requests.

use super::answers::call;
use super::handlers::Interruption;
use super::waiting;
use crate::kernel::errno::Errno;
use crate::kernel::threads::{Outcome, Wait};
use crate::kernel::{Blocked, FIRST_DESCRIPTOR, Kernel};
use libc::{c_int, c_void, iovec, size_t};
use std::mem::MaybeUninit;
use std::slice;

/// Lets the machine answer a call on a simulated descriptor; none if the descriptor is real.
pub(super) fn on_descriptor<R>(fd: c_int, f: impl FnOnce(&mut Kernel) -> R) -> Option<R> {
    if fd < FIRST_DESCRIPTOR {
        None
    } else {
        call(|kernel| {
            kernel.hardware.cpu.charge_call();
            f(kernel)
        })
    }
}

/// [`on_descriptor`] for calls that may block: then the thread waits until the descriptor is ready,
/// and tries again.
pub(super) fn may_block<T>(
    fd: c_int,
    mut f: impl FnMut(&mut Kernel) -> Result<T, Errno>,
) -> Option<Result<T, Errno>> {
    let (mut limit, mut interrupted) = (None, false);
    loop {
        let (result, blocked) = on_descriptor(fd, |kernel| {
            kernel.blocked = None;
            let result = f(kernel);
            let blocks = matches!(result, Err(Errno(libc::EAGAIN | libc::EINPROGRESS)));
            (result, kernel.blocked.take().filter(|_| blocks))
        })?;
        let Some(blocked) = blocked else {
            return Some(result);
        };
        if interrupted {
            return Some(Err(Errno(libc::EINTR)));
        }
        let Blocked { fd, events, until } = blocked;
        // No matter how often it is woken for nothing.
        limit = limit.or(until);
        match waiting::wait_or_signal(Wait::Ready { fd, events }, limit) {
            Ok(Outcome::TimedOut) => return Some(result),
            // With a time limit on the socket, it is not restarted (signal(7)).
            Err(Interruption::Fails) => interrupted = true,
            Err(Interruption::Restarts) if limit.is_some() => interrupted = true,
            Ok(_) | Err(_) => {}
        }
    }
}

/// The bytes a program offers or wants to have filled.
///
/// # Safety
///
/// `start` must be valid for `length` bytes for as long as the result is used, or `length` be zero.
pub(super) unsafe fn bytes<'a>(start: *const c_void, length: size_t) -> &'a [u8] {
    // SAFETY: guaranteed by the caller; an empty slice needs a pointer that is not null.
    unsafe {
        if length == 0 {
            &[]
        } else {
            slice::from_raw_parts(start.cast(), length)
        }
    }
}

/// As [`bytes`], but writable: a program need not have initialised what it wants to have filled.
///
/// # Safety
///
/// As for [`bytes`], and nothing else may access them in the meantime.
pub(super) unsafe fn room<'a>(start: *mut c_void, length: size_t) -> &'a mut [MaybeUninit<u8>] {
    // SAFETY: guaranteed by the caller; an empty slice needs a pointer that is not null.
    unsafe {
        if length == 0 {
            &mut []
        } else {
            slice::from_raw_parts_mut(start.cast(), length)
        }
    }
}

/// A transfer that stops at the first buffer that is not filled or emptied completely.
///
/// # Safety
///
/// `parts` must be valid for `count` entries, and each entry for its length.
pub(super) unsafe fn vectored(
    parts: *const iovec,
    count: usize,
    mut transfer: impl FnMut(*mut c_void, size_t) -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    let mut total = 0;
    for index in 0..count {
        // SAFETY: guaranteed by the caller.
        let part = unsafe { &*parts.add(index) };
        if part.iov_len == 0 {
            continue;
        }
        match transfer(part.iov_base, part.iov_len) {
            Ok(moved) => {
                total += moved;
                if moved < part.iov_len {
                    break;
                }
            }
            Err(_) if total > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}
