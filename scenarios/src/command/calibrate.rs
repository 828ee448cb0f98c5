//! `squall calibrate`: what TCP does in the simulated world, beside what theory says and Linux does.

use super::exit::{Exit, Failure, complain, say, say_text};
use super::format::one_of;
use crate::calibration::{Row, calibrate as measure, table};
use serde_json::json;
use squall_reports::Format;
use squall_reports::json::VERSION;
use std::fmt::Write;

/// Measures TCP in the simulated world, and sets it beside theory and Linux.
///
/// Handshakes, repairs of losses, fetches, small writes, silent peers and goodputs, each with what was
/// expected (a round trip; the rate of a link; what Linux 6.18 was measured to do), the ratio, and what
/// decides it. It is the same each time, and the table in Markdown is quoted in harness/README.md. It
/// takes a minute or two.
///
/// As JSON: in `calibration` a list of objects with what, world, expected, unit, ratio, bounds (a list
/// of two) and why.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Exit codes:
  0  every ratio is within its bounds    1  one is not")]
pub(crate) struct Arguments {
    /// How to write it.
    #[arg(long, value_parser = one_of(&FORMATS), default_value = "text")]
    format: Format,
}

/// In which forms the measurements can be written.
const FORMATS: [Format; 3] = [Format::Text, Format::Json, Format::Markdown];

pub(crate) fn calibrate(arguments: &Arguments) -> Result<Exit, Failure> {
    let rows = measure();
    match arguments.format {
        Format::Json => say(json(&rows)),
        // A line of its own ends it.
        Format::Markdown => say(table(&rows).trim_end()),
        // The others are not among FORMATS.
        _ => say_text(text(&rows).trim_end()),
    }
    let mut exit = Exit::AsExpected;
    for row in rows.iter().filter(|row| !row.bounds.contains(&row.ratio())) {
        let (what, ratio, bounds) = (&row.what, row.ratio(), &row.bounds);
        complain(format_args!(
            "{what}: the ratio {ratio:.3} is outside {bounds:?}"
        ));
        exit = Exit::NotAsExpected;
    }
    Ok(exit)
}

fn text(rows: &[Row]) -> String {
    let mut text = String::new();
    for row in rows {
        let Row {
            what,
            measured,
            expected,
            unit,
            why,
            ..
        } = row;
        let mark = if row.bounds.contains(&row.ratio()) {
            ' '
        } else {
            '!'
        };
        let _ = writeln!(text, "{mark} {what}");
        let ratio = row.ratio();
        let _ = writeln!(
            text,
            "      {measured:.3} {unit}, expected {expected:.3} {unit}: {ratio:.2}; {why}"
        );
    }
    text
}

fn json(rows: &[Row]) -> String {
    let rows = rows.iter().map(|row| {
        json!({
            "what": row.what,
            "world": row.measured,
            "expected": row.expected,
            "unit": row.unit,
            "ratio": row.ratio(),
            "bounds": [row.bounds.start(), row.bounds.end()],
            "why": row.why,
        })
    });
    let rows: Vec<_> = rows.collect();
    format!("{:#}", json!({ "squall": VERSION, "calibration": rows }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_measurement_is_told_in_words_and_one_out_of_bounds_is_marked() {
        let row = |measured: f64| Row {
            what: "handshake, 1ms each way".to_owned(),
            measured,
            expected: 2.0,
            unit: "ms",
            why: "a round trip",
            bounds: 0.99..=1.01,
        };
        insta::assert_snapshot!(text(&[row(2.0), row(3.0)]), @r"
          handshake, 1ms each way
              2.000 ms, expected 2.000 ms: 1.00; a round trip
        ! handshake, 1ms each way
              3.000 ms, expected 2.000 ms: 1.50; a round trip
        ");
        let told: serde_json::Value = serde_json::from_str(&json(&[row(3.0)])).expect("JSON");
        assert_eq!(told["calibration"][0]["ratio"], 1.5);
    }
}
