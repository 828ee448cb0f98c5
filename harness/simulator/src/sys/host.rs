//! What a machine reports about itself: its name and its system. Nothing of the host is visible.

use super::answers::fail;
use super::here::{EntryPoint, machine};
use super::real;
use crate::kernel::errno::Errno;
use libc::{c_char, c_int, size_t, utsname};

fn name() -> Option<String> {
    machine(|kernel| kernel.name.clone())
}

#[unsafe(no_mangle)]
unsafe extern "C" fn gethostname(place: *mut c_char, length: size_t) -> c_int {
    let Some(name) = name() else {
        // SAFETY: all zeroes is a valid value of this type.
        let mut host = unsafe { std::mem::zeroed::<utsname>() };
        // SAFETY: the places are ours and the caller's, as for uname(2) and gethostname(2).
        return unsafe {
            match uname(&raw mut host) {
                0 => write_name(&host.nodename.map(|byte| byte as u8), place, length),
                error => error,
            }
        };
    };
    // SAFETY: the place is the caller's, as for gethostname(2).
    unsafe { write_name(name.as_bytes(), place, length) }
}

/// # Safety
///
/// `place` must have room for `length` bytes.
unsafe fn write_name(name: &[u8], place: *mut c_char, length: size_t) -> c_int {
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    if name.len() >= length {
        return fail(Errno(libc::ENAMETOOLONG)) as c_int;
    }
    // SAFETY: guaranteed by the caller; there is room for the name and a zero.
    unsafe {
        std::ptr::copy_nonoverlapping(name.as_ptr(), place.cast(), name.len());
        place.add(name.len()).write(0);
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn uname(system: *mut utsname) -> c_int {
    let Some(name) = name() else {
        // SAFETY: guaranteed by the caller, as for uname(2).
        return unsafe { real::syscall(libc::SYS_uname, [system as _, 0, 0, 0, 0, 0]) as c_int };
    };
    // SAFETY: the place is the caller's, and all zeroes is a valid value of this type.
    let system = unsafe {
        system.write(std::mem::zeroed());
        &mut *system
    };
    let fill = |field: &mut [c_char], text: &str| {
        let most = field.len() - 1;
        for (place, byte) in field.iter_mut().zip(text.bytes().take(most)) {
            *place = byte as c_char;
        }
    };
    fill(&mut system.sysname, "Linux");
    fill(&mut system.nodename, &name);
    fill(&mut system.release, "6.1.0");
    fill(&mut system.version, "#1 squall");
    fill(&mut system.machine, std::env::consts::ARCH);
    fill(&mut system.domainname, "(none)");
    0
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![gethostname, uname]
}
