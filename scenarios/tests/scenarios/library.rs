//! The named scenarios, each with seed 1: they turn out as they expect, and their reports are the
//! reviewed ones in `reports/snapshots`. Runs are equal byte for byte, so nothing is redacted; what
//! changes with every packet, and the verdicts on guarantees whether expected or not, have tables
//! of their own.

use crate::documents::Documents;
use squall::parallel::{Effort, parallel};
use squall::{Scenario, run, run_in_detail};
use squall_cli::{SYSTEMS, library};
use squall_reports::{self as reports, Judged, Outcome, Record, Styles, json, text};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

/// Every named scenario, played with seed 1: once, for all tests, on all cores.
fn played() -> &'static [Judged] {
    static PLAYED: OnceLock<Vec<Judged>> = OnceLock::new();
    PLAYED.get_or_init(|| {
        let play = |scenario: &Scenario| {
            Judged::new(run(&scenario.plan(1)).expect("the run comes to its end"))
        };
        let mut all = Vec::new();
        parallel(library(), &Effort::default(), play, |_, judged| {
            all.push(judged);
        });
        all
    })
}

#[test]
fn every_named_scenario_goes_as_it_expects() {
    let surprises: Vec<String> = played()
        .iter()
        .filter(|judged| judged.outcome != Outcome::AsExpected)
        .map(|judged| text::render(judged, &Styles::plain()))
        .collect();
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
}

#[test]
fn every_report_for_programs_is_what_its_schema_says() {
    let documents = Documents::of("run");
    // What is longer says the same more often.
    let short = |judged: &&Judged| judged.record.history.events.len() < 3_000;
    let reports = played().iter().filter(short).map(json::render);
    let count = reports.map(|report| documents.judge(&report)).count();
    assert!(count > 100, "{count} are short");
}

#[test]
fn the_picture_on_the_first_screen_is_of_the_run_that_it_names() {
    let library = library();
    let mut scenarios = library.iter();
    let scenario = scenarios.find(|it| it.name == "at-most-once-partition");
    let scenario = scenario.expect("it is in the library");
    let record = run_in_detail(&scenario.plan(1)).expect("the run comes to its end");
    is_the_picture_of(&Judged::new(record), "at-most-once-partition.svg");
}

#[test]
fn each_picture_and_each_page_of_the_gallery_is_of_the_run_beside_it() {
    let folder = Path::new(REPORTS).join("gallery");
    let files = std::fs::read_dir(folder).expect("the gallery is there");
    let mut files: Vec<String> = files
        .map(|file| file.expect("a file").file_name())
        .map(|name| name.into_string().expect("UTF-8"))
        .filter(|name| name.ends_with(".toml"))
        .collect();
    files.sort();
    assert_eq!(files.len(), 3, "{files:?}");
    for file in files {
        let source = format!("reports/gallery/{file}");
        let path = Path::new(REPORTS).join("gallery").join(&file);
        let text = std::fs::read_to_string(path).expect("it can be read");
        let scenario = Scenario::parse(&source, &text, SYSTEMS).expect("a scenario");
        let seed = text.lines().find_map(|line| line.split("--seed ").nth(1));
        let seed = seed.expect("its seed").parse().expect("a number");
        let record = run_in_detail(&scenario.plan(seed)).expect("it comes to its end");
        let judged = Judged::new(record);
        assert_eq!(judged.outcome, Outcome::NotAsExpected, "{file}");
        is_the_picture_of(&judged, &source["reports/".len()..].replace("toml", "svg"));
        is_the_page_of(judged.record, &source, seed);
    }
}

/// The page also says what the violation depends on, which takes very many runs: that is kept in
/// the record beside it.
fn is_the_page_of(record: Record, source: &str, seed: u64) {
    let file = |kind| {
        Path::new(REPORTS)
            .join("..")
            .join(source)
            .with_extension(kind)
    };
    let is_printed = std::env::var_os("SQUALL_PRINT").is_some();
    if is_printed {
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("gallery");
        let mut why = Command::new(env!("CARGO_BIN_EXE_squall"));
        let why = why.arg0("squall").env_remove("CARGO_PKG_NAME").arg("why");
        let why = why
            .args([source, "--seed", &seed.to_string(), "--out"])
            .arg(&out);
        let status = why.current_dir(Path::new(REPORTS).join("..")).status();
        assert_eq!(status.expect("squall starts").code(), Some(1));
        let report = format!("{}.seed-{seed}.json", record.scenario);
        std::fs::copy(out.join(report), file("json")).expect("it was written");
    }
    let text = std::fs::read_to_string(file("json")).expect("the record is there");
    let read: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let kept: Record = serde_json::from_value(read["record"].clone()).expect("a record");
    let how = "`SQUALL_PRINT=1 cargo test -p squall-cli --test scenarios picture` makes it anew";
    assert!(kept.why.is_some(), "{source}: {how}");
    let bare = Record {
        why: None,
        ..kept.clone()
    };
    assert!(
        bare == record,
        "{source}: the record is of another run; {how}"
    );
    let page = reports::html::render(&Judged::new(kept));
    if is_printed {
        std::fs::write(file("html"), &page).expect("it can be written");
    }
    let committed = std::fs::read_to_string(file("html")).expect("the page is there");
    assert!(
        committed == page,
        "{source}: the page is another one; {how}"
    );
}

/// The folder of what is committed.
const REPORTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../reports");

fn is_the_picture_of(judged: &Judged, file: &str) {
    let picture = reports::html::picture(judged);
    let path = Path::new(REPORTS).join(file);
    if std::env::var_os("SQUALL_PRINT").is_some() {
        std::fs::write(&path, &picture).expect("it can be written");
    }
    let committed = std::fs::read_to_string(&path).expect("the picture is there");
    assert!(
        committed == picture,
        "{file}: `SQUALL_PRINT=1 cargo test -p squall-cli --test scenarios picture` draws it anew; so does \
         `squall run SCENARIO --format svg`"
    );
}

#[test]
fn every_named_scenario_has_its_reviewed_report() {
    reviewed().bind(|| {
        for judged in played() {
            let name = judged.record.scenario.clone();
            insta::assert_snapshot!(name, text::render_for_review(judged));
        }
    });
}

#[test]
fn what_becomes_of_each_guarantee_in_all_of_them_is_reviewed() {
    reviewed().bind(|| {
        insta::assert_snapshot!(
            "the-guarantees-of-the-library",
            reports::library::render_guarantees(played())
        );
    });
}

#[test]
fn every_named_scenario_has_its_reviewed_traffic_and_digest() {
    let records = played().iter().map(|judged| &judged.record);
    reviewed().bind(|| {
        insta::assert_snapshot!(
            "the-traffic-of-the-library",
            reports::library::render(records)
        );
    });
}

/// Where the reviewed reports are.
fn reviewed() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../../../reports/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}
