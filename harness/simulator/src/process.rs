//! A process: one tokio runtime, and how its turns begin and end.
//!
//! The runtime is an ordinary current-thread runtime with the ordinary clock. When all its tasks are idle,
//! tokio asks `epoll_wait` to sleep. That is the end of the turn: the kernel notes until when, wakes the
//! future that `block_on` waits for, and returns no events; `block_on` then returns to the world.

use crate::machine::SharedKernel;
use crate::sys;
use std::future::{poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use tokio::runtime::{Builder, RngSeed, Runtime};
use tokio::task::JoinHandle;

/// What a machine runs: called at every boot for a new main task.
pub(crate) type Program = Box<dyn Fn() -> Pin<Box<dyn Future<Output = ()> + Send>>>;

pub(crate) struct Process {
    runtime: Runtime,
    main: JoinHandle<()>,
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
                .rng_seed(RngSeed::from_bytes(&seed.to_le_bytes()))
                .build()
                .expect("the simulated kernel has epoll and eventfd");
            let main = {
                let _context = runtime.enter();
                match catch_unwind(AssertUnwindSafe(program)) {
                    Ok(main) => runtime.spawn(main),
                    // The panic has been noted; the process ends at its first turn.
                    Err(_) => runtime.spawn(ready(())),
                }
            };
            kernel.borrow_mut().begin_turn();
            Self { runtime, main }
        })
    }

    /// Runs the process until it sleeps or ends.
    pub(crate) fn turn(&mut self, kernel: &SharedKernel) -> TurnEnd {
        kernel.borrow_mut().begin_turn();
        let main = &mut self.main;
        let root = poll_fn(|context| {
            if Pin::new(&mut *main).poll(context).is_ready() {
                return Poll::Ready(TurnEnd::Exited);
            }
            match kernel.borrow_mut().turn_is_over(context.waker()) {
                true => Poll::Ready(TurnEnd::Asleep),
                false => Poll::Pending,
            }
        });
        sys::on_machine(kernel, || self.runtime.block_on(root))
    }

    /// Drops everything the process had in memory. A destructor that panics harms nobody.
    pub(crate) fn take_apart(self, kernel: &SharedKernel) {
        sys::on_machine(kernel, || {
            let _ = catch_unwind(AssertUnwindSafe(|| {
                drop(kernel.borrow_mut().take_turn_waker());
                drop(self.main);
                self.runtime.shutdown_background();
            }));
        });
    }
}
