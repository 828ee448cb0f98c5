//! `getsockopt(2)` and `setsockopt(2)`: nearly all values are integers.

use super::answers::{answer_int, fail};
use super::here::EntryPoint;
use super::sockets::pass;
use super::transfer::{bytes, on_descriptor};
use crate::kernel::errno::Errno;
use crate::kernel::{Kernel, Way};
use libc::{c_int, c_void, linger, socklen_t};
use std::time::Duration;

#[unsafe(no_mangle)]
unsafe extern "C" fn setsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *const c_void,
    length: socklen_t,
) -> c_int {
    let result = on_descriptor(fd, |kernel| {
        // SAFETY: the value is the caller's, as for setsockopt(2).
        let value = unsafe { bytes(value, length as usize) };
        set(kernel, fd, (level, name), value)
    });
    match result {
        Some(result) => answer_int(result.map(|()| 0)),
        // SAFETY: guaranteed by the caller, as for setsockopt(2).
        None => unsafe {
            let arguments = [fd as _, level as _, name as _, value as _, length as _, 0];
            pass(libc::SYS_setsockopt, arguments)
        },
    }
}

fn set(kernel: &mut Kernel, fd: c_int, option: (c_int, c_int), value: &[u8]) -> Result<(), Errno> {
    let number = |at: usize| {
        let bytes = value
            .get(at..at + 4)
            .and_then(|bytes| bytes.try_into().ok());
        bytes.map(c_int::from_ne_bytes).ok_or(Errno(libc::EINVAL))
    };
    match option {
        (libc::SOL_SOCKET, libc::SO_LINGER) => {
            let (on, seconds) = (number(0)? != 0, number(size_of::<linger>() / 2)?);
            let time = Duration::from_secs(seconds.max(0) as u64);
            kernel.set_linger(fd, on.then_some(time))
        }
        (libc::SOL_SOCKET, libc::SO_RCVTIMEO | libc::SO_SNDTIMEO) => {
            let limit = time_limit(value)?;
            kernel.set_limit(fd, way(option.1), limit)
        }
        (libc::IPPROTO_TCP, libc::TCP_CONGESTION) => kernel.set_congestion(fd, value),
        (level, name) => kernel.set_option(fd, level, name, number(0)?),
    }
}

/// The calls that an option limits.
fn way(name: c_int) -> Way {
    match name {
        libc::SO_RCVTIMEO => Way::Receive,
        _ => Way::Send,
    }
}

/// Reads a `timeval`. Zero means no limit.
fn time_limit(value: &[u8]) -> Result<Option<Duration>, Errno> {
    let number = |at: usize| {
        let bytes = value
            .get(at..at + 8)
            .and_then(|bytes| bytes.try_into().ok());
        bytes.map(i64::from_ne_bytes).ok_or(Errno(libc::EINVAL))
    };
    let micros = u32::try_from(number(8)?)
        .ok()
        .filter(|micros| *micros < 1_000_000)
        .ok_or(Errno(libc::EDOM))?;
    let limit = Duration::new(number(0)?.max(0) as u64, micros * 1000);
    Ok(Some(limit).filter(|limit| !limit.is_zero()))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    length: *mut socklen_t,
) -> c_int {
    let result = on_descriptor(fd, |kernel| match (level, name) {
        (libc::SOL_SOCKET, libc::SO_LINGER) => {
            let linger = kernel.linger(fd)?;
            let seconds = linger.map_or(0, |time| time.as_secs() as c_int);
            let on = c_int::from(linger.is_some());
            Ok([on.to_ne_bytes(), seconds.to_ne_bytes()].concat())
        }
        (libc::SOL_SOCKET, libc::SO_RCVTIMEO | libc::SO_SNDTIMEO) => {
            let limit = kernel.limit(fd, way(name))?.unwrap_or_default();
            let parts = [limit.as_secs(), limit.subsec_micros().into()];
            Ok(parts.map(u64::to_ne_bytes).concat())
        }
        // The process itself is at the other end.
        (libc::SOL_SOCKET, libc::SO_PEERCRED) if kernel.unix_peer(fd).is_ok() => {
            Ok([1_u32, 1000, 1000].map(u32::to_ne_bytes).concat())
        }
        (libc::IPPROTO_TCP, libc::TCP_CONGESTION) => Ok(kernel.congestion(fd)?.to_vec()),
        (libc::IPPROTO_TCP, libc::TCP_INFO) => Ok(kernel.tcp_info(fd)?.bytes().to_vec()),
        _ => Ok(kernel.option(fd, level, name)?.to_ne_bytes().to_vec()),
    });
    match result {
        Some(Ok(found)) => {
            // SAFETY: value and length are the caller's, as for getsockopt(2).
            unsafe {
                let room = (*length as usize).min(found.len());
                value.cast::<u8>().copy_from(found.as_ptr(), room);
                *length = room as socklen_t;
            }
            0
        }
        Some(Err::<_, Errno>(error)) => fail(error) as c_int,
        // SAFETY: guaranteed by the caller, as for getsockopt(2).
        None => unsafe {
            let arguments = [fd as _, level as _, name as _, value as _, length as _, 0];
            pass(libc::SYS_getsockopt, arguments)
        },
    }
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![setsockopt, getsockopt]
}
