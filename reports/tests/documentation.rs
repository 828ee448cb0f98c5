//! What the README says of the JSON report is what the report has.

use serde::de::DeserializeOwned;
use squall_guarantees::{Evidence, Guarantee};
use std::fmt::Debug;

const README: &str = include_str!("../README.md");

/// The words that serde knows for the kind of such a value.
fn kinds<T: DeserializeOwned + Debug>() -> Vec<String> {
    let read = serde_json::from_str::<T>("{\"kind\": \"no such kind\"}");
    let complaint = read.expect_err("there is no such kind").to_string();
    let (_, known) = complaint
        .split_once("expected one of ")
        .expect("serde tells the words");
    known
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_kind_of_evidence_has_a_row_with_its_fields() {
    let (_, table) = README
        .split_once("| `evidence.kind` | fields |\n|---|---|\n")
        .expect("the table");
    let rows = table.lines().take_while(|line| line.starts_with('|'));
    let mut documented: Vec<&str> = rows
        .map(|row| row.split('`').nth(1).expect("a kind"))
        .collect();
    let mut known = kinds::<Evidence>();
    documented.sort_unstable();
    known.sort_unstable();
    assert!(known.len() > 15, "{known:?}");
    assert_eq!(documented, known);
}

#[test]
fn every_guarantee_is_named() {
    let row = README
        .lines()
        .find(|line| line.starts_with("| `guarantee` |"))
        .expect("the row");
    let named: Vec<&str> = row.split('`').skip(3).step_by(2).collect();
    let known: Vec<&str> = Guarantee::ALL.iter().map(|it| it.name()).collect();
    assert_eq!(named, known);
}
