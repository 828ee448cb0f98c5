//! The socket calls: C's structures on this side, the kernel's types on the other.

use super::descriptors::{bytes, bytes_mut, on_descriptor, vectored};
use super::{EntryPoint, answer, answer_int, fail, machine, real};
use crate::kernel::{Errno, Kernel, SocketOption};
use libc::{c_int, c_void, linger, msghdr, size_t, sockaddr, sockaddr_in, socklen_t, ssize_t};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

const FAMILY_REMEDY: &str = "use TCP over IPv4; nothing else is simulated yet";

#[unsafe(no_mangle)]
unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    let result = machine(|kernel| {
        let nonblocking = kind & libc::SOCK_NONBLOCK != 0;
        match (domain, kind & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC)) {
            (libc::AF_INET, libc::SOCK_STREAM) => Ok(kernel.socket(nonblocking)),
            // A kernel without IPv6 says just this, and programs go on with IPv4.
            (libc::AF_INET6, _) => Err(Errno(libc::EAFNOSUPPORT)),
            (domain, kind) => {
                kernel.refuse(
                    format!("socket of domain {domain}, type {kind}"),
                    FAMILY_REMEDY,
                );
                Err(Errno(libc::EAFNOSUPPORT))
            }
        }
    });
    match result {
        Some(result) => answer_int(result),
        // SAFETY: this call takes no pointer.
        None => unsafe {
            let arguments = [domain as _, kind as _, protocol as _, 0, 0, 0];
            real::syscall(libc::SYS_socket, arguments) as c_int
        },
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn bind(fd: c_int, address: *const sockaddr, length: socklen_t) -> c_int {
    // SAFETY: the address is the caller's, as for bind(2).
    unsafe {
        match on_descriptor(fd, |kernel| kernel.bind(fd, read_address(address, length)?)) {
            Some(result) => answer_int(result.map(|()| 0)),
            None => pass(
                libc::SYS_bind,
                [fd as _, address as _, length as _, 0, 0, 0],
            ),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn listen(fd: c_int, backlog: c_int) -> c_int {
    match on_descriptor(fd, |kernel| kernel.listen(fd, backlog)) {
        Some(result) => answer_int(result.map(|()| 0)),
        // SAFETY: this call takes no pointer.
        None => unsafe { pass(libc::SYS_listen, [fd as _, backlog as _, 0, 0, 0, 0]) },
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn accept4(
    fd: c_int,
    address: *mut sockaddr,
    length: *mut socklen_t,
    flags: c_int,
) -> c_int {
    // SAFETY: the address is the caller's, as for accept4(2).
    unsafe {
        match on_descriptor(fd, |kernel| {
            kernel.accept(fd, flags & libc::SOCK_NONBLOCK != 0)
        }) {
            Some(Ok((accepted, peer))) => {
                write_address(peer, address, length);
                accepted
            }
            Some(Err(error)) => fail(error) as c_int,
            None => {
                let arguments = [fd as _, address as _, length as _, flags as _, 0, 0];
                pass(libc::SYS_accept4, arguments)
            }
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn accept(fd: c_int, address: *mut sockaddr, length: *mut socklen_t) -> c_int {
    // SAFETY: the caller's: accept4(2) without flags.
    unsafe { accept4(fd, address, length, 0) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn connect(fd: c_int, address: *const sockaddr, length: socklen_t) -> c_int {
    // SAFETY: the address is the caller's, as for connect(2).
    unsafe {
        match on_descriptor(fd, |kernel| {
            kernel.connect(fd, read_address(address, length)?)
        }) {
            Some(result) => answer_int(result.map(|()| 0)),
            None => pass(
                libc::SYS_connect,
                [fd as _, address as _, length as _, 0, 0, 0],
            ),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn shutdown(fd: c_int, how: c_int) -> c_int {
    match on_descriptor(fd, |kernel| kernel.shutdown(fd, how)) {
        Some(result) => answer_int(result.map(|()| 0)),
        // SAFETY: this call takes no pointer.
        None => unsafe { pass(libc::SYS_shutdown, [fd as _, how as _, 0, 0, 0, 0]) },
    }
}

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

#[unsafe(no_mangle)]
unsafe extern "C" fn getsockname(
    fd: c_int,
    address: *mut sockaddr,
    length: *mut socklen_t,
) -> c_int {
    let found = on_descriptor(fd, |kernel| kernel.local_address(fd));
    // SAFETY: the address is the caller's, as for getsockname(2).
    unsafe { give_address(found, libc::SYS_getsockname, fd, address, length) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getpeername(
    fd: c_int,
    address: *mut sockaddr,
    length: *mut socklen_t,
) -> c_int {
    let found = on_descriptor(fd, |kernel| kernel.peer_address(fd));
    // SAFETY: the address is the caller's, as for getpeername(2).
    unsafe { give_address(found, libc::SYS_getpeername, fd, address, length) }
}

/// Writes the address that the machine found, or asks the real kernel if no machine was asked.
///
/// # Safety
///
/// As for [`write_address`], and for the system call.
unsafe fn give_address(
    found: Option<Result<SocketAddrV4, Errno>>,
    number: libc::c_long,
    fd: c_int,
    address: *mut sockaddr,
    length: *mut socklen_t,
) -> c_int {
    // SAFETY: the caller's.
    unsafe {
        match found {
            Some(Ok(found)) => {
                write_address(found, address, length);
                0
            }
            Some(Err(error)) => fail(error) as c_int,
            None => pass(number, [fd as _, address as _, length as _, 0, 0, 0]),
        }
    }
}

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
        let option = decode_option(level, name, value).inspect_err(|error| {
            if *error == Errno(libc::ENOPROTOOPT) {
                let call = format!("setsockopt of level {level}, name {name}");
                kernel.refuse(call, "leave this socket option away");
            }
        })?;
        kernel.option_set(fd, option)
    });
    match result {
        Some(result) => answer_int(result.map(|()| 0)),
        // SAFETY: the caller's, as for setsockopt(2).
        None => unsafe {
            let arguments = [fd as _, level as _, name as _, value as _, length as _, 0];
            pass(libc::SYS_setsockopt, arguments)
        },
    }
}

fn decode_option(level: c_int, name: c_int, value: &[u8]) -> Result<SocketOption, Errno> {
    let number = || {
        let bytes = value.get(..4).ok_or(Errno(libc::EINVAL))?;
        Ok(c_int::from_ne_bytes(
            bytes.try_into().map_err(|_| Errno(libc::EINVAL))?,
        ))
    };
    let seconds = || number().map(|number| Duration::from_secs(number.max(0) as u64));
    Ok(match (level, name) {
        (libc::IPPROTO_TCP, libc::TCP_NODELAY) => SocketOption::NoDelay(number()? != 0),
        (libc::SOL_SOCKET, libc::SO_REUSEADDR) => SocketOption::ReuseAddress(number()? != 0),
        (libc::SOL_SOCKET, libc::SO_KEEPALIVE) => SocketOption::KeepAlive(number()? != 0),
        (libc::IPPROTO_TCP, libc::TCP_KEEPIDLE) => SocketOption::KeepIdle(seconds()?),
        (libc::IPPROTO_TCP, libc::TCP_USER_TIMEOUT) => {
            SocketOption::UserTimeout(Duration::from_millis(number()?.max(0) as u64))
        }
        (libc::SOL_SOCKET, libc::SO_LINGER) => {
            let half = size_of::<linger>() / 2;
            let on = number()? != 0;
            let time = value.get(half..half + 4).ok_or(Errno(libc::EINVAL))?;
            let time = c_int::from_ne_bytes(time.try_into().map_err(|_| Errno(libc::EINVAL))?);
            SocketOption::Linger(on.then(|| Duration::from_secs(time.max(0) as u64)))
        }
        (libc::IPPROTO_TCP, libc::TCP_KEEPINTVL | libc::TCP_KEEPCNT | libc::TCP_QUICKACK)
        | (libc::SOL_SOCKET, libc::SO_RCVBUF | libc::SO_SNDBUF | libc::SO_REUSEPORT)
        | (libc::IPPROTO_IP, libc::IP_TOS) => SocketOption::Ignored,
        _ => return Err(Errno(libc::ENOPROTOOPT)),
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getsockopt(
    fd: c_int,
    level: c_int,
    name: c_int,
    value: *mut c_void,
    length: *mut socklen_t,
) -> c_int {
    let result = on_descriptor(fd, |kernel| encode_option(kernel, fd, level, name));
    match result {
        Some(Ok(found)) => {
            // SAFETY: value and length are the caller's, as for getsockopt(2).
            unsafe {
                let room = (*length as usize).min(found.len());
                bytes_mut(value, room).copy_from_slice(&found[..room]);
                *length = room as socklen_t;
            }
            0
        }
        Some(Err(error)) => fail(error) as c_int,
        // SAFETY: the caller's, as for getsockopt(2).
        None => unsafe {
            let arguments = [fd as _, level as _, name as _, value as _, length as _, 0];
            pass(libc::SYS_getsockopt, arguments)
        },
    }
}

fn encode_option(
    kernel: &mut Kernel,
    fd: c_int,
    level: c_int,
    name: c_int,
) -> Result<Vec<u8>, Errno> {
    kernel.is_socket(fd)?;
    let number = match (level, name) {
        (libc::SOL_SOCKET, libc::SO_ERROR) => kernel.take_error(fd)?,
        (libc::SOL_SOCKET, libc::SO_TYPE) => libc::SOCK_STREAM,
        (libc::SOL_SOCKET, libc::SO_DOMAIN) => libc::AF_INET,
        (libc::SOL_SOCKET, libc::SO_PROTOCOL) => libc::IPPROTO_TCP,
        (libc::SOL_SOCKET, libc::SO_ACCEPTCONN) => kernel.is_listening(fd)?.into(),
        (libc::SOL_SOCKET, libc::SO_KEEPALIVE) => kernel.keep_alive(fd)?.into(),
        (libc::SOL_SOCKET, libc::SO_REUSEADDR) => kernel.reuse_address(fd)?.into(),
        (libc::IPPROTO_TCP, libc::TCP_NODELAY) => kernel.no_delay(fd)?.into(),
        (libc::SOL_SOCKET, libc::SO_LINGER) => {
            let linger = kernel.linger(fd)?;
            let time = linger.map_or(0, |time| time.as_secs() as c_int);
            return Ok([
                c_int::from(linger.is_some()).to_ne_bytes(),
                time.to_ne_bytes(),
            ]
            .concat());
        }
        _ => {
            let call = format!("getsockopt of level {level}, name {name}");
            kernel.refuse(call, "leave this socket option away");
            return Err(Errno(libc::ENOPROTOOPT));
        }
    };
    Ok(number.to_ne_bytes().to_vec())
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

/// # Safety
///
/// `address` must be valid for `length` bytes.
unsafe fn read_address(address: *const sockaddr, length: socklen_t) -> Result<SocketAddrV4, Errno> {
    if (length as usize) < size_of::<sockaddr_in>() {
        return Err(Errno(libc::EINVAL));
    }
    // SAFETY: the caller's; the length was checked, and sockaddr_in has no invalid values.
    let address = unsafe { address.cast::<sockaddr_in>().read_unaligned() };
    if c_int::from(address.sin_family) != libc::AF_INET {
        return Err(Errno(libc::EAFNOSUPPORT));
    }
    let ip = Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr));
    Ok(SocketAddrV4::new(ip, u16::from_be(address.sin_port)))
}

/// Writes an address where the caller wants it, cut to the room there is.
///
/// # Safety
///
/// Both null, or `length` valid and `address` valid for as many bytes as it says.
unsafe fn write_address(found: SocketAddrV4, address: *mut sockaddr, length: *mut socklen_t) {
    if address.is_null() || length.is_null() {
        return;
    }
    let full = sockaddr_in {
        sin_family: libc::AF_INET as _,
        sin_port: found.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from(*found.ip()).to_be(),
        },
        sin_zero: [0; 8],
    };
    // SAFETY: the caller's; a sockaddr_in may be looked at as bytes.
    unsafe {
        let room = (*length as usize).min(size_of::<sockaddr_in>());
        std::ptr::copy_nonoverlapping((&raw const full).cast::<u8>(), address.cast(), room);
        *length = size_of::<sockaddr_in>() as socklen_t;
    }
}

/// # Safety
///
/// As for the system call.
unsafe fn pass(number: libc::c_long, arguments: [usize; 6]) -> c_int {
    // SAFETY: the caller's.
    unsafe { real::syscall(number, arguments) as c_int }
}

/// What this file defines, for the check at the start.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![
        socket,
        bind,
        listen,
        accept4,
        accept,
        connect,
        shutdown,
        recv,
        recvfrom,
        recvmsg,
        send,
        sendto,
        sendmsg,
        getsockname,
        getpeername,
        setsockopt,
        getsockopt
    ]
}
