//! Where a process of this executable begins.

use super::crash::isolate;
use super::install;
#[cfg(feature = "sqlite")]
use super::sqlite;
use crate::host::{Statics, nursery};

/// Where a process of this executable begins, before `main`: it may be a nursery, and then has no
/// `main`.
#[used]
#[unsafe(link_section = ".init_array")]
static BEGIN: extern "C" fn() = begin;

extern "C" fn begin() {
    if nursery::is_asked_for() {
        // The linker decides what comes first of all that is done before `main`: this may.
        #[cfg(feature = "sqlite")]
        sqlite::prepare();
        // SAFETY: nothing else has begun, and what is forked from here runs one world at a time.
        unsafe {
            Statics::separate();
            install();
            nursery::serve(isolate)
        }
    }
}
