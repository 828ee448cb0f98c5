//! Sending and receiving, with and without addresses.

use super::descriptors::{bytes, bytes_mut, on_descriptor, vectored};
use super::{EntryPoint, answer, real};
use crate::kernel::{Errno, Kernel};
use libc::{c_int, c_void, msghdr, size_t, sockaddr, socklen_t, ssize_t};

#[unsafe(no_mangle)]
unsafe extern "C" fn recv(fd: c_int, buffer: *mut c_void, length: size_t, flags: c_int) -> ssize_t {
    // SAFETY: the caller's: recvfrom(2) without an address.
    unsafe {
        recvfrom(
            fd,
            buffer,
            length,
            flags,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn recvfrom(
    fd: c_int,
    buffer: *mut c_void,
    length: size_t,
    flags: c_int,
    address: *mut sockaddr,
    address_length: *mut socklen_t,
) -> ssize_t {
    // SAFETY: the buffer is the caller's, as for recvfrom(2); TCP fills in no address.
    unsafe {
        let result = on_descriptor(fd, |kernel| {
            let peek = receive_flags(kernel, flags)?;
            kernel.receive(fd, bytes_mut(buffer, length), peek)
        });
        match result {
            Some(result) => answer(result.map(|read| read as i64)),
            None => real::syscall(
                libc::SYS_recvfrom,
                [
                    fd as _,
                    buffer as _,
                    length,
                    flags as _,
                    address as _,
                    address_length as _,
                ],
            ),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
    // SAFETY: the message is the caller's, as for recvmsg(2).
    unsafe {
        let result = on_descriptor(fd, |kernel| {
            let peek = receive_flags(kernel, flags)?;
            let message = &mut *message;
            (
                message.msg_namelen,
                message.msg_controllen,
                message.msg_flags,
            ) = (0, 0, 0);
            let parts = message.msg_iovlen;
            vectored(message.msg_iov, parts, |start, length| {
                kernel.receive(fd, bytes_mut(start, length), peek)
            })
        });
        match result {
            Some(result) => answer(result),
            None => real::syscall(
                libc::SYS_recvmsg,
                [fd as _, message as _, flags as _, 0, 0, 0],
            ),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn send(
    fd: c_int,
    buffer: *const c_void,
    length: size_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: the caller's: sendto(2) without an address.
    unsafe { sendto(fd, buffer, length, flags, std::ptr::null(), 0) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sendto(
    fd: c_int,
    buffer: *const c_void,
    length: size_t,
    flags: c_int,
    address: *const sockaddr,
    address_length: socklen_t,
) -> ssize_t {
    // SAFETY: the buffer is the caller's, as for sendto(2); TCP ignores an address.
    unsafe {
        let result = on_descriptor(fd, |kernel| {
            send_flags(kernel, flags)?;
            kernel.send(fd, bytes(buffer, length))
        });
        match result {
            Some(result) => answer(result.map(|written| written as i64)),
            None => real::syscall(
                libc::SYS_sendto,
                [
                    fd as _,
                    buffer as _,
                    length,
                    flags as _,
                    address as _,
                    address_length as _,
                ],
            ),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    // SAFETY: the message is the caller's, as for sendmsg(2).
    unsafe {
        let result = on_descriptor(fd, |kernel| {
            send_flags(kernel, flags)?;
            let message = &*message;
            vectored(message.msg_iov, message.msg_iovlen, |start, length| {
                kernel.send(fd, bytes(start, length))
            })
        });
        match result {
            Some(result) => answer(result),
            None => real::syscall(
                libc::SYS_sendmsg,
                [fd as _, message as _, flags as _, 0, 0, 0],
            ),
        }
    }
}

/// Whether to peek. `MSG_NOSIGNAL` and `MSG_CMSG_CLOEXEC` change nothing here.
fn receive_flags(kernel: &mut Kernel, flags: c_int) -> Result<bool, Errno> {
    let known = libc::MSG_PEEK | libc::MSG_NOSIGNAL | libc::MSG_CMSG_CLOEXEC | libc::MSG_DONTWAIT;
    if flags & !known != 0 {
        kernel.refuse(
            format!("recv with flags {flags:#x}"),
            "receive without these flags",
        );
        return Err(Errno(libc::EINVAL));
    }
    Ok(flags & libc::MSG_PEEK != 0)
}

/// No signal is ever sent to a machine's program, so `MSG_NOSIGNAL` changes nothing.
fn send_flags(kernel: &mut Kernel, flags: c_int) -> Result<(), Errno> {
    if flags & !(libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) != 0 {
        kernel.refuse(
            format!("send with flags {flags:#x}"),
            "send without these flags",
        );
        return Err(Errno(libc::EINVAL));
    }
    Ok(())
}

/// What this file defines, for the check at the start.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![recv, recvfrom, recvmsg, send, sendto, sendmsg]
}
