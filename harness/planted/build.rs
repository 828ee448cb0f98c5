//! Copies the sources of the chat, plants the mistakes into the copy, and hands it to the compiler.

#[path = "src/edits.rs"]
mod edits;

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let variable =
        |name: &str| PathBuf::from(env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}")));
    let (chat, out) = (variable("DEP_SQUALL_CHAT_ROOT"), variable("OUT_DIR"));
    let own = variable("CARGO_MANIFEST_DIR");
    for folder in [
        chat.join("src"),
        chat.join("page"),
        own.join("edits"),
        own.join("src"),
    ] {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    let edits = edits::read(&own.join("edits")).unwrap_or_else(|error| panic!("{error}"));
    let mut sources = edits::sources(&chat.join("src"));
    edits::apply(&edits, &mut sources).unwrap_or_else(|error| panic!("{error}"));
    for (name, text) in [
        ("bugs.rs", include_str!("src/bugs.rs")),
        ("server/planted.rs", include_str!("src/planted.rs")),
    ] {
        sources.insert(name.to_owned(), text.to_owned());
    }
    // Included sources must not have inner attributes: these are in `src/lib.rs`.
    let root = sources.get_mut("lib.rs").expect("a crate has a root");
    *root = without_inner_attributes(root);
    for (name, text) in sources {
        write(&out.join("src").join(name), text.as_bytes());
    }
    for file in fs::read_dir(chat.join("page")).expect("the chat has a page") {
        let file = file.expect("a file").path();
        let name = file.file_name().expect("a file has a name");
        write(
            &out.join("page").join(name),
            &fs::read(&file).expect("it can be read"),
        );
    }
}

fn write(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("it is in a folder")).expect("a folder can be made");
    fs::write(path, bytes).expect("what cargo has given can be written");
}

/// A source without inner attributes and inner documentation, which an included source cannot have.
fn without_inner_attributes(source: &str) -> String {
    let inner = |line: &&str| line.starts_with("//!") || line.starts_with("#![");
    let lines = source.lines().filter(|line| !inner(line));
    lines.map(|line| format!("{line}\n")).collect()
}
