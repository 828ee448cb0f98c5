//! What holds in a grid of scenarios: each guarantee for each transport, in each mode, under each
//! class of fault. Text, JSON and Markdown.

use crate::Case;
use crate::document;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use squall_guarantees::{Guarantee, Verdict, counted};

/// What was found in each place of the grid; places with the same transport and mode are adjacent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matrix {
    /// How many seeds each place was played with.
    pub seeds: u64,
    /// The places.
    pub places: Vec<Place>,
}

/// One place of the grid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// What carries the packets.
    pub transport: String,
    /// What is promised.
    pub mode: String,
    /// The class of fault.
    pub fault: String,
    /// The name of the scenario.
    pub scenario: String,
    /// What became of each guarantee, in the order of [`Guarantee::ALL`].
    pub cells: Vec<Cell>,
}

/// What many runs said about one guarantee in one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// In how many runs it held.
    pub held: u64,
    /// In how many it was violated.
    pub violated: u64,
    /// The first seed with a violation.
    pub first_violated: Option<u64>,
}

impl Cell {
    /// Counts the verdict of a run with this seed.
    pub fn add(&mut self, seed: u64, verdict: &Verdict) {
        match verdict {
            Verdict::Held(_) => self.held += 1,
            Verdict::Violated(_) => {
                self.violated += 1;
                self.first_violated.get_or_insert(seed);
            }
            Verdict::NotExercised(_) => {}
        }
    }

    /// Whether any run put the guarantee to the test here.
    pub fn is_exercised(&self) -> bool {
        self.held + self.violated > 0
    }

    fn words(&self) -> String {
        match self.first_violated {
            Some(seed) => format!("x{} @{seed}", self.violated),
            None if self.held > 0 => self.held.to_string(),
            None => ".".to_owned(),
        }
    }
}

/// How a table is drawn.
struct Drawing {
    heading: &'static str,
    before: &'static str,
    between: &'static str,
    /// Below the header row.
    ruler: Option<&'static str>,
}

const PLAIN: Drawing = Drawing {
    heading: "",
    before: "  ",
    between: " ",
    ruler: None,
};
const MARKDOWN: Drawing = Drawing {
    heading: "### ",
    before: "| ",
    between: " | ",
    ruler: Some("|---"),
};

#[derive(Serialize, JsonSchema)]
struct Document<'a> {
    /// How many seeds each cell was played with.
    seeds: u64,
    matrix: Vec<Row<'a>>,
}

/// A cell: the verdicts on a guarantee.
#[derive(Serialize, JsonSchema)]
struct Row<'a> {
    guarantee: Guarantee,
    transport: &'a str,
    mode: &'a str,
    /// The class of faults.
    fault: &'a str,
    /// The name of its scenario.
    scenario: &'a str,
    /// In how many runs it held.
    held: u64,
    /// In how many runs it was violated.
    violated: u64,
    /// In how many runs it was not exercised.
    not_exercised: u64,
    /// The smallest seed with a violation.
    first_violated: Option<u64>,
}

impl Matrix {
    /// For the terminal: a table for each transport and mode.
    pub fn text(&self) -> String {
        self.tables(&PLAIN)
    }

    /// The same tables in Markdown.
    pub fn markdown(&self) -> String {
        self.tables(&MARKDOWN)
    }

    fn tables(&self, drawing: &Drawing) -> String {
        let same = |a: &Place, b: &Place| (&a.transport, &a.mode) == (&b.transport, &b.mode);
        let tables = self.places.chunk_by(same).map(|places| {
            let Place {
                transport, mode, ..
            } = &places[0];
            let heading = drawing.heading;
            format!("{heading}{transport}, {mode}\n{}", table(places, drawing))
        });
        tables.collect::<Vec<_>>().join("\n")
    }

    /// For test runners: a case for each cell that was put to the test. Only in this mode must
    /// everything hold.
    pub fn cases(&self, strictest: &str) -> Vec<Case> {
        let mut cases = Vec::new();
        for place in &self.places {
            let cells = Guarantee::ALL.into_iter().zip(&place.cells);
            for (guarantee, cell) in cells.filter(|(_, cell)| cell.is_exercised()) {
                let case = Case::passed(&*place.scenario, guarantee.to_string());
                cases.push(match cell.first_violated {
                    Some(seed) if place.mode == strictest => case.failed(
                        format!("violated in {}", counted(cell.violated, "run")),
                        format!("squall run {} --seed {seed}", place.scenario),
                    ),
                    _ => case,
                });
            }
        }
        cases
    }

    /// For programs: a document with the version of [`json`](crate::json), and a row for each cell.
    pub fn json(&self) -> String {
        let rows = self.places.iter().flat_map(|place| {
            let cells = Guarantee::ALL.into_iter().zip(&place.cells);
            cells.map(|(guarantee, cell)| Row {
                guarantee,
                transport: &place.transport,
                mode: &place.mode,
                fault: &place.fault,
                scenario: &place.scenario,
                held: cell.held,
                violated: cell.violated,
                not_exercised: self.seeds - cell.held - cell.violated,
                first_violated: cell.first_violated,
            })
        });
        document::write(Document {
            seeds: self.seeds,
            matrix: rows.collect(),
        })
    }

    /// The JSON Schema of that document.
    pub fn schema() -> Value {
        document::schema::<Document<'_>>(
            "What `squall matrix --format json` prints: what holds over what, under which fault.",
        )
    }
}

fn table(places: &[Place], drawing: &Drawing) -> String {
    let widths = places.iter().map(|place| {
        let widest = place.cells.iter().map(|cell| cell.words().len()).max();
        place.fault.len().max(widest.unwrap_or(0))
    });
    let widths: Vec<usize> = widths.collect();
    let row = |name: &str, cells: &mut dyn Iterator<Item = String>| {
        let cells = cells.zip(&widths);
        let cells: Vec<String> = cells
            .map(|(cell, &width)| format!("{cell:width$}"))
            .collect();
        let cells = cells.join(drawing.between);
        let row = format!("{}{name:22}{}{cells}", drawing.before, drawing.between);
        format!("{}\n", row.trim_end())
    };
    let mut text = row("", &mut places.iter().map(|place| place.fault.clone()));
    if let Some(ruler) = drawing.ruler {
        text = format!("\n{text}{}|\n", ruler.repeat(places.len() + 1));
    }
    let mut unasked = Vec::new();
    for (number, guarantee) in Guarantee::ALL.iter().enumerate() {
        let mut cells = places.iter().map(|place| place.cells[number].words());
        match places
            .iter()
            .any(|place| place.cells[number].is_exercised())
        {
            true => text += &row(guarantee.name(), &mut cells),
            false => unasked.push(guarantee.name()),
        }
    }
    if !unasked.is_empty() {
        text += &format!("\nNever put to the test here: {}.\n", unasked.join(", "));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELD: Cell = Cell {
        held: 3,
        violated: 0,
        first_violated: None,
    };
    const VIOLATED: Cell = Cell {
        held: 1,
        violated: 2,
        first_violated: Some(7),
    };

    fn place(fault: &str, cells: Vec<Cell>) -> Place {
        Place {
            transport: "polling".to_owned(),
            mode: "at most once".to_owned(),
            fault: fault.to_owned(),
            scenario: format!("matrix-polling-at-most-once-{fault}"),
            cells,
        }
    }

    /// Two places: ordering was never exercised, and total order was violated in one.
    fn matrix() -> Matrix {
        let mut cells = vec![HELD; Guarantee::ALL.len()];
        cells[0] = Cell::default();
        let none = place("none", cells.clone());
        cells[1] = VIOLATED;
        Matrix {
            seeds: 3,
            places: vec![none, place("kill", cells)],
        }
    }

    #[test]
    fn a_table_has_no_empty_row_and_says_what_is_missing() {
        let text = matrix().text();
        assert_eq!(text.lines().count(), Guarantee::ALL.len() + 3);
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("polling, at most once"));
        assert_eq!(lines.next(), Some("                         none kill"));
        assert_eq!(lines.next(), Some("  total-order            3    x2 @7"));
        assert_eq!(lines.last(), Some("Never put to the test here: ordering."));
    }

    #[test]
    fn a_table_in_markdown_has_a_ruler_below_the_names() {
        let text = matrix().markdown();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "### polling, at most once");
        assert_eq!(lines[3], "|---|---|---|");
        assert!(lines[4].starts_with("| total-order            | 3    | x2 @7"));
    }

    #[test]
    fn programs_get_a_row_for_each_cell() {
        crate::testing::assert_is(&matrix().json(), Matrix::schema());
        let json: serde_json::Value = serde_json::from_str(&matrix().json()).expect("JSON");
        let cells = json["matrix"].as_array().expect("a list");
        assert_eq!(cells.len(), 2 * Guarantee::ALL.len());
        let violated = &cells[Guarantee::ALL.len() + 1];
        assert_eq!(violated["guarantee"], "total-order");
        assert_eq!(
            (&violated["fault"], &violated["first_violated"]),
            (&"kill".into(), &7.into())
        );
        assert_eq!(cells[0]["not_exercised"], 3);
    }

    #[test]
    fn cells_say_how_often_and_with_which_seed() {
        let cells = [HELD, VIOLATED, Cell::default()].map(|cell| cell.words());
        assert_eq!(cells, ["3", "x2 @7", "."]);
    }
}
