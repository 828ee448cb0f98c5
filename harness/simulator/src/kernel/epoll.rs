//! `epoll(7)` and `eventfd(2)`.
//!
//! Readiness is pushed, not scanned for: whatever changes an object notifies the epoll that watches
//! it, so the cost of a wait depends on what is ready, not on what is watched. An epoll can be
//! watched by another one.

mod calls;

use super::ids::ObjectId;
use rustc_hash::FxHashMap;
use std::collections::VecDeque;

/// After this many polls without a wait, a process has used up its time slice.
const LOOKS_PER_SLICE: u32 = 256;

/// How many events a program gets at once. (Tokio's runtimes take up to 1024, and then let all
/// their tasks run.) In a simulated world, many peers speak in the same nanosecond; a server that
/// heard all of them first would hold the answers to all of them in its queues, which takes memory
/// and exceeds the processor's caches. On a real network they come one after the other.
const EVENTS_AT_ONCE: usize = 64;

/// What a program wants to know about a descriptor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interest {
    pub(crate) events: u32,
    pub(crate) data: u64,
}

/// What `epoll_wait` returns for one descriptor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadyEvent {
    pub(crate) events: u32,
    pub(crate) data: u64,
}

/// An epoll instance.
#[derive(Default)]
pub(super) struct Epoll {
    watched: FxHashMap<i32, Watched>,
    ready: ReadyList,
    /// The other epolls that watch it.
    watches: Watches,
}

/// The epoll that watches an object, and under which descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Watch {
    epoll: ObjectId,
    fd: i32,
}

/// The watches on an object: rarely more than one.
#[derive(Clone, Debug, Default)]
pub(super) struct Watches {
    first: Option<Watch>,
    others: Vec<Watch>,
}

impl Watches {
    fn add(&mut self, watch: Watch) {
        match self.first {
            None => self.first = Some(watch),
            Some(_) => self.others.push(watch),
        }
    }

    fn remove(&mut self, watch: Watch) {
        self.others.retain(|other| *other != watch);
        if self.first == Some(watch) {
            self.first = (!self.others.is_empty()).then(|| self.others.remove(0));
        }
    }

    fn iter(&self) -> impl Iterator<Item = Watch> + '_ {
        self.first.iter().chain(&self.others).copied()
    }
}

struct Watched {
    interest: Interest,
    /// It is watched until its last descriptor is closed, even if this one is closed before.
    object: ObjectId,
    /// Its ticket, if it is on the ready list.
    queued: Option<u64>,
}

/// Descriptors in the order in which they became ready. Each has a ticket by which it can be
/// removed at no cost to the others.
#[derive(Default)]
struct ReadyList {
    fds: VecDeque<Option<i32>>,
    /// The ticket of the first entry.
    first: u64,
    /// How many have not been removed.
    live: usize,
}

impl ReadyList {
    fn push(&mut self, fd: i32) -> u64 {
        self.fds.push_back(Some(fd));
        self.live += 1;
        self.first + self.fds.len() as u64 - 1
    }

    fn take_off(&mut self, ticket: u64) {
        let taken = self.fds[(ticket - self.first) as usize].take();
        debug_assert!(taken.is_some(), "a ticket is for one that is on the list");
        self.live -= 1;
    }

    fn pop(&mut self) -> Option<i32> {
        loop {
            let first = self.fds.pop_front()?;
            self.first += 1;
            if let Some(fd) = first {
                self.live -= 1;
                return Some(fd);
            }
        }
    }
}

impl Epoll {
    pub(super) fn has_ready(&self) -> bool {
        self.ready.live > 0
    }

    /// The epolls that watch it.
    pub(super) fn watches(&self) -> &Watches {
        &self.watches
    }

    fn remove(&mut self, fd: i32) -> Option<Watched> {
        let watched = self.watched.remove(&fd)?;
        if let Some(ticket) = watched.queued {
            self.ready.take_off(ticket);
        }
        Some(watched)
    }

    /// Puts a descriptor on the ready list.
    fn arm(&mut self, fd: i32) {
        if let Some(watched) = self.watched.get_mut(&fd)
            && watched.queued.is_none()
        {
            watched.queued = Some(self.ready.push(fd));
        }
    }
}

/// The counter behind an `eventfd(2)`.
#[derive(Default)]
pub(super) struct EventCounter {
    value: u64,
    pub(super) watches: Watches,
}
