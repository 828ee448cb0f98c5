//! Many runs on all cores, with results in the order of the jobs.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

/// As many jobs at a time as there are cores.
pub fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Does `work` for every job, `at_a_time` of them at once, and gives the results to `done` in the
/// order of the jobs, whatever the order in which they are finished.
pub fn parallel<J: Sync, R: Send>(
    jobs: &[J],
    at_a_time: usize,
    work: impl Fn(&J) -> R + Sync,
    mut done: impl FnMut(usize, R),
) {
    let next = AtomicUsize::new(0);
    let (finished, results) = mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..at_a_time.min(jobs.len()) {
            let finished = finished.clone();
            scope.spawn(|| {
                let finished = finished;
                while let number = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(job) = jobs.get(number)
                    && finished.send((number, work(job))).is_ok()
                {}
            });
        }
        drop(finished);
        let mut waiting = BTreeMap::new();
        let mut due = 0;
        for (number, result) in results {
            waiting.insert(number, result);
            while let Some(result) = waiting.remove(&due) {
                done(due, result);
                due += 1;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::parallel;

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        let jobs: Vec<u64> = (0..100).collect();
        let mut results = Vec::new();
        let work = |job: &u64| {
            std::thread::sleep(std::time::Duration::from_micros((100 - job) * 10));
            job * 2
        };
        parallel(&jobs, 4, work, |number, result| {
            results.push((number, result))
        });
        let expected: Vec<_> = jobs.iter().map(|job| (*job as usize, job * 2)).collect();
        assert_eq!(results, expected);
    }
}
