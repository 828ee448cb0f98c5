//! Finds the caller: the crates on the stack, from the libc function outwards.

use rustc_hash::FxHashMap;
use std::ffi::c_void;

/// The crate that asked, and those that called on its behalf, innermost first.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asker {
    pub(super) by: Option<String>,
    pub(super) through: Vec<String>,
}

/// Crates that call on behalf of others: their callers matter more than they do.
const MESSENGERS: [&str; 6] = [
    STD,
    "fastrand",
    "getrandom",
    "rand",
    "rand_chacha",
    "rand_core",
];

/// Memory allocators serve all of the host's process, so when they read a clock depends on more
/// than one world, and affects nothing in it.
const ALLOCATORS: [&str; 3] = ["libmimalloc-sys", "snmalloc-sys", "tikv-jemalloc-sys"];

/// The name under which `std`, `core` and `alloc` are reported.
const STD: &str = "std";

/// How many frames are examined: a messenger may have been called from deep inside another one.
const FRAMES: usize = 64;

/// Which code a frame belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Owner {
    /// The entry points of the simulated system, and what they call.
    System,
    Crate(String),
    Unknown,
}

/// What return addresses have been found to belong to: the functions inlined there, innermost
/// first.
#[derive(Default)]
pub(super) struct Askers {
    owners: FxHashMap<*mut c_void, Vec<Owner>>,
}

impl Askers {
    /// The caller of the entry point that called this; none if it was the memory allocator. Walks
    /// up the stack no further than needed.
    pub(super) fn of_this_call(&mut self) -> Option<Asker> {
        let mut walk = Walk::default();
        let mut frames = 0;
        backtrace::trace(|frame| {
            frames += 1;
            let owners = self.owners.entry(frame.ip());
            let owners = owners.or_insert_with(|| owners_of(frame));
            let found = owners.iter().any(|owner| walk.pass(owner));
            !found && frames < FRAMES
        });
        walk.asker()
    }
}

fn owners_of(frame: &backtrace::Frame) -> Vec<Owner> {
    let mut owners = Vec::new();
    backtrace::resolve_frame(frame, |symbol| {
        let file = symbol.filename().and_then(|file| file.to_str());
        let name = symbol.name().map(|name| name.to_string());
        owners.push(owner(file, name.as_deref()));
    });
    owners
}

/// The way from the audit outwards.
#[derive(Default)]
struct Walk {
    /// Whether the system's own frames have begun; the audit's come before them.
    in_system: bool,
    /// The crates since the last frame of the system.
    crates: Vec<String>,
}

impl Walk {
    /// Takes the next frame. True if it is the asker's.
    fn pass(&mut self, owner: &Owner) -> bool {
        match owner {
            Owner::System => {
                self.in_system = true;
                self.crates.clear();
                false
            }
            Owner::Crate(name) if self.in_system => {
                // The standard library appears between any two crates: closures, iterators,
                // futures.
                let is_news = !self.crates.contains(name);
                if is_news && (name != STD || self.crates.is_empty()) {
                    self.crates.push(name.clone());
                }
                !MESSENGERS.contains(&bare(name))
            }
            Owner::Crate(_) | Owner::Unknown => false,
        }
    }

    fn asker(mut self) -> Option<Asker> {
        let by = self.crates.pop();
        let allocates = by
            .as_deref()
            .is_some_and(|by| ALLOCATORS.contains(&bare(by)));
        let through = self.crates;
        (!allocates).then_some(Asker { by, through })
    }
}

/// Without the version.
fn bare(name: &str) -> &str {
    name.split(' ').next().unwrap_or(name)
}

/// Whose code it is, judged by its source file and its symbol.
fn owner(file: Option<&str>, symbol: Option<&str>) -> Owner {
    // An entry point has the name of a libc function: only its file identifies it.
    let sources = file!().trim_end_matches("audit/asker.rs");
    let is_system = |file: &str| {
        let after = file.split_once(sources);
        after.is_some_and(|(_, path)| path.starts_with("sys/"))
    };
    let is_of_system = |symbol: &str| symbol.starts_with("squall_simulator::sys::");
    if file.is_some_and(is_system) || symbol.is_some_and(is_of_system) {
        return Owner::System;
    }
    let by_file = file.and_then(crate_of_file);
    match by_file.or_else(|| symbol.and_then(crate_of_symbol)) {
        Some(name) => Owner::Crate(name),
        None => Owner::Unknown,
    }
}

/// By the directory of the crate: in cargo's registry, in its build script's output, or in a
/// project. Inlined functions still have a file, but no longer a module path.
fn crate_of_file(file: &str) -> Option<String> {
    if let Some((_, path)) = file.split_once("/registry/src/") {
        // The registry, the crate, its files.
        return name_and_version(path.split('/').nth(1)?);
    }
    if STD_SOURCES.iter().any(|place| file.contains(place)) {
        return Some(STD.to_owned());
    }
    for hashed in ["/build/", "/git/checkouts/"] {
        if let Some((_, path)) = file.split_once(hashed)
            && let Some((name, hash)) = path.split('/').next()?.rsplit_once('-')
            && hash.len() == 16
        {
            return Some(name.to_owned());
        }
    }
    let before_sources = |directory| file.rsplit_once(directory)?.0.rsplit('/').next();
    let directories = ["/src/", "/tests/", "/examples/", "/benches/"];
    let name = directories.into_iter().find_map(before_sources)?;
    Some(name.to_owned())
}

/// Where the standard library was compiled, and the third-party code in it.
const STD_SOURCES: [&str; 3] = ["/rustc/", "/rustlib/src/rust/", "/rust/deps/"];

/// `hyper-util-0.1.20` is `hyper-util 0.1.20`.
fn name_and_version(directory: &str) -> Option<String> {
    let is_version = |(at, _): &(usize, &str)| {
        let major = directory[at + 1..].split('.').next().unwrap_or_default();
        !major.is_empty() && major.bytes().all(|byte| byte.is_ascii_digit())
    };
    let (at, _) = directory.match_indices('-').find(is_version)?;
    Some(format!("{} {}", &directory[..at], &directory[at + 1..]))
}

/// By the first segment of its path: `<squall_chat::Server as core::ops::Drop>::drop` belongs to
/// `squall_chat`. A C function has no such path.
fn crate_of_symbol(symbol: &str) -> Option<String> {
    let path = symbol.trim_start_matches(|sign: char| !sign.is_alphabetic() && sign != '_');
    let path = ["dyn ", "mut ", "const "]
        .iter()
        .fold(path, |path, word| path.trim_start_matches(word));
    let (first, _) = path.split_once("::")?;
    // A hash may follow, in brackets.
    let first = first.split('[').next()?;
    let is_name = first
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_name && !first.is_empty()).then(|| match first {
        "core" | "alloc" => STD.to_owned(),
        name => name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn crate_of(file: &str, symbol: &str) -> Owner {
        owner(Some(file), Some(symbol))
    }

    fn is(name: &str) -> Owner {
        Owner::Crate(name.to_owned())
    }

    #[test]
    fn a_crate_of_a_registry_is_told_by_its_directory() {
        let file = "/home/a/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/hyper-util-0.1.20/src/rt.rs";
        assert_eq!(crate_of(file, "core::hint"), is("hyper-util 0.1.20"));
        let file = "/c/registry/src/index/sha-1-0.10.0-rc.1/src/lib.rs";
        assert_eq!(crate_of(file, "f"), is("sha-1 0.10.0-rc.1"));
    }

    #[test]
    fn a_c_library_is_told_by_the_crate_that_builds_it() {
        let file = "/t/debug/build/openssl-sys-0123456789abcdef/out/openssl-build/build/src/rand.c";
        assert_eq!(crate_of(file, "RAND_bytes"), is("openssl-sys"));
    }

    #[test]
    fn the_standard_library_is_one_crate() {
        assert_eq!(
            crate_of("/rustc/0123/library/core/src/ops.rs", "f"),
            is(STD)
        );
        assert_eq!(owner(None, Some("alloc::vec::Vec<T>::push")), is(STD));
    }

    #[test]
    fn a_crate_elsewhere_is_told_by_its_directory() {
        let inlined = "{async_block#0}";
        assert_eq!(
            crate_of("/work/chat/src/server/room.rs", inlined),
            is("chat")
        );
        assert_eq!(
            crate_of("/work/chat/tests/loopback/main.rs", inlined),
            is("chat")
        );
        let file = "/c/git/checkouts/mio-0123456789abcdef/abcdef0/src/lib.rs";
        assert_eq!(crate_of(file, inlined), is("mio"));
    }

    #[test]
    fn without_debug_information_the_symbol_tells_the_crate() {
        let implemented = "<&mut squall_chat::Server as core::ops::Drop>::drop";
        assert_eq!(owner(None, Some(implemented)), is("squall_chat"));
        assert_eq!(
            owner(None, Some("std[e28293b1aa0f68bd]::env::var")),
            is(STD)
        );
        assert_eq!(owner(None, Some("main")), Owner::Unknown);
    }

    #[test]
    fn an_allocator_is_no_asker() {
        let mut walk = Walk::default();
        let way = [Owner::System, is("libmimalloc-sys 0.1.49")];
        assert!(way.iter().any(|owner| walk.pass(owner)));
        assert_eq!(walk.asker(), None);
    }

    #[test]
    fn the_asker_is_the_first_who_asks_for_itself() {
        let mut walk = Walk::default();
        let way = [
            is("backtrace 0.3.77"),
            Owner::System,
            is(STD),
            Owner::System,
            Owner::Unknown,
            is("getrandom 0.4.1"),
            is(STD),
            is("rand 0.10.0"),
        ];
        assert!(!way.iter().any(|owner| walk.pass(owner)));
        assert!(walk.pass(&is("engineioxide 0.17.0")));
        let Asker { by, through } = walk.asker().unwrap();
        assert_eq!(by.as_deref(), Some("engineioxide 0.17.0"));
        assert_eq!(through, ["getrandom 0.4.1", "rand 0.10.0"]);
    }
}
