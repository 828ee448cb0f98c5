//! Reports calls at the entry points to the audit of a world. Without an audit, the cost is one
//! check of a flag.

use super::here::{MACHINE, WORLD, WorldThread, machine, world};
use crate::audit::{Audit, Call, Source};
use crate::kernel::Kernel;
use std::cell::RefCell;
use std::ptr;

/// From now on, the calls of this thread's world are noted.
pub(crate) fn start_audit() {
    world(|world| world.audits.set(true));
}

/// What was noted.
pub(crate) fn sources() -> Vec<Source> {
    away(|audit| audit.sources()).unwrap_or_default()
}

/// Notes a call by the running program, or by the world itself. To be called by the entry point,
/// before anything sets `errno`.
pub(super) fn asked(call: impl FnOnce() -> Call) {
    if !is_on() {
        return;
    }
    match (
        MACHINE.get().is_null(),
        machine(|kernel| kernel.name.clone()),
    ) {
        (true, _) => note(None, call()),
        (false, Some(name)) => note(Some(name), call()),
        // The memory allocator of a busy kernel, which is the host's.
        (false, None) => {}
    }
}

/// Notes what a machine asked for itself, without a program running on it.
pub(crate) fn asked_by_machine(name: &str, call: impl FnOnce() -> Call) {
    if is_on() {
        note(Some(name.to_owned()), call());
    }
}

fn is_on() -> bool {
    world(|world| world.audits.get()) == Some(true)
}

#[cold]
fn note(machine: Option<String>, call: Call) {
    away(|audit| audit.note(machine, call));
}

/// The audit's own work allocates, reads files and takes locks. None of that is the program's, and
/// none may reach its machine, so this thread has neither a machine nor a world during it.
fn away<R>(f: impl FnOnce(&mut Audit) -> R) -> Option<R> {
    struct Return {
        world: *const WorldThread,
        machine: *const RefCell<Kernel>,
    }
    impl Drop for Return {
        fn drop(&mut self) {
            WORLD.set(self.world);
            MACHINE.set(self.machine);
        }
    }
    let away = Return {
        world: WORLD.replace(ptr::null()),
        machine: MACHINE.replace(ptr::null()),
    };
    // SAFETY: as in `world`, whose pointer this was a moment ago.
    let world = unsafe { away.world.as_ref() }?;
    Some(f(&mut world.audit.borrow_mut()))
}
