//! `pipe(7)` and pairs of Unix stream sockets (`unix(7)`): bytes from one descriptor to another of the same machine.
//! A pair of sockets is two pipes, one each way. What is written can be read at once.
//!
//! Left out: names (`bind`), datagrams, and descriptors in control messages.

use super::blocking::Way;
use super::epoll::Watches;
use super::socket::{How, Received};
use super::{Errno, Kernel, Object, ObjectId, Result};
use libc::{EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP, SOL_SOCKET};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::rc::Rc;
use std::time::Duration;

/// Bytes that a pipe holds. (On Linux it holds 16 pages, and small writes may leave some of them half empty.)
const PIPE_CAPACITY: usize = 65_536;

/// Bytes that are on their way from one Unix socket to another. (Linux counts its bookkeeping too.)
const SOCKET_CAPACITY: usize = 212_992;

/// A write of so many bytes goes into a pipe as a whole or not at all (`PIPE_BUF`).
const ATOMIC: usize = 4096;

/// The name of a Unix socket, as `sockaddr_un` has it: a path without its zero at the end, or a zero and more. Nothing is
/// no name.
pub(crate) type UnixName = Vec<u8>;

/// What a descriptor of a pipe, or of one of two sockets, stands for.
pub(super) struct PipeEnd {
    kind: Kind,
    /// What can be read here.
    incoming: Option<SharedQueue>,
    /// What is written here.
    outgoing: Option<SharedQueue>,
    error: Option<Errno>,
    pub(super) nonblocking: bool,
    /// Of a socket; see [`super::options::Options`].
    time_limits: [Option<Duration>; 2],
    pub(super) watches: Watches,
    /// Of a socket: its own, and its peer's.
    pub(super) names: [UnixName; 2],
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Pipe,
    Socket,
}

/// Two ends have it.
type SharedQueue = Rc<RefCell<Queue>>;

/// Bytes that go one way.
struct Queue {
    bytes: VecDeque<u8>,
    capacity: usize,
    /// The ends that are open.
    reader: Option<ObjectId>,
    writer: Option<ObjectId>,
    /// Nothing more is written: one of the ends is closed, or was shut down.
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

    /// As much as there is room for, or as belongs together.
    fn write(&mut self, bytes: &[u8], kind: Kind) -> Result<usize> {
        let belongs_together = kind == Kind::Pipe && bytes.len() <= ATOMIC;
        let room = self.free();
        if room == 0 || (belongs_together && room < bytes.len()) {
            return Err(Errno(libc::EAGAIN));
        }
        let length = bytes.len().min(room);
        self.bytes.extend(&bytes[..length]);
        Ok(length)
    }

    /// Whether a writer is told that it may write.
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

    /// What `poll(2)` would say.
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
    /// It is that of this object from now on.
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

/// Two Unix sockets that are connected: that of the one with the first name, and that of the other, which blocks.
pub(super) fn connected([one, other]: [UnixName; 2], nonblocking: bool) -> [PipeEnd; 2] {
    let (there, back) = (Queue::new(SOCKET_CAPACITY), Queue::new(SOCKET_CAPACITY));
    let mut here = PipeEnd::new(Kind::Socket, Some(&back), Some(&there), nonblocking);
    let mut accepted = PipeEnd::new(Kind::Socket, Some(&there), Some(&back), false);
    here.names = [one.clone(), other.clone()];
    accepted.names = [other, one];
    [here, accepted]
}

impl Kernel {
    /// `pipe2(2)`: the end to read from, and the one to write to.
    pub(crate) fn pipe(&mut self, nonblocking: bool) -> [i32; 2] {
        let queue = Queue::new(PIPE_CAPACITY);
        let (reader, writer) = (
            PipeEnd::new(Kind::Pipe, Some(&queue), None, nonblocking),
            PipeEnd::new(Kind::Pipe, None, Some(&queue), nonblocking),
        );
        [self.insert_end(reader), self.insert_end(writer)]
    }

    /// `socketpair(2)` of Unix stream sockets.
    pub(crate) fn socket_pair(&mut self, nonblocking: bool) -> [i32; 2] {
        connected(Default::default(), nonblocking).map(|mut end| {
            end.nonblocking = nonblocking;
            self.insert_end(end)
        })
    }

    pub(super) fn insert_end(&mut self, end: PipeEnd) -> i32 {
        let fd = self.insert(Object::Pipe(end));
        if let Ok(id) = self.find(fd)
            && let Ok(Object::Pipe(end)) = self.object(id)
        {
            end.owned_by(id);
        }
        fd
    }

    fn pipe_end(&mut self, fd: i32) -> Result<&mut PipeEnd> {
        if self.process_is_dead {
            return Err(Errno(libc::EBADF));
        }
        match self.object_at(fd)? {
            Object::Pipe(end) => Ok(end),
            Object::Unix(socket) if socket.is_listening() => Err(Errno(libc::EINVAL)),
            Object::Unix(_) => Err(Errno(libc::ENOTCONN)),
            _ => Err(Errno(libc::ENOTSOCK)),
        }
    }

    /// A Unix socket; none of the calls for sockets knows anything of a pipe.
    fn unix_socket(&mut self, fd: i32) -> Result<&mut PipeEnd> {
        let end = self.pipe_end(fd)?;
        match end.kind {
            Kind::Socket => Ok(end),
            Kind::Pipe => Err(Errno(libc::ENOTSOCK)),
        }
    }

    pub(crate) fn is_unix_socket(&mut self, fd: i32) -> bool {
        self.unix_socket(fd).is_ok()
    }

    /// `recv(2)` from a Unix socket.
    pub(super) fn receive_unix(
        &mut self,
        fd: i32,
        buffer: &mut [MaybeUninit<u8>],
        how: How,
    ) -> Result<Received> {
        self.unix_socket(fd)?;
        let read = self.read_pipe(fd, buffer, how);
        read.map(Received::of_stream)
    }

    /// `send(2)` to a Unix socket.
    pub(super) fn send_unix(&mut self, fd: i32, bytes: &[u8], at_once: bool) -> Result<usize> {
        self.unix_socket(fd)?;
        self.write_pipe(fd, bytes, at_once)
    }

    pub(super) fn read_pipe(
        &mut self,
        fd: i32,
        buffer: &mut [MaybeUninit<u8>],
        how: How,
    ) -> Result<usize> {
        let end = self.pipe_end(fd)?;
        let queue = end.incoming.clone().ok_or(Errno(libc::EBADF))?;
        let never_blocks = end.nonblocking || how.at_once;
        let mut queue = queue.borrow_mut();
        let read = queue.read(buffer, how.peek);
        if read > 0 || buffer.is_empty() {
            if !how.peek && queue.has_room(end.kind) {
                self.notify(queue.writer);
            }
            self.hardware.cpu.charge_bytes(read);
            return Ok(read);
        }
        match end.error.take() {
            Some(error) => Err(error),
            None if queue.is_shut => Ok(0),
            None => Err(self.would_block(never_blocks, fd, Way::Receive)),
        }
    }

    pub(super) fn write_pipe(&mut self, fd: i32, bytes: &[u8], at_once: bool) -> Result<usize> {
        let end = self.pipe_end(fd)?;
        let queue = end.outgoing.clone().ok_or(Errno(libc::EBADF))?;
        let (kind, never_blocks) = (end.kind, end.nonblocking || at_once);
        let mut queue = queue.borrow_mut();
        if bytes.is_empty() && (kind == Kind::Pipe || !queue.is_shut) {
            return Ok(0);
        }
        if queue.is_shut {
            return Err(Errno(libc::EPIPE));
        }
        let Ok(written) = queue.write(bytes, kind) else {
            return Err(self.would_block(never_blocks, fd, Way::Send));
        };
        self.notify(queue.reader);
        self.hardware.cpu.charge_bytes(written);
        Ok(written)
    }

    /// How many bytes can be read at once (`FIONREAD`).
    pub(super) fn waiting_in_pipe(&mut self, fd: i32) -> Result<usize> {
        let queue = self.pipe_end(fd)?.incoming.as_ref();
        Ok(queue.map_or(0, |queue| queue.borrow().bytes.len()))
    }

    /// `shutdown(2)`. To Linux it is the same whether the one will not read or the other will not write.
    pub(super) fn shutdown_unix(&mut self, fd: i32, read: bool, write: bool) -> Result<()> {
        if let Object::Unix(socket) = self.object_at(fd)? {
            socket.shut();
            return Ok(());
        }
        let end = self.unix_socket(fd)?;
        let queues = [
            end.incoming.clone().filter(|_| read),
            end.outgoing.clone().filter(|_| write),
        ];
        for queue in queues.into_iter().flatten() {
            self.shut(&queue);
        }
        Ok(())
    }

    fn shut(&mut self, queue: &SharedQueue) {
        let mut queue = queue.borrow_mut();
        queue.is_shut = true;
        self.notify(queue.reader);
        self.notify(queue.writer);
    }

    /// The last descriptor of an end is closed.
    pub(super) fn close_pipe_end(&mut self, end: &PipeEnd) {
        if let Some(queue) = &end.outgoing {
            queue.borrow_mut().writer = None;
            self.shut(queue);
        }
        if let Some(queue) = &end.incoming {
            let (peer, unread) = {
                let mut queue = queue.borrow_mut();
                queue.reader = None;
                (queue.writer, !std::mem::take(&mut queue.bytes).is_empty())
            };
            if unread && let Some(Ok(Object::Pipe(peer))) = peer.map(|peer| self.object(peer)) {
                peer.error = (peer.kind == Kind::Socket).then_some(Errno(libc::ECONNRESET));
            }
            self.shut(queue);
        }
    }

    /// Whoever is at the other end of this one, which is closed before anybody has had it, is told so.
    pub(super) fn reset_peer(&mut self, end: &PipeEnd) {
        let peer = end.incoming.as_ref().and_then(|it| it.borrow().writer);
        if let Some(Ok(Object::Pipe(peer))) = peer.map(|peer| self.object(peer)) {
            peer.error = Some(Errno(libc::ECONNRESET));
        }
    }

    /// `getsockopt(2)` of a Unix socket.
    pub(super) fn unix_option(&mut self, fd: i32, level: i32, name: i32) -> Result<i32> {
        if let Object::Unix(socket) = self.object_at(fd)? {
            return Ok(match (level, name) {
                (SOL_SOCKET, libc::SO_ERROR | libc::SO_PROTOCOL) => 0,
                (SOL_SOCKET, libc::SO_TYPE) => libc::SOCK_STREAM,
                (SOL_SOCKET, libc::SO_DOMAIN) => libc::AF_UNIX,
                (SOL_SOCKET, libc::SO_ACCEPTCONN) => socket.is_listening().into(),
                _ => return Err(self.unknown_option("getsockopt on a Unix socket", level, name)),
            });
        }
        let end = self.unix_socket(fd)?;
        Ok(match (level, name) {
            (SOL_SOCKET, libc::SO_ERROR) => end.error.take().map_or(0, |Errno(code)| code),
            (SOL_SOCKET, libc::SO_TYPE) => libc::SOCK_STREAM,
            (SOL_SOCKET, libc::SO_DOMAIN) => libc::AF_UNIX,
            (SOL_SOCKET, libc::SO_PROTOCOL | libc::SO_ACCEPTCONN) => 0,
            _ => return Err(self.unknown_option("getsockopt on a Unix socket", level, name)),
        })
    }

    /// Whether a descriptor can be read from, written to, or both (`F_GETFL`).
    pub(crate) fn access_mode(&mut self, fd: i32) -> Result<i32> {
        Ok(match self.object_at(fd)? {
            Object::File(file) => Self::file_flags(file),
            Object::Pipe(end) if end.outgoing.is_none() => libc::O_RDONLY,
            Object::Pipe(end) if end.incoming.is_none() => libc::O_WRONLY,
            _ => libc::O_RDWR,
        })
    }
}
