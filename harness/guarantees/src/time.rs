//! How virtual time is written: for people in seconds, in files as whole nanoseconds.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::borrow::Cow;
use std::time::Duration;

/// Virtual time since the start of the run.
pub type Time = Duration;

/// Virtual time for people, rounded to the millisecond: `12.345 s`.
pub fn seconds(time: Time) -> String {
    let milliseconds = (time.as_nanos() + 500_000) / 1_000_000;
    format!("{}.{:03} s", milliseconds / 1000, milliseconds % 1000)
}

/// For `#[serde(with = "Nanoseconds")]`: a time as a whole number of nanoseconds. 64 bits hold more
/// than 500 years.
#[derive(Debug)]
pub struct Nanoseconds;

impl Nanoseconds {
    fn number(time: Time) -> u64 {
        u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
    }

    /// Writes a time.
    pub fn serialize<S: Serializer>(time: &Time, serializer: S) -> Result<S::Ok, S::Error> {
        Self::number(*time).serialize(serializer)
    }

    /// Reads a time.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
        u64::deserialize(deserializer).map(Time::from_nanos)
    }
}

/// The same for a time that may be missing.
#[derive(Debug)]
pub struct NanosecondsOrNull;

impl NanosecondsOrNull {
    /// Writes the time or null.
    pub fn serialize<S: Serializer>(time: &Option<Time>, to: S) -> Result<S::Ok, S::Error> {
        time.map(Nanoseconds::number).serialize(to)
    }

    /// Reads the time or null.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Time>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Time::from_nanos))
    }
}

/// The same for a list of times.
#[derive(Debug)]
pub struct NanosecondsList;

impl NanosecondsList {
    /// Writes the times.
    pub fn serialize<S: Serializer>(times: &[Time], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(times.iter().map(|&time| Nanoseconds::number(time)))
    }

    /// Reads the times.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Time>, D::Error> {
        let numbers = Vec::<u64>::deserialize(from)?;
        Ok(numbers.into_iter().map(Time::from_nanos).collect())
    }
}

/// In a schema, each stands for what it writes.
macro_rules! described_as {
    ($($name:ident: $written:ty;)*) => {$(
        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                <$written>::json_schema(generator)
            }
        }
    )*};
}

described_as! {
    Nanoseconds: u64;
    NanosecondsOrNull: Option<u64>;
    NanosecondsList: Vec<u64>;
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Times {
        #[serde(with = "Nanoseconds")]
        at: Time,
        #[serde(default, with = "NanosecondsOrNull")]
        until: Option<Time>,
        #[serde(with = "NanosecondsList")]
        all: Vec<Time>,
    }

    #[test]
    fn people_read_seconds_to_the_millisecond_and_files_whole_nanoseconds() {
        let at = Time::new(12, 345_999_999);
        assert_eq!(seconds(at), "12.346 s");
        assert_eq!(seconds(Time::new(12, 345_499_999)), "12.345 s");
        assert_eq!(seconds(Time::new(12, 345_500_000)), "12.346 s");
        assert_eq!(seconds(Time::new(12, 999_500_000)), "13.000 s");
        assert_eq!(seconds(Time::MAX), "18446744073709551616.000 s");
        assert_eq!(seconds(Time::from_millis(7)), "0.007 s");
        let times = Times {
            at,
            until: Some(Time::from_nanos(1)),
            all: vec![Time::ZERO, Time::from_micros(3)],
        };
        let text = serde_json::to_string(&times).unwrap();
        insta::assert_snapshot!(text, @r#"{"at":12345999999,"until":1,"all":[0,3000]}"#);
        assert_eq!(serde_json::from_str::<Times>(&text).unwrap(), times);
    }

    #[test]
    fn a_time_that_is_missing_stays_missing() {
        let times = Times {
            at: Time::ZERO,
            until: None,
            all: Vec::new(),
        };
        let text = serde_json::to_string(&times).unwrap();
        insta::assert_snapshot!(text, @r#"{"at":0,"until":null,"all":[]}"#);
        assert_eq!(serde_json::from_str::<Times>(&text).unwrap(), times);
        let without = r#"{"at":0,"all":[]}"#;
        assert_eq!(serde_json::from_str::<Times>(without).unwrap(), times);
    }

    #[test]
    fn a_time_longer_than_files_hold_is_the_longest_that_they_do() {
        let text = serde_json::to_string(&Times {
            at: Time::MAX,
            until: None,
            all: Vec::new(),
        });
        assert!(text.unwrap().contains("18446744073709551615"));
    }
}
