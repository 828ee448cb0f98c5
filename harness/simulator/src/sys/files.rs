//! Opening files. Ordinary files are the host's, on a machine too; an audit tells which are opened. Files that
//! describe the host are on no machine, and its generators of random bytes are refused.

use super::audit::asked;
use super::real::Original;
use super::{EntryPoint, fail, machine, real, refused};
use crate::audit::Call;
use crate::kernel::Errno;
use libc::{FILE, c_char, c_int, c_uint, c_void};
use std::ffi::CStr;

type Fopen = unsafe extern "C" fn(*const c_char, *const c_char) -> *mut FILE;

static FOPEN: Original = Original::new(c"fopen");
static FOPEN64: Original = Original::new(c"fopen64");

/// Where the host describes itself: its hardware, its kernel, its name, its users, its time zone, its network.
const OF_THE_HOST: [&[u8]; 11] = [
    b"/proc",
    b"/sys",
    b"/etc/hostname",
    b"/etc/hosts",
    b"/etc/localtime",
    b"/etc/machine-id",
    b"/etc/os-release",
    b"/etc/passwd",
    b"/etc/resolv.conf",
    b"/etc/timezone",
    b"/usr/lib/os-release",
];

const GENERATORS: [&[u8]; 2] = [b"/dev/random", b"/dev/urandom"];

/// Opens a file, if there is one for whoever runs.
///
/// # Safety
///
/// `path` must be a C string.
unsafe fn opens<R>(
    door: &'static str,
    path: *const c_char,
    open: impl FnOnce() -> R,
) -> Result<R, Errno> {
    // SAFETY: the caller's.
    let path = unsafe { CStr::from_ptr(path) };
    let bytes = path.to_bytes();
    let is_of_the_host = OF_THE_HOST.iter().any(|&known| {
        let rest = bytes.strip_prefix(known);
        rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    });
    if is_of_the_host && machine(|_| ()).is_some() {
        return Err(Errno(libc::ENOENT));
    }
    asked(|| Call::file(door, path.to_string_lossy().into_owned()));
    if GENERATORS.contains(&bytes)
        && refused::refuse(
            &format!("{door} of {}", path.to_string_lossy()),
            GENERATORS_REMEDY,
        )
    {
        return Err(Errno(libc::EACCES));
    }
    Ok(open())
}

const GENERATORS_REMEDY: &str = "ask getrandom(2), as the getrandom crate does";

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
        let open = || open_at(libc::AT_FDCWD, path, flags, mode);
        opens("open", path, open).unwrap_or_else(|error| fail(error) as c_int)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: the caller's, as for open(2).
    unsafe {
        let open = || open_at(libc::AT_FDCWD, path, flags, mode);
        opens("open64", path, open).unwrap_or_else(|error| fail(error) as c_int)
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
        let open = || open_at(directory, path, flags, mode);
        opens("openat", path, open).unwrap_or_else(|error| fail(error) as c_int)
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
        let open = || open_at(directory, path, flags, mode);
        opens("openat64", path, open).unwrap_or_else(|error| fail(error) as c_int)
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fopen(path: *const c_char, mode: *const c_char) -> *mut FILE {
    // SAFETY: the original has this type; the arguments are the caller's, as for fopen(3).
    unsafe {
        let original = std::mem::transmute::<*mut c_void, Fopen>(FOPEN.get());
        opens("fopen", path, || original(path, mode)).unwrap_or_else(|error| {
            fail(error);
            std::ptr::null_mut()
        })
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn fopen64(path: *const c_char, mode: *const c_char) -> *mut FILE {
    // SAFETY: the original has this type; the arguments are the caller's, as for fopen(3).
    unsafe {
        let original = std::mem::transmute::<*mut c_void, Fopen>(FOPEN64.get());
        opens("fopen64", path, || original(path, mode)).unwrap_or_else(|error| {
            fail(error);
            std::ptr::null_mut()
        })
    }
}

/// What this file defines, for the check at the start.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![open, open64, openat, openat64, fopen, fopen64]
}
