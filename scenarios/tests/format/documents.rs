//! What commands write for programs is what its published schema says.

use crate::published::{self, Documents};
use squall_reports::Format;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn folder(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

fn squall(folder: &Path, arguments: &[&str]) -> Output {
    let mut squall = Command::new(env!("CARGO_BIN_EXE_squall"));
    let squall = squall.current_dir(folder).args(arguments);
    squall.output().expect("squall starts")
}

fn told(folder: &Path, arguments: &[&str]) -> String {
    let output = squall(folder, arguments);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(!output.stdout.is_empty(), "{arguments:?}: {complaint}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The names of all schemas of documents: all but the two of what commands read.
fn names() -> Vec<String> {
    let help = told(Path::new("."), &["schema", "--help"]);
    let names = help.lines().filter_map(|line| {
        let name = line.trim().strip_prefix("- ")?.split(':').next()?;
        Some(name.to_owned())
    });
    let names: Vec<String> = names
        .filter(|name| !["scenario", "log"].contains(&&**name))
        .collect();
    assert!(names.len() > 10, "{help}");
    names
}

#[test]
fn every_document_has_its_schema_beside_that_of_scenarios() {
    let names = names();
    for name in &names {
        let schema = told(Path::new("."), &["schema", name]);
        let file = published::file(name);
        if std::env::var_os("SQUALL_PRINT").is_some() {
            std::fs::write(&file, &schema).expect("it can be written");
        }
        let written = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(
            written == schema,
            "{} is not what the code writes; `SQUALL_PRINT=1 cargo test -p squall-cli --test format schema` \
             makes it that",
            file.display()
        );
    }
    let files = std::fs::read_dir(published::folder()).expect("the folder");
    assert_eq!(files.count(), names.len(), "a file is of no document");
}

#[test]
fn the_documentation_names_every_schema() {
    let readme = include_str!("../../../reports/README.md");
    for name in names() {
        let word = format!("| `{name}` |");
        assert!(readme.contains(&word), "reports/README.md lacks {word}");
    }
}

/// What breaks exactly-once, and what is small.
const SMALL: &str = "\
shows = 'What is sent once is lost.'
clients = { names = ['ann', 'ben'] }
chat = { transport = 'websocket', to-server = 'at-most-once', to-client = 'catch-up' }
workload = { messages = 6, interval = '1s' }
fault = [{ kind = 'partition', victims = 'ann', at = '3s', for = '20s' }]
expect = { at-least-once = 'held' }
";

const LOG: &str = r#"{"at":1,"who":"client","event":"sent","topic":"order","id":7}
{"at":2,"who":"worker","event":"received","topic":"order","id":7}
{"at":3,"who":"worker","event":"received","topic":"order","id":7}
{"at":9,"who":"client","event":"ended"}
"#;

#[test]
fn what_is_printed_for_programs_is_what_its_schema_says() {
    let folder = folder("documents");
    std::fs::write(folder.join("small.toml"), SMALL).expect("a file");
    std::fs::write(folder.join("bad.toml"), "shows = 3\nchat = 'x'\n").expect("a file");
    std::fs::write(folder.join("log.jsonl"), LOG).expect("a file");
    let order = "--sent client:order --received worker:order --guarantee";
    for (schema, line) in [
        ("run", "run small.toml --format json"),
        ("run", "run exactly-once-server-killed --format json"),
        ("run", "run hostile-flood --format json"),
        ("brief", "run small.toml --format brief"),
        ("seeds", "run small.toml --seeds 3 --format json"),
        ("explore", "explore small.toml --seeds 3 --format json"),
        ("why", "why small.toml --dice 2 --futures 1 --format json"),
        ("list", "list --format json"),
        ("check", "check small.toml bad.toml none.toml --format json"),
        (
            "judge",
            &format!("judge log.jsonl {order} at-most-once --format json"),
        ),
        (
            "judge",
            &format!("judge log.jsonl {order} at-least-once --format json"),
        ),
        (
            "judge",
            "judge log.jsonl --guarantee linearizable --format json",
        ),
        ("audit", "audit-entropy small.toml --format json"),
        (
            "comparison",
            "compare-engines small.toml --seeds 2 --format json",
        ),
        (
            "uncompared",
            "compare-engines small.toml --most-machines 1 --format json",
        ),
        ("parity", "parity --format json"),
    ] {
        let arguments: Vec<&str> = line.split(' ').collect();
        Documents::of(schema).judge(&told(&folder, &arguments));
    }
    let lines = told(
        &folder,
        &["run", "small.toml", "--seeds", "3", "--format", "jsonl"],
    );
    let line = Documents::of("line");
    lines.lines().for_each(|it| line.judge(it));
}

#[test]
fn what_is_written_into_files_for_programs_is_what_its_schema_says() {
    let folder = folder("documents-in-files");
    std::fs::write(folder.join("small.toml"), SMALL).expect("a file");
    let judge = |schema: &str, file: &str| {
        let text = std::fs::read_to_string(folder.join(file)).expect("it was written");
        Documents::of(schema).judge(&text);
    };
    squall(
        &folder,
        &["run", "small.toml", "server-by-name", "--out", "runs"],
    );
    judge("summary", "runs/summary.json");
    for format in [Format::Json, Format::Brief] {
        let schema = if format == Format::Json {
            "run"
        } else {
            "brief"
        };
        judge(schema, &format!("runs/small.seed-1.{}", format.extension()));
    }
    squall(
        &folder,
        &[
            "why",
            "small.toml",
            "--dice",
            "2",
            "--futures",
            "1",
            "--out",
            "why",
        ],
    );
    judge("run", "why/small.seed-1.json");
    squall(
        &folder,
        &["explore", "small.toml", "--seeds", "2", "--out", "worlds"],
    );
    judge("explore", "worlds/exploration.json");
    squall(
        &folder,
        &[
            "check-determinism",
            "small.toml",
            "--runs",
            "2",
            "--certificate",
            "certificate.json",
        ],
    );
    judge("certificate", "certificate.json");
}

#[test]
fn every_document_but_a_certificate_names_its_version_in_the_same_field() {
    for name in names() {
        let schema = std::fs::read_to_string(published::file(&name)).expect("a schema");
        let schema: serde_json::Value = serde_json::from_str(&schema).expect("JSON");
        let field = if name == "certificate" {
            "squall_certificate"
        } else {
            "squall"
        };
        let required = schema["required"]
            .as_array()
            .expect("fields that are there");
        assert!(required.contains(&field.into()), "{name}: {required:?}");
    }
}
