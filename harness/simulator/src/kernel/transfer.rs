//! How bytes are received.

use super::ancillary::Arrival;
use std::net::SocketAddr;

/// How a call receives.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct How {
    /// Leave the data in place (`MSG_PEEK`).
    pub(crate) peek: bool,
    /// Never block, regardless of the socket (`MSG_DONTWAIT`).
    pub(crate) at_once: bool,
}

/// What was received.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Received {
    /// Bytes copied to the buffer.
    pub(crate) copied: usize,
    /// The length of the datagram, whose end is lost if the buffer is too short.
    pub(crate) full: usize,
    /// The sender. None for a connection.
    pub(crate) from: Option<SocketAddr>,
    /// None for a connection.
    pub(crate) arrival: Option<Arrival>,
}

impl Received {
    pub(crate) fn of_stream(copied: usize) -> Self {
        Self {
            copied,
            full: copied,
            from: None,
            arrival: None,
        }
    }
}
