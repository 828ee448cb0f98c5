//! `squall report`: the reports of a run, recomputed from its record.

use super::exit::{Exit, Failure, complain, say};
use super::files;
use super::format::one_of;
use super::output::{Output, read_record};
use super::selection::check_names;
use squall_reports::{Format, Judged, Record};
use std::path::{Path, PathBuf};

/// Writes the reports of runs from their records alone: nothing is played.
///
/// A record is in the JSON report of a run (`squall run --out DIR`, or `--format json`). A
/// directory stands for all JSON reports of runs in it, and gets a page that lists them. The
/// guarantees are checked with the checkers of this build.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// A JSON report of a run, or a directory of them.
    #[arg(value_name = "RECORD|DIR", required = true)]
    records: Vec<PathBuf>,
    /// How to write the reports; several with commas. [default: html]
    #[arg(long, value_parser = one_of(Format::DOCUMENTS), value_delimiter = ',')]
    format: Vec<Format>,
    /// The directory for the reports. [default: that of the records]
    #[arg(long, value_name = "DIR", conflicts_with = "print")]
    out: Option<PathBuf>,
    /// Print the reports instead.
    #[arg(long)]
    print: bool,
}

const EXAMPLES: &str = "\
Examples:
  squall report report/lossy-link.seed-17.json  a page beside it
  squall report report/                         all runs in it, and index.html
  squall report found.json --format text,mermaid --print";

pub(crate) fn report(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut failed = false;
    for given in &arguments.records {
        let (directory, files) = match given.is_dir() {
            true => (given.clone(), json_files(given)?),
            false => {
                let parent = given.parent().map(Path::to_owned).unwrap_or_default();
                (parent, vec![given.clone()])
            }
        };
        let (mut records, single) = (Vec::new(), !given.is_dir());
        for file in &files {
            match read_record(file) {
                Ok(record) => records.push((file, record)),
                // There may be other documents beside the records.
                Err(what) if single => return Err(what),
                Err(what) if is_damaged(file) => {
                    failed = true;
                    complain(what.0);
                }
                Err(_) => {}
            }
        }
        if records.is_empty() {
            let what = format!("there is no record of a run in {}", given.display());
            return Err(Failure::new(format!(
                "{what}\n  `squall run NAME --out DIR` writes records."
            )));
        }
        write(arguments, &directory, records, single)?;
    }
    Ok(if failed {
        Exit::Failed
    } else {
        Exit::AsExpected
    })
}

/// Whether a file is not even JSON.
fn is_damaged(file: &Path) -> bool {
    let read = files::read(file, files::DOCUMENT_MAX).unwrap_or_default();
    serde_json::from_slice::<serde::de::IgnoredAny>(&read).is_err()
}

fn json_files(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let failed = |error| {
        let directory = directory.display();
        Failure::new(format!("the directory {directory} cannot be read: {error}"))
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|it| it == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn write(
    arguments: &Arguments,
    beside: &Path,
    records: Vec<(&PathBuf, Record)>,
    single: bool,
) -> Result<(), Failure> {
    let formats = match arguments.format.is_empty() {
        true => vec![Format::Html],
        false => arguments.format.clone(),
    };
    if arguments.print {
        let output = Output::new(None, &formats)?;
        return records
            .into_iter()
            .try_for_each(|(_, record)| output.run(&Judged::new(record)));
    }
    let names: Vec<(String, String)> = records
        .iter()
        .map(|(file, it)| {
            (
                format!("{}.seed-{}", it.scenario, it.seed),
                file.display().to_string(),
            )
        })
        .collect();
    check_names(names.iter().map(|(name, file)| (&**name, &**file)))?;
    let directory = arguments.out.clone().unwrap_or_else(|| match beside {
        beside if beside.as_os_str().is_empty() => PathBuf::from("."),
        beside => beside.to_owned(),
    });
    let output = Output::new(Some(directory), &formats)?;
    let mut listed = Vec::new();
    let count = records.len();
    for (_, record) in records {
        let judged = Judged::new(record);
        output.write_run(&judged)?;
        listed.push(output.listed(&judged));
    }
    if !single {
        output.index(listed)?;
    }
    say(format_args!(
        "{}{}",
        squall_guarantees::counted(count as u64, "record"),
        output.whereabouts()
    ));
    Ok(())
}
