//! How virtual time is written: for people in seconds, in files as whole nanoseconds.

use crate::Time;

/// Virtual time for people, to the millisecond: `12.345 s`. What is below is cut off, not rounded.
pub fn seconds(time: Time) -> String {
    format!("{}.{:03} s", time.as_secs(), time.subsec_millis())
}

/// For `#[serde(with = "nanoseconds")]`: a time as a whole number of nanoseconds. 64 bits hold
/// more than 500 years.
pub mod nanoseconds {
    use crate::Time;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes a time.
    pub fn serialize<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
        number(*time).serialize(serializer)
    }

    /// Reads a time.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        u64::deserialize(deserializer).map(Time::from_nanos)
    }

    fn number(time: Time) -> u64 {
        u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
    }

    /// The same for a time that may be missing.
    pub mod option {
        use super::*;

        /// Writes the time or null.
        pub fn serialize<S: Serializer>(time: &Option<Time>, to: S) -> Result<S::Ok, S::Error> {
            time.map(number).serialize(to)
        }

        /// Reads the time or null.
        pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Time>, D::Error> {
            Ok(Option::<u64>::deserialize(from)?.map(Time::from_nanos))
        }
    }

    /// The same for a list of times.
    pub mod list {
        use super::*;

        /// Writes the times.
        pub fn serialize<S: Serializer>(times: &[Time], to: S) -> Result<S::Ok, S::Error> {
            to.collect_seq(times.iter().map(|&time| number(time)))
        }

        /// Reads the times.
        pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Time>, D::Error> {
            Ok(Vec::<u64>::deserialize(from)?
                .into_iter()
                .map(Time::from_nanos)
                .collect())
        }
    }
}
