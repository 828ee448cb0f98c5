//! Documentation printed by the code: it stands between two marks, and a test keeps it up to date.
//!
//! `SQUALL_PRINT=1 cargo test -p squall-cli --test format printed` writes it there.

use crate::ordered::{self, Json};
use serde_json::{Value, json};
use squall::FaultKind;
use squall::about::{About, Field, Form, Needs};
use squall_guarantees::{EvidenceKind, Guarantee};
use std::path::Path;
use std::sync::Mutex;

const SCHEMA: &str = "scenarios/scenario.schema.json";

/// Panics unless the file has this text between its marks with this name; writes it there if told
/// to.
fn expect(file: &str, name: &str, text: &str) {
    let (begin, end) = (
        format!("<!-- printed: {name} -->"),
        format!("<!-- end of {name} -->"),
    );
    replace(file, (&begin, &end), text);
}

/// The same between a text and the next line of this kind.
fn replace(file: &str, (begin, end): (&str, &str), text: &str) {
    /// Two of them may be in one file.
    static WRITING: Mutex<()> = Mutex::new(());
    let _writing = WRITING.lock();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
    let whole = std::fs::read_to_string(&path).expect("the file is there");
    let (begin, end) = (format!("{begin}\n"), format!("{end}\n"));
    let marks = whole.split_once(&begin).and_then(|(before, rest)| {
        let mut lines = rest.split_inclusive('\n');
        let inside: usize = lines
            .by_ref()
            .take_while(|line| **line != end)
            .map(str::len)
            .sum();
        let (inside, after) = rest.split_at(inside);
        Some((before, inside, after.strip_prefix(&end)?))
    });
    let Some((before, inside, after)) = marks else {
        panic!("{file} lacks the marks {begin}{end}");
    };
    if inside == text {
        return;
    }
    if std::env::var_os("SQUALL_PRINT").is_some() {
        let whole = [before, &begin, text, &end, after].concat();
        return std::fs::write(&path, whole).expect("the file can be written");
    }
    let mut lines = text.lines().zip(inside.lines().chain([""]));
    let first = lines.find(|(printed, written)| printed != written);
    panic!(
        "{file} does not say what the code does; `SQUALL_PRINT=1 cargo test -p squall-cli --test format printed` writes it. \
         The first line of the code that is another there: {first:#?}"
    );
}

/// A table in Markdown.
fn table<const N: usize>(heads: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: &[String; N]| format!("| {} |\n", cells.join(" | "));
    let mut table = line(&heads.map(str::to_owned));
    table.push_str(&format!("|{}\n", "---|".repeat(N)));
    rows.into_iter().for_each(|row| table.push_str(&line(&row)));
    table
}

fn quoted(name: impl std::fmt::Display) -> String {
    format!("`{name}`")
}

#[test]
fn every_guarantee_has_a_row_with_what_it_promises() {
    let rows = Guarantee::ALL.map(|guarantee| {
        let holds = guarantee.description();
        let holds = holds.strip_prefix("Holds when ").expect("it begins so");
        [quoted(guarantee), holds.trim_end_matches('.').to_owned()]
    });
    let table = table(["guarantee", "holds when"], rows);
    expect("README.md", "guarantees", &table);
}

#[test]
fn every_kind_of_evidence_has_a_row_with_its_fields() {
    let mut kinds: Vec<(EvidenceKind, Vec<String>)> = Vec::new();
    for guarantee in Guarantee::ALL {
        for kind in guarantee.evidence() {
            match kinds.iter_mut().find(|(known, _)| known.name == kind.name) {
                Some((_, of)) => of.push(quoted(guarantee)),
                None => kinds.push((*kind, vec![quoted(guarantee)])),
            }
        }
    }
    let rows = kinds
        .into_iter()
        .map(|(kind, of)| [quoted(kind.name), kind.fields.to_owned(), of.join(", ")]);
    let heads = ["`evidence.kind`", "its own fields", "evidence of"];
    expect("reports/README.md", "evidence", &table(heads, rows));
}

#[test]
fn every_guarantee_is_known_to_editors() {
    let guarantees = Guarantee::ALL.map(|guarantee| {
        let fields: [(_, Json); 2] = [
            ("description", guarantee.description().into()),
            ("enum", json!(["held", "violated", "either"]).into()),
        ];
        (guarantee, ordered::table(fields))
    });
    let begin = "      \"description\": \"What is expected of each guarantee that the scenario is about.\",\n      \"properties\": {";
    let text = ordered::table(guarantees).inside(3);
    replace(SCHEMA, (begin, "      },"), &text);
}

#[test]
fn every_kind_of_fault_has_a_row_with_what_happens() {
    let rows = FaultKind::all().map(|(word, about)| [quoted(word), about.happens.to_owned()]);
    let table = table(["`kind`", "what happens"], rows);
    expect("scenarios/README.md", "faults", &table);
}

/// The manual tells more than the reference in one respect: what each field of a kind says.
#[test]
fn every_kind_of_fault_is_in_the_catalogue_with_its_own_fields() {
    let rows = FaultKind::all().map(|(word, about)| {
        let fields = about.fields.iter();
        let fields = fields.map(|field| format!("`{}`: {}", field.name, field.says));
        [quoted(word), fields.collect::<Vec<_>>().join(" ")]
    });
    let table = table(["`kind`", "its own fields"], rows);
    expect("scenarios/manual/src/faults.md", "catalogue", &table);
}

#[test]
fn every_guarantee_is_in_the_manual_with_the_evidence_that_breaks_it() {
    let rows = Guarantee::ALL.map(|guarantee| {
        let kinds = guarantee.evidence().iter();
        let kinds: Vec<String> = kinds.map(|kind| quoted(kind.name)).collect();
        [quoted(guarantee), kinds.join(", ")]
    });
    let table = table(["guarantee", "is violated by"], rows);
    expect("scenarios/manual/src/guarantees.md", "checked", &table);
}

#[test]
fn every_kind_of_fault_is_known_to_editors() {
    let words = FaultKind::all().map(|(word, _)| word);
    let kind = ordered::table([("enum", json!(words).into())]);
    let kinds = FaultKind::all().map(|(word, about)| alternative(word, &about));
    let begin = "    \"fault\": {\n      \"description\": \"Something that goes wrong.\",";
    let fault = ordered::table([
        ("type", "object".into()),
        ("properties", ordered::table([("kind", kind)])),
        ("required", json!(["kind"]).into()),
        ("oneOf", Json::List(kinds.into())),
    ]);
    replace(SCHEMA, (begin, "    },"), &fault.inside(2));
}

/// What the schema says about one kind.
fn alternative(word: &str, about: &About) -> Json {
    let all = about.all_fields();
    let kind = ("kind", ordered::table([("const", word.into())]));
    let fields = all.iter().map(|field| (field.name, described(field)));
    let needed = all.iter().filter(|field| field.needed);
    let needed: Vec<&str> = ["kind"]
        .into_iter()
        .chain(needed.map(|it| it.name))
        .collect();
    let mut alternative = vec![
        ("type", "object".into()),
        (
            "properties",
            ordered::table([kind].into_iter().chain(fields)),
        ),
        ("required", json!(needed).into()),
        ("additionalProperties", false.into()),
    ];
    if all.iter().any(|field| field.name == "times") {
        let together = [
            ("every", json!(["times"]).into()),
            ("times", json!(["every"]).into()),
        ];
        alternative.push(("dependencies", ordered::table(together)));
    }
    let each = |names: &[&str]| -> Json {
        let each = names.iter().map(|name| json!({ "required": [name] }));
        each.collect::<Vec<Value>>().into()
    };
    match about.needs {
        Needs::Nothing => {}
        Needs::SomeOf(names) => alternative.push(("anyOf", each(names))),
        Needs::OneOf(names) => alternative.push(("oneOf", each(names))),
    }
    ordered::table(alternative)
}

/// What the schema says about a field.
fn described(field: &Field) -> Json {
    let form: (_, Value) = match field.form {
        Form::Words(words) => ("enum", json!(words)),
        Form::Numbers(numbers) => ("enum", json!(numbers)),
        Form::Duration => ("allOf", json!([{ "$ref": "#/definitions/duration-range" }])),
        Form::Number => ("allOf", json!([{ "$ref": "#/definitions/number-range" }])),
        Form::Probability => ("allOf", json!([{ "$ref": "#/definitions/probability" }])),
        Form::Victims => ("allOf", json!([{ "$ref": "#/definitions/victims" }])),
        Form::Event => ("allOf", json!([{ "$ref": "#/definitions/event" }])),
        Form::Link => ("allOf", json!([{ "$ref": "#/definitions/link" }])),
    };
    ordered::table([("description", field.says.into()), (form.0, form.1.into())])
}
