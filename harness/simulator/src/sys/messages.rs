//! Sending and receiving, with or without addresses, from one buffer or several.

use super::addresses::{read_address, write_address};
use super::answers::{answer, fail};
use super::control::{read_control, write_control};
use super::here::EntryPoint;
use super::transfer::{bytes, may_block, room, vectored};
use super::{real, refused, signals};
use crate::kernel::Kernel;
use crate::kernel::ancillary::Sending;
use crate::kernel::errno::Errno;
use crate::kernel::transfer::{How, Received};
use libc::{
    c_int, c_uint, c_void, iovec, mmsghdr, msghdr, size_t, sockaddr, socklen_t, ssize_t, timespec,
};
use std::mem::MaybeUninit;
use std::net::SocketAddr;

#[unsafe(no_mangle)]
unsafe extern "C" fn recv(fd: c_int, buffer: *mut c_void, length: size_t, flags: c_int) -> ssize_t {
    let (address, address_length) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: guaranteed by the caller: recvfrom(2) without an address.
    unsafe { recvfrom(fd, buffer, length, flags, address, address_length) }
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
    // SAFETY: buffer and address are the caller's, as for recvfrom(2).
    unsafe {
        let result = may_block(fd, |kernel| {
            let flags = Flags::of_receive(kernel, fd, flags)?;
            let received = kernel.receive_from(fd, room(buffer, length), flags.how)?;
            Ok((flags.length(&received), received.from))
        });
        match result {
            Some(Ok((length, from))) => {
                give_sender(from, address, address_length);
                length as ssize_t
            }
            Some(Err(error)) => fail(error),
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

/// # Safety
///
/// As for [`write_address`].
unsafe fn give_sender(
    from: Option<SocketAddr>,
    address: *mut sockaddr,
    address_length: *mut socklen_t,
) {
    // SAFETY: guaranteed by the caller.
    unsafe {
        match from {
            Some(from) => write_address(from, address, address_length),
            None if !address.is_null() && !address_length.is_null() => *address_length = 0,
            None => {}
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn recvmsg(fd: c_int, message: *mut msghdr, flags: c_int) -> ssize_t {
    // SAFETY: the message is the caller's, as for recvmsg(2).
    unsafe {
        match may_block(fd, |kernel| receive_message(kernel, fd, message, flags)) {
            Some(result) => answer(result),
            None => real::syscall(
                libc::SYS_recvmsg,
                [fd as _, message as _, flags as _, 0, 0, 0],
            ),
        }
    }
}

/// # Safety
///
/// As for recvmsg(2).
unsafe fn receive_message(
    kernel: &mut Kernel,
    fd: c_int,
    message: *mut msghdr,
    flags: c_int,
) -> Result<i64, Errno> {
    let flags = Flags::of_receive(kernel, fd, flags)?;
    // SAFETY: guaranteed by the caller.
    unsafe {
        let message = &mut *message;
        let (parts, count) = (message.msg_iov, message.msg_iovlen);
        let received = receive_vectored(kernel, fd, parts, count, flags.how)?;
        give_sender(
            received.from,
            message.msg_name.cast(),
            &raw mut message.msg_namelen,
        );
        let is_cut = received.copied < received.full;
        message.msg_flags = if is_cut { libc::MSG_TRUNC } else { 0 };
        write_control(message, received.arrival);
        Ok(flags.length(&received) as i64)
    }
}

/// Receives into several buffers. A datagram is read in one go, and so is data that stays in place.
///
/// # Safety
///
/// `parts` must be valid for `count` entries, and each entry for its length.
pub(super) unsafe fn receive_vectored(
    kernel: &mut Kernel,
    fd: c_int,
    parts: *const iovec,
    count: usize,
    how: How,
) -> Result<Received, Errno> {
    if !kernel.has_datagrams(fd) && !how.peek {
        // SAFETY: guaranteed by the caller.
        let copied = unsafe {
            vectored(parts, count, |start, length| {
                kernel.receive(fd, room(start, length), how)
            })
        }?;
        return Ok(Received::of_stream(copied));
    }
    // SAFETY: guaranteed by the caller, here and below.
    let lengths = (0..count).map(|index| unsafe { (*parts.add(index)).iov_len });
    let mut buffer = vec![0; lengths.sum()];
    let received = kernel.receive_from(fd, as_room(&mut buffer), how)?;
    let mut rest = &buffer[..received.copied];
    for index in 0..count {
        // SAFETY: guaranteed by the caller.
        let target = unsafe {
            let part = &*parts.add(index);
            room(part.iov_base, part.iov_len)
        };
        let (now, later) = rest.split_at(rest.len().min(target.len()));
        target[..now.len()].write_copy_of_slice(now);
        rest = later;
    }
    Ok(received)
}

/// Initialised bytes, for use where uninitialised ones would do.
fn as_room(bytes: &mut [u8]) -> &mut [MaybeUninit<u8>] {
    // SAFETY: the bytes are the same; in this crate, only initialised bytes are written to `room`.
    unsafe { room(bytes.as_mut_ptr().cast(), bytes.len()) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn send(
    fd: c_int,
    buffer: *const c_void,
    length: size_t,
    flags: c_int,
) -> ssize_t {
    // SAFETY: guaranteed by the caller: sendto(2) without an address.
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
    if refused::writes_to_the_host("sendto", fd) {
        return fail(Errno(libc::EBADF));
    }
    // SAFETY: buffer and address are the caller's, as for sendto(2).
    unsafe {
        let result = may_block(fd, |kernel| {
            let sending = sending(kernel, flags)?;
            let to = read_destination(address, address_length)?;
            kernel.send_to(fd, bytes(buffer, length), to, sending)
        });
        match result {
            Some(result) => answer(told_of_pipe(result, flags).map(|written| written as i64)),
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

/// Sends the program SIGPIPE if it has written to a closed pipe or connection, unless it passed
/// `MSG_NOSIGNAL`.
pub(super) fn told_of_pipe<T>(result: Result<T, Errno>, flags: c_int) -> Result<T, Errno> {
    if matches!(result, Err(Errno(libc::EPIPE))) && flags & libc::MSG_NOSIGNAL == 0 {
        signals::broken_pipe();
    }
    result
}

/// # Safety
///
/// Null, or valid for `length` bytes.
unsafe fn read_destination(
    address: *const sockaddr,
    length: socklen_t,
) -> Result<Option<SocketAddr>, Errno> {
    if address.is_null() {
        return Ok(None);
    }
    // SAFETY: guaranteed by the caller.
    unsafe { read_address(address, length) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sendmsg(fd: c_int, message: *const msghdr, flags: c_int) -> ssize_t {
    if refused::writes_to_the_host("sendmsg", fd) {
        return fail(Errno(libc::EBADF));
    }
    // SAFETY: the message is the caller's, as for sendmsg(2).
    unsafe {
        match may_block(fd, |kernel| send_message(kernel, fd, message, flags)) {
            Some(result) => answer(told_of_pipe(result, flags)),
            None => real::syscall(
                libc::SYS_sendmsg,
                [fd as _, message as _, flags as _, 0, 0, 0],
            ),
        }
    }
}

/// # Safety
///
/// As for sendmsg(2).
unsafe fn send_message(
    kernel: &mut Kernel,
    fd: c_int,
    message: *const msghdr,
    flags: c_int,
) -> Result<i64, Errno> {
    let mut sending = sending(kernel, flags)?;
    // SAFETY: guaranteed by the caller.
    unsafe {
        let message = &*message;
        sending.ancillary = read_control(kernel, fd, message)?;
        let to = read_destination(message.msg_name.cast(), message.msg_namelen)?;
        send_vectored(kernel, fd, message.msg_iov, message.msg_iovlen, to, sending)
    }
}

/// Sends from several buffers. A datagram is sent in one go.
///
/// # Safety
///
/// `parts` must be valid for `count` entries, and each entry for its length.
pub(super) unsafe fn send_vectored(
    kernel: &mut Kernel,
    fd: c_int,
    parts: *const iovec,
    count: usize,
    to: Option<SocketAddr>,
    sending: Sending,
) -> Result<i64, Errno> {
    // SAFETY: guaranteed by the caller.
    unsafe {
        if !kernel.has_datagrams(fd) {
            let sent = vectored(parts, count, |start, length| {
                kernel.send_to(fd, bytes(start, length), to, sending)
            });
            return sent.map(|sent| sent as i64);
        }
        let parts = (0..count).map(|index| &*parts.add(index));
        let slices: Vec<&[u8]> = parts
            .map(|part| bytes(part.iov_base, part.iov_len))
            .collect();
        let sent = kernel.send_to(fd, &slices.concat(), to, sending);
        sent.map(|sent| sent as i64)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sendmmsg(
    fd: c_int,
    messages: *mut mmsghdr,
    count: c_uint,
    flags: c_int,
) -> c_int {
    // SAFETY: the messages are the caller's, as for sendmmsg(2).
    unsafe {
        let result = may_block(fd, |kernel| {
            each(messages, count, |message| {
                send_message(kernel, fd, message, flags)
            })
        });
        match result {
            Some(result) => answer(result) as c_int,
            None => real::syscall(
                libc::SYS_sendmmsg,
                [fd as _, messages as _, count as _, flags as _, 0, 0],
            ) as c_int,
        }
    }
}

/// The time-out is for callers that would wait for more messages, which cannot happen here.
#[unsafe(no_mangle)]
unsafe extern "C" fn recvmmsg(
    fd: c_int,
    messages: *mut mmsghdr,
    count: c_uint,
    flags: c_int,
    timeout: *mut timespec,
) -> c_int {
    // SAFETY: the messages are the caller's, as for recvmmsg(2).
    unsafe {
        let result = may_block(fd, |kernel| {
            let flags = flags & !libc::MSG_WAITFORONE;
            each(messages, count, |message| {
                receive_message(kernel, fd, message, flags)
            })
        });
        match result {
            Some(result) => answer(result) as c_int,
            None => real::syscall(
                libc::SYS_recvmmsg,
                [
                    fd as _,
                    messages as _,
                    count as _,
                    flags as _,
                    timeout as _,
                    0,
                ],
            ) as c_int,
        }
    }
}

/// One message after another until one fails. Returns how many succeeded; an error if the first one
/// failed.
///
/// # Safety
///
/// `messages` must be valid for `count` entries.
unsafe fn each(
    messages: *mut mmsghdr,
    count: c_uint,
    mut transfer: impl FnMut(*mut msghdr) -> Result<i64, Errno>,
) -> Result<i64, Errno> {
    for index in 0..count {
        // SAFETY: guaranteed by the caller.
        let message = unsafe { &mut *messages.add(index as usize) };
        match transfer(&raw mut message.msg_hdr) {
            Ok(length) => message.msg_len = length as c_uint,
            Err(error) if index == 0 => return Err(error),
            Err(_) => return Ok(i64::from(index)),
        }
    }
    Ok(i64::from(count))
}

/// The flags of a receiving call.
struct Flags {
    how: How,
    /// `MSG_TRUNC`: return the length of the datagram, not of what was copied.
    full_length: bool,
}

impl Flags {
    /// `MSG_NOSIGNAL` and `MSG_CMSG_CLOEXEC` have no effect here.
    fn of_receive(kernel: &mut Kernel, fd: c_int, flags: c_int) -> Result<Self, Errno> {
        let mut known =
            libc::MSG_PEEK | libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL | libc::MSG_CMSG_CLOEXEC;
        if kernel.has_datagrams(fd) {
            known |= libc::MSG_TRUNC;
        }
        if flags & !known != 0 {
            let call = format!("recv with flags {flags:#x}");
            kernel.refuse(call, "receive without these flags");
            return Err(Errno(libc::EINVAL));
        }
        Ok(Self {
            how: How {
                peek: flags & libc::MSG_PEEK != 0,
                at_once: flags & libc::MSG_DONTWAIT != 0,
            },
            full_length: flags & libc::MSG_TRUNC != 0,
        })
    }

    fn length(&self, received: &Received) -> usize {
        match self.full_length {
            true => received.full,
            false => received.copied,
        }
    }
}

/// What the flags of a sending call ask for.
fn sending(kernel: &mut Kernel, flags: c_int) -> Result<Sending, Errno> {
    if flags & !(libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT) != 0 {
        let call = format!("send with flags {flags:#x}");
        kernel.refuse(call, "send without these flags");
        return Err(Errno(libc::EINVAL));
    }
    Ok(Sending {
        at_once: flags & libc::MSG_DONTWAIT != 0,
        ..Sending::default()
    })
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![
        recv, recvfrom, recvmsg, recvmmsg, send, sendto, sendmsg, sendmmsg
    ]
}
