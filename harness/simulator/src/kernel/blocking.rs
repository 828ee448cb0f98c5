//! Blocking calls: what they wait for, and for how long.

mod calls;

/// What a call waits for: something to read, or room to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Receive,
    Send,
}

/// A call that waits for one of these events, in the bits of `epoll_ctl(2)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Blocked {
    pub(crate) fd: i32,
    pub(crate) events: u32,
    /// When the wait ends without them, in the machine's own time.
    pub(crate) until: Option<u64>,
}
