//! The one loop over many runs: on all cores, within a time budget, until it is told to stop.
//!
//! The jobs are never listed in memory, so a billion seeds cost no more than ten.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

/// Set when nothing more is to be begun; jobs already begun are finished.
pub type Stop = Arc<AtomicBool>;

/// How much may be done at a time, and until when.
#[derive(Clone, Debug)]
pub struct Effort {
    /// How many jobs at a time.
    pub jobs: usize,
    /// How long new jobs are begun, at most.
    pub longest: Option<Duration>,
    /// Set to end it early.
    pub stop: Stop,
}

impl Default for Effort {
    /// As many jobs at a time as there are cores, until all are done.
    fn default() -> Self {
        Effort {
            jobs: default_jobs(),
            longest: None,
            stop: Stop::default(),
        }
    }
}

/// As many jobs at a time as there are cores.
pub fn default_jobs() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// Does `work` for every job, and gives the results to `done` in the order of the jobs, whatever
/// order they finish in. Returns how many were done: all, unless the time ran out or it was told to
/// stop.
pub fn parallel<J: Send, R: Send>(
    jobs: impl IntoIterator<Item = J, IntoIter: Send>,
    effort: &Effort,
    work: impl Fn(&J) -> R + Sync,
    mut done: impl FnMut(J, R),
) -> u64 {
    let began = Instant::now();
    let is_over = || {
        let late = effort.longest.is_some_and(|most| began.elapsed() >= most);
        late || effort.stop.load(Ordering::Relaxed)
    };
    let next = Mutex::new((0..).zip(jobs));
    let take = || next.lock().unwrap_or_else(PoisonError::into_inner).next();
    let (finished, results) = mpsc::channel();
    let mut due = 0;
    std::thread::scope(|scope| {
        for _ in 0..effort.jobs.max(1) {
            let finished = finished.clone();
            scope.spawn(|| {
                let finished = finished;
                while !is_over()
                    && let Some((number, job)) = take()
                {
                    let result = work(&job);
                    if finished.send((number, job, result)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(finished);
        let mut waiting = BTreeMap::new();
        for (number, job, result) in results {
            waiting.insert(number, (job, result));
            while let Some((job, result)) = waiting.remove(&due) {
                done(job, result);
                due += 1;
            }
        }
    });
    due
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effort(jobs: usize) -> Effort {
        Effort {
            jobs,
            ..Effort::default()
        }
    }

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        let mut results = Vec::new();
        let work = |job: &u64| {
            std::thread::sleep(Duration::from_micros((100 - job) * 10));
            job * 2
        };
        let done = parallel(0..100, &effort(4), work, |job, result| {
            results.push((job, result));
        });
        let expected: Vec<(u64, u64)> = (0..100).map(|job| (job, job * 2)).collect();
        assert_eq!((done, results), (100, expected));
    }

    #[test]
    fn nothing_is_begun_after_somebody_has_said_stop_and_nothing_done_is_lost() {
        let effort = effort(2);
        let mut last = 0;
        let work = |job: &u64| {
            effort.stop.fetch_or(*job == 20, Ordering::Relaxed);
        };
        // More seeds than would fit in any memory.
        let done = parallel(0..u64::MAX, &effort, work, |job, ()| last = job);
        assert!((21..30).contains(&done), "{done}");
        assert_eq!(last + 1, done);
    }

    #[test]
    fn nothing_is_begun_after_the_time_is_over() {
        let effort = Effort {
            longest: Some(Duration::ZERO),
            ..effort(2)
        };
        assert_eq!(parallel(0..10, &effort, |_| (), |_, ()| ()), 0);
    }
}
