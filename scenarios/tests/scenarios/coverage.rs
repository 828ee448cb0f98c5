//! The README's table of what is tested names every scenario and only scenarios.

use squall_cli::library;
use std::collections::BTreeSet;

const README: &str = include_str!("../../../README.md");

/// The rows of the table: the statement, and its scenarios. Rows in bold are headings.
fn rows() -> Vec<(&'static str, Vec<&'static str>)> {
    let section = README
        .split_once("## What of the documentation is put to the test")
        .and_then(|(_, rest)| rest.split_once("\n## "))
        .map(|(section, _)| section)
        .expect("the section is there");
    section
        .lines()
        .filter_map(|line| {
            line.strip_prefix("| ")?
                .strip_suffix(" |")?
                .split_once(" | ")
        })
        .filter(|(said, _)| !said.starts_with("**") && *said != "what is said")
        .map(|(said, scenarios)| (said, scenarios.split_whitespace().map(bare).collect()))
        .collect()
}

fn bare(name: &str) -> &str {
    name.trim_matches('`')
}

#[test]
fn every_row_names_scenarios_of_the_library() {
    let names: BTreeSet<String> = library()
        .into_iter()
        .map(|scenario| scenario.name)
        .collect();
    assert!(
        rows().len() > 30,
        "only {} rows were understood",
        rows().len()
    );
    for (said, scenarios) in rows() {
        assert!(!scenarios.is_empty(), "no scenario shows: {said}");
        for scenario in scenarios {
            assert!(names.contains(scenario), "there is no `{scenario}`: {said}");
        }
    }
}

#[test]
fn every_scenario_of_the_library_has_a_row() {
    let named: BTreeSet<&str> = rows()
        .into_iter()
        .flat_map(|(_, scenarios)| scenarios)
        .collect();
    let missing: Vec<String> = library()
        .into_iter()
        .map(|scenario| scenario.name)
        .filter(|name| !named.contains(name.as_str()))
        .collect();
    assert!(missing.is_empty(), "no row of the README names {missing:?}");
}
