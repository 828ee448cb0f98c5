//! Barriers of C libraries (`pthread_barrier_wait(3)`), which would wait unseen inside libc.
//!
//! On a machine, arrivals at a barrier are recorded in the machine's books. Not covered: a barrier
//! created outside the machine's process; it waits for real.

use super::here::{EntryPoint, machine};
use super::waiting;
use crate::host::real::Original;
use crate::kernel::Kernel;
use crate::kernel::threads::{Arrival, Wait};
use libc::{c_int, c_uint, c_void, pthread_barrier_t, pthread_barrierattr_t};
use std::mem::transmute;

type Init =
    unsafe extern "C" fn(*mut pthread_barrier_t, *const pthread_barrierattr_t, c_uint) -> c_int;
type OfBarrier = unsafe extern "C" fn(*mut pthread_barrier_t) -> c_int;

static INIT: Original = Original::new(c"pthread_barrier_init");
static WAIT: Original = Original::new(c"pthread_barrier_wait");
static DESTROY: Original = Original::new(c"pthread_barrier_destroy");

/// libc's own function on a barrier.
fn original(function: &Original) -> OfBarrier {
    // SAFETY: the two functions passed have this type.
    unsafe { transmute::<*mut c_void, OfBarrier>(function.get()) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_barrier_init(
    barrier: *mut pthread_barrier_t,
    attributes: *const pthread_barrierattr_t,
    count: c_uint,
) -> c_int {
    // SAFETY: guaranteed by the caller, as for pthread_barrier_init(3); the original has this type.
    let error = unsafe { transmute::<*mut c_void, Init>(INIT.get())(barrier, attributes, count) };
    if error == 0 {
        machine(|kernel| kernel.threads.set_barrier(barrier as usize, Some(count)));
    }
    error
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_barrier_destroy(barrier: *mut pthread_barrier_t) -> c_int {
    machine(|kernel| kernel.threads.set_barrier(barrier as usize, None));
    // SAFETY: the barrier is the caller's. As far as libc knows, no thread waits at it.
    unsafe { original(&DESTROY)(barrier) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn pthread_barrier_wait(barrier: *mut pthread_barrier_t) -> c_int {
    match machine(|kernel| kernel.threads.arrive(barrier as usize)).flatten() {
        // SAFETY: the barrier is the caller's.
        None => unsafe { original(&WAIT)(barrier) },
        Some(Arrival::Last) => libc::PTHREAD_BARRIER_SERIAL_THREAD,
        Some(Arrival::Early { round }) => {
            let address = barrier as usize;
            let is_over = |kernel: &mut Kernel| kernel.threads.is_round_over(address, round);
            while machine(is_over) == Some(false) {
                waiting::wait(Wait::Condition(address), None);
            }
            0
        }
    }
}

/// The entry points in this file, for the check at startup.
pub(super) fn all() -> Vec<EntryPoint> {
    entry_points![
        pthread_barrier_init,
        pthread_barrier_destroy,
        pthread_barrier_wait
    ]
}
