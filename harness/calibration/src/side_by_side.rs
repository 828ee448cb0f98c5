//! Work shared between several threads.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does the work of all tasks, up to a given number at a time, and reports after each how many are
/// done.
pub(crate) fn side_by_side<T: Sync, R: Send>(
    tasks: &[T],
    at_once: usize,
    work: impl Fn(&T) -> R + Sync,
    progress: impl Fn(usize) + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let result = work(task);
                    let mut results = results.lock().expect("nobody panicked");
                    results.push(result);
                    progress(results.len());
                }
            });
        }
    });
    results.into_inner().expect("nobody panicked")
}
