//! Signals of a machine's process, and `signalfd(2)`.
//!
//! A process that wants to end in good order blocks SIGTERM and reads it from a signalfd. A signal that is
//! not blocked does what it does by default: it ends the process. Each machine has its own signals, unlike the
//! handlers of `sigaction(2)`, which belong to the whole real process with all its simulations.
//!
//! Left out: handlers, the signals that are ignored or stop a process by default, and queues of real-time
//! signals.

use super::epoll::Watch;
use super::{Errno, Kernel, Object, ObjectId, Result};
use std::mem::MaybeUninit;

/// A set of signals, as the kernel has it: bit 0 is signal 1.
pub(crate) type SignalSet = u64;

/// The set that contains only this signal.
pub(crate) fn only(signal: i32) -> SignalSet {
    u32::try_from(signal - 1).map_or(0, |bit| 1_u64.checked_shl(bit).unwrap_or(0))
}

/// The signals of one process.
#[derive(Default)]
pub(super) struct Signals {
    blocked: SignalSet,
    pending: SignalSet,
    /// The open signalfds.
    descriptors: Vec<ObjectId>,
}

/// What a signalfd listens to.
pub(super) struct SignalDescriptor {
    wanted: SignalSet,
    pub(super) watch: Option<Watch>,
}

impl Kernel {
    /// A signal for the process. True if it ends it.
    pub(crate) fn signal(&mut self, signal: i32) -> bool {
        if self.signals.blocked & only(signal) == 0 {
            return true;
        }
        self.signals.pending |= only(signal);
        for id in self.signals.descriptors.clone() {
            if matches!(self.object(id), Ok(Object::Signal(this)) if this.wanted & only(signal) != 0)
            {
                self.notify(Some(id));
            }
        }
        false
    }

    /// The signals that are blocked now.
    pub(crate) fn blocked_signals(&self) -> SignalSet {
        self.signals.blocked
    }

    pub(crate) fn block_signals(&mut self, blocked: SignalSet) {
        self.signals.blocked = blocked;
    }

    /// `signalfd(2)`: a new descriptor, or another set for the one that is given.
    pub(crate) fn signalfd(&mut self, fd: Option<i32>, wanted: SignalSet) -> Result<i32> {
        let Some(fd) = fd else {
            let watch = None;
            let fd = self.insert(Object::Signal(SignalDescriptor { wanted, watch }));
            let id = self.find(fd)?;
            self.signals.descriptors.push(id);
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
        let ready = self.signals.pending & wanted;
        if ready == 0 {
            return Err(Errno(libc::EAGAIN));
        }
        self.signals.pending &= !(ready & ready.wrapping_neg());
        let signal = ready.trailing_zeros() + 1;
        description.fill(MaybeUninit::new(0));
        description[..4].write_copy_of_slice(&signal.to_ne_bytes());
        Ok(LENGTH)
    }

    /// Whether there is something to read from a signalfd.
    pub(super) fn has_signal(&self, descriptor: &SignalDescriptor) -> bool {
        self.signals.pending & descriptor.wanted != 0
    }

    pub(super) fn close_signalfd(&mut self, id: ObjectId) {
        self.signals.descriptors.retain(|&open| open != id);
    }

    /// The process is gone; the next one begins with nothing blocked.
    pub(super) fn forget_signals(&mut self) {
        self.signals = Signals::default();
    }
}
