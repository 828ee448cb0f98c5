//! What a test can leave to the seed: a number fixes it, a range leaves it open.

use crate::setting::Setting;
use squall_guarantees::observed::InSeconds;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

/// A length of time, or a range of them: numbers are seconds, as in `5`, `2..8` or `0.5..1.5`; a
/// [`Duration`] is what it is, as in `ms(20)..ms(300)`.
pub trait Times {
    /// What it leaves open.
    fn setting(self) -> Setting<Duration>;
}

/// Written out one by one, because a later version of `squall-guarantees` may make a range a length
/// of time.
macro_rules! times {
    ($($number:ty),*) => {$(
        impl Times for $number {
            fn setting(self) -> Setting<Duration> {
                Setting::Fixed(self.duration())
            }
        }

        impl Times for Range<$number> {
            #[track_caller]
            fn setting(self) -> Setting<Duration> {
                assert!(self.start < self.end, "the range {self:?} is empty");
                Setting::Between(self.start.duration(), self.end.duration())
            }
        }

        impl Times for RangeInclusive<$number> {
            #[track_caller]
            fn setting(self) -> Setting<Duration> {
                assert!(self.start() <= self.end(), "the range {self:?} is empty");
                let (from, to) = self.into_inner();
                Setting::Between(from.duration(), to.duration())
            }
        }
    )*};
}

times!(i32, u64, f64, Duration);

/// A probability from 0 to 1, or a range of them: `0.2`, `0.05..0.3`.
pub trait Chances {
    /// What it leaves open.
    fn setting(self) -> Setting<f64>;
}

fn probability(value: f64) -> f64 {
    assert!(
        (0.0..=1.0).contains(&value),
        "{value} is no probability: it must be from 0 to 1"
    );
    value
}

impl Chances for f64 {
    #[track_caller]
    fn setting(self) -> Setting<f64> {
        Setting::Fixed(probability(self))
    }
}

impl Chances for Range<f64> {
    #[track_caller]
    fn setting(self) -> Setting<f64> {
        assert!(self.start < self.end, "the range {self:?} is empty");
        Setting::Between(probability(self.start), probability(self.end))
    }
}

/// How many, at least one, or a range: `3`, `1..5` (at most four), `1..=5`.
pub trait Counts {
    /// What it leaves open.
    fn setting(self) -> Setting<u32>;
}

fn positive(count: i32) -> u32 {
    match u32::try_from(count) {
        Ok(count @ 1..) => count,
        _ => panic!("{count} are none: at least one is needed"),
    }
}

impl Counts for i32 {
    #[track_caller]
    fn setting(self) -> Setting<u32> {
        Setting::Fixed(positive(self))
    }
}

impl Counts for Range<i32> {
    #[track_caller]
    fn setting(self) -> Setting<u32> {
        assert!(self.start < self.end, "the range {self:?} is empty");
        Setting::Between(positive(self.start), positive(self.end - 1))
    }
}

impl Counts for RangeInclusive<i32> {
    #[track_caller]
    fn setting(self) -> Setting<u32> {
        assert!(self.start() <= self.end(), "the range {self:?} is empty");
        Setting::Between(positive(*self.start()), positive(*self.end()))
    }
}

/// This many milliseconds, for ranges below a second: `ms(20)..ms(300)`.
pub fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_seconds_and_ranges_are_open() {
        let secs = Duration::from_secs;
        assert_eq!(Times::setting(5), Setting::Fixed(secs(5)));
        assert_eq!(Times::setting(2..8), Setting::Between(secs(2), secs(8)));
        assert_eq!(Times::setting(0.5..1.0), Setting::Between(ms(500), secs(1)));
        assert_eq!(
            Times::setting(ms(1)..=ms(2)),
            Setting::Between(ms(1), ms(2))
        );
        assert_eq!(Counts::setting(1..4), Setting::Between(1, 3));
    }

    #[test]
    #[should_panic(expected = "the range 8..2 is empty")]
    fn an_empty_range_is_a_mistake() {
        let (from, to) = (8, 2);
        Times::setting(from..to);
    }

    #[test]
    #[should_panic(expected = "1.5 is no probability: it must be from 0 to 1")]
    fn a_probability_above_one_is_a_mistake() {
        Chances::setting(0.5..1.5);
    }
}
