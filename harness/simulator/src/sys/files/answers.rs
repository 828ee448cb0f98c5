//! How a machine answers calls on files.

use crate::kernel::errno::Errno;
use crate::kernel::{At, FIRST_DESCRIPTOR, Kernel, Stat};
use crate::sys::answers::{answer, call};
use libc::{c_char, c_int};
use std::ffi::CStr;

/// Lets the running machine answer; none if no machine is running. A dead process's calls have no
/// effect.
pub(super) fn on_machine(f: impl FnOnce(&mut Kernel) -> Result<i64, Errno>) -> Option<isize> {
    let result = call(|kernel| {
        if kernel.process_is_dead {
            return Err(Errno(libc::EIO));
        }
        kernel.hardware.cpu.charge_call();
        let result = f(kernel);
        kernel.wait_for_disk();
        result
    })?;
    Some(answer(result))
}

/// Lets the machine answer a call on one of its descriptors; none if the host has to, which it does
/// only for queries.
///
/// # Errors
///
/// `EBADF` if the descriptor is the host's and the call would change what it refers to.
pub(super) fn on_file(
    fd: c_int,
    changes: bool,
    f: impl FnOnce(&mut Kernel) -> Result<i64, Errno>,
) -> Option<isize> {
    if fd < FIRST_DESCRIPTOR && !changes {
        return None;
    }
    on_machine(|kernel| match fd < FIRST_DESCRIPTOR {
        true => Err(Errno(libc::EBADF)),
        false => f(kernel),
    })
}

/// A path from the caller.
///
/// # Safety
///
/// `path` must be a C string that lives as long as the result.
pub(super) unsafe fn at<'a>(directory: c_int, path: *const c_char) -> At<'a> {
    // SAFETY: guaranteed by the caller.
    let path = unsafe { CStr::from_ptr(path) }.to_bytes();
    At { directory, path }
}

pub(super) fn here(path: &[u8]) -> At<'_> {
    At {
        directory: libc::AT_FDCWD,
        path,
    }
}

/// Entry points whose answer is `$answer` on a machine, and that of libc's function of the same
/// name on the host.
macro_rules! file_calls {
    ($($name:ident($($argument:ident: $type:ty),*) -> $output:ty = $answer:expr;)*) => {$(
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($argument: $type),*) -> $output {
            static ORIGINAL: crate::host::real::Original = crate::host::real::Original::new(const {
                match ::std::ffi::CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                    Ok(name) => name,
                    Err(_) => unreachable!(),
                }
            });
            // SAFETY: the arguments are the caller's, as for the function of this name, and the
            // original takes them likewise.
            unsafe {
                let answered: Option<isize> = $answer;
                answered.map_or_else(
                    || {
                        type Function = unsafe extern "C" fn($($type),*) -> $output;
                        let original = std::mem::transmute::<*mut std::ffi::c_void, Function>(ORIGINAL.get());
                        original($($argument),*)
                    },
                    |answer| answer as $output,
                )
            }
        }
    )*};
}
pub(super) use file_calls;

/// Fills in the result of `stat(2)`.
///
/// # Safety
///
/// `place` must have room for a `stat`.
pub(super) unsafe fn give_stat(place: *mut libc::stat, stat: &Stat) {
    const USER: u32 = 1000;
    // SAFETY: guaranteed by the caller; all zeroes is a valid value of this type.
    let told = unsafe {
        place.write_bytes(0, 1);
        &mut *place
    };
    told.st_dev = 1;
    told.st_ino = stat.number;
    told.st_nlink = stat.links as _;
    told.st_mode = stat.mode;
    (told.st_uid, told.st_gid) = (USER, USER);
    told.st_rdev = stat.device;
    told.st_size = stat.size as _;
    told.st_blksize = 4096;
    told.st_blocks = stat.size.div_ceil(512) as _;
    let times = &stat.times;
    told.st_atime = times.accessed.as_secs() as _;
    told.st_atime_nsec = times.accessed.subsec_nanos().into();
    told.st_mtime = times.modified.as_secs() as _;
    told.st_mtime_nsec = times.modified.subsec_nanos().into();
    told.st_ctime = times.changed.as_secs() as _;
    told.st_ctime_nsec = times.changed.subsec_nanos().into();
}
