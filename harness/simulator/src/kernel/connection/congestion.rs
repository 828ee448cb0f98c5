//! How much may be in flight: CUBIC (RFC 9438) with HyStart, as in Linux, and Reno (RFC 5681).
//!
//! All windows are counted in segments, as Linux counts them.

use super::clock::millis;
use super::sequence::Seq;

/// The initial window (RFC 6928).
pub(super) const FIRST_WINDOW: u32 = 10;

/// The smallest window after a reduction.
const LEAST_THRESHOLD: u32 = 2;

/// RFC 9438, section 4: the constant C, and the fraction of the window that remains after a loss.
/// Linux has 0.4 and 717/1024.
const C: f64 = 0.4;
const BETA: f64 = 717.0 / 1024.0;

/// HyStart considers windows of at least this many segments; a train of acknowledgements has no gap
/// longer than this; this many samples make the round trip time of a round.
const TRAIN_WINDOW: u32 = 16;
const TRAIN_GAP: u64 = millis(2);
const SAMPLES: u32 = 8;

/// The algorithms of `TCP_CONGESTION`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Algorithm {
    #[default]
    Cubic,
    Reno,
}

#[derive(Clone, Debug)]
pub(super) struct Congestion {
    algorithm: Algorithm,
    /// cwnd, and acknowledged segments that have not yet made it grow.
    pub(super) window: u32,
    pub(super) threshold: u32,
    credit: u32,
    cubic: Cubic,
    start: SlowStart,
    usage: Usage,
}

/// The curve that the window has followed since the last loss.
#[derive(Clone, Debug, Default)]
struct Cubic {
    /// When it began.
    epoch: Option<u64>,
    /// The window before the last loss, and the window where the curve is flat.
    before: u32,
    flat: u32,
    /// Seconds until that is reached.
    k: f64,
    /// Segments acknowledged since, and the window that Reno would have by now.
    acknowledged: u32,
    reno: u32,
    /// How many acknowledged segments make the window grow by one.
    pace: u32,
    updated: Option<(u64, u32)>,
    /// The shortest round trip.
    least: u64,
}

/// HyStart: whether slow start should end before it causes a loss.
#[derive(Clone, Debug, Default)]
struct SlowStart {
    found: bool,
    /// When the round began, and where it ends.
    began: u64,
    end: Seq,
    last: u64,
    least: u64,
    samples: u32,
}

/// Whether the window is what limits the sender.
#[derive(Clone, Debug, Default)]
struct Usage {
    is_limited: bool,
    most: u32,
    until: Seq,
    used: u32,
    since: u64,
}

impl Default for Congestion {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::Cubic,
            window: FIRST_WINDOW,
            threshold: u32::MAX,
            credit: 0,
            cubic: Cubic::default(),
            start: SlowStart::default(),
            usage: Usage::default(),
        }
    }
}

impl Congestion {
    pub(super) fn set_algorithm(&mut self, algorithm: Algorithm) {
        if self.algorithm != algorithm {
            self.algorithm = algorithm;
            self.cubic = Cubic::default();
        }
    }

    pub(super) fn is_slow_start(&self) -> bool {
        self.window < self.threshold
    }

    /// A round trip was measured; `una` is the end of what has been acknowledged, `nxt` the end of
    /// what has been sent.
    pub(super) fn sample(&mut self, now: u64, sample: u64, una: Seq, nxt: Seq) {
        let cubic = &mut self.cubic;
        // Measurements right after a loss say little.
        if cubic.epoch.is_some_and(|epoch| now - epoch < millis(1000)) {
            return;
        }
        if cubic.least == 0 || sample < cubic.least {
            cubic.least = sample;
        }
        if self.algorithm == Algorithm::Cubic && self.is_slow_start() && !self.start.found {
            let shortest = self.cubic.least;
            self.start
                .sample(now, sample, shortest, una, nxt, self.window);
            if self.start.found {
                self.threshold = self.window;
            }
        }
    }

    /// This many segments were acknowledged, and none was lost.
    pub(super) fn grow(&mut self, now: u64, mut acknowledged: u32) {
        if !self.is_limiting() {
            return;
        }
        if self.is_slow_start() {
            // RFC 5681, section 3.1, with RFC 3465 without a limit.
            let window = (self.window + acknowledged).min(self.threshold);
            acknowledged -= window - self.window;
            self.window = window;
            if acknowledged == 0 {
                return;
            }
        }
        let pace = match self.algorithm {
            Algorithm::Reno => self.window,
            Algorithm::Cubic => self.cubic.pace(now, self.window, acknowledged),
        };
        if self.credit >= pace {
            self.credit = 0;
            self.window += 1;
        }
        self.credit += acknowledged;
        if self.credit >= pace {
            self.window += self.credit / pace;
            self.credit %= pace;
        }
    }

    /// Something was lost: returns the threshold from now on.
    pub(super) fn reduce(&mut self) -> u32 {
        let cubic = &mut self.cubic;
        self.threshold = match self.algorithm {
            Algorithm::Reno => self.window / 2,
            Algorithm::Cubic => {
                cubic.epoch = None;
                // Fast convergence (RFC 9438, section 4.7).
                cubic.before = match self.window < cubic.before {
                    true => (f64::from(self.window) * (1.0 + BETA) / 2.0) as u32,
                    false => self.window,
                };
                (f64::from(self.window) * BETA) as u32
            }
        }
        .max(LEAST_THRESHOLD);
        self.threshold
    }

    /// A time-out: the curve is forgotten (RFC 9438, section 4.8).
    pub(super) fn time_out(&mut self) {
        self.cubic = Cubic::default();
        self.start = SlowStart::default();
        self.credit = 0;
    }

    /// The presumed loss was not one.
    pub(super) fn undo(&mut self, window: u32, threshold: u32) {
        self.window = self.window.max(window);
        self.threshold = self.threshold.max(threshold);
    }

    /// A recovery has ended: the window becomes the threshold. If the reduction was undone before
    /// there was any threshold, there is none, and the window stays.
    pub(super) fn settle_at_threshold(&mut self) {
        if self.threshold < u32::MAX {
            self.settle(self.threshold);
        }
    }

    /// A reduction has ended.
    pub(super) fn settle(&mut self, window: u32) {
        self.window = window;
        self.credit = 0;
    }

    /// How much of a window is kept as the threshold when the window itself is not.
    fn kept_threshold(&self) -> u32 {
        self.threshold.max(self.window / 4 * 3)
    }

    /// Nothing was sent for longer than a time-out (RFC 2861; `tcp_slow_start_after_idle`).
    pub(super) fn idle(&mut self, now: u64, mut pause: u64, time_out: u64) {
        if let Some(epoch) = &mut self.cubic.epoch {
            // The curve pauses while nothing is sent (RFC 9438, section 4.2).
            *epoch = (*epoch + pause).min(now);
        }
        if pause <= time_out {
            return;
        }
        self.threshold = self.kept_threshold();
        let least = FIRST_WINDOW.min(self.window);
        while pause > time_out && self.window > least {
            pause -= time_out;
            self.window /= 2;
        }
        self.window = self.window.max(least);
        self.credit = 0;
        (self.usage.used, self.usage.since) = (0, now);
    }

    /// Everything that may be sent has been sent: this many segments are in flight; `una` is the
    /// end of what has been acknowledged, `nxt` the end of what has been sent; `stopped` says that
    /// the window was what stopped the sender.
    pub(super) fn used(
        &mut self,
        now: u64,
        flight: u32,
        time_out: u64,
        una: Seq,
        nxt: Seq,
        stopped: bool,
    ) {
        let usage = &mut self.usage;
        if una >= usage.until || stopped || !usage.is_limited && flight > usage.most {
            *usage = Usage {
                is_limited: stopped,
                most: flight,
                until: nxt,
                ..*usage
            };
        }
        if self.is_limiting() {
            (self.usage.used, self.usage.since) = (0, now);
            return;
        }
        let usage = &mut self.usage;
        usage.used = usage.used.max(flight);
        if now - usage.since >= time_out {
            // RFC 2861, section 3.1: an unused window says nothing about the path.
            let used = usage.used.max(FIRST_WINDOW);
            (usage.used, usage.since) = (0, now);
            if used < self.window {
                self.threshold = self.kept_threshold();
                self.window = u32::midpoint(self.window, used);
            }
        }
    }

    fn is_limiting(&self) -> bool {
        self.usage.is_limited
            || self.is_slow_start() && self.window < self.usage.most.saturating_mul(2)
    }
}

impl Cubic {
    fn pace(&mut self, now: u64, window: u32, acknowledged: u32) -> u32 {
        self.acknowledged += acknowledged;
        if let Some((at, of)) = self.updated
            && of == window
            && now - at <= millis(32)
        {
            return self.pace;
        }
        self.updated = Some((now, window));
        let epoch = *self.epoch.get_or_insert_with(|| {
            self.acknowledged = acknowledged;
            self.reno = window;
            self.flat = self.before.max(window);
            self.k = libm::cbrt(f64::from(self.flat - window) / C);
            now
        });
        // The window one round trip from now (RFC 9438, section 4.2). Linux takes the distance from
        // the flat part in whole segments, so below it a small window grows at once.
        let time = (now - epoch + self.least) as f64 / 1e9 - self.k;
        let distance = (C * time * time * time.abs()) as u32;
        let target = match time < 0.0 {
            true => self.flat.saturating_sub(distance),
            false => self.flat.saturating_add(distance),
        };
        let mut pace = match target.checked_sub(window) {
            Some(more @ 1..) => window / more,
            _ => window.saturating_mul(100),
        };
        if self.before == 0 {
            pace = pace.min(20);
        }
        // Where Reno would be faster (RFC 9438, section 4.3).
        let per_segment = (f64::from(window) * (1.0 + BETA) / (3.0 * (1.0 - BETA))) as u32;
        while self.acknowledged > per_segment {
            self.acknowledged -= per_segment.max(1);
            self.reno += 1;
        }
        if self.reno > window {
            pace = pace.min(window / (self.reno - window));
        }
        self.pace = pace.max(2);
        self.pace
    }
}

impl SlowStart {
    fn sample(&mut self, now: u64, sample: u64, shortest: u64, una: Seq, nxt: Seq, window: u32) {
        if self.samples == 0 && self.began == 0 || una > self.end {
            *self = Self {
                began: now,
                end: nxt,
                last: now,
                least: u64::MAX,
                ..Self::default()
            };
        }
        if window < TRAIN_WINDOW {
            return;
        }
        if now - self.last <= TRAIN_GAP {
            self.last = now;
            // Back-to-back acknowledgements for half a round trip: the pipe is full.
            self.found |= now - self.began > (shortest + millis(1)) / 2;
        }
        self.least = self.least.min(sample);
        if self.samples < SAMPLES {
            self.samples += 1;
        } else {
            let more = (shortest / 8).clamp(millis(4), millis(16));
            self.found |= self.least > shortest + more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sender that always has more to send.
    fn busy(window: u32, threshold: u32) -> Congestion {
        let mut congestion = Congestion {
            window,
            threshold,
            ..Congestion::default()
        };
        congestion.usage.is_limited = true;
        congestion
    }

    #[test]
    fn a_reduction_that_was_taken_back_before_there_was_a_threshold_leaves_the_window_as_it_was() {
        let mut congestion = busy(10, u32::MAX);
        congestion.reduce();
        congestion.undo(10, u32::MAX);
        congestion.settle_at_threshold();
        assert_eq!(congestion.window, 10);
    }

    #[test]
    fn slow_start_doubles_in_a_round_trip() {
        let mut congestion = busy(10, u32::MAX);
        congestion.grow(0, 10);
        assert_eq!(congestion.window, 20);
        congestion.grow(0, 20);
        assert_eq!(congestion.window, 40);
    }

    #[test]
    fn a_window_that_is_not_used_does_not_grow() {
        let mut congestion = busy(10, 5);
        congestion.used(0, 3, millis(200), Seq(1), Seq(2), false);
        congestion.grow(0, 30);
        assert_eq!(congestion.window, 10);
    }

    #[test]
    fn reno_grows_by_a_segment_in_a_round_trip_and_halves() {
        let mut congestion = busy(10, 5);
        congestion.set_algorithm(Algorithm::Reno);
        (0..10).for_each(|_| congestion.grow(0, 1));
        assert_eq!(congestion.window, 11);
        assert_eq!(congestion.reduce(), 5);
    }

    #[test]
    fn cubic_comes_back_to_where_it_was_and_then_probes() {
        let mut congestion = busy(1000, 500);
        assert_eq!(congestion.reduce(), 700);
        congestion.settle(700);
        let k = libm::cbrt(300.0 / C);
        let mut windows = Vec::new();
        for round in 0..(2.0 * k * 10.0) as u64 {
            let now = round * millis(100);
            let window = congestion.window;
            (0..window).for_each(|_| congestion.grow(now, 1));
            windows.push(congestion.window);
        }
        let at_k = windows[(k * 10.0) as usize];
        assert!((970..=1030).contains(&at_k), "{at_k}");
        let end = *windows.last().unwrap();
        assert!((1200..=1350).contains(&end), "{end}");
    }

    #[test]
    fn a_small_window_grows_as_renos_does() {
        let mut congestion = busy(10, 5);
        assert_eq!(congestion.reduce(), 7);
        congestion.settle(7);
        for round in 0..20 {
            let window = congestion.window;
            (0..window).for_each(|_| congestion.grow(millis(20) * round, 1));
        }
        assert!(
            (14..=19).contains(&congestion.window),
            "{}",
            congestion.window
        );
    }

    #[test]
    fn a_small_window_is_soon_what_it_was() {
        for (before, after, acknowledged) in [(3, 2, 2), (5, 3, 5)] {
            let mut congestion = busy(before, 2);
            congestion.sample(0, millis(2), Seq(1), Seq(2));
            assert_eq!(congestion.reduce(), after);
            congestion.settle(after);
            (0..acknowledged).for_each(|_| congestion.grow(millis(20), 1));
            assert_eq!(congestion.window, after + 1, "{before}");
        }
    }

    #[test]
    fn slow_start_ends_when_round_trips_become_longer() {
        let mut congestion = busy(32, u32::MAX);
        (0..10).for_each(|n| congestion.sample(n * millis(5), millis(20), Seq(1), Seq(10)));
        assert!(congestion.is_slow_start());
        (0..10).for_each(|n| congestion.sample(millis(100 + n * 5), millis(30), Seq(11), Seq(20)));
        assert!(!congestion.is_slow_start());
    }

    #[test]
    fn a_window_shrinks_while_nothing_is_sent() {
        let mut congestion = busy(100, 50);
        congestion.idle(millis(1000), millis(700), millis(200));
        assert_eq!((congestion.window, congestion.threshold), (12, 75));
    }
}
