//! `base`: another file that says what a scenario leaves out.
//!
//! Tables are completed field by field, down to the last; anything else, such as a list of faults,
//! is a file's own if it has one. A base may have a base.

use crate::text::Problems;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

/// The longest base that is read, in bytes.
const LONGEST: u64 = 16 << 20;

/// How many bases may stand on one another.
const HIGHEST: usize = 8;

/// The text of everything that a scenario's base says, and where the scenario names it; none if it
/// has none.
pub(crate) fn read(
    source: &str,
    document: &DeTable<'_>,
    problems: &mut Problems,
) -> Option<(String, Range<usize>)> {
    let named = document.get("base")?;
    let at = named.span();
    let Some(name) = named.get_ref().as_str() else {
        problems.add(at, "`base` of the scenario is no path", REMEDY);
        return None;
    };
    match resolve(&beside(Path::new(source), name), HIGHEST) {
        Ok(table) => Some((table.to_string(), at)),
        Err(wrong) => {
            problems.add(at, wrong, REMEDY);
            None
        }
    }
}

const REMEDY: &str = "Write the path of a scenario's file, from the folder of this one, as in \
    `base = \"common.toml\"`.";

/// Everything that the scenario with this text says, also with its base: as a text that has no
/// base.
///
/// # Errors
///
/// What is wrong, in words.
pub fn completed(source: &str, text: &str) -> Result<String, String> {
    let table = text
        .parse()
        .map_err(|error: toml::de::Error| error.to_string())?;
    let table = with_base(Path::new(source), table, HIGHEST)?;
    Ok(table.to_string())
}

/// The path that a file means with a name.
fn beside(file: &Path, name: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(name)
}

/// All that a file says, with its base.
fn resolve(path: &Path, levels: usize) -> Result<Table, String> {
    let told = path.display();
    if levels == 0 {
        return Err(format!(
            "{told} is the base of too many bases, or of itself"
        ));
    }
    let mut text = String::new();
    let file = File::open(path).and_then(|file| file.take(LONGEST).read_to_string(&mut text));
    file.map_err(|error| format!("the base {told} cannot be read: {error}"))?;
    let table = text.parse().map_err(|error: toml::de::Error| {
        format!("the base {told} is not TOML: {}", error.message())
    })?;
    with_base(path, table, levels - 1)
}

fn with_base(path: &Path, mut own: Table, levels: usize) -> Result<Table, String> {
    if let Some(Value::String(name)) = own.remove("base") {
        merge(&mut own, resolve(&beside(path, &name), levels)?);
    }
    Ok(own)
}

fn merge(own: &mut Table, base: Table) {
    for (name, value) in base {
        match (own.get_mut(&name), value) {
            (None, value) => drop(own.insert(name, value)),
            (Some(Value::Table(own)), Value::Table(base)) => merge(own, base),
            _ => {}
        }
    }
}

/// Adds to a document what its base says, as if it stood where the base is named.
pub(crate) fn complete<'t>(own: &mut DeTable<'t>, base: DeTable<'t>, at: &Range<usize>) {
    for (name, value) in base {
        match own.get_mut::<str>(name.get_ref()) {
            None => {
                let name = Spanned::new(at.clone(), name.into_inner());
                own.insert(name, moved(value, at));
            }
            Some(own) => {
                if let (DeValue::Table(own), DeValue::Table(base)) =
                    (own.get_mut(), value.into_inner())
                {
                    complete(own, base, at);
                }
            }
        }
    }
}

/// A value as if it stood here.
fn moved<'t>(value: Spanned<DeValue<'t>>, at: &Range<usize>) -> Spanned<DeValue<'t>> {
    let value = match value.into_inner() {
        DeValue::Table(table) => {
            let mut here = DeTable::new();
            complete(&mut here, table, at);
            DeValue::Table(here)
        }
        DeValue::Array(items) => {
            DeValue::Array(items.into_iter().map(|item| moved(item, at)).collect())
        }
        value => value,
    };
    Spanned::new(at.clone(), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_completed_and_a_list_is_its_owners() {
        let mut own: Table = "a = 1\nlist = [1]\n[deep.table]\nx = 1".parse().unwrap();
        let base = "a = 2\nb = 2\nlist = [2, 3]\n[deep]\ntable = { x = 2, y = 2 }";
        merge(&mut own, base.parse().unwrap());
        let whole = "a = 1\nb = 2\nlist = [1]\n[deep.table]\nx = 1\ny = 2";
        assert_eq!(own, whole.parse().unwrap());
        let mut document = DeTable::parse("a = 1\n[deep.table]\nx = 1")
            .unwrap()
            .into_inner();
        complete(
            &mut document,
            DeTable::parse(base).unwrap().into_inner(),
            &(3..7),
        );
        assert_eq!(document["b"].span(), 3..7);
        assert_eq!(document["a"].span(), 4..5);
        let names: Vec<&str> = document.keys().map(|name| &**name.get_ref()).collect();
        assert_eq!(names, ["a", "b", "deep", "list"]);
    }
}
