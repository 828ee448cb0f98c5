//! The scenarios that a command line names: embedded ones by name, others by their file.

use super::exit::{Failure, error_line};
use crate::library::library;
use crate::systems::SYSTEMS;
use miette::GraphicalTheme;
use squall::Scenario;
use squall::text::nearest;
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

fn read(given: &str) -> Result<Scenario, String> {
    let library = library();
    if let Some(scenario) = library.iter().find(|scenario| scenario.name == given) {
        return Ok(scenario.clone());
    }
    let path = Path::new(given);
    let looks_like_a_file = path.extension().is_some() || path.components().count() > 1;
    match std::fs::read_to_string(path) {
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
