//! The named scenarios, each with seed 1: they turn out as they expect, and their reports are the
//! reviewed ones in `reports/snapshots`. Runs are equal byte for byte, so nothing is redacted; what
//! changes with every packet, and the verdicts on guarantees whether expected or not, have tables
//! of their own.

use squall::{Scenario, run, run_in_detail};
use squall_cli::{SYSTEMS, library};
use squall_reports::{self as reports, Judged, Outcome, Styles, text};
use std::path::Path;
use std::sync::OnceLock;

/// Every named scenario, played with seed 1: once, for all tests.
fn played() -> &'static [Judged] {
    static PLAYED: OnceLock<Vec<Judged>> = OnceLock::new();
    PLAYED.get_or_init(|| {
        library()
            .iter()
            .map(|scenario| Judged::new(run(&scenario.plan(1)).expect("the run comes to its end")))
            .collect()
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
fn the_picture_on_the_first_screen_is_of_the_run_that_it_names() {
    let library = library();
    let mut scenarios = library.iter();
    let scenario = scenarios.find(|it| it.name == "at-most-once-partition");
    let scenario = scenario.expect("it is in the library");
    let record = run_in_detail(&scenario.plan(1)).expect("the run comes to its end");
    is_the_picture_of(&Judged::new(record), "at-most-once-partition.svg");
}

#[test]
fn each_picture_of_the_gallery_is_of_the_run_beside_it() {
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
    }
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
        "{file}: `SQUALL_PRINT=1 cargo test -p squall-cli --test library picture` draws it anew; so does \
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
    settings.set_snapshot_path("../../reports/snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings
}
