//! Names: `getaddrinfo(3)` knows only the machines of the world. No query leaves the world.

use super::addresses::write_address;
use super::here::{EntryPoint, machine};
use crate::host::real::Original;
use libc::{addrinfo, c_char, c_int, c_void, sockaddr, sockaddr_in6, socklen_t};
use std::ffi::CStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ptr;

type Getaddrinfo = unsafe extern "C" fn(
    *const c_char,
    *const c_char,
    *const addrinfo,
    *mut *mut addrinfo,
) -> c_int;

static GETADDRINFO: Original = Original::new(c"getaddrinfo");

/// The name has no address of the wanted family (`netdb.h` of glibc).
const EAI_ADDRFAMILY: c_int = -9;

/// The services of `/etc/services` that programs ask for by name.
const SERVICES: [(&str, u16); 2] = [("http", 80), ("https", 443)];

/// What `getaddrinfo` returns instead of an address: one of its error codes.
struct Failure(c_int);

#[unsafe(no_mangle)]
unsafe extern "C" fn getaddrinfo(
    node: *const c_char,
    service: *const c_char,
    hints: *const addrinfo,
    found: *mut *mut addrinfo,
) -> c_int {
    if machine(|_| ()).is_none() {
        // SAFETY: the original has this type; the arguments are the caller's.
        return unsafe {
            let original = std::mem::transmute::<*mut c_void, Getaddrinfo>(GETADDRINFO.get());
            original(node, service, hints, found)
        };
    }
    // SAFETY: guaranteed by the caller: two strings, hints and a place for the result, as for
    // getaddrinfo(3); each but the last may be null.
    unsafe {
        let text = |text: *const c_char| match text.is_null() {
            true => Ok(None),
            false => CStr::from_ptr(text).to_str().map(Some),
        };
        let (Ok(node), Ok(service)) = (text(node), text(service)) else {
            return libc::EAI_NONAME;
        };
        let hints = hints.as_ref().map_or(Hints::NONE, Hints::of);
        match look_up(node, service, &hints) {
            Ok(addresses) => answer(&addresses, node, &hints, found),
            Err(Failure(code)) => code,
        }
    }
}

/// What the caller wants.
struct Hints {
    flags: c_int,
    family: c_int,
    kind: c_int,
    protocol: c_int,
}

impl Hints {
    const NONE: Hints = Hints {
        flags: 0,
        family: libc::AF_UNSPEC,
        kind: 0,
        protocol: 0,
    };

    fn of(hints: &addrinfo) -> Self {
        Self {
            flags: hints.ai_flags,
            family: hints.ai_family,
            kind: hints.ai_socktype,
            protocol: hints.ai_protocol,
        }
    }

    /// An entry of the result, without an address.
    fn info(&self) -> addrinfo {
        addrinfo {
            ai_flags: self.flags,
            ai_family: self.family,
            ai_socktype: self.kind,
            ai_protocol: self.protocol,
            ai_addrlen: 0,
            ai_addr: ptr::null_mut(),
            ai_canonname: ptr::null_mut(),
            ai_next: ptr::null_mut(),
        }
    }

    fn has(&self, flag: c_int) -> bool {
        self.flags & flag != 0
    }
}

fn look_up(
    node: Option<&str>,
    service: Option<&str>,
    hints: &Hints,
) -> Result<Vec<SocketAddr>, Failure> {
    let all = match node {
        None if service.is_none() => return Err(Failure(libc::EAI_NONAME)),
        None if hints.has(libc::AI_PASSIVE) => {
            vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]
        }
        None => vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()],
        Some(node) => addresses_of(node, hints)?,
    };
    let port = service.map_or(Ok(0), |service| port_of(service, hints))?;
    let wanted = |address: &IpAddr| match hints.family {
        libc::AF_INET => address.is_ipv4(),
        libc::AF_INET6 => address.is_ipv6(),
        family => family == libc::AF_UNSPEC,
    };
    let found: Vec<_> = all
        .into_iter()
        .filter(wanted)
        .map(|address| SocketAddr::new(address, port))
        .collect();
    match found.is_empty() {
        true => Err(Failure(EAI_ADDRFAMILY)),
        false => Ok(found),
    }
}

/// Sorted as in RFC 6724, section 2.1: `::1` before IPv4 before the unique local addresses that
/// machines have.
fn addresses_of(node: &str, hints: &Hints) -> Result<Vec<IpAddr>, Failure> {
    if let Ok(address) = node.parse() {
        return Ok(vec![address]);
    }
    let known = machine(|kernel| kernel.look_up(node)).flatten();
    match known {
        Some(found) if !hints.has(libc::AI_NUMERICHOST) => Ok(match found.v6.is_loopback() {
            true => vec![found.v6.into(), found.v4.into()],
            false => vec![found.v4.into(), found.v6.into()],
        }),
        _ => Err(Failure(libc::EAI_NONAME)),
    }
}

fn port_of(service: &str, hints: &Hints) -> Result<u16, Failure> {
    if let Ok(port) = service.parse() {
        return Ok(port);
    }
    let known = SERVICES.iter().find(|(name, _)| *name == service);
    match known {
        Some(&(_, port)) if !hints.has(libc::AI_NUMERICSERV) => Ok(port),
        _ => Err(Failure(libc::EAI_SERVICE)),
    }
}

/// An entry of the result and its address, in one allocation, which is what glibc's `freeaddrinfo`
/// frees: a result may outlive its machine.
#[repr(C)]
struct Entry {
    info: addrinfo,
    address: sockaddr_in6,
}

/// The protocol of each kind of socket.
const KINDS: [(c_int, c_int); 3] = [
    (libc::SOCK_STREAM, libc::IPPROTO_TCP),
    (libc::SOCK_DGRAM, libc::IPPROTO_UDP),
    (libc::SOCK_RAW, libc::IPPROTO_IP),
];

/// Writes the result: for each address, an entry for each kind of socket, as on Linux, or only for
/// the requested kind.
///
/// # Safety
///
/// `found` must point to a place for the result.
unsafe fn answer(
    addresses: &[SocketAddr],
    node: Option<&str>,
    hints: &Hints,
    found: *mut *mut addrinfo,
) -> c_int {
    let wanted = |&(kind, protocol): &(c_int, c_int)| {
        let of_kind = hints.kind == 0 || hints.kind == kind;
        of_kind && (hints.protocol == 0 || kind == libc::SOCK_RAW || hints.protocol == protocol)
    };
    let mut next = ptr::null_mut();
    for &address in addresses.iter().rev() {
        for (kind, protocol) in KINDS.into_iter().filter(wanted).rev() {
            let mut info = Hints {
                kind,
                protocol,
                ..*hints
            }
            .info();
            info.ai_family = match address.is_ipv4() {
                true => libc::AF_INET,
                false => libc::AF_INET6,
            };
            info.ai_next = next;
            // SAFETY: memory for one entry, written before it is used.
            unsafe {
                let entry = libc::malloc(size_of::<Entry>()).cast::<Entry>();
                if entry.is_null() {
                    return libc::EAI_MEMORY;
                }
                info.ai_addr = (&raw mut (*entry).address).cast::<sockaddr>();
                info.ai_addrlen = size_of::<sockaddr_in6>() as socklen_t;
                (&raw mut (*entry).address).write(std::mem::zeroed());
                write_address(address, info.ai_addr, &raw mut info.ai_addrlen);
                (&raw mut (*entry).info).write(info);
                next = entry.cast();
            }
        }
    }
    // SAFETY: the first entry, and the caller's place for the result.
    unsafe {
        let Some(first) = next.as_mut() else {
            return libc::EAI_SOCKTYPE;
        };
        if let Some(node) = node.filter(|_| hints.has(libc::AI_CANONNAME)) {
            first.ai_canonname = libc::strndup(node.as_ptr().cast(), node.len());
        }
        *found = next;
    }
    0
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![getaddrinfo]
}
