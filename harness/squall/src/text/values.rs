//! The values of a scenario file: durations with units, ranges, probabilities, names.

use crate::setting::Setting;
use std::time::Duration;
use toml::de::DeValue;

/// A value that can be read from TOML.
pub trait Value: Sized {
    /// What is allowed, as a sentence.
    const WANTED: &'static str;

    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence that begins with the field's name.
    fn read(value: &DeValue<'_>) -> Result<Self, String>;
}

/// A value that can be written as a word, and so be an end of a range `"from..to"`.
pub trait Scalar: Copy + PartialOrd {
    /// What is allowed, as a sentence.
    const WANTED: &'static str;

    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it, as the end of a sentence that begins with the field's name.
    fn from_word(word: &str) -> Result<Self, String>;

    /// Writes it so that [`Scalar::from_word`] reads exactly the same.
    fn to_word(self) -> String;
}

impl Scalar for Duration {
    const WANTED: &'static str = "Write a duration with its unit, as in \"1500ms\", \"1.5 s\" or \
        \"2min\" (units: ns, us, ms, s, min, h), or a range that the seed decides, as in \"2s..8s\".";

    fn from_word(word: &str) -> Result<Self, String> {
        duration(word)
    }

    fn to_word(self) -> String {
        // To the nanosecond, with the unit that needs the fewest digits.
        format!("{self:?}")
    }
}

impl Scalar for u32 {
    const WANTED: &'static str =
        "Write a whole number, as in 12, or a range that the seed decides, as in \"10..40\".";

    fn from_word(word: &str) -> Result<Self, String> {
        word.parse()
            .map_err(|_| format!("has `{word}`, which is not a whole number"))
    }

    fn to_word(self) -> String {
        self.to_string()
    }
}

impl Scalar for f64 {
    const WANTED: &'static str = "Write a probability between 0 and 1, as in 0.05 or \"5%\", or a \
        range that the seed decides, as in \"1%..20%\".";

    fn from_word(word: &str) -> Result<Self, String> {
        let (digits, unit) = match word.strip_suffix('%') {
            Some(percent) => (percent.trim_end(), 0.01),
            None => (word, 1.0),
        };
        let number: f64 = digits
            .parse()
            .map_err(|_| format!("has `{word}`, which is not a number"))?;
        let number = number * unit;
        if (0.0..=1.0).contains(&number) {
            Ok(number)
        } else {
            Err(format!("is {word}, which is outside 0 to 1"))
        }
    }

    fn to_word(self) -> String {
        self.to_string()
    }
}

impl<T: Scalar> Value for Setting<T> {
    const WANTED: &'static str = T::WANTED;

    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let text = match value {
            DeValue::String(text) => text.as_ref(),
            DeValue::Integer(number) => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            other => return Err(format!("is {}", kind(other))),
        };
        setting(text)
    }
}

/// Reads a value or a range, or says what is wrong, as the end of a sentence.
pub fn setting<T: Scalar>(text: &str) -> Result<Setting<T>, String> {
    let Some((min, max)) = text.split_once("..") else {
        return T::from_word(text.trim()).map(Setting::Fixed);
    };
    let (min, max) = (T::from_word(min.trim())?, T::from_word(max.trim())?);
    if min <= max {
        Ok(Setting::Between(min, max))
    } else {
        Err(format!(
            "is the empty range `{text}`: its end is below its start"
        ))
    }
}

impl Value for Duration {
    const WANTED: &'static str = "Write a duration with its unit, as in \"1500ms\", \"1.5 s\" or \
        \"2min\" (units: ns, us, ms, s, min, h); a range is not possible here.";

    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match value {
            DeValue::String(text) => duration(text),
            DeValue::Integer(number) => duration(number.as_str()),
            other => Err(format!("is {}", kind(other))),
        }
    }
}

/// Reads a duration with its unit, to the nanosecond, or says what is wrong, as the end of a
/// sentence.
pub fn duration(word: &str) -> Result<Duration, String> {
    let (_, number, unit) = split_unit(word, "duration")?;
    let nanoseconds = match unit {
        "ns" => 1,
        "us" | "µs" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "min" => 60 * 1_000_000_000,
        "h" => 3600 * 1_000_000_000,
        _ => return Err(format!("has the unknown unit `{unit}`")),
    };
    times(number, nanoseconds)
        .map(Duration::from_nanos)
        .filter(|duration| *duration <= LONGEST)
        .ok_or_else(|| format!("has `{word}`, which is longer than the 1000h that are allowed"))
}

/// A decimal number times this factor, rounded; none if that is too large. Twelve digits after the
/// point count.
fn times(number: &str, factor: u64) -> Option<u64> {
    const PLACES: usize = 12;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = &fraction[..fraction.len().min(PLACES)];
    let digits: u128 = format!("0{whole}{fraction:0<PLACES$}").parse().ok()?;
    let unit = 10_u128.pow(PLACES as u32);
    let product = digits.checked_mul(factor.into())?.checked_add(unit / 2)?;
    u64::try_from(product / unit).ok()
}

/// Reads a number with one of these units as a whole number above zero, or says what is wrong, as
/// the end of a sentence. `what` says what the number is.
pub fn number_with_unit(word: &str, units: &[(&str, u64)], what: &str) -> Result<u64, String> {
    let (number, _, unit) = split_unit(word, what)?;
    let Some((_, factor)) = units.iter().find(|(name, _)| *name == unit) else {
        return Err(format!("has the unknown unit `{unit}`"));
    };
    let number = (number * *factor as f64).round();
    if (1.0..=LARGEST).contains(&number) {
        Ok(number as u64)
    } else {
        Err(format!(
            "has `{word}`, which is not between 1 and {LARGEST:e} of the smallest unit"
        ))
    }
}

/// A number and its unit.
fn split_unit<'w>(word: &'w str, what: &str) -> Result<(f64, &'w str, &'w str), String> {
    let digits = word
        .find(|c: char| !(c.is_ascii_digit() || c == '.'))
        .unwrap_or(word.len());
    let (digits, unit) = (&word[..digits], word[digits..].trim());
    let number = digits
        .parse()
        .map_err(|_| format!("has `{word}`, which is not a {what}"))?;
    match unit {
        "" => Err(format!("has `{word}`, a number without a unit")),
        unit => Ok((number, digits, unit)),
    }
}

/// Rates and sizes stay far below the limits of a 64-bit integer.
const LARGEST: f64 = 1e12;

/// Sums of durations stay far below the limits of virtual time.
const LONGEST: Duration = Duration::from_secs(1000 * 3600);

impl Value for u32 {
    const WANTED: &'static str = "Write a whole number, as in 12; a range is not possible here.";

    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match value {
            DeValue::Integer(number) => <u32 as Scalar>::from_word(number.as_str()),
            other => Err(format!("is {}", kind(other))),
        }
    }
}

impl Value for bool {
    const WANTED: &'static str = "Write true or false.";

    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        value.as_bool().ok_or_else(|| format!("is {}", kind(value)))
    }
}

impl Value for String {
    const WANTED: &'static str = "Write a text in quotes.";

    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        match value {
            DeValue::String(text) if text.trim().is_empty() => Err("is empty".into()),
            DeValue::String(text) => Ok(text.clone().into_owned()),
            other => Err(format!("is {}", kind(other))),
        }
    }
}

/// The longest name of a machine or a room, in bytes.
pub const LONGEST_NAME: usize = 64;

impl Value for Vec<String> {
    const WANTED: &'static str =
        "Write a list of different names in quotes, as in [\"lobby\", \"kitchen\"].";

    fn read(value: &DeValue<'_>) -> Result<Self, String> {
        let Some(items) = value.as_array() else {
            return Err(format!("is {}", kind(value)));
        };
        let mut names = Vec::new();
        for item in items.iter() {
            let name = String::read(item.get_ref())
                .map_err(|wrong| format!("has an item that {wrong}"))?;
            if name.len() > LONGEST_NAME {
                return Err(format!(
                    "names `{name}`, which is longer than {LONGEST_NAME} bytes"
                ));
            }
            if names.contains(&name) {
                return Err(format!("names `{name}` twice"));
            }
            names.push(name);
        }
        if names.is_empty() {
            Err("is an empty list".into())
        } else {
            Ok(names)
        }
    }
}

/// What a value is instead of what was wanted.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<V: Value>(toml: &str) -> Result<V, String> {
        V::read(DeValue::parse(toml).expect("valid TOML").get_ref())
    }

    #[test]
    fn a_duration_has_a_number_and_a_unit() {
        for (toml, nanoseconds) in [
            (r#""20ms""#, 20_000_000),
            (r#""1.5 s""#, 1_500_000_000),
            (r#""2min""#, 120_000_000_000),
            (r#""7us""#, 7_000),
        ] {
            assert_eq!(read(toml), Ok(Duration::from_nanos(nanoseconds)), "{toml}");
        }
    }

    #[test]
    fn a_duration_without_a_unit_is_refused() {
        for toml in [
            "20",
            r#""20""#,
            r#""ms""#,
            r#""20 days""#,
            r#""1.2.3s""#,
            r#""1001h""#,
        ] {
            assert!(read::<Duration>(toml).is_err(), "{toml}");
        }
    }

    #[test]
    fn what_is_written_is_read_to_the_nanosecond() {
        for nanoseconds in [
            0,
            1,
            999,
            1_500,
            28_999_999,
            3_599_999_999_999_999,
            1_234_567_891,
        ] {
            let time = Duration::from_nanos(nanoseconds);
            assert_eq!(Duration::from_word(&time.to_word()), Ok(time));
        }
        for probability in [0.0, 1.0, 0.1 + 0.2, 1e-9, 0.123_456_789_012_345_67] {
            assert_eq!(f64::from_word(&probability.to_word()), Ok(probability));
        }
    }

    #[test]
    fn a_range_leaves_the_value_to_the_seed() {
        assert_eq!(read(r#""10..40""#), Ok(Setting::Between(10_u32, 40)));
        assert_eq!(read("10"), Ok(Setting::Fixed(10_u32)));
        assert_eq!(read("0.5"), Ok(Setting::Fixed(0.5)));
    }

    #[test]
    fn an_empty_range_is_refused() {
        assert!(read::<Setting<Duration>>(r#""8s..2s""#).is_err());
    }
}
