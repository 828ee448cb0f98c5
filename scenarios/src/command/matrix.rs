//! `squall matrix`: what holds over which transport, in which mode, under which class of fault.

use super::called::as_called;
use super::exit::{Exit, Failure, complain, error_line, note, say, say_text};
use super::format::one_of;
use super::output::say_whole;
use super::progress::progress;
use super::reporting::Reporting;
use super::stop::stop_on_ctrl_c;
use crate::apart::{BOUNDS, batches, play_apart};
use crate::matrix::{MODES, Place, Playing};
use squall::parallel::{Effort, default_jobs, parallel};
use squall_guarantees::{Guarantee, Verdict, counted};
use squall_reports::matrix::{self, Matrix};
use squall_reports::{Ended, Engine, Format, Outcome};
use std::time::Instant;

/// Plays every transport in every delivery mode under every class of fault, and prints what held.
///
/// One table for each transport and mode: a row for each guarantee that was put to the test, a
/// column for each class of fault. Everything is expected to hold in the mode `exactly once`; what
/// the weaker modes lose is shown, and is no failure.
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
    /// Print what is not as expected as annotations of a GitHub workflow, too.
    #[arg(long)]
    annotate: bool,
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

/// The forms in which a matrix can be written.
const FORMATS: [Format; 5] = [
    Format::Text,
    Format::Json,
    Format::Markdown,
    Format::Junit,
    Format::Lines,
];

pub(crate) fn matrix(arguments: &Arguments) -> Result<Exit, Failure> {
    let effort = Effort {
        jobs: arguments.jobs.map_or_else(default_jobs, usize::from),
        stop: stop_on_ctrl_c()?,
        ..Effort::default()
    };
    let reporting = Reporting {
        format: arguments.format,
        annotate: arguments.annotate,
    };
    let places = Place::all();
    let all = places.len() as u64 * arguments.seeds;
    let progress = progress(all);
    let began = Instant::now();
    let (mut found, mut failed, mut played) = (Vec::<matrix::Place>::new(), false, 0);
    let runs = places.iter().flat_map(|place| {
        let batches = batches(1..=arguments.seeds);
        batches.map(move |seeds| (place, seeds))
    });
    let work = |(place, seeds): &(&Place, Vec<u64>)| {
        let Ok(outcomes) = play_apart(&Playing(place.name()), seeds, BOUNDS);
        outcomes
    };
    parallel(runs, &effort, work, |(place, seeds), outcomes| {
        progress.inc(outcomes.len() as u64);
        played += outcomes.len() as u64;
        for (seed, outcome) in seeds.into_iter().zip(outcomes) {
            match outcome {
                Ok(verdicts) => {
                    let name = place.name();
                    progress.suspend(|| reporting.ended(&ended(place, &name, seed, &verdicts)));
                    if found.last().is_none_or(|last| last.scenario != name) {
                        found.push(place.told());
                    }
                    let cells = found.last_mut().into_iter();
                    let cells = cells.flat_map(|place| &mut place.cells);
                    cells
                        .zip(&verdicts)
                        .for_each(|(cell, verdict)| cell.add(seed, verdict));
                }
                Err(error) => {
                    failed = true;
                    progress.suspend(|| {
                        complain(error_line(&error));
                        let name = place.name();
                        reporting.ended(&Ended {
                            outcome: None,
                            what: vec![error],
                            ..ended(place, &name, seed, &[])
                        });
                    });
                }
            }
        }
    });
    progress.finish_and_clear();
    let matrix = Matrix {
        seeds: arguments.seeds,
        places: found,
    };
    match arguments.format {
        Format::Text => {
            say(matrix.text().trim_end());
            say_text(HOW_TO_REPEAT);
        }
        Format::Markdown => say(matrix.markdown().trim_end()),
        Format::Json => say_whole(&matrix.json()),
        _ => {}
    }
    reporting.say_cases(&matrix.cases(strictest()));
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

/// The mode in which everything must hold.
fn strictest() -> &'static str {
    MODES[MODES.len() - 1].0
}

/// A run with these verdicts, in the order of the guarantees.
fn ended<'n>(place: &Place, name: &'n str, seed: u64, verdicts: &[Verdict]) -> Ended<'n> {
    let verdicts = Guarantee::ALL.into_iter().zip(verdicts);
    let violated = verdicts.filter(|(_, it)| matches!(it, Verdict::Violated(_)));
    let violated: Vec<Guarantee> = violated.map(|(guarantee, _)| guarantee).collect();
    let is_wrong = MODES[place.mode].0 == strictest() && !violated.is_empty();
    let wrong = violated.iter().filter(|_| is_wrong);
    Ended {
        scenario: name,
        seed,
        engine: Engine::Native,
        outcome: Some(match is_wrong {
            true => Outcome::NotAsExpected,
            false => Outcome::AsExpected,
        }),
        what: wrong.map(|it| format!("{it} violated")).collect(),
        violated,
        command: as_called(&format!("squall run {name} --seed {seed}")),
    }
}

fn exit(matrix: &Matrix) -> Exit {
    let strict = matrix.places.iter();
    let strict = strict.filter(|place| place.mode == strictest());
    let mut cells = strict.flat_map(|place| &place.cells);
    let violated = cells.any(|cell| cell.violated > 0);
    let tested = |number: usize| {
        let mut places = matrix.places.iter();
        places.any(|place| place.cells[number].is_exercised())
    };
    match (violated, (0..Guarantee::ALL.len()).all(tested)) {
        (true, _) => Exit::NotAsExpected,
        (false, false) => Exit::NotExercised,
        (false, true) => Exit::AsExpected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_reports::matrix::Cell;

    /// All guarantees have this cell everywhere.
    fn everywhere(cell: Cell) -> Matrix {
        let place = |place: Place| matrix::Place {
            cells: vec![cell; Guarantee::ALL.len()],
            ..place.told()
        };
        Matrix {
            seeds: 3,
            places: Place::all().into_iter().map(place).collect(),
        }
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
        let (weakest, ..) = MODES[0];
        let places = matrix.places.iter_mut();
        let weaker = places.filter(|place| place.mode == weakest);
        weaker.for_each(|place| place.cells[0] = VIOLATED);
        assert_eq!(exit(&matrix), Exit::AsExpected);
        matrix.places.last_mut().expect("a place").cells[0] = VIOLATED;
        assert_eq!(exit(&matrix), Exit::NotAsExpected);
    }

    #[test]
    fn a_guarantee_that_is_never_put_to_the_test_is_told() {
        let mut matrix = everywhere(HELD);
        let places = matrix.places.iter_mut();
        places.for_each(|place| place.cells[3] = Cell::default());
        assert_eq!(exit(&matrix), Exit::NotExercised);
    }
}
