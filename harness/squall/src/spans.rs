//! Stretches of time.

use std::time::Duration;

/// From when to when; to the end of the run if there is no second.
pub type Span = (Duration, Option<Duration>);

/// These stretches in order, with those that overlap or touch made one.
pub fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort();
    let mut merged: Vec<Span> = Vec::new();
    for (from, until) in spans {
        match merged.last_mut() {
            Some((_, last)) if last.is_none_or(|last| from <= last) => {
                *last = last.zip(until).map(|(a, b)| a.max(b));
            }
            _ => merged.push((from, until)),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_or_touches_is_one_and_what_never_ends_takes_the_rest() {
        let span = |from: u64, until: Option<u64>| {
            let seconds = Duration::from_secs;
            (seconds(from), until.map(seconds))
        };
        let spans = vec![
            span(8, Some(9)),
            span(1, Some(4)),
            span(2, Some(3)),
            span(4, Some(6)),
            span(20, None),
            span(21, Some(22)),
        ];
        let expected = [span(1, Some(6)), span(8, Some(9)), span(20, None)];
        assert_eq!(merged(spans), expected);
    }
}
