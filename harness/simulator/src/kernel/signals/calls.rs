//! The calls of `signal(7)` and `signalfd(2)`.

use super::{
    Action, Delivery, Effect, Sent, SignalDescriptor, SignalSet, Signals, Target, UNSTOPPABLE,
    exists, only,
};
use crate::kernel::epoll::Watches;
use crate::kernel::errno::{Errno, Result};
use crate::kernel::ids::{MAIN, ObjectId, ThreadId};
use crate::kernel::{Kernel, Object};
use std::mem::MaybeUninit;

impl Kernel {
    /// A signal for the process, or for one of its threads. If it interrupts a thread, it waits
    /// there until that runs.
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

    /// Takes a pending signal for which this thread has to run a handler. Returns true instead if
    /// the process ends.
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

    /// Takes a pending signal of a blocked set (`sigtimedwait(2)`).
    pub(crate) fn take_signal_of(&mut self, thread: ThreadId, wanted: SignalSet) -> Option<i32> {
        self.signals.take(thread, wanted)
    }

    /// What is pending for this thread and blocked by it (`sigpending(2)`).
    pub(crate) fn pending_signals(&self, thread: ThreadId) -> SignalSet {
        self.signals.pending(thread) & self.signals.blocked(thread)
    }

    /// Whether one of these signals is pending for this thread.
    pub(in crate::kernel) fn has_pending(&self, thread: ThreadId, wanted: SignalSet) -> bool {
        self.signals.pending(thread) & wanted != 0
    }

    /// The signals that this thread currently blocks.
    pub(crate) fn blocked_signals(&self, thread: ThreadId) -> SignalSet {
        self.signals.blocked(thread)
    }

    pub(crate) fn block_signals(&mut self, thread: ThreadId, blocked: SignalSet) {
        let unstoppable = UNSTOPPABLE.into_iter().fold(0, |set, it| set | only(it));
        self.signals.blocked.insert(thread, blocked & !unstoppable);
    }

    /// What the process does about a signal; optionally replaced.
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
            // Ignored signals do not stay pending (POSIX, sigaction).
            if self.signals.effect(signal) == Effect::Nothing {
                self.signals.pending &= !only(signal);
                for pending in self.signals.pending_of.values_mut() {
                    *pending &= !only(signal);
                }
            }
        }
        Ok(old.unwrap_or_default())
    }

    /// `signalfd(2)`: a new descriptor, or another set for the given one.
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
    pub(in crate::kernel) fn read_signal(
        &mut self,
        fd: i32,
        buffer: &mut [MaybeUninit<u8>],
    ) -> Result<usize> {
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
    pub(in crate::kernel) fn has_signal(&self, descriptor: &SignalDescriptor) -> bool {
        self.signals.pending(MAIN) & descriptor.wanted != 0
    }

    pub(in crate::kernel) fn close_signalfd(&mut self, id: ObjectId) {
        self.signals.descriptors.retain(|&open| open != id);
    }

    /// The process is gone; the next one begins with no actions set, and nothing blocked or
    /// pending.
    pub(in crate::kernel) fn forget_signals(&mut self) {
        self.signals = Signals::default();
    }

    /// A new thread blocks what its creator blocks.
    pub(crate) fn inherit_mask(&mut self, from: ThreadId, to: ThreadId) {
        let mask = self.signals.blocked(from);
        if mask != 0 {
            self.signals.blocked.insert(to, mask);
        }
    }
}
