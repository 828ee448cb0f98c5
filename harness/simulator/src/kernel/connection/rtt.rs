//! How long a round trip takes, and from that how long to wait for an acknowledgement (RFC 6298),
//! with Linux's rule for the variance: it counts for at least 200 ms, and decreases only once per
//! round trip.

use super::clock::millis;
use super::sequence::Seq;

/// The least that a time-out adds to the round trip (`tcp_rto_min_us`).
pub(super) const LEAST_VARIANCE: u64 = millis(200);

/// The longest time-out (`tcp_rto_max_ms`).
pub(super) const LONGEST_TIME_OUT: u64 = millis(120_000);

/// The time-out before the first measurement (RFC 6298, section 2.1).
pub(super) const FIRST_TIME_OUT: u64 = millis(1000);

/// How long the shortest round trip is remembered (`tcp_min_rtt_wlen`).
const MEMORY: u64 = millis(300_000);

#[derive(Clone, Debug)]
pub(super) struct RoundTrip {
    smoothed: Option<u64>,
    /// The mean deviation, times four.
    deviation: u64,
    /// The largest one in this round trip, and the one used in the time-out.
    largest_deviation: u64,
    variance: u64,
    /// When this is acknowledged, a round trip has passed.
    round: Seq,
    least: u64,
    least_at: u64,
}

impl Default for RoundTrip {
    fn default() -> Self {
        Self {
            smoothed: None,
            deviation: 0,
            largest_deviation: 0,
            variance: 0,
            round: Seq(0),
            least: u64::MAX,
            least_at: 0,
        }
    }
}

impl RoundTrip {
    /// Something was acknowledged this long after it had been sent; `una` is the end of what is now
    /// acknowledged, `nxt` the end of what has been sent.
    pub(super) fn sample(&mut self, sample: u64, una: Seq, nxt: Seq) {
        let Some(smoothed) = self.smoothed else {
            self.smoothed = Some(sample.max(1));
            self.deviation = 2 * sample;
            self.variance = self.deviation.max(LEAST_VARIANCE);
            self.largest_deviation = self.variance;
            self.round = nxt;
            return;
        };
        let error = sample.abs_diff(smoothed);
        self.smoothed = Some((smoothed - smoothed / 8 + sample / 8).max(1));
        // `deviation` moves by a quarter towards four times the error, or by a 32nd if the round
        // trip becomes shorter: that is no reason to wait longer.
        let aim = self.deviation / 4;
        self.deviation = match error.checked_sub(aim) {
            None => self.deviation - (aim - error),
            Some(more) if sample < smoothed => self.deviation + more / 8,
            Some(more) => self.deviation + more,
        };
        if self.deviation > self.largest_deviation {
            self.largest_deviation = self.deviation;
            self.variance = self.variance.max(self.largest_deviation);
        }
        if una > self.round {
            if self.largest_deviation < self.variance {
                self.variance -= (self.variance - self.largest_deviation) / 4;
            }
            self.round = nxt;
            self.largest_deviation = LEAST_VARIANCE;
        }
    }

    /// Updates the shortest round trip of the last minutes.
    pub(super) fn note_least(&mut self, now: u64, sample: u64) {
        if sample <= self.least || now - self.least_at > MEMORY {
            (self.least, self.least_at) = (sample, now);
        }
    }

    pub(super) fn smoothed(&self) -> Option<u64> {
        self.smoothed
    }

    pub(super) fn variance(&self) -> u64 {
        self.variance
    }

    /// The shortest one; 2^64 - 1 before the first measurement.
    pub(super) fn least(&self) -> u64 {
        self.least
    }

    /// How long to wait for an acknowledgement.
    pub(super) fn time_out(&self) -> u64 {
        match self.smoothed {
            None => FIRST_TIME_OUT,
            Some(smoothed) => (smoothed + self.variance).min(LONGEST_TIME_OUT),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(samples: &[u64]) -> RoundTrip {
        let mut round_trip = RoundTrip::default();
        for (n, &sample) in samples.iter().enumerate() {
            let nxt = Seq(n as u32 + 2);
            round_trip.sample(millis(sample), Seq(n as u32 + 1), nxt);
        }
        round_trip
    }

    #[test]
    fn the_time_out_is_the_round_trip_and_at_least_200_ms_more() {
        for (samples, time_out) in [(&[][..], 1000), (&[2], 202), (&[100], 300), (&[400], 1200)] {
            assert_eq!(after(samples).time_out(), millis(time_out), "{samples:?}");
        }
    }

    #[test]
    fn a_steady_path_comes_down_to_200_ms_more() {
        let time_out = after(&[400; 60]).time_out();
        assert!((millis(600)..millis(603)).contains(&time_out), "{time_out}");
    }

    #[test]
    fn a_path_that_becomes_slower_is_waited_for_longer() {
        let mut samples = [50; 20].to_vec();
        samples.extend([500; 3]);
        assert!(after(&samples).time_out() > millis(600));
    }

    #[test]
    fn no_time_out_is_longer_than_two_minutes() {
        assert_eq!(after(&[1_000_000]).time_out(), LONGEST_TIME_OUT);
    }

    #[test]
    fn the_shortest_round_trip_is_forgotten_after_five_minutes() {
        let mut round_trip = RoundTrip::default();
        round_trip.note_least(0, millis(10));
        round_trip.note_least(millis(1000), millis(30));
        assert_eq!(round_trip.least(), millis(10));
        round_trip.note_least(millis(300_001), millis(30));
        assert_eq!(round_trip.least(), millis(30));
    }
}
