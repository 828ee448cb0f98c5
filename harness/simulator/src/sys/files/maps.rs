//! Files in memory: `mmap(2)` and the like. Anything but a file of a machine is memory of the host
//! and its allocators.

use super::super::real;
use super::answers::on_machine;
use crate::kernel::errno::Errno;
use crate::kernel::{FIRST_DESCRIPTOR, Place, SharedKernel};
use crate::sys::answers::{answer_int, fail};
use crate::sys::here::{EntryPoint, machine};
use crate::sys::refuse::refuse;
use libc::{c_int, c_void, off_t, size_t};
use std::io;

const PAGE: u64 = 4096;

/// Maps on the host.
///
/// # Safety
///
/// As for `mmap(2)`.
unsafe fn map_of_host(
    place: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: off_t,
) -> *mut c_void {
    let arguments = [
        place as _,
        length,
        protection as _,
        flags as _,
        fd as _,
        offset as _,
    ];
    // SAFETY: guaranteed by the caller.
    unsafe { real::syscall(libc::SYS_mmap, arguments) as *mut c_void }
}

/// Maps a file of the running machine.
///
/// # Safety
///
/// As for `mmap(2)`.
unsafe fn map_file(
    place: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: off_t,
) -> Result<*mut c_void, Errno> {
    let offset = u64::try_from(offset).map_err(|_| Errno(libc::EINVAL))?;
    if length == 0 || !offset.is_multiple_of(PAGE) {
        return Err(Errno(libc::EINVAL));
    }
    let shared = flags & libc::MAP_TYPE != libc::MAP_PRIVATE;
    let end = (offset.checked_add(length as u64)).ok_or(Errno(libc::EOVERFLOW))?;
    let map = |protection: c_int, flags: c_int, fd: c_int, offset: u64| {
        // SAFETY: guaranteed by the caller.
        match unsafe { map_of_host(place, length, protection, flags, fd, offset as off_t) } {
            // SAFETY: `errno` is the calling thread's own.
            libc::MAP_FAILED => Err(Errno(unsafe { *libc::__errno_location() })),
            address => Ok(address),
        }
    };
    if shared {
        let writes = protection & libc::PROT_WRITE != 0;
        let memory = machine(|kernel| kernel.memory_to_map(fd, end, writes));
        let address = map(
            protection,
            flags,
            memory.unwrap_or(Err(Errno(libc::EBADF)))?,
            offset,
        )?;
        let mapped = Place { offset, protection };
        machine(|kernel| kernel.mapped(address as usize, length, fd, mapped));
        return Ok(address);
    }
    let bytes = machine(|kernel| {
        let bytes = kernel.bytes_to_map(fd, offset, length);
        kernel.wait_for_disk();
        bytes
    });
    let bytes = bytes.unwrap_or(Err(Errno(libc::EBADF)))?;
    let both = libc::PROT_READ | libc::PROT_WRITE;
    let address = map(both, flags | libc::MAP_ANONYMOUS, -1, 0)?;
    // SAFETY: these pages are new, and there are that many of them.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), address.cast(), bytes.len());
        if protection != both {
            let arguments = [address as _, length, protection as _, 0, 0, 0];
            real::syscall(libc::SYS_mprotect, arguments);
        }
    }
    Ok(address)
}

/// This process is a fork of another one: stops sharing any memory of the machine's files with it.
///
/// # Errors
///
/// If the host provides no more.
pub(crate) fn part_maps_from_parent(kernel: &SharedKernel) -> io::Result<()> {
    let maps = kernel.borrow_mut().part_from_parent()?;
    maps.into_iter()
        .try_for_each(|(address, length, memory, place)| {
            let flags = (libc::MAP_SHARED | libc::MAP_FIXED) as usize;
            let arguments = [
                address,
                length,
                place.protection as usize,
                flags,
                memory as usize,
                place.offset as usize,
            ];
            // SAFETY: the same part of the same file is already mapped there, and its program is
            // not running.
            match unsafe { real::syscall(libc::SYS_mmap, arguments) } {
                -1 => Err(io::Error::last_os_error()),
                _ => Ok(()),
            }
        })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mmap(
    place: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: off_t,
) -> *mut c_void {
    // SAFETY: guaranteed by the caller, as for mmap(2).
    unsafe {
        if fd < FIRST_DESCRIPTOR || flags & libc::MAP_ANONYMOUS != 0 {
            return map_of_host(place, length, protection, flags, fd, offset);
        }
        map_file(place, length, protection, flags, fd, offset).unwrap_or_else(|error| {
            fail(error);
            libc::MAP_FAILED
        })
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn mmap64(
    place: *mut c_void,
    length: size_t,
    protection: c_int,
    flags: c_int,
    fd: c_int,
    offset: off_t,
) -> *mut c_void {
    // SAFETY: guaranteed by the caller.
    unsafe { mmap(place, length, protection, flags, fd, offset) }
}

/// Whether a file of the machine is mapped there. Memory allocators ask this very often.
fn is_mapped(address: *const c_void, length: size_t) -> bool {
    machine(|kernel| kernel.is_mapped(address as usize, length)) == Some(true)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn munmap(address: *mut c_void, length: size_t) -> c_int {
    if is_mapped(address, length) {
        machine(|kernel| kernel.unmap(address as usize, length));
    }
    // SAFETY: guaranteed by the caller, as for munmap(2).
    unsafe { real::syscall(libc::SYS_munmap, [address as _, length, 0, 0, 0, 0]) as c_int }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn msync(address: *mut c_void, length: size_t, flags: c_int) -> c_int {
    if is_mapped(address, length) {
        let waits = flags & libc::MS_SYNC != 0;
        let synced =
            on_machine(|kernel| kernel.sync_map(address as usize, length, waits).map(|()| 0));
        return synced.map_or(0, |answer| answer as c_int);
    }
    // SAFETY: guaranteed by the caller, as for msync(2).
    unsafe { real::syscall(libc::SYS_msync, [address as _, length, flags as _, 0, 0, 0]) as c_int }
}

/// Variadic in C: the flags say whether the last argument is present.
#[unsafe(no_mangle)]
unsafe extern "C" fn mremap(
    address: *mut c_void,
    length: size_t,
    new: size_t,
    flags: c_int,
    place: *mut c_void,
) -> *mut c_void {
    let remedy = "unmap it, and map it anew";
    if is_mapped(address, length) && refuse("mremap of a file", remedy) {
        answer_int(Err::<c_int, _>(Errno(libc::ENOMEM)));
        return libc::MAP_FAILED;
    }
    let arguments = [address as _, length, new, flags as _, place as _, 0];
    // SAFETY: guaranteed by the caller, as for mremap(2).
    unsafe { real::syscall(libc::SYS_mremap, arguments) as *mut c_void }
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![mmap, mmap64, munmap, msync, mremap]
}
