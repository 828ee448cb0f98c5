//! `squall explore` and `squall shrink` as people use them.

use super::{directory, squall};
use std::path::{Path, PathBuf};

/// A file that fixes a small chat with this bug, and leaves its users and faults open.
fn small_chat(folder: &Path, bug: &str) -> String {
    let path = folder.join("chat.toml");
    let text = format!(
        "shows = 'A small chat.'\n\
         clients = {{ count = 3, rooms = ['lobby'] }}\n\
         chat = {{ bug = '{bug}', transport = 'websocket', to-server = 'exactly-once', to-client = 'catch-up' }}\n\
         link = {{ latency = '5ms' }}\n\
         workload = {{ messages = 4, interval = '100ms', mix = {{ others = 1 }} }}\n"
    );
    std::fs::write(&path, text).expect("a scenario file");
    path.to_str().expect("a path in UTF-8").to_owned()
}

fn read(path: PathBuf) -> String {
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The seeds with which the exploration in this directory found something.
fn seeds(folder: &Path) -> Vec<u64> {
    let told: serde_json::Value =
        serde_json::from_str(&read(folder.join("exploration.json"))).expect("JSON");
    let page = read(folder.join("exploration.html"));
    assert!(page.contains("world"), "{page}");
    let stories = told["stories"].as_array().expect("a list").iter();
    let seeds = stories.flat_map(|story| story["seeds"].as_array().expect("a list"));
    let mut seeds: Vec<u64> = seeds.map(|seed| seed.as_u64().expect("a seed")).collect();
    seeds.sort_unstable();
    seeds
}

#[test]
fn what_is_found_is_the_same_however_many_worlds_are_played_at_a_time_and_on_however_many_machines()
{
    let folder = directory("explore-same");
    let file = small_chat(&folder, "echo-to-sender");
    let explore = |name: &str, more: &[&str]| {
        let out = folder.join(name);
        let out = out.to_str().expect("UTF-8").to_owned();
        let arguments = ["explore", &file, "--seeds", "3..6", "--out", &out];
        let told = squall(&[&arguments, more].concat());
        assert_eq!(told.status.code(), Some(1), "{told:?}");
        folder.join(name)
    };
    let alone = explore("alone", &["--jobs", "1"]);
    let together = explore("together", &["--jobs", "3"]);
    let json = |folder: &Path| read(folder.join("exploration.json"));
    assert_eq!(json(&alone), json(&together));
    let parts = [
        explore("first", &["--shard", "1/2"]),
        explore("second", &["--shard", "2/2"]),
    ];
    assert_eq!(
        parts.each_ref().map(|part| seeds(part)),
        [vec![3, 5], vec![4, 6]]
    );
    assert_eq!(seeds(&alone), [3, 4, 5, 6]);
    for order in [[0, 1], [1, 0]] {
        let merged = folder.join("merged");
        let parts = order.map(|part| parts[part].to_str().expect("UTF-8"));
        let out = ["--out", merged.to_str().expect("UTF-8")];
        let told = squall(&[&["merge"], &parts[..], &out].concat());
        assert_eq!(told.status.code(), Some(1), "{told:?}");
        assert_eq!(json(&merged), json(&alone));
    }
    let twice = [&parts[0], &alone].map(|part| part.to_str().expect("UTF-8"));
    let told = squall(&[&["merge"], &twice[..]].concat());
    assert_eq!(told.status.code(), Some(4));
    let why = String::from_utf8(told.stderr).expect("UTF-8");
    assert!(
        why.contains("the world of seed 3 is in two of them"),
        "{why}"
    );
}

#[test]
fn an_exploration_that_was_ended_early_goes_on_where_it_was() {
    let folder = directory("explore-resume");
    let file = small_chat(&folder, "echo-to-sender");
    let explore = |name: &str, more: &[&str]| {
        let out = folder.join(name);
        let arguments = ["explore", &file, "--out", out.to_str().expect("UTF-8")];
        let told = squall(&[&arguments, more].concat());
        assert_eq!(told.status.code(), Some(1), "{told:?}");
        read(out.join("exploration.json"))
    };
    let whole = explore("whole", &["--seeds", "3..5"]);
    assert_ne!(explore("early", &["--seeds", "3..5", "--fail-fast"]), whole);
    assert_eq!(explore("early", &["--resume"]), whole);
    let early = folder.join("early");
    let again = squall(&[
        "explore",
        &file,
        "--resume",
        "--out",
        early.to_str().expect("UTF-8"),
    ]);
    assert_eq!(again.status.code(), Some(4));
}

#[test]
fn an_exploration_finds_the_one_world_of_a_hundred_that_says_what_is_not_so() {
    let folder = directory("explore-canary");
    let file = small_chat(&folder, "echo-to-sender");
    let right = read(folder.join("chat.toml")).replace("bug = 'echo-to-sender', ", "");
    std::fs::write(&file, right).expect("a scenario file");
    let explore = ["explore", &file, "--seeds", "110"];
    let told = squall(&[&explore[..], &["--canary"]].concat());
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    let told = String::from_utf8(told.stdout).expect("UTF-8");
    assert!(told.contains("at-most-once: handled-twice"), "{told}");
}

#[test]
fn the_first_finding_is_the_same_however_many_worlds_are_played_at_a_time() {
    let folder = directory("explore-first");
    let file = small_chat(&folder, "echo-to-sender");
    let first = |jobs| {
        let arguments = [
            "explore",
            &file,
            "--seeds",
            "20",
            "--fail-fast",
            "--jobs",
            jobs,
        ];
        let told = squall(&arguments);
        assert_eq!(told.status.code(), Some(1), "{told:?}");
        String::from_utf8(told.stdout).expect("UTF-8")
    };
    assert_eq!(first("1"), first("4"));
}

#[test]
fn a_story_becomes_a_small_witness_that_fails_for_everybody_and_a_test() {
    let folder = directory("shrink");
    let file = small_chat(&folder, "echo-to-sender");
    let path = |name: &str| folder.join(name).to_str().expect("UTF-8").to_owned();
    let (witness, test) = (path("witness.toml"), path("witness.rs"));
    let told = squall(&[
        "shrink",
        &file,
        "--open",
        "--seed",
        "4",
        "--out",
        &witness,
        "--emit-test",
        &test,
        // As long as a busy machine may need.
        "--seconds",
        "600",
    ]);
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    let told = String::from_utf8(told.stderr).expect("UTF-8");
    assert!(
        told.contains("after:  0 faults, 1 client, 1 message\n"),
        "{told}"
    );
    let text = read(folder.join("witness.toml"));
    let seed = text
        .split("--seed ")
        .nth(1)
        .and_then(|rest| rest.lines().next());
    let seed = seed.expect("the command to run it");
    assert_eq!(
        squall(&["run", &witness, "--seed", seed]).status.code(),
        Some(1),
        "{text}"
    );
    assert!(read(folder.join("witness.rs")).contains("fn no_phantom_"));
}

/// Messages are sent once, and a partition takes some: at-least-once is violated, which that mode
/// does not promise.
fn lossy_chat(folder: &Path, expect: &str) -> String {
    let path = folder.join("lossy.toml");
    let text = format!(
        "shows = 'What is sent once is lost.'\n\
         clients = {{ names = ['ann', 'ben'] }}\n\
         chat = {{ transport = 'websocket', to-server = 'at-most-once', to-client = 'catch-up' }}\n\
         workload = {{ messages = 6, interval = '1s' }}\n\
         fault = [{{ kind = 'partition', victims = 'ann', at = '3s', for = '20s' }}]\n\
         {expect}\n"
    );
    std::fs::write(&path, text).expect("a scenario file");
    path.to_str().expect("a path in UTF-8").to_owned()
}

#[test]
fn a_file_is_made_small_by_what_it_expects_and_not_by_what_its_mode_promises() {
    let folder = directory("shrink-expected");
    let file = lossy_chat(
        &folder,
        "expect = { at-least-once = 'held', exactly-once = 'either' }",
    );
    assert_eq!(squall(&["run", &file]).status.code(), Some(1));
    let witness = folder.join("witness.toml");
    let out = witness.to_str().expect("UTF-8");
    let told = squall(&["shrink", &file, "--seconds", "600", "--out", out]);
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    let text = read(witness.clone());
    assert!(text.starts_with("# at-least-once: not-stored"), "{text}");
    let expected = "[expect]\nat-least-once = \"held\"\nexactly-once = \"either\"\n";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn what_a_file_expects_to_be_violated_is_nothing_to_make_small() {
    let folder = directory("shrink-as-expected");
    let expect = "expect = { at-least-once = 'violated', exactly-once = 'violated' }";
    let file = lossy_chat(&folder, expect);
    assert_eq!(squall(&["run", &file]).status.code(), Some(0));
    assert_eq!(squall(&["shrink", &file]).status.code(), Some(2));
}

#[test]
fn a_file_that_expects_nothing_is_made_small_by_what_its_mode_promises() {
    let folder = directory("shrink-unexpected");
    let file = lossy_chat(&folder, "");
    assert_eq!(squall(&["shrink", &file]).status.code(), Some(2));
}

#[test]
fn worlds_that_complete_a_file_must_keep_what_the_file_wants_held_beyond_its_mode() {
    let folder = directory("explore-expected");
    let file = lossy_chat(&folder, "expect = { at-least-once = 'held' }");
    let told = squall(&["explore", &file, "--seeds", "8"]);
    assert_eq!(told.status.code(), Some(1), "{told:?}");
    let told = String::from_utf8(told.stdout).expect("UTF-8");
    assert!(told.contains("at-least-once: not-stored"), "{told}");
    let file = lossy_chat(&folder, "");
    let told = squall(&["explore", &file, "--seeds", "8"]);
    let told = String::from_utf8(told.stdout).expect("UTF-8");
    assert!(!told.contains("at-least-once"), "{told}");
}

#[test]
fn a_chat_that_keeps_its_promises_has_no_story_and_nothing_to_make_small() {
    let folder = directory("explore-right");
    let file = small_chat(&folder, "echo-to-sender");
    let right = read(folder.join("chat.toml")).replace("bug = 'echo-to-sender', ", "");
    std::fs::write(&file, right).expect("a scenario file");
    let told = squall(&["explore", &file, "--seeds", "2"]);
    assert_eq!(told.status.code(), Some(0), "{told:?}");
    let told = String::from_utf8(told.stdout).expect("UTF-8");
    assert!(told.starts_with("2 worlds: nothing is wrong\n"), "{told}");
    assert_eq!(squall(&["shrink", &file]).status.code(), Some(2));
}

#[test]
fn what_cannot_be_explored_is_told() {
    let folder = directory("explore-wrong");
    let file = folder.join("wrong.toml");
    std::fs::write(&file, "shows = 'Wrong.'\nchat.transprot = 'polling'").expect("a file");
    let told = |arguments: &[&str]| {
        let output = squall(arguments);
        assert_eq!(output.status.code(), Some(4), "{output:?}");
        String::from_utf8(output.stderr).expect("UTF-8")
    };
    let wrong = told(&["explore", file.to_str().expect("UTF-8")]);
    assert!(wrong.contains("Did you mean `transport`?"), "{wrong}");
    assert!(told(&["explore", "--seeds", "9..3"]).contains("there are no seeds in it"));
    let nobody_says = told(&["explore", "--shard", "auto"]);
    assert!(nobody_says.contains("set SQUALL_SHARD"), "{nobody_says}");
    let merged = told(&["merge", file.to_str().expect("UTF-8")]);
    assert!(
        merged.contains("it is not what `squall explore --out`"),
        "{merged}"
    );
    assert!(told(&["explore", "--shard", "4/3"]).contains("write two numbers such as 3/64"));
}
