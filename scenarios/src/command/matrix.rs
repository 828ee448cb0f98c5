//! `squall matrix`: what holds, over which transport, in which mode, under which class of fault.

use super::exit::{Exit, Failure, complain, error_line, note, say, say_text};
use super::format::one_of;
use super::output::say_whole;
use super::progress::progress;
use super::stop::stop_on_ctrl_c;
use crate::matrix::{Cell, FAULTS, MODES, Place, TRANSPORTS, play};
use serde_json::json;
use squall::Scenario;
use squall::parallel::{Effort, default_jobs, parallel};
use squall_guarantees::{Guarantee, counted};
use squall_reports::Format;
use std::time::Instant;

/// Plays every transport in every delivery mode under every class of fault, and prints what held.
///
/// One table for each transport and mode: a row for each guarantee that was put to the test, a column
/// for each class of fault. Everything is expected to hold in the mode `exactly once`; what the weaker modes lose is
/// shown, and is no failure.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct Arguments {
    /// Play each combination with the seeds 1 to N.
    #[arg(long, value_name = "N", default_value_t = 10)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// How many combinations at a time; as many as there are cores, if not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    jobs: Option<u16>,
    /// How to write the matrix.
    #[arg(long, value_parser = one_of(&FORMATS), default_value = "text")]
    format: Format,
}

const NOTES: &str = "\
Cells:
  10      held in ten runs
  x3 @7   violated in three runs, first with seed 7
  .       not exercised

Exit codes:
  0  all held in the mode `exactly once`, and every guarantee was asked
  1  one was violated in that mode    2  one was never put to the test
  4  bad input, or a failure of Squall itself";

/// Each cell can be played alone.
const HOW_TO_REPEAT: &str = "\nEach column of a table is a scenario: `squall run matrix-polling-exactly-once-power-loss --seed 7` plays one run, \
    `squall show matrix-polling-exactly-once-power-loss` prints it.";

/// In which forms a matrix can be written.
const FORMATS: [Format; 3] = [Format::Text, Format::Json, Format::Markdown];

/// What was found in each place.
type Matrix = Vec<(Place, Vec<Cell>)>;

pub(crate) fn matrix(arguments: &Arguments) -> Result<Exit, Failure> {
    let effort = Effort {
        jobs: arguments.jobs.map_or_else(default_jobs, usize::from),
        stop: stop_on_ctrl_c()?,
        ..Effort::default()
    };
    let places = Place::all();
    let all = places.len() as u64 * arguments.seeds;
    let progress = progress(all);
    let began = Instant::now();
    let (mut matrix, mut failed) = (Matrix::new(), false);
    let runs = places.iter().map(|place| (place, place.scenario()));
    let runs: Vec<_> = runs.collect();
    let runs = runs
        .iter()
        .flat_map(|run| (1..=arguments.seeds).map(move |seed| (run, seed)));
    let work = |((_, scenario), seed): &(&(&Place, Scenario), u64)| play(scenario, *seed);
    let played = parallel(runs, &effort, work, |((place, _), seed), result| {
        progress.inc(1);
        match result {
            Ok(verdicts) => {
                if matrix.last().is_none_or(|(last, _)| last != *place) {
                    matrix.push((**place, vec![Cell::default(); Guarantee::ALL.len()]));
                }
                let cells = matrix.last_mut().into_iter().flat_map(|(_, cells)| cells);
                cells
                    .zip(&verdicts)
                    .for_each(|(cell, verdict)| cell.add(seed, verdict));
            }
            Err(error) => {
                failed = true;
                progress.suspend(|| complain(error_line(&error.to_string())));
            }
        }
    });
    progress.finish_and_clear();
    match arguments.format {
        Format::Text => {
            say(tables(&matrix, &PLAIN));
            say_text(HOW_TO_REPEAT);
        }
        Format::Markdown => say(tables(&matrix, &MARKDOWN)),
        // The others are not among FORMATS.
        _ => say_whole(&json(&matrix, arguments.seeds)),
    }
    note(format_args!(
        "{} in {:.1} s",
        counted(played, "run"),
        began.elapsed().as_secs_f64()
    ));
    Ok(match exit(&matrix) {
        _ if failed => Exit::Failed,
        Exit::AsExpected | Exit::NotExercised if played < all => Exit::Interrupted,
        exit => exit,
    })
}

fn exit(matrix: &Matrix) -> Exit {
    let strictest = MODES.len() - 1;
    let strict = matrix.iter().filter(|(place, _)| place.mode == strictest);
    let violated = strict
        .flat_map(|(_, cells)| cells)
        .any(|cell| cell.violated > 0);
    let tested = |number: usize| matrix.iter().any(|(_, cells)| cells[number].is_exercised());
    match (violated, (0..Guarantee::ALL.len()).all(tested)) {
        (true, _) => Exit::NotAsExpected,
        (false, false) => Exit::NotExercised,
        (false, true) => Exit::AsExpected,
    }
}

/// How a table is drawn.
struct Drawing {
    heading: &'static str,
    before: &'static str,
    between: &'static str,
    /// Below the row of the columns' names.
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

fn tables(matrix: &Matrix, drawing: &Drawing) -> String {
    let mut text = String::new();
    for (transport, name) in TRANSPORTS.iter().enumerate() {
        for (mode, (mode_name, ..)) in MODES.iter().enumerate() {
            let cells: Vec<&Vec<Cell>> = (matrix.iter())
                .filter(|(place, _)| place.transport == transport && place.mode == mode)
                .map(|(_, cells)| cells)
                .collect();
            text += &format!("{}{name}, {mode_name}\n", drawing.heading);
            text += &table(&cells, drawing);
            text += "\n";
        }
    }
    text.trim_end().to_owned()
}

fn table(places: &[&Vec<Cell>], drawing: &Drawing) -> String {
    let widths: Vec<usize> = (0..FAULTS.len())
        .map(|column| {
            let cells = places.get(column).into_iter().copied().flatten();
            let widest = cells.map(|cell| words(cell).len()).max();
            FAULTS[column].0.len().max(widest.unwrap_or(0))
        })
        .collect();
    let row = |name: &str, cells: &mut dyn Iterator<Item = String>| {
        let cells: Vec<String> = cells
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:width$}"))
            .collect();
        let cells = cells.join(drawing.between);
        let row = format!("{}{name:22}{}{cells}", drawing.before, drawing.between);
        format!("{}\n", row.trim_end())
    };
    let names = FAULTS.iter().map(|(class, _)| (*class).to_owned());
    let mut text = row("", &mut names.into_iter());
    if let Some(ruler) = drawing.ruler {
        text = format!("\n{text}{}|\n", ruler.repeat(FAULTS.len() + 1));
    }
    let mut unasked = Vec::new();
    for (number, guarantee) in Guarantee::ALL.iter().enumerate() {
        let mut cells = places.iter().map(|cells| words(&cells[number]));
        match places.iter().any(|cells| cells[number].is_exercised()) {
            true => text += &row(guarantee.name(), &mut cells),
            false => unasked.push(guarantee.name()),
        }
    }
    if !unasked.is_empty() {
        text += &format!("\nNever put to the test here: {}.\n", unasked.join(", "));
    }
    text
}

fn words(cell: &Cell) -> String {
    match cell.first_violated {
        Some(seed) => format!("x{} @{seed}", cell.violated),
        None if cell.held > 0 => cell.held.to_string(),
        None => ".".to_owned(),
    }
}

fn json(matrix: &Matrix, seeds: u64) -> String {
    let cells: Vec<_> = matrix
        .iter()
        .flat_map(|(place, cells)| {
            Guarantee::ALL.iter().zip(cells).map(|(guarantee, cell)| {
                json!({
                    "guarantee": guarantee,
                    "transport": TRANSPORTS[place.transport],
                    "mode": MODES[place.mode].0,
                    "fault": FAULTS[place.fault].0,
                    "scenario": place.name(),
                    "held": cell.held,
                    "violated": cell.violated,
                    "not_exercised": seeds - cell.held - cell.violated,
                    "first_violated": cell.first_violated,
                })
            })
        })
        .collect();
    format!(
        "{:#}",
        json!({ "squall": 1, "seeds": seeds, "matrix": cells })
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everywhere all guarantees have this cell.
    fn everywhere(cell: Cell) -> Matrix {
        let cells = |place| (place, vec![cell; Guarantee::ALL.len()]);
        Place::all().into_iter().map(cells).collect()
    }

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

    #[test]
    fn only_the_strictest_mode_must_hold() {
        let mut matrix = everywhere(HELD);
        assert_eq!(exit(&matrix), Exit::AsExpected);
        let weaker = matrix.iter_mut().filter(|(place, _)| place.mode == 0);
        weaker.for_each(|(_, cells)| cells[0] = VIOLATED);
        assert_eq!(exit(&matrix), Exit::AsExpected);
        matrix.last_mut().expect("a place").1[0] = VIOLATED;
        assert_eq!(exit(&matrix), Exit::NotAsExpected);
    }

    #[test]
    fn a_guarantee_that_is_never_put_to_the_test_is_told() {
        let mut matrix = everywhere(HELD);
        matrix
            .iter_mut()
            .for_each(|(_, cells)| cells[3] = Cell::default());
        assert_eq!(exit(&matrix), Exit::NotExercised);
    }

    #[test]
    fn a_table_has_no_empty_row_and_says_what_is_missing() {
        let mut cells = vec![HELD; Guarantee::ALL.len()];
        cells[0] = Cell::default();
        let text = table(&[&cells], &PLAIN);
        assert_eq!(text.lines().count(), Guarantee::ALL.len() + 2);
        assert!(
            text.ends_with("Never put to the test here: ordering.\n"),
            "{text}"
        );
    }

    #[test]
    fn cells_say_how_often_and_with_which_seed() {
        let cells = [HELD, VIOLATED, Cell::default()].map(|cell| words(&cell));
        assert_eq!(cells, ["3", "x2 @7", "."]);
    }
}
