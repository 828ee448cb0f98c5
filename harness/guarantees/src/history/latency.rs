//! How long most of what happens may take: percentiles.

use crate::Nanoseconds;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Most of the times that something takes are within a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LatencyBound {
    /// What takes time.
    pub what: Measure,
    /// How many of the times are within the limit.
    pub share: Share,
    /// The limit.
    #[serde(with = "Nanoseconds")]
    pub within: Duration,
}

/// What takes time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Measure {
    /// From when a message is given to its sender's client, or a receiver comes that was not there
    /// yet, to when the receiver handles it for the first time.
    Delivery,
    /// From when a message is given to its sender's client to when it is acknowledged.
    Acknowledgement,
    /// From when a client's program starts, or notices the end of its connection, to its next
    /// connection; or to the end of the run, if there is none.
    Return,
}

/// How many of all times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Share {
    /// Every second one.
    P50,
    /// Nine of ten.
    P90,
    /// 95 of a hundred.
    P95,
    /// 99 of a hundred.
    P99,
    /// 999 of a thousand.
    P999,
    /// All of them.
    Max,
}

impl Measure {
    /// Everything that can be measured, by its word in files and reports.
    pub const ALL: [(&'static str, Measure); 3] = [
        ("delivery", Measure::Delivery),
        ("acknowledgement", Measure::Acknowledgement),
        ("return", Measure::Return),
    ];

    /// Its word in files and reports.
    pub fn word(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}

impl Share {
    /// Every share, by its word in files and reports.
    pub const ALL: [(&'static str, Share); 6] = [
        ("p50", Share::P50),
        ("p90", Share::P90),
        ("p95", Share::P95),
        ("p99", Share::P99),
        ("p999", Share::P999),
        ("max", Share::Max),
    ];

    /// Its word in files and reports.
    pub fn word(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    /// How many of this many times it is: the nearest rank, so that a hundred times or more are
    /// needed for the 99th percentile to be below the longest.
    pub fn of(self, count: usize) -> usize {
        let in_a_thousand = [500, 900, 950, 990, 999, 1000][self as usize];
        (count * in_a_thousand).div_ceil(1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_in_the_order_of_the_variants() {
        for (word, measure) in Measure::ALL {
            assert_eq!(measure.word(), word);
        }
        for (word, share) in Share::ALL {
            assert_eq!(share.word(), word);
        }
    }

    #[test]
    fn a_share_is_the_nearest_rank() {
        let of = |count| Share::ALL.map(|(_, share)| share.of(count));
        assert_eq!(of(1), [1, 1, 1, 1, 1, 1]);
        assert_eq!(of(3), [2, 3, 3, 3, 3, 3]);
        assert_eq!(of(100), [50, 90, 95, 99, 100, 100]);
        assert_eq!(of(101), [51, 91, 96, 100, 101, 101]);
        assert_eq!(of(2000), [1000, 1800, 1900, 1980, 1998, 2000]);
    }
}
