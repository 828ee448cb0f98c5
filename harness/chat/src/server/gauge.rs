//! How much one session may send.

use std::time::Duration;
use tokio::time::Instant;

/// Admits a limited number of things per second over time, and a limited number at once. It
/// remembers one moment: the one up to which everything admitted is paid for (the generic cell rate
/// algorithm).
#[derive(Debug)]
pub(super) struct Gauge {
    each: Duration,
    at_once: Duration,
    paid_until: Instant,
}

impl Gauge {
    pub(super) fn new(rate: u32, burst: u32, now: Instant) -> Self {
        let each = Duration::from_secs(1) / rate.max(1);
        Self {
            each,
            at_once: each.saturating_mul(burst.max(1)),
            paid_until: now,
        }
    }

    /// Whether to admit this many more. As many as it admits at once count for more than that.
    pub(super) fn admits(&mut self, count: u32, now: Instant) -> bool {
        let cost = self.each.saturating_mul(count).min(self.at_once);
        let paid_until = self.paid_until.max(now) + cost;
        let admitted = paid_until - now <= self.at_once;
        if admitted {
            self.paid_until = paid_until;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let start = Instant::now();
        let mut gauge = Gauge::new(10, 3, start);
        let admitted = |gauge: &mut Gauge, at| (0..5).filter(|_| gauge.admits(1, at)).count();
        assert_eq!(admitted(&mut gauge, start), 3);
        assert_eq!(admitted(&mut gauge, start + Duration::from_millis(199)), 1);
        assert_eq!(admitted(&mut gauge, start + Duration::from_secs(60)), 3);
    }

    #[test]
    fn several_count_as_often_but_never_for_more_than_a_burst() {
        let start = Instant::now();
        let mut gauge = Gauge::new(10, 3, start);
        assert!(gauge.admits(2, start) && !gauge.admits(2, start));
        assert!(gauge.admits(1, start));
        let later = start + Duration::from_millis(299);
        assert!(!gauge.admits(9, later) && gauge.admits(2, later));
        assert!(gauge.admits(9, start + Duration::from_secs(60)));
    }
}
