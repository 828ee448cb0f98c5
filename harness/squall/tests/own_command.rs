//! A project's own command, as `squall::main!` makes it of its tests: played in a separate process,
//! with what it writes and how it ends.

use squall::prelude::*;
use std::io::{self, Write};
use std::net::{SocketAddr, UdpSocket};
use std::process::Command;
use std::time::Duration;

/// Books orders and confirms each; one that comes again is booked again, unless it remembers.
fn serve(remembers: bool) -> io::Result<()> {
    let server = UdpSocket::bind("0.0.0.0:3000")?;
    let mut known = Vec::new();
    loop {
        let mut order = [0; 8];
        let (_, client) = server.recv_from(&mut order)?;
        if !known.contains(&order) || !remembers {
            known.push(order);
            squall::received("order", u64::from_le_bytes(order));
        }
        server.send_to(&order, client)?;
    }
}

fn order(server: SocketAddr, me: usize) -> io::Result<()> {
    let client = UdpSocket::bind("0.0.0.0:0")?;
    client.set_read_timeout(Some(Duration::from_secs(1)))?;
    for number in 0..5 {
        let order = 10 * me as u64 + number;
        squall::sent("order", order);
        client.send_to(&order.to_le_bytes(), server)?;
        while client.recv(&mut [0; 8]).is_err() {
            client.send_to(&order.to_le_bytes(), server)?;
        }
        squall::acknowledged("order", order);
        std::thread::sleep(Duration::from_secs(1));
    }
    Ok(())
}

fn orders(world: &mut World, server: Machine) {
    let clients = world.machines(2, "client", move |me| order(server.at(3000), me));
    world.faults(
        one_way(server, any(1, &clients))
            .between(1..5)
            .lasting(1..4)
            .with_probability(0.5),
    );
    world.check(
        exactly_once()
            .sent("client", "order")
            .received("server", "order"),
    );
}

#[squall::test(seeds = 10)]
fn every_order_is_booked_once(world: &mut World) {
    let server = world.machine("server", || serve(true));
    orders(world, server);
}

#[squall::test(seeds = 10)]
#[should_panic(expected = "times, at")]
fn a_server_that_forgets(world: &mut World) {
    let server = world.machine("server", || serve(false));
    orders(world, server);
    world.faults(pause(server).between(1..5).lasting(1..2));
}

#[squall::test(seeds = 2)]
#[should_panic(expected = "less than it says")]
fn nothing_to_see(world: &mut World) {
    world.machine("server", || serve(true));
    world.check(
        exactly_once()
            .sent("client", "order")
            .received("server", "order"),
    );
}

/// The command, played by the other tests.
#[test]
#[ignore = "played by other tests"]
fn the_command() {
    let words = std::env::var("WORDS").unwrap();
    let words = ["sim"].into_iter().chain(words.split_whitespace());
    let tests = [
        __squall_every_order_is_booked_once(),
        __squall_a_server_that_forgets(),
        __squall_nothing_to_see(),
    ];
    let say = |text: &str| writeln!(io::stdout(), "{text}").unwrap();
    say("the command begins");
    let exit = squall::test::command(&tests, words.map(str::to_owned));
    say(&format!("the command ends with {exit:?}"));
}

/// What `squall::main!` makes, played by the test below it: `list` is a word for the command, and
/// for the test runner the name of this test.
mod made {
    use std::io::{self, Write};

    squall::main!(super::every_order_is_booked_once, super::nothing_to_see);

    #[test]
    fn list() {
        if std::env::var_os("MADE").is_some() {
            writeln!(io::stdout(), "it ends with {:?}", main()).unwrap();
        }
    }
}

#[test]
fn the_macro_makes_a_main_of_the_tests_that_it_names() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["list"]);
    command.env("MADE", "yes").env("RUST_TEST_NOCAPTURE", "1");
    let told = String::from_utf8(command.output().unwrap().stdout).unwrap();
    let named = ["every_order_is_booked_once", "nothing_to_see"].map(|it| told.contains(it));
    assert_eq!(named, [true, true], "{told}");
    assert!(!told.contains("a_server_that_forgets"), "{told}");
    assert!(
        told.contains("it ends with ExitCode(unix_exit_status(0))"),
        "{told}"
    );
}

/// What the command does when it is given these words: how it ends, what it writes, and what it
/// complains about.
fn command(words: &str) -> (u8, String, String) {
    let this = std::env::current_exe().unwrap();
    let mut command = Command::new(this);
    command.args(["--exact", "the_command", "--ignored", "--nocapture"]);
    let output = command.env("WORDS", words).output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let complaints = String::from_utf8(output.stderr).unwrap();
    let (_, told) = told.split_once("the command begins\n").unwrap();
    let (told, rest) = told.split_once("the command ends with").unwrap();
    let code = rest
        .split(|it: char| !it.is_ascii_digit())
        .find(|it| !it.is_empty());
    (code.unwrap().parse().unwrap(), told.to_owned(), complaints)
}

#[test]
fn the_tests_are_listed() {
    let (exit, told, _) = command("list");
    assert_eq!(exit, 0);
    insta::assert_snapshot!(told, @r"
    every_order_is_booked_once: 10 seeds
    a_server_that_forgets: 10 seeds
    nothing_to_see: 2 seeds
    ");
    let (_, json, _) = command("list --format json");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["tests"][1]["name"], "a_server_that_forgets");
}

#[test]
fn a_test_that_holds_says_what_was_judged() {
    let (exit, told, _) = command("run booked");
    assert_eq!(exit, 0, "{told}");
    let lines: Vec<&str> = told.lines().collect();
    assert!(
        lines[0].starts_with("every_order_is_booked_once: holds with 10 seeds in "),
        "{told}"
    );
    let judged = "    exactly once: `order` of client as `order` at server: 100 cases";
    assert!(lines.contains(&judged), "{told}");
}

#[test]
fn a_test_that_fails_says_how_the_command_repeats_it() {
    let (exit, told, _) = command("run a_server_that_forgets");
    assert_eq!(exit, 1, "{told}");
    let line = told
        .lines()
        .find_map(|it| it.strip_prefix("repeat with: sim "));
    let (exit, again, _) = command(line.unwrap_or_else(|| panic!("{told}")));
    assert_eq!(exit, 1, "{again}");
    let happened = |text: &str| text.split_once("What happened").unwrap().1.to_owned();
    assert_eq!(happened(&again), happened(&told));
}

#[test]
fn each_run_is_a_line_of_json() {
    let (exit, told, _) = command("run booked --seeds 5..7 --format json");
    assert_eq!(exit, 0, "{told}");
    let lines: Vec<serde_json::Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let seeds: Vec<u64> = lines
        .iter()
        .map(|it| it["seed"].as_u64().unwrap())
        .collect();
    assert_eq!(seeds, [5, 6, 7]);
    let verdicts = lines[0]["verdicts"].as_array().unwrap();
    let once = verdicts
        .iter()
        .find(|it| it["verdict"] == "held" && it["judged"] == 10);
    assert!(
        once.unwrap()["guarantee"]
            .as_str()
            .unwrap()
            .starts_with("exactly once")
    );
}

/// Judges a document by what the command prints as its schema.
fn judge(schema: &str, document: &str) -> Result<(), String> {
    let (exit, schema, _) = command(&format!("{schema} --format schema"));
    assert_eq!(exit, 0);
    let schema = serde_json::from_str(&schema).unwrap();
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.add_resource("schema.json", schema).unwrap();
    let index = compiler.compile("schema.json", &mut schemas).unwrap();
    let document = serde_json::from_str(document).unwrap();
    let judged = schemas.validate(&document, index);
    judged.map_err(|error| format!("{error:#}"))
}

#[test]
fn what_is_written_for_programs_is_what_its_schema_says() {
    let (_, list, _) = command("list --format json");
    assert_eq!(judge("list", &list), Ok(()));
    let renamed = list.replacen("\"seeds\"", "\"sedes\"", 1);
    judge("list", &renamed).expect_err("a field is missing");
    for test in ["booked", "a_server_that_forgets", "nothing"] {
        let (_, runs, _) = command(&format!("run {test} --format json"));
        assert!(!runs.is_empty());
        for run in runs.lines() {
            assert_eq!(judge("run", run), Ok(()), "{run}");
            let other = run.replacen("\"verdict\":\"", "\"verdict\":\"never ", 1);
            judge("run", &other).expect_err("there is no such verdict");
        }
    }
}

#[test]
fn a_test_that_shows_nothing_is_no_success() {
    let (exit, told, _) = command("run nothing");
    assert_eq!(exit, 2, "{told}");
    assert!(told.contains("client sent nothing at all"), "{told}");
}

#[test]
fn exploring_tells_each_story_once() {
    let out = std::env::temp_dir().join("squall-own-command");
    let words = format!("explore forgets --seeds 20 --out {}", out.display());
    let (exit, told, _) = command(&words);
    assert_eq!(exit, 1);
    let (told, _) = told.split_once("\nWritten to").unwrap();
    insta::assert_snapshot!(told, @r"
    a_server_that_forgets: 20 seeds, 1 story

    1. exactly once: `order` of client as `order` at server: server received `…` # times
       14 seeds of 20: 1, 3, 5, 7, 9, 10, 11, 12, 13, 14, …

    a_server_that_forgets: seed 1 breaks what must hold
    repeat with: sim run a_server_that_forgets --seed 1

    exactly once: `order` of client as `order` at server
        server received `1` 2 times, at 1.003 s, 2.003 s; client-1 sent it at 1.002 s and got acknowledged at 2.004 s.

    What happened, with 1 fault and 2 machines, made from 2 faults and 3 machines in 7 runs:
          1.000 s  fault: partition from server to client-1 begins
          1.002 s  client-1: sends `1` (order)
          1.003 s  server: receives `1` (order)
          2.000 s  fault: partition from server to client-1 is over
          2.003 s  server: receives `1` (order)
          2.003 s  violates exactly once: `order` of client as `order` at server
          2.004 s  client-1: knows that `1` (order) has arrived
          6.010 s  client-1: its program ends
    ");
    let seed = out.join("a_server_that_forgets/seed-1");
    assert!(seed.join("plan.toml").exists() && seed.join("story.txt").exists());
    let (exit, told, _) = command("explore booked --seeds 20");
    assert_eq!(exit, 0);
    assert!(
        told.starts_with("every_order_is_booked_once: 20 seeds, and nothing is broken"),
        "{told}"
    );
}

/// The seed in the line that repeats a run.
fn seed_of(told: &str) -> &str {
    let (_, rest) = told.split_once("--seed ").unwrap();
    rest.lines().next().unwrap()
}

#[test]
fn the_smaller_plan_is_printed_and_can_be_played() {
    let (_, told, _) = command("run a_server_that_forgets");
    let seed = seed_of(&told);
    let (exit, plan, story) = command(&format!("shrink a_server_that_forgets --seed {seed}"));
    assert_eq!(exit, 1);
    let file = std::env::temp_dir().join("squall-own-command-plan.toml");
    std::fs::write(&file, plan).unwrap();
    let (exit, again, _) = command(&format!(
        "run a_server_that_forgets --plan {}",
        file.display()
    ));
    assert_eq!(exit, 1, "{again}");
    let broken = story.lines().find(|it| it.contains("times, at")).unwrap();
    assert!(again.contains(broken), "{again}");
    let words = format!(
        "why a_server_that_forgets --plan {} --dice 1",
        file.display()
    );
    let (exit, told, _) = command(&words);
    assert_eq!(exit, 1, "{told}");
    assert!(
        told.contains("fault 1 (one-way partition): it holds without it"),
        "{told}"
    );
    let (exit, told, _) = command("shrink booked --seed 1");
    assert_eq!((exit, told.contains("breaks nothing")), (2, true), "{told}");
}

#[test]
fn why_it_breaks_is_told_with_what_it_needs_and_what_it_does_not() {
    let (_, told, _) = command("run a_server_that_forgets");
    let seed = seed_of(&told);
    let (exit, told, _) = command(&format!("why a_server_that_forgets --seed {seed} --dice 5"));
    assert_eq!(exit, 1);
    insta::assert_snapshot!(told, @r"
    a_server_that_forgets: seed 1 breaks what must hold

    exactly once: `order` of client as `order` at server
        server received `12` 3 times, at 2.005 s, 3.005 s, 4.932 s; client-2 sent it at 2.004 s and got acknowledged at 4.933 s.

    With all that was drawn as it is, other dice for everything else break it 5 of 5 times.

    It depends on
        fault 1 (one-way partition): it holds without it; other dice break it 0 of 5 times

    It does not depend on
        machines, client, 2: it breaks with 1
        preemptions, 3: it breaks with 0
        fault 1 (one-way partition), begins, 1.512667 s: it breaks with 1 s
        fault 1 (one-way partition), lasts, 2.417072 s: it breaks with 1 s
        fault 2 (pause): it breaks without it, with other dice 5 of 5 times
    ");
}

#[test]
fn what_makes_no_sense_is_told_with_what_to_write() {
    let (exit, told, complaints) = command("run --seed soon");
    assert_eq!((exit, &*told), (4, ""));
    let expected = "error: --seed is `soon`: write a whole number from 0, as in --seed 17";
    assert!(complaints.contains(expected), "{complaints}");
}

#[test]
fn without_words_it_says_what_it_can_do() {
    let (exit, told, _) = command("");
    assert_eq!(exit, 0);
    insta::assert_snapshot!(told, @r"
    sim VERB [NAME…] [SETTINGS]

    list     what there is
             --format
    run      plays tests until a seed breaks something, as `cargo test` does
             --seed --seeds --for --plan --out --format
    explore  plays many seeds, and tells each story that they have
             --seeds --for --out
    shrink   makes a failing run as small as it gets, and prints its plan
             --seed --plan --out
    why      says what a violation depends on
             --seed --plan --dice

    A name is that of a test, or a part of it; without one, all are meant.

    --seed N             this seed alone
    --seeds N|A..B       the seeds 1 to N, or A to B
    --for TIME           seeds for this long, as in 90s, 10m or 2h
    --plan FILE          what is decided in a file: the smaller plan of a failure
    --out FOLDER         where stories, plans and runs are written
    --format FORM        text, json (a line for each run), or schema (of that)
    --dice N             with how many other dice each is played, 20 by default

    Exit codes: 0 all holds, 1 something does not, 2 not put to the test,
    3 a run was not the same twice, 4 bad input.
    ");
}
