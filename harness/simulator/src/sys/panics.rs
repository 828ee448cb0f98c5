//! Panics: a machine's panics belong to the run, and not on a terminal.
//!
//! std has one hook for the whole host process, and it is ours. If a program sets its own, that
//! replaces ours until the turn ends; then ours is back and calls the program's, as long as its
//! process lives. (Only in an isolated run: elsewhere the hook is shared with the host's other
//! threads. A panic in the very turn in which a hook was set is reported to that hook only; if it
//! ends the main thread, it is noted there.)

use super::crash::is_isolated;
use super::here::{machine, note_failure};
use crate::kernel::Hook;
use std::any::Any;
use std::cell::Cell;
use std::panic::{self, PanicHookInfo};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

/// The hook before ours, for panics outside machines.
static OTHERS: OnceLock<Hook> = OnceLock::new();

/// The address of the hook that we have set, to recognise it.
static OURS: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

thread_local! {
    /// Whether a panic is being reported: a program's hook may call the one that it has replaced.
    static TELLING: Cell<bool> = const { Cell::new(false) };
}

pub(super) fn install() {
    let _ = OTHERS.set(panic::take_hook().into());
    set_ours();
}

fn set_ours() {
    // What it captures gives it a distinct address.
    let others = OTHERS.get().cloned();
    let ours = Box::new(move |panic: &PanicHookInfo<'_>| tell(panic, others.as_ref()));
    OURS.store((&raw const *ours).cast_mut().cast(), Ordering::Relaxed);
    panic::set_hook(ours);
}

fn tell(panic: &PanicHookInfo<'_>, others: Option<&Hook>) {
    if TELLING.replace(true) {
        return;
    }
    let noted = machine(|kernel| {
        let backtrace = std::backtrace::Backtrace::force_capture().to_string();
        let told = (describe(panic), backtrace);
        if kernel.process_is_dead {
            kernel.panic_in_death = Some(told);
            return None;
        }
        kernel.panics.push(told);
        kernel.hook.clone()
    });
    let further = match &noted {
        Some(program) => program.as_ref(),
        // It belongs to no machine, or comes from the kernel itself: then it is reported as usual.
        None => others,
    };
    if let Some(hook) = further {
        hook(panic);
    }
    TELLING.set(false);
}

/// Notes that a panic ended the main thread, if our hook was not told of it.
pub(super) fn note_unless_told(panic: &(dyn Any + Send)) {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or(panic.downcast_ref::<&str>().copied());
    let message = text.unwrap_or("(no message)");
    let is_told = |told: &(String, String)| told.0.starts_with(message);
    if machine(|kernel| kernel.panics.iter().any(is_told)) == Some(false) {
        note_failure(format!("{message} (the program's own hook hides where)"));
    }
}

/// If a program set a hook in the turn that has just ended, returns it and restores ours. None
/// outside an isolated run.
pub(crate) fn take_hook_of_program() -> Option<Hook> {
    if !is_isolated() {
        return None;
    }
    let hook = panic::take_hook();
    if ptr::eq((&raw const *hook).cast(), OURS.load(Ordering::Relaxed)) {
        panic::set_hook(hook);
        return None;
    }
    set_ours();
    Some(hook.into())
}

/// The location and message of a panic. The place where cargo keeps the sources of crates is left
/// out.
fn describe(panic: &PanicHookInfo<'_>) -> String {
    let message = panic.payload_as_str().unwrap_or("(no message)");
    let Some(place) = panic.location() else {
        return message.to_owned();
    };
    let file = place.file();
    let in_registry = file.split_once("/registry/src/");
    let file = in_registry
        .and_then(|(_, path)| path.split_once('/'))
        .map_or(file, |(_, path)| path);
    format!("{message} ({file}:{}:{})", place.line(), place.column())
}
