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

    /// Whether to admit one more.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        let paid_until = self.paid_until.max(now) + self.each;
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
        let admitted = |gauge: &mut Gauge, at| (0..5).filter(|_| gauge.admits(at)).count();
        assert_eq!(admitted(&mut gauge, start), 3);
        assert_eq!(admitted(&mut gauge, start + Duration::from_millis(199)), 1);
        assert_eq!(admitted(&mut gauge, start + Duration::from_secs(60)), 3);
    }
}
