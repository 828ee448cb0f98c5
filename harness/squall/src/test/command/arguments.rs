//! What a command line says: a verb, tests, and settings.

use super::speech::say;
use crate::test::playing::Test;
use crate::test::settings::{Asker, Settings, short};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

/// Something that can be done with tests.
pub(super) struct Verb {
    word: &'static str,
    about: &'static str,
    /// The settings that it takes, of those in [`SETTINGS`].
    settings: &'static [&'static str],
    /// What is to be asked for if nothing is said.
    seeds: Option<u64>,
    pub(super) deed: Deed,
}

/// What it does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Deed {
    List,
    Run,
    Explore,
    Shrink,
    Why,
}

const VERBS: [Verb; 5] = [
    Verb {
        word: "list",
        about: "what there is",
        settings: &["format"],
        seeds: None,
        deed: Deed::List,
    },
    Verb {
        word: "run",
        about: "plays tests until a seed breaks something, as `cargo test` does",
        settings: &["seed", "seeds", "for", "plan", "out", "format"],
        seeds: None,
        deed: Deed::Run,
    },
    Verb {
        word: "explore",
        about: "plays many seeds, and tells each story that they have",
        settings: &["seeds", "for", "out"],
        seeds: Some(1000),
        deed: Deed::Explore,
    },
    Verb {
        word: "shrink",
        about: "makes a failing run as small as it gets, and prints its plan",
        settings: &["seed", "plan", "out"],
        seeds: None,
        deed: Deed::Shrink,
    },
    Verb {
        word: "why",
        about: "says what a violation depends on",
        settings: &["seed", "plan", "dice"],
        seeds: None,
        deed: Deed::Why,
    },
];

/// The settings: name, value, meaning.
const SETTINGS: [(&str, &str, &str); 7] = [
    ("seed", "N", "this seed alone"),
    ("seeds", "N|A..B", "the seeds 1 to N, or A to B"),
    ("for", "TIME", "seeds for this long, as in 90s, 10m or 2h"),
    (
        "plan",
        "FILE",
        "what is decided in a file: the smaller plan of a failure",
    ),
    ("out", "FOLDER", "where stories, plans and runs are written"),
    (
        "format",
        "FORM",
        "text, json (a line for each run), or schema (of that)",
    ),
    (
        "dice",
        "N",
        "with how many other dice each is played, 20 by default",
    ),
];

/// What a command line says.
pub(super) struct Line<'t> {
    pub(super) verb: &'static Verb,
    pub(super) tests: Vec<&'t Test>,
    pub(super) settings: Settings,
    values: BTreeMap<&'static str, String>,
}

/// Reads the words after a program's name; none if only help was wanted.
///
/// # Errors
///
/// What is wrong, and what to write instead.
pub(super) fn read<'t>(
    program: &str,
    words: &[String],
    tests: &'t [Test],
) -> Result<Option<Line<'t>>, String> {
    let program = short(Path::new(program));
    let is_help = |word: &String| ["-h", "--help", "help"].contains(&&**word);
    let Some(verb) = words.first().filter(|_| !words.iter().any(is_help)) else {
        say(help(&program).trim_end());
        return Ok(None);
    };
    let known = VERBS.iter().find(|it| it.word == *verb);
    let verb = known.ok_or_else(|| {
        let all = VERBS.map(|it| it.word).join("`, `");
        format!("there is no `{verb}`: write one of `{all}`")
    })?;
    let (mut names, mut values) = (Vec::new(), BTreeMap::new());
    let mut rest = words[1..].iter();
    while let Some(word) = rest.next() {
        let Some(setting) = word.strip_prefix("--") else {
            names.push(word);
            continue;
        };
        let (setting, value) = match setting.split_once('=') {
            Some((setting, value)) => (setting, Some(value.to_owned())),
            None => (setting, rest.next().cloned()),
        };
        let known = verb.settings.iter().find(|it| **it == setting);
        let known = known.ok_or_else(|| {
            let all = verb.settings.join("`, `--");
            format!("`{}` takes no `--{setting}`: it takes `--{all}`", verb.word)
        })?;
        let value = value.ok_or_else(|| format!("`--{setting}` needs a value"))?;
        values.insert(*known, value);
    }
    if let Some(format) = values.get("format")
        && !["text", "json", "schema"].contains(&&**format)
    {
        return Err(format!(
            "--format is `{format}`: write `text`, `json` or `schema`"
        ));
    }
    let asker = Asker::Command(program);
    let mut settings = Settings::from(asker, |name| {
        let default = verb.seeds.filter(|_| name == "seeds");
        let default = default.map(|seeds| seeds.to_string());
        values.get(name).cloned().or(default)
    })?;
    settings.are_many = verb.seeds.is_some();
    let tests = select(&names, tests)?;
    Ok(Some(Line {
        verb,
        tests,
        settings,
        values,
    }))
}

/// The tests with these names, or whose names contain them; all if there are none.
fn select<'t>(names: &[&String], tests: &'t [Test]) -> Result<Vec<&'t Test>, String> {
    if names.is_empty() {
        return Ok(tests.iter().collect());
    }
    let mut selected: Vec<&Test> = Vec::new();
    for &name in names {
        let same = |test: &&Test| test.path() == *name;
        let like = |test: &&Test| test.path().contains(&**name);
        let mut found: Vec<&Test> = tests.iter().filter(same).collect();
        if found.is_empty() {
            found = tests.iter().filter(like).collect();
        }
        if found.is_empty() {
            let all = tests.iter().map(Test::path).collect::<Vec<_>>();
            let all = all.join("\n    ");
            return Err(format!("there is no test `{name}`; there are\n    {all}"));
        }
        found.retain(|test| !selected.iter().any(|it| it.path() == test.path()));
        selected.extend(found);
    }
    Ok(selected)
}

fn help(program: &str) -> String {
    let mut text = format!("{program} VERB [NAME…] [SETTINGS]\n\n");
    for Verb {
        word,
        about,
        settings,
        ..
    } in &VERBS
    {
        let settings: Vec<String> = settings.iter().map(|it| format!("--{it}")).collect();
        let _ = writeln!(text, "{word:9}{about}\n         {}", settings.join(" "));
    }
    text += "\nA name is that of a test, or a part of it; without one, all are meant.\n\n";
    for (name, value, about) in SETTINGS {
        let _ = writeln!(text, "{:21}{about}", format!("--{name} {value}"));
    }
    text += "\n\
        Exit codes: 0 all holds, 1 something does not, 2 not put to the test,\n\
        3 a run was not the same twice, 4 bad input.\n";
    text
}

impl<'t> Line<'t> {
    /// Whether programs read what is written.
    pub(super) fn is_json(&self) -> bool {
        self.values.get("format").is_some_and(|it| it == "json")
    }

    /// Whether the JSON Schema of that is wanted instead.
    pub(super) fn is_schema(&self) -> bool {
        self.values.get("format").is_some_and(|it| it == "schema")
    }

    /// The one test, and the one seed, that is meant.
    pub(super) fn one(&self) -> Result<(&'t Test, u64), String> {
        let seeds = self.settings.seeds(0);
        match &self.tests[..] {
            [test] if self.settings.is_one() => Ok((test, *seeds.start())),
            [_] => Err(format!(
                "`{}` needs the seed that fails, as in `--seed 17`, or a plan, as in `--plan \
                 plan.toml`",
                self.verb.word
            )),
            others => Err(format!(
                "`{}` is for one test, and these are {}: write its name",
                self.verb.word,
                others.len()
            )),
        }
    }

    /// With how many other dice.
    pub(super) fn dice(&self) -> Result<u64, String> {
        let dice = self.values.get("dice").map(|text| {
            text.parse()
                .map_err(|_| format!("--dice is `{text}`: write a number, as in --dice 20"))
        });
        Ok(dice.transpose()?.unwrap_or(20))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tests() -> Vec<Test> {
        let test = |module, name| Test {
            module,
            name,
            seeds: 100,
            play: |_| Vec::new(),
        };
        vec![
            test("sim::orders", "once"),
            test("sim::orders", "once_in_order"),
            test("sim", "twice"),
        ]
    }

    fn names(line: &str) -> Result<Vec<String>, String> {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let tests = tests();
        let line = read("sim", &words, &tests)?.expect("no help was wanted");
        Ok(line.tests.iter().map(|test| test.path()).collect())
    }

    #[test]
    fn a_name_is_that_of_a_test_or_a_part_of_it() {
        assert_eq!(names("run orders::once").unwrap(), ["orders::once"]);
        assert_eq!(
            names("run once twice once").unwrap(),
            ["orders::once", "orders::once_in_order", "twice"]
        );
        assert_eq!(names("run --seed 7").unwrap().len(), 3);
    }

    #[test]
    fn what_is_wrong_is_told_with_what_to_write() {
        for (line, message) in [
            (
                "play",
                "there is no `play`: write one of `list`, `run`, `explore`, `shrink`, `why`",
            ),
            (
                "run thrice",
                "there is no test `thrice`; there are\n    orders::once\n    \
                 orders::once_in_order\n    twice",
            ),
            (
                "list --seed 7",
                "`list` takes no `--seed`: it takes `--format`",
            ),
            ("run --seed", "`--seed` needs a value"),
            (
                "run --format=xml",
                "--format is `xml`: write `text`, `json` or `schema`",
            ),
        ] {
            assert_eq!(names(line).unwrap_err(), message);
        }
    }

    #[test]
    fn one_test_with_one_seed_is_asked_for_where_it_is_needed() {
        let tests = tests();
        let one = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            let line = read("sim", &words, &tests)?.expect("no help was wanted");
            line.one().map(|(test, seed)| (test.path(), seed))
        };
        assert_eq!(one("why twice --seed 7"), Ok(("twice".to_owned(), 7)));
        assert!(one("why twice").unwrap_err().contains("`--seed 17`"));
        assert!(one("why --seed 7").unwrap_err().contains("these are 3"));
    }
}
