//! What a call waits for, and for how long.

use super::{Blocked, Way};
use crate::kernel::errno::{Errno, Result};
use crate::kernel::{Kernel, Object};
use crate::time::nanos;
use libc::{EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT};
use std::time::Duration;

impl Kernel {
    /// The call would block. Unless its descriptor is non-blocking, the thread has to wait and try
    /// again.
    pub(in crate::kernel) fn would_block(
        &mut self,
        never_blocks: bool,
        fd: i32,
        way: Way,
    ) -> Errno {
        if !never_blocks {
            let event = match way {
                Way::Receive => EPOLLIN,
                Way::Send => EPOLLOUT,
            };
            let limit = self.limit(fd, way).unwrap_or(None);
            self.blocked = Some(Blocked {
                fd,
                events: (event | EPOLLERR | EPOLLHUP) as u32,
                until: limit.map(|limit| self.time_of_process().saturating_add(nanos(limit))),
            });
        }
        Errno(libc::EAGAIN)
    }

    /// How long calls on a descriptor may wait (`SO_RCVTIMEO`, `SO_SNDTIMEO`).
    pub(crate) fn limit(&mut self, fd: i32, way: Way) -> Result<Option<Duration>> {
        self.limit_mut(fd, way).copied()
    }

    pub(crate) fn set_limit(&mut self, fd: i32, way: Way, limit: Option<Duration>) -> Result<()> {
        *self.limit_mut(fd, way)? = limit;
        Ok(())
    }

    fn limit_mut(&mut self, fd: i32, way: Way) -> Result<&mut Option<Duration>> {
        let [receive, send] = match self.object_at(fd)? {
            Object::Socket(socket) => &mut socket.options.time_limits,
            Object::Pipe(end) => end.time_limits()?,
            _ => return Err(Errno(libc::ENOTSOCK)),
        };
        Ok(match way {
            Way::Receive => receive,
            Way::Send => send,
        })
    }
}
