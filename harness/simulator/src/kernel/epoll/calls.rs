//! The calls of `epoll(7)` and `eventfd(2)`.

use super::{
    EVENTS_AT_ONCE, Epoll, EventCounter, Interest, LOOKS_PER_SLICE, ReadyEvent, Watch, Watched,
    Watches,
};
use crate::kernel::errno::{Errno, Result};
use crate::kernel::ids::ObjectId;
use crate::kernel::{Kernel, Object};
use libc::{EPOLLERR, EPOLLET, EPOLLHUP, EPOLLIN, EPOLLONESHOT, EPOLLOUT};
use std::collections::hash_map::Entry;

impl Kernel {
    pub(crate) fn epoll_create(&mut self) -> i32 {
        self.insert(Object::Epoll(Epoll::default()))
    }

    pub(crate) fn epoll_add(&mut self, epoll_fd: i32, fd: i32, interest: Interest) -> Result<()> {
        let epoll = self.find(epoll_fd)?;
        let object = self.find(fd)?;
        let watched = Watched {
            interest,
            object,
            queued: None,
        };
        if epoll == object {
            return Err(Errno(libc::EINVAL));
        }
        if self.watches_over(object, epoll) {
            return Err(Errno(libc::ELOOP));
        }
        self.watches(object)?;
        match self.epoll(epoll)?.watched.entry(fd) {
            Entry::Occupied(_) => return Err(Errno(libc::EEXIST)),
            Entry::Vacant(entry) => entry.insert(watched),
        };
        let watch = Watch { epoll, fd };
        self.watches(object)?.add(watch);
        if self.readiness_of(object) != 0 {
            self.arm(watch);
        }
        Ok(())
    }

    pub(crate) fn epoll_modify(
        &mut self,
        epoll_fd: i32,
        fd: i32,
        interest: Interest,
    ) -> Result<()> {
        let epoll = self.find(epoll_fd)?;
        let watched = self
            .epoll(epoll)?
            .watched
            .get_mut(&fd)
            .ok_or(Errno(libc::ENOENT))?;
        watched.interest = interest;
        let object = watched.object;
        if self.readiness_of(object) != 0 {
            self.arm(Watch { epoll, fd });
        }
        Ok(())
    }

    pub(crate) fn epoll_delete(&mut self, epoll_fd: i32, fd: i32) -> Result<()> {
        let epoll = self.find(epoll_fd)?;
        let watched = self.epoll(epoll)?.remove(fd).ok_or(Errno(libc::ENOENT))?;
        self.watches(watched.object)?.remove(Watch { epoll, fd });
        Ok(())
    }

    /// When a call of `epoll_wait(2)` with this timeout ends; none if never. A poll without waiting
    /// ends now, unless the process has done nothing but poll.
    pub(crate) fn epoll_limit(&mut self, timeout_ms: i32) -> Option<u64> {
        let timeout_ms = u64::try_from(timeout_ms).ok()?;
        self.looks += 1;
        if timeout_ms == 0 && self.looks >= LOOKS_PER_SLICE {
            return Some(self.end_of_slice());
        }
        Some(
            self.time_of_process()
                .saturating_add(timeout_ms * 1_000_000),
        )
    }

    /// Passes what is ready to `deliver`, at most `most` events. Returns how many there were.
    pub(crate) fn epoll_look(
        &mut self,
        epoll_fd: i32,
        most: usize,
        deliver: impl FnMut(usize, ReadyEvent),
    ) -> Result<usize> {
        self.deliver_ready(epoll_fd, most.min(EVENTS_AT_ONCE), deliver)
    }

    fn deliver_ready(
        &mut self,
        epoll_fd: i32,
        most: usize,
        mut deliver: impl FnMut(usize, ReadyEvent),
    ) -> Result<usize> {
        let id = self.find(epoll_fd)?;
        let mut delivered = 0;
        for _ in 0..self.epoll(id)?.ready.live {
            if delivered == most {
                break;
            }
            let Some(fd) = self.epoll(id)?.ready.pop() else {
                break;
            };
            let Some(object) = self.epoll(id)?.watched.get(&fd).map(|it| it.object) else {
                continue;
            };
            let readiness = self.readiness_of(object);
            let epoll = self.epoll(id)?;
            let Some(watched) = epoll.watched.get_mut(&fd) else {
                continue;
            };
            watched.queued = None;
            let interest = watched.interest;
            let found = readiness & (interest.events | EPOLLERR as u32 | EPOLLHUP as u32);
            if found == 0 {
                continue;
            }
            deliver(
                delivered,
                ReadyEvent {
                    events: found,
                    data: interest.data,
                },
            );
            delivered += 1;
            if interest.events & EPOLLONESHOT as u32 != 0 {
                watched.interest.events = 0;
            } else if interest.events & EPOLLET as u32 == 0 {
                epoll.arm(fd);
            }
        }
        Ok(delivered)
    }

    /// What `poll(2)` would report for a descriptor.
    pub(crate) fn readiness(&self, fd: i32) -> Result<u32> {
        Ok(self.readiness_of(self.find(fd)?))
    }

    fn readiness_of(&self, id: ObjectId) -> u32 {
        match self.objects[id.0].as_ref().map(|slot| &slot.object) {
            Some(Object::Socket(socket)) => self.tcp.readiness(id, socket),
            Some(Object::Pipe(end)) => end.readiness(),
            Some(Object::Event(counter)) if counter.value > 0 => (EPOLLIN | EPOLLOUT) as u32,
            Some(Object::Event(_)) => EPOLLOUT as u32,
            Some(Object::Signal(descriptor)) if self.has_signal(descriptor) => EPOLLIN as u32,
            Some(Object::Signal(_)) => 0,
            Some(Object::Unix(socket)) => socket.readiness(),
            // A file is always readable and writable.
            Some(Object::File(_)) => (EPOLLIN | EPOLLOUT) as u32,
            Some(Object::Epoll(epoll)) if self.has_something(epoll) => EPOLLIN as u32,
            Some(Object::Epoll(_)) | None => 0,
        }
    }

    /// Whether polling this epoll would find something.
    fn has_something(&self, epoll: &Epoll) -> bool {
        let queued = epoll.ready.fds.iter().flatten();
        let mut queued = queued.filter_map(|fd| epoll.watched.get(fd));
        queued.any(|watched| {
            let asked = watched.interest.events | (EPOLLERR | EPOLLHUP) as u32;
            self.readiness_of(watched.object) & asked != 0
        })
    }

    /// Whether an epoll watches another one, directly or indirectly.
    fn watches_over(&self, epoll: ObjectId, other: ObjectId) -> bool {
        match self.objects[epoll.0].as_ref().map(|slot| &slot.object) {
            Some(Object::Epoll(epoll)) => {
                let mut watched = epoll.watched.values().map(|watched| watched.object);
                watched.any(|inner| inner == other || self.watches_over(inner, other))
            }
            _ => false,
        }
    }

    pub(in crate::kernel) fn notify_if_ready(&mut self, fd: i32) -> Result<()> {
        if self.readiness(fd)? != 0 {
            let id = self.find(fd)?;
            self.notify(Some(id));
        }
        Ok(())
    }

    /// Something happened to this object: makes its watchers check it.
    pub(in crate::kernel) fn notify(&mut self, id: Option<ObjectId>) {
        let Some(watches) = id.and_then(|id| self.watches(id).ok()) else {
            return;
        };
        if !watches.others.is_empty() {
            let watches = watches.clone();
            return watches.iter().for_each(|watch| self.arm(watch));
        }
        if let Some(watch) = watches.first {
            self.arm(watch);
        }
    }

    fn arm(&mut self, Watch { epoll, fd }: Watch) {
        if let Ok(this) = self.epoll(epoll) {
            this.arm(fd);
            // This epoll's own watchers check, too.
            self.notify(Some(epoll));
        }
    }

    /// An object is gone: the epolls that watched it forget it.
    pub(in crate::kernel) fn forget(&mut self, watches: &Watches) {
        for Watch { epoll, fd } in watches.iter() {
            if let Ok(epoll) = self.epoll(epoll) {
                epoll.remove(fd);
            }
        }
    }

    /// An epoll is gone: what it watched forgets it.
    pub(in crate::kernel) fn forget_epoll(&mut self, id: ObjectId, epoll: &Epoll) {
        for (&fd, watched) in &epoll.watched {
            if let Ok(watches) = self.watches(watched.object) {
                watches.remove(Watch { epoll: id, fd });
            }
        }
    }

    fn watches(&mut self, id: ObjectId) -> Result<&mut Watches> {
        match self.object(id)? {
            Object::Socket(socket) => Ok(&mut socket.watches),
            Object::Pipe(end) => Ok(&mut end.watches),
            Object::Unix(socket) => Ok(&mut socket.watches),
            Object::Event(counter) => Ok(&mut counter.watches),
            Object::Signal(descriptor) => Ok(&mut descriptor.watches),
            Object::Epoll(epoll) => Ok(&mut epoll.watches),
            Object::File(_) => Err(Errno(libc::EPERM)),
        }
    }

    fn epoll(&mut self, id: ObjectId) -> Result<&mut Epoll> {
        match self.object(id)? {
            Object::Epoll(epoll) => Ok(epoll),
            _ => Err(Errno(libc::EINVAL)),
        }
    }

    pub(crate) fn eventfd(&mut self, value: u64) -> i32 {
        let watches = Watches::default();
        self.insert(Object::Event(EventCounter { value, watches }))
    }

    /// Reads and clears an event counter.
    pub(in crate::kernel) fn event_read(&mut self, fd: i32) -> Result<u64> {
        match self.object_at(fd)? {
            Object::Event(counter) if counter.value > 0 => Ok(std::mem::take(&mut counter.value)),
            Object::Event(_) => Err(Errno(libc::EAGAIN)),
            _ => Err(Errno(libc::EINVAL)),
        }
    }

    /// Adds to an event counter.
    pub(in crate::kernel) fn event_write(&mut self, fd: i32, value: u64) -> Result<()> {
        let id = self.find(fd)?;
        let Object::Event(counter) = self.object(id)? else {
            return Err(Errno(libc::EINVAL));
        };
        counter.value = counter
            .value
            .checked_add(value)
            .ok_or(Errno(libc::EAGAIN))?;
        self.notify(Some(id));
        Ok(())
    }
}
