//! The audit: which sources of entropy and time the programs of a world used, which code asked, and
//! what reached the real host. Off unless asked for; it changes nothing in the run.
//!
//! Not covered: what is not obtained through a function of libc (`rdtsc`, `environ`, `getauxval`),
//! and what libc itself asks for. Of files, only opening them is reported, not looking at them
//! (`stat`).

mod asker;

use asker::{Asker, Askers};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// What a program asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// Random bytes.
    Entropy,
    /// A clock reading.
    Time,
    /// An environment variable.
    Environment,
    /// A file being opened. SQLite's are on the machine's own disk and not included.
    File,
    /// A system call by number that the simulator does not know.
    SystemCall,
}

/// All calls from one machine and one crate to one door of the operating system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Source {
    /// What was asked for.
    pub kind: SourceKind,
    /// The function: of libc, of SQLite's VFS, or of the machine itself.
    pub door: Cow<'static, str>,
    /// What distinguishes calls of the same function: the clock, the path, the variable, the
    /// number.
    pub what: Option<Cow<'static, str>>,
    /// Whether the real host answered. Its answer does not depend on the seed.
    pub host: bool,
    /// The machine's name; none for calls on the world's own thread while no machine ran.
    pub machine: Option<String>,
    /// The crate that asked, with its version if it comes from a registry; none if it cannot be
    /// determined. Inlined functions are known only from debug information, so builds may differ
    /// here.
    pub by: Option<String>,
    /// The crates that called on its behalf, starting with the one that called the function first.
    pub through: Vec<String>,
    /// How many calls.
    pub calls: u64,
    /// How many random bytes were given; 0 for other kinds.
    pub bytes: u64,
}

/// One call, before its caller is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) kind: SourceKind,
    pub(crate) door: &'static str,
    pub(crate) what: Option<Cow<'static, str>>,
    pub(crate) bytes: usize,
}

impl Call {
    pub(crate) fn entropy(door: &'static str, bytes: usize) -> Self {
        Self {
            bytes,
            ..Self::new(SourceKind::Entropy, door)
        }
    }

    pub(crate) fn time(door: &'static str) -> Self {
        Self::new(SourceKind::Time, door)
    }

    pub(crate) fn variable(door: &'static str, name: String) -> Self {
        Self::new(SourceKind::Environment, door).of(name)
    }

    /// A file is opened. The host's generators of random bytes are files, too.
    pub(crate) fn file(door: &'static str, path: String) -> Self {
        let kind = match path.as_str() {
            "/dev/random" | "/dev/urandom" => SourceKind::Entropy,
            _ => SourceKind::File,
        };
        Self::new(kind, door).of(path)
    }

    pub(crate) fn number(door: &'static str, number: i64) -> Self {
        Self::new(SourceKind::SystemCall, door).of(number.to_string())
    }

    fn new(kind: SourceKind, door: &'static str) -> Self {
        let (what, bytes) = (None, 0);
        Self {
            kind,
            door,
            what,
            bytes,
        }
    }

    pub(crate) fn of(mut self, what: impl Into<Cow<'static, str>>) -> Self {
        self.what = Some(what.into());
        self
    }

    /// Whether the host answers, rather than the running machine, if any, or the world.
    fn reaches_host(&self, on_machine: bool) -> bool {
        match self.kind {
            SourceKind::Entropy => self.what.as_ref().is_some_and(|what| what.starts_with('/')),
            SourceKind::Time | SourceKind::Environment => !on_machine,
            SourceKind::File | SourceKind::SystemCall => true,
        }
    }
}

/// What distinguishes sources, in the order in which they are reported.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    kind: SourceKind,
    door: &'static str,
    what: Option<Cow<'static, str>>,
    host: bool,
    machine: Option<String>,
    asker: Asker,
}

#[derive(Default)]
struct Tally {
    calls: u64,
    bytes: u64,
}

/// The accounts of one world's audit.
#[derive(Default)]
pub(crate) struct Audit {
    tallies: BTreeMap<Key, Tally>,
    askers: Askers,
}

impl Audit {
    /// Notes a call to the function that calls this one.
    pub(crate) fn note(&mut self, machine: Option<String>, call: Call) {
        let Some(asker) = self.askers.of_this_call() else {
            return;
        };
        let key = Key {
            kind: call.kind,
            door: call.door,
            host: call.reaches_host(machine.is_some()),
            what: call.what,
            machine,
            asker,
        };
        let tally = self.tallies.entry(key).or_default();
        tally.calls += 1;
        tally.bytes += call.bytes as u64;
    }

    pub(crate) fn sources(&self) -> Vec<Source> {
        let source = |(key, tally): (&Key, &Tally)| Source {
            kind: key.kind,
            door: key.door.into(),
            what: key.what.clone(),
            host: key.host,
            machine: key.machine.clone(),
            by: key.asker.by.clone(),
            through: key.asker.through.clone(),
            calls: tally.calls,
            bytes: tally.bytes,
        };
        self.tallies.iter().map(source).collect()
    }
}
