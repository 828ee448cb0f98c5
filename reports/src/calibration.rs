//! How the TCP of the simulated world compares with that of Linux: text, JSON and Markdown.

use crate::document;
use crate::text::line;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

/// Measurements of the world and of a Linux kernel.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Calibration {
    /// The Linux kernel.
    pub kernel: String,
    /// What was measured.
    #[serde(rename = "calibration")]
    pub rows: Vec<Measurement>,
}

/// One thing that was measured on both.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Measurement {
    /// What was measured, and under which conditions.
    pub what: String,
    /// The result in the world.
    pub world: f64,
    /// The result on Linux.
    pub linux: f64,
    /// The unit of both.
    pub unit: String,
    /// The world's divided by Linux's.
    pub ratio: f64,
    /// The limits that the ratio must stay within.
    pub bounds: [f64; 2],
    /// What determines it.
    pub why: String,
}

impl Measurement {
    /// Whether the world comes close enough.
    pub fn is_close(&self) -> bool {
        let [least, most] = self.bounds;
        (least..=most).contains(&self.ratio)
    }
}

impl Calibration {
    /// For the terminal: rows that are not close enough are marked.
    pub fn text(&self) -> String {
        let mut text = format!("The simulated world beside {}:\n", self.kernel);
        for row in &self.rows {
            let mark = if row.is_close() { ' ' } else { '!' };
            let (world, linux) = (significant(row.world), significant(row.linux));
            let Measurement {
                what,
                unit,
                ratio,
                why,
                ..
            } = row;
            line(&mut text, format_args!("{mark} {what}"));
            line(
                &mut text,
                format_args!("      {world} {unit}, Linux {linux} {unit}: {ratio:.2}; {why}"),
            );
        }
        text
    }

    /// A table.
    pub fn markdown(&self) -> String {
        let mut table =
            String::from("| what | world | Linux | ratio | why |\n|---|---:|---:|---:|---|\n");
        for row in &self.rows {
            let (world, linux) = (significant(row.world), significant(row.linux));
            let Measurement {
                what,
                unit,
                ratio,
                why,
                ..
            } = row;
            line(
                &mut table,
                format_args!("| {what} | {world} {unit} | {linux} {unit} | {ratio:.2} | {why} |"),
            );
        }
        table
    }

    /// For programs: a document with the version of [`json`](crate::json) and this type's fields.
    pub fn json(&self) -> String {
        document::write(self)
    }

    /// The JSON Schema of that document.
    pub fn schema() -> Value {
        document::schema::<Self>(
            "What `squall calibrate --format json` prints: TCP in the simulated world beside that of Linux.",
        )
    }
}

/// A value with its significant digits.
fn significant(value: f64) -> String {
    let digits = match value.abs() {
        100.0.. => 0,
        10.0.. => 1,
        1.0.. => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calibration() -> Calibration {
        let row = |world: f64| Measurement {
            what: "handshake, round trip 2 ms".to_owned(),
            world,
            linux: 2.0,
            unit: "ms".to_owned(),
            ratio: world / 2.0,
            bounds: [0.99, 1.01],
            why: "a round trip".to_owned(),
        };
        Calibration {
            kernel: "Linux 6.18".to_owned(),
            rows: vec![row(2.0), row(3.0)],
        }
    }

    #[test]
    fn a_measurement_is_told_in_words_and_one_out_of_bounds_is_marked() {
        insta::assert_snapshot!(calibration().text(), @r"
        The simulated world beside Linux 6.18:
          handshake, round trip 2 ms
              2.00 ms, Linux 2.00 ms: 1.00; a round trip
        ! handshake, round trip 2 ms
              3.00 ms, Linux 2.00 ms: 1.50; a round trip
        ");
    }

    #[test]
    fn a_measurement_is_a_row() {
        let table = calibration().markdown();
        let last = table.lines().last();
        let row = "| handshake, round trip 2 ms | 3.00 ms | 2.00 ms | 1.50 | a round trip |";
        assert_eq!(last, Some(row));
    }

    #[test]
    fn programs_get_all_of_it() {
        crate::testing::assert_is(&calibration().json(), Calibration::schema());
        let json: serde_json::Value = serde_json::from_str(&calibration().json()).expect("JSON");
        assert_eq!(
            (&json["squall"], &json["kernel"]),
            (&1.into(), &"Linux 6.18".into())
        );
        assert_eq!(json["calibration"][1]["ratio"], 1.5);
        assert_eq!(json["calibration"][1]["bounds"][0], 0.99);
    }

    #[test]
    fn a_value_has_the_digits_that_mean_something() {
        let told = [0.1234, 1.234, 12.34, 123.4].map(significant);
        assert_eq!(told, ["0.123", "1.23", "12.3", "123"]);
    }
}
