//! Copies the sources of the chat and of its recovery layer, plants the mistakes into the copy, and
//! hands it to the compiler. The layer, which is a crate of its own, is a module of the copy.

#[path = "src/edits.rs"]
mod edits;

use std::path::{Path, PathBuf};
use std::{env, fs};

/// What the root of the copy has besides that of the chat.
const LAYER: &str = "
#[doc = \"Connection state recovery: what `squall_recovery` is.\"]
pub mod recovery;
";

/// Where the layer finds the mistakes, which it and the chat have in common.
const BUGS_OF_RECOVERY: &str = "pub(super) use crate::bugs::{Bug, on};\n";

fn main() {
    let variable =
        |name: &str| PathBuf::from(env::var(name).unwrap_or_else(|_| panic!("cargo sets {name}")));
    let (chat, out) = (variable("DEP_SQUALL_CHAT_ROOT"), variable("OUT_DIR"));
    let recovery = variable("DEP_SQUALL_RECOVERY_ROOT");
    let own = variable("CARGO_MANIFEST_DIR");
    for folder in [
        chat.join("src"),
        chat.join("page"),
        recovery.join("src"),
        own.join("edits"),
        own.join("src"),
    ] {
        println!("cargo::rerun-if-changed={}", folder.display());
    }
    let edits = edits::read(&own.join("edits")).unwrap_or_else(|error| panic!("{error}"));
    let mut sources = edits::both(&chat.join("src"), &recovery.join("src"));
    edits::apply(&edits, &mut sources).unwrap_or_else(|error| panic!("{error}"));
    for (name, text) in [
        ("bugs.rs", include_str!("src/bugs.rs")),
        ("server/planted.rs", include_str!("src/planted.rs")),
    ] {
        sources.insert(name.to_owned(), text.to_owned());
    }
    for (name, text) in &mut sources {
        *text = match name.starts_with(edits::RECOVERY) {
            true => text.replace("crate::", "crate::recovery::"),
            false => text.replace("squall_recovery::", "crate::recovery::"),
        };
    }
    let layer = sources
        .remove("recovery/lib.rs")
        .expect("a crate has a root");
    sources.insert("recovery.rs".to_owned(), without_inner_attributes(&layer));
    sources.insert("recovery/bugs.rs".to_owned(), BUGS_OF_RECOVERY.to_owned());
    // Included sources must not have inner attributes: these are in `src/lib.rs`.
    let root = sources.get_mut("lib.rs").expect("a crate has a root");
    *root = without_inner_attributes(root) + LAYER;
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
