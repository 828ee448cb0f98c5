//! A page cache that forgets pages while its machine's disk has trouble with reads.
//!
//! SQLite reads a page once and keeps it for as long as the connection is open and nothing else
//! writes, so a disk that is slow to read, or fails, would not affect connections that have read a
//! small database before. While such trouble lasts, a connection finds only the pages that it is
//! using in its cache, as on a computer that is short of memory, and reads the others from the
//! disk.
//!
//! The cache can be replaced only before SQLite is first used, as its mutexes can (see
//! [`super::randomness`]).

use crate::sys::here::machine;
use libsqlite3_sys as ffi;
use std::ffi::{c_int, c_uint};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::OnceLock;

type Fetch =
    unsafe extern "C" fn(*mut ffi::sqlite3_pcache, c_uint, c_int) -> *mut ffi::sqlite3_pcache_page;
type Shrink = unsafe extern "C" fn(*mut ffi::sqlite3_pcache);

/// SQLite's own functions for fetching a page, and for discarding unused ones.
static ORIGINAL: OnceLock<(Fetch, Shrink)> = OnceLock::new();

/// # Panics
///
/// If the cache was not replaced: the linker dropped the code that runs before `main`, or other
/// code that runs before `main` uses SQLite.
pub(super) fn assert_prepared() {
    assert!(
        ORIGINAL.get().is_some(),
        "SQLite would not ask a failing disk: its page cache was not replaced before main"
    );
}

/// Replaces the page cache. To be called before SQLite is first used, and on the only thread.
pub(super) fn replace() {
    let mut methods = MaybeUninit::<ffi::sqlite3_pcache_methods2>::zeroed();
    // SAFETY: no other thread that could use SQLite exists yet, and SQLite is not initialised. It
    // fills in the table of its own cache, for which all zeroes is a valid value, and copies the
    // one passed to it.
    unsafe {
        let read = ffi::sqlite3_config(ffi::SQLITE_CONFIG_GETPCACHE2, methods.as_mut_ptr());
        let methods = methods.assume_init();
        let (Some(original_fetch), Some(original_shrink)) = (methods.xFetch, methods.xShrink)
        else {
            return;
        };
        let ours = ffi::sqlite3_pcache_methods2 {
            xFetch: Some(fetch),
            ..methods
        };
        let ours = ptr::from_ref(&ours);
        if read == ffi::SQLITE_OK
            && ffi::sqlite3_config(ffi::SQLITE_CONFIG_PCACHE2, ours) == ffi::SQLITE_OK
        {
            // It cannot be set already: this runs once.
            let _ = ORIGINAL.set((original_fetch, original_shrink));
        }
    }
}

unsafe extern "C" fn fetch(
    cache: *mut ffi::sqlite3_pcache,
    page: c_uint,
    create: c_int,
) -> *mut ffi::sqlite3_pcache_page {
    let Some(&(fetch, shrink)) = ORIGINAL.get() else {
        return ptr::null_mut();
    };
    // SAFETY: SQLite's own functions and arguments. The discarded pages are not in use: when asked
    // for another page, the cache may discard them by itself.
    unsafe {
        if machine(|kernel| kernel.hardware.disk.is_hard_to_read()) == Some(true) {
            shrink(cache);
        }
        fetch(cache, page, create)
    }
}
