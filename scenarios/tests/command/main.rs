//! The `squall` command as people use it.

#[path = "../documents/mod.rs"]
mod documents;
mod explore;
#[path = "../lists/mod.rs"]
mod lists;
mod manual;
mod proxy;
mod runs;
mod verbs;
mod wrong_inputs;

use std::path::PathBuf;
use std::process::{Command, Output};

fn squall(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_squall"))
        .args(arguments)
        .output()
        .expect("squall starts")
}

/// An empty directory for this test alone.
fn directory(test: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).expect("a directory for the test");
    path
}
