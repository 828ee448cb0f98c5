//! How a server learns that it should end: SIGTERM or SIGINT (Ctrl-C), from a `signalfd(2)`.
//!
//! `tokio::signal` has one set of handlers for the whole process, and every runtime in it sees
//! every signal. A signalfd belongs to whoever opened it, and nothing is interrupted.

use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use std::io;
use tokio::io::unix::AsyncFd;

/// The operating system's requests to end.
#[derive(Debug)]
pub struct Termination {
    signals: AsyncFd<SignalFd>,
}

impl Termination {
    /// From now on, SIGTERM and SIGINT no longer end the process by themselves.
    ///
    /// They are blocked on the calling thread and on those it starts later, so call this before
    /// other threads are started.
    ///
    /// # Errors
    ///
    /// If the system has no descriptors left.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O.
    pub fn listen() -> io::Result<Self> {
        let signals = SigSet::from(Signal::SIGTERM) | SigSet::from(Signal::SIGINT);
        signals.thread_block()?;
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let descriptor = SignalFd::with_flags(&signals, flags)?;
        #[expect(
            deprecated,
            reason = "its successor is unsafe, for types that give their descriptor away; a SignalFd keeps it"
        )]
        let signals = AsyncFd::new(descriptor)?;
        Ok(Self { signals })
    }

    /// Completes at the first signal. A descriptor that cannot be read any more counts as one:
    /// otherwise such a server could never be ended cleanly.
    pub async fn requested(self) {
        while let Ok(mut ready) = self.signals.readable().await {
            match self.signals.get_ref().read_signal() {
                Ok(None) => ready.clear_ready(),
                Ok(Some(_)) | Err(_) => return,
            }
        }
    }
}
