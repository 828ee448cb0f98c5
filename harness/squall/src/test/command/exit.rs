//! How a command ends, and how it speaks.

use crate::test::finding::Kind;
use std::fmt::Display;
use std::io::Write;

/// How a command ends, as the operating system is told: as with the command `squall`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exit {
    AsExpected = 0,
    NotAsExpected = 1,
    NotExercised = 2,
    NotDeterministic = 3,
    Failed = 4,
}

impl From<Kind> for Exit {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Broken => Exit::NotAsExpected,
            Kind::ShowsLess => Exit::NotExercised,
            Kind::Differs => Exit::NotDeterministic,
        }
    }
}

/// What people ask for. A reader that has gone away is not a failure.
pub(super) fn say(what: impl Display) {
    let _ = writeln!(std::io::stdout(), "{what}");
}

/// What they must know besides.
pub(super) fn complain(what: impl Display) {
    let _ = writeln!(std::io::stderr(), "{what}");
}
