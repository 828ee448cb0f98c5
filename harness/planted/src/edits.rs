//! Edits of sources: find and replace.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// What the names of the recovery layer's files begin with.
pub(crate) const RECOVERY: &str = "recovery/";

/// One edit of one file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edit {
    /// The file, as a path below `src` of the chat, or of the recovery layer after [`RECOVERY`].
    pub(crate) file: String,
    /// Whole lines, which occur exactly once.
    pub(crate) find: String,
    /// The lines that replace them.
    pub(crate) replace: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Edits {
    edit: Vec<Edit>,
}

/// All edits in a folder's files, in order of file name.
///
/// # Errors
/// A sentence that says what cannot be read.
pub(crate) fn read(folder: &Path) -> Result<Vec<Edit>, String> {
    let entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.sort();
    let mut all = Vec::new();
    for file in files {
        let told = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let text = fs::read_to_string(&file).map_err(|error| told(&error))?;
        let edits: Edits = toml::from_str(&text).map_err(|error| told(&error))?;
        all.extend(edits.edit);
    }
    Ok(all)
}

/// The Rust files below a folder, by their paths from there.
///
/// # Panics
/// If one cannot be read.
pub(crate) fn sources(folder: &Path) -> BTreeMap<String, String> {
    let mut sources = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(&inner).expect("a folder of sources can be read") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(folder).expect("it is below");
                let text = fs::read_to_string(&path).expect("a source can be read");
                sources.insert(name.to_string_lossy().into_owned(), text);
            }
        }
    }
    sources
}

/// The sources of the chat, and those of its recovery layer below [`RECOVERY`].
///
/// # Panics
/// If one cannot be read.
pub(crate) fn both(chat: &Path, recovery: &Path) -> BTreeMap<String, String> {
    let mut both = sources(chat);
    let layer = sources(recovery).into_iter();
    both.extend(layer.map(|(name, text)| (format!("{RECOVERY}{name}"), text)));
    both
}

/// Makes the edits, one after another.
///
/// # Errors
/// A sentence that says which edits do not apply.
pub(crate) fn apply(edits: &[Edit], sources: &mut BTreeMap<String, String>) -> Result<(), String> {
    let mut stale = Vec::new();
    for Edit {
        file,
        find,
        replace,
    } in edits
    {
        // A newline in front, so that the match begins at the start of a line.
        let lines = |snippet: &str| format!("\n{snippet}");
        let source = sources.get(file).map(|source| format!("\n{source}"));
        let times = source
            .as_ref()
            .map_or(0, |source| source.matches(&lines(find)).count());
        match source {
            Some(source) if times == 1 => {
                let edited = source.replacen(&lines(find), &lines(replace), 1);
                sources.insert(file.clone(), edited[1..].to_owned());
            }
            _ => stale.push(format!("{times} times in {file}:\n{find}")),
        }
    }
    match stale.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "the chat or its recovery layer has changed where mistakes are planted into it; bring harness/planted/edits up to it. \
             These lines should occur once, and occur\n{}",
            stale.join("\n")
        )),
    }
}
