//! The socket calls, as `socket(7)` and `tcp(7)` describe them, on top of TCP and UDP.

mod addresses;
mod calls;

use super::address::Family;
use super::epoll::Watches;
use super::ids::FlowId;
use super::options::Options;
use super::udp::Mailbox;
use std::net::SocketAddr;

/// A socket as the process sees it.
pub(super) struct Socket {
    pub(super) family: Family,
    /// What it is bound to, by `bind` or because a call needed it.
    pub(super) bound: Option<SocketAddr>,
    pub(super) state: State,
    pub(super) options: Options,
    pub(super) nonblocking: bool,
    /// A `connect` has begun, and no later one has reported its success.
    pub(super) connecting: bool,
    pub(super) watches: Watches,
}

pub(super) enum State {
    /// TCP, neither connected nor listening.
    Idle,
    /// Waiting for connections.
    Listening,
    /// One end of a connection, in any state.
    Connected(FlowId),
    /// UDP.
    Datagrams(Box<Mailbox>),
}

impl Socket {
    pub(super) fn is_tcp(&self) -> bool {
        !matches!(self.state, State::Datagrams(_))
    }
}
