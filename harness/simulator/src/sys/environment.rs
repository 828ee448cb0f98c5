//! Environment variables. A machine has its own, whatever the host's shell says.

use super::audit::asked;
use super::real::Original;
use super::{EntryPoint, machine};
use crate::audit::Call;
use libc::{c_char, c_void};
use std::ffi::CStr;
use std::ptr;

/// What is set on every machine. Clients of TLS libraries load all certificates of the host for
/// every connection pool, and OpenSSL its configuration; a machine has none.
const VARIABLES: [(&CStr, &CStr); 3] = [
    (c"OPENSSL_CONF", c"/dev/null"),
    (c"SSL_CERT_FILE", c"/dev/null"),
    (c"SSL_CERT_DIR", c"/dev/null"),
];

type Getenv = unsafe extern "C" fn(*const c_char) -> *mut c_char;

static GETENV: Original = Original::new(c"getenv");
static SECURE_GETENV: Original = Original::new(c"secure_getenv");

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
    // SAFETY: the caller's.
    let wanted = unsafe { CStr::from_ptr(name) };
    asked(|| Call::variable(door, wanted.to_string_lossy().into_owned()));
    if machine(|_| ()).is_none() {
        // SAFETY: the original has this type, and the name is the caller's.
        return unsafe { std::mem::transmute::<*mut c_void, Getenv>(original.get())(name) };
    }
    let value = VARIABLES.iter().find(|(known, _)| *known == wanted);
    value.map_or(ptr::null_mut(), |(_, value)| value.as_ptr().cast_mut())
}

/// What this file defines, for the check at the start.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![getenv, secure_getenv]
}
