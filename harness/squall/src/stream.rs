//! What the seed decides: each value comes from its own random stream, determined by the seed and
//! the value's label.

use crate::setting::Setting;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::fmt::Debug;
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

/// The random stream with this label: the same for the same seed, and independent of that of every
/// other label.
pub fn stream(seed: u64, label: &str) -> ChaCha8Rng {
    let mut stream = ChaCha8Rng::seed_from_u64(seed);
    stream.set_stream(xxh3_64(label.as_bytes()));
    stream
}

/// A value that can be drawn from a range.
pub trait Drawable: PartialOrd + Copy + Debug {
    /// A value between the two, both inclusive, that people can read.
    fn between(stream: &mut ChaCha8Rng, min: Self, max: Self) -> Self;
}

impl Drawable for u32 {
    fn between(stream: &mut ChaCha8Rng, min: Self, max: Self) -> Self {
        stream.random_range(min..=max)
    }
}

impl Drawable for f64 {
    fn between(stream: &mut ChaCha8Rng, min: Self, max: Self) -> Self {
        let value = stream.random_range(min..=max);
        // Four decimals are enough for people, except in a range too narrow for four.
        match max - min {
            wide if wide >= 1e-2 => (value * 1e4).round() / 1e4,
            _ => value,
        }
    }
}

impl Drawable for Duration {
    fn between(stream: &mut ChaCha8Rng, min: Self, max: Self) -> Self {
        Duration::from_micros(stream.random_range(min..=max).as_micros() as u64)
    }
}

/// Decides a value with this stream.
pub(crate) fn draw_from<T: Drawable>(stream: &mut ChaCha8Rng, setting: Setting<T>) -> T {
    match setting {
        Setting::Fixed(value) => value,
        Setting::Between(min, max) => {
            // A value rounded for people may have left the range, at either end.
            match T::between(stream, min, max) {
                value if value < min => min,
                value if value > max => max,
                value => value,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_probability_leaves_its_range_at_either_end() {
        let mut stream = ChaCha8Rng::seed_from_u64(1);
        for (min, max) in [
            (0.9999, 0.99996),
            (0.89996, 0.99996),
            (0.00004, 0.2),
            (0.00001, 0.00002),
            (0.0, 0.01),
            (0.123_456, 0.654_321),
        ] {
            let drawn = (0..2000).map(|_| draw_from(&mut stream, Setting::Between(min, max)));
            let drawn: Vec<f64> = drawn.collect();
            let outside = drawn.iter().find(|value| !(min..=max).contains(*value));
            assert_eq!(outside, None, "{min}..{max}");
            assert!(drawn.iter().any(|value| *value != drawn[0]), "{min}..{max}");
        }
    }
}
