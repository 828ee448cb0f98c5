//! Calls that take a path.

use super::super::audit::asked;
use super::super::real;
use super::answers::{at, file_calls, give_stat, here, on_file, on_machine};
use crate::audit::Call;
use crate::kernel::Stat;
use crate::kernel::errno::Errno;
use crate::sys::answers::fail;
use crate::sys::here::{EntryPoint, machine};
use crate::sys::refuse::refuse;
use libc::{c_char, c_int, c_uint, c_void, gid_t, mode_t, off_t, size_t, ssize_t, timespec, uid_t};
use std::ffi::CStr;
use std::time::Duration;

const HERE: c_int = libc::AT_FDCWD;

/// Opens a file: on the machine, or otherwise on the host, with the real call instead of libc's
/// function, because memory allocators open files before functions can be looked up.
///
/// # Safety
///
/// As for `openat(2)`.
unsafe fn open_at(
    door: &'static str,
    directory: c_int,
    path: *const c_char,
    flags: c_int,
    mode: c_uint,
) -> c_int {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let opened = on_machine(|kernel| {
            let fd = kernel.open_file(at(directory, path), flags, mode)?;
            Ok(fd.into())
        });
        opened.unwrap_or_else(|| {
            asked(|| Call::file(door, CStr::from_ptr(path).to_string_lossy().into_owned()));
            let arguments = [directory as _, path as _, flags as _, mode as _, 0, 0];
            real::syscall(libc::SYS_openat, arguments)
        }) as c_int
    }
}

/// Variadic in C, like the next three; Linux passes these arguments in registers.
#[unsafe(no_mangle)]
unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: guaranteed by the caller, as for open(2).
    unsafe { open_at("open", HERE, path, flags, mode) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: guaranteed by the caller, as for open(2).
    unsafe { open_at("open64", HERE, path, flags, mode) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn openat(
    directory: c_int,
    path: *const c_char,
    flags: c_int,
    mode: c_uint,
) -> c_int {
    // SAFETY: guaranteed by the caller, as for openat(2).
    unsafe { open_at("openat", directory, path, flags, mode) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn openat64(
    directory: c_int,
    path: *const c_char,
    flags: c_int,
    mode: c_uint,
) -> c_int {
    // SAFETY: guaranteed by the caller, as for openat(2).
    unsafe { open_at("openat64", directory, path, flags, mode) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn creat(path: *const c_char, mode: c_uint) -> c_int {
    let flags = libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC;
    // SAFETY: guaranteed by the caller, as for creat(2).
    unsafe { open_at("creat", HERE, path, flags, mode) }
}

/// # Safety
///
/// The path and the place must be valid as for fstatat(2).
unsafe fn stat_at(
    directory: c_int,
    path: *const c_char,
    place: *mut libc::stat,
    flags: c_int,
) -> Option<isize> {
    // SAFETY: guaranteed by the caller.
    unsafe {
        on_machine(|kernel| {
            let follows = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
            let of_fd = flags & libc::AT_EMPTY_PATH != 0;
            give_stat(place, &kernel.stat(at(directory, path), follows, of_fd)?);
            Ok(0)
        })
    }
}

/// # Safety
///
/// The place must have room for a `statx`.
unsafe fn give_statx(place: *mut libc::statx, stat: &Stat) {
    // SAFETY: guaranteed by the caller; all zeroes is a valid value of this type.
    let told = unsafe {
        place.write_bytes(0, 1);
        &mut *place
    };
    let time = |time: Duration| {
        // SAFETY: all zeroes is a valid value of this type.
        let mut told: libc::statx_timestamp = unsafe { std::mem::zeroed() };
        told.tv_sec = time.as_secs() as _;
        told.tv_nsec = time.subsec_nanos();
        told
    };
    told.stx_mask = libc::STATX_BASIC_STATS | libc::STATX_BTIME;
    told.stx_blksize = 4096;
    told.stx_nlink = stat.links;
    (told.stx_uid, told.stx_gid) = (1000, 1000);
    told.stx_mode = stat.mode as u16;
    told.stx_ino = stat.number;
    told.stx_size = stat.size;
    told.stx_blocks = stat.size.div_ceil(512);
    told.stx_atime = time(stat.times.accessed);
    told.stx_btime = time(stat.times.born);
    told.stx_ctime = time(stat.times.changed);
    told.stx_mtime = time(stat.times.modified);
    told.stx_rdev_major = (stat.device >> 8) as u32;
    told.stx_rdev_minor = (stat.device & 0xff) as u32;
    told.stx_dev_minor = 1;
}

/// Writes bytes to the caller's memory, as far as they fit.
///
/// # Safety
///
/// `place` must have room for `length` bytes.
unsafe fn give(place: *mut c_char, length: size_t, bytes: &[u8]) -> usize {
    let count = bytes.len().min(length);
    // SAFETY: guaranteed by the caller.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place.cast(), count) };
    count
}

/// The times of `utimensat(2)`; `Err` is now.
///
/// # Safety
///
/// Null, or two times.
unsafe fn read_times(times: *const timespec) -> Result<[Option<Result<Duration, ()>>; 2], Errno> {
    if times.is_null() {
        return Ok([Some(Err(())); 2]);
    }
    let mut read = [None; 2];
    for (place, read) in read.iter_mut().enumerate() {
        // SAFETY: guaranteed by the caller.
        let time = unsafe { &*times.add(place) };
        *read = match time.tv_nsec {
            libc::UTIME_OMIT => None,
            libc::UTIME_NOW => Some(Err(())),
            nanos if (0..1_000_000_000).contains(&nanos) => {
                Some(Ok(crate::sys::events::duration(time)))
            }
            _ => return Err(Errno(libc::EINVAL)),
        };
    }
    Ok(read)
}

const SPECIAL_REMEDY: &str = "use a channel, a pair of Unix sockets, or TCP";

fn special(call: &str) -> Option<isize> {
    refuse(call, SPECIAL_REMEDY).then(|| fail(Errno(libc::EPERM)))
}

file_calls! {
    stat(path: *const c_char, place: *mut libc::stat) -> c_int = stat_at(HERE, path, place, 0);
    stat64(path: *const c_char, place: *mut libc::stat) -> c_int = stat_at(HERE, path, place, 0);
    lstat(path: *const c_char, place: *mut libc::stat) -> c_int =
        stat_at(HERE, path, place, libc::AT_SYMLINK_NOFOLLOW);
    lstat64(path: *const c_char, place: *mut libc::stat) -> c_int =
        stat_at(HERE, path, place, libc::AT_SYMLINK_NOFOLLOW);
    fstatat(directory: c_int, path: *const c_char, place: *mut libc::stat, flags: c_int) -> c_int =
        stat_at(directory, path, place, flags);
    fstatat64(directory: c_int, path: *const c_char, place: *mut libc::stat, flags: c_int) -> c_int =
        stat_at(directory, path, place, flags);
    statx(directory: c_int, path: *const c_char, flags: c_int, mask: c_uint, place: *mut libc::statx) -> c_int = {
        // std calls it this way to find out whether the call exists.
        let is_question = path.is_null() || place.is_null();
        let of_host = !is_question && *path == 0 && (0..crate::kernel::FIRST_DESCRIPTOR).contains(&directory);
        match of_host {
            true => None,
            false => on_machine(|kernel| {
                let _ = mask;
                if is_question {
                    return Err(Errno(libc::EFAULT));
                }
                let follows = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
                let of_fd = flags & libc::AT_EMPTY_PATH != 0;
                give_statx(place, &kernel.stat(at(directory, path), follows, of_fd)?);
                Ok(0)
            }),
        }
    };
    access(path: *const c_char, wanted: c_int) -> c_int =
        on_machine(|kernel| kernel.access(at(HERE, path), wanted, true).map(|()| 0));
    faccessat(directory: c_int, path: *const c_char, wanted: c_int, flags: c_int) -> c_int =
        on_machine(|kernel| {
            let follows = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
            kernel.access(at(directory, path), wanted, follows).map(|()| 0)
        });
    mkdir(path: *const c_char, mode: mode_t) -> c_int =
        on_machine(|kernel| kernel.make_directory(at(HERE, path), mode).map(|()| 0));
    mkdirat(directory: c_int, path: *const c_char, mode: mode_t) -> c_int =
        on_machine(|kernel| kernel.make_directory(at(directory, path), mode).map(|()| 0));
    rmdir(path: *const c_char) -> c_int =
        on_machine(|kernel| kernel.unlink(at(HERE, path), true).map(|()| 0));
    unlink(path: *const c_char) -> c_int =
        on_machine(|kernel| kernel.unlink(at(HERE, path), false).map(|()| 0));
    unlinkat(directory: c_int, path: *const c_char, flags: c_int) -> c_int =
        on_machine(|kernel| {
            kernel.unlink(at(directory, path), flags & libc::AT_REMOVEDIR != 0).map(|()| 0)
        });
    remove(path: *const c_char) -> c_int =
        on_machine(|kernel| {
            let file = kernel.unlink(at(HERE, path), false);
            match file {
                Err(Errno(libc::EISDIR)) => kernel.unlink(at(HERE, path), true).map(|()| 0),
                result => result.map(|()| 0),
            }
        });
    rename(from: *const c_char, to: *const c_char) -> c_int =
        on_machine(|kernel| kernel.rename(at(HERE, from), at(HERE, to), 0).map(|()| 0));
    renameat(one: c_int, from: *const c_char, other: c_int, to: *const c_char) -> c_int =
        on_machine(|kernel| kernel.rename(at(one, from), at(other, to), 0).map(|()| 0));
    renameat2(one: c_int, from: *const c_char, other: c_int, to: *const c_char, flags: c_uint) -> c_int =
        on_machine(|kernel| kernel.rename(at(one, from), at(other, to), flags).map(|()| 0));
    link(from: *const c_char, to: *const c_char) -> c_int =
        on_machine(|kernel| kernel.link(at(HERE, from), at(HERE, to), false).map(|()| 0));
    linkat(one: c_int, from: *const c_char, other: c_int, to: *const c_char, flags: c_int) -> c_int =
        on_machine(|kernel| {
            let follows = flags & libc::AT_SYMLINK_FOLLOW != 0;
            kernel.link(at(one, from), at(other, to), follows).map(|()| 0)
        });
    symlink(target: *const c_char, path: *const c_char) -> c_int =
        on_machine(|kernel| {
            kernel.make_link(CStr::from_ptr(target).to_bytes(), at(HERE, path)).map(|()| 0)
        });
    symlinkat(target: *const c_char, directory: c_int, path: *const c_char) -> c_int =
        on_machine(|kernel| {
            kernel.make_link(CStr::from_ptr(target).to_bytes(), at(directory, path)).map(|()| 0)
        });
    readlink(path: *const c_char, place: *mut c_char, length: size_t) -> ssize_t =
        on_machine(|kernel| {
            let target = kernel.read_link(at(HERE, path))?;
            Ok(give(place, length, &target) as i64)
        });
    readlinkat(directory: c_int, path: *const c_char, place: *mut c_char, length: size_t) -> ssize_t =
        on_machine(|kernel| {
            let target = kernel.read_link(at(directory, path))?;
            Ok(give(place, length, &target) as i64)
        });
    chmod(path: *const c_char, mode: mode_t) -> c_int =
        on_machine(|kernel| kernel.set_mode(at(HERE, path), mode).map(|()| 0));
    fchmodat(directory: c_int, path: *const c_char, mode: mode_t, flags: c_int) -> c_int =
        on_machine(|kernel| {
            let _ = flags;
            kernel.set_mode(at(directory, path), mode).map(|()| 0)
        });
    chown(path: *const c_char, user: uid_t, group: gid_t) -> c_int =
        on_machine(|kernel| owned(user, group).and_then(|()| kernel.access(at(HERE, path), 0, true).map(|()| 0)));
    lchown(path: *const c_char, user: uid_t, group: gid_t) -> c_int =
        on_machine(|kernel| owned(user, group).and_then(|()| kernel.access(at(HERE, path), 0, false).map(|()| 0)));
    fchownat(directory: c_int, path: *const c_char, user: uid_t, group: gid_t, flags: c_int) -> c_int =
        on_machine(|kernel| {
            owned(user, group)?;
            let follows = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
            kernel.access(at(directory, path), 0, follows).map(|()| 0)
        });
    truncate(path: *const c_char, size: off_t) -> c_int =
        on_machine(|kernel| {
            let size = u64::try_from(size).map_err(|_| Errno(libc::EINVAL))?;
            kernel.truncate(at(HERE, path), size).map(|()| 0)
        });
    truncate64(path: *const c_char, size: off_t) -> c_int =
        on_machine(|kernel| {
            let size = u64::try_from(size).map_err(|_| Errno(libc::EINVAL))?;
            kernel.truncate(at(HERE, path), size).map(|()| 0)
        });
    utimensat(directory: c_int, path: *const c_char, times: *const timespec, flags: c_int) -> c_int =
        on_machine(|kernel| {
            let follows = flags & libc::AT_SYMLINK_NOFOLLOW == 0;
            kernel.set_times(at(directory, path), read_times(times)?, follows).map(|()| 0)
        });
    futimens(fd: c_int, times: *const timespec) -> c_int =
        on_file(fd, true, |kernel| {
            let at = crate::kernel::At { directory: fd, path: b"" };
            kernel.set_times(at, read_times(times)?, true).map(|()| 0)
        });
    chdir(path: *const c_char) -> c_int =
        on_machine(|kernel| kernel.change_directory(at(HERE, path)).map(|()| 0));
    fchdir(fd: c_int) -> c_int =
        on_machine(|kernel| {
            let at = crate::kernel::At { directory: fd, path: b"" };
            kernel.change_directory(at).map(|()| 0)
        });
    umask(mask: mode_t) -> mode_t = machine(|kernel| kernel.set_mask(mask) as isize);
    mkfifo(path: *const c_char, mode: mode_t) -> c_int = {
        let _ = (path, mode);
        special("mkfifo (a pipe with a name)")
    };
    mknod(path: *const c_char, mode: mode_t, device: libc::dev_t) -> c_int = {
        let _ = (path, mode, device);
        special("mknod (a special file)")
    };
    mknodat(directory: c_int, path: *const c_char, mode: mode_t, device: libc::dev_t) -> c_int = {
        let _ = (directory, path, mode, device);
        special("mknodat (a special file)")
    };
}

/// Everything belongs to the single user, who cannot give anything away.
fn owned(user: uid_t, group: gid_t) -> Result<(), Errno> {
    let own = |id: u32| matches!(id, 1000 | u32::MAX);
    match own(user) && own(group) {
        true => Ok(()),
        false => Err(Errno(libc::EPERM)),
    }
}

type Getcwd = unsafe extern "C" fn(*mut c_char, size_t) -> *mut c_char;
type Realpath = unsafe extern "C" fn(*const c_char, *mut c_char) -> *mut c_char;

/// Copies a path and a terminating zero to the caller's memory, or to allocated memory if there is
/// none.
///
/// # Safety
///
/// `place` must be null or have room for `length` bytes.
unsafe fn give_path(place: *mut c_char, length: size_t, path: &[u8]) -> *mut c_char {
    let needed = path.len() + 1;
    // SAFETY: guaranteed by the caller, who expects memory from malloc.
    unsafe {
        let place = match place.is_null() {
            true => libc::malloc(needed.max(length)).cast(),
            false if length < needed => {
                fail(Errno(libc::ERANGE));
                return std::ptr::null_mut();
            }
            false => place,
        };
        if !place.is_null() {
            std::ptr::copy_nonoverlapping(path.as_ptr(), place.cast(), path.len());
            place.add(path.len()).write(0);
        }
        place
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn getcwd(place: *mut c_char, length: size_t) -> *mut c_char {
    static GETCWD: real::Original = real::Original::new(c"getcwd");
    match machine(|kernel| kernel.working_directory()) {
        // SAFETY: the place is the caller's, as for getcwd(3).
        Some(Ok(path)) => unsafe { give_path(place, length, &path) },
        Some(Err(error)) => {
            fail(error);
            std::ptr::null_mut()
        }
        // SAFETY: the original has this type.
        None => unsafe { std::mem::transmute::<*mut c_void, Getcwd>(GETCWD.get())(place, length) },
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn realpath(path: *const c_char, place: *mut c_char) -> *mut c_char {
    static REALPATH: real::Original = real::Original::new(c"realpath");
    // SAFETY: the path is the caller's, as for realpath(3).
    match machine(|kernel| kernel.real_path(unsafe { CStr::from_ptr(path) }.to_bytes())) {
        // SAFETY: the place is the caller's, of PATH_MAX bytes.
        Some(Ok(path)) => unsafe {
            let length = if place.is_null() {
                0
            } else {
                libc::PATH_MAX as usize
            };
            give_path(place, length, &path)
        },
        Some(Err(error)) => {
            fail(error);
            std::ptr::null_mut()
        }
        // SAFETY: the original has this type.
        None => unsafe {
            std::mem::transmute::<*mut c_void, Realpath>(REALPATH.get())(path, place)
        },
    }
}

/// Replaces the six `X` at the end of a template until nothing has that name, as `mkstemp(3)` and
/// the like do.
///
/// # Safety
///
/// `template` must be a writable C string.
unsafe fn name_anew(
    template: *mut c_char,
    suffix: usize,
    mut make: impl FnMut(&mut crate::kernel::Kernel, &[u8]) -> Result<i64, Errno>,
) -> Option<isize> {
    const LETTERS: &[u8; 62] = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    on_machine(|kernel| {
        // SAFETY: guaranteed by the caller.
        let name = unsafe {
            std::slice::from_raw_parts_mut(template.cast::<u8>(), libc::strlen(template))
        };
        let end = name.len().checked_sub(suffix).ok_or(Errno(libc::EINVAL))?;
        let start = end.checked_sub(6).ok_or(Errno(libc::EINVAL))?;
        if name[start..end] != *b"XXXXXX" {
            return Err(Errno(libc::EINVAL));
        }
        loop {
            let mut bytes = [0; 6];
            kernel
                .entropy
                .fill(crate::entropy::Door::Getrandom, &mut bytes);
            for (place, byte) in name[start..end].iter_mut().zip(bytes) {
                *place = LETTERS[byte as usize % LETTERS.len()];
            }
            match make(kernel, name) {
                Err(Errno(libc::EEXIST)) => {}
                result => return result,
            }
        }
    })
}

/// # Safety
///
/// As for [`name_anew`].
unsafe fn open_anew(template: *mut c_char, suffix: c_int, flags: c_int) -> Option<isize> {
    let suffix = usize::try_from(suffix).unwrap_or(usize::MAX);
    let flags = flags | libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
    // SAFETY: guaranteed by the caller.
    unsafe {
        name_anew(template, suffix, |kernel, name| {
            kernel.open_file(here(name), flags, 0o600).map(i64::from)
        })
    }
}

file_calls! {
    mkstemp(template: *mut c_char) -> c_int = open_anew(template, 0, 0);
    mkstemp64(template: *mut c_char) -> c_int = open_anew(template, 0, 0);
    mkostemp(template: *mut c_char, flags: c_int) -> c_int = open_anew(template, 0, flags);
    mkstemps(template: *mut c_char, suffix: c_int) -> c_int = open_anew(template, suffix, 0);
    mkdtemp(template: *mut c_char) -> *mut c_char = {
        let made = name_anew(template, 0, |kernel, name| {
            kernel.make_directory(here(name), 0o700).map(|()| 0)
        });
        made.map(|made| if made < 0 { 0 } else { template as isize })
    };
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![
        open, open64, openat, openat64, creat, stat, stat64, lstat, lstat64, fstatat, fstatat64,
        statx, access, faccessat, mkdir, mkdirat, rmdir, unlink, unlinkat, remove, rename,
        renameat, renameat2, link, linkat, symlink, symlinkat, readlink, readlinkat, chmod,
        fchmodat, chown, lchown, fchownat, truncate, truncate64, utimensat, futimens, chdir,
        fchdir, umask, mkfifo, mknod, mknodat, getcwd, realpath, mkstemp, mkstemp64, mkostemp,
        mkstemps, mkdtemp
    ]
}
