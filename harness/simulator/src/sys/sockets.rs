//! The socket calls: C's structures on this side, the kernel's types on the other.

use super::addresses::{read_address, read_unix_address, write_address, write_unix_address};
use super::answers::{answer_int, fail};
use super::here::{EntryPoint, machine};
use super::real;
use super::transfer::{may_block, on_descriptor};
use crate::kernel::address::Family;
use crate::kernel::errno::Errno;
use crate::kernel::{Protocol, UnixName};
use libc::{c_int, sockaddr, socklen_t};
use std::net::SocketAddr;

#[unsafe(no_mangle)]
unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    let result = machine(|kernel| {
        let nonblocking = kind & libc::SOCK_NONBLOCK != 0;
        let (family, transport) = match (domain, kind & !(libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC))
        {
            (libc::AF_INET, libc::SOCK_STREAM) => (Family::V4, Protocol::Tcp),
            (libc::AF_INET6, libc::SOCK_STREAM) => (Family::V6, Protocol::Tcp),
            (libc::AF_INET, libc::SOCK_DGRAM) => (Family::V4, Protocol::Udp),
            (libc::AF_INET6, libc::SOCK_DGRAM) => (Family::V6, Protocol::Udp),
            (libc::AF_UNIX, libc::SOCK_STREAM) => return Ok(kernel.unix_stream(nonblocking)),
            (domain, kind) => {
                let call = format!("socket of domain {domain}, type {kind}");
                kernel.refuse(call, "use TCP, UDP or Unix streams");
                return Err(Errno(libc::EAFNOSUPPORT));
            }
        };
        Ok(kernel.socket(family, transport, nonblocking))
    });
    match result {
        Some(result) => answer_int(result),
        // SAFETY: this call takes no pointers.
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
        match on_descriptor(fd, |kernel| {
            if kernel.is_unix(fd) {
                let name = read_unix_address(address, length)?;
                return kernel.bind_unix(fd, name.ok_or(Errno(libc::EINVAL))?);
            }
            let wanted = read_address(address, length)?.ok_or(Errno(libc::EAFNOSUPPORT))?;
            kernel.bind(fd, wanted)
        }) {
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
    match on_descriptor(fd, |kernel| match kernel.is_unix(fd) {
        true => kernel.listen_unix(fd, backlog),
        false => kernel.listen(fd, backlog),
    }) {
        Some(result) => answer_int(result.map(|()| 0)),
        // SAFETY: this call takes no pointers.
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
        let nonblocking = flags & libc::SOCK_NONBLOCK != 0;
        match may_block(fd, |kernel| {
            if kernel.is_unix(fd) {
                let (accepted, peer) = kernel.accept_unix(fd, nonblocking)?;
                return Ok((accepted, Address::Unix(peer)));
            }
            let (accepted, peer) = kernel.accept(fd, nonblocking)?;
            Ok((accepted, Address::Ip(peer)))
        }) {
            Some(Ok((accepted, peer))) => {
                peer.write(address, length);
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
    // SAFETY: guaranteed by the caller: accept4(2) without flags.
    unsafe { accept4(fd, address, length, 0) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn connect(fd: c_int, address: *const sockaddr, length: socklen_t) -> c_int {
    // SAFETY: the address is the caller's, as for connect(2).
    unsafe {
        match may_block(fd, |kernel| {
            if kernel.is_unix(fd) {
                let name = read_unix_address(address, length)?;
                return kernel.connect_unix(fd, &name.ok_or(Errno(libc::EINVAL))?);
            }
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
        // SAFETY: this call takes no pointers.
        None => unsafe { pass(libc::SYS_shutdown, [fd as _, how as _, 0, 0, 0, 0]) },
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getsockname(
    fd: c_int,
    address: *mut sockaddr,
    length: *mut socklen_t,
) -> c_int {
    let found = on_descriptor(fd, |kernel| {
        if kernel.is_unix(fd) {
            return kernel.unix_name(fd).map(Address::Unix);
        }
        kernel.local_address(fd).map(Address::Ip)
    });
    // SAFETY: the address is the caller's, as for getsockname(2).
    unsafe { give_address(found, libc::SYS_getsockname, fd, address, length) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getpeername(
    fd: c_int,
    address: *mut sockaddr,
    length: *mut socklen_t,
) -> c_int {
    let found = on_descriptor(fd, |kernel| {
        if kernel.is_unix(fd) {
            return kernel.unix_peer(fd).map(Address::Unix);
        }
        kernel.peer_address(fd).map(Address::Ip)
    });
    // SAFETY: the address is the caller's, as for getpeername(2).
    unsafe { give_address(found, libc::SYS_getpeername, fd, address, length) }
}

/// A socket's address.
enum Address {
    Ip(SocketAddr),
    Unix(UnixName),
}

impl Address {
    /// # Safety
    ///
    /// As for [`write_address`].
    unsafe fn write(self, address: *mut sockaddr, length: *mut socklen_t) {
        // SAFETY: guaranteed by the caller.
        unsafe {
            match self {
                Self::Ip(found) => write_address(found, address, length),
                Self::Unix(name) => write_unix_address(&name, address, length),
            }
        }
    }
}

/// Writes the address found by the machine, or asks the real kernel if no machine was asked.
///
/// # Safety
///
/// As for [`write_address`], and for the system call.
unsafe fn give_address(
    found: Option<Result<Address, Errno>>,
    number: libc::c_long,
    fd: c_int,
    address: *mut sockaddr,
    length: *mut socklen_t,
) -> c_int {
    // SAFETY: guaranteed by the caller.
    unsafe {
        match found {
            Some(Ok(found)) => {
                found.write(address, length);
                0
            }
            Some(Err(error)) => fail(error) as c_int,
            None => pass(number, [fd as _, address as _, length as _, 0, 0, 0]),
        }
    }
}

/// # Safety
///
/// As for the system call.
pub(super) unsafe fn pass(number: libc::c_long, arguments: [usize; 6]) -> c_int {
    // SAFETY: guaranteed by the caller.
    unsafe { real::syscall(number, arguments) as c_int }
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![
        socket,
        bind,
        listen,
        accept4,
        accept,
        connect,
        shutdown,
        getsockname,
        getpeername
    ]
}
