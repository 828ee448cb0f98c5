//! The threads of a process: which of them may run, and what the others wait for.
//!
//! These are only the books. Exactly one thread of a world runs at a time; `sys::threads` lets them run
//! as it is written here. Whoever becomes ready first runs first, and who waits for the same thing is woken
//! in the order in which the waiting began.

use super::signals::SignalSet;
use super::{FlowId, Kernel, Object, SLICE};
use crate::sys::Thread;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::rc::Rc;

/// After so many changes of the running thread without time passing, the threads have used up their slice.
const CHANGES_PER_SLICE: u32 = 4096;

/// A thread of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ThreadId(u32);

impl ThreadId {
    /// As Linux numbers the threads of the first process of a container.
    pub(crate) fn number(self) -> i32 {
        self.0 as i32 + 1
    }
}

/// The thread with whose end the process ends.
pub(crate) const MAIN: ThreadId = ThreadId(0);

/// What a thread waits for, besides its time limit.
#[derive(Clone, Debug)]
pub(crate) enum Wait {
    /// A wake-up at this address, where this value was, that has one of these bits (`futex(2)`).
    Futex {
        address: usize,
        value: u32,
        bits: u32,
    },
    /// A signal for what is at this address: a condition variable (`pthread_cond_wait(3)`), a semaphore, a barrier,
    /// a lock for readers and writers.
    Condition(usize),
    /// The end of the thread with this handle (`pthread_join(3)`).
    End(usize),
    /// An event for this epoll.
    Epoll(i32),
    /// One of these events of this descriptor, in the bits of `epoll_ctl(2)`.
    Ready { fd: i32, events: u32 },
    /// One of these events of one of these descriptors.
    AnyReady(Rc<[(i32, u32)]>),
    /// The peer's acknowledgement of all that was sent on a connection that is closed.
    Acknowledgement(FlowId),
    /// One of these signals for this thread, which keeps them away (`sigwait(3)`).
    Signal { thread: ThreadId, wanted: SignalSet },
    /// Nothing: only for its time to come.
    Time,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// What was waited for has happened.
    Woken,
    /// The time limit came first.
    TimedOut,
    /// A signal came first, for which the thread has to run a handler.
    Interrupted,
}

/// What has become of a thread.
pub(crate) enum Ended {
    /// It has not ended.
    Not,
    /// It has: this is it, for the first who asks.
    With(Rc<Thread>),
    /// The machine knows no such thread.
    Unknown,
}

#[derive(Default)]
pub(crate) struct Threads {
    /// Those that have not ended, in the order of their start.
    live: Vec<Live>,
    /// Those that have, and that nobody has joined yet.
    ended: Vec<Rc<Thread>>,
    /// In the order in which they began to wait.
    waiting: Vec<Waiting>,
    ready: VecDeque<(ThreadId, Outcome)>,
    started: u32,
    changes: u32,
    /// The time slice is used up: nobody runs before this time.
    rests_until: Option<u64>,
    /// The condition variables whose time limits are told by the monotonic clock.
    of_boot: FxHashSet<usize>,
    /// The locks for readers and writers that are held here, and how often.
    held: FxHashMap<usize, u32>,
    barriers: FxHashMap<usize, Barrier>,
}

/// A barrier of a C library (`pthread_barrier_wait(3)`).
struct Barrier {
    needed: u32,
    arrived: u32,
    /// How often all have arrived.
    rounds: u32,
}

/// Who has come to a barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// One who has to wait for the end of this round.
    Early { round: u32 },
    /// The last one, with whom all go on.
    Last,
}

struct Live {
    thread: Rc<Thread>,
    /// Nobody will join it.
    detached: bool,
}

struct Waiting {
    thread: ThreadId,
    wait: Wait,
    until: Option<u64>,
}

impl Threads {
    /// Whether there is only the main thread.
    pub(crate) fn is_alone(&self) -> bool {
        self.live.len() <= 1
    }

    /// How many have not ended.
    pub(crate) fn live(&self) -> usize {
        self.live.len()
    }

    /// Those that wait for a change of a word, and its address.
    pub(crate) fn at_futexes(&self) -> impl Iterator<Item = (&Thread, usize)> {
        self.waiting.iter().filter_map(|waiting| {
            let live = (self.live.iter()).find(|live| live.thread.id() == waiting.thread)?;
            match waiting.wait {
                Wait::Futex { address, .. } => Some((&*live.thread, address)),
                _ => None,
            }
        })
    }

    /// Those that have not ended, in the order of their start.
    pub(crate) fn ids(&self) -> Vec<ThreadId> {
        self.live.iter().map(|live| live.thread.id()).collect()
    }

    /// The one that has not ended with this `pthread_t`.
    pub(crate) fn find(&self, handle: usize) -> Option<ThreadId> {
        let mut live = self.live.iter();
        let found = live.find(|live| live.thread.handle() == handle);
        found.map(|live| live.thread.id())
    }

    /// Ends the wait of a thread before its time, if it waits.
    pub(crate) fn interrupt(&mut self, thread: ThreadId) {
        let mut waiting = self.waiting.iter();
        if let Some(place) = waiting.position(|waiting| waiting.thread == thread) {
            self.waiting.remove(place);
            self.ready.push_back((thread, Outcome::Interrupted));
        }
    }

    /// The id of a further thread.
    pub(crate) fn next_id(&mut self) -> ThreadId {
        self.started += 1;
        ThreadId(self.started)
    }

    /// A thread was started. It runs when its turn comes.
    pub(crate) fn add(&mut self, thread: Rc<Thread>) {
        self.ready.push_back((thread.id(), Outcome::Woken));
        let detached = false;
        self.live.push(Live { thread, detached });
    }

    /// What has become of the thread with this `pthread_t`. One that has ended is the caller's.
    pub(crate) fn take_ended(&mut self, handle: usize) -> Ended {
        if let Some(place) = self.ended.iter().position(|ended| ended.handle() == handle) {
            return Ended::With(self.ended.remove(place));
        }
        match self.live.iter().any(|live| live.thread.handle() == handle) {
            true => Ended::Not,
            false => Ended::Unknown,
        }
    }

    /// Nobody is going to join a thread.
    pub(crate) fn detach(&mut self, handle: usize) -> Ended {
        let mut live = self.live.iter_mut();
        if let Some(live) = live.find(|live| live.thread.handle() == handle) {
            live.detached = true;
        }
        self.take_ended(handle)
    }

    /// Whether one of them has its context from this thread of the host.
    pub(crate) fn is_on(&self, host_number: i32) -> bool {
        self.live
            .iter()
            .any(|live| live.thread.host_number() == host_number)
    }

    /// The running thread ends.
    pub(crate) fn end(&mut self, id: ThreadId) {
        let Some(place) = self.live.iter().position(|live| live.thread.id() == id) else {
            return;
        };
        let Live { thread, detached } = self.live.remove(place);
        let ended = thread.handle();
        self.wake_if(
            usize::MAX,
            |wait| matches!(wait, Wait::End(handle) if *handle == ended),
        );
        // Who has resumed it keeps the other until it is off its stack.
        if !detached {
            self.ended.push(thread);
        }
    }

    /// The running thread waits.
    pub(crate) fn wait(&mut self, thread: ThreadId, wait: Wait, until: Option<u64>) {
        self.waiting.push(Waiting {
            thread,
            wait,
            until,
        });
    }

    /// The running thread lets all others go first that can run.
    pub(crate) fn step_back(&mut self, thread: ThreadId) {
        self.ready.push_back((thread, Outcome::Woken));
    }

    /// `FUTEX_WAKE_BITSET`: wakes so many at the most; returns how many.
    pub(crate) fn wake(&mut self, address: usize, most: usize, bits: u32) -> usize {
        let wanted = |wait: &Wait| {
            matches!(wait, Wait::Futex { address: at, bits: which, .. }
                if *at == address && which & bits != 0)
        };
        self.wake_if(most, wanted)
    }

    /// Wakes so many at the most of those who wait for a condition variable.
    pub(crate) fn signal(&mut self, condition: usize, most: usize) {
        self.wake_if(
            most,
            |wait| matches!(wait, Wait::Condition(address) if *address == condition),
        );
    }

    /// Whether the clock for a condition variable's time limits is the monotonic one, as it seldom is.
    pub(crate) fn set_clock(&mut self, condition: usize, of_boot: bool) {
        match of_boot {
            true => self.of_boot.insert(condition),
            false => self.of_boot.remove(&condition),
        };
    }

    pub(crate) fn is_of_boot(&self, condition: usize) -> bool {
        self.of_boot.contains(&condition)
    }

    /// One of the machine's threads has got a lock for readers and writers.
    pub(crate) fn hold(&mut self, lock: usize) {
        *self.held.entry(lock).or_default() += 1;
    }

    /// Whether one of them holds it.
    pub(crate) fn holds(&self, lock: usize) -> bool {
        self.held.contains_key(&lock)
    }

    /// One of them lets it go. Whoever waits for it tries again.
    pub(crate) fn let_go(&mut self, lock: usize) {
        if let Entry::Occupied(mut held) = self.held.entry(lock) {
            *held.get_mut() -= 1;
            if *held.get() == 0 {
                held.remove();
            }
        }
        self.signal(lock, usize::MAX);
    }

    /// A barrier for so many threads is made at this address, or there is none any more.
    pub(crate) fn set_barrier(&mut self, address: usize, needed: Option<u32>) {
        match needed {
            Some(needed) => {
                let barrier = Barrier {
                    needed,
                    arrived: 0,
                    rounds: 0,
                };
                self.barriers.insert(address, barrier);
            }
            None => {
                self.barriers.remove(&address);
            }
        }
    }

    /// A thread comes to a barrier; none if it was not made here. With the last one, all go on.
    pub(crate) fn arrive(&mut self, address: usize) -> Option<Arrival> {
        let barrier = self.barriers.get_mut(&address)?;
        barrier.arrived += 1;
        if barrier.arrived < barrier.needed {
            let round = barrier.rounds;
            return Some(Arrival::Early { round });
        }
        barrier.arrived = 0;
        barrier.rounds += 1;
        self.signal(address, usize::MAX);
        Some(Arrival::Last)
    }

    /// Whether a round of a barrier is over; also if there is none any more.
    pub(crate) fn is_round_over(&self, address: usize, round: u32) -> bool {
        let barrier = self.barriers.get(&address);
        barrier.is_none_or(|barrier| barrier.rounds != round)
    }

    /// Wakes those who wait at an address where there is another value by now. Returns how many.
    pub(crate) fn wake_changed(&mut self, mut changed: impl FnMut(usize, u32) -> bool) -> usize {
        self.wake_if(
            usize::MAX,
            |wait| matches!(*wait, Wait::Futex { address, value, .. } if changed(address, value)),
        )
    }

    fn wake_if(&mut self, most: usize, mut wanted: impl FnMut(&Wait) -> bool) -> usize {
        let ready = &mut self.ready;
        let mut woken = 0;
        self.waiting.retain(|waiting| {
            let wake = woken < most && wanted(&waiting.wait);
            if wake {
                woken += 1;
                ready.push_back((waiting.thread, Outcome::Woken));
            }
            !wake
        });
        woken
    }

    /// Ends the waits whose time limit has come, the earliest first.
    fn expire(&mut self, now: u64) {
        let mut due: Vec<(u64, ThreadId)> = Vec::new();
        self.waiting.retain(|waiting| match waiting.until {
            Some(until) if until <= now => {
                due.push((until, waiting.thread));
                false
            }
            _ => true,
        });
        due.sort_by_key(|&(until, _)| until);
        let expired = due.iter().map(|&(_, thread)| (thread, Outcome::TimedOut));
        self.ready.extend(expired);
    }

    /// The earliest time limit of all waits.
    fn first_limit(&self) -> Option<u64> {
        self.waiting
            .iter()
            .filter_map(|waiting| waiting.until)
            .min()
    }
}

impl Kernel {
    /// Who runs next and how its wait has ended; none if all wait, or have used up their time slice.
    pub(crate) fn next_thread(&mut self) -> Option<(Rc<Thread>, Outcome)> {
        let now = self.time_of_process();
        if self.threads.rests_until.is_some_and(|rested| now < rested) {
            return None;
        }
        self.threads.rests_until = None;
        self.threads.expire(now);
        self.wake_from_kernel();
        let Some((id, outcome)) = self.threads.ready.pop_front() else {
            self.threads.changes = 0;
            return None;
        };
        self.threads.changes += 1;
        if self.threads.changes == CHANGES_PER_SLICE {
            self.threads.changes = 0;
            self.threads.rests_until = Some(self.end_of_slice());
        }
        let live = self
            .threads
            .live
            .iter()
            .find(|live| live.thread.id() == id)?;
        Some((Rc::clone(&live.thread), outcome))
    }

    /// When a time slice that begins now is over.
    pub(crate) fn end_of_slice(&self) -> u64 {
        self.time_of_process().saturating_add(SLICE)
    }

    /// In a dead process, ends the next wait that has a time limit; nobody else sees that time passes. False if there is
    /// none.
    pub(crate) fn wait_for_next_limit(&mut self) -> bool {
        let rested = self.threads.rests_until.take();
        let limit = match self.threads.ready.is_empty() {
            true => self.threads.first_limit(),
            false => rested,
        };
        if let Some(limit) = limit {
            self.be_busy_until(limit);
            self.threads.expire(limit);
        }
        limit.is_some()
    }

    /// When a thread wants to run next.
    pub(super) fn threads_wake(&self) -> Option<u64> {
        let threads = &self.threads;
        let is_over = |waiting: &Waiting| self.is_over(&waiting.wait);
        if threads.ready.is_empty() && !threads.waiting.iter().any(is_over) {
            return threads.first_limit();
        }
        Some(threads.rests_until.unwrap_or(self.now))
    }

    /// Whether a wait for this epoll is over. With an error, if the epoll is gone.
    fn has_event(&self, epoll: i32) -> bool {
        let id = self.descriptors.get(&epoll);
        let slot = id.and_then(|id| self.objects[id.0].as_ref());
        slot.is_none_or(|slot| matches!(&slot.object, Object::Epoll(epoll) if epoll.has_ready()))
    }

    /// Whether what is waited for has come from the network.
    fn is_over(&self, wait: &Wait) -> bool {
        let is_ready = |fd, events| self.readiness(fd).is_ok_and(|ready| ready & events != 0);
        match *wait {
            Wait::Epoll(epoll) => self.has_event(epoll),
            // A dead process has no descriptors: who waits for one may find that out.
            Wait::Ready { .. } | Wait::AnyReady(_) if self.process_is_dead => true,
            Wait::Ready { fd, events } => is_ready(fd, events),
            Wait::AnyReady(ref any) => any.iter().any(|&(fd, events)| is_ready(fd, events)),
            Wait::Acknowledgement(flow) => !self.tcp.is_lingering(flow),
            Wait::Signal { thread, wanted } => self.has_pending(thread, wanted),
            Wait::Futex { .. } | Wait::Condition(_) | Wait::End(_) | Wait::Time => false,
        }
    }

    fn wake_from_kernel(&mut self) {
        let mut place = 0;
        while let Some(waiting) = self.threads.waiting.get(place) {
            if self.is_over(&waiting.wait) {
                let woken = self.threads.waiting.remove(place).thread;
                self.threads.ready.push_back((woken, Outcome::Woken));
            } else {
                place += 1;
            }
        }
    }
}
