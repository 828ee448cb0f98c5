//! `pipe2(2)` and `socketpair(2)`.

use super::answers::fail;
use super::here::{EntryPoint, machine};
use super::sockets::pass;
use crate::kernel::Kernel;
use crate::kernel::errno::Errno;
use libc::c_int;

/// Makes the machine create two descriptors and writes them where the caller wants them; none if no
/// machine is running.
///
/// # Safety
///
/// `places` must have room for two descriptors.
unsafe fn make(
    places: *mut c_int,
    make: impl FnOnce(&mut Kernel) -> Result<[c_int; 2], Errno>,
) -> Option<c_int> {
    let made = machine(make)?;
    Some(match made {
        Ok(pair) => {
            // SAFETY: guaranteed by the caller.
            unsafe { places.cast::<[c_int; 2]>().write(pair) };
            0
        }
        Err(error) => fail(error) as c_int,
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pipe2(places: *mut c_int, flags: c_int) -> c_int {
    let make_pipe = |kernel: &mut Kernel| {
        if flags & !(libc::O_NONBLOCK | libc::O_CLOEXEC) != 0 {
            kernel.refuse("pipe2 with O_DIRECT (packets)", "write bytes");
            return Err(Errno(libc::EINVAL));
        }
        Ok(kernel.pipe(flags & libc::O_NONBLOCK != 0))
    };
    // SAFETY: the places are the caller's, as for pipe2(2).
    unsafe {
        make(places, make_pipe)
            .unwrap_or_else(|| pass(libc::SYS_pipe2, [places as _, flags as _, 0, 0, 0, 0]))
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pipe(places: *mut c_int) -> c_int {
    // SAFETY: guaranteed by the caller: pipe2(2) without flags.
    unsafe { pipe2(places, 0) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn socketpair(
    domain: c_int,
    kind: c_int,
    protocol: c_int,
    places: *mut c_int,
) -> c_int {
    let make_pair = |kernel: &mut Kernel| {
        let flags = libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        if (domain, kind & !flags) != (libc::AF_UNIX, libc::SOCK_STREAM) {
            let call = format!("socketpair of domain {domain}, type {}", kind & !flags);
            kernel.refuse(
                call,
                "use a pair of Unix stream sockets, or a tokio channel",
            );
            return Err(Errno(libc::EOPNOTSUPP));
        }
        Ok(kernel.socket_pair(kind & libc::SOCK_NONBLOCK != 0))
    };
    // SAFETY: the places are the caller's, as for socketpair(2).
    unsafe {
        make(places, make_pair).unwrap_or_else(|| {
            let arguments = [domain as _, kind as _, protocol as _, places as _, 0, 0];
            pass(libc::SYS_socketpair, arguments)
        })
    }
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![pipe2, pipe, socketpair]
}
