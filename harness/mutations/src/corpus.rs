//! The corpus: each defect is a snippet of a source and its replacement.
//!
//! A snippet must occur exactly once in its file, so a mutation survives refactoring for as long as
//! its line does, and is reported when it does not.

use crate::error::Error;
use serde::Deserialize;
use std::fs;
use std::ops::Range;
use std::path::Path;

/// A defect that a programmer might have introduced.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mutation {
    /// Its name, unique in the corpus.
    pub(crate) name: String,
    pub(crate) class: Class,
    /// What a user of the chat would see.
    pub(crate) shows: String,
    /// The source, from the root of the workspace.
    pub(crate) file: String,
    /// The text directly before the snippet, if the snippet alone is not unique.
    #[serde(default)]
    before: String,
    /// An expression, or statements with their semicolons.
    find: String,
    /// Its replacement.
    replace: String,
}

/// How hard it is to see from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Class {
    /// Any use of the feature shows it, or a single fault.
    Easy,
    /// It takes a coincidence: a certain moment, a full queue, several features at once.
    Hard,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listing {
    mutation: Vec<Mutation>,
}

/// Reads every file of a folder, in order of name.
pub(crate) fn read(folder: &Path) -> Result<Vec<Mutation>, Error> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .map_err(|error| Error::file(folder, error))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    files.sort();
    let mut mutations = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).map_err(|error| Error::file(&file, error))?;
        let listing: Listing = toml::from_str(&text).map_err(|error| Error::file(&file, error))?;
        mutations.extend(listing.mutation);
    }
    Ok(mutations)
}

impl Mutation {
    /// Where the snippet is in a source.
    ///
    /// # Errors
    ///
    /// The number of times the snippet occurs, if that is not once.
    pub(crate) fn place(&self, source: &str) -> Result<Range<usize>, usize> {
        let anchor = format!("{}{}", self.before, self.find);
        let mut places = source.match_indices(&anchor);
        match (places.next(), places.count()) {
            (Some((start, _)), 0) => {
                let start = start + self.before.len();
                Ok(start..start + self.find.len())
            }
            (first, more) => Err(usize::from(first.is_some()) + more),
        }
    }

    /// Both versions in one: what the program does if the switch of this number is on, and what it
    /// does now.
    pub(crate) fn switched(&self, number: usize) -> String {
        let (find, replace) = (&self.find, &self.replace);
        let both =
            format!("if squall_mutation_switch::on({number}) {{ {replace} }} else {{ {find} }}");
        match find.trim_end().ends_with(';') {
            true => both,
            false => format!("({both})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn mutation(before: &str, find: &str, replace: &str) -> Mutation {
        Mutation {
            name: "name".to_owned(),
            class: Class::Easy,
            shows: String::new(),
            file: String::new(),
            before: before.to_owned(),
            find: find.to_owned(),
            replace: replace.to_owned(),
        }
    }

    #[test]
    fn a_snippet_that_occurs_twice_is_no_place() {
        assert_eq!(mutation("", "b", "").place("a b c b"), Err(2));
        assert_eq!(mutation("", "x", "").place("a b c b"), Err(0));
    }

    #[test]
    fn what_stands_before_tells_which_of_them_is_meant() {
        assert_eq!(mutation("c ", "b", "").place("a b c b"), Ok(6..7));
    }

    #[test]
    fn an_expression_stays_one_and_statements_stay_statements() {
        let expression = mutation("", "a < b", "a <= b").switched(3);
        assert_eq!(
            expression,
            "(if squall_mutation_switch::on(3) { a <= b } else { a < b })"
        );
        let statement = mutation("", "count();", "").switched(3);
        assert_eq!(
            statement,
            "if squall_mutation_switch::on(3) {  } else { count(); }"
        );
    }

    #[test]
    fn every_mutation_of_the_corpus_has_a_name_of_its_own_and_changes_something() {
        let corpus = read(Path::new("corpus")).expect("the corpus can be read");
        let names: BTreeSet<&str> = corpus.iter().map(|it| &*it.name).collect();
        assert_eq!(names.len(), corpus.len());
        assert!(
            corpus
                .iter()
                .all(|it| it.find != it.replace && !it.shows.is_empty())
        );
    }

    #[test]
    fn every_mutation_of_the_corpus_applies_to_the_sources() {
        let home = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = home.join("../..");
        let planted = crate::planted::sources(&root).expect("mistakes can be planted");
        for mutation in read(&home.join("corpus")).expect("the corpus") {
            let own = || fs::read_to_string(root.join(&mutation.file)).unwrap_or_default();
            let source = planted.get(&mutation.file).cloned().unwrap_or_else(own);
            let place = mutation.place(&source);
            assert!(
                place.is_ok(),
                "{}: {place:?} in {}",
                mutation.name,
                mutation.file
            );
        }
    }
}
