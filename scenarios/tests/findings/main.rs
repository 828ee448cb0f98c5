//! Defects of real crates, each shown in a small world of its own.
//!
//! Each test asserts that the defect is there: when an upgrade of the crate fixes it, the test
//! fails, and the workaround can be removed. `scenarios/FINDINGS.md` lists them.

mod rust_socketio;
mod socketioxide;
mod support;

/// The page names every test here, and no others.
#[test]
fn the_page_of_findings_is_complete() {
    let page = include_str!("../../FINDINGS.md");
    let mut told: Vec<_> = page
        .split('`')
        .filter(|word| word.starts_with("rust_socketio::") || word.starts_with("socketioxide::"))
        .collect();
    let sources = [
        ("rust_socketio", include_str!("rust_socketio.rs")),
        ("socketioxide", include_str!("socketioxide.rs")),
    ];
    let mut shown: Vec<_> = sources
        .iter()
        .flat_map(|(file, source)| {
            let tests = source.split("#[test]\nfn ").skip(1);
            tests.map(move |test| {
                let name = test.split('(').next().unwrap_or_default();
                format!("{file}::{name}")
            })
        })
        .collect();
    told.sort_unstable();
    shown.sort_unstable();
    assert_eq!(told, shown);
}
