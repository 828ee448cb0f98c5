//! Embeds the files of `library/` in the command: writes a list of (name, text), sorted by name.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("library");
    println!("cargo::rerun-if-changed={}", folder.display());
    let files = fs::read_dir(&folder).expect("the folder of the library can be read");
    let mut files: Vec<PathBuf> = files.map(|file| file.expect("a file").path()).collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "toml")
    });
    files.sort();
    let entries: Vec<String> = files
        .iter()
        .map(|file| {
            let name = file.file_stem().expect("a file has a name");
            format!("({name:?}, include_str!({file:?})),\n")
        })
        .collect();
    let list = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("library.rs");
    fs::write(list, format!("&[\n{}]\n", entries.concat())).expect("the list can be written");
}
