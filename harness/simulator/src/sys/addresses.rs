//! Socket addresses: C's structures on one side, std's types on the other.

use crate::kernel::UnixName;
use crate::kernel::errno::Errno;
use libc::{c_int, sockaddr, sockaddr_in, sockaddr_in6, socklen_t};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// The least length of `AF_INET6` addresses: older ones had no scope (RFC 2133).
const V6_LEAST: usize = size_of::<sockaddr_in6>() - 4;

/// Reads an address given by a program; none if its family is `AF_UNSPEC`.
///
/// # Errors
///
/// `EINVAL` if it is too short for its family, `EAFNOSUPPORT` if it is not an IP address.
///
/// # Safety
///
/// `address` must be valid for `length` bytes.
pub(super) unsafe fn read_address(
    address: *const sockaddr,
    length: socklen_t,
) -> Result<Option<SocketAddr>, Errno> {
    let mut bytes = [0; size_of::<sockaddr_in6>()];
    let given = (length as usize).min(bytes.len());
    // SAFETY: guaranteed by the caller.
    unsafe { std::ptr::copy_nonoverlapping(address.cast(), bytes.as_mut_ptr(), given) };
    let family = c_int::from(u16::from_ne_bytes([bytes[0], bytes[1]]));
    let port = u16::from_be_bytes([bytes[2], bytes[3]]);
    match family {
        _ if given < 2 => Err(Errno(libc::EINVAL)),
        libc::AF_UNSPEC => Ok(None),
        libc::AF_INET if given < size_of::<sockaddr_in>() => Err(Errno(libc::EINVAL)),
        libc::AF_INET => {
            let ip: [u8; 4] = std::array::from_fn(|index| bytes[4 + index]);
            Ok(Some(SocketAddr::new(Ipv4Addr::from(ip).into(), port)))
        }
        libc::AF_INET6 if given < V6_LEAST => Err(Errno(libc::EINVAL)),
        libc::AF_INET6 => {
            let ip: [u8; 16] = std::array::from_fn(|index| bytes[8 + index]);
            Ok(Some(
                SocketAddrV6::new(Ipv6Addr::from(ip), port, 0, 0).into(),
            ))
        }
        _ => Err(Errno(libc::EAFNOSUPPORT)),
    }
}

/// Writes an address where the caller wants it, truncated to the room available; `length` is set to
/// its full length.
///
/// # Safety
///
/// Both null, or `length` valid and `address` valid for as many bytes as it says.
pub(super) unsafe fn write_address(
    found: SocketAddr,
    address: *mut sockaddr,
    length: *mut socklen_t,
) {
    if address.is_null() || length.is_null() {
        return;
    }
    let mut bytes = [0; size_of::<sockaddr_in6>()];
    bytes[2..4].copy_from_slice(&found.port().to_be_bytes());
    let (family, full) = match found {
        SocketAddr::V4(v4) => {
            bytes[4..8].copy_from_slice(&v4.ip().octets());
            (libc::AF_INET, size_of::<sockaddr_in>())
        }
        SocketAddr::V6(v6) => {
            bytes[8..24].copy_from_slice(&v6.ip().octets());
            (libc::AF_INET6, size_of::<sockaddr_in6>())
        }
    };
    bytes[..2].copy_from_slice(&(family as u16).to_ne_bytes());
    // SAFETY: guaranteed by the caller.
    unsafe {
        let room = (*length as usize).min(full);
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), address.cast(), room);
        *length = full as socklen_t;
    }
}

/// Reads the name of a Unix socket given by a program; none if the address is of another family.
///
/// # Errors
///
/// `EINVAL` if it is too short or too long.
///
/// # Safety
///
/// `address` must be valid for `length` bytes.
pub(super) unsafe fn read_unix_address(
    address: *const sockaddr,
    length: socklen_t,
) -> Result<Option<UnixName>, Errno> {
    let length = length as usize;
    if address.is_null() || length < size_of::<u16>() {
        return Err(Errno(libc::EINVAL));
    }
    // SAFETY: guaranteed by the caller.
    let bytes = unsafe { std::slice::from_raw_parts(address.cast::<u8>(), length) };
    let (family, name) = bytes.split_at(size_of::<u16>());
    if c_int::from(u16::from_ne_bytes([family[0], family[1]])) != libc::AF_UNIX {
        return Ok(None);
    }
    if length > size_of::<libc::sockaddr_un>() {
        return Err(Errno(libc::EINVAL));
    }
    let end = match name.first() {
        Some(0) => name.len(),
        _ => (name.iter().position(|&byte| byte == 0)).unwrap_or(name.len()),
    };
    Ok(Some(name[..end].to_vec()))
}

/// Writes the address of a Unix socket: its family and its name, with a zero byte after a path.
///
/// # Safety
///
/// As for [`write_address`].
pub(super) unsafe fn write_unix_address(
    name: &[u8],
    address: *mut sockaddr,
    length: *mut socklen_t,
) {
    if address.is_null() || length.is_null() {
        return;
    }
    let end: &[u8] = match name.first() {
        None | Some(0) => &[],
        Some(_) => &[0],
    };
    let family = (libc::AF_UNIX as u16).to_ne_bytes();
    let bytes = [&family[..], name, end].concat();
    // SAFETY: guaranteed by the caller.
    unsafe {
        let room = (*length as usize).min(bytes.len());
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), address.cast(), room);
        *length = bytes.len() as socklen_t;
    }
}
