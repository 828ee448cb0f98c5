//! Panics: those of a machine belong to the run, and to nobody's terminal.
//!
//! std has one hook for all of the host's process, and it is ours. A program that sets one of its
//! own takes its place until the turn is over; from then on ours is there again and calls the
//! program's, as long as its process lives. (Only in an isolated run: elsewhere the other threads
//! of the host have the same hook. A panic in the very turn in which a hook was set is told to that
//! one only.)

use super::crash::is_isolated;
use super::here::machine;
use crate::kernel::Hook;
use std::cell::Cell;
use std::panic::{self, PanicHookInfo};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

/// What was there before us, for the panics of nobody's machine.
static OTHERS: OnceLock<Hook> = OnceLock::new();

/// Where the hook is that we have set, so that it is known again.
static OURS: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

thread_local! {
    /// Whether a panic is being told: the hook of a program may call the one that it has replaced.
    static TELLING: Cell<bool> = const { Cell::new(false) };
}

pub(super) fn install() {
    let _ = OTHERS.set(panic::take_hook().into());
    set_ours();
}

fn set_ours() {
    // What it has with it gives it an address of its own.
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
        // Nobody's, or the kernel's own: then it is everybody's.
        None => others,
    };
    if let Some(hook) = further {
        hook(panic);
    }
    TELLING.set(false);
}

/// If a program has set a hook in the turn that is just over, this is it, and ours is there again.
/// None elsewhere than in an isolated run.
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

/// Place and message of a panic. Where cargo keeps the sources of crates is the host's affair.
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
