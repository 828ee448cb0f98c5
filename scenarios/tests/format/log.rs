//! `log.schema.json`: what a line of a log can contain, for those who write one.

use boon::{Compiler, Schemas};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;

const TEXT: &str = include_str!("../../log.schema.json");

/// Lines that are right, and lines that are wrong.
fn lines() -> [Vec<Value>; 2] {
    let line = |event: Value| {
        let mut line = json!({ "at": 1.5, "who": "client-1" });
        let fields = line.as_object_mut().expect("an object");
        fields.extend(event.as_object().expect("an object").clone());
        line
    };
    let right = [
        json!({ "event": "sent", "topic": "order", "id": 7 }),
        json!({ "event": "received", "topic": "order", "id": "7", "group": "worker" }),
        json!({ "event": "acknowledged", "topic": "order", "id": 7 }),
        json!({ "event": "failed", "topic": "order", "id": 7 }),
        json!({ "event": "called", "call": 1, "object": "x", "action": "read" }),
        json!({ "event": "called", "call": "1", "object": "x", "action": "write", "value": 5 }),
        json!({ "event": "called", "call": 1, "object": "x", "action": "compare-and-set", "expected": 5, "value": 6 }),
        json!({ "event": "returned", "call": 1, "answer": "nothing" }),
        json!({ "event": "returned", "call": 1, "answer": "value", "value": true }),
        json!({ "event": "shows", "object": "x", "value": "5" }),
        json!({ "event": "started" }),
        json!({ "event": "killed" }),
        json!({ "event": "connected" }),
        json!({ "event": "disconnected" }),
        json!({ "event": "disturbed" }),
        json!({ "event": "healed" }),
        json!({ "event": "ended" }),
    ];
    let wrong = [
        json!({ "event": "sung" }),
        json!({ "event": "sent", "topic": "order" }),
        json!({ "event": "sent", "topic": "order", "id": [7] }),
        json!({ "event": "sent", "topic": "order", "id": 7, "text": "hello" }),
        json!({ "event": "called", "call": -1, "object": "x", "action": "read" }),
        json!({ "event": "called", "call": 1, "object": "x", "action": "write" }),
        json!({ "event": "called", "call": 1, "object": "x", "action": "read", "value": 1 }),
        json!({ "event": "returned", "call": 1, "answer": "perhaps" }),
        json!({ "event": "killed", "id": 7 }),
        json!({ "event": "ended", "at": -1 }),
        json!({ "event": "ended", "who": null }),
    ];
    [
        right.into_iter().map(line).collect(),
        wrong.into_iter().map(line).collect(),
    ]
}

#[test]
fn the_schema_of_a_log_lets_pass_what_is_judged_and_nothing_else() {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    let schema: Value = serde_json::from_str(TEXT).expect("JSON");
    compiler.add_resource("log.json", schema).expect("a schema");
    let index = compiler
        .compile("log.json", &mut schemas)
        .expect("a schema of draft 7");
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("log-of-a-line.jsonl");
    let judge = |line: &Value| {
        std::fs::write(&file, format!("{line}\n")).expect("a file");
        let mut squall = Command::new(env!("CARGO_BIN_EXE_squall"));
        let judge = squall.args(["judge", "--guarantee", "linearizable"]);
        let output = judge.arg(&file).output().expect("squall starts");
        output.status.code() != Some(4)
    };
    let [right, wrong] = lines();
    let all = right.iter().map(|it| (it, true));
    for (line, is_right) in all.chain(wrong.iter().map(|it| (it, false))) {
        assert_eq!(
            schemas.validate(line, index).is_ok(),
            is_right,
            "schema: {line}"
        );
        assert_eq!(judge(line), is_right, "judge: {line}");
    }
}

#[test]
fn the_documentation_of_a_log_has_all_its_events() {
    let [right, _] = lines();
    let known: BTreeSet<&str> = right.iter().filter_map(|it| it["event"].as_str()).collect();
    let readme = include_str!("../../README.md");
    let (_, rest) = readme.split_once("| `event` | further").expect("a table");
    let rows = rest
        .lines()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let first = rows.filter_map(|row| row.split('|').nth(1));
    let documented: BTreeSet<&str> = first
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    assert_eq!(documented, known);
}
