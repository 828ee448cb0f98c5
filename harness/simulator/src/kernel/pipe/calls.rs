//! The calls on pipes and pairs of sockets.

use super::{Kind, PIPE_CAPACITY, PipeEnd, Queue, SharedQueue, connected};
use crate::kernel::blocking::Way;
use crate::kernel::errno::{Errno, Result};
use crate::kernel::transfer::{How, Received};
use crate::kernel::{Kernel, Object};
use libc::SOL_SOCKET;
use std::mem::MaybeUninit;

impl Kernel {
    /// `pipe2(2)`: the read end and the write end.
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

    pub(in crate::kernel) fn insert_end(&mut self, end: PipeEnd) -> i32 {
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

    /// A Unix socket; calls for sockets do not accept pipes.
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
    pub(in crate::kernel) fn receive_unix(
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
    pub(in crate::kernel) fn send_unix(
        &mut self,
        fd: i32,
        bytes: &[u8],
        at_once: bool,
    ) -> Result<usize> {
        self.unix_socket(fd)?;
        self.write_pipe(fd, bytes, at_once)
    }

    pub(in crate::kernel) fn read_pipe(
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

    pub(in crate::kernel) fn write_pipe(
        &mut self,
        fd: i32,
        bytes: &[u8],
        at_once: bool,
    ) -> Result<usize> {
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

    /// How many bytes can be read without waiting (`FIONREAD`).
    pub(in crate::kernel) fn waiting_in_pipe(&mut self, fd: i32) -> Result<usize> {
        let queue = self.pipe_end(fd)?.incoming.as_ref();
        Ok(queue.map_or(0, |queue| queue.borrow().bytes.len()))
    }

    /// `shutdown(2)`. To Linux, one end no longer reading is the same as the other no longer
    /// writing.
    pub(in crate::kernel) fn shutdown_unix(
        &mut self,
        fd: i32,
        read: bool,
        write: bool,
    ) -> Result<()> {
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
    pub(in crate::kernel) fn close_pipe_end(&mut self, end: &PipeEnd) {
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

    /// Reports a reset to the other end of this one, which is closed before any process has had it.
    pub(in crate::kernel) fn reset_peer(&mut self, end: &PipeEnd) {
        let peer = end.incoming.as_ref().and_then(|it| it.borrow().writer);
        if let Some(Ok(Object::Pipe(peer))) = peer.map(|peer| self.object(peer)) {
            peer.error = Some(Errno(libc::ECONNRESET));
        }
    }

    /// `getsockopt(2)` of a Unix socket.
    pub(in crate::kernel) fn unix_option(&mut self, fd: i32, level: i32, name: i32) -> Result<i32> {
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
