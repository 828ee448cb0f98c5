//! The calls on named Unix stream sockets.

use super::{Backlog, Key, MAX_BACKLOG, UnixSocket};
use crate::kernel::disk::tree::{New, Number};
use crate::kernel::epoll::Watches;
use crate::kernel::errno::{Errno, Result};
use crate::kernel::ids::ObjectId;
use crate::kernel::pipe::{UnixName, connected};
use crate::kernel::{At, Kernel, Object, Way};
use std::collections::VecDeque;

impl Kernel {
    /// `socket(2)` of Unix streams.
    pub(crate) fn unix_stream(&mut self, nonblocking: bool) -> i32 {
        self.insert(Object::Unix(UnixSocket {
            name: UnixName::new(),
            listens: None,
            is_shut: false,
            nonblocking,
            watches: Watches::default(),
        }))
    }

    /// Whether a descriptor is a Unix socket, connected or not.
    pub(crate) fn is_unix(&mut self, fd: i32) -> bool {
        matches!(self.object_at(fd), Ok(Object::Unix(_))) || self.is_unix_socket(fd)
    }

    fn unix_at(&mut self, fd: i32) -> Result<&mut UnixSocket> {
        match self.object_at(fd)? {
            Object::Unix(socket) => Ok(socket),
            Object::Pipe(_) => Err(Errno(libc::EISCONN)),
            _ => Err(Errno(libc::ENOTSOCK)),
        }
    }

    /// `bind(2)`. Without a name, one is assigned.
    pub(crate) fn bind_unix(&mut self, fd: i32, name: UnixName) -> Result<()> {
        let id = self.find(fd)?;
        if !self.own_name(fd)?.is_empty() {
            return Err(Errno(libc::EINVAL));
        }
        let (name, key) = match name.first() {
            None => {
                let mut number = 0;
                loop {
                    let name = format!("\0{number:05x}").into_bytes();
                    let key = Key::Abstract(name.clone());
                    if !self.unix_names.contains_key(&key) {
                        break (name, key);
                    }
                    number += 1;
                }
            }
            Some(0) => (name.clone(), Key::Abstract(name)),
            Some(_) => {
                let node = self.make_socket(&name)?;
                (name, Key::File(node))
            }
        };
        if self.unix_names.contains_key(&key) {
            return Err(Errno(libc::EADDRINUSE));
        }
        self.unix_names.insert(key, id);
        *self.own_name(fd)? = name;
        Ok(())
    }

    /// The name of a socket, connected or not.
    fn own_name(&mut self, fd: i32) -> Result<&mut UnixName> {
        match self.object_at(fd)? {
            Object::Unix(socket) => Ok(&mut socket.name),
            Object::Pipe(end) if end.is_socket() => Ok(&mut end.names[0]),
            _ => Err(Errno(libc::ENOTSOCK)),
        }
    }

    fn make_socket(&mut self, path: &[u8]) -> Result<Number> {
        let at = At {
            directory: libc::AT_FDCWD,
            path,
        };
        self.make_node(at, New::Socket, 0o777)
            .map_err(|error| match error {
                Errno(libc::EEXIST) => Errno(libc::EADDRINUSE),
                error => error,
            })
    }

    /// `listen(2)`.
    pub(crate) fn listen_unix(&mut self, fd: i32, backlog: i32) -> Result<()> {
        let socket = self.unix_at(fd).map_err(|_| Errno(libc::EINVAL))?;
        if socket.name.is_empty() {
            return Err(Errno(libc::EINVAL));
        }
        let most = usize::try_from(backlog).unwrap_or(MAX_BACKLOG);
        let most = most.min(MAX_BACKLOG);
        match &mut socket.listens {
            Some(backlog) => backlog.most = most,
            none => {
                let waiting = VecDeque::new();
                *none = Some(Backlog { most, waiting });
            }
        }
        Ok(())
    }

    /// `connect(2)`.
    pub(crate) fn connect_unix(&mut self, fd: i32, name: &[u8]) -> Result<()> {
        let id = self.find(fd)?;
        let socket = self.unix_at(fd)?;
        let is_listening = socket.is_listening();
        let (own, nonblocking) = (socket.name.clone(), socket.nonblocking);
        let key = match name.first() {
            None => return Err(Errno(libc::EINVAL)),
            Some(0) => Key::Abstract(name.to_vec()),
            Some(_) => Key::File(self.find_socket(name)?),
        };
        let refused = Errno(libc::ECONNREFUSED);
        let &listener = self.unix_names.get(&key).ok_or(refused)?;
        let Object::Unix(UnixSocket {
            name: of_listener,
            listens: Some(backlog),
            is_shut: false,
            ..
        }) = self.object(listener)?
        else {
            return Err(refused);
        };
        if nonblocking && backlog.waiting.len() > backlog.most {
            return Err(Errno(libc::EAGAIN));
        }
        if is_listening {
            return Err(Errno(libc::EINVAL));
        }
        let of_listener = of_listener.clone();
        let [mut here, there] = connected([own, of_listener], nonblocking);
        backlog.waiting.push_back(there);
        here.owned_by(id);
        if let Object::Unix(socket) = self.object(id)? {
            here.watches = std::mem::take(&mut socket.watches);
        }
        *self.object(id)? = Object::Pipe(here);
        self.notify(Some(listener));
        self.notify(Some(id));
        Ok(())
    }

    fn find_socket(&mut self, path: &[u8]) -> Result<Number> {
        let at = At {
            directory: libc::AT_FDCWD,
            path,
        };
        let about = self.stat(at, true, false)?;
        self.access(at, libc::W_OK, true)?;
        match about.mode & libc::S_IFMT {
            libc::S_IFSOCK => Ok(about.number),
            _ => Err(Errno(libc::ECONNREFUSED)),
        }
    }

    /// `accept4(2)`: the connection, and the peer's name.
    pub(crate) fn accept_unix(&mut self, fd: i32, nonblocking: bool) -> Result<(i32, UnixName)> {
        let socket = self.unix_at(fd).map_err(|_| Errno(libc::EINVAL))?;
        let never_blocks = socket.nonblocking;
        let backlog = socket.listens.as_mut().ok_or(Errno(libc::EINVAL))?;
        let Some(mut end) = backlog.waiting.pop_front() else {
            return Err(self.would_block(never_blocks, fd, Way::Receive));
        };
        end.nonblocking = nonblocking;
        let name = end.names[1].clone();
        Ok((self.insert_end(end), name))
    }

    /// `getsockname(2)`.
    pub(crate) fn unix_name(&mut self, fd: i32) -> Result<UnixName> {
        self.own_name(fd).map(|name| name.clone())
    }

    /// `getpeername(2)`.
    pub(crate) fn unix_peer(&mut self, fd: i32) -> Result<UnixName> {
        match self.object_at(fd)? {
            Object::Unix(_) => Err(Errno(libc::ENOTCONN)),
            Object::Pipe(end) => Ok(end.names[1].clone()),
            _ => Err(Errno(libc::ENOTSOCK)),
        }
    }

    /// The last descriptor of a socket is closed. Its name in the file system stays.
    pub(in crate::kernel) fn close_unix(&mut self, id: ObjectId, socket: UnixSocket) {
        self.forget_name(id);
        for end in socket.listens.into_iter().flat_map(|it| it.waiting) {
            self.reset_peer(&end);
            self.close_pipe_end(&end);
        }
    }

    /// This socket no longer has a name.
    pub(in crate::kernel) fn forget_name(&mut self, id: ObjectId) {
        self.unix_names.retain(|_, known| *known != id);
    }
}
