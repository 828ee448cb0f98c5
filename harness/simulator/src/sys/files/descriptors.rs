//! Calls on file descriptors: positions, sizes, and syncing to disk.

use super::answers::{file_calls, give_stat, on_file, on_machine};
use crate::kernel::errno::Errno;
use crate::kernel::files::{FileLock, LOCKS};
use crate::kernel::threads::Wait;
use crate::kernel::{FIRST_DESCRIPTOR, Kernel};
use crate::sys::answers::fail;
use crate::sys::here::{EntryPoint, machine};
use crate::sys::refuse::refuse;
use crate::sys::transfer::{bytes, room, vectored};
use crate::sys::waiting;
use libc::{c_int, c_uint, c_void, gid_t, iovec, mode_t, off_t, size_t, ssize_t, uid_t};

fn offset_of(offset: off_t) -> Result<u64, Errno> {
    u64::try_from(offset).map_err(|_| Errno(libc::EINVAL))
}

/// # Safety
///
/// `place` must have room for `length` bytes.
unsafe fn read_at(
    kernel: &mut Kernel,
    fd: c_int,
    place: *mut c_void,
    length: size_t,
    offset: u64,
) -> Result<usize, Errno> {
    // SAFETY: guaranteed by the caller.
    kernel.read_into(fd, Some(offset), unsafe { room(place, length) })
}

file_calls! {
    pread(fd: c_int, place: *mut c_void, length: size_t, offset: off_t) -> ssize_t =
        on_file(fd, false, |kernel| Ok(read_at(kernel, fd, place, length, offset_of(offset)?)? as i64));
    pread64(fd: c_int, place: *mut c_void, length: size_t, offset: off_t) -> ssize_t =
        on_file(fd, false, |kernel| Ok(read_at(kernel, fd, place, length, offset_of(offset)?)? as i64));
    pwrite(fd: c_int, place: *const c_void, length: size_t, offset: off_t) -> ssize_t =
        on_file(fd, true, |kernel| {
            Ok(kernel.write_file(fd, Some(offset_of(offset)?), bytes(place, length))? as i64)
        });
    pwrite64(fd: c_int, place: *const c_void, length: size_t, offset: off_t) -> ssize_t =
        on_file(fd, true, |kernel| {
            Ok(kernel.write_file(fd, Some(offset_of(offset)?), bytes(place, length))? as i64)
        });
    preadv(fd: c_int, parts: *const iovec, count: c_int, offset: off_t) -> ssize_t =
        on_file(fd, false, |kernel| read_parts(kernel, fd, parts, count, offset));
    preadv64(fd: c_int, parts: *const iovec, count: c_int, offset: off_t) -> ssize_t =
        on_file(fd, false, |kernel| read_parts(kernel, fd, parts, count, offset));
    pwritev(fd: c_int, parts: *const iovec, count: c_int, offset: off_t) -> ssize_t =
        on_file(fd, true, |kernel| write_parts(kernel, fd, parts, count, offset));
    pwritev64(fd: c_int, parts: *const iovec, count: c_int, offset: off_t) -> ssize_t =
        on_file(fd, true, |kernel| write_parts(kernel, fd, parts, count, offset));
    lseek(fd: c_int, offset: off_t, whence: c_int) -> off_t =
        on_file(fd, false, |kernel| kernel.seek(fd, offset, whence));
    lseek64(fd: c_int, offset: off_t, whence: c_int) -> off_t =
        on_file(fd, false, |kernel| kernel.seek(fd, offset, whence));
    ftruncate(fd: c_int, size: off_t) -> c_int =
        on_file(fd, true, |kernel| kernel.truncate_file(fd, size).map(|()| 0));
    ftruncate64(fd: c_int, size: off_t) -> c_int =
        on_file(fd, true, |kernel| kernel.truncate_file(fd, size).map(|()| 0));
    fallocate(fd: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int =
        on_file(fd, true, |kernel| allocate(kernel, fd, mode, offset, length));
    fallocate64(fd: c_int, mode: c_int, offset: off_t, length: off_t) -> c_int =
        on_file(fd, true, |kernel| allocate(kernel, fd, mode, offset, length));
    posix_fallocate(fd: c_int, offset: off_t, length: off_t) -> c_int =
        error_number(on_file(fd, true, |kernel| kernel.allocate(fd, offset, length).map(|()| 0)));
    posix_fallocate64(fd: c_int, offset: off_t, length: off_t) -> c_int =
        error_number(on_file(fd, true, |kernel| kernel.allocate(fd, offset, length).map(|()| 0)));
    posix_fadvise(fd: c_int, offset: off_t, length: off_t, advice: c_int) -> c_int = {
        let _ = (offset, length, advice);
        on_file(fd, false, |_| Ok(0))
    };
    posix_fadvise64(fd: c_int, offset: off_t, length: off_t, advice: c_int) -> c_int = {
        let _ = (offset, length, advice);
        on_file(fd, false, |_| Ok(0))
    };
    readahead(fd: c_int, offset: off_t, count: size_t) -> ssize_t = {
        let _ = (offset, count);
        on_file(fd, false, |_| Ok(0))
    };
    fsync(fd: c_int) -> c_int = on_file(fd, true, |kernel| kernel.sync_file(fd).map(|()| 0));
    fdatasync(fd: c_int) -> c_int = on_file(fd, true, |kernel| kernel.sync_file(fd).map(|()| 0));
    sync_file_range(fd: c_int, offset: off_t, length: off_t, flags: c_uint) -> c_int = {
        // It guarantees nothing about a power loss (sync_file_range(2)).
        let _ = (offset, length, flags);
        on_file(fd, true, |_| Ok(0))
    };
    syncfs(fd: c_int) -> c_int = on_file(fd, true, |kernel| kernel.sync_files().map(|()| 0));
    fstat(fd: c_int, place: *mut libc::stat) -> c_int = on_file(fd, false, |kernel| {
        give_stat(place, &kernel.stat_of(fd)?);
        Ok(0)
    });
    fstat64(fd: c_int, place: *mut libc::stat) -> c_int = on_file(fd, false, |kernel| {
        give_stat(place, &kernel.stat_of(fd)?);
        Ok(0)
    });
    fchmod(fd: c_int, mode: mode_t) -> c_int =
        on_file(fd, true, |kernel| kernel.set_mode_of(fd, mode).map(|()| 0));
    fchown(fd: c_int, user: uid_t, group: gid_t) -> c_int = on_file(fd, true, |kernel| {
        let own = |id: u32| matches!(id, 1000 | u32::MAX);
        kernel.stat_of(fd)?;
        match own(user) && own(group) {
            true => Ok(0),
            false => Err(Errno(libc::EPERM)),
        }
    });
    copy_file_range(from: c_int, from_place: *mut off_t, to: c_int, to_place: *mut off_t, length: size_t, flags: c_uint) -> ssize_t = {
        let _ = flags;
        between([from, to], |kernel| copy(kernel, (from, from_place), (to, to_place), length))
    };
    sendfile(to: c_int, from: c_int, place: *mut off_t, length: size_t) -> ssize_t =
        between([from, to], |kernel| copy(kernel, (from, place), (to, std::ptr::null_mut()), length));
    sendfile64(to: c_int, from: c_int, place: *mut off_t, length: size_t) -> ssize_t =
        between([from, to], |kernel| copy(kernel, (from, place), (to, std::ptr::null_mut()), length));
}

/// A call between two descriptors, which must both be the machine's.
fn between(fds: [c_int; 2], f: impl FnOnce(&mut Kernel) -> Result<i64, Errno>) -> Option<isize> {
    if fds.iter().all(|&fd| fd < FIRST_DESCRIPTOR) {
        return on_machine(|_| Err(Errno(libc::EBADF)));
    }
    on_machine(f)
}

/// Copies at most `length` bytes from a file to another descriptor.
///
/// # Safety
///
/// The places must be null or point to offsets.
unsafe fn copy(
    kernel: &mut Kernel,
    (from, from_place): (c_int, *mut off_t),
    (to, to_place): (c_int, *mut off_t),
    length: size_t,
) -> Result<i64, Errno> {
    const AT_ONCE: usize = 1 << 20;
    if !kernel.is_file(from) {
        return Err(Errno(libc::EINVAL));
    }
    // SAFETY: guaranteed by the caller.
    let (from_offset, to_offset) = unsafe { (from_place.as_mut(), to_place.as_mut()) };
    let start = from_offset.as_deref().copied().map(offset_of).transpose()?;
    let mut bytes = vec![0; length.min(AT_ONCE)];
    let read = kernel.read_file(from, start, &mut bytes)?;
    let back = |kernel: &mut Kernel, by: usize| match start {
        None => kernel.seek(from, -(by as i64), libc::SEEK_CUR).map(drop),
        Some(_) => Ok(()),
    };
    let target = to_offset.as_deref().copied().map(offset_of).transpose()?;
    let written = match kernel.is_file(to) {
        true => kernel.write_file(to, target, &bytes[..read]),
        false => kernel.send(to, &bytes[..read]),
    };
    let written = match written {
        Ok(written) => written,
        Err(error) => {
            back(kernel, read)?;
            return Err(error);
        }
    };
    back(kernel, read - written)?;
    for offset in [from_offset, to_offset].into_iter().flatten() {
        *offset += written as off_t;
    }
    Ok(written as i64)
}

/// # Safety
///
/// `parts` must be valid for `count` entries, and each entry for its length.
unsafe fn read_parts(
    kernel: &mut Kernel,
    fd: c_int,
    parts: *const iovec,
    count: c_int,
    offset: off_t,
) -> Result<i64, Errno> {
    let mut here = offset_of(offset)?;
    // SAFETY: guaranteed by the caller.
    let read = unsafe {
        vectored(parts, count as usize, |place, length| {
            let read = read_at(kernel, fd, place, length, here)?;
            here += read as u64;
            Ok(read)
        })
    }?;
    Ok(read as i64)
}

/// # Safety
///
/// As for [`read_parts`].
unsafe fn write_parts(
    kernel: &mut Kernel,
    fd: c_int,
    parts: *const iovec,
    count: c_int,
    offset: off_t,
) -> Result<i64, Errno> {
    let mut here = offset_of(offset)?;
    // SAFETY: guaranteed by the caller.
    let written = unsafe {
        vectored(parts, count as usize, |place, length| {
            let written = kernel.write_file(fd, Some(here), bytes(place, length))?;
            here += written as u64;
            Ok(written)
        })
    }?;
    Ok(written as i64)
}

fn allocate(
    kernel: &mut Kernel,
    fd: c_int,
    mode: c_int,
    offset: off_t,
    length: off_t,
) -> Result<i64, Errno> {
    match mode {
        0 => kernel.allocate(fd, offset, length).map(|()| 0),
        // Space is allocated only when something is written.
        libc::FALLOC_FL_KEEP_SIZE => Ok(0),
        _ => Err(Errno(libc::EOPNOTSUPP)),
    }
}

/// The return value of a function that returns its error number.
fn error_number(answered: Option<isize>) -> Option<isize> {
    answered.map(|answer| match answer {
        // SAFETY: `errno` is the calling thread's own.
        -1 => unsafe { *libc::__errno_location() as isize },
        answer => answer,
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sync() {
    if on_machine(|kernel| kernel.sync_files().map(|()| 0)).is_none() {
        // SAFETY: this call has no arguments.
        unsafe { crate::host::real::syscall(libc::SYS_sync, [0; 6]) };
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn flock(fd: c_int, operation: c_int) -> c_int {
    if fd < FIRST_DESCRIPTOR && machine(|_| ()).is_none() {
        // SAFETY: this call takes no pointers.
        return unsafe {
            crate::host::real::syscall(libc::SYS_flock, [fd as _, operation as _, 0, 0, 0, 0])
                as c_int
        };
    }
    let wanted = match operation & !libc::LOCK_NB {
        libc::LOCK_SH => FileLock::Shared,
        libc::LOCK_EX => FileLock::Exclusive,
        libc::LOCK_UN => FileLock::None,
        _ => return fail(Errno(libc::EINVAL)) as c_int,
    };
    loop {
        let answered = on_file(fd, true, |kernel| Ok(kernel.lock_file(fd, wanted)?.into()));
        match answered {
            Some(1) => return 0,
            Some(0) if operation & libc::LOCK_NB != 0 => {
                return fail(Errno(libc::EWOULDBLOCK)) as c_int;
            }
            Some(0) => {
                if waiting::wait_or_signal(Wait::Condition(LOCKS), None).is_err() {
                    return fail(Errno(libc::EINTR)) as c_int;
                }
            }
            Some(_) | None => return -1,
        }
    }
}

/// What `fcntl(2)` does with locks on parts of a file: a process's locks never conflict, because a
/// machine has only one process.
pub(in crate::sys) fn lock_part(
    kernel: &mut Kernel,
    fd: c_int,
    command: c_int,
    lock: &mut libc::flock,
) -> Result<c_int, Errno> {
    if !kernel.is_file(fd) {
        return Err(Errno(libc::EBADF));
    }
    if matches!(
        command,
        libc::F_OFD_GETLK | libc::F_OFD_SETLK | libc::F_OFD_SETLKW
    ) {
        kernel.refuse(
            "fcntl with a lock of an open file description (F_OFD_SETLK)",
            "lock the whole file with flock, as File::lock does",
        );
        return Err(Errno(libc::EINVAL));
    }
    if command == libc::F_GETLK {
        lock.l_type = libc::F_UNLCK as _;
    }
    Ok(0)
}

/// Calls between descriptors that machines do not support.
macro_rules! not_between {
    ($($name:ident, $places:expr;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            a: usize,
            b: usize,
            c: usize,
            d: usize,
            e: usize,
            f: usize,
        ) -> isize {
            if refuse(stringify!($name), "read the bytes, and write them") {
                return fail(Errno(libc::EINVAL));
            }
            // SAFETY: guaranteed by the caller, as for the system call of the same name.
            unsafe { crate::host::real::syscall($places, [a, b, c, d, e, f]) }
        }
    )*};
}

not_between! {
    splice, libc::SYS_splice;
    tee, libc::SYS_tee;
    vmsplice, libc::SYS_vmsplice;
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![
        pread,
        pread64,
        pwrite,
        pwrite64,
        preadv,
        preadv64,
        pwritev,
        pwritev64,
        lseek,
        lseek64,
        ftruncate,
        ftruncate64,
        fallocate,
        fallocate64,
        posix_fallocate,
        posix_fallocate64,
        posix_fadvise,
        posix_fadvise64,
        readahead,
        fsync,
        fdatasync,
        sync_file_range,
        syncfs,
        fstat,
        fstat64,
        fchmod,
        fchown,
        copy_file_range,
        sendfile,
        sendfile64,
        sync,
        flock,
        splice,
        tee,
        vmsplice
    ]
}
