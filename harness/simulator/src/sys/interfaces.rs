//! The network interfaces of a machine: its loopback, and one card with its current addresses.

use super::addresses::write_address;
use super::answers::fail;
use super::here::{EntryPoint, machine};
use crate::host::real::Original;
use crate::kernel::errno::Errno;
use libc::{c_char, c_int, c_uint, c_void, ifaddrs, sockaddr, sockaddr_in6, socklen_t};
use std::ffi::CStr;
use std::mem::transmute;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ptr;

type Getifaddrs = unsafe extern "C" fn(*mut *mut ifaddrs) -> c_int;
type Nametoindex = unsafe extern "C" fn(*const c_char) -> c_uint;
type Indextoname = unsafe extern "C" fn(c_uint, *mut c_char) -> *mut c_char;

static GETIFADDRS: Original = Original::new(c"getifaddrs");
static IF_NAMETOINDEX: Original = Original::new(c"if_nametoindex");
static IF_INDEXTONAME: Original = Original::new(c"if_indextoname");

/// A network interface: its number and its name.
pub(super) struct Interface {
    pub(super) number: c_int,
    name: &'static CStr,
}

pub(super) const LOOPBACK: Interface = Interface {
    number: 1,
    name: c"lo",
};

pub(super) const CARD: Interface = Interface {
    number: 2,
    name: c"eth0",
};

const ALL: [Interface; 2] = [LOOPBACK, CARD];

/// One entry of the list. All entries are in one allocation, which the original `freeifaddrs` frees
/// like its own.
#[repr(C)]
struct Entry {
    entry: ifaddrs,
    address: sockaddr_in6,
    mask: sockaddr_in6,
}

/// A prefix of `bits` bits, as a mask.
fn mask(address: IpAddr, bits: u32) -> IpAddr {
    match address {
        IpAddr::V4(_) => Ipv4Addr::from(!(u32::MAX.checked_shr(bits).unwrap_or(0))).into(),
        IpAddr::V6(_) => Ipv6Addr::from(!(u128::MAX.checked_shr(bits).unwrap_or(0))).into(),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getifaddrs(list: *mut *mut ifaddrs) -> c_int {
    let Some(addresses) = machine(|kernel| kernel.addresses) else {
        // SAFETY: the original has this type; the place is the caller's.
        return unsafe { transmute::<*mut c_void, Getifaddrs>(GETIFADDRS.get())(list) };
    };
    let up = (libc::IFF_UP | libc::IFF_RUNNING) as c_uint;
    let loopback = up | libc::IFF_LOOPBACK as c_uint;
    let all: [(&CStr, c_uint, IpAddr, u32); 4] = [
        (LOOPBACK.name, loopback, Ipv4Addr::LOCALHOST.into(), 8),
        (CARD.name, up, addresses.v4.into(), 8),
        (LOOPBACK.name, loopback, Ipv6Addr::LOCALHOST.into(), 128),
        (CARD.name, up, addresses.v6.into(), 64),
    ];
    // SAFETY: zeroed memory is valid for these entries, which consist of null pointers and numbers.
    // It is written within its bounds, and the place for the result is the caller's.
    unsafe {
        let entries = libc::calloc(all.len(), size_of::<Entry>()).cast::<Entry>();
        if entries.is_null() {
            return fail(Errno(libc::ENOMEM)) as c_int;
        }
        for (index, (name, flags, address, bits)) in all.into_iter().enumerate() {
            let this = entries.add(index);
            let next = match index + 1 < all.len() {
                true => entries.add(index + 1).cast::<ifaddrs>(),
                false => ptr::null_mut(),
            };
            (*this).entry.ifa_next = next;
            (*this).entry.ifa_name = name.as_ptr().cast_mut();
            (*this).entry.ifa_flags = flags;
            (*this).entry.ifa_addr = write(address, &raw mut (*this).address);
            (*this).entry.ifa_netmask = write(mask(address, bits), &raw mut (*this).mask);
        }
        *list = entries.cast();
    }
    0
}

/// # Safety
///
/// `place` must be valid.
unsafe fn write(address: IpAddr, place: *mut sockaddr_in6) -> *mut sockaddr {
    let mut length = size_of::<sockaddr_in6>() as socklen_t;
    // SAFETY: guaranteed by the caller; an address of either family fits.
    unsafe { write_address(SocketAddr::new(address, 0), place.cast(), &raw mut length) };
    place.cast()
}

#[unsafe(no_mangle)]
unsafe extern "C" fn if_nametoindex(name: *const c_char) -> c_uint {
    if machine(|_| ()).is_none() {
        // SAFETY: the original has this type; the name is the caller's.
        return unsafe { transmute::<*mut c_void, Nametoindex>(IF_NAMETOINDEX.get())(name) };
    }
    // SAFETY: a C string, as for if_nametoindex(3).
    let name = unsafe { CStr::from_ptr(name) };
    let found = ALL.iter().find(|known| known.name == name);
    found.map_or_else(
        || {
            fail(Errno(libc::ENODEV));
            0
        },
        |known| known.number as c_uint,
    )
}

#[unsafe(no_mangle)]
unsafe extern "C" fn if_indextoname(index: c_uint, name: *mut c_char) -> *mut c_char {
    if machine(|_| ()).is_none() {
        // SAFETY: the original has this type; the place is the caller's.
        return unsafe { transmute::<*mut c_void, Indextoname>(IF_INDEXTONAME.get())(index, name) };
    }
    let Some(found) = ALL.iter().find(|known| known.number as c_uint == index) else {
        fail(Errno(libc::ENXIO));
        return ptr::null_mut();
    };
    let found = found.name;
    // SAFETY: guaranteed by the caller: room for IF_NAMESIZE bytes, which is more than any name
    // needs.
    unsafe { ptr::copy_nonoverlapping(found.as_ptr(), name, found.to_bytes_with_nul().len()) };
    name
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![getifaddrs, if_nametoindex, if_indextoname]
}
