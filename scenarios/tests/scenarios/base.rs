//! A file whose base says what it leaves out.

use squall::{Scenario, completed, run};
use squall_cli::SYSTEMS;
use std::path::PathBuf;

/// A folder with these files.
fn folder(name: &str, files: &[(&str, &str)]) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
        .join("bases")
        .join(name);
    for (name, text) in files {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    folder
}

const COMMON: &str = "shows = 'What all have in common.'\nclients.count = 2\n\
    workload = { messages = 3, interval = '1s' }\n\
    [[fault]]\nkind = 'partition'\nvictims = 'alice'\nat = '3s'\nfor = '2s'\n\
    [expect]\nexactly-once = 'held'\n";

fn read(folder: &std::path::Path, name: &str) -> Result<Scenario, String> {
    let path = folder.join(name);
    let text = std::fs::read_to_string(&path).expect("a file");
    Scenario::parse(&path.to_string_lossy(), &text, SYSTEMS)
        .map_err(|bad| format!("{}: {}", bad.problems[0].place().0, bad.problems[0].what))
}

#[test]
fn a_file_says_what_is_different_and_its_base_the_rest() {
    let folder = folder(
        "rest",
        &[
            ("common.toml", COMMON),
            (
                "more/busy.toml",
                "base = '../common.toml'\nworkload.messages = 5",
            ),
            (
                "more/calm.toml",
                "base = 'busy.toml'\nshows = 'Calm.'\nfault = []",
            ),
        ],
    );
    let busy = read(&folder, "more/busy.toml").expect("a scenario");
    let (common, calm) = (
        read(&folder, "common.toml").expect("a scenario"),
        read(&folder, "more/calm.toml").expect("a scenario"),
    );
    assert_eq!(
        (busy.name.as_str(), busy.shows.as_str()),
        ("busy", &*common.shows)
    );
    let messages = |scenario: &Scenario| scenario.plan(1).clients[0].messages.len();
    assert_eq!([&common, &busy, &calm].map(messages), [3, 5, 5]);
    assert_eq!([&common, &busy, &calm].map(|it| it.faults.len()), [1, 1, 0]);
    assert_eq!(calm.shows, "Calm.");
    assert_eq!(busy.expect, common.expect);
    run(&busy.plan(1)).expect("it comes to its end");
    // As one text it is the same.
    let path = folder.join("more/busy.toml");
    let text = completed(
        &path.to_string_lossy(),
        "base = '../common.toml'\nworkload.messages = 5",
    );
    let whole = Scenario::parse("busy.toml", &text.expect("a text"), SYSTEMS).expect("a scenario");
    assert_eq!(whole.plan(7).clients, busy.plan(7).clients);
}

#[test]
fn what_is_wrong_with_a_base_is_told_where_it_is_named() {
    let folder = folder(
        "wrong",
        &[
            ("common.toml", COMMON),
            ("gone.toml", "shows = 'Gone.'\nbase = 'nowhere.toml'"),
            ("round.toml", "shows = 'Round.'\nbase = 'round.toml'"),
            ("torn.toml", "shows = 'Torn.'\nbase = 'half.toml'"),
            ("half.toml", "shows = "),
            ("number.toml", "shows = 'A number.'\nbase = 3"),
            (
                "unfit.toml",
                "shows = 'Unfit.'\n\nbase = 'common.toml'\nclients.names = ['zoe']",
            ),
        ],
    );
    let wrong = |name| read(&folder, name).expect_err("a mistake");
    assert!(
        wrong("gone.toml").starts_with("2: the base "),
        "{}",
        wrong("gone.toml")
    );
    assert!(
        wrong("round.toml").contains("of itself"),
        "{}",
        wrong("round.toml")
    );
    assert!(
        wrong("torn.toml").contains("is not TOML"),
        "{}",
        wrong("torn.toml")
    );
    assert!(
        wrong("number.toml").starts_with("2: `base`"),
        "{}",
        wrong("number.toml")
    );
    // What the base says does not go together with what the file says: alice is no client of it.
    assert!(
        wrong("unfit.toml").starts_with("3: "),
        "{}",
        wrong("unfit.toml")
    );
}
