//! Rates and sizes, with their units.

use crate::stream::Drawable;
use crate::text::{Scalar, number_with_unit};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use std::fmt;

/// Bits per second. `10Mbit` is ten million, as `tc` counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BitRate(pub u64);

/// Bytes. `64KiB` are 65,536, `64kB` are 64,000.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

const RATES: &[(&str, u64)] = &[
    ("bit", 1),
    ("kbit", 1_000),
    ("Mbit", 1_000_000),
    ("Gbit", 1_000_000_000),
];

const SIZES: &[(&str, u64)] = &[
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
];

impl Scalar for BitRate {
    const WANTED: &'static str = "Write bits per second with their unit, as in \"10Mbit\" (units: \
        bit, kbit, Mbit, Gbit), or a range that the seed decides, as in \"1Mbit..10Mbit\".";

    fn from_word(word: &str) -> Result<Self, String> {
        number_with_unit(word, RATES, "rate").map(BitRate)
    }

    fn to_word(self) -> String {
        format!("{}bit", self.0)
    }
}

impl Scalar for Size {
    const WANTED: &'static str = "Write bytes with their unit, as in \"64KiB\" (units: B, kB, KiB, \
        MB, MiB), or a range that the seed decides, as in \"16KiB..256KiB\".";

    fn from_word(word: &str) -> Result<Self, String> {
        number_with_unit(word, SIZES, "size").map(Size)
    }

    fn to_word(self) -> String {
        format!("{}B", self.0)
    }
}

impl Drawable for BitRate {
    fn between(stream: &mut ChaCha8Rng, min: Self, max: Self) -> Self {
        BitRate(stream.random_range(min.0..=max.0))
    }
}

impl Drawable for Size {
    fn between(stream: &mut ChaCha8Rng, min: Self, max: Self) -> Self {
        Size(stream.random_range(min.0..=max.0))
    }
}

impl fmt::Debug for BitRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}kbit", self.0 as f64 / 1e3)
    }
}

impl fmt::Debug for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_and_a_size_have_their_units() {
        for (word, bits) in [("10Mbit", 10_000_000), ("1.5 kbit", 1500), ("7bit", 7)] {
            assert_eq!(BitRate::from_word(word), Ok(BitRate(bits)), "{word}");
        }
        for (word, bytes) in [("64KiB", 65_536), ("64kB", 64_000), ("1.5 MiB", 1_572_864)] {
            assert_eq!(Size::from_word(word), Ok(Size(bytes)), "{word}");
        }
    }

    #[test]
    fn a_rate_without_a_unit_of_rates_is_refused() {
        for word in [
            "10",
            "Mbit",
            "10MB",
            "0Mbit",
            "-1Mbit",
            "1e3Mbit",
            "99999999999Gbit",
        ] {
            assert!(BitRate::from_word(word).is_err(), "{word}");
        }
    }
}
