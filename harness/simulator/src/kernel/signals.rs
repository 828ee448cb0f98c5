//! Signals of a machine's process: what it does about each, which of its threads block which, and
//! what is pending.
//!
//! A signal does to a process what it does on Linux (`signal(7)`): a handler of the process runs on
//! one of its threads, nothing happens, or the process ends. It begins as Rust programs do, with
//! SIGPIPE ignored. A waiting thread is interrupted; a running one is interrupted only at the end
//! of its turn, except by signals that it sends to itself.
//!
//! Not modelled: process groups and sessions, and queues of real-time signals: each signal is
//! pending once.

mod calls;

use super::epoll::Watches;
use super::ids::{ObjectId, ThreadId};
use std::collections::BTreeMap;

/// A set of signals in the kernel's representation: bit 0 is signal 1.
pub(crate) type SignalSet = u64;

/// The set that contains only this signal.
pub(crate) fn only(signal: i32) -> SignalSet {
    u32::try_from(signal - 1).map_or(0, |bit| 1_u64.checked_shl(bit).unwrap_or(0))
}

/// Whether there is a signal with this number.
pub(crate) fn exists(signal: i32) -> bool {
    only(signal) != 0
}

/// Signals that no program can block or handle.
const UNSTOPPABLE: [i32; 2] = [libc::SIGKILL, libc::SIGSTOP];

/// Signals that stop a process by default.
const STOPS: [i32; 4] = [libc::SIGSTOP, libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU];

/// Signals that do nothing to a process by default.
const NOTHING: [i32; 4] = [libc::SIGCHLD, libc::SIGURG, libc::SIGWINCH, libc::SIGCONT];

/// What a process does about a signal (`sigaction(2)`): a handler's address, or one of `SIG_DFL`
/// and `SIG_IGN`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Action {
    pub(crate) handler: usize,
    pub(crate) flags: i32,
    /// What is blocked while the handler runs, besides the signal itself.
    pub(crate) mask: SignalSet,
}

impl Action {
    /// `SIG_IGN` or `SIG_DFL`.
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

/// The effect of a signal that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    /// It is pending, ignored, or being handled.
    Taken,
    /// It ends the process.
    Ends,
    /// It stops the process.
    Stops,
    /// It continues a stopped process.
    Continues,
}

/// What a thread has to do about a signal that has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Delivery {
    pub(crate) signal: i32,
    pub(crate) action: Action,
    /// The mask to restore when the handler has returned.
    pub(crate) mask: SignalSet,
}

/// The target of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// Any thread that does not block it.
    Process,
    /// This thread.
    Thread(ThreadId),
}

/// The signals of one process.
pub(super) struct Signals {
    /// The actions that the process has set.
    actions: BTreeMap<i32, Action>,
    /// What each thread blocks.
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

    /// Takes a pending signal of a set: the lowest, and the thread's own first.
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
