//! Control messages, by which `sendmsg(2)` and `recvmsg(2)` say and ask what accompanies a datagram
//! (`cmsg(3)`).

use super::interfaces::{CARD, LOOPBACK};
use crate::kernel::Kernel;
use crate::kernel::ancillary::{Ancillary, Arrival};
use crate::kernel::errno::Errno;
use libc::{
    CMSG_DATA, CMSG_FIRSTHDR, CMSG_LEN, CMSG_NXTHDR, CMSG_SPACE, IPPROTO_IP, IPPROTO_IPV6, SOL_UDP,
    c_int, cmsghdr, in_addr, in_pktinfo, in6_addr, in6_pktinfo, msghdr,
};
use std::mem::offset_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reads what a program asks of a datagram.
///
/// # Errors
///
/// `EINVAL` for a value that Linux does not take, or what is not simulated.
///
/// # Safety
///
/// As for `sendmsg(2)`.
pub(super) unsafe fn read_control(
    kernel: &mut Kernel,
    fd: c_int,
    message: &msghdr,
) -> Result<Ancillary, Errno> {
    let mut ancillary = Ancillary::default();
    if message.msg_controllen == 0 {
        return Ok(ancillary);
    }
    if !kernel.has_datagrams(fd) {
        kernel.refuse(
            "sendmsg with control messages on a socket other than UDP's",
            "send without them",
        );
        return Err(Errno(libc::EINVAL));
    }
    // SAFETY: guaranteed by the caller: the control messages lie where the header says.
    unsafe {
        let mut next = CMSG_FIRSTHDR(message);
        while let Some(header) = next.as_ref() {
            let room = message.msg_control.addr() + message.msg_controllen - next.addr();
            let length = header.cmsg_len;
            if length < CMSG_LEN(0) as usize || length > room {
                return Err(Errno(libc::EINVAL));
            }
            let data = std::slice::from_raw_parts(CMSG_DATA(next), length - CMSG_LEN(0) as usize);
            match (header.cmsg_level, header.cmsg_type) {
                (IPPROTO_IP, libc::IP_TOS) => {
                    ancillary.class = Some(match data {
                        [byte] => *byte,
                        _ => small(data)?,
                    });
                }
                (IPPROTO_IP, libc::IP_TTL) => match small(data)? {
                    0 => return Err(Errno(libc::EINVAL)),
                    hops => ancillary.hops = Some(hops),
                },
                // Linux 6.18 sends -1, which stands for a default in RFC 3542, as it is.
                (IPPROTO_IPV6, libc::IPV6_TCLASS) => {
                    ancillary.class = Some(default_or_small(data)?.unwrap_or(u8::MAX));
                }
                (IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => ancillary.hops = default_or_small(data)?,
                (IPPROTO_IP, libc::IP_PKTINFO) => {
                    let data = &exactly::<{ size_of::<in_pktinfo>() }>(data)?;
                    let source = octets(data, offset_of!(in_pktinfo, ipi_spec_dst))?;
                    let source = Ipv4Addr::from_octets(source);
                    ancillary.source = (!source.is_unspecified()).then_some(source.into());
                }
                (IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                    let source = octets(data, offset_of!(in6_pktinfo, ipi6_addr))?;
                    let source = Ipv6Addr::from_octets(source).to_canonical();
                    ancillary.source = (!source.is_unspecified()).then_some(source);
                }
                (SOL_UDP, libc::UDP_SEGMENT) => {
                    ancillary.segment = Some(u16::from_ne_bytes(exactly(data)?));
                }
                (level, name) => {
                    let call = format!("sendmsg with a control message of level {level}, {name}");
                    kernel.refuse(call, "send without it");
                    return Err(Errno(libc::EINVAL));
                }
            }
            next = CMSG_NXTHDR(message, next);
        }
    }
    Ok(ancillary)
}

/// An integer that fits into a byte.
fn small(data: &[u8]) -> Result<u8, Errno> {
    let number = c_int::from_ne_bytes(exactly(data)?);
    u8::try_from(number).map_err(|_| Errno(libc::EINVAL))
}

/// The same; -1 means what the socket's options say.
fn default_or_small(data: &[u8]) -> Result<Option<u8>, Errno> {
    match c_int::from_ne_bytes(exactly(data)?) {
        -1 => Ok(None),
        _ => small(data).map(Some),
    }
}

/// All of it, if it is as long as it has to be.
fn exactly<const N: usize>(data: &[u8]) -> Result<[u8; N], Errno> {
    data.try_into().map_err(|_| Errno(libc::EINVAL))
}

fn octets<const N: usize>(data: &[u8], at: usize) -> Result<[u8; N], Errno> {
    let octets = data
        .get(at..at + N)
        .and_then(|octets| octets.try_into().ok());
    octets.ok_or(Errno(libc::EINVAL))
}

/// Tells a program how a datagram has arrived, as far as it wants to hear that and has room for it;
/// if not, the flags say so (`MSG_CTRUNC`).
///
/// # Safety
///
/// As for `recvmsg(2)`.
pub(super) unsafe fn write_control(message: &mut msghdr, arrival: Option<Arrival>) {
    let mut control = Control {
        room: match message.msg_control.is_null() {
            true => 0,
            false => message.msg_controllen,
        },
        used: 0,
        message,
    };
    // SAFETY: guaranteed by the caller.
    unsafe {
        if let Some(arrival) = arrival {
            control.tell(&arrival);
        }
    }
    control.message.msg_controllen = control.used;
}

/// Where a program wants control messages, and how much of it is used.
struct Control<'a> {
    message: &'a mut msghdr,
    room: usize,
    used: usize,
}

impl Control<'_> {
    /// In Linux's order.
    ///
    /// # Safety
    ///
    /// As for `recvmsg(2)`.
    unsafe fn tell(&mut self, arrival: &Arrival) {
        let Arrival { wanted, to, .. } = *arrival;
        let through = if arrival.is_own { LOOPBACK } else { CARD };
        let interface = through.number;
        let (class, hops) = (c_int::from(arrival.class), c_int::from(arrival.hops));
        // SAFETY: guaranteed by the caller.
        unsafe {
            if arrival.is_v6 && wanted.address_v6 {
                let to = match to {
                    IpAddr::V4(to) => to.to_ipv6_mapped(),
                    IpAddr::V6(to) => to,
                };
                let info = in6_pktinfo {
                    ipi6_addr: in6_addr {
                        s6_addr: to.octets(),
                    },
                    ipi6_ifindex: interface as _,
                };
                self.put(IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
            }
            match to {
                IpAddr::V4(to) => {
                    if wanted.address {
                        let address = in_addr {
                            s_addr: u32::from_ne_bytes(to.octets()),
                        };
                        let info = in_pktinfo {
                            ipi_ifindex: interface,
                            ipi_spec_dst: address,
                            ipi_addr: address,
                        };
                        self.put(IPPROTO_IP, libc::IP_PKTINFO, info);
                    }
                    if wanted.hops {
                        self.put(IPPROTO_IP, libc::IP_TTL, hops);
                    }
                    if wanted.class {
                        self.put(IPPROTO_IP, libc::IP_TOS, arrival.class);
                    }
                }
                IpAddr::V6(_) => {
                    if wanted.hops_v6 {
                        self.put(IPPROTO_IPV6, libc::IPV6_HOPLIMIT, hops);
                    }
                    if wanted.class_v6 {
                        self.put(IPPROTO_IPV6, libc::IPV6_TCLASS, class);
                    }
                }
            }
        }
    }

    /// # Safety
    ///
    /// As for `recvmsg(2)`.
    unsafe fn put<T>(&mut self, level: c_int, name: c_int, value: T) {
        // SAFETY: guaranteed by the caller: there are `room` bytes, of which no more are written.
        unsafe {
            let (header, size) = (CMSG_LEN(0) as usize, size_of::<T>());
            let left = self.room - self.used;
            if left < header {
                self.message.msg_flags |= libc::MSG_CTRUNC;
                return;
            }
            let fits = (header + size).min(left);
            if fits < header + size {
                self.message.msg_flags |= libc::MSG_CTRUNC;
            }
            let place = self.message.msg_control.byte_add(self.used);
            let mut told: cmsghdr = std::mem::zeroed();
            told.cmsg_len = fits as _;
            (told.cmsg_level, told.cmsg_type) = (level, name);
            place.cast::<cmsghdr>().write_unaligned(told);
            let bytes = (&raw const value).cast::<u8>();
            place
                .byte_add(header)
                .cast::<u8>()
                .copy_from(bytes, fits - header);
            self.used += (CMSG_SPACE(size as u32) as usize).min(left);
        }
    }
}
