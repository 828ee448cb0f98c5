//! Calls that block: what they wait for, and how long.

mod calls;

/// What is waited for: something to come, or room for something to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Receive,
    Send,
}

/// A call that has to wait for one of these events, in the bits of `epoll_ctl(2)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocked {
    pub(crate) fd: i32,
    pub(crate) events: u32,
    /// When the wait is over without them, in the machine's own time.
    pub(crate) until: Option<u64>,
}
