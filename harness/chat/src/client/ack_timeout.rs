//! How long to wait for an acknowledgement.
//!
//! A client that always waits for less than a round trip never sees an answer, and sends the same
//! message forever. So the wait behaves as for TCP's segments (RFC 6298, section 5.5): it doubles
//! after each overdue acknowledgement, until one comes within the time the user chose.

use std::time::Duration;

/// The longest wait, unless the user asks for more (RFC 6298, section 2.5: at least a minute).
const LONGEST: Duration = Duration::from_secs(60);

/// It outlives connections, because it depends on the path to the server, which does too.
#[derive(Debug)]
pub(super) struct AckTimeout {
    min: Duration,
    current: Duration,
}

impl AckTimeout {
    /// Never waits for less than `min`, and initially no longer.
    pub(super) fn new(min: Duration) -> Self {
        Self { min, current: min }
    }

    /// How long to wait for the next acknowledgement.
    pub(super) fn current(&self) -> Duration {
        self.current
    }

    /// An acknowledgement did not come in time.
    pub(super) fn overdue(&mut self) {
        self.current = self.current.saturating_mul(2).min(LONGEST).max(self.min);
    }

    /// One came after this time.
    pub(super) fn answered(&mut self, after: Duration) {
        if after < self.min {
            self.current = self.min;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: Duration = Duration::from_millis(500);

    #[test]
    fn it_doubles_until_the_answer_has_time_to_come_and_stays_there() {
        let mut timeout = AckTimeout::new(MIN);
        let round_trip = Duration::from_millis(1100);
        let mut retries = 0;
        while timeout.current() < round_trip {
            timeout.overdue();
            retries += 1;
        }
        assert_eq!((retries, timeout.current()), (2, MIN * 4));
        timeout.answered(round_trip);
        assert_eq!(timeout.current(), MIN * 4);
    }

    #[test]
    fn quick_answers_bring_it_back_to_what_the_user_said() {
        let mut timeout = AckTimeout::new(MIN);
        timeout.overdue();
        timeout.answered(Duration::from_millis(40));
        assert_eq!(timeout.current(), MIN);
    }

    #[test]
    fn it_does_not_grow_beyond_a_minute_unless_the_user_said_more() {
        let mut timeout = AckTimeout::new(MIN);
        (0..100).for_each(|_| timeout.overdue());
        assert_eq!(timeout.current(), LONGEST);
        let mut timeout = AckTimeout::new(LONGEST * 2);
        timeout.overdue();
        assert_eq!(timeout.current(), LONGEST * 2);
    }
}
