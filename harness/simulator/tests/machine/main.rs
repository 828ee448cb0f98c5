//! What a machine has: a processor, clocks, threads, signals, files, disks and an environment, and
//! what programs make of them.

mod clocks;
mod conditions;
mod cpu;
mod disk;
mod environment;
mod failing_disk;
mod files;
mod preemption;
mod programs;
mod signals;
mod threads;

use squall_simulator::simulate;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// Lets a program run alone for a minute, and returns what it reports.
fn told_by<T, F, Fut>(program: F) -> Vec<T>
where
    T: Send + 'static,
    F: Fn(Sender<T>) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    simulate(1, |world| {
        let (tell, told) = channel();
        world.machine("server", move || program(tell.clone()));
        world.run_until(60 * SECOND).unwrap();
        assert_eq!(world.panics(), []);
        told.try_iter().collect()
    })
}
