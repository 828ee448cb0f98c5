//! The files of an exploration: the findings, for programs and other machines, and on a page; and a
//! scenario for each story.

use super::exit::Failure;
use super::files;
use crate::search::{self, Document, Exploration, Told, Yardstick};
use std::path::Path;

/// The file with everything that is not a scenario.
const NAME: &str = "exploration.json";
/// The page that shows it.
const PAGE: &str = "exploration.html";
/// Writes it into a directory, which is created if it does not exist.
///
/// # Errors
/// If that fails, in words for people.
pub(super) fn write(exploration: &Exploration, directory: &Path) -> Result<(), Failure> {
    let failed = |error| {
        let directory = directory.display();
        Failure::new(format!("{directory} cannot be written: {error}"))
    };
    std::fs::create_dir_all(directory).map_err(failed)?;
    let json = serde_json::to_string_pretty(exploration).map_err(Failure::new)?;
    files::write(&directory.join(NAME), json.as_bytes()).map_err(failed)?;
    files::write(&directory.join(PAGE), exploration.page().as_bytes()).map_err(failed)?;
    for told in &exploration.stories {
        let path = directory.join(format!("{}.toml", told.file_name()));
        files::write(&path, witness(told).as_bytes()).map_err(failed)?;
    }
    Ok(())
}

fn witness(told: &Told) -> String {
    let Told {
        world,
        seed,
        story,
        evidence,
        ..
    } = told;
    // What the completed file insisted on is the story's own subject, or does not concern this
    // witness.
    let yardstick = Yardstick::completing(&Document::default());
    search::witness(world, *seed, story, evidence, &yardstick)
}

/// Reads what [`write`] has written into a directory, or such a file.
///
/// # Errors
/// If it cannot be read, or is something else, in words for people.
pub(super) fn read_exploration(path: &Path) -> Result<Exploration, Failure> {
    let file = match path.is_dir() {
        true => path.join(NAME),
        false => path.to_owned(),
    };
    let name = file.display();
    let cannot =
        |why: &dyn std::fmt::Display| Failure::new(format!("{name} cannot be read: {why}"));
    let text = files::read_text(&file, files::DOCUMENT_MAX).map_err(|error| cannot(&error))?;
    serde_json::from_str(&text).map_err(|error| {
        cannot(&format!(
            "it is not what `squall explore --out` of this version writes: {error}"
        ))
    })
}
