//! How long to wait before reconnecting: twice as long after each failure, within bounds, and
//! random, so that clients that lost the same server do not all come back at the same moment.

use rand::RngExt;
use std::time::Duration;

/// Counts failures.
#[derive(Debug)]
pub(super) struct Backoff {
    min: Duration,
    max: Duration,
    failures: u32,
}

impl Backoff {
    pub(super) fn new(min: Duration, max: Duration) -> Self {
        Self {
            min,
            max: max.max(min),
            failures: 0,
        }
    }

    /// A connection was established.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// The time to wait now, never outside the bounds.
    pub(super) fn next(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let doubled = 2_u32.saturating_pow(self.failures);
        let ceiling = self.min.saturating_mul(doubled).min(self.max);
        rand::rng().random_range(self.min..=ceiling)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_within_their_bounds_and_grow() {
        let (min, max) = (Duration::from_millis(100), Duration::from_secs(5));
        let mut backoff = Backoff::new(min, max);
        let waits: Vec<Duration> = (0..200).map(|_| backoff.next()).collect();
        assert!(
            waits.iter().all(|wait| (min..=max).contains(wait)),
            "{waits:?}"
        );
        assert!(waits[0] <= min * 2, "{waits:?}");
        assert!(waits.iter().any(|wait| *wait > max / 2), "{waits:?}");
    }

    #[test]
    fn an_established_connection_starts_it_over() {
        let min = Duration::from_millis(100);
        let mut backoff = Backoff::new(min, Duration::from_secs(500));
        for _ in 0..50 {
            backoff.next();
        }
        backoff.reset();
        assert!(backoff.next() <= min * 2);
    }

    #[test]
    fn bounds_that_contradict_each_other_do_not_panic() {
        let mut backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(1));
        assert_eq!(backoff.next(), Duration::from_secs(2));
    }
}
