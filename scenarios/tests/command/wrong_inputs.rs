//! What people type wrongly, and what they are told: never nothing, never a panic, and always what
//! to do instead.

use crate::lists;
use std::fmt::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Command lines, in a folder with what [`prepare`] puts there.
const COMMANDS: &[&str] = &[
    "fly",
    "rum lossy-link",
    "run",
    "run no-such-scenario",
    "run lossy-lnik",
    "run gone.toml",
    "run folder",
    "run bytes.toml",
    "run endless.toml",
    "run plan.toml --seed 3",
    "run crowd.toml",
    "run days.toml",
    "run lossy-link --seed seven",
    "run lossy-link --seed -1",
    "run lossy-link --seed 18446744073709551616",
    "run lossy-link --seeds 0",
    "run lossy-link --seed 1 --seeds 2",
    "run lossy-link --seeds 2 --for 10",
    "run lossy-link --for 10m",
    "run lossy-link --jobs 0",
    "run lossy-link --engine steam",
    "run lossy-link --format pdf",
    "run lossy-link --all",
    "run lossy-link --out plan.toml",
    "run lossy-link --color sometimes",
    "run lossy-link -q -v",
    "run folder/same.toml other/same.toml --out reports",
    "list --format yaml",
    "explore --seeds 7..5",
    "explore --shard 5/4",
    "explore --resume",
    "explore plan.toml",
    "merge",
    "merge nowhere",
    "merge broken.json",
    "shrink gone.toml",
    "why lossy-link --guarantee speed",
    "report nowhere.json",
    "report folder",
    "report broken.json",
    "report newer.json",
    "capture lossy-link",
    "capture lossy-link --out no/such/folder/x.pcapng",
    "plan plan.toml",
    "proxy lossy-link",
    "proxy lossy-link --to nowhere",
    "proxy lossy-link --to localhost:1 --listen nowhere",
    "proxy disk-full --to localhost:1",
    "proxy lossy-link --to localhost:1 --guarantee exactly-once",
    "proxy lossy-link --to localhost:1 --judge log.jsonl",
    "judge broken.json --guarantee linearizable",
    "judge endless.toml --guarantee linearizable",
    "judge broken.json",
    "check-determinism lossy-link --runs 1",
    "check-determinism lossy-link --against broken.json",
    "compare-engines lossy-link --seeds 0",
    "matrix --seeds 0",
    "matrix --format html",
    "serve --listen here",
    "serve --ping-interval 0s",
    "serve --recovery redis",
];

/// Scenario files.
const FILES: &[&str] = &[
    "",
    "shows = \"No end\n",
    "shows = 3",
    "shows = \"Two of one name.\"\nshows = \"Here.\"",
    "shows = \"A typing mistake.\"\n[chat]\ntransprot = \"polling\"",
    "shows = \"A word that is none.\"\n[chat]\nto-server = \"exactly-twice\"",
    "shows = \"A group that is none.\"\ngroup = \"disks\"",
    "shows = \"A system that is none.\"\nsystem = \"mastodon\"",
    "shows = \"A number without a unit.\"\n[workload]\ninterval = 20",
    "shows = \"A unit that is none.\"\n[workload]\ninterval = \"20 days\"",
    "shows = \"An empty range.\"\n[workload]\nmessages = \"40..10\"",
    "shows = \"A probability above 1.\"\n[link]\nloss = 1.5",
    "shows = \"A link without a rate.\"\n[link]\nqueue = \"64KiB\"",
    "shows = \"Nobody.\"\n[clients]\ncount = 0",
    "shows = \"Too many.\"\n[clients]\ncount = 100000",
    "shows = \"A name with another meaning.\"\n[clients]\nnames = [\"server\"]",
    "shows = \"A room of nobody.\"\n[workload]\nrooms = [\"kitchen\"]",
    "shows = \"A client that is not there.\"\n[client.dave]\nmessages = 1",
    "shows = \"A fault that is no list.\"\n[fault]\nkind = \"kill\"",
    "shows = \"A fault without a kind.\"\n[[fault]]\nat = \"1s\"",
    "shows = \"A fault that is none.\"\n[[fault]]\nkind = \"earthquake\"\nvictims = \"server\"\nat = \"1s\"",
    "shows = \"A victim that is not there.\"\n[[fault]]\nkind = \"kill\"\nvictims = \"sever\"\nat = \"1s\"",
    "shows = \"A fault of no length.\"\n[[fault]]\nkind = \"kill\"\nvictims = \"server\"\nat = \"1s\"\nfor = \"0s\"",
    "shows = \"A field of another fault.\"\n[[fault]]\nkind = \"kill\"\nvictims = \"server\"\nat = \"1s\"\nloss = \"5%\"",
    "shows = \"Two kills at once.\"\n[[fault]]\nkind = \"kill\"\nvictims = \"server\"\nat = \"1s\"\nfor = \"9s\"\n[[fault]]\nkind = \"kill\"\nvictims = \"server\"\nat = \"2s\"",
    "shows = \"A guarantee that is none.\"\n[expect]\nexactly-twice = \"held\"",
    "shows = \"A verdict that is none.\"\n[expect]\nexactly-once = \"hold\"",
];

/// What nobody lists: odd terminals, devices for files, readers that are gone, disks that are full.
/// Each line is one of bash, and its exit code is the last command's.
const ODDITIES: &[&str] = &[
    // Standard output.
    "squall list >/dev/full",
    "squall --help >/dev/full",
    "squall run folder/same.toml >/dev/full",
    "squall run folder/same.toml --format json >/dev/full",
    "squall run folder/same.toml --seeds 3 --format jsonl -q >/dev/full",
    "squall show lossy-link >/dev/full",
    "squall completions bash >/dev/full",
    "squall man >/dev/full",
    "squall new - >/dev/full",
    "squall list | head -1",
    "squall run folder/same.toml --format json | head -1",
    "squall list <&- >&- 2>&-",
    // Terminals.
    "COLUMNS=0 squall check folder/same.toml",
    "COLUMNS=1 squall check folder/same.toml",
    "COLUMNS=99999999999999999999 squall check folder/same.toml",
    "TERM= NO_COLOR=1 squall check folder/same.toml",
    "squall check controls.toml",
    // Names that are no UTF-8.
    "squall run $'\\xff.toml'",
    "squall $'\\xff'",
    "squall new $'\\xff.toml'",
    "squall run folder/same.toml -q --out $'reports-\\xff'",
    // Where reports go.
    "squall run folder/same.toml --out ''",
    "squall run folder/same.toml --out /dev/null",
    "squall run folder/same.toml --out /dev/full/x",
    "ln -s /dev/stdout out; squall capture lossy-link --out out | head -c 4 | od -An -tx1; ls -l out | cut -c 1",
    "squall capture lossy-link --out folder",
    "ln -s /dev/full full; squall capture lossy-link --out full",
    "squall new /dev/null",
    "ulimit -f 1; trap '' XFSZ; squall run lossy-link -q --out small | head -1; ls small",
    "(squall run folder/same.toml --out two & squall run other/same.toml --out two; wait) >/dev/null; ls two",
    // Files without an end, and such as are none.
    "squall check /dev/null",
    "squall run /dev/zero",
    "squall run loop.toml",
    "squall run ''",
    "squall run -",
    "squall report /dev/null",
    "squall check-determinism lossy-link --against /dev/zero",
    "squall calibrate --linux /dev/zero",
    "squall merge /dev/null",
    "squall judge folder --guarantee linearizable",
    "squall explore --resume /dev/null --out explored",
    "squall serve --secret /dev/zero",
    "squall serve --database folder/same.toml --open --listen 127.0.0.1:0",
    "head -c 100000 /dev/zero | squall proxy lossy-link --to 127.0.0.1:1 --listen 127.0.0.1:0 --on-command --for 2s -q | head -1",
    // Numbers at their ends.
    "squall run folder/same.toml --seed 0 -q | head -1",
    "squall run folder/same.toml --seeds 0..0 -q | head -1",
    "squall run folder/same.toml --seeds 18446744073709551615..18446744073709551615 -q | head -1",
    "squall run folder/same.toml --seeds 3 --for 0s",
    "squall explore --for 0m",
    "squall run folder/same.toml --seeds 3 --for 99999999999999999h -q | head -1",
    "squall explore --shard 0/0",
    // Files that are something else.
    "squall run many.toml 2>&1 | head -2",
    "squall run deep.toml 2>&1 | head -4 | cut -c 1-80",
    "printf \"shows = 'a mark'\" | sed '1s/^/\\xef\\xbb\\xbf/' > mark.toml; squall check mark.toml",
    "squall proxy lossy-link --to 127.0.0.1:4321 --listen 127.0.0.1:4321 --most-connections 10",
];

/// The folder in which everything is typed.
fn prepare(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&path);
    for folder in ["folder", "other"] {
        std::fs::create_dir_all(path.join(folder)).expect("a folder");
        write(
            &path,
            &format!("{folder}/same.toml"),
            "shows = 'One of two.'",
        );
    }
    write(&path, "bytes.toml", [0xff, 0xfe]);
    symlink("/dev/zero", path.join("endless.toml")).expect("a link");
    let plan = squall(&path, &["plan", "folder/same.toml"]);
    write(&path, "plan.toml", plan.0);
    let crowd = "shows = 'A crowd.'\nclients.count = 50_000\nworkload.messages = 1_000_000";
    write(&path, "crowd.toml", crowd);
    let days = "shows = 'Years.'\nworkload = { messages = 10_000, interval = '1000h' }";
    write(&path, "days.toml", days);
    write(&path, "broken.json", "{");
    symlink("loop.toml", path.join("loop.toml")).expect("a link");
    let controls = "shows = \"\\u001b[31mred\\u0007\"\n[client.\"\\u001b[2J\"]\nmessages = 1";
    write(&path, "controls.toml", controls);
    let many = (0..50_000).map(|number| format!("\nx{number} = 1"));
    write(
        &path,
        "many.toml",
        format!("shows = 'x'{}", many.collect::<String>()),
    );
    let deep = format!("x = {}", "[".repeat(10_000));
    write(&path, "deep.toml", deep);
    write(&path, "newer.json", "{\"squall\": 99}");
    path
}

fn write(folder: &Path, name: &str, what: impl AsRef<[u8]>) {
    std::fs::write(folder.join(name), what).expect("a file");
}

/// The standard output, standard error and exit code.
fn squall(folder: &Path, arguments: &[&str]) -> (String, String, i32) {
    let output = Command::new(env!("CARGO_BIN_EXE_squall"))
        .args(arguments)
        .current_dir(folder)
        .env("COLUMNS", "80")
        .env_remove("SQUALL_SHARD")
        .output()
        .expect("squall starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let code = output.status.code().expect("squall ends by itself");
    (text(output.stdout), text(output.stderr), code)
}

#[test]
fn everything_that_is_typed_wrongly_has_an_answer_that_helps() {
    let folder = prepare("wrong-inputs");
    let mut table = String::new();
    for line in COMMANDS {
        let arguments: Vec<&str> = line.split(' ').collect();
        let (said, told, code) = squall(&folder, &arguments);
        assert_eq!((said.as_str(), code), ("", 4), "squall {line}\n{told}");
        assert!(!told.contains("panicked"), "squall {line}\n{told}");
        let _ = writeln!(table, "$ squall {line}\n{}\n", told.trim_end());
    }
    for text in FILES {
        write(&folder, "scenario.toml", text);
        let (said, told, code) = squall(&folder, &["run", "scenario.toml"]);
        assert_eq!((said.as_str(), code), ("", 4), "{text}\n{told}");
        let place = told.split_once("[scenario.toml:").map(|(_, place)| place);
        let line = place.and_then(|place| place.split_once(':'));
        let line = line.and_then(|(line, _)| line.parse::<usize>().ok());
        assert!(
            line.is_some_and(|line| (1..=text.lines().count().max(1)).contains(&line)),
            "no line of the file: {text}\n{told}"
        );
        assert!(told.contains("help: "), "no remedy: {text}\n{told}");
        let _ = writeln!(
            table,
            "$ cat scenario.toml\n{text}\n$ squall run scenario.toml\n{}\n",
            told.trim_end()
        );
    }
    for line in table.lines().filter(|line| !line.starts_with("shows =")) {
        assert!(
            line.chars().count() <= 80,
            "wider than the terminal: {line}"
        );
    }
    insta::assert_snapshot!(lists::abridged(&table));
}

/// No crash, no silence: whatever did not work ends with a word and a code that says so.
#[test]
fn what_nobody_thinks_of_has_an_answer_too() {
    let folder = prepare("oddities");
    let program = Path::new(env!("CARGO_BIN_EXE_squall"));
    let path = std::env::var("PATH").unwrap_or_default();
    let path = format!("{}:{path}", program.parent().expect("a folder").display());
    let mut table = String::new();
    for line in ODDITIES {
        let output = Command::new("bash")
            .args(["-c", line])
            .current_dir(&folder)
            .env("COLUMNS", "80")
            .env("LC_ALL", "C")
            .env("PATH", &path)
            // `cargo test` tells the tests their package, and they are not to think of `cargo run`.
            .env_remove("CARGO_PKG_NAME")
            .env_remove("NO_COLOR")
            .output()
            .expect("there is bash");
        let said = String::from_utf8_lossy(&output.stdout);
        let told = String::from_utf8_lossy(&output.stderr);
        let code = output.status.code();
        assert!(
            code.is_some_and(|code| code < 5),
            "{line}: {code:?}\n{told}"
        );
        assert!(!told.contains("panicked"), "{line}\n{told}");
        let _ = writeln!(
            table,
            "$ {line}\n{said}{told}[{}]\n",
            code.unwrap_or_default()
        );
    }
    insta::assert_snapshot!(lists::abridged(&table));
}
