//! Calls on descriptors of any kind: read, write, close, and the catch-alls fcntl and ioctl.

use super::answers::{answer, answer_int, fail};
use super::files::lock_part;
use super::here::{EntryPoint, machine};
use super::messages::{receive_vectored, send_vectored, told_of_pipe};
use super::transfer::{bytes, may_block, on_descriptor, room, vectored};
use super::{real, refused, shared, waiting};
use crate::kernel::ancillary::Sending;
use crate::kernel::errno::Errno;
use crate::kernel::threads::Wait;
use crate::kernel::transfer::How;
use crate::kernel::{FIRST_DESCRIPTOR, Linger};
use libc::{c_int, c_ulong, c_void, iovec, size_t, ssize_t};

#[unsafe(no_mangle)]
unsafe extern "C" fn read(fd: c_int, buffer: *mut c_void, length: size_t) -> ssize_t {
    // Machines have no keyboard input.
    if fd == libc::STDIN_FILENO && machine(|_| ()).is_some() {
        return 0;
    }
    // SAFETY: the buffer is the caller's, as for read(2).
    unsafe {
        match may_block(fd, |kernel| {
            kernel.receive(fd, room(buffer, length), How::default())
        }) {
            Some(result) => answer(result.map(|read| read as i64)),
            None => real::syscall(libc::SYS_read, [fd as _, buffer as _, length, 0, 0, 0]),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn write(fd: c_int, buffer: *const c_void, length: size_t) -> ssize_t {
    if refused::writes_to_the_host("write", fd) {
        return fail(Errno(libc::EBADF));
    }
    // SAFETY: the buffer is the caller's, as for write(2).
    unsafe {
        match may_block(fd, |kernel| kernel.send(fd, bytes(buffer, length))) {
            Some(result) => answer(told_of_pipe(result, 0).map(|written| written as i64)),
            None => real::syscall(libc::SYS_write, [fd as _, buffer as _, length, 0, 0, 0]),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn readv(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    // SAFETY: the buffers are the caller's, as for readv(2).
    unsafe {
        let result = may_block(fd, |kernel| {
            let received = receive_vectored(kernel, fd, parts, count as usize, How::default());
            received.map(|received| received.copied as i64)
        });
        match result {
            Some(result) => answer(result),
            None => real::syscall(libc::SYS_readv, [fd as _, parts as _, count as _, 0, 0, 0]),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    if refused::writes_to_the_host("writev", fd) {
        return fail(Errno(libc::EBADF));
    }
    // SAFETY: the buffers are the caller's, as for writev(2).
    unsafe {
        let result = may_block(fd, |kernel| {
            match send_vectored(kernel, fd, parts, count as usize, None, Sending::default()) {
                // It is a pipe.
                Err(Errno(libc::ENOTSOCK)) => {
                    let write = |start: *mut c_void, length| kernel.send(fd, bytes(start, length));
                    vectored(parts, count as usize, write).map(|written| written as i64)
                }
                result => result,
            }
        });
        match result {
            Some(result) => answer(told_of_pipe(result, 0)),
            None => real::syscall(libc::SYS_writev, [fd as _, parts as _, count as _, 0, 0, 0]),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn close(fd: c_int) -> c_int {
    // The real process's standard streams stay open: they are shared.
    if (0..=libc::STDERR_FILENO).contains(&fd) && machine(|_| ()).is_some() {
        return 0;
    }
    match on_descriptor(fd, |kernel| kernel.close(fd)) {
        Some(Ok(None)) => 0,
        Some(Ok(Some(linger))) => {
            wait_for_acknowledgement(linger);
            0
        }
        Some(Err(error)) => fail(error) as c_int,
        // A descriptor of an ended process was closed with it: only its owner, outside the machine,
        // lives longer.
        None if fd >= FIRST_DESCRIPTOR || shared::is_shared(fd) => 0,
        // SAFETY: closing a descriptor is memory-safe.
        None => unsafe { real::syscall(libc::SYS_close, [fd as _, 0, 0, 0, 0, 0]) as c_int },
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn dup(fd: c_int) -> c_int {
    match on_descriptor(fd, |kernel| kernel.duplicate(fd)) {
        Some(result) => answer_int(result),
        // SAFETY: this call takes no pointers.
        None => unsafe { real::syscall(libc::SYS_dup, [fd as _, 0, 0, 0, 0, 0]) as c_int },
    }
}

fn wait_for_acknowledgement(linger: Linger) {
    machine(|kernel| kernel.begin_to_linger(linger));
    waiting::wait(Wait::Acknowledgement(linger.flow), Some(linger.until));
}

/// Variadic in C; Linux passes the third argument in a register all the same.
#[unsafe(no_mangle)]
unsafe extern "C" fn fcntl(fd: c_int, command: c_int, argument: usize) -> c_int {
    if fd >= FIRST_DESCRIPTOR && command == libc::F_GETFD {
        // In a debug build, std calls this before closing a descriptor, even when the machine is
        // gone. So it must cost nothing, or time would depend on the build.
        return libc::FD_CLOEXEC;
    }
    if fd < FIRST_DESCRIPTOR
        && command == libc::F_DUPFD_CLOEXEC
        && let Some(duplicate) = shared::duplicate(fd)
    {
        return duplicate;
    }
    let result = on_descriptor(fd, |kernel| match command {
        libc::F_DUPFD | libc::F_DUPFD_CLOEXEC => kernel.duplicate(fd),
        libc::F_SETFD => Ok(0),
        libc::F_GETFL => {
            let nonblocking = kernel.is_nonblocking(fd)?;
            Ok(kernel.access_mode(fd)? | if nonblocking { libc::O_NONBLOCK } else { 0 })
        }
        libc::F_SETFL => {
            kernel.set_flags(fd, argument as c_int)?;
            let nonblocking = argument as c_int & libc::O_NONBLOCK != 0;
            kernel.set_nonblocking(fd, nonblocking).map(|()| 0)
        }
        libc::F_GETLK
        | libc::F_SETLK
        | libc::F_SETLKW
        | libc::F_OFD_GETLK
        | libc::F_OFD_SETLK
        | libc::F_OFD_SETLKW => {
            // SAFETY: these commands take a pointer to a lock.
            lock_part(kernel, fd, command, unsafe {
                &mut *(argument as *mut libc::flock)
            })
        }
        _ => {
            kernel.refuse(
                format!("fcntl with command {command}"),
                "do without this fcntl",
            );
            Err(Errno(libc::EINVAL))
        }
    });
    match result {
        Some(result) => answer_int(result),
        // SAFETY: guaranteed by the caller, as for fcntl(2).
        None => unsafe {
            real::syscall(libc::SYS_fcntl, [fd as _, command as _, argument, 0, 0, 0]) as c_int
        },
    }
}

/// Called by C programs that support files larger than 2 GiB; the same on 64 bits.
///
/// # Safety
///
/// As for `fcntl(2)`.
#[unsafe(no_mangle)]
unsafe extern "C" fn fcntl64(fd: c_int, command: c_int, argument: usize) -> c_int {
    // SAFETY: guaranteed by the caller.
    unsafe { fcntl(fd, command, argument) }
}

/// Variadic in C, like [`fcntl`].
#[unsafe(no_mangle)]
unsafe extern "C" fn ioctl(fd: c_int, request: c_ulong, argument: *mut c_int) -> c_int {
    let result = on_descriptor(fd, |kernel| match request {
        libc::FIONBIO => {
            // SAFETY: FIONBIO takes a pointer to an int.
            let nonblocking = unsafe { *argument } != 0;
            kernel.set_nonblocking(fd, nonblocking).map(|()| 0)
        }
        libc::FIONREAD => {
            let waiting = kernel.waiting_bytes(fd)? as c_int;
            // SAFETY: FIONREAD takes a pointer to an int.
            unsafe { *argument = waiting };
            Ok(0)
        }
        libc::FIOCLEX => Ok(0),
        _ => {
            kernel.refuse(
                format!("ioctl with request {request:#x}"),
                "do without this ioctl",
            );
            Err(Errno(libc::EINVAL))
        }
    });
    match result {
        Some(result) => answer_int(result),
        // SAFETY: guaranteed by the caller, as for ioctl(2).
        None => unsafe {
            real::syscall(
                libc::SYS_ioctl,
                [fd as _, request as _, argument as _, 0, 0, 0],
            ) as c_int
        },
    }
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![
        read, write, readv, writev, close, dup, fcntl, fcntl64, ioctl
    ]
}
