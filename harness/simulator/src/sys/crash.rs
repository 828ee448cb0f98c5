//! What ends the real process, and which machine caused it: a processor exception, `abort(3)`,
//! `exit(3)`, an endless run.
//!
//! The machine is named before anything else is tried. In a process that runs for isolation
//! ([`isolated`](crate::isolated)) a backtrace follows; elsewhere the process would not live long
//! enough for that.

use super::here::{EntryPoint, MACHINE};
use super::{myself, world_time};
use crate::host::real::{self, Original};
use crate::host::{ASK_FOR_MEMORY, ASK_FOR_TIME};
use libc::{c_int, c_void, siginfo_t};
use std::fmt::{self, Write};
use std::mem::{MaybeUninit, transmute};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

type Sigaction = unsafe extern "C" fn(c_int, *const libc::sigaction, *mut libc::sigaction) -> c_int;
type Handler = unsafe extern "C" fn(c_int, *mut siginfo_t, *mut c_void);
type Abort = unsafe extern "C" fn() -> !;

static SIGACTION: Original = Original::new(c"sigaction");
static ABORT: Original = Original::new(c"abort");

const FAULTS: [c_int; 4] = [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE];

/// The previous fault handlers.
static BEFORE: [OnceLock<libc::sigaction>; FAULTS.len()] =
    [const { OnceLock::new() }; FAULTS.len()];

/// Whether this process runs for isolation.
static ISOLATED: AtomicBool = AtomicBool::new(false);

/// The standard error, without locks or allocation.
struct Words;

impl Write for Words {
    fn write_str(&mut self, words: &str) -> fmt::Result {
        let arguments = [
            libc::STDERR_FILENO as _,
            words.as_ptr() as _,
            words.len(),
            0,
            0,
            0,
        ];
        // SAFETY: the words are valid for reads.
        unsafe { real::syscall(libc::SYS_write, arguments) };
        Ok(())
    }
}

/// Reports what happened on the running machine; false if there is none. `interrupted` is the
/// instruction it was at, if it did not call us.
fn tell(what: impl fmt::Display, interrupted: Option<usize>) -> bool {
    // SAFETY: as in `machine`.
    let Some(kernel) = (unsafe { MACHINE.get().as_ref() }) else {
        return false;
    };
    let at = world_time();
    // SAFETY: whoever has borrowed the kernel is interrupted, and the name never changes.
    let name = unsafe { &(*kernel.as_ptr()).name };
    let _ = writeln!(Words, "machine {name}: {what} at {at:?}");
    if is_isolated() {
        tell_place(interrupted);
    }
    true
}

/// Reports the call stack from here, or from where it was interrupted: the last frames, since there
/// may be thousands.
fn tell_place(interrupted: Option<usize>) {
    const FRAMES: u32 = 40;
    let mut frames = 0;
    // The symbols are in the host's files.
    let machine = MACHINE.replace(std::ptr::null());
    if let Some(place) = interrupted {
        // The lookup goes one instruction back, because a frame holds the address to which its call
        // returns. This instruction has not been executed.
        backtrace::resolve((place + 1) as *mut c_void, tell_symbol);
    }
    let mut is_ours = interrupted.is_some();
    backtrace::trace(|frame| {
        if !is_ours {
            backtrace::resolve_frame(frame, tell_symbol);
        } else if Some(frame.ip() as usize) == interrupted {
            is_ours = false;
        }
        frames += 1;
        frames < FRAMES
    });
    MACHINE.set(machine);
}

fn tell_symbol(symbol: &backtrace::Symbol) {
    let Some(name) = symbol.name() else {
        return;
    };
    let _ = match (symbol.filename(), symbol.lineno()) {
        (Some(file), Some(line)) => writeln!(Words, "  {name} ({}:{line})", file.display()),
        _ => writeln!(Words, "  {name}"),
    };
}

/// The next instruction when a signal came.
///
/// # Safety
///
/// The context must be that of a signal handler.
unsafe fn interrupted(context: *mut c_void) -> Option<usize> {
    // SAFETY: the caller's.
    let machine = unsafe { &(*context.cast::<libc::ucontext_t>()).uc_mcontext };
    #[cfg(target_arch = "x86_64")]
    let place = machine.gregs[libc::REG_RIP as usize];
    #[cfg(target_arch = "aarch64")]
    let place = machine.pc;
    Some(place as usize)
}

/// Whether the end of this process does no harm.
pub(crate) fn is_isolated() -> bool {
    ISOLATED.load(Ordering::Relaxed)
}

fn set_handler(signal: c_int, handler: Handler, flags: c_int) -> libc::sigaction {
    // SAFETY: all zeroes is a valid value of this type; the original has this type, and takes a
    // handler of this kind.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as usize;
        action.sa_flags = flags | libc::SA_SIGINFO;
        let mut before = MaybeUninit::zeroed();
        let original = transmute::<*mut c_void, Sigaction>(SIGACTION.get());
        original(signal, &raw const action, before.as_mut_ptr());
        before.assume_init()
    }
}

/// From now on, faults are reported with their machine.
pub(super) fn install() {
    ABORT.get();
    for (signal, before) in FAULTS.into_iter().zip(&BEFORE) {
        let _ = before.set(set_handler(signal, on_fault, libc::SA_ONSTACK));
    }
}

unsafe extern "C" fn on_fault(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    // SAFETY: this is the host's description of the fault.
    let address = unsafe { (*info).si_addr() } as usize;
    let what = match signal {
        _ if myself::is_below_stack(address) => "its stack has overflowed",
        libc::SIGSEGV => "a segmentation fault",
        libc::SIGBUS => "a bus error",
        libc::SIGILL => "an illegal instruction",
        _ => "an arithmetic error",
    };
    let before = FAULTS.iter().position(|&fault| fault == signal);
    let before = before.and_then(|place| BEFORE[place].get());
    match before {
        // SAFETY: the previous handler takes the arguments that we take.
        Some(before) if MACHINE.get().is_null() && before.sa_flags & libc::SA_SIGINFO != 0 => unsafe {
            transmute::<usize, Handler>(before.sa_sigaction)(signal, info, context);
        },
        _ => {
            // It recurs when this handler returns, and then ends the process.
            set_default(signal);
            // SAFETY: it is this handler's.
            tell(what, unsafe { interrupted(context) });
        }
    }
}

fn set_default(signal: c_int) {
    // SAFETY: all zeroes is the default action; the original has this type.
    unsafe {
        let action: libc::sigaction = std::mem::zeroed();
        let original = transmute::<*mut c_void, Sigaction>(SIGACTION.get());
        original(signal, &raw const action, std::ptr::null_mut());
    }
}

/// The watcher of an isolated run asks for its last words.
unsafe extern "C" fn on_ask(signal: c_int, _: *mut siginfo_t, context: *mut c_void) {
    let what = match signal {
        ASK_FOR_MEMORY => "it takes too much memory",
        _ => "it runs without end, and calls nothing that could stop it",
    };
    // SAFETY: it is this handler's.
    tell(what, unsafe { interrupted(context) });
    real::exit(1);
}

/// The signals that ask for last words.
const ASKING: [c_int; 2] = [ASK_FOR_TIME, ASK_FOR_MEMORY];

/// Makes this a process whose end does no harm.
pub(super) fn isolate() {
    ISOLATED.store(true, Ordering::Relaxed);
    for signal in ASKING {
        set_handler(signal, on_ask, 0);
        // Only a world's thread handles this signal.
        real::mask_signal(signal, true);
    }
}

/// What a world's thread needs in order to report a fault: a signal stack, which lasts as long as
/// this value.
pub(super) struct Prepared {
    before: libc::stack_t,
    _stack: Vec<u8>,
}

/// What a backtrace needs, in bytes.
const SIGNAL_STACK: usize = 256 << 10;

/// The calling thread is a world's, and handles the signal.
pub(super) fn listen() {
    for signal in ASKING {
        real::mask_signal(signal, false);
    }
}

/// Prepares the calling thread, which is a world's.
pub(super) fn prepare_this_thread() -> Prepared {
    if is_isolated() {
        listen();
    }
    let mut stack = vec![0; SIGNAL_STACK];
    let new = libc::stack_t {
        ss_sp: stack.as_mut_ptr().cast(),
        ss_flags: 0,
        ss_size: SIGNAL_STACK,
    };
    let mut before = MaybeUninit::zeroed();
    // SAFETY: the stack exists until the old one is restored, and nothing else uses it.
    unsafe {
        libc::sigaltstack(&raw const new, before.as_mut_ptr());
        Prepared {
            before: before.assume_init(),
            _stack: stack,
        }
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // SAFETY: this restores the previous stack, or none.
        unsafe { libc::sigaltstack(&raw const self.before, std::ptr::null_mut()) };
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn abort() -> ! {
    tell("abort()", None);
    // SAFETY: the original has this type.
    unsafe { transmute::<*mut c_void, Abort>(ABORT.get())() }
}

/// Exiting a process means ending its main thread. There is no way back from here, and std
/// remembers the thread that came here: no other one could end the real process any more.
pub(super) fn exit_on_machine(code: c_int) -> ! {
    tell(format_args!("exit({code})"), None);
    if is_isolated() {
        real::exit(code);
    }
    let _ = writeln!(
        Words,
        "that would end all simulations of this process: return from the main function instead, or isolate the run"
    );
    tell_place(None);
    std::process::abort();
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![abort]
}
