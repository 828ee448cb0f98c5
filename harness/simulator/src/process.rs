//! A process: its main thread, and how its turns begin and end.
//!
//! A turn begins when something has arrived that one of its threads waits for, and ends when all of
//! them wait. A process ends with its main thread, whatever the others do.
//!
//! A machine runs what a `main` can be: a function ([`Main`]). An `async` one gets what
//! `#[tokio::main]` would give it, on one thread.

use crate::kernel::SharedKernel;
use crate::sys;
use std::convert::Infallible;
use std::fmt::Debug;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::rc::Rc;
use std::task::Poll;
use tokio::runtime::{Builder, Runtime};

/// What a machine runs: its main thread calls it at every boot.
pub(crate) type Program = Rc<dyn Fn()>;

/// What a machine can run, which is what `main` can be: a function that returns nothing, a result
/// or an exit code, or an asynchronous one of these.
///
/// The process ends when it returns or panics. A failure is noted as a panic would be
/// ([`World::panics`](crate::World::panics)). It is called again at every boot.
///
/// `Kind` distinguishes functions from asynchronous functions, and is inferred by the compiler.
pub trait Main<Kind>: 'static {
    /// Runs the program, on the main thread of a process.
    #[doc(hidden)]
    fn run(&self);
}

/// A function, as in [`Main`].
#[derive(Debug)]
pub struct Function<T>(Infallible, T);

/// An asynchronous function, as in [`Main`].
#[derive(Debug)]
pub struct AsyncFunction<T>(Infallible, T);

impl<F, T> Main<Function<T>> for F
where
    F: Fn() -> T + 'static,
    T: Ending,
{
    fn run(&self) {
        conclude(self());
    }
}

impl<F, T> Main<AsyncFunction<T>> for F
where
    F: Fn() -> T + 'static,
    T: Future<Output: Ending>,
{
    fn run(&self) {
        block_on(self);
    }
}

/// What `main` can return.
pub trait Ending {
    /// Why the program failed; none if it did not.
    #[doc(hidden)]
    fn failure(self) -> Option<String>;
}

impl Ending for () {
    fn failure(self) -> Option<String> {
        None
    }
}

/// A way to name `!`, the type of something that never returns, in stable Rust.
#[doc(hidden)]
pub trait Returns {
    /// The return type.
    type Type;
}

impl<T> Returns for fn() -> T {
    type Type = T;
}

impl Ending for <fn() -> ! as Returns>::Type {
    fn failure(self) -> Option<String> {
        self
    }
}

impl Ending for ExitCode {
    fn failure(self) -> Option<String> {
        (self != ExitCode::SUCCESS).then(|| format!("the program ended with {self:?}"))
    }
}

impl<T: Ending, E: Debug> Ending for Result<T, E> {
    fn failure(self) -> Option<String> {
        match self {
            Ok(ending) => ending.failure(),
            Err(error) => Some(format!("the program ended with an error: {error:?}")),
        }
    }
}

fn conclude(ending: impl Ending) {
    if let Some(failure) = ending.failure() {
        sys::note_failure(failure);
    }
}

/// Runs an asynchronous program on a current-thread runtime, until it finishes or its process is
/// dead.
fn block_on<T: Future<Output: Ending>>(program: impl FnOnce() -> T) {
    let mut runtime = Builder::new_current_thread();
    runtime.enable_io().enable_time();
    // Each machine has a buffer for as many, and tokio's default of 1,024 takes 12 KiB.
    runtime.max_io_events_per_tick(128);
    // Without the flag, the runtime's seed depends on how many runtimes there have been in this
    // process, which only an isolated run can know.
    #[cfg(tokio_unstable)]
    runtime.rng_seed(tokio::runtime::RngSeed::from_bytes(
        &sys::seed_of_runtime().to_le_bytes(),
    ));
    let runtime = runtime
        .build()
        .expect("the simulated kernel has epoll and eventfd");
    let runtime = AtItsEnd(Some(runtime));
    let entered = runtime.0.as_ref().expect("it has not ended");
    let mut main = {
        let _context = entered.enter();
        Box::pin(program())
    };
    let over = entered.block_on(poll_fn(|context| {
        match sys::ask_for_death(context.waker()) {
            true => Poll::Ready(None),
            false => main.as_mut().poll(context).map(Some),
        }
    }));
    if let Some(ending) = over {
        conclude(ending);
    }
    drop(runtime);
}

/// The runtime of a main task. The process ends with it: the destructors of other tasks change
/// nothing.
struct AtItsEnd(Option<Runtime>);

impl Drop for AtItsEnd {
    fn drop(&mut self) {
        sys::main_is_over();
        // A panic in a destructor does no harm.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            if let Some(runtime) = self.0.take() {
                runtime.shutdown_background();
            }
        }));
    }
}

pub(crate) struct Process {
    kernel: SharedKernel,
}

impl Process {
    pub(crate) fn start(kernel: &SharedKernel, program: &Program) -> Self {
        let program = Rc::clone(program);
        sys::start_main(kernel, move || program());
        Self {
            kernel: Rc::clone(kernel),
        }
    }

    /// Runs the process until all its threads wait or it is dead.
    pub(crate) fn turn(&self) {
        self.kernel.borrow_mut().begin_turn();
        sys::run_threads(&self.kernel);
        let now = sys::world_time();
        self.kernel.borrow_mut().hardware.memory.end_turn(now);
        if let Some(hook) = sys::take_hook_of_program() {
            self.kernel.borrow_mut().hook = Some(hook);
        }
    }

    /// Ends a dead process. The destructors of threads that finish run, but change nothing. Returns
    /// how many threads do not finish.
    pub(crate) fn end(self) -> usize {
        let kernel = self.kernel;
        let waker = kernel.borrow_mut().take_main_waker();
        sys::on_machine(&kernel, || {
            if let Some(waker) = waker {
                waker.wake();
            }
        });
        sys::end_threads(&kernel)
    }
}
