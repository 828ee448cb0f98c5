//! How bytes are received.

use std::net::SocketAddr;

/// How to receive.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct How {
    /// Leave it where it is (`MSG_PEEK`).
    pub(crate) peek: bool,
    /// Never block, whatever the socket would do (`MSG_DONTWAIT`).
    pub(crate) at_once: bool,
}

/// What was received.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Received {
    /// Bytes that are in the buffer now.
    pub(crate) copied: usize,
    /// Bytes of the datagram, of which a short buffer lost the rest.
    pub(crate) full: usize,
    /// Who sent it. A connection does not say.
    pub(crate) from: Option<SocketAddr>,
}

impl Received {
    pub(crate) fn of_stream(copied: usize) -> Self {
        Self {
            copied,
            full: copied,
            from: None,
        }
    }
}
