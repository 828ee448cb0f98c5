//! Which thread of a process runs next, and how long all of them wait.

use super::{CHANGES_PER_SLICE, Lent, Outcome, Wait, Waiting};
use crate::kernel::{Kernel, Object, SLICE};
use std::rc::Rc;

impl Kernel {
    /// The next thread to run and how its wait ended; none if all are waiting, or have used up
    /// their time slice.
    pub(crate) fn next_thread(&mut self) -> Option<(Rc<dyn Lent>, Outcome)> {
        let now = self.time_of_process();
        if self.threads.rests_until.is_some_and(|rested| now < rested) {
            return None;
        }
        self.threads.rests_until = None;
        self.threads.expire(now);
        self.wake_from_kernel();
        let Some((id, outcome)) = self.threads.take_ready() else {
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

    /// The running thread makes a call. Returns whether it loses the processor to the others.
    #[inline]
    pub(crate) fn loses_processor(&mut self) -> bool {
        self.threads.can_be_preempted() && self.counts_to_preemption()
    }

    #[cold]
    fn counts_to_preemption(&mut self) -> bool {
        let loses = !self.process_is_dead && self.threads.count_call();
        if loses {
            self.hardware.preempted.push(self.now);
        }
        loses
    }

    /// When a time slice that begins now ends.
    pub(crate) fn end_of_slice(&self) -> u64 {
        self.time_of_process().saturating_add(SLICE)
    }

    /// In a dead process, ends the next wait that has a time limit; nothing else sees time pass.
    /// False if there is none.
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

    /// When a thread next wants to run.
    pub(in crate::kernel) fn threads_wake(&self) -> Option<u64> {
        let threads = &self.threads;
        let is_over = |waiting: &Waiting| self.is_over(&waiting.wait);
        if threads.ready.is_empty() && !threads.waiting.iter().any(is_over) {
            return threads.first_limit();
        }
        Some(threads.rests_until.unwrap_or(self.now))
    }

    /// Whether a wait for this epoll has ended, possibly because the epoll is gone.
    fn has_event(&self, epoll: i32) -> bool {
        let id = self.descriptors.get(&epoll);
        let slot = id.and_then(|id| self.objects[id.0].as_ref());
        slot.is_none_or(|slot| matches!(&slot.object, Object::Epoll(epoll) if epoll.has_ready()))
    }

    /// Whether the event that this waits for has arrived.
    fn is_over(&self, wait: &Wait) -> bool {
        let is_ready = |fd, events| self.readiness(fd).is_ok_and(|ready| ready & events != 0);
        match *wait {
            Wait::Epoll(epoll) => self.has_event(epoll),
            // A dead process has no descriptors: a thread that waits for one may find that out.
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
