//! Files of the C library (`fopen(3)`): glibc's streams, which call the machine to read and write.

use super::super::audit::asked;
use super::answers::{file_calls, here, on_machine};
use crate::audit::Call;
use crate::kernel::FIRST_DESCRIPTOR;
use crate::sys::here::EntryPoint;
use libc::{FILE, c_char, c_int, c_void, size_t, ssize_t};
use std::ffi::CStr;
use std::ptr;

type Read = unsafe extern "C" fn(*mut c_void, *mut c_char, size_t) -> ssize_t;
type Write = unsafe extern "C" fn(*mut c_void, *const c_char, size_t) -> ssize_t;
type Seek = unsafe extern "C" fn(*mut c_void, *mut i64, c_int) -> c_int;
type Close = unsafe extern "C" fn(*mut c_void) -> c_int;

/// The argument of `fopencookie(3)`.
#[repr(C)]
struct Functions {
    read: Option<Read>,
    write: Option<Write>,
    seek: Option<Seek>,
    close: Option<Close>,
}

// The libc crate does not have it.
unsafe extern "C" {
    fn fopencookie(cookie: *mut c_void, mode: *const c_char, functions: Functions) -> *mut FILE;
}

/// The descriptor, which is what a stream passes to its functions.
fn fd_of(cookie: *mut c_void) -> c_int {
    cookie as usize as c_int
}

unsafe extern "C" fn read(cookie: *mut c_void, place: *mut c_char, length: size_t) -> ssize_t {
    // SAFETY: the place is glibc's own.
    unsafe { libc::read(fd_of(cookie), place.cast(), length) }
}

unsafe extern "C" fn write(cookie: *mut c_void, place: *const c_char, length: size_t) -> ssize_t {
    // SAFETY: the place is glibc's own. It expects 0 instead of -1.
    unsafe { libc::write(fd_of(cookie), place.cast(), length).max(0) }
}

unsafe extern "C" fn seek(cookie: *mut c_void, offset: *mut i64, whence: c_int) -> c_int {
    // SAFETY: the offset is glibc's own.
    unsafe {
        let there = libc::lseek(fd_of(cookie), *offset, whence);
        if there < 0 {
            return -1;
        }
        *offset = there;
    }
    0
}

unsafe extern "C" fn close(cookie: *mut c_void) -> c_int {
    // SAFETY: the descriptor belongs to the stream.
    unsafe { libc::close(fd_of(cookie)) }
}

/// A stream on a descriptor of the machine.
///
/// # Safety
///
/// `mode` must be a C string.
unsafe fn stream(fd: c_int, mode: *const c_char) -> *mut FILE {
    let functions = Functions {
        read: Some(read),
        write: Some(write),
        seek: Some(seek),
        close: Some(close),
    };
    let cookie = ptr::without_provenance_mut(fd as usize);
    // SAFETY: the functions accept such a cookie; the mode is the caller's.
    unsafe { fopencookie(cookie, mode, functions) }
}

/// The flags of `open(2)` for the mode of `fopen(3)`.
fn flags_of(mode: &[u8]) -> c_int {
    let both = mode.contains(&b'+');
    let access = |one: c_int| if both { libc::O_RDWR } else { one };
    let exclusive = if mode.contains(&b'x') {
        libc::O_EXCL
    } else {
        0
    };
    exclusive
        | match mode.first() {
            Some(b'w') => access(libc::O_WRONLY) | libc::O_CREAT | libc::O_TRUNC,
            Some(b'a') => access(libc::O_WRONLY) | libc::O_CREAT | libc::O_APPEND,
            _ => access(libc::O_RDONLY),
        }
}

/// # Safety
///
/// Both must be C strings.
unsafe fn open(door: &'static str, path: *const c_char, mode: *const c_char) -> Option<isize> {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let (name, flags) = (
            CStr::from_ptr(path),
            flags_of(CStr::from_ptr(mode).to_bytes()),
        );
        let open = |kernel: &mut crate::kernel::Kernel| {
            kernel
                .open_file(here(name.to_bytes()), flags, 0o666)
                .map(i64::from)
        };
        let Some(fd) = on_machine(open) else {
            asked(|| Call::file(door, name.to_string_lossy().into_owned()));
            return None;
        };
        Some(if fd < 0 {
            0
        } else {
            stream(fd as c_int, mode) as isize
        })
    }
}

file_calls! {
    fopen(path: *const c_char, mode: *const c_char) -> *mut FILE = open("fopen", path, mode);
    fopen64(path: *const c_char, mode: *const c_char) -> *mut FILE = open("fopen64", path, mode);
    fdopen(fd: c_int, mode: *const c_char) -> *mut FILE = match fd < FIRST_DESCRIPTOR {
        true => None,
        false => Some(stream(fd, mode) as isize),
    };
    tmpfile() -> *mut FILE = {
        let flags = libc::O_RDWR | libc::O_TMPFILE;
        let opened = on_machine(|kernel| kernel.open_file(here(b"/tmp"), flags, 0o600).map(i64::from));
        opened.map(|fd| if fd < 0 { 0 } else { stream(fd as c_int, c"w+".as_ptr()) as isize })
    };
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![fopen, fopen64, fdopen, tmpfile]
}
