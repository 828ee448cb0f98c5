//! Reading directories: `opendir(3)` and the like, on a descriptor of the machine.

use super::answers::{file_calls, here, on_machine};
use crate::host::real::Original;
use crate::kernel::FIRST_DESCRIPTOR;
use crate::kernel::errno::Errno;
use crate::sys::answers::fail;
use crate::sys::here::{EntryPoint, machine};
use libc::{DIR, c_char, c_int, c_long, c_void, dirent64};
use std::ffi::CStr;
use std::ptr;

/// The first word of our streams. In libc's, it is a descriptor and a lock.
const MAGIC: u64 = 0x5153_5f44_4952_5f21;

/// A directory stream, in place of libc's.
#[repr(C)]
struct Stream {
    magic: u64,
    fd: c_int,
    entries: Vec<dirent64>,
    /// The index of the next entry.
    place: usize,
}

/// One of our streams; none if it is libc's.
///
/// # Safety
///
/// The stream must be open.
unsafe fn ours<'a>(stream: *mut DIR) -> Option<&'a mut Stream> {
    // SAFETY: guaranteed by the caller; libc's streams, too, are larger than a `u64`.
    unsafe {
        let magic = stream.cast::<u64>();
        (magic.read() == MAGIC).then(|| &mut *stream.cast::<Stream>())
    }
}

/// The entries of a directory, in the format of `readdir(3)`.
fn read(fd: c_int) -> Result<Vec<dirent64>, Errno> {
    let listed = machine(|kernel| kernel.list_directory(fd));
    let listed = listed.unwrap_or(Err(Errno(libc::EBADF)))?;
    let entry = |(place, (name, number, mode)): (usize, (Vec<u8>, u64, u32))| {
        // SAFETY: all zeroes is a valid value of this type.
        let mut entry: dirent64 = unsafe { std::mem::zeroed() };
        entry.d_ino = number;
        entry.d_off = place as i64 + 1;
        entry.d_reclen = size_of::<dirent64>() as u16;
        entry.d_type = ((mode & libc::S_IFMT) >> 12) as u8;
        for (place, byte) in entry.d_name.iter_mut().zip(name) {
            *place = byte as c_char;
        }
        entry
    };
    Ok(listed.into_iter().enumerate().map(entry).collect())
}

/// Opens a stream on a descriptor, which then belongs to the stream.
fn open(fd: c_int) -> *mut DIR {
    match read(fd) {
        Ok(entries) => Box::into_raw(Box::new(Stream {
            magic: MAGIC,
            fd,
            entries,
            place: 0,
        }))
        .cast(),
        Err(error) => {
            fail(error);
            ptr::null_mut()
        }
    }
}

file_calls! {
    opendir(path: *const c_char) -> *mut DIR = {
        let flags = libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC;
        let path = CStr::from_ptr(path).to_bytes();
        let opened = on_machine(|kernel| kernel.open_file(here(path), flags, 0).map(i64::from));
        opened.map(|fd| if fd < 0 { 0 } else { open(fd as c_int) as isize })
    };
    fdopendir(fd: c_int) -> *mut DIR = match fd < FIRST_DESCRIPTOR {
        true => None,
        false => Some(open(fd) as isize),
    };
    readdir(stream: *mut DIR) -> *mut dirent64 = ours(stream).map(|it| next(it) as isize);
    readdir64(stream: *mut DIR) -> *mut dirent64 = ours(stream).map(|it| next(it) as isize);
    closedir(stream: *mut DIR) -> c_int = ours(stream).map(|it| {
        let fd = it.fd;
        drop(Box::from_raw(ptr::from_mut(it)));
        libc::close(fd) as isize
    });
    dirfd(stream: *mut DIR) -> c_int = ours(stream).map(|it| it.fd as isize);
    telldir(stream: *mut DIR) -> c_long = ours(stream).map(|it| it.place as isize);
}

fn next(stream: &mut Stream) -> *mut dirent64 {
    let entry = stream.entries.get_mut(stream.place);
    stream.place += 1;
    entry.map_or(ptr::null_mut(), ptr::from_mut)
}

type Rewinddir = unsafe extern "C" fn(*mut DIR);
type Seekdir = unsafe extern "C" fn(*mut DIR, c_long);

#[unsafe(no_mangle)]
unsafe extern "C" fn rewinddir(stream: *mut DIR) {
    static REWINDDIR: Original = Original::new(c"rewinddir");
    // SAFETY: the stream is the caller's; the original has this type.
    unsafe {
        match ours(stream) {
            Some(stream) => {
                stream.entries = read(stream.fd).unwrap_or_default();
                stream.place = 0;
            }
            None => std::mem::transmute::<*mut c_void, Rewinddir>(REWINDDIR.get())(stream),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn seekdir(stream: *mut DIR, place: c_long) {
    static SEEKDIR: Original = Original::new(c"seekdir");
    // SAFETY: the stream is the caller's; the original has this type.
    unsafe {
        match ours(stream) {
            Some(stream) => stream.place = usize::try_from(place).unwrap_or(0),
            None => std::mem::transmute::<*mut c_void, Seekdir>(SEEKDIR.get())(stream, place),
        }
    }
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![
        opendir, fdopendir, readdir, readdir64, closedir, dirfd, telldir, rewinddir, seekdir
    ]
}
