//! The threads of a process: which of them may run, and what the others wait for.
//!
//! This is only bookkeeping. Exactly one thread of a world runs at a time; `sys::threads` runs them
//! according to what is recorded here. Threads run in the order in which they became ready, and
//! threads waiting for the same thing are woken in the order in which they began to wait.

mod calls;

use super::ids::{FlowId, ThreadId};
use super::preemption::Preemption;
use super::signals::SignalSet;
use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::VecDeque;
use std::collections::hash_map::Entry;
use std::ffi::c_void;
use std::rc::Rc;

/// After this many thread switches without time passing, the threads have used up their slice.
const CHANGES_PER_SLICE: u32 = 4096;

/// What a thread waits for, apart from its time limit.
#[derive(Clone, Debug)]
pub(crate) enum Wait {
    /// A wake-up at this address, which had this value, with one of these bits (`futex(2)`).
    Futex {
        address: usize,
        value: u32,
        bits: u32,
    },
    /// A signal for what is at this address: a condition variable (`pthread_cond_wait(3)`), a
    /// semaphore, a barrier, a read-write lock.
    Condition(usize),
    /// The end of the thread with this handle (`pthread_join(3)`).
    End(usize),
    /// An event for this epoll.
    Epoll(i32),
    /// One of these events of this descriptor, in the bits of `epoll_ctl(2)`.
    Ready { fd: i32, events: u32 },
    /// One of these events of one of these descriptors.
    AnyReady(Rc<[(i32, u32)]>),
    /// The peer's acknowledgement of everything sent on a closed connection.
    Acknowledgement(FlowId),
    /// One of these signals for this thread, which blocks them (`sigwait(3)`).
    Signal { thread: ThreadId, wanted: SignalSet },
    /// Nothing but its time limit.
    Time,
}

/// How a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// What it waited for has happened.
    Woken,
    /// The time limit came first.
    TimedOut,
    /// A signal came first, and the thread has to run a handler for it.
    Interrupted,
}

/// A thread that the world's thread can become.
pub(crate) trait Lent {
    /// Its number within its process.
    fn id(&self) -> ThreadId;

    /// The `pthread_t`.
    fn handle(&self) -> usize;

    /// The host's number of the lending thread: the owner of locks.
    fn host_number(&self) -> i32;

    /// Becomes this thread until it waits or ends. To be called by the world's own thread.
    fn resume(&self, outcome: Outcome);

    /// The result with which it ended.
    fn result(&self) -> *mut c_void;

    /// Whether this address is among its thread-locals.
    fn has_local(&self, address: usize) -> bool;
}

/// What has become of a thread.
pub(crate) enum Ended {
    /// It has not ended.
    Not,
    /// It has ended: this is it, for the first caller.
    With(Rc<dyn Lent>),
    /// The machine knows no such thread.
    Unknown,
}

#[derive(Default)]
pub(crate) struct Threads {
    /// Those that have not ended, in the order in which they were started.
    live: Vec<Live>,
    /// Those that have ended, but have not been joined.
    ended: Vec<Rc<dyn Lent>>,
    /// Waiting threads, in the order in which they began to wait.
    waiting: Vec<Waiting>,
    ready: VecDeque<(ThreadId, Outcome)>,
    started: u32,
    changes: u32,
    /// The time slice is used up: no thread runs before this time.
    rests_until: Option<u64>,
    /// The condition variables with time limits on the monotonic clock.
    of_boot: FxHashSet<usize>,
    /// The read-write locks that are held here, and how often.
    held: FxHashMap<usize, u32>,
    /// Set if they can be pre-empted.
    preemption: Option<Box<Preemption>>,
    barriers: FxHashMap<usize, Barrier>,
}

/// A C library barrier (`pthread_barrier_wait(3)`).
struct Barrier {
    needed: u32,
    arrived: u32,
    /// How often all threads have arrived.
    rounds: u32,
}

/// A thread's arrival at a barrier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// It has to wait for the end of this round.
    Early { round: u32 },
    /// It is the last one, and all continue.
    Last,
}

struct Live {
    thread: Rc<dyn Lent>,
    /// It will not be joined.
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
    pub(crate) fn at_futexes(&self) -> impl Iterator<Item = (&dyn Lent, usize)> {
        self.waiting.iter().filter_map(|waiting| {
            let live = (self.live.iter()).find(|live| live.thread.id() == waiting.thread)?;
            match waiting.wait {
                Wait::Futex { address, .. } => Some((&*live.thread, address)),
                _ => None,
            }
        })
    }

    /// Those that have not ended, in the order in which they were started.
    pub(crate) fn ids(&self) -> Vec<ThreadId> {
        self.live.iter().map(|live| live.thread.id()).collect()
    }

    /// The thread with this `pthread_t`, unless it has ended.
    pub(crate) fn find(&self, handle: usize) -> Option<ThreadId> {
        let mut live = self.live.iter();
        let found = live.find(|live| live.thread.handle() == handle);
        found.map(|live| live.thread.id())
    }

    /// Ends the wait of a thread early, if it is waiting.
    pub(crate) fn interrupt(&mut self, thread: ThreadId) {
        let mut waiting = self.waiting.iter();
        if let Some(place) = waiting.position(|waiting| waiting.thread == thread) {
            self.waiting.remove(place);
            self.ready.push_back((thread, Outcome::Interrupted));
        }
    }

    /// The id for a new thread.
    pub(crate) fn next_id(&mut self) -> ThreadId {
        self.started += 1;
        ThreadId(self.started)
    }

    /// A thread was started. It runs when its turn comes.
    pub(crate) fn add(&mut self, thread: Rc<dyn Lent>) {
        debug_assert!(!self.is_live(thread.id()), "a thread starts once");
        self.ready.push_back((thread.id(), Outcome::Woken));
        let detached = false;
        self.live.push(Live { thread, detached });
    }

    /// What has become of the thread with this `pthread_t`. If it has ended, the caller takes it
    /// over.
    pub(crate) fn take_ended(&mut self, handle: usize) -> Ended {
        if let Some(place) = self.ended.iter().position(|ended| ended.handle() == handle) {
            return Ended::With(self.ended.remove(place));
        }
        match self.live.iter().any(|live| live.thread.handle() == handle) {
            true => Ended::Not,
            false => Ended::Unknown,
        }
    }

    /// A thread will not be joined.
    pub(crate) fn detach(&mut self, handle: usize) -> Ended {
        let mut live = self.live.iter_mut();
        if let Some(live) = live.find(|live| live.thread.handle() == handle) {
            live.detached = true;
        }
        self.take_ended(handle)
    }

    /// Whether one of them borrows its context from this thread of the host.
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
        // Its resumer keeps the other reference until it has left its stack.
        if !detached {
            self.ended.push(thread);
        }
    }

    /// The running thread waits.
    pub(crate) fn wait(&mut self, thread: ThreadId, wait: Wait, until: Option<u64>) {
        debug_assert!(self.is_running(thread), "who waits was running");
        self.waiting.push(Waiting {
            thread,
            wait,
            until,
        });
    }

    /// The running thread lets all others that can run go first.
    pub(crate) fn step_back(&mut self, thread: ThreadId) {
        debug_assert!(self.is_running(thread), "who steps back was running");
        self.ready.push_back((thread, Outcome::Woken));
    }

    /// From now on the threads are pre-empted in this way.
    pub(crate) fn preempt_by(&mut self, preemption: Preemption) {
        self.preemption = Some(Box::new(preemption));
    }

    /// Whether a thread can lose the processor to another.
    #[inline]
    fn can_be_preempted(&self) -> bool {
        self.preemption.is_some() && !self.is_alone()
    }

    /// The running thread makes a call. Returns whether it loses the processor.
    fn count_call(&mut self) -> bool {
        let preemption = self.preemption.as_mut();
        preemption.is_some_and(|preemption| preemption.count_call())
    }

    /// The running thread loses the processor to all others that can run.
    pub(crate) fn preempt(&mut self, thread: ThreadId) {
        if let Some(preemption) = &mut self.preemption {
            preemption.lower(thread);
        }
        self.step_back(thread);
    }

    fn is_live(&self, thread: ThreadId) -> bool {
        self.live.iter().any(|live| live.thread.id() == thread)
    }

    /// Neither ready, waiting nor ended: at most one thread is.
    fn is_running(&self, thread: ThreadId) -> bool {
        let is_ready = self.ready.iter().any(|(ready, _)| *ready == thread);
        let waits = self.waiting.iter().any(|waiting| waiting.thread == thread);
        self.is_live(thread) && !is_ready && !waits
    }

    /// The thread to run next.
    fn take_ready(&mut self) -> Option<(ThreadId, Outcome)> {
        let Some(preemption) = &mut self.preemption else {
            return self.ready.pop_front();
        };
        let place = preemption.choose(self.ready.iter().map(|(thread, _)| *thread))?;
        self.ready.remove(place)
    }

    /// `FUTEX_WAKE_BITSET`: wakes at most `most` threads; returns how many.
    pub(crate) fn wake(&mut self, address: usize, most: usize, bits: u32) -> usize {
        let wanted = |wait: &Wait| {
            matches!(wait, Wait::Futex { address: at, bits: which, .. }
                if *at == address && which & bits != 0)
        };
        self.wake_if(most, wanted)
    }

    /// Wakes at most `most` waiters of a condition variable.
    pub(crate) fn signal(&mut self, condition: usize, most: usize) {
        self.wake_if(
            most,
            |wait| matches!(wait, Wait::Condition(address) if *address == condition),
        );
    }

    /// Whether a condition variable's time limits are on the monotonic clock, which is rare.
    pub(crate) fn set_clock(&mut self, condition: usize, of_boot: bool) {
        match of_boot {
            true => self.of_boot.insert(condition),
            false => self.of_boot.remove(&condition),
        };
    }

    pub(crate) fn is_of_boot(&self, condition: usize) -> bool {
        self.of_boot.contains(&condition)
    }

    /// One of the machine's threads has acquired a read-write lock.
    pub(crate) fn hold(&mut self, lock: usize) {
        *self.held.entry(lock).or_default() += 1;
    }

    /// Whether one of them holds it.
    pub(crate) fn holds(&self, lock: usize) -> bool {
        self.held.contains_key(&lock)
    }

    /// One of them releases it. Its waiters try again.
    pub(crate) fn let_go(&mut self, lock: usize) {
        if let Entry::Occupied(mut held) = self.held.entry(lock) {
            *held.get_mut() -= 1;
            if *held.get() == 0 {
                held.remove();
            }
        }
        self.signal(lock, usize::MAX);
    }

    /// A barrier for this many threads is created at this address, or removed.
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

    /// A thread arrives at a barrier; none if the barrier was not created here. With the last
    /// thread, all continue.
    pub(crate) fn arrive(&mut self, address: usize) -> Option<Arrival> {
        let barrier = self.barriers.get_mut(&address)?;
        debug_assert!(barrier.arrived < barrier.needed, "a full barrier opens");
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

    /// Whether a round of a barrier has ended; also if the barrier is gone.
    pub(crate) fn is_round_over(&self, address: usize, round: u32) -> bool {
        let barrier = self.barriers.get(&address);
        barrier.is_none_or(|barrier| barrier.rounds != round)
    }

    /// Wakes the threads waiting at an address whose value has changed by now. Returns how many.
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

    /// Ends the waits whose time limit has passed, earliest first.
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
