//! Values in a plan's file, spelled like those in a scenario's.

use super::values::{Scalar, duration, setting};
use crate::setting::Setting;
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

impl<T: Scalar> Serialize for Setting<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Setting::Fixed(value) => serializer.collect_str(&value.to_word()),
            Setting::Between(min, max) => {
                serializer.collect_str(&format_args!("{}..{}", min.to_word(), max.to_word()))
            }
        }
    }
}

impl<'de, T: Scalar> Deserialize<'de> for Setting<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Word(PhantomData))
    }
}

/// Takes a text, or a number as if it were one.
struct Word<T>(PhantomData<T>);

impl<T: Scalar> Visitor<'_> for Word<T> {
    type Value = Setting<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WANTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        setting(text).map_err(|wrong| E::custom(format_args!("the value {wrong}. {}", T::WANTED)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        self.visit_str(&number.to_string())
    }
}

/// A duration with its unit.
pub mod time {
    use super::*;

    /// Writes it.
    ///
    /// # Errors
    /// If the serializer has one.
    pub fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&time.to_word())
    }

    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wanted = <Duration as super::super::values::Value>::WANTED;
        duration(&text).map_err(|wrong| Error::custom(format_args!("the value {wrong}. {wanted}")))
    }

    /// One that may be missing.
    pub mod option {
        use super::*;

        /// Writes it.
        ///
        /// # Errors
        /// If the serializer has one.
        pub fn serialize<S: Serializer>(
            time: &Option<Duration>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match time {
                Some(time) => super::serialize(time, serializer),
                None => serializer.serialize_none(),
            }
        }

        /// Reads it.
        ///
        /// # Errors
        /// What is wrong with it.
        pub fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Duration>, D::Error> {
            super::deserialize(deserializer).map(Some)
        }
    }
}

/// A number that may exceed TOML's range.
pub(crate) mod seed {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(seed: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        match i64::try_from(*seed) {
            Ok(number) => serializer.serialize_i64(number),
            Err(_) => serializer.collect_str(seed),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Number {
            Plain(u64),
            Text(String),
        }
        match Number::deserialize(deserializer)? {
            Number::Plain(seed) => Ok(seed),
            Number::Text(text) => text.parse().map_err(Error::custom),
        }
    }
}
