//! Named Unix stream sockets: the name is a path in the file system, or an *abstract* name that
//! begins with a zero byte.
//!
//! A socket is one of these until it is connected; then it is one end of two queues, as in a pair.
//! Not modelled: datagrams and sequenced packets, passing descriptors, and a `connect` that waits
//! because the backlog is full.

mod calls;

use super::disk::tree::Number;
use super::epoll::Watches;
use super::pipe::{PipeEnd, UnixName};
use libc::{EPOLLHUP, EPOLLIN, EPOLLOUT};
use std::collections::VecDeque;

/// Linux's ceiling for a listener's backlog (`somaxconn`).
const MAX_BACKLOG: usize = 4096;

/// A socket that is not connected.
pub(super) struct UnixSocket {
    name: UnixName,
    listens: Option<Backlog>,
    /// No socket can connect to it any more.
    is_shut: bool,
    pub(super) nonblocking: bool,
    pub(super) watches: Watches,
}

/// Connections that have not been accepted.
struct Backlog {
    most: usize,
    waiting: VecDeque<PipeEnd>,
}

/// How to find a socket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    File(Number),
    Abstract(UnixName),
}

impl UnixSocket {
    pub(super) fn readiness(&self) -> u32 {
        match &self.listens {
            None => (EPOLLOUT | EPOLLHUP) as u32,
            Some(backlog) if backlog.waiting.is_empty() => 0,
            Some(_) => EPOLLIN as u32,
        }
    }

    /// `shutdown(2)` before connecting.
    pub(super) fn shut(&mut self) {
        self.is_shut = true;
    }

    pub(super) fn is_listening(&self) -> bool {
        self.listens.is_some()
    }
}
