//! A process: one tokio runtime, and how its turns begin and end.
//!
//! The runtime is an ordinary current-thread runtime with the ordinary clock. When all its tasks are idle,
//! tokio asks `epoll_wait` to sleep. That is the end of the turn: the kernel notes until when, wakes the
//! future that `block_on` waits for, and returns no events; `block_on` then returns to the world. Before that
//! the process's other threads run until they wait as well; if they have given the tasks something to do,
//! the next turn begins at the same time.

use crate::machine::SharedKernel;
use crate::sys;
use std::future::{poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use tokio::runtime::{Builder, RngSeed, Runtime};

/// What a machine runs: called at every boot for a new main task.
pub(crate) type Program = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>>>;

/// How many events a runtime takes from `epoll_wait` before its tasks run. (Tokio's default is 1024.) In a
/// simulated world a crowd speaks in the same nanosecond; a server that heard all of it first would
/// hold the answers to all of it in its queues, which takes memory and is more than the processor's
/// caches hold. On a real network they come one after the other.
const EVENTS_AT_ONCE: usize = 64;

pub(crate) struct Process {
    runtime: Runtime,
    main_is_over: Arc<AtomicBool>,
}

/// Why a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TurnEnd {
    /// All tasks are idle.
    Asleep,
    /// The main task returned or panicked.
    Exited,
}

impl Process {
    pub(crate) fn start(kernel: &SharedKernel, seed: u64, program: &Program) -> Self {
        sys::on_machine(kernel, || {
            let runtime = Builder::new_current_thread()
                .enable_io()
                .enable_time()
                .max_io_events_per_tick(EVENTS_AT_ONCE)
                .rng_seed(RngSeed::from_bytes(&seed.to_le_bytes()))
                .build()
                .expect("the simulated kernel has epoll and eventfd");
            let main_is_over = Arc::default();
            let main = {
                let _context = runtime.enter();
                // The panic has been noted; the process ends at its first turn.
                catch_unwind(AssertUnwindSafe(program)).unwrap_or_else(|_| Box::pin(ready(())))
            };
            let over = IsOver(Arc::clone(&main_is_over));
            runtime.spawn(async move {
                let _over = over;
                main.await;
            });
            kernel.borrow_mut().begin_turn();
            Self {
                runtime,
                main_is_over,
            }
        })
    }

    /// Runs the process until it sleeps or ends.
    pub(crate) fn turn(&mut self, kernel: &SharedKernel) -> TurnEnd {
        kernel.borrow_mut().begin_turn();
        kernel.borrow_mut().hardware.strikes.set_at_work(true);
        // The root of the tasks is polled at the beginning and at the end of each turn. Whether the main task
        // is over, a flag tells it more cheaply than a handle would.
        let root = poll_fn(|context| {
            if self.main_is_over.load(Ordering::Relaxed) {
                return Poll::Ready(TurnEnd::Exited);
            }
            match kernel.borrow_mut().turn_is_over(context.waker()) {
                true => Poll::Ready(TurnEnd::Asleep),
                false => Poll::Pending,
            }
        });
        sys::on_machine(kernel, || {
            let end = self.runtime.block_on(root);
            if end == TurnEnd::Asleep {
                sys::run_threads();
            }
            end
        })
    }

    /// Drops everything the process had in memory. A destructor that panics harms nobody.
    pub(crate) fn take_apart(self, kernel: &SharedKernel) {
        sys::on_machine(kernel, || {
            let _ = catch_unwind(AssertUnwindSafe(|| {
                drop(kernel.borrow_mut().take_turn_waker());
                self.runtime.shutdown_background();
            }));
        });
    }
}

/// Says that the main task has returned or panicked, when it is dropped with the task.
struct IsOver(Arc<AtomicBool>);

impl Drop for IsOver {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
