//! `squall schema`: what a scenario file can contain, and what the documents say that commands
//! write; for editors and for programs.

use super::check_determinism::Certificate;
use super::exit::{Exit, Failure};
use super::output::say_whole;
use super::summary::Summed;
use super::{check, judge, list, proxy, why};
use crate::search;
use squall_reports::audit::Audit;
use squall_reports::bugs::Bugs;
use squall_reports::calibration::Calibration;
use squall_reports::document::{schema as versioned, schema_of, strict};
use squall_reports::matrix::Matrix;
use squall_reports::parity::Parity;
use squall_reports::{Comparison, Ended, Exploration, Uncompared, json};

/// Prints the JSON Schema of scenario files, for editors; of the logs that `squall judge` reads; or
/// of a document that a command writes.
///
/// An editor with a server for TOML (Taplo, Even Better TOML, tombi) completes and checks a file
/// whose first line is `#:schema ./scenario.schema.json`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Of what.
    #[arg(value_enum, default_value = "scenario")]
    of: Of,
    /// Allow no fields that it does not know. New ones may be added at any time, so this is to
    /// notice them. (Scenario files and logs may have no others in any case.)
    #[arg(long)]
    strict: bool,
}

/// What has a schema.
#[derive(Clone, Copy, Debug, PartialEq, clap::ValueEnum)]
enum Of {
    /// A scenario file.
    Scenario,
    /// A line of a log that `squall judge` reads.
    Log,
    /// A run, with its record.
    Run,
    /// A run, without its history: `--format brief`.
    Brief,
    /// The line for each run of `--format jsonl`.
    Line,
    /// Many runs of a scenario: `squall run --seeds`.
    Seeds,
    /// Many worlds: `squall explore`, `squall merge`, exploration.json.
    Explore,
    /// What became of a list of runs: summary.json.
    Summary,
    /// `squall why`.
    Why,
    /// `squall list`.
    List,
    /// `squall check`.
    Check,
    /// `squall judge`.
    Judge,
    /// `squall proxy`.
    Proxy,
    /// `squall audit-entropy`.
    Audit,
    /// `squall compare-engines`.
    Comparison,
    /// The same of a scenario that is left out.
    Uncompared,
    /// `squall parity`.
    Parity,
    /// `squall calibrate`.
    Calibration,
    /// `squall matrix`.
    Matrix,
    /// `squall bugs`.
    Bugs,
    /// `squall check-determinism --certificate`.
    Certificate,
}

const EXAMPLES: &str = "\
Examples:
  squall schema > scenario.schema.json            beside your scenarios
  squall schema log > log.schema.json             of each line of a log
  squall schema run > run.schema.json             of `run --format json`";

/// Tests keep them equal to what the code reads.
const SCENARIO: &str = include_str!("../../scenario.schema.json");
const LOG: &str = include_str!("../../log.schema.json");

pub(crate) fn schema(arguments: &Arguments) -> Result<Exit, Failure> {
    let document = match arguments.of {
        Of::Scenario => return Ok(say_as_it_is(SCENARIO)),
        Of::Log => return Ok(say_as_it_is(LOG)),
        Of::Run => json::schema(),
        Of::Brief => json::brief_schema(),
        Of::Line => Ended::schema(),
        Of::Seeds => Exploration::schema(),
        Of::Explore => schema_of::<search::Exploration>(
            "What `squall explore --format json` and `squall merge` print, and write into `exploration.json`: worlds, and their stories.",
        ),
        Of::Summary => versioned::<Summed>(
            "What `squall run --out` writes into `summary.json`: what became of a list of runs.",
        ),
        Of::Why => versioned::<why::Document<'_>>(
            "What `squall why --format json` prints: what a violation depends on.",
        ),
        Of::List => versioned::<list::Listed>(
            "What `squall list --format json` prints: the named scenarios.",
        ),
        Of::Check => versioned::<check::Checked<'_>>(
            "What `squall check --format json` prints: what is wrong in files.",
        ),
        Of::Judge => versioned::<judge::Document<'_>>(
            "What `squall judge --format json` prints: the verdicts on logs.",
        ),
        Of::Proxy => versioned::<proxy::Document<'_>>(
            "What `squall proxy --format json` prints: what was carried, and what the faults did.",
        ),
        Of::Audit => Audit::schema(),
        Of::Comparison => Comparison::schema(),
        Of::Uncompared => Uncompared::schema(),
        Of::Parity => Parity::schema(),
        Of::Calibration => Calibration::schema(),
        Of::Matrix => Matrix::schema(),
        Of::Bugs => Bugs::schema(),
        Of::Certificate => schema_of::<Certificate>(
            "What `squall check-determinism --certificate` writes: runs that are repeatable, and their digests.",
        ),
    };
    let document = match arguments.strict {
        true => strict(document),
        false => document,
    };
    Ok(say_as_it_is(&format!("{document:#}\n")))
}

fn say_as_it_is(text: &str) -> Exit {
    say_whole(text);
    Exit::AsExpected
}
