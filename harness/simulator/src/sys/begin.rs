//! Where processes of this executable begin.

use super::crash::isolate;
use super::install;
#[cfg(feature = "sqlite")]
use super::sqlite;
use crate::host::{Statics, nursery};

/// The beginning of a process of this executable, before `main`: it may be a nursery, in which case
/// `main` never runs.
#[used]
#[unsafe(link_section = ".init_array")]
static BEGIN: extern "C" fn() = begin;

extern "C" fn begin() {
    if nursery::is_asked_for() {
        // The linker decides the order of initialisers that run before `main`: this may be the
        // first.
        #[cfg(feature = "sqlite")]
        sqlite::prepare();
        // SAFETY: nothing else has started, and what is forked from here runs one world at a time.
        unsafe {
            Statics::separate();
            install();
            nursery::serve(isolate)
        }
    }
}
