//! Signals of a machine's process: what it does about each, which of its threads keep which away, and what is pending.
//!
//! A signal does to a process what it does on Linux (`signal(7)`): a handler of the process runs on one of its threads,
//! nothing happens, or the process ends. It begins as programs of Rust do, with SIGPIPE ignored. A thread that waits is
//! interrupted; who runs has to wait for the end of its turn to be interrupted, but for signals that it sends itself.
//!
//! Left out: process groups and sessions, and queues of real-time signals: each signal is pending once.

use super::epoll::Watches;
use super::threads::{MAIN, ThreadId};
use super::{Errno, Kernel, Object, ObjectId, Result};
use std::collections::BTreeMap;
use std::mem::MaybeUninit;

/// A set of signals, as the kernel has it: bit 0 is signal 1.
pub(crate) type SignalSet = u64;

/// The set that contains only this signal.
pub(crate) fn only(signal: i32) -> SignalSet {
    u32::try_from(signal - 1).map_or(0, |bit| 1_u64.checked_shl(bit).unwrap_or(0))
}

/// Whether there is a signal of this number.
pub(crate) fn exists(signal: i32) -> bool {
    only(signal) != 0
}

/// What no program can keep away or handle.
const UNSTOPPABLE: [i32; 2] = [libc::SIGKILL, libc::SIGSTOP];

/// What stops a process unless it says otherwise.
const STOPS: [i32; 4] = [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// What does nothing to a process unless it says otherwise.
const NOTHING: [i32; 4] = [libc::SIGCHLD, libc::SIGURG, libc::SIGWINCH, libc::SIGCONT];

/// What a process does about a signal (`sigaction(2)`): a handler's address, or one of `SIG_DFL` and `SIG_IGN`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Action {
    pub(crate) handler: usize,
    pub(crate) flags: i32,
    /// What is kept away while the handler runs, besides the signal itself.
    pub(crate) mask: SignalSet,
}

impl Action {
    /// Nothing, or what happens by default.
    pub(crate) fn of(handler: usize) -> Self {
        Self {
            handler,
            ..Self::default()
        }
    }
}

/// What a signal does to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effect {
    Nothing,
    Ends,
    Stops,
    Runs(Action),
}

/// What is done with a signal that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is pending, was ignored, or is being handled.
    Taken,
    /// It ends the process.
    Ends,
    /// It stops the process.
    Stops,
    /// It lets a stopped process go on.
    Continues,
}

/// What a thread has to do about a signal that has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) signal: i32,
    pub(crate) action: Action,
    /// What the thread keeps away again when the handler has returned.
    pub(crate) mask: SignalSet,
}

/// Whom a signal is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Any thread that does not keep it away.
    Process,
    /// This one.
    Thread(ThreadId),
}

/// The signals of one process.
pub(super) struct Signals {
    /// Those about which the process has said something.
    actions: BTreeMap<i32, Action>,
    /// What each thread keeps away.
    blocked: BTreeMap<ThreadId, SignalSet>,
    pending: SignalSet,
    pending_of: BTreeMap<ThreadId, SignalSet>,
    /// The open signalfds.
    descriptors: Vec<ObjectId>,
}

impl Default for Signals {
    fn default() -> Self {
        // The runtime of Rust's programs does this before `main`.
        let pipe = (libc::SIGPIPE, Action::of(libc::SIG_IGN));
        Self {
            actions: BTreeMap::from([pipe]),
            blocked: BTreeMap::default(),
            pending: 0,
            pending_of: BTreeMap::default(),
            descriptors: Vec::new(),
        }
    }
}

impl Signals {
    fn blocked(&self, thread: ThreadId) -> SignalSet {
        self.blocked.get(&thread).copied().unwrap_or(0)
    }

    fn pending(&self, thread: ThreadId) -> SignalSet {
        self.pending | self.pending_of.get(&thread).copied().unwrap_or(0)
    }

    /// A pending signal of these is pending no more: the lowest, and the thread's own first.
    fn take(&mut self, thread: ThreadId, wanted: SignalSet) -> Option<i32> {
        let own = self.pending_of.entry(thread).or_default();
        let from = if *own & wanted != 0 {
            own
        } else {
            &mut self.pending
        };
        let ready = *from & wanted;
        if ready == 0 {
            return None;
        }
        *from &= !(ready & ready.wrapping_neg());
        Some(ready.trailing_zeros() as i32 + 1)
    }

    fn effect(&self, signal: i32) -> Effect {
        let action = self.actions.get(&signal).copied().unwrap_or_default();
        match action.handler {
            libc::SIG_IGN => Effect::Nothing,
            libc::SIG_DFL if NOTHING.contains(&signal) => Effect::Nothing,
            libc::SIG_DFL if STOPS.contains(&signal) => Effect::Stops,
            libc::SIG_DFL => Effect::Ends,
            _ => Effect::Runs(action),
        }
    }
}

/// What a signalfd listens to.
pub(super) struct SignalDescriptor {
    wanted: SignalSet,
    pub(super) watches: Watches,
}

impl Kernel {
    /// A signal for the process, or for one of its threads. What interrupts a thread waits there until it runs.
    pub(crate) fn signal(&mut self, signal: i32, target: Target) -> Sent {
        let threads = match target {
            Target::Process => self.threads.ids(),
            Target::Thread(thread) => vec![thread],
        };
        let mut threads = threads.into_iter();
        let keeps_away = |thread: &ThreadId| self.signals.blocked(*thread) & only(signal) != 0;
        let hears = threads.find(|thread| UNSTOPPABLE.contains(&signal) || !keeps_away(thread));
        let effect = self.signals.effect(signal);
        match (hears, effect) {
            (Some(_), Effect::Ends) => return Sent::Ends,
            (Some(_), Effect::Stops) => return Sent::Stops,
            (Some(_), Effect::Nothing) => {}
            (Some(thread), Effect::Runs(_)) => {
                self.make_pending(signal, target);
                self.threads.interrupt(thread);
            }
            (None, _) => self.make_pending(signal, target),
        }
        match signal {
            libc::SIGCONT => Sent::Continues,
            _ => Sent::Taken,
        }
    }

    fn make_pending(&mut self, signal: i32, target: Target) {
        *match target {
            Target::Process => &mut self.signals.pending,
            Target::Thread(thread) => self.signals.pending_of.entry(thread).or_default(),
        } |= only(signal);
        for id in self.signals.descriptors.clone() {
            if matches!(self.object(id), Ok(Object::Signal(this)) if this.wanted & only(signal) != 0)
            {
                self.notify(Some(id));
            }
        }
    }

    /// Takes a pending signal for which this thread has to run a handler. True in its place if the process ends.
    pub(crate) fn take_signal(
        &mut self,
        thread: ThreadId,
    ) -> std::result::Result<Option<Delivery>, Sent> {
        loop {
            let mask = self.signals.blocked(thread);
            let Some(signal) = self.signals.take(thread, !mask) else {
                return Ok(None);
            };
            match self.signals.effect(signal) {
                Effect::Nothing => {}
                Effect::Ends => return Err(Sent::Ends),
                Effect::Stops => return Err(Sent::Stops),
                Effect::Runs(action) => {
                    let itself = match action.flags & libc::SA_NODEFER {
                        0 => only(signal),
                        _ => 0,
                    };
                    self.block_signals(thread, mask | action.mask | itself);
                    if action.flags & libc::SA_RESETHAND != 0 {
                        self.signals.actions.remove(&signal);
                    }
                    return Ok(Some(Delivery {
                        signal,
                        action,
                        mask,
                    }));
                }
            }
        }
    }

    /// Takes a pending signal of a set that is kept away (`sigtimedwait(2)`).
    pub(crate) fn take_signal_of(&mut self, thread: ThreadId, wanted: SignalSet) -> Option<i32> {
        self.signals.take(thread, wanted)
    }

    /// What is pending for this thread and kept away by it (`sigpending(2)`).
    pub(crate) fn pending_signals(&self, thread: ThreadId) -> SignalSet {
        self.signals.pending(thread) & self.signals.blocked(thread)
    }

    /// Whether one of these signals is pending for this thread.
    pub(super) fn has_pending(&self, thread: ThreadId, wanted: SignalSet) -> bool {
        self.signals.pending(thread) & wanted != 0
    }

    /// The signals that this thread keeps away now.
    pub(crate) fn blocked_signals(&self, thread: ThreadId) -> SignalSet {
        self.signals.blocked(thread)
    }

    pub(crate) fn block_signals(&mut self, thread: ThreadId, blocked: SignalSet) {
        let unstoppable = UNSTOPPABLE.into_iter().fold(0, |set, it| set | only(it));
        self.signals.blocked.insert(thread, blocked & !unstoppable);
    }

    /// What the process does about a signal, and what it shall do from now on.
    pub(crate) fn set_action(&mut self, signal: i32, new: Option<Action>) -> Result<Action> {
        if !exists(signal) {
            return Err(Errno(libc::EINVAL));
        }
        let old = self.signals.actions.get(&signal).copied();
        if let Some(new) = new {
            if UNSTOPPABLE.contains(&signal) {
                return Err(Errno(libc::EINVAL));
            }
            self.signals.actions.insert(signal, new);
            // What is ignored does not stay pending (POSIX, sigaction).
            if self.signals.effect(signal) == Effect::Nothing {
                self.signals.pending &= !only(signal);
                for pending in self.signals.pending_of.values_mut() {
                    *pending &= !only(signal);
                }
            }
        }
        Ok(old.unwrap_or_default())
    }

    /// `signalfd(2)`: a new descriptor, or another set for the one that is given.
    pub(crate) fn signalfd(
        &mut self,
        fd: Option<i32>,
        wanted: SignalSet,
        nonblocking: bool,
    ) -> Result<i32> {
        let Some(fd) = fd else {
            let watches = Watches::default();
            let fd = self.insert(Object::Signal(SignalDescriptor { wanted, watches }));
            let id = self.find(fd)?;
            self.signals.descriptors.push(id);
            if !nonblocking {
                let remedy = "open it with SFD_NONBLOCK, and let tokio's AsyncFd wait for it";
                self.refuse("signalfd without SFD_NONBLOCK (a blocking read)", remedy);
            }
            return Ok(fd);
        };
        match self.object_at(fd)? {
            Object::Signal(descriptor) => descriptor.wanted = wanted,
            _ => return Err(Errno(libc::EINVAL)),
        }
        self.notify_if_ready(fd)?;
        Ok(fd)
    }

    /// Takes a pending signal that the signalfd listens to, and describes it in the buffer as
    /// `signalfd(2)` says. Returns the length of the description.
    pub(super) fn read_signal(&mut self, fd: i32, buffer: &mut [MaybeUninit<u8>]) -> Result<usize> {
        const LENGTH: usize = size_of::<libc::signalfd_siginfo>();
        let description = buffer.get_mut(..LENGTH).ok_or(Errno(libc::EINVAL))?;
        let wanted = match self.object_at(fd)? {
            Object::Signal(descriptor) => descriptor.wanted,
            _ => return Err(Errno(libc::EINVAL)),
        };
        let taken = self.signals.take(MAIN, wanted);
        let signal = taken.ok_or(Errno(libc::EAGAIN))?;
        description.fill(MaybeUninit::new(0));
        description[..4].write_copy_of_slice(&signal.to_ne_bytes());
        Ok(LENGTH)
    }

    /// Whether there is something to read from a signalfd.
    pub(super) fn has_signal(&self, descriptor: &SignalDescriptor) -> bool {
        self.signals.pending(MAIN) & descriptor.wanted != 0
    }

    pub(super) fn close_signalfd(&mut self, id: ObjectId) {
        self.signals.descriptors.retain(|&open| open != id);
    }

    /// The process is gone; the next one begins with nothing said, blocked or pending.
    pub(super) fn forget_signals(&mut self) {
        self.signals = Signals::default();
    }

    /// A thread begins: it keeps away what the one keeps away that has started it.
    pub(crate) fn inherit_mask(&mut self, from: ThreadId, to: ThreadId) {
        let mask = self.signals.blocked(from);
        if mask != 0 {
            self.signals.blocked.insert(to, mask);
        }
    }
}
