//! The scenarios that a command line names: embedded ones by name, others by their file.

use super::exit::{Failure, error_line};
use crate::library::library;
use crate::systems::SYSTEMS;
use miette::GraphicalTheme;
use squall::Scenario;
use squall::text::nearest;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Which scenarios.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Selection {
    /// Names of scenarios (see `squall list`), or files.
    #[arg(value_name = "SCENARIO|FILE")]
    scenarios: Vec<String>,
    /// Every named scenario.
    #[arg(long)]
    pub(crate) all: bool,
}

/// How much may be asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Limit {
    /// Begin a run however much memory and time it may take.
    #[arg(long)]
    no_limit: bool,
}

impl Limit {
    /// Lets pass what a computer can play.
    ///
    /// # Errors
    /// How much too much each of the others is.
    pub(crate) fn check(&self, scenarios: &[Scenario]) -> Result<(), Failure> {
        if self.no_limit {
            return Ok(());
        }
        let excessive = scenarios.iter().filter_map(|scenario| {
            let excess = scenario.size().excess()?;
            Some(error_line(&format!(
                "{} is too large: {excess}\n  Let there be fewer clients or messages, or a shorter \
                 interval; `--no-limit` begins it all the same.",
                scenario.source
            )))
        });
        let excessive: Vec<_> = excessive.collect();
        match excessive.is_empty() {
            true => Ok(()),
            false => Err(Failure::told(excessive.join("\n"))),
        }
    }
}

/// Makes sure that the reports of these scenarios can be told apart by their names.
///
/// # Errors
/// Two that have the same.
pub(crate) fn check_names(scenarios: &[Scenario]) -> Result<(), Failure> {
    let mut sources = BTreeMap::new();
    for scenario in scenarios {
        if let Some(first) = sources.insert(&scenario.name, &scenario.source) {
            return Err(Failure::new(format!(
                "{first} and {} are both called `{}`: one report would take the place of the other\n  \
                 Rename one of them, or run them one at a time.",
                scenario.source, scenario.name
            )));
        }
    }
    Ok(())
}

impl Selection {
    /// Reads them, in the order of the command line.
    ///
    /// # Errors
    /// All names that are unknown and all mistakes in all files, in words for people.
    pub(crate) fn read(&self) -> Result<Vec<Scenario>, Failure> {
        if self.all {
            return Ok(library());
        }
        let (mut scenarios, mut complaints) = (Vec::new(), Vec::new());
        for given in &self.scenarios {
            match read(given) {
                Ok(scenario) => scenarios.push(scenario),
                Err(complaint) => complaints.push(complaint),
            }
        }
        if complaints.is_empty() {
            Ok(scenarios)
        } else {
            Err(Failure(complaints.join("\n")))
        }
    }
}

/// Reads the one that is given.
///
/// # Errors
/// That the name is unknown or all mistakes in the file, in words for people.
pub(crate) fn read_one(given: &str) -> Result<Scenario, Failure> {
    read(given).map_err(Failure::told)
}

/// The longest file that is read, in bytes. A scenario is a page or two.
const FILE_MAX: u64 = 1024 * 1024;

/// Reads a file that can be a scenario: not one without an end.
fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let mut file = File::open(path)?.take(FILE_MAX + 1);
    match file.read_to_string(&mut text)? as u64 {
        0..=FILE_MAX => Ok(text),
        _ => Err(io::Error::other(format!(
            "it is longer than {FILE_MAX} bytes, which no scenario needs"
        ))),
    }
}

fn read(given: &str) -> Result<Scenario, String> {
    let library = library();
    if let Some(scenario) = library.iter().find(|scenario| scenario.name == given) {
        return Ok(scenario.clone());
    }
    let path = Path::new(given);
    let looks_like_a_file = path.extension().is_some() || path.components().count() > 1;
    match read_text(path) {
        Ok(text) => Scenario::parse(given, &text, SYSTEMS)
            .map_err(|bad| bad.report(GraphicalTheme::unicode())),
        Err(error) if looks_like_a_file => Err(error_line(&format!(
            "the file {given} cannot be read: {error}"
        ))),
        Err(_) => {
            let hint = match nearest(given, library.iter().map(|s| s.name.as_str())) {
                Some(meant) => format!("Did you mean `{meant}`? "),
                None => String::new(),
            };
            Err(error_line(&format!(
                "there is no scenario `{given}`\n  {hint}`squall list` shows all of them; a file \
                 of your own ends in .toml."
            )))
        }
    }
}
