//! The verbs with which people start: show, new, check; lists of runs, and what failed last time;
//! what shells need.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Runs the command in this folder.
fn squall(folder: &Path, arguments: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_squall"));
    let program = program.args(arguments).current_dir(folder);
    program.output().expect("squall starts")
}

/// Its output and exit code.
fn told(folder: &Path, arguments: &[&str]) -> (String, i32) {
    let output = squall(folder, arguments);
    let code = output.status.code().expect("squall ends by itself");
    (String::from_utf8(output.stdout).expect("UTF-8"), code)
}

fn json(folder: &Path, arguments: &[&str]) -> Value {
    serde_json::from_slice(&squall(folder, arguments).stdout).expect("JSON")
}

/// An empty folder for this test alone.
fn folder(test: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join("verbs")
        .join(test);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("a folder");
    path
}

fn write(folder: &Path, name: &str, text: &str) {
    std::fs::write(folder.join(name), text).expect("a file");
}

/// A very short run, as expected.
const RIGHT: &str = "shows = 'One message.'\nsettle = '1s'\nclients.count = 2\nworkload.messages = 1\nexpect.exactly-once = 'held'\n";
/// The same, contrary to its expectation.
const WRONG: &str = "shows = 'One message.'\nsettle = '1s'\nclients.count = 2\nworkload.messages = 1\nexpect.exactly-once = 'violated'\n";

#[test]
fn a_scenario_that_is_shown_can_be_played_as_a_file() {
    let folder = folder("show");
    let (text, code) = told(&folder, &["show", "lossy-link"]);
    assert_eq!(code, 0);
    write(&folder, "mine.toml", &text);
    let digest =
        |name| json(&folder, &["run", name, "--format", "json"])["record"]["digest"].clone();
    assert_eq!(digest("mine.toml"), digest("lossy-link"));
    assert_eq!(told(&folder, &["show", "lossy-lnik"]).1, 4);
    assert!(text.starts_with("shows = "), "{text}");
    let schema = json(&folder, &["schema"]);
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
}

#[test]
fn a_cell_of_the_matrix_is_a_scenario_that_can_be_played_and_saved() {
    let folder = folder("cell");
    let name = "matrix-polling-exactly-once-kill";
    let (text, _) = told(&folder, &["show", name]);
    write(&folder, "cell.toml", &text);
    let (report, code) = told(&folder, &["run", name, "--seed", "3"]);
    assert_eq!(code, 0, "{report}");
    assert!(report.contains(&format!("run {name} --seed 3")), "{report}");
    let digest = |name| {
        json(&folder, &["run", name, "--seed", "3", "--format", "json"])["record"]["digest"].clone()
    };
    assert_eq!(digest("cell.toml"), digest(name));
}

#[test]
fn a_new_scenario_is_right_and_nothing_is_overwritten() {
    let folder = folder("new");
    assert_eq!(told(&folder, &["new", "mine.toml"]).1, 0);
    let first = std::fs::read_to_string(folder.join("mine.toml")).expect("the file");
    assert_eq!(told(&folder, &["check", "mine.toml"]).1, 0);
    let again = squall(&folder, &["new", "mine.toml", "--from", "lossy-link"]);
    assert_eq!(again.status.code(), Some(4));
    let complaint = String::from_utf8(again.stderr).expect("UTF-8");
    assert!(complaint.contains("is there already"), "{complaint}");
    assert_eq!(
        std::fs::read_to_string(folder.join("mine.toml")).expect("the file"),
        first
    );
    assert_eq!(told(&folder, &["new", "-"]).0, first);
    let other = told(&folder, &["new", "-", "--from", "lossy-link"]).0;
    assert_eq!(other, told(&folder, &["show", "lossy-link"]).0);
}

#[test]
fn a_check_reads_all_files_and_tells_every_mistake() {
    let folder = folder("check");
    write(&folder, "right.toml", RIGHT);
    write(
        &folder,
        "wrong.toml",
        "shows = 'Two mistakes.'\n[chat]\ntransprot = 'polling'\nretries = 'no'\n",
    );
    let (text, code) = told(&folder, &["check", "right.toml", "lossy-link"]);
    assert_eq!(code, 0);
    let first =
        "right.toml: a scenario with 2 clients, at most 2 messages, 0 faults, 1 guarantee\n";
    assert!(text.starts_with(first), "{text}");
    let check = [
        "check",
        "right.toml",
        "wrong.toml",
        "gone.toml",
        "--format",
        "json",
    ];
    assert_eq!(told(&folder, &check).1, 4);
    let files = &json(&folder, &check)["files"];
    assert_eq!(files[0]["mistakes"], serde_json::json!([]));
    let [first, second] = files[1]["mistakes"].as_array().expect("a list").as_slice() else {
        panic!("{files:#}");
    };
    assert_eq!((&first["line"], &first["column"]), (&3.into(), &1.into()));
    assert_eq!(
        (&second["line"], &second["column"]),
        (&4.into(), &11.into())
    );
    assert!(
        first["remedy"]
            .as_str()
            .expect("text")
            .contains("Did you mean `transport`?")
    );
    let gone = files[2]["mistakes"][0]["what"].as_str().expect("text");
    assert!(
        gone.contains("gone.toml cannot be read") && !gone.contains('\u{1b}'),
        "{gone}"
    );
}

#[test]
fn a_list_of_runs_has_a_line_for_each_pass_and_a_summary() {
    let folder = folder("list");
    write(&folder, "right.toml", RIGHT);
    write(&folder, "wrong.toml", WRONG);
    write(
        &folder,
        "silent.toml",
        "shows = 'Nothing.'\nsettle = '1s'\nworkload.messages = 1",
    );
    let run = [
        "run",
        "right.toml",
        "wrong.toml",
        "silent.toml",
        "--out",
        "out",
        "--format",
        "text",
    ];
    let (text, code) = told(&folder, &run);
    assert_eq!(code, 1);
    let first = text.lines().next().expect("a line");
    assert_eq!(first, "right: as expected, seed 1");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[1], "wrong: not as expected, seed 1");
    assert!(
        lines[2].starts_with("repeat with: ") && lines[3].starts_with("! exactly-once "),
        "{text}"
    );
    let end = "1 of 3 runs as expected, reports in out/\n  not as expected: wrong\n  nothing expected: silent\n";
    assert!(text.ends_with(end), "{text}");
    let (quiet, _) = told(&folder, &[&run[..], &["-q"]].concat());
    assert!(quiet.starts_with("wrong: not as expected"), "{quiet}");
    let (verbose, _) = told(&folder, &[&run[..], &["-v"]].concat());
    let second = verbose.lines().nth(1).expect("a line");
    assert!(second.starts_with("repeat with: "), "{verbose}");
    // Printed reports are followed by a summary.
    let (printed, _) = told(&folder, &["run", "right.toml", "wrong.toml"]);
    assert!(
        printed.ends_with("\n1 of 2 runs as expected\n  not as expected: wrong\n"),
        "{printed}"
    );
}

#[test]
fn what_failed_last_time_is_played_again_until_nothing_fails() {
    let folder = folder("failed");
    write(&folder, "right.toml", RIGHT);
    write(&folder, "wrong.toml", WRONG);
    let failed = ["run", "--failed", "--out", "out", "--format", "text"];
    let output = squall(&folder, &failed);
    assert_eq!(output.status.code(), Some(4));
    let complaint = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(
        complaint.contains("out/summary.json cannot be read"),
        "{complaint}"
    );
    let run = [
        "run",
        "right.toml",
        "wrong.toml",
        "--seed",
        "7",
        "--out",
        "out",
        "--format",
        "text",
    ];
    assert_eq!(told(&folder, &run).1, 1);
    let (text, code) = told(&folder, &failed);
    assert_eq!(code, 1);
    assert!(
        text.starts_with("wrong: not as expected, seed 7\n"),
        "{text}"
    );
    assert!(text.contains("0 of 1 run as expected"), "{text}");
    write(&folder, "wrong.toml", RIGHT);
    assert_eq!(told(&folder, &failed).1, 0);
    let (text, code) = told(&folder, &failed);
    assert_eq!(
        (text.as_str(), code),
        ("Nothing was against the expectation last time.\n", 0)
    );
}

#[test]
fn a_group_or_a_pattern_stands_for_its_scenarios() {
    let folder = folder("group");
    let (text, code) = told(&folder, &["run", "--group", "presence", "--format", "text"]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("\n3 of 3 runs as expected, reports in report/"),
        "{text}"
    );
    assert!(
        folder
            .join("report/presence-after-kill.seed-1.txt")
            .exists()
    );
    let output = squall(&folder, &["run", "--group", "presents"]);
    let complaint = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(
        complaint.contains("Did you mean `presence`?"),
        "{complaint}"
    );
    let (text, _) = told(
        &folder,
        &["run", "presence-*", "--out", "out", "--format", "text"],
    );
    assert!(text.contains("\n3 of 3 runs as expected"), "{text}");
}

#[test]
fn every_verb_has_a_page_and_shells_can_complete_it() {
    let folder = folder("shell");
    let (text, code) = told(&folder, &["man", "man1"]);
    assert_eq!(code, 0, "{text}");
    let page = std::fs::read_to_string(folder.join("man1/squall-run.1")).expect("a page");
    assert!(
        page.contains("\\-\\-seeds") && page.starts_with(".ie"),
        "{page}"
    );
    let help = told(&folder, &["--help"]).0;
    let verbs = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let verbs = verbs.take_while(|line| !line.is_empty());
    let verbs = verbs.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let verbs: Vec<&str> = verbs
        .filter(|verb| !verb.is_empty() && *verb != "help")
        .collect();
    assert!(verbs.len() > 15, "{verbs:?}");
    for verb in &verbs {
        assert!(
            folder.join(format!("man1/squall-{verb}.1")).exists(),
            "{verb}"
        );
    }
    for shell in ["bash", "zsh", "fish"] {
        let (text, code) = told(&folder, &["completions", shell]);
        assert_eq!(code, 0);
        for verb in &verbs {
            assert!(text.contains(verb), "{shell}: {verb}");
        }
    }
}

#[test]
fn what_was_found_in_worlds_is_told_to_programs_as_well() {
    let folder = folder("worlds");
    let explore = [
        "explore", "--seeds", "2", "--out", "found", "--format", "json",
    ];
    let printed = json(&folder, &explore);
    let text = std::fs::read(folder.join("found/exploration.json")).expect("the file");
    let written: Value = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(printed, written);
    assert_eq!(
        json(&folder, &["merge", "found", "--format", "json"]),
        written
    );
}

/// The fields of each line that tells of a run.
fn lines(folder: &Path, arguments: &[&str]) -> Vec<(String, u64, Value)> {
    let (text, _) = told(folder, &[arguments, &["--format", "jsonl"]].concat());
    let lines = text.lines().map(|line| {
        let run = serde_json::from_str::<Value>(line).expect("a line of JSON")["run"].take();
        let scenario = run["scenario"].as_str().expect("a name").to_owned();
        let seed = run["seed"].as_u64().expect("a number");
        (scenario, seed, run["outcome"].clone())
    });
    lines.collect()
}

#[test]
fn each_run_has_a_line_in_the_same_words_whichever_verb_played_it() {
    let folder = folder("lines");
    write(&folder, "right.toml", RIGHT);
    write(&folder, "wrong.toml", WRONG);
    let run = |name: &str, seed, outcome: &str| (name.to_owned(), seed, Value::from(outcome));
    let (right, wrong) = ("as-expected", "not-as-expected");
    assert_eq!(
        lines(&folder, &["run", "right.toml", "wrong.toml", "--out", "o"]),
        [run("right", 1, right), run("wrong", 1, wrong)]
    );
    assert_eq!(
        lines(&folder, &["run", "wrong.toml", "--seeds", "2"]),
        [run("wrong", 1, wrong), run("wrong", 2, wrong)]
    );
    assert_eq!(
        lines(&folder, &["explore", "--seeds", "5..5"]),
        [run("world", 5, right)]
    );
    assert_eq!(
        lines(&folder, &["compare-engines", "right.toml", "--seeds", "1"]),
        [run("right", 1, right), run("right", 1, right)]
    );
    let twice = ["check-determinism", "right.toml", "--runs", "2"];
    assert_eq!(lines(&folder, &twice), [run("right", 1, right)]);
    let (cases, _) = told(&folder, &[&twice[..], &["--format", "junit"]].concat());
    assert!(cases.contains("<testcase name=\"right\""), "{cases}");
    let many = ["run", "wrong.toml", "--seeds", "2", "--annotate"];
    let (text, _) = told(&folder, &many);
    let wanted = "::error file=wrong.toml,line=5,title=wrong%2C first with seed 1::exactly-once";
    assert!(text.contains(wanted), "{text}");
}

/// A log of one order that a worker has done twice, and one that was lost; in no order.
const LOG: &str = r#"
{"at": 0.6, "who": "worker-1", "event": "received", "topic": "order", "id": 7}
{"at": 0.5, "who": "client-1", "event": "sent", "topic": "order", "id": 7}
{"at": 0.9, "who": "worker-2", "event": "received", "topic": "order", "id": "7"}
{"at": 1.5, "who": "client-1", "event": "sent", "topic": "order", "id": 8}
{"at": 99, "who": "client-1", "event": "ended"}
"#;

#[test]
fn a_log_of_any_programs_is_judged() {
    let folder = folder("judge");
    write(&folder, "log.jsonl", LOG);
    let judge = |guarantee| {
        let sent = [
            "--sent",
            "client:order",
            "--received",
            "worker:order",
            "--by",
            "one",
        ];
        let judge = ["judge", "log.jsonl", "--guarantee", guarantee];
        told(&folder, &[&judge[..], &sent].concat())
    };
    let (text, code) = judge("at-most-once");
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("received `7` 2 times, at 0.600 s, 0.900 s"),
        "{text}"
    );
    let (text, code) = judge("at-least-once");
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("`8`"), "{text}");
    // No worker got two from one client.
    assert_eq!(judge("in-order").1, 2);
    let registers = [
        "judge",
        "log.jsonl",
        "--guarantee",
        "linearizable",
        "--format",
        "json",
    ];
    assert_eq!(told(&folder, &registers).1, 2);
    assert_eq!(
        json(&folder, &registers)["judged"][0]["verdict"],
        "not-exercised"
    );
}

#[test]
fn calls_in_a_log_are_judged_and_who_was_killed_is_excused() {
    let folder = folder("judge-calls");
    let call = |at: &str, call: u32, action: &str| {
        format!(
            "{{\"at\": {at}, \"who\": \"a-{call}\", \"event\": \"called\", \"call\": {call}, \"object\": \"x\", {action}}}\n"
        )
    };
    let back = |at: &str, call: u32, answer: &str| {
        format!(
            "{{\"at\": {at}, \"who\": \"a-{call}\", \"event\": \"returned\", \"call\": {call}, {answer}}}\n"
        )
    };
    let right = [
        call("1", 1, "\"action\": \"write\", \"value\": 5"),
        back("2", 1, "\"answer\": \"done\""),
        call("3", 2, "\"action\": \"read\""),
        back("4", 2, "\"answer\": \"value\", \"value\": 5"),
    ];
    write(&folder, "right.jsonl", &right.concat());
    write(
        &folder,
        "wrong.jsonl",
        &right
            .concat()
            .replace("\"value\", \"value\": 5", "\"nothing\""),
    );
    let judge = |log| told(&folder, &["judge", log, "--guarantee", "linearizable"]).1;
    assert_eq!((judge("right.jsonl"), judge("wrong.jsonl")), (0, 1));
    let lost = "{\"at\": 1, \"who\": \"c\", \"event\": \"sent\", \"topic\": \"t\", \"id\": 1}\n{\"at\": 90, \"who\": \"d\", \"event\": \"received\", \"topic\": \"t\", \"id\": 0}\n";
    let killed = format!(
        "{lost}{}\n",
        "{\"at\": 2, \"who\": \"c\", \"event\": \"killed\"}"
    );
    write(&folder, "lost.jsonl", lost);
    write(&folder, "killed.jsonl", &killed);
    let judge = |log| {
        let sent = ["--sent", "c:t", "--received", "d:t"];
        told(
            &folder,
            &[&["judge", log, "--guarantee", "at-least-once"], &sent[..]].concat(),
        )
    };
    assert_eq!(judge("lost.jsonl").1, 1, "{}", judge("lost.jsonl").0);
    assert_eq!(judge("killed.jsonl").1, 2, "{}", judge("killed.jsonl").0);
}

#[test]
fn a_line_that_is_wrong_is_told_with_its_number() {
    let folder = folder("judge-wrong");
    for (line, complaint) in [
        ("{", "it is no object in JSON"),
        ("{\"who\": \"a\", \"event\": \"sent\"}", "it has no `at`"),
        (
            "{\"at\": -1, \"who\": \"a\", \"event\": \"sent\"}",
            "it has no `at`",
        ),
        (
            "{\"at\": 1, \"who\": \"a\", \"event\": \"sent\", \"id\": 1}",
            "it has no `topic`",
        ),
        (
            "{\"at\": 1, \"who\": \"a\", \"event\": \"sung\"}",
            "there is no event `sung`",
        ),
        (
            "{\"at\": 1, \"who\": \"a\", \"event\": \"killed\", \"id\": 1}",
            "`killed` has no field `id`",
        ),
    ] {
        write(&folder, "log.jsonl", &format!("\n{line}\n"));
        let output = squall(
            &folder,
            &["judge", "log.jsonl", "--guarantee", "linearizable"],
        );
        let told = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(
            told.contains(&format!("log.jsonl:2: {complaint}")),
            "{told}"
        );
        assert_eq!(output.status.code(), Some(4));
    }
    let output = squall(
        &folder,
        &["judge", "log.jsonl", "--guarantee", "exactly-once"],
    );
    let told = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(told.contains("--sent client:order"), "{told}");
}
