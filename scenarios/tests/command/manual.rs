//! The manual says what happens: every command that it shows is run, and prints what it shows.

use squall::Scenario;
use squall_cli::SYSTEMS;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The chapters, with their texts.
fn chapters() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("manual/src");
    let files = std::fs::read_dir(folder).expect("the manual");
    let chapters = files.map(|file| {
        let path = file.expect("a file").path();
        let name = path.file_name().expect("a name").to_string_lossy();
        let text = std::fs::read_to_string(&path).expect("a chapter");
        (name.into_owned(), text)
    });
    chapters.collect()
}

/// The code blocks of a chapter, with their languages.
fn blocks(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let pieces = text.split("```").skip(1).step_by(2);
    pieces.filter_map(|block| block.split_once('\n'))
}

/// A command that a chapter shows, how it ends there, and what it prints there.
struct Shown<'t> {
    command: &'t str,
    code: i32,
    lines: Vec<&'t str>,
}

fn shown(text: &str) -> Vec<Shown<'_>> {
    let consoles = blocks(text).filter(|(language, _)| *language == "console");
    let mut shown: Vec<Shown<'_>> = Vec::new();
    for line in consoles.flat_map(|(_, block)| block.lines()) {
        if let Some(command) = line.strip_prefix("$ ") {
            let (command, code) = match command.split_once("   # exit code ") {
                Some((command, code)) => (command, code.parse().expect("a number")),
                None => (command, 0),
            };
            shown.push(Shown {
                command,
                code,
                lines: Vec::new(),
            });
        } else if line != "…" {
            let last = shown.last_mut().expect("a command comes first");
            last.lines.push(line);
        }
    }
    shown
}

/// A shell in this folder that knows the command, in a terminal of 80 columns.
fn shell(folder: &Path, line: &str) -> Command {
    let squall = Path::new(env!("CARGO_BIN_EXE_squall"));
    let of_squall = squall.parent().expect("a folder").to_string_lossy();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("bash");
    shell
        .args(["-c", line])
        .current_dir(folder)
        .env("PATH", format!("{of_squall}:{path}"))
        .env("COLUMNS", "80")
        .env("LC_ALL", "C")
        .env_remove("CARGO_PKG_NAME");
    shell
}

/// Plays a chapter in a folder of its own; the first thing in it that is not so.
fn play(name: &str, text: &str) -> Option<String> {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join("manual")
        .join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("a folder");
    for Shown {
        command,
        code,
        lines,
    } in shown(text)
    {
        let output = shell(&folder, command).output().expect("there is bash");
        let told = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        if output.status.code() != Some(code) {
            return Some(format!(
                "{name}: `{command}` ends with {}: {told}",
                output.status
            ));
        }
        let mut rest = told.lines();
        for line in lines {
            if !rest.any(|it| it.starts_with(line)) {
                return Some(format!("{name}: `{command}` lacks `{line}`: {told}"));
            }
        }
    }
    None
}

#[test]
fn every_command_prints_what_the_manual_shows() {
    let chapters = chapters();
    let wrong: Vec<String> = chapters
        .iter()
        .filter_map(|(name, text)| play(name, text))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let all: usize = chapters.values().map(|text| shown(text).len()).sum();
    assert!(all > 15, "only {all} commands are shown");
}

/// Commands that a test cannot run (they serve, or take hours), of the manual and of the recipes:
/// their verbs and options exist.
#[test]
fn every_other_command_has_options_that_exist() {
    let mut texts: Vec<String> = chapters().into_values().collect();
    for recipe in ["github", "gitlab", "kubernetes"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("ci/{recipe}.yml"));
        let recipe = std::fs::read_to_string(path).expect("a recipe");
        texts.push(format!("```yaml\n{recipe}```"));
    }
    let mut helps: BTreeMap<String, String> = BTreeMap::new();
    let mut options = 0;
    for (_, block) in texts.iter().flat_map(|text| blocks(text)) {
        let joined = block.replace("\\\n", " ");
        let calls = joined.lines().flat_map(|line| {
            let line = line.split(" #").next().unwrap_or(line);
            line.split("squall ").skip(1)
        });
        for call in calls {
            let call = call.split(['|', '&', ';', '`']).next().unwrap_or(call);
            let mut words = call.split_whitespace();
            let Some(verb) = words.next().filter(|it| it.starts_with(char::is_lowercase)) else {
                continue;
            };
            let help = helps.entry(verb.to_owned()).or_insert_with(|| {
                let mut squall = Command::new(env!("CARGO_BIN_EXE_squall"));
                let output = squall.args([verb, "--help"]).output();
                String::from_utf8(output.expect("squall starts").stdout).expect("UTF-8")
            });
            assert!(!help.is_empty(), "there is no `squall {verb}`");
            for option in words.filter(|word| word.starts_with("--")) {
                let mut known = help.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
                assert!(
                    known.any(|word| word == option),
                    "`squall {verb}` has no `{option}`: {call}"
                );
                options += 1;
            }
        }
    }
    assert!(options > 20, "only {options} options are shown");
}

/// What a heading is called in links, as GitHub and mdBook have it.
fn anchor(heading: &str) -> String {
    let words = heading.trim_start_matches('#').trim().to_lowercase();
    let known = words
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    known.map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn every_scenario_that_the_manual_shows_is_right() {
    let chapters = chapters();
    let blocks = chapters
        .iter()
        .flat_map(|(name, text)| blocks(text).map(move |block| (name, block)));
    let mut shown = 0;
    for (name, (language, text)) in blocks {
        if language == "toml" && text.contains("shows = ") {
            if let Err(bad) = Scenario::parse("shown.toml", text, SYSTEMS) {
                panic!("{name}: {:#?}", bad.problems);
            }
            shown += 1;
        }
    }
    assert!(shown > 1, "only {shown} scenarios are shown");
}

#[test]
fn every_link_leads_to_a_file_and_every_chapter_is_in_the_summary() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("manual/src");
    let chapters = chapters();
    for (name, text) in &chapters {
        for link in text.split("](").skip(1) {
            let link = link.split(')').next().expect("a link");
            if link.contains("://") {
                continue;
            }
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() { name } else { file };
            let there = std::fs::read_to_string(folder.join(file));
            let there = there.unwrap_or_else(|error| panic!("{name}: {link}: {error}"));
            let mut headings = there.lines().filter(|line| line.starts_with('#'));
            let leads = place.is_empty() || headings.any(|line| anchor(line) == place);
            assert!(leads, "{name}: {link}: there is no such heading");
        }
    }
    let summary = &chapters["SUMMARY.md"];
    for name in chapters.keys().filter(|name| *name != "SUMMARY.md") {
        assert!(summary.contains(&format!("({name})")), "{name}");
    }
}
