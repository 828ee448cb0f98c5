//! Environment variables. A machine has its own, whatever the host has.
//!
//! `environ` is a variable of the whole process, and is read without a call, for example by
//! `std::env::vars`. In an isolated run it is the simulated process's own, as are std's arguments
//! (see [`Statics`]); elsewhere it is the host's.

use super::answers::fail;
use super::audit::asked;
use super::here::{EntryPoint, machine};
use crate::audit::Call;
use crate::host::Statics;
use crate::host::real::Original;
use crate::kernel::Kernel;
use crate::kernel::environment::Environment;
use crate::kernel::errno::Errno;
use libc::{c_char, c_int, c_void};
use std::ffi::CStr;
use std::mem::transmute;
use std::ptr;

type Getenv = unsafe extern "C" fn(*const c_char) -> *mut c_char;
type Setenv = unsafe extern "C" fn(*const c_char, *const c_char, c_int) -> c_int;
type OfOne = unsafe extern "C" fn(*const c_char) -> c_int;
type OfAll = unsafe extern "C" fn() -> c_int;

static GETENV: Original = Original::new(c"getenv");
static SECURE_GETENV: Original = Original::new(c"secure_getenv");
static SETENV: Original = Original::new(c"setenv");
static UNSETENV: Original = Original::new(c"unsetenv");
static PUTENV: Original = Original::new(c"putenv");
static CLEARENV: Original = Original::new(c"clearenv");

#[unsafe(no_mangle)]
unsafe extern "C" fn getenv(name: *const c_char) -> *mut c_char {
    // SAFETY: the name is the caller's, as for getenv(3).
    unsafe { look_up("getenv", name, &GETENV) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn secure_getenv(name: *const c_char) -> *mut c_char {
    // SAFETY: the name is the caller's, as for secure_getenv(3).
    unsafe { look_up("secure_getenv", name, &SECURE_GETENV) }
}

/// # Safety
///
/// `name` must be a C string.
unsafe fn look_up(door: &'static str, name: *const c_char, original: &Original) -> *mut c_char {
    // SAFETY: guaranteed by the caller.
    let wanted = unsafe { CStr::from_ptr(name) };
    asked(|| Call::variable(door, wanted.to_string_lossy().into_owned()));
    machine(|kernel| {
        let value = kernel.environment.get(wanted.to_bytes());
        value.map_or(ptr::null_mut(), |value| value.as_ptr().cast_mut())
    })
    // SAFETY: the original has this type, and the name is the caller's.
    .unwrap_or_else(|| unsafe { transmute::<*mut c_void, Getenv>(original.get())(name) })
}

/// Changes the variables of the running process; none if no machine is running.
fn change(change: impl FnOnce(&mut Environment) -> Result<(), Errno>) -> Option<c_int> {
    let changed = machine(|kernel: &mut Kernel| {
        change(&mut kernel.environment)?;
        Statics::set_environment(kernel.environment.block());
        Ok(())
    })?;
    Some(match changed {
        Ok(()) => 0,
        Err(error) => fail(error) as c_int,
    })
}

/// The bytes of a variable's name.
///
/// # Safety
///
/// `name` must be null or a C string.
unsafe fn read_name<'a>(name: *const c_char) -> Result<&'a [u8], Errno> {
    let name = match name.is_null() {
        true => &[],
        // SAFETY: guaranteed by the caller.
        false => unsafe { CStr::from_ptr(name) }.to_bytes(),
    };
    match name.is_empty() || name.contains(&b'=') {
        true => Err(Errno(libc::EINVAL)),
        false => Ok(name),
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn setenv(name: *const c_char, value: *const c_char, overwrite: c_int) -> c_int {
    // SAFETY: guaranteed by the caller, as for setenv(3); the original has this type.
    unsafe {
        change(|environment| {
            let name = read_name(name)?;
            if overwrite != 0 || environment.get(name).is_none() {
                environment.set(name, CStr::from_ptr(value).to_bytes());
            }
            Ok(())
        })
        .unwrap_or_else(|| transmute::<*mut c_void, Setenv>(SETENV.get())(name, value, overwrite))
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn unsetenv(name: *const c_char) -> c_int {
    // SAFETY: guaranteed by the caller, as for unsetenv(3); the original has this type.
    unsafe {
        change(|environment| {
            environment.unset(read_name(name)?);
            Ok(())
        })
        .unwrap_or_else(|| transmute::<*mut c_void, OfOne>(UNSETENV.get())(name))
    }
}

/// The string is copied: later changes to it have no effect.
#[unsafe(no_mangle)]
unsafe extern "C" fn putenv(entry: *const c_char) -> c_int {
    // SAFETY: guaranteed by the caller, as for putenv(3); the original has this type.
    unsafe {
        change(|environment| {
            let entry = CStr::from_ptr(entry).to_bytes();
            match entry.iter().position(|&byte| byte == b'=') {
                Some(0) => return Err(Errno(libc::EINVAL)),
                Some(sign) => environment.set(&entry[..sign], &entry[sign + 1..]),
                None => environment.unset(entry),
            }
            Ok(())
        })
        .unwrap_or_else(|| transmute::<*mut c_void, OfOne>(PUTENV.get())(entry))
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn clearenv() -> c_int {
    change(|environment| {
        environment.clear();
        Ok(())
    })
    // SAFETY: the original has this type.
    .unwrap_or_else(|| unsafe { transmute::<*mut c_void, OfAll>(CLEARENV.get())() })
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![getenv, secure_getenv, setenv, unsetenv, putenv, clearenv]
}
