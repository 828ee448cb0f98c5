//! Random bytes.

use super::audit::asked;
use super::here::{EntryPoint, WorldThread, machine, world};
use super::real;
use crate::audit::Call;
use crate::entropy::Door;
use libc::{c_int, c_uint, c_void, size_t, ssize_t};
use std::slice;

/// Fills the bytes from the running machine, or from the world if none is running: the first
/// `HashMap` of a thread may be the world's own. False outside a world.
fn fill(door: Door, bytes: &mut [u8]) -> bool {
    if machine(|kernel| kernel.entropy.fill(door, bytes)).is_some() {
        return true;
    }
    // Already borrowed: this comes from the world's memory allocator, which is the host's.
    let of_world = |world: &WorldThread| {
        world
            .entropy
            .try_borrow_mut()
            .map(|mut entropy| entropy.fill(door, bytes))
            .is_ok()
    };
    world(of_world).unwrap_or(false)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut c_void, length: size_t, flags: c_uint) -> ssize_t {
    asked(|| Call::entropy("getrandom", length));
    // SAFETY: the buffer is the caller's, as for getrandom(2).
    unsafe { fill_or_get(buffer, length, flags) }
}

/// # Safety
///
/// As for getrandom(2).
pub(super) unsafe fn fill_or_get(buffer: *mut c_void, length: size_t, flags: c_uint) -> ssize_t {
    // SAFETY: guaranteed by the caller.
    unsafe {
        if fill(Door::Getrandom, zeroed(buffer, length)) {
            return length as ssize_t;
        }
        real::syscall(
            libc::SYS_getrandom,
            [buffer as _, length, flags as _, 0, 0, 0],
        )
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getentropy(buffer: *mut c_void, length: size_t) -> c_int {
    asked(|| Call::entropy("getentropy", length));
    // SAFETY: the buffer is the caller's, as for getentropy(3), which returns at most 256 bytes:
    // for that few, getrandom(2) is never interrupted.
    unsafe {
        if fill(Door::Getentropy, zeroed(buffer, length)) {
            return 0;
        }
        let filled = real::syscall(
            libc::SYS_getrandom,
            [buffer as _, length.min(256), 0, 0, 0, 0],
        );
        if filled < 0 { -1 } else { 0 }
    }
}

/// The memory to be filled, which the program may not have initialised.
///
/// # Safety
///
/// `start` must be valid for `length` bytes for as long as the result is used, or `length` be zero.
unsafe fn zeroed<'a>(start: *mut c_void, length: size_t) -> &'a mut [u8] {
    match length {
        0 => &mut [],
        // SAFETY: guaranteed by the caller; after the first call all bytes are initialised.
        _ => unsafe {
            start.cast::<u8>().write_bytes(0, length);
            slice::from_raw_parts_mut(start.cast(), length)
        },
    }
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![getrandom, getentropy]
}

/// The seed of a runtime, from the entropy of the running machine.
#[cfg(tokio_unstable)]
pub(crate) fn seed_of_runtime() -> u64 {
    use crate::audit::Call;
    use crate::entropy::Door;
    asked(|| Call::entropy("tokio's rng_seed", size_of::<u64>()));
    machine(|kernel| kernel.entropy.next_u64(Door::Tokio)).unwrap_or_default()
}
