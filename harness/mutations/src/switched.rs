//! One program containing all defects, each behind a switch that is off (mutant schemata: Untch,
//! Offutt and Harrold, 1993). It is built once instead of once per defect; and it notes which
//! switches a run has reached, so that no scenario is played in which a defect cannot make a
//! difference.

use crate::corpus::Mutation;
use crate::error::Error;
use crate::planted;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Which switch is on: its number.
pub(crate) const ON: &str = "SQUALL_MUTATION_ON";
/// The file that says which switches a play has reached: one byte for each, non-zero if reached.
pub(crate) const REACHED: &str = "SQUALL_MUTATION_REACHED";

/// The crate of switches. It knows nothing of worlds: the environment is read before there is any,
/// in each process that plays, and what is reached is noted in memory that all of them share with
/// the file.
const SWITCH: &str = r#"
use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering::Relaxed};

const NONE: usize = usize::MAX;

static ON: AtomicUsize = AtomicUsize::new(NONE);
static REACHED: AtomicPtr<AtomicBool> = AtomicPtr::new(null_mut());

#[used]
#[unsafe(link_section = ".init_array")]
static BEGIN: extern "C" fn() = begin;

unsafe extern "C" {
    fn mmap(at: *mut u8, length: usize, may: i32, how: i32, file: i32, from: i64) -> *mut u8;
}

pub fn on(number: usize) -> bool {
    // It would not be linked otherwise.
    std::hint::black_box(&BEGIN);
    let reached = REACHED.load(Relaxed);
    if !reached.is_null() {
        // SAFETY: there is a byte for each number, and nobody ever unmaps it.
        unsafe { (*reached.add(number)).store(true, Relaxed) };
    }
    ON.load(Relaxed) == number
}

fn variable(name: &str) -> Option<String> {
    std::env::vars_os().find(|(key, _)| key == name)?.1.into_string().ok()
}

extern "C" fn begin() {
    let on = variable("SQUALL_MUTATION_ON").and_then(|on| on.parse().ok());
    ON.store(on.unwrap_or(NONE), Relaxed);
    let flags = variable("SQUALL_MUTATION_REACHED").and_then(|file| share(&file));
    REACHED.store(flags.unwrap_or(null_mut()), Relaxed);
}

fn share(file: &str) -> Option<*mut AtomicBool> {
    const READ_AND_WRITE: i32 = 3;
    const SHARED: i32 = 1;
    let file = OpenOptions::new().read(true).write(true).create(true).open(file).ok()?;
    file.set_len(COUNT as u64).ok()?;
    // SAFETY: it is a mapping of its own, of a file that is long enough.
    let flags = unsafe { mmap(null_mut(), COUNT, READ_AND_WRITE, SHARED, file.as_raw_fd(), 0) };
    (flags as isize != -1).then(|| flags.cast())
}
"#;

/// The crates of the chat and its recovery layer, and of the copy from which the command is built.
const CHAT: &str = "harness/chat";
const RECOVERY: &str = "harness/recovery";
const PLANTED: &str = "harness/planted";

/// A copy of the workspace in which every mutation that applies has its switch.
pub(crate) struct Switched {
    tree: PathBuf,
    /// Why some do not apply, by name.
    pub(crate) stale: BTreeMap<String, String>,
}

impl Switched {
    /// Copies what has changed since the last time, so that what was built need not be rebuilt.
    pub(crate) fn copy(from: &Path, to: &Path, corpus: &[Mutation]) -> Result<Self, Error> {
        let mut stale = BTreeMap::new();
        let planted = planted::sources(from)?;
        let mut switches: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (number, mutation) in corpus.iter().enumerate() {
            let own = || fs::read_to_string(from.join(&mutation.file)).unwrap_or_default();
            let source = planted.get(&mutation.file).cloned().unwrap_or_else(own);
            match mutation.place(&source) {
                Ok(_) => switches.entry(&mutation.file).or_default().push(number),
                Err(times) => {
                    let why = format!("its snippet occurs {times} times in {}", mutation.file);
                    stale.insert(mutation.name.clone(), why);
                }
            }
        }
        let mut files = Vec::new();
        list(from, Path::new(""), &mut files)?;
        let mut crates: BTreeSet<&str> =
            switches.keys().filter_map(|file| crate_of(file)).collect();
        if crates.contains(CHAT) || crates.contains(RECOVERY) {
            // It is a copy of both.
            crates.insert(PLANTED);
        }
        files.extend(planted.keys().map(PathBuf::from));
        files.sort();
        files.dedup();
        for file in files {
            let path = from.join(&file);
            let name = file.to_string_lossy();
            let mut bytes = match planted.get(&*name) {
                Some(text) => text.clone().into_bytes(),
                None => fs::read(&path).map_err(|error| Error::file(&path, error))?,
            };
            if name.starts_with(planted::EDITS) {
                // These edits have been made already.
                bytes = b"edit = []\n".to_vec();
            }
            if let Some(numbers) = switches.get(&*name) {
                bytes = with_switches(&String::from_utf8_lossy(&bytes), numbers, corpus)?.into();
            } else if let Some(folder) = name.strip_suffix("/Cargo.toml")
                && crates.contains(folder)
            {
                let manifest = String::from_utf8_lossy(&bytes);
                let up = "../".repeat(folder.split('/').count());
                let switch = format!(
                    "[dependencies]\nsquall-mutation-switch = {{ path = \"{up}mutation-switch\" }}\n"
                );
                bytes = manifest.replacen("[dependencies]\n", &switch, 1).into();
            } else if name == "Cargo.toml" {
                let manifest = String::from_utf8_lossy(&bytes);
                let member = "members = [\n    \"mutation-switch\",";
                bytes = manifest.replacen("members = [", member, 1).into();
            }
            write(&to.join(&file), &bytes)?;
        }
        let count = format!("const COUNT: usize = {};\n{SWITCH}", corpus.len().max(1));
        write(&to.join("mutation-switch/src/lib.rs"), count.as_bytes())?;
        let manifest = "[package]\nname = \"squall-mutation-switch\"\nedition = \"2024\"\n";
        write(&to.join("mutation-switch/Cargo.toml"), manifest.as_bytes())?;
        Ok(Self {
            tree: to.to_owned(),
            stale,
        })
    }

    /// Builds the command and returns its path. `release` means without link-time optimization,
    /// which would cost more time here than it saves.
    pub(crate) fn build(&self, target: &Path, profile: &str) -> Result<PathBuf, Error> {
        let output = Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--offline",
                "--workspace",
                "--bin",
                "squall",
                "--profile",
                profile,
            ])
            .env("CARGO_TARGET_DIR", target)
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16")
            .env("CARGO_PROFILE_RELEASE_DEBUG", "false")
            .current_dir(&self.tree)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| Error::file(&self.tree, error))?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr);
            let errors: Vec<&str> = told
                .split("\n\n")
                .filter(|it| it.contains("error"))
                .collect();
            return Err(Error::Build(errors.join("\n\n")));
        }
        let folder = if profile == "dev" { "debug" } else { profile };
        Ok(target.join(folder).join("squall"))
    }

    /// The names of the scenarios in the library.
    pub(crate) fn scenarios(&self) -> Result<Vec<String>, Error> {
        let library = self.tree.join("scenarios/library");
        let entries = fs::read_dir(&library).map_err(|error| Error::file(&library, error))?;
        let names = entries.filter_map(|entry| {
            let path = entry.ok()?.path();
            let toml = path.extension()? == "toml";
            toml.then(|| {
                path.file_stem()
                    .map(|stem| stem.to_string_lossy().into_owned())
            })?
        });
        let mut names: Vec<String> = names.collect();
        names.sort();
        Ok(names)
    }
}

/// The folder of the crate that a source belongs to.
fn crate_of(file: &str) -> Option<&str> {
    file.split_once("/src/").map(|(folder, _)| folder)
}

fn with_switches(source: &str, numbers: &[usize], corpus: &[Mutation]) -> Result<String, Error> {
    let mut edits: Vec<_> = (numbers.iter())
        .filter_map(|&number| Some((corpus[number].place(source).ok()?, number)))
        .collect();
    edits.sort_by_key(|(place, _)| place.start);
    for pair in edits.windows(2) {
        if pair[0].0.end > pair[1].0.start {
            let names = [pair[0].1, pair[1].1].map(|number| corpus[number].name.clone());
            return Err(Error::Overlap(names));
        }
    }
    let mut text = source.to_owned();
    for (place, number) in edits.into_iter().rev() {
        text.replace_range(place, &corpus[number].switched(number));
    }
    Ok(text)
}

/// Every file other than what was built, reported or versioned, by its path from the root.
fn list(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), Error> {
    let path = root.join(folder);
    for entry in fs::read_dir(&path).map_err(|error| Error::file(&path, error))? {
        let entry = entry.map_err(|error| Error::file(&path, error))?;
        let name = entry.file_name();
        let inside = folder.join(&name);
        if entry.path().is_dir() {
            if !["target", "report", ".git"].contains(&&*name.to_string_lossy()) {
                list(root, &inside, files)?;
            }
        } else if name != ".git" {
            files.push(inside);
        }
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, bytes))
        .map_err(|error| Error::file(path, error))
}
