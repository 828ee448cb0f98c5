//! Which seeds a command is to play.

use std::ops::RangeInclusive;

/// `1000`, or `1001..2000`, both ends included.
pub(super) fn seeds(text: &str) -> Result<RangeInclusive<u64>, String> {
    let wanted = "write a number, or two as in 1001..2000";
    let number = |text: &str| text.trim().parse::<u64>().map_err(|_| wanted.to_owned());
    let (first, last) = match text.split_once("..") {
        None => (1, number(text)?),
        Some((first, last)) => (number(first)?, number(last)?),
    };
    match first <= last {
        true => Ok(first..=last),
        false => Err("there are no seeds in it".to_owned()),
    }
}

/// How many there are.
pub(super) fn count(seeds: &RangeInclusive<u64>) -> u64 {
    (seeds.end() - seeds.start()).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_a_number_of_them_or_a_range() {
        assert_eq!(seeds("20"), Ok(1..=20));
        assert_eq!(seeds("5..7"), Ok(5..=7));
        assert_eq!(seeds("0..0"), Ok(0..=0));
        assert!(seeds("7..5").is_err() && seeds("0").is_err() && seeds("many").is_err());
        assert_eq!(count(&(5..=7)), 3);
        assert_eq!(count(&(0..=u64::MAX)), u64::MAX);
    }
}
