//! Signals: handlers, masks and waiting for them (`signal(7)`). All of them belong to the machine's
//! process; the host process's signal handling is never touched.
//!
//! A handler runs on the thread that the signal interrupts, when that thread is resumed, on its
//! ordinary stack. If a library shares handlers within a process, as `tokio::signal` and
//! `signal-hook` do, its statics must be the simulated process's own: see [`Statics`].

use super::answers::{answer_int, fail};
use super::handlers::{conclude, handle};
use super::here::{EntryPoint, MACHINE, machine};
use super::refuse::refuse;
use super::time::time_at;
use super::{myself, waiting};
use crate::host::Statics;
use crate::host::real::{self, Original};
use crate::kernel::Kernel;
use crate::kernel::errno::Errno;
use crate::kernel::signals::{Action, Sent, SignalSet, Target, exists, only};
use crate::kernel::threads::{Outcome, Wait};
use libc::{c_int, c_void, pid_t, pthread_t, sighandler_t, siginfo_t, sigset_t, stack_t, timespec};
use std::mem::{MaybeUninit, transmute};
use std::ptr;

type Sigmask = unsafe extern "C" fn(c_int, *const sigset_t, *mut sigset_t) -> c_int;
type Sigaction = unsafe extern "C" fn(c_int, *const libc::sigaction, *mut libc::sigaction) -> c_int;
type Signal = unsafe extern "C" fn(c_int, sighandler_t) -> sighandler_t;
type Raise = unsafe extern "C" fn(c_int) -> c_int;
type PthreadKill = unsafe extern "C" fn(pthread_t, c_int) -> c_int;
type Sigwait = unsafe extern "C" fn(*const sigset_t, *mut c_int) -> c_int;

static PTHREAD_SIGMASK: Original = Original::new(c"pthread_sigmask");
static SIGPROCMASK: Original = Original::new(c"sigprocmask");
static SIGACTION: Original = Original::new(c"sigaction");
static SIGNAL: Original = Original::new(c"signal");
static RAISE: Original = Original::new(c"raise");
static PTHREAD_KILL: Original = Original::new(c"pthread_kill");
static SIGWAIT: Original = Original::new(c"sigwait");

/// A signal from the program to itself; none if no machine is running.
fn signal_to_itself(signal: c_int, target: Target) -> Option<Result<(), Errno>> {
    let sent = machine(|kernel| match signal {
        0 => Ok(Sent::Taken),
        _ if !exists(signal) => Err(Errno(libc::EINVAL)),
        _ if kernel.process_is_dead => Ok(Sent::Taken),
        _ => Ok(kernel.signal(signal, target)),
    })?;
    Some(sent.map(|sent| {
        conclude(sent, format_args!("signal {signal}"));
        // If it is not blocked, it is handled before the call returns (POSIX, kill).
        handle();
    }))
}

/// The program has written to a pipe or connection that no process reads.
pub(super) fn broken_pipe() {
    signal_to_itself(libc::SIGPIPE, Target::Thread(myself::id()));
}

/// The sender and the target of a signal: a machine has one process, which is its first.
const PROCESS: pid_t = 1;
const OWN_GROUP: pid_t = 0;

#[unsafe(no_mangle)]
unsafe extern "C" fn kill(process: pid_t, signal: c_int) -> c_int {
    if machine(|_| ()).is_some() && !matches!(process, PROCESS | OWN_GROUP) {
        return fail(Errno(libc::ESRCH)) as c_int;
    }
    match signal_to_itself(signal, Target::Process) {
        Some(result) => answer_int(result.map(|()| 0)),
        // SAFETY: this call takes no pointers.
        None => unsafe {
            real::syscall(libc::SYS_kill, [process as _, signal as _, 0, 0, 0, 0]) as c_int
        },
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn raise(signal: c_int) -> c_int {
    match signal_to_itself(signal, Target::Thread(myself::id())) {
        Some(result) => answer_int(result.map(|()| 0)),
        // SAFETY: the original has this type.
        None => unsafe { transmute::<*mut c_void, Raise>(RAISE.get())(signal) },
    }
}

/// Unlike the others, this function returns its error number.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_kill(thread: pthread_t, signal: c_int) -> c_int {
    let Some(found) = machine(|kernel| kernel.threads.find(thread as usize)) else {
        // SAFETY: the original has this type; the arguments are the caller's.
        return unsafe {
            transmute::<*mut c_void, PthreadKill>(PTHREAD_KILL.get())(thread, signal)
        };
    };
    let Some(found) = found else {
        return libc::ESRCH;
    };
    match signal_to_itself(signal, Target::Thread(found)) {
        Some(Err(Errno(code))) => code,
        Some(Ok(())) | None => 0,
    }
}

/// The first 64 signals of a set: Linux has no more.
///
/// # Safety
///
/// `set` must be valid for reads.
unsafe fn read_set(set: *const sigset_t) -> SignalSet {
    // SAFETY: guaranteed by the caller; a sigset_t is larger than a u64.
    unsafe { set.cast::<SignalSet>().read_unaligned() }
}

/// # Safety
///
/// `place` must have room for a set.
unsafe fn write_set(place: *mut sigset_t, set: SignalSet) {
    // SAFETY: guaranteed by the caller; a zeroed sigset_t is empty.
    unsafe {
        place.write_bytes(0, 1);
        place.cast::<SignalSet>().write_unaligned(set);
    }
}

/// Changes the mask of the running thread; none if no machine is running.
///
/// # Safety
///
/// The pointers must be null, or valid as for sigprocmask(2).
unsafe fn change_mask(
    how: c_int,
    set: *const sigset_t,
    old: *mut sigset_t,
) -> Option<Result<(), Errno>> {
    let thread = myself::id();
    let changed = machine(|kernel| {
        let before = kernel.blocked_signals(thread);
        if !set.is_null() {
            // SAFETY: guaranteed by the caller.
            let set = unsafe { read_set(set) };
            kernel.block_signals(
                thread,
                match how {
                    libc::SIG_BLOCK => before | set,
                    libc::SIG_UNBLOCK => before & !set,
                    libc::SIG_SETMASK => set,
                    _ => return Err(Errno(libc::EINVAL)),
                },
            );
        }
        if !old.is_null() {
            // SAFETY: guaranteed by the caller.
            unsafe { write_set(old, before) };
        }
        Ok(())
    })?;
    handle();
    Some(changed)
}

/// Calls `f` while the running thread blocks the signals in `mask` instead; without a mask, it
/// blocks the same as before.
///
/// # Safety
///
/// `mask` must be null or a set.
pub(super) unsafe fn with_mask<R>(mask: *const sigset_t, f: impl FnOnce() -> R) -> R {
    if mask.is_null() {
        return f();
    }
    // SAFETY: guaranteed by the caller; the other set is ours.
    unsafe {
        let mut before = MaybeUninit::zeroed();
        let changed = change_mask(libc::SIG_SETMASK, mask, before.as_mut_ptr());
        let result = f();
        if changed.is_some() {
            change_mask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut());
        }
        result
    }
}

/// Unlike the other one, this function returns its error number.
#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_sigmask(
    how: c_int,
    set: *const sigset_t,
    old: *mut sigset_t,
) -> c_int {
    // SAFETY: guaranteed by the caller; the original has this type.
    unsafe {
        match change_mask(how, set, old) {
            Some(Ok(())) => 0,
            Some(Err(Errno(code))) => code,
            None => transmute::<*mut c_void, Sigmask>(PTHREAD_SIGMASK.get())(how, set, old),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sigprocmask(how: c_int, set: *const sigset_t, old: *mut sigset_t) -> c_int {
    // SAFETY: guaranteed by the caller; the original has this type.
    unsafe {
        match change_mask(how, set, old) {
            Some(Ok(())) => 0,
            Some(Err(error)) => fail(error) as c_int,
            None => transmute::<*mut c_void, Sigmask>(SIGPROCMASK.get())(how, set, old),
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sigpending(place: *mut sigset_t) -> c_int {
    match machine(|kernel| kernel.pending_signals(myself::id())) {
        // SAFETY: the place is the caller's, as for sigpending(2).
        Some(pending) => unsafe {
            write_set(place, pending);
            0
        },
        // SAFETY: as above, with the size of the kernel's set.
        None => unsafe {
            let arguments = [place as _, size_of::<SignalSet>(), 0, 0, 0, 0];
            real::syscall(libc::SYS_rt_sigpending, arguments) as c_int
        },
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn signalfd(fd: c_int, set: *const sigset_t, flags: c_int) -> c_int {
    let result = machine(|kernel| {
        let nonblocking = flags & libc::SFD_NONBLOCK != 0;
        // SAFETY: guaranteed by the caller, as for signalfd(2).
        kernel.signalfd(
            (fd >= 0).then_some(fd),
            unsafe { read_set(set) },
            nonblocking,
        )
    });
    match result {
        Some(result) => answer_int(result),
        // SAFETY: guaranteed by the caller, as for signalfd(2), with the size of the kernel's set.
        None => unsafe {
            let size = size_of::<SignalSet>();
            let arguments = [fd as _, set as _, size, flags as _, 0, 0];
            real::syscall(libc::SYS_signalfd4, arguments) as c_int
        },
    }
}

/// Handlers shared within a process cannot belong to a simulated process if its statics do not.
fn is_shared(action: &Action) -> bool {
    if matches!(action.handler, libc::SIG_DFL | libc::SIG_IGN) || Statics::are_separate() {
        return false;
    }
    // Looking up a name is neither the program's doing nor the machine's.
    let machine = MACHINE.replace(ptr::null());
    let mut is_shared = false;
    // Into the function: the lookup expects a return address, which is after a call.
    let inside = ptr::without_provenance_mut(action.handler + 1);
    backtrace::resolve(inside, |symbol| {
        let name = symbol.name().map(|name| name.to_string());
        is_shared |= name.is_some_and(|name| Statics::is_of_shared(&name));
    });
    MACHINE.set(machine);
    is_shared
}

const SHARED_REMEDY: &str = "its table of handlers is in static memory, which all simulations of this process share: \
     run this in a process of its own, as `#[squall::test]` and `squall_simulator::isolated` do; or handle the signal \
     with nix or a signalfd";

fn set_action(signal: c_int, new: Option<Action>) -> Option<Result<Action, Errno>> {
    machine(|_| ())?;
    if new.is_some_and(|new| is_shared(&new))
        && refuse("sigaction, of tokio::signal or signal-hook", SHARED_REMEDY)
    {
        return Some(Err(Errno(libc::ENOSYS)));
    }
    machine(|kernel: &mut Kernel| kernel.set_action(signal, new))
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sigaction(
    signal: c_int,
    new: *const libc::sigaction,
    old: *mut libc::sigaction,
) -> c_int {
    // SAFETY: guaranteed by the caller, as for sigaction(2).
    let wanted = unsafe { new.as_ref() }.map(|new| Action {
        handler: new.sa_sigaction,
        flags: new.sa_flags,
        // SAFETY: the set is the caller's.
        mask: unsafe { read_set(&raw const new.sa_mask) },
    });
    match set_action(signal, wanted) {
        Some(Ok(before)) => {
            if !old.is_null() {
                // SAFETY: the place is the caller's; all zeroes is a valid value of this type.
                unsafe {
                    let mut told: libc::sigaction = std::mem::zeroed();
                    told.sa_sigaction = before.handler;
                    told.sa_flags = before.flags;
                    write_set(&raw mut told.sa_mask, before.mask);
                    old.write(told);
                }
            }
            0
        }
        Some(Err(error)) => fail(error) as c_int,
        // SAFETY: guaranteed by the caller; the original has this type.
        None => unsafe { transmute::<*mut c_void, Sigaction>(SIGACTION.get())(signal, new, old) },
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn signal(signal: c_int, handler: sighandler_t) -> sighandler_t {
    let wanted = Action {
        handler,
        flags: libc::SA_RESTART,
        mask: only(signal),
    };
    match set_action(signal, Some(wanted)) {
        Some(Ok(before)) => before.handler,
        Some(Err(error)) => {
            fail(error);
            libc::SIG_ERR
        }
        // SAFETY: the original has this type; the arguments are the caller's.
        None => unsafe { transmute::<*mut c_void, Signal>(SIGNAL.get())(signal, handler) },
    }
}

/// Waits for one of these signals, which the thread blocks; none if no machine is running.
fn wait_for(wanted: SignalSet, until: Option<u64>) -> Option<Result<c_int, Errno>> {
    let thread = myself::id();
    loop {
        if let Some(signal) = machine(|kernel| kernel.take_signal_of(thread, wanted))? {
            return Some(Ok(signal));
        }
        match waiting::wait_or_signal(Wait::Signal { thread, wanted }, until) {
            Ok(Outcome::TimedOut) => return Some(Err(Errno(libc::EAGAIN))),
            Err(interruption) if interruption.has_handled() => {
                return Some(Err(Errno(libc::EINTR)));
            }
            Ok(_) | Err(_) => {}
        }
    }
}

/// Unlike the others, this function returns its error number.
#[unsafe(no_mangle)]
unsafe extern "C" fn sigwait(set: *const sigset_t, place: *mut c_int) -> c_int {
    loop {
        // SAFETY: guaranteed by the caller, as for sigwait(3).
        match wait_for(unsafe { read_set(set) }, None) {
            Some(Ok(signal)) => {
                // SAFETY: as above.
                unsafe { place.write(signal) };
                return 0;
            }
            // It cannot be interrupted.
            Some(Err(_)) => {}
            // SAFETY: guaranteed by the caller; the original has this type.
            None => return unsafe { transmute::<*mut c_void, Sigwait>(SIGWAIT.get())(set, place) },
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sigtimedwait(
    set: *const sigset_t,
    info: *mut siginfo_t,
    limit: *const timespec,
) -> c_int {
    // SAFETY: guaranteed by the caller, as for sigtimedwait(2), with the size of the kernel's set.
    unsafe {
        let limit_on_machine = limit.as_ref();
        let until = limit_on_machine.and_then(|it| time_at(libc::CLOCK_MONOTONIC, false, it));
        match wait_for(read_set(set), until) {
            Some(result) => {
                if let (Ok(signal), false) = (result, info.is_null()) {
                    info.write_bytes(0, 1);
                    (*info).si_signo = signal;
                }
                answer_int(result)
            }
            None => {
                let size = size_of::<SignalSet>();
                let arguments = [set as _, info as _, limit as _, size, 0, 0];
                real::syscall(libc::SYS_rt_sigtimedwait, arguments) as c_int
            }
        }
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sigwaitinfo(set: *const sigset_t, info: *mut siginfo_t) -> c_int {
    // SAFETY: guaranteed by the caller: the same without a limit.
    unsafe { sigtimedwait(set, info, ptr::null()) }
}

/// Waits until a handler has run.
fn wait_for_any() -> c_int {
    while waiting::wait_or_signal(Wait::Time, None).is_ok_and(|_| true) {}
    fail(Errno(libc::EINTR)) as c_int
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pause() -> c_int {
    if machine(|_| ()).is_some() {
        return wait_for_any();
    }
    // SAFETY: this waits without a limit and without a descriptor, as pause(2) does, which aarch64
    // does not have.
    unsafe { real::syscall(libc::SYS_ppoll, [0; 6]) as c_int }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn sigsuspend(mask: *const sigset_t) -> c_int {
    // SAFETY: guaranteed by the caller, as for sigsuspend(2), with the size of the kernel's set.
    unsafe {
        if machine(|_| ()).is_none() {
            let arguments = [mask as _, size_of::<SignalSet>(), 0, 0, 0, 0];
            return real::syscall(libc::SYS_rt_sigsuspend, arguments) as c_int;
        }
        // Pending signals that the mask admits count as well, so check for them first.
        let thread = myself::id();
        let before = machine(|kernel| kernel.blocked_signals(thread)).unwrap_or(0);
        machine(|kernel| kernel.block_signals(thread, read_set(mask)));
        let result = match handle() {
            Some(_) => fail(Errno(libc::EINTR)) as c_int,
            None => wait_for_any(),
        };
        machine(|kernel| kernel.block_signals(thread, before));
        handle();
        result
    }
}

/// Handlers on a machine run on their thread's stack. The alternate stack for faults is the
/// simulator's.
#[unsafe(no_mangle)]
unsafe extern "C" fn sigaltstack(new: *const stack_t, old: *mut stack_t) -> c_int {
    let new = match machine(|_| ()) {
        Some(()) => ptr::null(),
        None => new,
    };
    // SAFETY: guaranteed by the caller, as for sigaltstack(2).
    unsafe { real::syscall(libc::SYS_sigaltstack, [new as _, old as _, 0, 0, 0, 0]) as c_int }
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![
        kill,
        raise,
        pthread_kill,
        pthread_sigmask,
        sigprocmask,
        sigpending,
        signalfd,
        sigaction,
        signal,
        sigwait,
        sigtimedwait,
        sigwaitinfo,
        pause,
        sigsuspend,
        sigaltstack
    ]
}
