//! Where reports go: to standard output, or to files, which are always complete.

use super::exit::{Failure, is_quiet, is_verbose, printed, say};
use super::files;
use super::screen::{fit, paragraph};
use super::summary::{self, Summed};
use serde::Deserialize;
use squall_reports::html::Listed;
use squall_reports::{
    Ended, Engine, Exploration, Format, Judged, Outcome, Record, Styles, Summary, document, html,
    json, junit, markdown, mermaid, perfetto, text,
};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Receives reports.
pub(crate) struct Output {
    directory: Option<PathBuf>,
    /// The documents that are written.
    formats: Vec<Format>,
    /// Whether a line of JSON is printed for each run as it ends.
    lines: bool,
}

impl Output {
    /// Prepares the directory, if reports become files.
    ///
    /// # Errors
    /// If the directory cannot be created, or something is to be printed that is no text.
    pub(crate) fn new(directory: Option<PathBuf>, formats: &[Format]) -> Result<Self, Failure> {
        if let Some(directory) = &directory {
            std::fs::create_dir_all(directory).map_err(|error| {
                let directory = directory.display();
                Failure::new(format!(
                    "the directory {directory} cannot be created: {error}"
                ))
            })?;
        }
        if directory.is_none() && formats.contains(&Format::Perfetto) {
            let what = "a trace for Perfetto is no text";
            return Err(Failure::new(format!(
                "{what}\n  Have it written into a directory: `--out DIR`."
            )));
        }
        let lines = formats.contains(&Format::Lines);
        let formats = match (formats, &directory) {
            ([], Some(_)) => Format::DOCUMENTS.to_vec(),
            ([], None) => vec![Format::Text],
            (given, _) => given.to_vec(),
        };
        let documents = formats.into_iter().filter(|it| *it != Format::Lines);
        Ok(Output {
            directory,
            formats: documents.collect(),
            lines,
        })
    }

    /// Prints the line of a run that has ended, if there is to be one for each.
    pub(crate) fn ended(&self, run: &Ended<'_>) {
        if self.lines {
            say(run.line());
        }
    }

    /// Whether reports become files.
    pub(crate) fn is_in_files(&self) -> bool {
        self.directory.is_some()
    }

    /// Whether a report of a run shows its packets.
    pub(crate) fn shows_packets(&self) -> bool {
        self.formats.iter().any(|format| format.shows_packets())
    }

    /// `, reports in report/`, or nothing.
    pub(crate) fn whereabouts(&self) -> String {
        match &self.directory {
            Some(directory) => format!(", reports in {}", directory.join("").display()),
            None => String::new(),
        }
    }

    /// Receives the report of a run.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn run(&self, judged: &Judged) -> Result<(), Failure> {
        let Record {
            scenario, engine, ..
        } = &judged.record;
        self.ended(&Ended::of(scenario, *engine, &Summary::of(judged)));
        if !self.is_in_files() {
            self.formats
                .iter()
                .for_each(|&format| say_whole(&of_run(judged, format, true)));
            return Ok(());
        }
        if !self.lines {
            say_briefly(judged);
        }
        self.write_run(judged)
    }

    /// Writes the report of a run into files, without printing anything.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn write_run(&self, judged: &Judged) -> Result<(), Failure> {
        let Record {
            scenario,
            engine,
            seed,
            ..
        } = &judged.record;
        let stem = format!("{}.seed-{seed}", stem(scenario, *engine));
        self.write(&stem, |format| match format {
            Format::Perfetto => Some(perfetto::render(judged)),
            _ => Some(of_run(judged, format, false).into_bytes()),
        })
    }

    /// Receives the report of an exploration: prints it, and writes it into files as well.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn exploration(&self, exploration: &Exploration, seeds: u64) -> Result<(), Failure> {
        if !self.is_in_files() {
            let reports = self.formats.iter();
            let reports = reports.filter_map(|&format| of_exploration(exploration, format, true));
            reports.for_each(|report| say_whole(&report));
            return Ok(());
        }
        if !self.lines {
            say_whole(&fit(&exploration.text(&styles(true))));
        }
        let stem = stem(&exploration.scenario, exploration.engine);
        let stem = format!("{stem}.seeds-1-to-{seeds}");
        let report = |format| of_exploration(exploration, format, false);
        self.write(&stem, |format| report(format).map(String::into_bytes))
    }

    /// A run as listed in the index.
    pub(crate) fn listed(&self, judged: &Judged) -> Listed {
        let Record {
            scenario,
            engine,
            seed,
            ..
        } = &judged.record;
        let stem = format!("{}.seed-{seed}", stem(scenario, *engine));
        Listed::of_run(judged, file_name(&stem))
    }

    /// An exploration as listed in the index.
    pub(crate) fn listed_exploration(&self, exploration: &Exploration, seeds: u64) -> Listed {
        let stem = stem(&exploration.scenario, exploration.engine);
        let stem = format!("{stem}.seeds-1-to-{seeds}");
        Listed::of_exploration(exploration, file_name(&stem))
    }

    /// Writes the page that lists all others, if there are pages.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn index(&self, listed: Vec<Listed>) -> Result<(), Failure> {
        match self.formats.contains(&Format::Html) {
            true => self.write("index", |format| {
                (format == Format::Html).then(|| html::index(&listed).into_bytes())
            }),
            false => Ok(()),
        }
    }

    /// Whether what is printed is for people.
    pub(crate) fn is_for_people(&self) -> bool {
        !self.lines && (self.is_in_files() || self.formats == [Format::Text])
    }

    /// Writes what became of all runs, for programs and for `squall run --failed`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn summary(&self, summary: &Summed) -> Result<(), Failure> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        let path = directory.join(summary::NAME);
        let written = files::write(&path, summary.json().as_bytes());
        written
            .map_err(|error| Failure::new(format!("{} cannot be written: {error}", path.display())))
    }

    fn write(&self, stem: &str, report: impl Fn(Format) -> Option<Vec<u8>>) -> Result<(), Failure> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        for &format in &self.formats {
            let Some(report) = report(format) else {
                continue;
            };
            let path = directory.join(format!("{stem}.{}", format.extension()));
            files::write(&path, &report).map_err(|error| {
                Failure::new(format!(
                    "the report {} cannot be written: {error}",
                    path.display()
                ))
            })?;
        }
        Ok(())
    }
}

/// A single line for a run as expected. Otherwise more: the verdict with the seed, how to repeat
/// it, the guarantees.
fn say_briefly(judged: &Judged) {
    let report = of_run(judged, Format::Text, true);
    let mut lines = report.lines();
    let verdict = lines.next().unwrap_or_default();
    if judged.outcome == Outcome::AsExpected {
        match (is_quiet(), is_verbose()) {
            (true, _) => {}
            (false, false) => say(verdict),
            (false, true) => report.lines().take(2).for_each(say),
        }
        return;
    }
    report.lines().take(2).for_each(say);
    let is_told = |line: &&str| !line.is_empty();
    let guarantees = lines
        .skip_while(|line| !line.contains("Guarantees"))
        .skip(1)
        .take_while(is_told);
    let mut is_wrong = false;
    for line in guarantees {
        // What a verdict rests on is below it, indented.
        is_wrong = line.starts_with(['!', '?']) || (is_wrong && line.starts_with("      "));
        if is_wrong {
            say(line);
        }
    }
}

/// The name of a page.
fn file_name(stem: &str) -> String {
    format!("{stem}.{}", Format::Html.extension())
}

/// The page of a run of an exploration, relative to the exploration's page.
fn link(exploration: &Exploration, seed: u64) -> String {
    let stem = stem(&exploration.scenario, exploration.engine);
    file_name(&format!("{stem}.seed-{seed}"))
}

/// The prefix of the names of a scenario's reports: another engine's reports are separate files.
fn stem(scenario: &str, engine: Engine) -> String {
    match engine {
        Engine::Native => scenario.to_owned(),
        other => format!("{scenario}.{other}"),
    }
}

/// Reads the record in a JSON report of a run, or a record on its own.
///
/// # Errors
/// The file cannot be read, or holds no record.
pub(super) fn read_record(path: &Path) -> Result<Record, Failure> {
    let failed = |what: String| Failure::new(format!("{}: {what}", path.display()));
    let text = files::read_text(path, files::DOCUMENT_MAX)
        .map_err(|error| failed(format!("it cannot be read: {error}")))?;
    // A long run's record is large: it is read once, into what it is.
    let read: Result<Reading, _> = serde_json::from_str(&text);
    let version = match &read {
        Ok(read) => read.squall.clone(),
        Err(_) => {
            serde_json::from_str::<serde::de::IgnoredAny>(&text)
                .map_err(|error| failed(format!("it is no JSON: {error}")))?;
            let document = serde_json::from_str::<Version>(&text).ok();
            document.and_then(|it| it.squall)
        }
    };
    let version = version.as_ref().and_then(serde_json::Value::as_u64);
    if version.is_some_and(|version| version != u64::from(document::VERSION)) {
        let known = document::VERSION;
        return Err(failed(format!(
            "its version is not {known}, which this build knows"
        )));
    }
    let record = match read {
        Ok(Reading {
            record: Some(record),
            ..
        }) => Ok(record),
        Ok(Reading { record: None, .. }) => serde_json::from_str(&text),
        Err(error) => Err(error),
    };
    record.map_err(|error| {
        failed(format!(
            "it holds no record of a run: {error}\n  The JSON reports of `squall run` do."
        ))
    })
}

/// A JSON report of a run, as far as its record needs it.
#[derive(Deserialize)]
struct Reading {
    squall: Option<serde_json::Value>,
    record: Option<Record>,
}

/// A document of which nothing is known but its version.
#[derive(Deserialize)]
struct Version {
    squall: Option<serde_json::Value>,
}

/// Reports end with their own line break. One without colours may be long, and need not be searched
/// for them.
pub(crate) fn say_whole(report: &str) {
    match report.ends_with('\n') && !report.contains('\x1b') {
        true => printed(std::io::stdout().write_all(report.as_bytes())),
        false => say(report.strip_suffix('\n').unwrap_or(report)),
    }
}

fn of_run(judged: &Judged, format: Format, coloured: bool) -> String {
    match format {
        Format::Text if coloured => fit(&text::render(judged, &styles(true))),
        Format::Text => text::render(judged, &styles(false)),
        Format::Json => json::render(judged),
        Format::Brief => json::brief(judged),
        Format::Markdown => markdown::render(judged),
        Format::Html => html::render(judged),
        Format::Junit => junit::render(judged),
        Format::Mermaid => mermaid::render(judged),
        Format::Svg => html::picture(judged),
        // They are no text about a run.
        Format::Perfetto | Format::Lines => String::new(),
    }
}

/// None for a format in which many runs cannot be summed up.
fn of_exploration(exploration: &Exploration, format: Format, coloured: bool) -> Option<String> {
    Some(match format {
        Format::Text if coloured => fit(&exploration.text(&styles(true))),
        Format::Text => exploration.text(&styles(false)),
        Format::Json => exploration.json(),
        Format::Markdown => exploration.markdown(),
        Format::Html => html::of_exploration(exploration, |seed| link(exploration, seed)),
        Format::Junit => junit::render_exploration(exploration),
        Format::Brief | Format::Mermaid | Format::Svg | Format::Perfetto | Format::Lines => {
            return None;
        }
    })
}

fn styles(coloured: bool) -> Styles {
    if coloured {
        Styles::coloured().within(paragraph())
    } else {
        Styles::plain()
    }
}
