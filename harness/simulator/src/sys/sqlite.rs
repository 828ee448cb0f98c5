//! SQLite on the machine's own disk, clock and entropy.
//!
//! SQLite reaches the operating system through a table of functions, the VFS
//! (<https://sqlite.org/vfs.html>). Ours is the default one, so any code that uses this program's
//! SQLite gets it, unchanged. Each call asks whether a machine is running on the calling thread: if
//! so, the machine answers; if not, SQLite's own VFS does, on the real files. A file belongs to the
//! side that opened it, for as long as it is open.
//!
//! A dead process can still run destructors, and these close databases. By then nothing it does may
//! have an effect: every call fails with `SQLITE_IOERR`.
//!
//! What is not supported, and why:
//! - **Shared memory.** Connections share none here, so write-ahead logging needs `PRAGMA
//!   locking_mode=EXCLUSIVE` *before* `PRAGMA journal_mode=WAL`. Without it SQLite keeps the
//!   rollback journal and says so in the answer to the second pragma.
//! - **A VFS asked for by name** (`?vfs=unix`): that is SQLite's own, on the machine's file system
//!   and shared memory.

mod page_cache;
mod randomness;

use super::answers::call;
use super::audit::asked;
use super::here::runs_on_machine;
use crate::audit::Call;
use crate::entropy::Door;
use crate::kernel::Kernel;
use crate::kernel::disk::error::DiskError;
use crate::kernel::disk::{Handle, Lock, OpenMode};
use libsqlite3_sys as ffi;
use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Component, Path, PathBuf};
use std::sync::Once;
use std::{ptr, slice};

/// The unit of writing reported to SQLite, in bytes: the sector size of today's disks, and SQLite's
/// default page size.
const SECTOR_SIZE: c_int = 4096;

/// The Unix epoch as SQLite counts time: in milliseconds since noon in Greenwich on 24 November
/// 4714 BC.
const UNIX_EPOCH_JULIAN_MS: i64 = 210_866_760_000_000;
const DAY_MS: f64 = 86_400_000.0;

/// What has to happen before SQLite is first used, no matter by whom.
pub(crate) fn prepare() {
    randomness::before_main();
}

/// Puts every SQLite database that a machine opens from now on onto the machine's disk. Only the
/// first call in a process has an effect.
///
/// # Panics
///
/// If SQLite has no VFS to fall back on, refuses ours, or was initialised before [`randomness`] and
/// [`page_cache`] could prepare it: nothing that a program does causes this.
pub(crate) fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        randomness::assert_prepared();
        page_cache::assert_prepared();
        // SAFETY: SQLite may be called from any thread, and initialises itself.
        let original = unsafe { ffi::sqlite3_vfs_find(ptr::null()) };
        assert!(!original.is_null(), "SQLite has no VFS to fall back on");
        // SAFETY: it is SQLite's own VFS, which is never freed.
        let vfs = Box::leak(Box::new(unsafe { machine_vfs(original) }));
        // SAFETY: `vfs` lives for ever and is complete, and nothing else refers to it.
        let code = unsafe { ffi::sqlite3_vfs_register(vfs, 1) };
        assert_eq!(
            code,
            ffi::SQLITE_OK,
            "SQLite refuses the VFS of the simulated machines"
        );
    });
}

/// An open file of a machine, in memory that SQLite provides.
#[repr(C)]
struct MachineFile {
    base: ffi::sqlite3_file,
    handle: Handle,
}

static FILE_METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 1,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: None,
    xShmLock: None,
    xShmBarrier: None,
    xShmUnmap: None,
    xFetch: None,
    xUnfetch: None,
};

/// # Safety
///
/// `original` must be a VFS that is never freed.
unsafe fn machine_vfs(original: *mut ffi::sqlite3_vfs) -> ffi::sqlite3_vfs {
    // SAFETY: guaranteed by the caller. What is read here does not change while a VFS is
    // registered.
    let (file_size, name_size) = unsafe { ((*original).szOsFile, (*original).mxPathname) };
    ffi::sqlite3_vfs {
        iVersion: 2,
        szOsFile: file_size.max(size_of::<MachineFile>() as c_int),
        mxPathname: name_size,
        pNext: ptr::null_mut(),
        zName: c"squall".as_ptr(),
        pAppData: original.cast(),
        xOpen: Some(open),
        xDelete: Some(delete),
        xAccess: Some(access),
        xFullPathname: Some(full_pathname),
        xDlOpen: Some(dl_open),
        xDlError: Some(dl_error),
        xDlSym: Some(dl_sym),
        xDlClose: Some(dl_close),
        xRandomness: Some(fill_random),
        xSleep: Some(sleep),
        xCurrentTime: Some(current_time),
        xGetLastError: Some(get_last_error),
        xCurrentTimeInt64: Some(current_time_int64),
        // Version 3 of the table: which libc calls SQLite's own VFS makes. Only SQLite's tests use
        // it.
        xSetSystemCall: None,
        xGetSystemCall: None,
        xNextSystemCall: None,
    }
}

/// Lets the machine running on this thread answer, with an SQLite result code. `None` if no machine
/// is running. A dead process gets `SQLITE_IOERR`.
///
/// A panic must not unwind into SQLite's C code: it was reported where it happened, and becomes
/// `SQLITE_IOERR` here.
fn on_machine(answer: impl FnOnce(&mut Kernel) -> Result<(), c_int>) -> Option<c_int> {
    let asked = catch_unwind(AssertUnwindSafe(|| {
        call(|kernel| {
            if !kernel.process_is_dead {
                let answered = answer(kernel);
                kernel.wait_for_disk();
                answered
            } else {
                Err(ffi::SQLITE_IOERR)
            }
        })
    }));
    match asked {
        Ok(None) => None,
        Ok(Some(Ok(()))) => Some(ffi::SQLITE_OK),
        Ok(Some(Err(code))) => Some(code),
        Err(_panic) => Some(ffi::SQLITE_IOERR),
    }
}

/// [`on_machine`] for a file that a machine opened. Outside the machine, for example when the whole
/// world has ended, the file is out of reach.
fn on_its_machine(answer: impl FnOnce(&mut Kernel) -> Result<(), c_int>) -> c_int {
    on_machine(answer).unwrap_or(ffi::SQLITE_IOERR)
}

/// The result code for an error of the disk, where `otherwise` is SQLite's code for a failure of
/// the operation.
fn code(error: DiskError, otherwise: c_int) -> c_int {
    match error {
        DiskError::NoSpace => ffi::SQLITE_FULL,
        DiskError::NotFound | DiskError::Exists | DiskError::Stale | DiskError::Io => otherwise,
    }
}

/// The name as a path.
///
/// # Safety
///
/// `name` must be a C string that outlives the result.
unsafe fn path<'a>(name: *const c_char) -> &'a Path {
    // SAFETY: guaranteed by the caller.
    Path::new(OsStr::from_bytes(
        unsafe { CStr::from_ptr(name) }.to_bytes(),
    ))
}

/// Calls a function of the VFS that was the default before ours. [`install`] stored that in ours,
/// and it is never freed, so the call is as sound as SQLite's own.
macro_rules! original {
    ($vfs:ident.$function:ident($($argument:expr),*) or $missing:expr) => {{
        let original = (*$vfs).pAppData.cast::<ffi::sqlite3_vfs>();
        match (*original).$function {
            Some(function) => function(original, $($argument),*),
            None => $missing,
        }
    }};
}

unsafe extern "C" fn open(
    vfs: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: `file` has room for either side's file, because `szOsFile` is the larger of the two.
    // Without methods, SQLite does not close a file that was never opened.
    unsafe { (*file).pMethods = ptr::null() };
    let opened = on_machine(|kernel| {
        // SAFETY: `name` is null or a string that SQLite keeps until the file is closed.
        let path = (!name.is_null()).then(|| unsafe { path(name) });
        let handle = open_on_disk(kernel, path, flags)?;
        let methods = ptr::from_ref(&FILE_METHODS);
        let opened = MachineFile {
            base: ffi::sqlite3_file { pMethods: methods },
            handle,
        };
        // SAFETY: as above; SQLite aligns this memory to 8 bytes. `out_flags` is null or valid.
        unsafe {
            file.cast::<MachineFile>().write(opened);
            if let Some(out_flags) = out_flags.as_mut() {
                *out_flags = flags;
            }
        }
        Ok(())
    });
    // SAFETY: these are SQLite's own arguments.
    opened.unwrap_or_else(|| unsafe {
        original!(vfs.xOpen(name, file, flags, out_flags) or ffi::SQLITE_CANTOPEN)
    })
}

fn open_on_disk(kernel: &mut Kernel, path: Option<&Path>, flags: c_int) -> Result<Handle, c_int> {
    let Some(path) = path else {
        return Ok(kernel.hardware.disk.open_temporary());
    };
    let mode = if flags & ffi::SQLITE_OPEN_CREATE == 0 {
        OpenMode::Existing
    } else if flags & ffi::SQLITE_OPEN_EXCLUSIVE == 0 {
        OpenMode::Create
    } else {
        OpenMode::CreateNew
    };
    let cannot_open = |error| code(error, ffi::SQLITE_CANTOPEN);
    let handle = kernel.hardware.disk.open(path, mode).map_err(cannot_open)?;
    if flags & ffi::SQLITE_OPEN_DELETEONCLOSE != 0 {
        // As on Unix, the name disappears now, and the file when it is closed.
        kernel.hardware.disk.delete(path).map_err(cannot_open)?;
    }
    Ok(handle)
}

unsafe extern "C" fn delete(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    sync_directory: c_int,
) -> c_int {
    let deleted = on_machine(|kernel| {
        // SAFETY: SQLite passes a string that it keeps during the call.
        let path = unsafe { path(name) };
        kernel
            .hardware
            .disk
            .delete(path)
            .map_err(|error| code(error, ffi::SQLITE_IOERR_DELETE_NOENT))
    });
    // SAFETY: these are SQLite's own arguments.
    deleted.unwrap_or_else(|| unsafe {
        original!(vfs.xDelete(name, sync_directory) or ffi::SQLITE_IOERR_DELETE)
    })
}

unsafe extern "C" fn access(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    flags: c_int,
    result: *mut c_int,
) -> c_int {
    let asked = on_machine(|kernel| {
        // SAFETY: SQLite passes a string that it keeps during the call.
        let size = kernel.hardware.disk.find(unsafe { path(name) });
        // SQLite's VFS for Unix also treats an empty file as missing when asked whether it exists.
        let accessible = match flags {
            ffi::SQLITE_ACCESS_EXISTS => size.is_some_and(|bytes| bytes > 0),
            _ => size.is_some(),
        };
        // SAFETY: SQLite passes a place for the result.
        unsafe { *result = accessible.into() };
        Ok(())
    });
    // SAFETY: these are SQLite's own arguments.
    asked.unwrap_or_else(|| unsafe {
        original!(vfs.xAccess(name, flags, result) or ffi::SQLITE_IOERR_ACCESS)
    })
}

unsafe extern "C" fn full_pathname(
    vfs: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    size: c_int,
    out: *mut c_char,
) -> c_int {
    let resolved = on_machine(|_| {
        // SAFETY: SQLite passes a string that it keeps during the call.
        let full = full_path(unsafe { path(name) }).into_os_string();
        let bytes = full.as_bytes();
        if usize::try_from(size).is_ok_and(|size| bytes.len() < size) {
            // SAFETY: `out` has room for `size` bytes, and the name and its final zero fit in it.
            unsafe {
                ptr::copy_nonoverlapping(bytes.as_ptr(), out.cast(), bytes.len());
                *out.add(bytes.len()) = 0;
            }
            Ok(())
        } else {
            Err(ffi::SQLITE_CANTOPEN)
        }
    });
    // SAFETY: these are SQLite's own arguments.
    resolved.unwrap_or_else(|| unsafe {
        original!(vfs.xFullPathname(name, size, out) or ffi::SQLITE_CANTOPEN)
    })
}

/// The path from the root of the machine's disk, which is also its process's working directory.
fn full_path(name: &Path) -> PathBuf {
    let mut full = PathBuf::from("/");
    for component in name.components() {
        match component {
            Component::Normal(part) => full.push(part),
            Component::ParentDir => {
                full.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    full
}

/// Extensions are loaded by the real computer, even on a machine: they are code.
unsafe extern "C" fn dl_open(vfs: *mut ffi::sqlite3_vfs, name: *const c_char) -> *mut c_void {
    // SAFETY: these are SQLite's own arguments.
    unsafe { original!(vfs.xDlOpen(name) or ptr::null_mut()) }
}

unsafe extern "C" fn dl_error(vfs: *mut ffi::sqlite3_vfs, size: c_int, message: *mut c_char) {
    // SAFETY: these are SQLite's own arguments.
    unsafe { original!(vfs.xDlError(size, message) or ()) }
}

type Symbol = unsafe extern "C" fn(*mut ffi::sqlite3_vfs, *mut c_void, *const c_char);

unsafe extern "C" fn dl_sym(
    vfs: *mut ffi::sqlite3_vfs,
    library: *mut c_void,
    name: *const c_char,
) -> Option<Symbol> {
    // SAFETY: these are SQLite's own arguments; the library was opened by the original.
    unsafe { original!(vfs.xDlSym(library, name) or None) }
}

unsafe extern "C" fn dl_close(vfs: *mut ffi::sqlite3_vfs, library: *mut c_void) {
    // SAFETY: as for `dl_sym`.
    unsafe { original!(vfs.xDlClose(library) or ()) }
}

unsafe extern "C" fn fill_random(
    vfs: *mut ffi::sqlite3_vfs,
    count: c_int,
    out: *mut c_char,
) -> c_int {
    asked(|| Call::entropy("SQLite's xRandomness", length(count)));
    let filled = on_machine(|kernel| {
        // SAFETY: SQLite passes `count` bytes of initialised memory to be overwritten.
        let bytes = unsafe { slice::from_raw_parts_mut(out.cast::<u8>(), length(count)) };
        kernel.entropy.fill(Door::Sqlite, bytes);
        Ok(())
    });
    match filled {
        Some(ffi::SQLITE_OK) => count,
        Some(_) => 0,
        // SAFETY: these are SQLite's own arguments.
        None => unsafe { original!(vfs.xRandomness(count, out) or 0) },
    }
}

/// Returns how long it slept, in microseconds. A busy handler (`sqlite3_busy_timeout`) sleeps until
/// another thread of the process has released its lock, or the time-out has passed.
unsafe extern "C" fn sleep(vfs: *mut ffi::sqlite3_vfs, microseconds: c_int) -> c_int {
    if runs_on_machine() {
        // SAFETY: it takes no pointers. It is our own function, so it sleeps in virtual time on a
        // machine.
        unsafe { libc::usleep(microseconds.unsigned_abs()) };
        return microseconds;
    }
    // SAFETY: these are SQLite's own arguments.
    unsafe { original!(vfs.xSleep(microseconds) or 0) }
}

unsafe extern "C" fn current_time(vfs: *mut ffi::sqlite3_vfs, days: *mut f64) -> c_int {
    asked(|| Call::time("SQLite's xCurrentTime"));
    let told = on_machine(|kernel| {
        // SAFETY: SQLite passes a place for the result.
        unsafe { *days = julian_ms(kernel.wall_clock().as_nanos() as u64) as f64 / DAY_MS };
        Ok(())
    });
    // SAFETY: these are SQLite's own arguments.
    told.unwrap_or_else(|| unsafe { original!(vfs.xCurrentTime(days) or ffi::SQLITE_ERROR) })
}

unsafe extern "C" fn current_time_int64(
    vfs: *mut ffi::sqlite3_vfs,
    milliseconds: *mut i64,
) -> c_int {
    asked(|| Call::time("SQLite's xCurrentTimeInt64"));
    let told = on_machine(|kernel| {
        // SAFETY: SQLite passes a place for the result.
        unsafe { *milliseconds = julian_ms(kernel.wall_clock().as_nanos() as u64) };
        Ok(())
    });
    // SAFETY: these are SQLite's own arguments.
    told.unwrap_or_else(|| unsafe {
        original!(vfs.xCurrentTimeInt64(milliseconds) or ffi::SQLITE_ERROR)
    })
}

/// SQLite's time for a time in nanoseconds since the Unix epoch.
fn julian_ms(unix_ns: u64) -> i64 {
    // At most 2^64 / 10^6, which fits.
    UNIX_EPOCH_JULIAN_MS + (unix_ns / 1_000_000) as i64
}

unsafe extern "C" fn get_last_error(
    vfs: *mut ffi::sqlite3_vfs,
    size: c_int,
    message: *mut c_char,
) -> c_int {
    if runs_on_machine() {
        // There is no `errno` behind a simulated disk: the result code says it all.
        return 0;
    }
    // SAFETY: these are SQLite's own arguments.
    unsafe { original!(vfs.xGetLastError(size, message) or 0) }
}

/// A length as SQLite passes it: never negative.
fn length(count: c_int) -> usize {
    usize::try_from(count).unwrap_or(0)
}

/// An offset or a size of a file as SQLite passes it: never negative.
fn position(offset: i64) -> u64 {
    u64::try_from(offset).unwrap_or(u64::MAX)
}

/// The handle of a file that [`open`] opened.
///
/// # Safety
///
/// `file` must be such a file: one that has [`FILE_METHODS`].
unsafe fn handle(file: *mut ffi::sqlite3_file) -> Handle {
    // SAFETY: guaranteed by the caller.
    unsafe { (*file.cast::<MachineFile>()).handle }
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite calls this for files with these methods only.
    let handle = unsafe { handle(file) };
    on_its_machine(|kernel| {
        kernel.hardware.disk.close(handle);
        Ok(())
    });
    // If the machine or its process is gone, so is the open file: that is as good as closed.
    ffi::SQLITE_OK
}

unsafe extern "C" fn read(
    file: *mut ffi::sqlite3_file,
    out: *mut c_void,
    count: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: SQLite calls this for files with these methods only. It passes `count` bytes to be
    // overwritten, which may be uninitialised; a short read has to zero the rest anyway.
    let (handle, buffer) = unsafe {
        ptr::write_bytes(out.cast::<u8>(), 0, length(count));
        (
            handle(file),
            slice::from_raw_parts_mut(out.cast::<u8>(), length(count)),
        )
    };
    on_its_machine(|kernel| {
        let read = kernel
            .hardware
            .disk
            .read_at(handle, position(offset), buffer);
        match read.map_err(|error| code(error, ffi::SQLITE_IOERR_READ))? {
            read if read < buffer.len() => Err(ffi::SQLITE_IOERR_SHORT_READ),
            _ => Ok(()),
        }
    })
}

unsafe extern "C" fn write(
    file: *mut ffi::sqlite3_file,
    data: *const c_void,
    count: c_int,
    offset: i64,
) -> c_int {
    // SAFETY: SQLite calls this for files with these methods only, and passes `count` bytes.
    let (handle, bytes) = unsafe {
        (
            handle(file),
            slice::from_raw_parts(data.cast::<u8>(), length(count)),
        )
    };
    on_its_machine(|kernel| {
        let written = kernel
            .hardware
            .disk
            .write_at(handle, position(offset), bytes);
        written.map_err(|error| code(error, ffi::SQLITE_IOERR_WRITE))
    })
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, size: i64) -> c_int {
    // SAFETY: SQLite calls this for files with these methods only.
    let handle = unsafe { handle(file) };
    on_its_machine(|kernel| {
        let truncated = kernel.hardware.disk.truncate(handle, position(size));
        truncated.map_err(|error| code(error, ffi::SQLITE_IOERR_TRUNCATE))
    })
}

/// All kinds of sync are the same: the disk has neither inode metadata to skip nor a write cache.
unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, _flags: c_int) -> c_int {
    // SAFETY: SQLite calls this for files with these methods only.
    let handle = unsafe { handle(file) };
    on_its_machine(|kernel| {
        kernel
            .hardware
            .disk
            .sync(handle)
            .map_err(|error| code(error, ffi::SQLITE_IOERR_FSYNC))
    })
}

unsafe extern "C" fn file_size(file: *mut ffi::sqlite3_file, size: *mut i64) -> c_int {
    // SAFETY: SQLite calls this for files with these methods only.
    let handle = unsafe { handle(file) };
    on_its_machine(|kernel| {
        let bytes = kernel
            .hardware
            .disk
            .size(handle)
            .map_err(|error| code(error, ffi::SQLITE_IOERR_FSTAT))?;
        // SAFETY: SQLite passes a place for the result.
        unsafe { *size = i64::try_from(bytes).unwrap_or(i64::MAX) };
        Ok(())
    })
}

unsafe extern "C" fn lock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite calls this for files with these methods only.
    let handle = unsafe { handle(file) };
    on_its_machine(|kernel| {
        let locked = kernel.hardware.disk.lock(handle, lock_level(level));
        match locked.map_err(|error| code(error, ffi::SQLITE_IOERR_LOCK))? {
            true => Ok(()),
            false => Err(ffi::SQLITE_BUSY),
        }
    })
}

unsafe extern "C" fn unlock(file: *mut ffi::sqlite3_file, level: c_int) -> c_int {
    // SAFETY: SQLite calls this for files with these methods only.
    let handle = unsafe { handle(file) };
    on_its_machine(|kernel| {
        let unlocked = kernel.hardware.disk.unlock(handle, lock_level(level));
        unlocked.map_err(|error| code(error, ffi::SQLITE_IOERR_UNLOCK))
    })
}

unsafe extern "C" fn check_reserved_lock(
    file: *mut ffi::sqlite3_file,
    result: *mut c_int,
) -> c_int {
    // SAFETY: SQLite calls this for files with these methods only.
    let handle = unsafe { handle(file) };
    on_its_machine(|kernel| {
        let reserved = kernel.hardware.disk.is_reserved(handle);
        let reserved =
            reserved.map_err(|error| code(error, ffi::SQLITE_IOERR_CHECKRESERVEDLOCK))?;
        // SAFETY: SQLite passes a place for the result.
        unsafe { *result = reserved.into() };
        Ok(())
    })
}

fn lock_level(level: c_int) -> Lock {
    match level {
        ffi::SQLITE_LOCK_NONE => Lock::None,
        ffi::SQLITE_LOCK_SHARED => Lock::Shared,
        ffi::SQLITE_LOCK_RESERVED => Lock::Reserved,
        ffi::SQLITE_LOCK_PENDING => Lock::Pending,
        _ => Lock::Exclusive,
    }
}

/// Hints and special services, all of them optional: none is supported.
unsafe extern "C" fn file_control(
    _file: *mut ffi::sqlite3_file,
    _operation: c_int,
    _argument: *mut c_void,
) -> c_int {
    ffi::SQLITE_NOTFOUND
}

unsafe extern "C" fn sector_size(_file: *mut ffi::sqlite3_file) -> c_int {
    SECTOR_SIZE
}

/// The disk promises nothing beyond sync, not even `SQLITE_IOCAP_POWERSAFE_OVERWRITE`, which SQLite
/// assumes of real disks: that a write cut short by a power loss leaves its neighbours in the same
/// sector alone. So SQLite fills the last sector of its log at each commit, and is safe however a
/// sector is torn.
unsafe extern "C" fn device_characteristics(_file: *mut ffi::sqlite3_file) -> c_int {
    0
}
