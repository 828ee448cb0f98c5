//! `pipe(7)` and pairs of Unix stream sockets (`unix(7)`): bytes from one descriptor to another of
//! the same machine. A pair of sockets is two pipes, one each way. Written data can be read at
//! once.
//!
//! Not modelled: datagrams, and descriptors in control messages.

mod calls;

use super::epoll::Watches;
use super::errno::{Errno, Result};
use super::ids::ObjectId;
use libc::{EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::time::Duration;

/// The capacity of a pipe in bytes. (On Linux it is 16 pages, and small writes may leave some of
/// them half empty.)
const PIPE_CAPACITY: usize = 65_536;

/// The capacity in bytes of the way from one Unix socket to another. (Linux also counts its
/// bookkeeping.)
const SOCKET_CAPACITY: usize = 212_992;

/// A write of up to this many bytes goes into a pipe as a whole or not at all (`PIPE_BUF`).
const ATOMIC: usize = 4096;

/// The name of a Unix socket, as `sockaddr_un` has it: a path without its terminating zero, or a
/// zero and more. Empty if unnamed.
pub(crate) type UnixName = Vec<u8>;

/// What a descriptor of a pipe, or of one of two sockets, refers to.
pub(super) struct PipeEnd {
    kind: Kind,
    /// What can be read at this end.
    incoming: Option<SharedQueue>,
    /// What is written at this end.
    outgoing: Option<SharedQueue>,
    error: Option<Errno>,
    pub(super) nonblocking: bool,
    /// For a socket; see [`super::options::Options`].
    time_limits: [Option<Duration>; 2],
    pub(super) watches: Watches,
    /// For a socket: its own name, and its peer's.
    pub(super) names: [UnixName; 2],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pipe,
    Socket,
}

/// Shared by two ends.
type SharedQueue = Rc<RefCell<Queue>>;

/// Bytes in one direction.
struct Queue {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// The open ends.
    reader: Option<ObjectId>,
    writer: Option<ObjectId>,
    /// No more is written: one of the ends was closed or shut down.
    is_shut: bool,
}

impl Queue {
    fn new(capacity: usize) -> SharedQueue {
        Rc::new(RefCell::new(Self {
            bytes: VecDeque::new(),
            capacity,
            reader: None,
            writer: None,
            is_shut: false,
        }))
    }

    fn free(&self) -> usize {
        self.capacity - self.bytes.len()
    }

    fn read(&mut self, buffer: &mut [MaybeUninit<u8>], peek: bool) -> usize {
        let length = buffer.len().min(self.bytes.len());
        let (first, second) = self.bytes.as_slices();
        let middle = length.min(first.len());
        buffer[..middle].write_copy_of_slice(&first[..middle]);
        buffer[middle..length].write_copy_of_slice(&second[..length - middle]);
        if !peek {
            self.bytes.drain(..length);
        }
        length
    }

    /// Writes as much as there is room for, or a unit as a whole.
    fn write(&mut self, bytes: &[u8], kind: Kind) -> Result<usize> {
        let belongs_together = kind == Kind::Pipe && bytes.len() <= ATOMIC;
        let room = self.free();
        if room == 0 || (belongs_together && room < bytes.len()) {
            return Err(Errno(libc::EAGAIN));
        }
        let length = bytes.len().min(room);
        debug_assert!(
            !self.is_shut,
            "nothing is written into a pipe that nobody reads"
        );
        self.bytes.extend(&bytes[..length]);
        debug_assert!(
            self.bytes.len() <= self.capacity,
            "a pipe does not overflow"
        );
        Ok(length)
    }

    /// Whether a writer is notified that it may write.
    fn has_room(&self, kind: Kind) -> bool {
        match kind {
            Kind::Pipe => self.free() >= ATOMIC,
            Kind::Socket => self.bytes.len() <= self.capacity / 4,
        }
    }
}

impl PipeEnd {
    fn new(
        kind: Kind,
        incoming: Option<&SharedQueue>,
        outgoing: Option<&SharedQueue>,
        nonblocking: bool,
    ) -> Self {
        Self {
            kind,
            incoming: incoming.cloned(),
            outgoing: outgoing.cloned(),
            error: None,
            nonblocking,
            time_limits: [None; 2],
            watches: Watches::default(),
            names: Default::default(),
        }
    }

    pub(super) fn time_limits(&mut self) -> Result<&mut [Option<Duration>; 2]> {
        match self.kind {
            Kind::Socket => Ok(&mut self.time_limits),
            Kind::Pipe => Err(Errno(libc::ENOTSOCK)),
        }
    }

    /// What `poll(2)` would report.
    pub(super) fn readiness(&self) -> u32 {
        let is_shut = |queue: &SharedQueue| queue.borrow().is_shut;
        let read_shut = self.incoming.as_ref().is_some_and(is_shut);
        let write_shut = self.outgoing.as_ref().is_some_and(is_shut);
        let has_bytes = |queue: &SharedQueue| !queue.borrow().bytes.is_empty();
        let has_room = |queue: &SharedQueue| queue.borrow().has_room(self.kind);
        let readable = self.incoming.as_ref().is_some_and(has_bytes);
        let is_socket = self.kind == Kind::Socket;
        let hung_up = read_shut && (write_shut || !is_socket);
        let failed = self.error.is_some() || (write_shut && !is_socket);
        let mut events = 0;
        for (applies, event) in [
            (readable || (read_shut && is_socket), EPOLLIN),
            (read_shut && is_socket, EPOLLRDHUP),
            (self.outgoing.as_ref().is_some_and(has_room), EPOLLOUT),
            (hung_up, EPOLLHUP),
            (failed, EPOLLERR),
        ] {
            if applies {
                events |= event as u32;
            }
        }
        events
    }
}

impl PipeEnd {
    /// From now on, it belongs to this object.
    pub(super) fn owned_by(&self, id: ObjectId) {
        if let Some(queue) = &self.incoming {
            queue.borrow_mut().reader = Some(id);
        }
        if let Some(queue) = &self.outgoing {
            queue.borrow_mut().writer = Some(id);
        }
    }

    /// Whether it is one of two Unix sockets.
    pub(super) fn is_socket(&self) -> bool {
        self.kind == Kind::Socket
    }
}

/// Two connected Unix sockets: the one with the first name, and the other, which blocks.
pub(super) fn connected([one, other]: [UnixName; 2], nonblocking: bool) -> [PipeEnd; 2] {
    let (there, back) = (Queue::new(SOCKET_CAPACITY), Queue::new(SOCKET_CAPACITY));
    let mut here = PipeEnd::new(Kind::Socket, Some(&back), Some(&there), nonblocking);
    let mut accepted = PipeEnd::new(Kind::Socket, Some(&there), Some(&back), false);
    here.names = [one.clone(), other.clone()];
    accepted.names = [other, one];
    [here, accepted]
}
