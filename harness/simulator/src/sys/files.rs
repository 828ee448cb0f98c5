//! Opening files. Ordinary files are the host's, on a machine too; an audit tells which are opened.

use super::audit::asked;
use super::real::Original;
use super::{EntryPoint, real};
use crate::audit::Call;
use libc::{FILE, c_char, c_int, c_uint, c_void};
use std::ffi::CStr;

type Fopen = unsafe extern "C" fn(*const c_char, *const c_char) -> *mut FILE;

static FOPEN: Original = Original::new(c"fopen");
static FOPEN64: Original = Original::new(c"fopen64");

/// # Safety
///
/// `path` must be a C string.
unsafe fn opens(door: &'static str, path: *const c_char) {
    // SAFETY: the caller's.
    let path = || unsafe { CStr::from_ptr(path) };
    asked(|| Call::file(door, path().to_string_lossy().into_owned()));
}

/// The real call, not libc's function: memory allocators open files before functions can be looked up.
///
/// # Safety
///
/// As for `openat(2)`.
unsafe fn open_at(directory: c_int, path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    let arguments = [directory as _, path as _, flags as _, mode as _, 0, 0];
    // SAFETY: the caller's.
    unsafe { real::syscall(libc::SYS_openat, arguments) as c_int }
}

/// Variadic in C, as the next three; Linux passes these arguments in registers.
#[unsafe(no_mangle)]
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: the caller's, as for open(2).
    unsafe {
        opens("open", path);
        open_at(libc::AT_FDCWD, path, flags, mode)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: the caller's, as for open(2).
    unsafe {
        opens("open64", path);
        open_at(libc::AT_FDCWD, path, flags, mode)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn openat(
    directory: c_int,
    path: *const c_char,
    flags: c_int,
    mode: c_uint,
) -> c_int {
    // SAFETY: the caller's, as for openat(2).
    unsafe {
        opens("openat", path);
        open_at(directory, path, flags, mode)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn openat64(
    directory: c_int,
    path: *const c_char,
    flags: c_int,
    mode: c_uint,
) -> c_int {
    // SAFETY: the caller's, as for openat(2).
    unsafe {
        opens("openat64", path);
        open_at(directory, path, flags, mode)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fopen(path: *const c_char, mode: *const c_char) -> *mut FILE {
    // SAFETY: the original has this type; the arguments are the caller's, as for fopen(3).
    unsafe {
        opens("fopen", path);
        std::mem::transmute::<*mut c_void, Fopen>(FOPEN.get())(path, mode)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fopen64(path: *const c_char, mode: *const c_char) -> *mut FILE {
    // SAFETY: the original has this type; the arguments are the caller's, as for fopen(3).
    unsafe {
        opens("fopen64", path);
        std::mem::transmute::<*mut c_void, Fopen>(FOPEN64.get())(path, mode)
    }
}

/// What this file defines, for the check at the start.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![open, open64, openat, openat64, fopen, fopen64]
}
