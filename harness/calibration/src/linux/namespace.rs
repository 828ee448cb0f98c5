//! A network namespace for a thread, and the one device in it.

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use std::fs::{File, OpenOptions};
use std::mem;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

/// The other end of a device: what the device sends is read here, and what is written here arrives
/// at it.
pub(super) type Tun = File;

const NAME: &[u8] = b"calibration\0";

nix::ioctl_write_int!(set_tun, b'T', 202);

/// Gives the calling thread its own network, with this address in a /24 network, and real-time
/// priority.
pub(super) fn enter(address: Ipv4Addr) -> nix::Result<Tun> {
    unshare(CloneFlags::CLONE_NEWNET)?;
    let tun = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(libc::O_NONBLOCK)
        .open("/dev/net/tun")
        .map_err(errno)?;
    let mut request = request();
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as i16;
    // SAFETY: the request is a valid `ifreq` for as long as the call takes.
    unsafe { set_tun(tun.as_raw_fd(), (&raw const request) as u64) }?;
    set_up(address)?;
    take_priority();
    Ok(tun)
}

fn errno(error: std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

fn request() -> libc::ifreq {
    // SAFETY: zeros are a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, &from) in request.ifr_name.iter_mut().zip(NAME) {
        *to = from as libc::c_char;
    }
    request
}

/// Gives the device its address and switches it on.
fn set_up(address: Ipv4Addr) -> nix::Result<()> {
    // SAFETY: it only creates a descriptor.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    // SAFETY: the descriptor was just created, and nothing else owns it.
    let socket = unsafe { OwnedFd::from_raw_fd(Errno::result(socket)?) };
    let ask = |what: libc::c_ulong, request: &libc::ifreq| {
        // SAFETY: the request is a valid `ifreq` for as long as the call takes.
        Errno::result(unsafe { libc::ioctl(socket.as_raw_fd(), what as _, request) }).map(drop)
    };
    for (what, value) in [
        (libc::SIOCSIFADDR, address),
        (libc::SIOCSIFNETMASK, Ipv4Addr::new(255, 255, 255, 0)),
    ] {
        let mut request = request();
        let value = socket_address(value);
        // SAFETY: both are plain bytes, of the same size.
        request.ifr_ifru.ifru_addr =
            unsafe { mem::transmute::<libc::sockaddr_in, libc::sockaddr>(value) };
        ask(what, &request)?;
    }
    let mut request = request();
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
    ask(libc::SIOCSIFFLAGS, &request)
}

fn socket_address(address: Ipv4Addr) -> libc::sockaddr_in {
    libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr {
            s_addr: u32::from(address).to_be(),
        },
        sin_zero: [0; 8],
    }
}

/// Requests the processor ahead of everything without real-time priority. Without this, the
/// measurement has more jitter.
pub(super) fn take_priority() {
    let priority = libc::sched_param { sched_priority: 5 };
    // SAFETY: the parameter is valid for as long as the call takes.
    unsafe { libc::sched_setscheduler(0, libc::SCHED_RR, &priority) };
}
