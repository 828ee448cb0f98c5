//! Where reports go: to standard output, or to files that are always whole.

use super::exit::{Failure, INTERRUPTED, say};
use squall_reports::{Engine, Exploration, Format, Judged, Record, Styles, json, markdown, text};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Held while a report is being written.
static WRITING: Mutex<()> = Mutex::new(());

/// Ends the program as one that was stopped with Ctrl-C, between two reports.
pub(super) fn exit_interrupted() -> ! {
    let _until_written = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    std::process::exit(INTERRUPTED)
}

/// Takes reports.
pub(crate) struct Output {
    directory: Option<PathBuf>,
    formats: Vec<Format>,
}

impl Output {
    /// Prepares the directory, if reports become files.
    ///
    /// # Errors
    /// If the directory cannot be created.
    pub(crate) fn new(directory: Option<PathBuf>, formats: &[Format]) -> Result<Self, Failure> {
        if let Some(directory) = &directory {
            std::fs::create_dir_all(directory).map_err(|error| {
                let directory = directory.display();
                Failure::new(format!(
                    "the directory {directory} cannot be created: {error}"
                ))
            })?;
        }
        let formats = match (formats, &directory) {
            ([], Some(_)) => Format::ALL.to_vec(),
            ([], None) => vec![Format::Text],
            (given, _) => given.to_vec(),
        };
        Ok(Output { directory, formats })
    }

    /// Whether reports become files.
    pub(crate) fn is_in_files(&self) -> bool {
        self.directory.is_some()
    }

    /// `, reports in report/`, or nothing.
    pub(crate) fn whereabouts(&self) -> String {
        match &self.directory {
            Some(directory) => format!(", reports in {}", directory.join("").display()),
            None => String::new(),
        }
    }

    /// Takes the report of a run.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn run(&self, judged: &Judged) -> Result<(), Failure> {
        if !self.is_in_files() {
            self.formats
                .iter()
                .for_each(|&format| say_whole(&of_run(judged, format, true)));
            return Ok(());
        }
        let report = of_run(judged, Format::Text, true);
        // The verdict with the seed, and the command that repeats the run.
        report.lines().take(2).for_each(say);
        self.write_run(judged)
    }

    /// Writes the report of a run into files, and says nothing.
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
        self.write(&stem, |format| of_run(judged, format, false))
    }

    /// Takes the report of an exploration: prints it, and writes it into files as well.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub(crate) fn exploration(&self, exploration: &Exploration, seeds: u64) -> Result<(), Failure> {
        if !self.is_in_files() {
            let print = |&format| say_whole(&of_exploration(exploration, format, true));
            self.formats.iter().for_each(print);
            return Ok(());
        }
        say_whole(&of_exploration(exploration, Format::Text, true));
        let stem = stem(&exploration.scenario, exploration.engine);
        let stem = format!("{stem}.seeds-1-to-{seeds}");
        self.write(&stem, |format| of_exploration(exploration, format, false))
    }

    fn write(&self, stem: &str, report: impl Fn(Format) -> String) -> Result<(), Failure> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        for &format in &self.formats {
            let path = directory.join(format!("{stem}.{}", format.extension()));
            write_whole(&path, &report(format)).map_err(|error| {
                Failure::new(format!(
                    "the report {} cannot be written: {error}",
                    path.display()
                ))
            })?;
        }
        Ok(())
    }
}

/// How the names of a scenario's reports begin: those of another engine are files of their own.
fn stem(scenario: &str, engine: Engine) -> String {
    match engine {
        Engine::Native => scenario.to_owned(),
        other => format!("{scenario}.{other}"),
    }
}

/// Writes a file under another name first: whoever looks finds it whole, or not at all.
pub(super) fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let _writing = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let unfinished = path.with_added_extension("tmp");
    std::fs::write(&unfinished, text)?;
    std::fs::rename(&unfinished, path)
}

/// Reports end with a line break of their own.
pub(crate) fn say_whole(report: &str) {
    say(report.strip_suffix('\n').unwrap_or(report));
}

fn of_run(judged: &Judged, format: Format, coloured: bool) -> String {
    match format {
        Format::Text => text::render(judged, &styles(coloured)),
        Format::Json => json::render(judged),
        Format::Markdown => markdown::render(judged),
    }
}

fn of_exploration(exploration: &Exploration, format: Format, coloured: bool) -> String {
    match format {
        Format::Text => exploration.text(&styles(coloured)),
        Format::Json => exploration.json(),
        Format::Markdown => exploration.markdown(),
    }
}

fn styles(coloured: bool) -> Styles {
    if coloured {
        Styles::coloured()
    } else {
        Styles::plain()
    }
}
