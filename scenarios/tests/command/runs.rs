//! Runs by the command: what it prints, what it writes, how it ends.

use super::{directory, squall};
use std::io::Read;
use std::iter;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

fn exit_code(arguments: &[&str]) -> i32 {
    squall(arguments)
        .status
        .code()
        .expect("squall ends by itself")
}

/// A scenario file with this text.
fn scenario(test: &str, text: &str) -> String {
    let path = directory(test).join("scenario.toml");
    std::fs::write(&path, text).expect("a scenario file");
    path.to_str().expect("a path in UTF-8").to_owned()
}

fn standard_error(arguments: &[&str]) -> String {
    String::from_utf8(squall(arguments).stderr).expect("UTF-8")
}

#[test]
fn parity_tells_each_behaviour_and_ends_with_0() {
    let output = squall(&["parity", "--format", "json"]);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let table = told["parity"].as_array().expect("a list of behaviours");
    assert_eq!(output.status.code(), Some(0), "{table:#?}");
    let udp = |row: &&serde_json::Value| row["group"] == "udp" && row["outcome"] == "same";
    assert!(table.iter().filter(udp).count() > 20, "{table:#?}");
}

#[test]
fn an_audit_names_doors_and_crates_and_leaves_the_digest_alone() {
    let json = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_slice(&squall(arguments).stdout).expect("JSON")
    };
    let audit = &json(&["audit-entropy", "lossy-link", "--format", "json"])["audit"];
    assert_eq!(audit["digest"], json(&["trace", "lossy-link"])["digest"]);
    let sources = audit["sources"].as_array().expect("a list");
    let of_sqlite = |source: &&serde_json::Value| source["door"] == "SQLite's xRandomness";
    let of_sqlite = sources.iter().find(of_sqlite).expect("SQLite draws");
    assert_eq!(of_sqlite["machine"], "server");
    let by = of_sqlite["by"].as_str().expect("a crate");
    assert!(by.starts_with("libsqlite3-sys "), "{by}");
    let of_host = |source: &&serde_json::Value| source["host"] == true;
    assert_eq!(sources.iter().find(of_host), None);
}

/// OpenSSL looks for its configuration, and finds its machine's `/dev/null`.
#[test]
fn openssl_reads_nothing_of_the_host() {
    let told = squall(&["audit-entropy", "ordering-polling", "--format", "json"]).stdout;
    let told: serde_json::Value = serde_json::from_slice(&told).expect("JSON");
    let sources = told["audit"]["sources"].as_array().expect("a list");
    assert!(!sources.is_empty(), "{told:#}");
    let mut of_host = sources.iter().filter(|source| source["host"] == true);
    assert_eq!(of_host.next(), None, "{told:#}");
}

#[test]
fn an_audit_is_told_in_the_same_words_each_time() {
    let told = || squall(&["audit-entropy", "heartbeat-detects-silence"]).stdout;
    let first = told();
    let text = String::from_utf8_lossy(&first);
    assert!(
        text.contains("  clock_gettime(CLOCK_MONOTONIC)\n"),
        "{text}"
    );
    assert!(text.ends_with("\nNothing reached the host.\n"), "{text}");
    assert_eq!(first, told());
}

#[test]
fn a_run_as_expected_ends_with_0() {
    assert_eq!(exit_code(&["run", "ordering-websocket"]), 0);
}

#[test]
fn a_run_in_a_process_of_its_own_says_what_it_says_in_this_one() {
    let run = ["run", "at-most-once-partition", "--seed", "3"];
    let [here, apart] = [&run[..], &[&run[..], &["--isolate"]].concat()].map(squall);
    assert_eq!(here.stdout, apart.stdout);
    assert_eq!(here.status.code(), apart.status.code());
    let why = [
        "why",
        "at-most-once-partition",
        "--dice",
        "2",
        "--futures",
        "0",
    ];
    let [here, apart] = [&why[..], &[&why[..], &["--isolate"]].concat()].map(squall);
    assert_eq!(here.stdout, apart.stdout);
    assert_eq!(apart.status.code(), Some(1));
}

#[test]
fn a_run_not_as_expected_ends_with_1() {
    let text = "shows = \"Wrong.\"\nexpect.ordering = \"violated\"";
    assert_eq!(exit_code(&["run", &scenario("not-as-expected", text)]), 1);
}

#[test]
fn a_run_that_does_not_exercise_ends_with_2() {
    let text = "shows = \"No silence.\"\nexpect.detection = \"held\"";
    assert_eq!(exit_code(&["run", &scenario("not-exercised", text)]), 2);
}

#[test]
fn a_run_of_which_nothing_is_expected_says_so_and_ends_with_2() {
    let text = "shows = \"Nobody knows what should come of it.\"";
    let output = squall(&["run", &scenario("nothing-expected", text)]);
    let told = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(told.contains("scenario: nothing expected"), "{told}");
    assert!(told.contains("The scenario expects nothing"), "{told}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn a_violation_of_what_is_not_named_is_told_and_ends_with_1() {
    let text = r#"
        shows = "Nobody retries, and a partition loses messages."
        chat = { to-server = "at-most-once", to-client = "live-only" }
        expect.no-phantom = "held"
        [[fault]]
        kind = "partition"
        victims = "alice"
        at = "3s"
        for = "20s"
    "#;
    let output = squall(&["run", &scenario("not-named", text)]);
    let told = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(told.contains("does not name exactly-once"), "{told}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn faults_that_strike_nothing_are_told_and_end_with_2() {
    let text = r#"
        shows = "A NAT forgets what is idle, and nothing is; two are kept apart who never speak; nothing is lost."
        [[fault]]
        kind = "nat-forgets"
        victims = "clients"
        idle = "30s"
        at = "2s"
        for = "5s"
        [[fault]]
        kind = "partition"
        victims = "alice"
        others = "bob"
        at = "4s"
        for = "5s"
        [[fault]]
        kind = "loss"
        victims = "carol"
        loss = 0
        at = "4s"
        for = "5s"
        [expect]
        exactly-once = "held"
    "#;
    let file = scenario("idle-faults", text);
    for arguments in [&["run", &file][..], &["run", &file, "--seeds", "3"]] {
        let output = squall(arguments);
        let told = String::from_utf8(output.stdout).expect("UTF-8");
        for number in 1..=3 {
            let idle = format!("fault {number} struck nothing");
            assert!(told.contains(&idle), "{told}");
        }
        assert_eq!(output.status.code(), Some(2), "{told}");
    }
}

#[test]
fn an_exploration_finds_the_one_run_of_a_hundred_that_is_wrong() {
    let text = r#"
        shows = "One message, and nothing goes wrong."
        settle = "100ms"
        clients.count = 1
        workload.messages = 1
        expect = { at-most-once = "held", exactly-once = "held" }
    "#;
    let file = scenario("canary", text);
    let explore = ["run", &file, "--seeds", "300", "--format", "json"];
    assert_eq!(exit_code(&explore), 0);
    let output = squall(&[&explore[..], &["--canary"]].concat());
    assert_eq!(output.status.code(), Some(1));
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let findings = told["exploration"]["findings"].as_array().expect("a list");
    let [finding] = &findings[..] else {
        panic!("{findings:#?}");
    };
    assert_eq!(finding["what"][0], "at-most-once violated");
    let runs = finding["runs"].as_u64().expect("a number");
    assert!((1..=10).contains(&runs), "{finding:#}");
    let first = finding["first"]["seed"].as_u64().expect("a number");
    let command = ["run", &file, "--seed", &first.to_string(), "--canary"];
    assert_eq!(exit_code(&command), 1);
}

#[test]
fn bad_input_ends_with_4() {
    let wrong = scenario("bad-input", "shows = 3");
    let bad: [&[&str]; 14] = [
        &["run", "no-such-scenario"],
        &["run", "no-such-file.toml"],
        &["run", &wrong],
        &["run"],
        &["run", "lossy-link", "--seed", "x"],
        &["run", "lossy-link", "--seeds", "0"],
        &["run", "lossy-link", "--seed", "1", "--seeds", "2"],
        &["run", "lossy-link", "--engine", "steam"],
        &["audit-entropy"],
        &["audit-entropy", "no-such-scenario"],
        &["compare-engines"],
        &["compare-engines", "no-such-scenario"],
        &["compare-engines", "lossy-link", "--seeds", "0"],
        &["fly"],
    ];
    for arguments in bad {
        assert_eq!(exit_code(arguments), 4, "{arguments:?}");
    }
}

#[test]
fn a_file_without_an_end_is_not_read_to_its_end() {
    let link = directory("endless").join("endless.toml");
    std::os::unix::fs::symlink("/dev/zero", &link).expect("a link");
    let told = standard_error(&["run", link.to_str().expect("UTF-8")]);
    assert!(told.contains("longer than 16777216 bytes"), "{told}");
}

#[test]
fn a_plan_is_written_and_played_and_has_its_seed_in_it() {
    let text = "shows = 'A plan.'\nsettle = '1s'\nworkload.messages = 1";
    let open = scenario("planned", text);
    let file = directory("plans").join("p.toml");
    let plan = squall(&["plan", &open, "--seed", "3"]).stdout;
    std::fs::write(&file, plan).expect("a file");
    let file = file.to_str().expect("UTF-8");
    let digest = |arguments: &[&str]| {
        let report = squall(&[arguments, &["--format", "json"]].concat()).stdout;
        let report: serde_json::Value = serde_json::from_slice(&report).expect("JSON");
        report["record"]["digest"].clone()
    };
    assert_eq!(
        digest(&["run", file]),
        digest(&["run", &open, "--seed", "3"])
    );
    let told = standard_error(&["run", file, "--seed", "4"]);
    assert!(told.contains("is a plan, and has its seed in it"), "{told}");
    let told = standard_error(&["audit-entropy", file]);
    assert!(told.contains("`squall run"), "{told}");
}

#[test]
fn a_run_that_would_take_all_the_memory_is_refused_with_its_figures() {
    let text = "shows = 'Much.'\nclients.count = 50_000\nworkload.messages = 1_000_000";
    let told = standard_error(&["run", &scenario("all-the-memory", text)]);
    assert!(told.contains("50,000,000,000 messages"), "{told}");
    assert!(told.contains("--no-limit"), "{told}");
}

#[test]
fn reports_that_would_take_the_place_of_each_other_are_refused() {
    let (a, b) = (directory("namesakes-a"), directory("namesakes-b"));
    let [a, b] = [a, b].map(|folder| {
        let file = folder.join("same.toml");
        std::fs::write(&file, "shows = 'One of two.'").expect("a file");
        file.to_str().expect("UTF-8").to_owned()
    });
    let out = directory("namesakes-out");
    let told = standard_error(&["run", &a, &b, "--out", out.to_str().expect("UTF-8")]);
    assert!(told.contains("both called `same`"), "{told}");
    assert_eq!(std::fs::read_dir(out).expect("a folder").count(), 0);
}

#[test]
fn help_ends_with_0() {
    for arguments in [&["--help"][..], &["run", "--help"], &["--version"]] {
        assert_eq!(exit_code(arguments), 0, "{arguments:?}");
    }
}

#[test]
fn an_unknown_name_suggests_the_nearest() {
    insta::assert_snapshot!(standard_error(&["run", "lossy-lnik"]), @r"
    error: there is no scenario `lossy-lnik`
      Did you mean `lossy-link`? `squall list` shows all of them; a file of your own ends in .toml.
    ");
}

#[test]
fn mistakes_in_a_file_are_told_without_colour_in_a_pipe() {
    let told = standard_error(&["run", &scenario("pipe", "shows = 3")]);
    assert!(
        told.contains("scenario.toml:1:9") && !told.contains('\u{1b}'),
        "{told}"
    );
}

#[test]
fn the_list_for_programs_has_every_scenario() {
    let list = squall(&["list", "--format", "json"]).stdout;
    let list: serde_json::Value = serde_json::from_slice(&list).expect("JSON");
    assert_eq!(list["squall"], 1);
    let names = list["scenarios"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|scenario| &scenario["name"]);
    assert!(names.eq(squall_cli::library().iter().map(|scenario| &scenario.name)));
}

#[test]
fn reports_become_whole_files_in_every_format() {
    let out = directory("reports").join("deep").join("down");
    let out = out.to_str().expect("a path in UTF-8");
    assert_eq!(
        exit_code(&["run", "lossy-link", "ordering-polling", "--out", out]),
        0
    );
    let mut files: Vec<String> = std::fs::read_dir(out)
        .expect("the reports")
        .map(|file| {
            file.expect("a file")
                .file_name()
                .into_string()
                .expect("UTF-8")
        })
        .collect();
    files.sort();
    let formats = [
        "brief.json",
        "html",
        "json",
        "junit.xml",
        "md",
        "mmd",
        "pftrace",
        "svg",
        "txt",
    ];
    let names = ["lossy-link", "ordering-polling"].iter();
    let of_runs = names.flat_map(|name| formats.map(|format| format!("{name}.seed-1.{format}")));
    let expected: Vec<String> = std::iter::once("index.html".to_owned())
        .chain(of_runs)
        .chain(["summary.json".to_owned()])
        .collect();
    assert_eq!(files, expected);
    // What is no text is not printed.
    assert_eq!(exit_code(&["run", "lossy-link", "--format", "perfetto"]), 4);
    // The page and all others again, from the records alone.
    let index = std::fs::read_to_string(format!("{out}/index.html")).expect("the index");
    assert!(index.contains("./lossy-link.seed-1.html"), "{index}");
    let page = format!("{out}/lossy-link.seed-1.html");
    let first = std::fs::read(&page).expect("the page");
    std::fs::remove_file(&page).expect("the page can be removed");
    assert_eq!(exit_code(&["report", out]), 0);
    assert_eq!(std::fs::read(&page).expect("the page again"), first);
}

/// Reads a capture file as blocks: the kind of each, and what is between its lengths.
fn blocks(mut file: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let mut blocks = Vec::new();
    while !file.is_empty() {
        let (kind, length) = (number(&file[..4]), number(&file[4..8]) as usize);
        assert_eq!(length % 4, 0);
        assert_eq!(number(&file[length - 4..length]) as usize, length);
        blocks.push((kind, file[8..length - 4].to_vec()));
        file = &file[length..];
    }
    blocks
}

#[test]
fn a_capture_has_an_interface_for_each_machine_and_every_packet_with_its_end() {
    let out = directory("capture").join("lossy.pcapng");
    let path = out.to_str().expect("a path in UTF-8");
    assert_eq!(exit_code(&["capture", "lossy-link", "--out", path]), 0);
    let blocks = blocks(&std::fs::read(&out).expect("the capture"));
    let json = squall(&["run", "lossy-link", "--format", "json"]).stdout;
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    let record = &json["record"];
    let count = |kind: u32| blocks.iter().filter(|it| it.0 == kind).count() as u64;
    let machines = record["machines"].as_array().expect("machines").len() as u64;
    assert_eq!((blocks[0].0, count(1)), (0x0a0d_0d0a, machines));
    let number = |what: &str| record["network"][what].as_u64().expect("a number");
    assert_eq!(count(6), number("sent") + number("delivered"));
    let lost = blocks.iter().filter(|(_, block)| {
        let comment = b"lost at random";
        block.windows(comment.len()).any(|window| window == comment)
    });
    assert_eq!(lost.count() as u64, number("lost"));
}

#[test]
fn a_report_of_what_is_no_record_ends_with_4_and_says_why() {
    let file = scenario("no-record", "shows = '.'");
    assert!(standard_error(&["report", &file]).contains("it is no JSON"));
    assert_eq!(exit_code(&["report", &file]), 4);
    let json = file.replace("scenario.toml", "other.json");
    std::fs::write(&json, "{\"squall\": 1}").expect("a file");
    assert!(standard_error(&["report", &json]).contains("it holds no record of a run"));
    std::fs::write(&json, "{\"squall\": 99}").expect("a file");
    assert!(standard_error(&["report", &json]).contains("its version is not 1"));
}

#[test]
fn what_a_violation_hangs_on_is_told_and_is_on_the_page() {
    let out = directory("why");
    let path = out.to_str().expect("a path in UTF-8");
    let arguments = [
        "why",
        "at-most-once-partition",
        "--dice",
        "2",
        "--futures",
        "0",
        "--out",
        path,
    ];
    let output = squall(&arguments);
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.contains("It depends on fault 1 (partition between alice"),
        "{told}"
    );
    assert!(!told.contains("decided"), "{told}");
    let page = std::fs::read_to_string(out.join("at-most-once-partition.seed-1.html"));
    let page = page.expect("the page");
    assert!(page.contains("It depends on fault 1 (partition between alice"));
    let asked = ["why", "at-most-once-partition", "--guarantee", "ordering"];
    assert_eq!(exit_code(&[&asked[..], &["--dice", "0"]].concat()), 2);
}

/// Whether the message reaches the server before the end depends on how long its packet takes.
const RACE: &str = r#"
shows = "A message is sent shortly before the server ends."

[clients]
names = ["alice", "bob"]

[client.bob]
messages = 0

[chat]
to-server = "at-most-once"

[link]
latency = { uniform = ["10ms", "300ms"] }

[workload]
messages = 1
start = "5s"

[[fault]]
kind = "kill"
victims = "server"
at = "5150ms"
for = "1s"

[expect]
at-least-once = "either"
"#;

#[test]
fn when_a_violation_was_decided_is_told_with_what_happened_then_and_so_again() {
    let file = directory("race").with_extension("toml");
    std::fs::write(&file, RACE).expect("a file");
    let asked = [
        "why",
        file.to_str().expect("a path in UTF-8"),
        "--seed",
        "2",
        "--dice",
        "0",
        "--futures",
        "8",
        "--format",
        "json",
    ];
    let output = squall(&asked);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let curve = &told["why"]["curve"];
    let points = curve["points"].as_array().expect("a list");
    assert_eq!(points.len(), 25);
    for point in points {
        let violated = point["futures"]["violated"].as_u64().expect("a number");
        let is_sent = point["at"].as_u64().expect("a time") >= 5_000_000_000;
        assert_eq!(is_sent, violated == 8, "{told:#}");
    }
    let between = curve["between"].as_array().expect("a list");
    assert_eq!(
        between[0], "alice is given `alice 1` at 5.000 s",
        "{told:#}"
    );
    assert_eq!(squall(&asked).stdout, output.stdout);
}

#[test]
fn an_exploration_does_not_depend_on_the_number_of_jobs() {
    let explore = |jobs| {
        squall(&[
            "run",
            "exactly-once-partition",
            "--seeds",
            "8",
            "--jobs",
            jobs,
        ])
        .stdout
    };
    assert_eq!(explore("1"), explore("3"));
}

#[test]
fn the_same_run_is_the_same_in_fresh_threads_and_processes() {
    let check = [
        "check-determinism",
        "exactly-once-partition",
        "ordering-polling",
        "--runs",
        "4",
    ];
    let output = squall(&check);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
}

#[test]
fn a_certificate_can_be_checked_against_and_says_which_machine_differs() {
    let test = "certificate";
    let scenario = scenario(test, SHORT);
    let file = directory("certificates").join("certificate.json");
    let path = file.to_str().expect("a path in UTF-8");
    let check = ["check-determinism", &scenario, "--runs", "4"];
    assert_eq!(
        exit_code(&[&check[..], &["--certificate", path]].concat()),
        0
    );
    assert_eq!(exit_code(&[&check[..], &["--against", path]].concat()), 0);

    let text = std::fs::read_to_string(&file).expect("a certificate");
    let mut certificate: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let machines = &mut certificate["runs"][0]["machines"];
    assert_eq!(machines.as_object().map(serde_json::Map::len), Some(3));
    machines["bob"] = "0000000000000000".into();
    std::fs::write(&file, certificate.to_string()).expect("another certificate");
    let output = squall(&[&check[..], &["--against", path]].concat());
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("machines with another digest: bob"), "{told}");
}

#[test]
fn a_certificate_without_the_run_or_that_is_none_ends_with_4() {
    let scenario = scenario("other-certificate", SHORT);
    let file = directory("other-certificates").join("certificate.json");
    let path = file.to_str().expect("a path in UTF-8");
    let check = [
        "check-determinism",
        &scenario,
        "--runs",
        "2",
        "--against",
        path,
    ];
    assert_eq!(exit_code(&check), 4);
    std::fs::write(&file, "{}").expect("a file");
    assert!(standard_error(&check).contains("is no certificate"));
    let build = r#"{"squall":"0","profile":"debug","architecture":"x"}"#;
    let empty = format!(r#"{{"squall_certificate":1,"build":{build},"runs":[]}}"#);
    std::fs::write(&file, empty).expect("a file");
    assert!(standard_error(&check).contains("does not have"));
}

/// A run of a few virtual seconds.
const SHORT: &str = r#"
    shows = "Two clients, two messages."
    settle = "1s"
    clients.count = 2
    workload.messages = 1
    link.latency = "1ms..30ms"
"#;

#[test]
fn a_run_on_turmoil_says_so_and_so_does_the_command_that_repeats_it() {
    let scenario = scenario("on-turmoil", SHORT);
    let report = squall(&["run", &scenario, "--engine", "turmoil"]).stdout;
    let report = String::from_utf8(report).expect("UTF-8");
    let mut lines = report.lines();
    let (verdict, command) = (lines.next().expect("2"), lines.next().expect("lines"));
    assert!(verdict.ends_with("seed 1, on turmoil"), "{verdict}");
    assert!(command.ends_with("--seed 1 --engine turmoil"), "{command}");
}

#[test]
fn the_reports_of_another_engine_are_files_of_their_own() {
    let scenario = scenario("own-files", SHORT);
    let out = directory("own-files-reports");
    let path = out.to_str().expect("a path in UTF-8");
    for engine in ["native", "turmoil"] {
        let arguments = ["run", &scenario, "--engine", engine];
        squall(&[&arguments[..], &["--out", path, "--format", "text"]].concat());
    }
    let files = std::fs::read_dir(out).expect("the reports").count();
    assert_eq!(files, 3, "two reports, and the summary of the last run");
}

#[test]
fn the_same_run_on_turmoil_is_the_same_in_fresh_threads_and_processes() {
    let scenario = scenario("turmoil-again", SHORT);
    let runs = ["--runs", "4", "--engine", "turmoil"];
    let output = squall(&[&["check-determinism", &scenario], &runs[..]].concat());
    let told = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("seed 1, on turmoil: 4 equal runs"), "{told}");
}

#[test]
fn engines_that_agree_end_with_0_and_a_document_for_each_scenario() {
    let scenario = scenario("agree", SHORT);
    let seeds = ["--seeds", "3", "--format", "json"];
    let output = squall(&[&["compare-engines", &scenario, &scenario], &seeds[..]].concat());
    assert_eq!(output.status.code(), Some(0));
    let documents: Vec<serde_json::Value> = serde_json::Deserializer::from_slice(&output.stdout)
        .into_iter()
        .collect::<Result<_, _>>()
        .expect("JSON");
    assert_eq!(documents.len(), 2);
    for document in documents {
        let comparison = &document["comparison"];
        assert_eq!(comparison["seeds"], 3, "{comparison:#}");
        assert_eq!(comparison["agree"], true, "{comparison:#}");
    }
}

#[test]
fn a_scenario_with_too_many_machines_for_the_second_engine_is_told() {
    let scenario = scenario("too-large", SHORT);
    let compare = ["compare-engines", &scenario, "--most-machines", "2"];
    let output = squall(&compare);
    assert_eq!(output.status.code(), Some(0));
    let told = String::from_utf8(output.stdout).expect("text");
    assert!(
        told.contains("not compared, 3 machines are more than 2"),
        "{told}"
    );
    assert!(
        standard_error(&compare).contains("the engines agree on 0 of 0 scenarios; 1 not compared")
    );
}

#[test]
fn serving_on_an_address_in_use_says_so() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("its address").to_string();
    let database = directory("address-in-use").join("chat.db");
    let database = database.to_str().expect("a path in UTF-8");
    let arguments = ["serve", "--listen", &address, "--database", database];
    assert!(standard_error(&arguments).contains("is in use"));
    assert_eq!(exit_code(&arguments), 4);
}

#[test]
fn serving_a_database_in_use_says_so_before_anything_else() {
    let database = directory("database-in-use").join("chat.db");
    let _owner = squall_planted::Database::open(&database).expect("a new database");
    let database = database.to_str().expect("a path in UTF-8");
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--database", database];
    let told = standard_error(&arguments);
    assert!(
        told.contains("in use by another process") && !told.contains("Listening"),
        "{told}"
    );
}

/// Sends the program a signal once it has printed something. Ctrl-C is INT.
fn interrupt(mut program: Command, signal: &str) -> Output {
    let mut running = program
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("squall starts");
    let mut first = [0];
    let said = running
        .stderr
        .as_mut()
        .expect("a pipe")
        .read(&mut first)
        .expect("a first word");
    assert_eq!(said, 1, "squall ends without a word");
    send(signal, &running);
    running.wait_with_output().expect("squall ends")
}

fn send(signal: &str, to: &Child) {
    let arguments = [format!("-{signal}"), to.id().to_string()];
    let sent = Command::new("kill").args(arguments).status();
    assert!(sent.expect("kill(1)").success());
}

/// Reads standard error until this is printed.
fn hear(words: &str, from: &mut Child) {
    let mut heard = String::new();
    let said = from.stderr.as_mut().expect("a pipe");
    while !heard.contains(words) {
        let mut next = [0];
        let read = said.read(&mut next).expect("a pipe");
        assert_eq!(read, 1, "squall ends without saying `{words}`: {heard}");
        heard.push(char::from(next[0]));
    }
}

#[test]
fn a_server_closes_cleanly_on_ctrl_c_and_on_sigterm() {
    for signal in ["INT", "TERM"] {
        let database = directory("signal-serve").join("chat.db");
        let mut program = Command::new(env!("CARGO_BIN_EXE_squall"));
        program
            .args(["serve", "--listen", "127.0.0.1:0", "--database"])
            .arg(&database);
        let output = interrupt(program, signal);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert!(
            told.ends_with("The server has closed its connections and its database.\n"),
            "{told}"
        );
        squall_planted::Database::open(&database).expect("nobody has the database any more");
    }
}

#[test]
fn ctrl_c_ends_an_exploration_after_the_runs_that_are_under_way_and_tells_what_was_found() {
    let text =
        "shows = 'Many.'\nsettle = '1s'\nworkload.messages = 1\n[expect]\nordering = 'either'";
    let many = scenario("ctrl-c-many", text);
    let mut program = Command::new(env!("CARGO_BIN_EXE_squall"));
    // More seeds than there is memory or time for.
    program
        .args([
            "run",
            "lossy-link",
            &many,
            "--seeds",
            "1000000000",
            "--jobs",
            "1",
        ])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = program.spawn().expect("squall starts");
    // It prints nothing before: so this waits until it runs at all.
    let caught = format!("/proc/{}/status", running.id());
    let is_ready = |status: &str| {
        let mut caught = status
            .lines()
            .filter_map(|line| line.strip_prefix("SigCgt:"));
        let caught = caught
            .next()
            .and_then(|it| u64::from_str_radix(it.trim(), 16).ok());
        caught.is_some_and(|signals| signals & 2 != 0)
    };
    while !std::fs::read_to_string(&caught).is_ok_and(|status| is_ready(&status)) {
        std::thread::yield_now();
    }
    send("INT", &running);
    hear("Ctrl-C again ends at once", &mut running);
    let output = running.wait_with_output().expect("squall ends");
    assert_eq!(output.status.code(), Some(130));
}

/// The state and the parent of a process in /proc.
fn stat(process: &Path) -> Option<(String, String)> {
    let stat = std::fs::read_to_string(process.join("stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').map(str::to_owned);
    Some((fields.next()?, fields.next()?))
}

/// Regression: the runs in which a weakness does not show were listed as not as expected.
#[test]
fn an_exploration_that_is_as_expected_is_so_in_the_summary() {
    let out = directory("explored-summary");
    let folder = out.to_str().expect("UTF-8");
    let name = "reset-injected-without-retries";
    let explored = squall(&["run", name, "--seeds", "13", "--out", folder]);
    assert_eq!(explored.status.code(), Some(0));
    let told = String::from_utf8_lossy(&explored.stdout).into_owned();
    assert!(told.contains("first with seed 13"), "{told}");
    let summary = std::fs::read_to_string(out.join("summary.json")).expect("a summary");
    let summary: serde_json::Value = serde_json::from_str(&summary).expect("JSON");
    let runs = summary["runs"].as_array().expect("runs");
    let outcomes: Vec<_> = runs.iter().map(|run| &run["outcome"]).collect();
    assert_eq!(outcomes, ["as-expected"], "{told}");
}

#[test]
fn sigterm_ends_an_exploration_as_ctrl_c_does() {
    let endless = "shows = 'Long.'\nworkload = { messages = 30000, interval = '1ms' }";
    let endless = scenario("sigterm-endless", endless);
    let mut program = Command::new(env!("CARGO_BIN_EXE_squall"));
    program
        .args(["run", "lossy-link", &endless, "--seeds", "1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut running = program.spawn().expect("squall starts");
    hear("runs per second", &mut running);
    // The other one is played by a child of a child.
    let players = loop {
        match descendants(running.id()) {
            players if players.len() >= 2 => break players,
            _ => std::thread::yield_now(),
        }
    };
    send("TERM", &running);
    hear("Ctrl-C again ends at once", &mut running);
    send("TERM", &running);
    let output = running.wait_with_output().expect("squall ends");
    assert_eq!(output.status.code(), Some(130));
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("lossy-link: as expected, 1 run"), "{told}");
    // The processes that play its runs go away with it.
    let is_there = |process: &PathBuf| stat(process).is_some_and(|(state, _)| state != "Z");
    while players.iter().any(is_there) {
        std::thread::yield_now();
    }
}

/// The processes in /proc that this one started, and their descendants.
fn descendants(of: u32) -> Vec<PathBuf> {
    let parent = of.to_string();
    let all = std::fs::read_dir("/proc").expect("processes");
    let all = all.filter_map(|it| Some(it.ok()?.path()));
    let children = all.filter(|it| stat(it).is_some_and(|(_, of)| of == parent));
    let with_theirs = children.flat_map(|child| {
        let number = child.file_name().and_then(|it| it.to_str()?.parse().ok());
        let theirs = number.map(descendants).unwrap_or_default();
        iter::once(child).chain(theirs)
    });
    with_theirs.collect()
}

#[test]
fn what_repeats_a_run_is_what_was_typed() {
    let scenario = scenario("as-called", SHORT);
    let repeats = |program: &mut Command| {
        let told = program
            .args(["run", &scenario])
            .output()
            .expect("squall starts")
            .stdout;
        let told = String::from_utf8(told).expect("UTF-8");
        told.lines().nth(1).expect("a second line").to_owned()
    };
    let path = env!("CARGO_BIN_EXE_squall");
    let by_cargo = repeats(Command::new(path).env("CARGO_PKG_NAME", "squall-cli"));
    let arguments = format!("run {scenario} --seed 1");
    let cargos = if cfg!(debug_assertions) {
        "cargo run --"
    } else {
        "cargo run --release --"
    };
    assert_eq!(by_cargo, format!("repeat with: {cargos} {arguments}"));
    let installed = repeats(
        Command::new(path)
            .arg0("squall")
            .env_remove("CARGO_PKG_NAME"),
    );
    assert_eq!(installed, format!("repeat with: squall {arguments}"));
}

#[test]
fn quiet_tells_what_was_asked_for_and_colours_are_there_when_asked_for() {
    let scenario = scenario("quiet", SHORT);
    let explore = ["run", &scenario, "--seeds", "2"];
    assert!(standard_error(&explore).contains("runs per second"));
    let quiet = squall(&[&explore[..], &["-q"]].concat());
    assert_eq!(
        (quiet.stderr.as_slice(), quiet.stdout.is_empty()),
        (&b""[..], false)
    );
    assert!(!quiet.stdout.contains(&0x1b));
    let coloured = squall(&["run", &scenario, "--color", "always"]).stdout;
    assert!(coloured.contains(&0x1b));
}

#[test]
fn paragraphs_and_stories_are_as_wide_as_the_terminal() {
    let told = |columns| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_squall"));
        let program = program
            .args(["run", "at-most-once-partition"])
            .env("COLUMNS", columns);
        String::from_utf8(program.output().expect("squall starts").stdout).expect("UTF-8")
    };
    let (narrow, wide) = (told("60"), told("200"));
    let command = |line: &&str| line.starts_with("repeat with: ");
    let longest = |text: &str| {
        let lines = text.lines().filter(|line| !command(line));
        lines
            .take_while(|line| !line.starts_with("Way of"))
            .map(str::len)
            .max()
    };
    assert!(longest(&narrow).is_some_and(|it| it <= 60), "{narrow}");
    assert!(
        longest(&wide).is_some_and(|it| (61..=100).contains(&it)),
        "{wide}"
    );
    let words = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(words(&narrow), words(&wide));
}

#[test]
fn the_second_ctrl_c_ends_an_exploration_at_once_with_130_and_whole_reports() {
    let out = directory("ctrl-c-run");
    let mut program = Command::new(env!("CARGO_BIN_EXE_squall"));
    // The first scenario takes only a moment to explore, the second would take forever.
    let endless = "shows = \"Endless.\"\nworkload = { messages = 300000, interval = \"1ms\" }";
    let endless = scenario("ctrl-c-endless", endless);
    program
        .args(["run", "lossy-link", &endless, "--seeds", "1", "--out"])
        .arg(&out);
    let mut running = program
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("squall starts");
    hear("runs per second", &mut running);
    send("INT", &running);
    hear("Ctrl-C again ends at once", &mut running);
    send("INT", &running);
    assert_eq!(running.wait().expect("squall ends").code(), Some(130));
    for file in std::fs::read_dir(out).expect("the reports") {
        let file = file.expect("a file").path();
        assert!(
            file.extension().is_none_or(|extension| extension != "tmp"),
            "{file:?}"
        );
    }
}
