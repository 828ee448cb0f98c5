//! The chat from which the command is built, and its recovery layer: with their planted mistakes,
//! none of which is switched on. Mutations are made in these sources.

use crate::error::Error;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

#[path = "../../planted/src/edits.rs"]
mod edits;

/// Where the chat's sources are, from the root of the workspace.
const CHAT: &str = "harness/chat/src";
/// Where those of the recovery layer are.
const RECOVERY: &str = "harness/recovery/src";
/// Where the planted mistakes are.
const PLANTED: &str = "harness/planted";
/// The folder of the edits that plant them.
pub(crate) const EDITS: &str = "harness/planted/edits";

/// The sources of both with the mistakes planted, by path from the root; empty for a tree without
/// edits.
pub(crate) fn sources(root: &Path) -> Result<BTreeMap<String, String>, Error> {
    if !root.join(EDITS).exists() {
        return Ok(BTreeMap::new());
    }
    let mut sources = edits::both(&root.join(CHAT), &root.join(RECOVERY));
    let edits = edits::read(&root.join(EDITS)).map_err(Error::Planted)?;
    edits::apply(&edits, &mut sources).map_err(Error::Planted)?;
    for (name, file) in [
        ("bugs.rs", "bugs.rs"),
        ("recovery/bugs.rs", "bugs.rs"),
        ("server/planted.rs", "planted.rs"),
    ] {
        let path = root.join(PLANTED).join("src").join(file);
        let text = fs::read_to_string(&path).map_err(|error| Error::file(&path, error))?;
        sources.insert(name.to_owned(), text);
    }
    let sources = sources.into_iter();
    let placed = sources.map(|(name, text)| match name.strip_prefix(edits::RECOVERY) {
        Some(name) => (format!("{RECOVERY}/{name}"), text),
        None => (format!("{CHAT}/{name}"), text),
    });
    Ok(placed.collect())
}
